from __future__ import annotations

import copy
from pathlib import Path

import pytest
import yaml

from benchbench.core.errors import BenchbenchError
from benchbench.core.overrides import parse_override, set_value
from benchbench.core.suite_file import load_suite

RAW = {
    "architecture": "toy_net",
    "variants": {
        "v1": {"replace": {"stages": ["a"], "with": "separable"}},
        "v1.5": {"replace": [{"stages": "a", "with": {"name": "s"}}, {"stages": "b", "with": "s"}]},
        "none": None,
    },
    "data": "photos",
    "train": {"recipe": "perceptual"},
    "measure": ["parameters", {"latency": {"threads": [1, 2]}}, {"name": "macs", "exact": False}],
    "expect": {"v1": {"parameters": 3}},
}

# (override, where it lands, the outermost place that is new)
LANDS = [
    ("train.steps=50", ("train", "steps"), ("train", "steps")),
    ("train.optimizer.lr=0.5", ("train", "optimizer", "lr"), ("train", "optimizer")),
    ("architecture.width=3", ("architecture", "width"), ("architecture", "width")),
    ("data.size=64", ("data", "size"), ("data", "size")),
    ("data=folder", ("data",), ("data",)),
    ("variants.v1.replace.stages=[b]", ("variants", "v1", "replace", "stages"), None),
    ("variants.v1.replace[0].stages=[b]", ("variants", "v1", "replace", "stages"), None),
    ("variants.v1.replace.with.norm=x", ("variants", "v1", "replace", "with", "norm"), None),
    ("variants.v1.5.replace[1].stages=[c]", ("variants", "v1.5", "replace", 1, "stages"), None),
    ("variants.v1.5.replace.0.with.norm=x", ("variants", "v1.5", "replace", 0, "with", "norm"), None),
    ("variants.none.title=t", ("variants", "none", "title"), None),
    ("measure.latency.threads=[1]", ("measure", 1, "latency", "threads"), None),
    ("measure[1].threads=[1]", ("measure", 1, "latency", "threads"), None),
    ("measure[1].latency.threads=[1]", ("measure", 1, "latency", "threads"), None),
    ("measure.latency={device: cpu}", ("measure", 1, "latency"), None),
    ("measure.parameters.exact=true", ("measure", 0, "parameters", "exact"), None),
    ("measure.macs.exact=true", ("measure", 2, "exact"), None),
    ("measure[0]=macs", ("measure", 0), None),
    ("matrix.train.steps=[1, 2]", ("matrix", "train.steps"), ("matrix",)),
    ("expect.v1.parameters.note=n", ("expect", "v1", "parameters", "note"), None),
]


@pytest.mark.parametrize(("text", "lands", "new"), LANDS, ids=[text for text, _, _ in LANDS])
def test_an_override_lands(
    text: str, lands: tuple[str | int, ...], new: tuple[str | int, ...] | None
) -> None:
    raw = copy.deepcopy(RAW)
    path, value = parse_override(text)
    assert set_value(raw, path, value) == (new or lands)
    found: object = raw
    for part in lands:
        found = found[part]  # type: ignore[index]
    assert found == yaml.safe_load(text.partition("=")[2])


def test_short_forms_keep_what_they_said() -> None:
    raw = copy.deepcopy(RAW)
    set_value(raw, "architecture.width", 3)
    set_value(raw, "expect.v1.parameters.note", "n")
    set_value(raw, "variants.v1.replace.with.norm", "x")
    assert raw["architecture"] == {"name": "toy_net", "width": 3}
    assert raw["expect"] == {"v1": {"parameters": {"value": 3, "note": "n"}}}
    assert raw["variants"]["v1"]["replace"]["with"] == {"name": "separable", "norm": "x"}  # type: ignore[index, call-overload]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=1", 1),
        ("a=1.0e-3", 0.001),
        ("a=[x, y]", ["x", "y"]),
        ("a=", None),
        ("a=b=c", "b=c"),
        ("a={b: 1}", {"b": 1}),
    ],
)
def test_values_are_yaml(text: str, value: object) -> None:
    assert parse_override(text) == ("a", value)


REFUSED = {
    "train.stpes=5": """\
--set train.stpes=5: recipe 'perceptual': unknown option 'stpes'
  expected: one of batch, optimizer, steps
  to do: did you mean 'steps'?""",
    "train.steps=many": """\
--set train.steps=many: recipe 'perceptual': option steps: got "many"
  expected: a whole number""",
    "data.size=0": """\
--set data.size=0: data source 'photos': option size: got 0
  expected: greater than 0""",
    "variants.v1.replace.stages=[residul]": """\
--set variants.v1.replace.stages=[residul]: unknown stage of toy_net 'residul'
  expected: one of decoder, encoder, residual
  to do: did you mean 'residual'?""",
    "variants.v2.title=x": """\
--set variants.v2.title=x: unknown variant 'v2'
  expected: one of baseline, v1
  to do: did you mean 'v1'?""",
    "measure.latancy.threads=[1]": """\
--set measure.latancy.threads=[1]: unknown measure in this suite 'latancy'
  expected: one of latency, parameters
  to do: did you mean 'latency'?""",
    "measure.latency.thread=[1]": """\
--set measure.latency.thread=[1]: measure 'latency': unknown option 'thread'
  expected: one of baseline, device, threads
  to do: did you mean 'threads'?""",
    "measure[1].thread=[1]": """\
--set measure[1].thread=[1]: measure 'latency': unknown option 'thread'
  expected: one of baseline, device, threads
  to do: did you mean 'threads'?""",
    "measure[7]=macs": """\
--set measure[7]=macs: 'measure' has no entry [7]
  expected: an index below 2""",
    "matrix.seed=[]": """\
--set matrix.seed=[]: 'seed' is swept over no value, so the suite has no cell
  expected: one or more values
  to do: give it values, or remove matrix.seed""",
    "name.first=toy": """--set name.first=toy: 'name' is "toy"; it has no 'first'""",
    "train.steps": """\
--set train.steps: 'train.steps' sets nothing
  expected: key=value, for example train.steps=50""",
    "train..steps=5": """\
--set train..steps=5: 'train..steps' is no path
  expected: keys with dots between, like data.size""",
    "title=2025-01-01": """\
--set title=2025-01-01: the value '2025-01-01' is not plain
  expected: a number, a text, true or false, [a list] or {a: mapping}
  to do: put text with special characters in quotes""",
    "title=[": """\
--set title=[: the value '[' is not plain
  expected: a number, a text, true or false, [a list] or {a: mapping}
  to do: put text with special characters in quotes""",
}


@pytest.mark.parametrize("text", REFUSED)
def test_a_bad_override_names_itself(suite_path: Path, text: str) -> None:
    with pytest.raises(BenchbenchError) as caught:
        load_suite(suite_path, overrides=[text])
    assert str(caught.value) == REFUSED[text]


def test_the_last_override_wins(suite_path: Path) -> None:
    suite = load_suite(suite_path, overrides=["train.steps=5", "train.steps=6", "data.size=8"])
    assert suite.train is not None
    assert suite.train.options == {"steps": 6}
    assert suite.data is not None
    assert suite.data.options == {"size": 8}


def test_what_was_not_overridden_keeps_its_line(suite_path: Path) -> None:
    suite_path.write_text(suite_path.read_text().replace("threads: [1, 2]", "threads: [1, x]"))
    with pytest.raises(BenchbenchError, match=r"^suite.yaml:14: measure\[1\].latency.threads\[1\]"):
        load_suite(suite_path, overrides=["measure.latency.device=cpu"])


def test_an_alias_is_overridden_in_one_place_only(suite_path: Path) -> None:
    text = suite_path.read_text().replace("replace: {", "replace: &r {")
    suite_path.write_text(text.replace("data:", "  v2: {replace: *r}\ndata:"))
    suite = load_suite(suite_path, overrides=["variants.v2.replace.stages=[encoder]"])
    assert suite.variants["v1"].replace[0].stages == ("residual",)
    assert suite.variants["v2"].replace[0].stages == ("encoder",)


def test_two_measures_of_one_name_need_an_index(suite_path: Path) -> None:
    suite_path.write_text(suite_path.read_text().replace("- parameters", "- latency"))
    with pytest.raises(BenchbenchError) as caught:
        load_suite(suite_path, overrides=["measure.latency.threads=[3]"])
    assert caught.value.fix == "write measure[0].threads"
    suite = load_suite(suite_path, overrides=["measure[0].threads=[3]"])
    assert [each.options for each in suite.measure] == [{"threads": [3]}, {"threads": [1, 2]}]
