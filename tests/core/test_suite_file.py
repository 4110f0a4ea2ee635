from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from benchbench.core.errors import BenchbenchError, OptionError, SuiteError, UnknownNameError
from benchbench.core.suite import Suite
from benchbench.core.suite_file import load_suite

pytestmark = pytest.mark.usefixtures("toy_registries")


def edited(path: Path, old: str, new: str) -> Path:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) >= 1
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path


def test_a_right_suite_is_read(suite_path: Path) -> None:
    suite = load_suite(suite_path)
    assert suite.architecture.name == "toy_net"
    assert list(suite.variants) == ["baseline", "v1"]
    assert suite.baseline_variant == "baseline"
    assert suite.variants["v1"].replace[0].stages == ("residual",)
    assert suite.variants["v1"].replace[0].replacement.name == "separable"
    assert suite.data is not None
    assert suite.data.source == "photos"
    assert suite.train is not None
    assert suite.train.options == {"steps": 20}
    assert [each.name for each in suite.measure] == ["parameters", "latency"]
    assert suite.measure[1].options == {"threads": [1, 2]}
    assert suite.expect["v1"]["parameters"].value == 381315


def test_a_stored_suite_reads_back(suite_path: Path) -> None:
    suite = load_suite(suite_path)
    assert Suite.model_validate_json(suite.model_dump_json()) == suite
    assert Suite.model_validate_json(suite.model_dump_json(by_alias=True)) == suite


def test_expectations_may_carry_a_note(suite_path: Path) -> None:
    edited(suite_path, "parameters: 381315", "parameters: {value: 381315, note: as printed}")
    expectation = load_suite(suite_path).expect["v1"]["parameters"]
    assert (expectation.value, expectation.note) == (381315, "as printed")


def test_an_imported_architecture_is_not_imported(suite_path: Path) -> None:
    edited(
        suite_path,
        "architecture: toy_net",
        "architecture: {import: 'nowhere.at_all:build', kwargs: {n: 2}, input: [1, 3, 8, 8]}",
    )
    edited(suite_path, "stages: [residual]", "stages: ['layers.*']")
    spec = load_suite(suite_path).architecture
    assert spec.import_path == "nowhere.at_all:build"
    assert spec.input == ((1, 3, 8, 8),)


def test_stages_of_an_import_are_checked_when_it_declares_them(suite_path: Path) -> None:
    edited(
        suite_path,
        "architecture: toy_net",
        "architecture: {import: 'a:b', input: [1, 3, 8, 8], stages: {body: 'layers.*'}}",
    )
    with pytest.raises(UnknownNameError, match=r"unknown stage of a:b 'residual'"):
        load_suite(suite_path)


def test_a_variant_may_change_or_exchange_the_architecture(suite_path: Path) -> None:
    edited(suite_path, "  baseline: {}", "  baseline: {}\n  wide: {architecture: {width: 16}}")
    edited(suite_path, "  baseline: {}", "  baseline: {}\n  other: {architecture: {name: other_net}}")
    assert load_suite(suite_path).variants["wide"].architecture == {"width": 16}
    edited(suite_path, "width: 16", "width: -16")
    with pytest.raises(OptionError, match=r"suite.yaml:6: variants.wide.architecture.width: .* got -16"):
        load_suite(suite_path)


def test_the_stages_of_a_variants_own_architecture_count(suite_path: Path) -> None:
    edited(suite_path, "  v1:\n", "  v1:\n    architecture: {name: other_net}\n")
    with pytest.raises(UnknownNameError, match="unknown stage of other_net 'residual'"):
        load_suite(suite_path)


def test_measures_of_one_name_may_differ_in_options(suite_path: Path) -> None:
    edited(suite_path, "  - parameters", "  - latency: {threads: [4]}")
    assert [each.name for each in load_suite(suite_path).measure] == ["latency", "latency"]


def test_merge_keys_and_aliases_work(suite_path: Path) -> None:
    edited(suite_path, "  v1:\n    replace: {", "  v1:\n    replace: &r {")
    edited(suite_path, "data:", "  v2: {replace: {<<: *r, stages: [encoder]}}\ndata:")
    assert load_suite(suite_path).variants["v2"].replace[0].stages == ("encoder",)


# What is edited in the suite of conftest.py (text, replacement), the error, and all that it says.
MISTAKES = {
    "unknown key": (
        ("name: toy", "name: toy\nmeasures: 3"),
        SuiteError,
        """\
        suite.yaml:2: measures: unknown key 'measures'
          expected: one of architecture, baseline, data, deploy, description, discriminator, expect, gate, \
matrix, measure, name, paper, profiles, timeout_s, title, train, variants
          to do: did you mean 'measure'?""",
    ),
    "unknown key, nested": (
        ("with: separable", "wiht: separable"),
        SuiteError,
        """\
        suite.yaml:6: variants.v1.replace.wiht: unknown key 'wiht'
          expected: one of layers, network, stages, with
          to do: did you mean 'with'?""",
    ),
    "internal name of a key": (
        ("with: separable", "replacement: separable"),
        SuiteError,
        """\
        suite.yaml:6: variants.v1.replace.replacement: unknown key 'replacement'
          expected: one of layers, network, stages, with""",
    ),
    "wrong type": (
        ("parameters: 381315", "parameters: '381315'"),
        SuiteError,
        """\
        suite.yaml:16: expect.v1.parameters: got "381315"
          expected: a number
          to do: write it without quotes""",
    ),
    "wrong type of an option": (
        ("steps: 20", "steps: '20'"),
        OptionError,
        """\
        suite.yaml:10: train.steps: recipe 'perceptual': option steps: got "20"
          expected: a whole number
          to do: write it without quotes""",
    ),
    "a number that YAML reads as text": (
        ("steps: 20", "optimizer: {lr: 1e-3}"),
        OptionError,
        """\
        suite.yaml:10: train.optimizer.lr: recipe 'perceptual': option optimizer.lr: got "1e-3"
          expected: a number
          to do: write 1.0e-3; YAML reads 1e-3 as text""",
    ),
    "unknown stage": (
        ("[residual]", "[encoder, residuals]"),
        UnknownNameError,
        """\
        suite.yaml:6: variants.v1.replace.stages[1]: unknown stage of toy_net 'residuals'
          expected: one of decoder, encoder, residual
          to do: did you mean 'residual'?""",
    ),
    "unknown architecture": (
        ("toy_net", "toynet"),
        UnknownNameError,
        """\
        suite.yaml:2: architecture: unknown architecture 'toynet'
          expected: one of other_net, toy_net
          to do: did you mean 'toy_net'?""",
    ),
    "unknown replacement": (
        ("with: separable", "with: seperable"),
        UnknownNameError,
        """\
        suite.yaml:6: variants.v1.replace.with: unknown replacement 'seperable'
          expected: one of separable
          to do: did you mean 'separable'?""",
    ),
    "unknown recipe": (
        ("recipe: perceptual", "recipe: perceptive"),
        UnknownNameError,
        """\
        suite.yaml:9: train.recipe: unknown recipe 'perceptive'
          expected: one of perceptual
          to do: did you mean 'perceptual'?""",
    ),
    "unknown source": (
        ("data: photos", "data: {size: 8, source: foto}"),
        UnknownNameError,
        """\
        suite.yaml:7: data.source: unknown data source 'foto'
          expected: one of photos
          to do: did you mean 'photos'?""",
    ),
    "unknown measure": (
        ("- parameters", "- parametres"),
        UnknownNameError,
        """\
        suite.yaml:12: measure[0]: unknown measure 'parametres'
          expected: one of latency, parameters
          to do: did you mean 'parameters'?""",
    ),
    "bad option": (
        ("steps: 20", "stpes: 20"),
        OptionError,
        """\
        suite.yaml:10: train.stpes: recipe 'perceptual': unknown option 'stpes'
          expected: one of batch, optimizer, steps
          to do: did you mean 'steps'?""",
    ),
    "bad option of a measure": (
        ("threads: [1, 2]", "device: gpu"),
        OptionError,
        """\
        suite.yaml:14: measure[1].latency.device: measure 'latency': option device: got "gpu"
          expected: 'cpu' or 'cuda'
          to do: did you mean 'cpu'?""",
    ),
    "an option where there is none": (
        ("- parameters", "- parameters: {exact: true}"),
        OptionError,
        """\
        suite.yaml:12: measure[0].parameters.exact: measure 'parameters': unknown option 'exact'
          expected: no option""",
    ),
    "missing key": (
        ("with: separable", "layers: '*'"),
        SuiteError,
        """\
        suite.yaml:6: variants.v1.replace: key 'with' is missing
          to do: add 'with'""",
    ),
    "missing key at the top": (
        ("name: toy\n", ""),
        SuiteError,
        """\
        suite.yaml:1: key 'name' is missing
          to do: add 'name'""",
    ),
    "duplicate key": (
        ("steps: 20", "steps: 20\n  steps: 30"),
        SuiteError,
        """\
        suite.yaml:11: train.steps: key 'steps' is given twice
          expected: each key once
          to do: remove one; the first is on line 10""",
    ),
    "two equal cells": (
        ("  baseline: {}", "  baseline: {}\n  v0:"),
        SuiteError,
        """\
        suite.yaml:5: variants.v0: two cells are the same: 'baseline' (baseline-5e62d1e513) and \
'v0' (v0-5e62d1e513)
          expected: cells that differ in what they build, train or load
          to do: remove one of them, or change what it declares""",
    ),
    "a value swept twice": (
        ("name: toy", "name: toy\nmatrix: {seed: [1, 2, 1]}"),
        SuiteError,
        """\
        suite.yaml:2: matrix.seed[2]: two cells are the same: 'seed=1' is swept twice
          to do: remove one; the first is matrix.seed[0]""",
    ),
    "empty sweep": (
        ("name: toy", "name: toy\nmatrix:\n  seed: []"),
        SuiteError,
        """\
        suite.yaml:3: matrix.seed: 'seed' is swept over no value, so the suite has no cell
          expected: one or more values
          to do: give it values, or remove matrix.seed""",
    ),
    "unknown matrix key": (
        ("name: toy", "name: toy\nmatrix:\n  trian.steps: [5]"),
        UnknownNameError,
        """\
        suite.yaml:3: matrix.trian.steps: unknown matrix key 'trian.steps'
          expected: seed, variant, or a field below architecture, discriminator, variant, data or train \
(train.steps)
          to do: did you mean 'train.steps'?""",
    ),
    "unknown swept field": (
        ("name: toy", "name: toy\nmatrix:\n  train.stpes: [5]"),
        OptionError,
        """\
        suite.yaml:3: matrix.train.stpes[0]: recipe 'perceptual': unknown option 'stpes'
          expected: one of batch, optimizer, steps
          to do: did you mean 'steps'?""",
    ),
    "swept value out of range": (
        ("name: toy", "name: toy\nmatrix:\n  data.size: [64, 0]"),
        OptionError,
        """\
        suite.yaml:3: matrix.data.size[1]: data source 'photos': option size: got 0
          expected: greater than 0""",
    ),
    "unknown baseline": (
        ("name: toy", "name: toy\nbaseline: base"),
        UnknownNameError,
        """\
        suite.yaml:2: baseline: unknown variant 'base'
          expected: one of baseline, v1
          to do: did you mean 'baseline'?""",
    ),
    "expectation of an unknown variant": (
        ("v1: {parameters", "v2: {parameters"),
        UnknownNameError,
        """\
        suite.yaml:16: expect.v2: unknown variant 'v2'
          expected: one of baseline, v1
          to do: did you mean 'v1'?""",
    ),
    "a measure asked for twice": (
        ("- parameters", "- parameters\n  - parameters: {}"),
        SuiteError,
        """\
        suite.yaml:13: measure[1]: the measure 'parameters' is asked for twice with the same options
          to do: remove one; the first is measure[0]""",
    ),
    "a recipe without images": (
        ("data: photos\n", ""),
        SuiteError,
        """\
        suite.yaml:8: train.recipe: the recipe 'perceptual' has no images to train on
          expected: a `data` section beside `train`
          to do: add `data: {source: ...}`; the sources are photos""",
    ),
    "unknown placeholder": (
        ("recipe: perceptual\n  steps: 20", "load: 'weights/{cel}.safetensors'"),
        UnknownNameError,
        """\
        suite.yaml:9: train.load: unknown placeholder 'cel'
          expected: one of cell, seed, variant
          to do: did you mean 'cell'?""",
    ),
    "an import that is no module:callable": (
        ("architecture: toy_net", "architecture: {import: my_pkg.build, input: [1, 3, 8, 8]}"),
        SuiteError,
        """\
        suite.yaml:2: architecture.import: 'my_pkg.build' names no callable; \
give 'package.module:callable' or 'folder/file.py:callable'""",
    ),
    "a date": (
        ("name: toy", "name: toy\ntitle: 2025-01-01"),
        SuiteError,
        """\
        suite.yaml:2: title: a value of the kind 'timestamp' is not plain
          expected: numbers, texts, true/false, lists and mappings
          to do: put it in quotes: '2025-01-01'""",
    ),
    "a Python object": (
        ("name: toy", "name: toy\ntitle: !!python/name:os.system x"),
        SuiteError,
        """\
        suite.yaml:2: title: a value of the kind 'python/name:os.system' is not plain
          expected: numbers, texts, true/false, lists and mappings
          to do: put it in quotes: 'x'""",
    ),
    "not a number": (
        ("steps: 20", "batch: .nan"),
        SuiteError,
        """\
        suite.yaml:10: train.batch: got nan
          expected: a finite number""",
    ),
    "a key that is not text": (
        ("name: toy", "name: toy\nyes: 1"),
        SuiteError,
        """\
        suite.yaml:2: the key yes is not text
          to do: put it in quotes: 'yes'""",
    ),
    "YAML syntax error": (
        ("stages: [residual]", "stages: [residual"),
        SuiteError,
        """\
        suite.yaml:6: not YAML: expected ',' or ']', but got '}' (while parsing a flow sequence)
          to do: look at this line and the one above: indentation, colons, quotes, brackets""",
    ),
    "a fault in a profile": (
        ("name: toy", "name: toy\nprofiles:\n  quick: {train.stpes: 5}"),
        OptionError,
        """\
        suite.yaml:3: profiles.quick.train.stpes: recipe 'perceptual': unknown option 'stpes'
          expected: one of batch, optimizer, steps
          to do: did you mean 'steps'?""",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_whole(suite_path: Path, mistake: str) -> None:
    (old, new), kind, message = MISTAKES[mistake]
    edited(suite_path, old, new)
    with pytest.raises(BenchbenchError) as caught:
        load_suite(suite_path)
    assert str(caught.value) == textwrap.dedent(message)
    assert type(caught.value) is kind
    assert caught.value.where is not None


WRONG_FILES = {
    "empty": (b"# nothing\n", "suite.yaml: the file is empty"),
    "a list": (b"- a\n", "suite.yaml:1: the file holds a list"),
    "one value": (b"toy\n", "suite.yaml:1: the file holds one value"),
    "Latin-1": (b"name: toy\ntitle: caf\xe9\n", "suite.yaml:2: byte 0xe9 is not UTF-8"),
    "a control character": (b"name: toy\ntitle: a\x01\n", "suite.yaml:2: the character "),
    "two documents": (b"name: toy\n---\nname: b\n", "suite.yaml:2: not YAML: but found another document"),
    "itself inside": (b"title: &a [*a]\n", "suite.yaml:1: title[0]: an alias refers to what it is part of"),
    "too deep": (b"a: " + b"[" * 5000, "suite.yaml: the file is nested too deeply"),
    "a wrong tag": (b"title: !!int abc\n", "suite.yaml: a value does not fit its tag"),
    "billions": (
        b"a: &a [1,1,1,1,1,1,1,1,1,1]\n"
        + b"".join(b"%c: &%c [%s]\n" % (i + 1, i + 1, b",".join([b"*%c" % i] * 10)) for i in range(97, 106)),
        "the aliases of this file unfold without end",
    ),
}


@pytest.mark.parametrize("wrong", WRONG_FILES)
def test_a_file_that_holds_no_suite(suite_path: Path, wrong: str) -> None:
    content, message = WRONG_FILES[wrong]
    suite_path.write_bytes(content)
    with pytest.raises(SuiteError) as caught:
        load_suite(suite_path)
    assert message in str(caught.value)
    assert caught.value.where is not None
    assert caught.value.where.path == "suite.yaml"


def test_a_missing_file_names_what_is_there(suite_path: Path) -> None:
    with pytest.raises(SuiteError) as caught:
        load_suite("siute.yaml")
    assert str(caught.value) == (
        "siute.yaml: there is no such file\n  expected: a suite in YAML\n  to do: in . there is suite.yaml"
    )


def test_a_folder_is_no_suite(suite_path: Path) -> None:
    with pytest.raises(SuiteError, match="this is a folder"):
        load_suite(".")


def test_a_profile_applies_before_the_overrides(suite_path: Path) -> None:
    edited(suite_path, "name: toy", "name: toy\nprofiles:\n  quick: {train.steps: 5, train.batch: 2}")
    suite = load_suite(suite_path, profile="quick", overrides=["train.batch=3"])
    assert suite.train is not None
    assert suite.train.options == {"steps": 5, "batch": 3}
    full = load_suite(suite_path, profile="full")
    assert full == load_suite(suite_path)


def test_a_profile_that_the_suite_lacks(suite_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown profile 'quick'\n  expected: one of full"):
        load_suite(suite_path, profile="quick")


def test_reading_imports_no_torch(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(
        "name: s\narchitecture: {import: 'a:b', input: [1, 3, 8, 8]}\nmeasure: [mine]\n", encoding="utf-8"
    )
    code = """\
import sys
from benchbench.core.contracts import Measure
from benchbench.core.expand import expand
from benchbench.core.model import Options
from benchbench.core.registry import MEASURES
from benchbench.core.suite_file import load_suite
MEASURES.add("mine", Measure(Options))
expand(load_suite("s.yaml"))
sys.exit("torch" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=False).returncode == 0
