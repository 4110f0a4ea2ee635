"""README and docs are executed: what is marked runs, commands parse, files and links exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from benchbench.cli.parser import parse_arguments
from benchbench.core.data_spec import DataSpec
from benchbench.core.deployment import DeploySpec
from benchbench.core.expand import expand
from benchbench.core.gate_rules import GateRules
from benchbench.core.model import parse_options
from benchbench.core.plain_yaml import read_plain
from benchbench.core.registry import ARCHITECTURES, BACKENDS, MEASURES, RECIPES, REPLACEMENTS, SOURCES
from benchbench.core.suite import ArchitectureSpec, Collection, MeasureSpec, Variant
from benchbench.core.suite_file import load_suite, load_suites

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
INSTALL = "python3 -m venv .venv && .venv/bin/pip install -q -c constraints.txt tox && .venv/bin/tox"


@dataclass(frozen=True)
class Fence:
    """One fenced block: its page, line, language, the mark above it (`run`, `suite`) and its text."""

    page: str
    line: int
    language: str
    mark: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def fences() -> Iterator[Fence]:
    pattern = re.compile(r"(?:<!-- (run|suite) -->\n)?^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for found in pattern.finditer(text):
            line = text.count("\n", 0, found.start(2)) + 1
            yield Fence(str(page.relative_to(ROOT)), line, found[2], found[1] or "", found[3])


FENCES = list(fences())
PYTHON = [fence for fence in FENCES if fence.language == "python"]
YAML = [fence for fence in FENCES if fence.language == "yaml"]
COMMANDS = [
    pytest.param(line, id=f"{fence}: {line[:60]}")
    for fence in FENCES
    if fence.language in ("bash", "console")
    for line in fence.text.replace("\\\n", " ").splitlines()
    if line.strip() and not line.startswith("#")
]


@pytest.mark.parametrize("fence", PYTHON, ids=str)
def test_python_compiles_and_runs_where_marked(
    fence: Fence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = compile(fence.text, str(fence), "exec", dont_inherit=True)
    if fence.mark == "run":
        monkeypatch.chdir(tmp_path)
        exec(code, {"__name__": "docs"})


def test_something_is_run() -> None:
    assert {fence.page for fence in PYTHON if fence.mark == "run"} >= {"README.md", "docs/bring-a-model.md"}


@pytest.mark.parametrize("fence", YAML, ids=str)
def test_yaml_is_valid_and_whole_suites_load(fence: Fence, tmp_path: Path) -> None:
    declared = yaml.safe_load(fence.text)
    if "gate" in declared and "name" not in declared:
        GateRules.model_validate(read_plain(fence.text)["gate"])
    elif "include" in declared:
        Collection.model_validate(declared)
    elif "name" in declared:
        path = tmp_path / "suite.yaml"
        path.write_text(fence.text, encoding="utf-8")
        assert expand(load_suite(path))
    elif "data" in declared:
        data = DataSpec.model_validate(declared["data"])
        parse_options("data source", data.source, SOURCES.load(data.source).options, data.options)
    elif "deploy" in declared:
        for each in declared["deploy"]:
            spec = DeploySpec.model_validate(each)
            for name in spec.backend:
                parse_options("backend", name, BACKENDS.load(name).options, spec.options)
    elif "measure" in declared:
        for measure in declared["measure"]:
            spec = MeasureSpec.model_validate(measure)
            parse_options("measure", spec.name, MEASURES.load(spec.name).options, spec.options)
    elif "variants" in declared:
        for variant in declared["variants"].values():
            Variant.model_validate(variant)
    else:
        ArchitectureSpec.model_validate(declared["architecture"])


def test_the_documented_suite_says_what_a_variant_really_has(tmp_path: Path) -> None:
    from benchbench import build, count, replace

    (fence,) = [fence for fence in YAML if fence.page == "docs/write-a-suite.md" and fence.mark == "suite"]
    path = tmp_path / "suite.yaml"
    path.write_text(fence.text, encoding="utf-8")
    expected = load_suite(path).expect["v1"]["parameters"].value
    light = replace(build("transformer_net", width=16), stages=["residual"], by="depthwise_separable")
    assert count(light).parameters == expected


def test_the_readmes_suite_is_the_example() -> None:
    (fence,) = [fence for fence in YAML if fence.page == "README.md"]
    example = (ROOT / "examples/own_model.yaml").read_text(encoding="utf-8")
    assert example.endswith(fence.text)


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_parse_and_name_what_exists(line: str) -> None:
    words = shlex.split(line, comments=True)
    if words[0] != "benchbench":
        assert line.startswith(
            (INSTALL, ".venv/bin/", "python3 -m venv .venv && .venv/bin/pip install -c")
        ), line
        return
    parsed = parse_arguments(words[1:])
    if words[1] == "run":
        load_suites(ROOT / parsed.suite, overrides=tuple(parsed.settings), profile=parsed.profile)


def test_the_two_commands_are_there_and_ci_runs_the_second() -> None:
    lines = [fence.text.strip() for fence in FENCES if fence.page == "README.md" and fence.language == "bash"]
    assert lines[:2] == [f"{INSTALL} -e quickstart", INSTALL]
    assert INSTALL in (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8"))
    missing = [target for target in targets if "://" not in target and not (page.parent / target).exists()]
    assert missing == []


def test_every_page_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [page.name for page in (ROOT / "docs").glob("*.md") if f"docs/{page.name}" not in readme] == []


def test_the_latency_options_are_told_with_their_defaults() -> None:
    page = (ROOT / "docs/protocol-latency.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", page, flags=re.MULTILINE))
    options = MEASURES.load("latency").options
    assert set(told) == set(options.model_fields)
    for name, field in options.model_fields.items():
        default = field.default[0] if isinstance(field.default, tuple) else field.default
        if default is not None:
            assert told[name].strip().strip("`") == str(default)


def test_the_recipes_and_the_loops_options_are_told_with_their_defaults() -> None:
    from benchbench.training.gan_options import PRESETS
    from benchbench.training.options import LoopOptions

    page = (ROOT / "docs/training.md").read_text(encoding="utf-8")
    first, presets, told = (
        {name: rest for names, rest in rows for name in re.findall(r"`(\w+)`", names)}
        for rows in (
            re.findall(r"^\| ((?:`\w+`(?:, )?)+) \| (.*) \|$", part, flags=re.MULTILINE)
            for part in re.split(
                r"^\| `gan`, `preset:` .*$|^## The loop's options$", page, flags=re.MULTILINE
            )
        )
    )
    assert set(first) == set(RECIPES)
    for name in RECIPES:
        recipe, default = RECIPES.load(name), first[name].split(" | ")[1]
        assert all(f"`{field}`" in first[name].split(" | ")[2] for field in recipe.fields), name
        batch = recipe.options.model_fields["batch"].default
        assert name == "gan" or f"batch {batch}" in default, name
    assert set(presets) == set(PRESETS)
    for name, values in PRESETS.items():
        cells = re.split(r"\s*\|\s*", presets[name])
        rate, betas = cells[2].split(", ")
        assert float(rate) == values["lr"]
        assert [float(each) for each in betas.split(" and ")] == [values["beta_1"], values["beta_2"]]
        assert (cells[1], int(cells[3])) == (f"`{values['loss']}`", values["batch"])
    assert set(LoopOptions.model_fields) <= set(told)
    for name in ("samples", "device", "devices", "precision", "memory_format"):
        default = str(LoopOptions.model_fields[name].default)
        assert told[name].split(" | ")[0].split(";")[0].strip("`") == default, name


def test_the_recipes_of_contributing_are_under_ten_lines() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for kind in ("an architecture", "a replacement", "a measure"):
        section = text.partition(f"## Add {kind}\n")[2].partition("\n## ")[0]
        section = section.partition("\nNone of the three")[0]
        assert 0 < len([line for line in section.splitlines() if line.strip()]) < 10


def _architecture_rows() -> dict[str, list[str]]:
    page = (ROOT / "docs/architectures.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", page, flags=re.MULTILINE)
    return {name: [part.strip() for part in rest.split("|")] for name, rest in rows}


def test_every_replacement_is_documented_with_its_options() -> None:
    page = (ROOT / "docs/replacements.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| .* \| (.*) \|$", page, flags=re.MULTILINE))
    assert set(rows) == set(REPLACEMENTS)
    for name in REPLACEMENTS:
        told = rows[name]
        options = [
            each for each in REPLACEMENTS.load(name).options.model_fields if not each.endswith("_bias")
        ]
        assert all(f"`{each}`" in told for each in options) or "biases" in told, name


def test_every_architecture_is_documented() -> None:
    assert list(_architecture_rows()) == list(ARCHITECTURES)


@pytest.mark.parametrize("name", list(ARCHITECTURES))
def test_an_architecture_costs_what_its_page_says(name: str) -> None:
    import torch

    import benchbench as bb

    with torch.device("meta"):
        counts = bb.count(bb.build(name))
    _, parameters, macs, _ = _architecture_rows()[name]
    assert (parameters, macs) == (f"{counts.parameters:,}", f"{counts.macs:,}")
