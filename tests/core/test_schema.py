from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from benchbench.core.errors import BenchbenchError
from benchbench.core.schema import suite_schema
from benchbench.core.suite_file import load_suite

ROOT = Path(__file__).parents[2]


@pytest.fixture
def validator(toy_registries: None) -> jsonschema.Draft202012Validator:
    schema = suite_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_the_schema_is_one_and_takes_the_suite(
    validator: jsonschema.Draft202012Validator, suite_text: str
) -> None:
    validator.validate(yaml.safe_load(suite_text))


ACCEPTED = {
    "a variant of nothing": ("baseline: {}", "baseline:"),
    "options of the architecture": ("toy_net", "{name: toy_net, width: 3}"),
    "an import": (
        "toy_net",
        "{import: 'a:b', kwargs: {n: 1}, input: [1, 3, 8, 8], stages: {a: x, b: [y]}}",
    ),
    "several inputs": ("toy_net", "{import: 'a:b', input: [[1, 3, 8, 8], [1]]}"),
    "a size of a registered one": ("toy_net", "{name: toy_net, width: 3, input: [1, 3, 8, 8]}"),
    "an import of a file": ("toy_net", "{import: 'm/a.py:b', attribute: decoder.0, input: [1, 3]}"),
    "a label map": ("toy_net", "{import: 'a:b', input: {shape: [1, 3, 8, 8], values: one_hot}}"),
    "inputs by name": (
        "toy_net",
        "{import: 'a:b', input: {x: [1, 3], t: {shape: [1], dtype: int64, high: 9}, b: {y: [1, 2]}}}",
    ),
    "a dictionary among inputs": ("toy_net", "{import: 'a:b', input: [[1, 3], {x: [1], y: {shape: [2]}}]}"),
    "one stage": ("[residual]", "residual"),
    "several replacements": (
        "{stages: [residual], with: separable}",
        "[{stages: [residual], with: {name: separable, norm: none}}]",
    ),
    "options of the source": ("data: photos", "data: {source: photos, size: 3}"),
    "nested options": ("steps: 20", "optimizer: {name: sgd, lr: 1}"),
    "a checkpoint": ("recipe: perceptual\n  steps: 20", "load: 'w/{cell}.pt'"),
    "a measure without options": ("- parameters", "- parameters:"),
    "a measure by name": ("- parameters", "- {name: latency, threads: [3]}"),
    "a note on an expectation": ("381315", "{value: 381315, note: n}"),
    "a matrix": (
        "name: toy",
        "name: toy\nmatrix: {seed: [0], variant: v1, train.steps: [1], data.size: [2]}",
    ),
    "a profile": ("name: toy", "name: toy\nprofiles: {quick: {train.steps: 3}}"),
}
REFUSED = {
    "unknown key": ("name: toy", "name: toy\nmeasures: 3"),
    "unknown architecture": ("toy_net", "toy"),
    "unknown option": ("toy_net", "{name: toy_net, wide: 3}"),
    "option of another": ("toy_net", "{name: other_net, width: 3}"),
    "internal name": ("with: separable", "replacement: separable"),
    "unknown replacement": ("with: separable", "with: seperable"),
    "wrong choice": ("with: separable", "with: {name: separable, norm: batch}"),
    "text for a number": ("steps: 20", "steps: '20'"),
    "out of range": ("steps: 20", "steps: 0"),
    "nested": ("steps: 20", "optimizer: {lrr: 1}"),
    "recipe and load": ("steps: 20", "load: a.pt"),
    "a recipe alone": ("train:\n  recipe: perceptual\n  steps: 20", "train: perceptual"),
    "unknown measure": ("- parameters", "- parametres"),
    "option of a measure": ("threads: [1, 2]", "thread: [1]"),
    "missing": ("name: toy\n", ""),
    "no variants": ("  baseline: {}\n  v1:\n    replace: {stages: [residual], with: separable}", "  {}"),
    "matrix key": ("name: toy", "name: toy\nmatrix: {trian.steps: [1]}"),
    "empty sweep": ("name: toy", "name: toy\nmatrix: {seed: []}"),
    "profile": ("name: toy", "name: toy\nprofiles: {fast: {}}"),
    "unknown key of an input": ("toy_net", "{import: 'a:b', input: {shape: [1, 3], dtpye: int64}}"),
    "a wrong kind of values": ("toy_net", "{import: 'a:b', input: [{shape: [1, 3], values: onehot}]}"),
    "a registered one by keyword": ("toy_net", "{name: toy_net, input: {x: [1, 3, 8, 8]}}"),
    "an import of no callable": ("toy_net", "{import: 'm/a.py', input: [1, 3]}"),
    "import without input": ("toy_net", "{import: 'a:b'}"),
    "expectation": ("381315", "'381315'"),
}


def edited(text: str, change: tuple[str, str]) -> object:
    assert change[0] in text
    return yaml.safe_load(text.replace(*change, 1))


@pytest.mark.parametrize("case", ACCEPTED)
def test_the_schema_takes(
    validator: jsonschema.Draft202012Validator, suite_text: str, case: str, suite_path: Path
) -> None:
    text = suite_text.replace(*ACCEPTED[case], 1)
    if "import" in text:
        text = text.replace("stages: [residual]", "stages: [a]")
    validator.validate(edited(suite_text, ACCEPTED[case]))
    suite_path.write_text(text, encoding="utf-8")
    load_suite(suite_path)


@pytest.mark.parametrize("case", REFUSED)
def test_the_schema_refuses(
    validator: jsonschema.Draft202012Validator, suite_text: str, case: str, suite_path: Path
) -> None:
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(edited(suite_text, REFUSED[case]))
    suite_path.write_text(suite_text.replace(*REFUSED[case], 1), encoding="utf-8")
    with pytest.raises(BenchbenchError):
        load_suite(suite_path)


def test_every_reference_in_the_schema_leads_somewhere(toy_registries: None) -> None:
    schema = suite_schema()
    text = json.dumps(schema)
    definitions = schema["$defs"]
    assert isinstance(definitions, dict)
    named = {part.split('"')[0] for part in text.split('"#/$defs/')[1:]}
    assert named <= set(definitions)
    assert "recipe.perceptual.Optimizer" in named


def test_options_are_completed_with_their_description(toy_registries: None) -> None:
    assert "edge of a crop, pixels" in json.dumps(suite_schema())


def test_the_committed_schema_is_that_of_the_code() -> None:
    committed = (ROOT / "suites" / "schema.json").read_text(encoding="utf-8")
    assert json.loads(committed) == suite_schema(), (
        "suites/schema.json is out of date: run `benchbench schema > suites/schema.json`"
    )


def test_the_suites_in_the_repository_fit_the_committed_schema() -> None:
    schema = json.loads((ROOT / "suites" / "schema.json").read_text(encoding="utf-8"))
    for path in sorted((ROOT / "suites").glob("*.yaml")):
        text = path.read_text(encoding="utf-8")
        assert "# yaml-language-server: $schema=schema.json" in text.splitlines()[:3], path.name
        jsonschema.Draft202012Validator(schema).validate(yaml.safe_load(text))
