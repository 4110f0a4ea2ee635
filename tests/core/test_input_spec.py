"""A wrong `input` of a suite is told with file, line and key; the forms themselves: test_inputs.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchbench.core.errors import SuiteError
from benchbench.core.expand import expand
from benchbench.core.suite_file import load_suite

SUITE = """\
name: mine
architecture:
  import: a.b:c
  input:
    - [1, 3, 64, 64]
    - labels: {shape: [1, 36, 64, 64], values: one_hot}
      step: {shape: [1], dtype: int64, high: 1000}
measure: [macs]
"""


def load(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "suite.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_an_id_is_made_from_what_was_declared(tmp_path: Path) -> None:
    (cell,) = expand(load_suite(load(tmp_path, SUITE)))
    assert cell.architecture.model_dump(mode="json")["input"] == [
        [1, 3, 64, 64],
        {
            "labels": {"shape": [1, 36, 64, 64], "values": "one_hot"},
            "step": {"shape": [1], "dtype": "int64", "high": 1000},
        },
    ]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[1, 3, 64, 64]\n", "[1, 3, 64.5, 64]\n", "suite.yaml:5: architecture.input[0][2]: got 64.5"),
        ("[1, 3, 64, 64]\n", "[1, 3, 0, 64]\n", "suite.yaml:5: architecture.input[0][2]: got 0"),
        (
            "values: one_hot",
            "value: one_hot",
            (
                "suite.yaml:6: architecture.input[1].labels.value: unknown key 'value' of an input: "
                "it has shape, dtype, high, values; did you mean 'values'?"
            ),
        ),
        (
            "[1, 36, 64, 64]",
            "[36]",
            (
                "suite.yaml:6: architecture.input[1].labels: a one_hot label map has its classes in "
                "dimension 1, and the shape is [36]; "
                "give batch and classes first, for example [1, 36, 256, 512]"
            ),
        ),
        ("dtype: int64", "dtype: int32", 'suite.yaml:7: architecture.input[1].step.dtype: got "int32"'),
        ("{shape: [1], dtype: int64, high: 1000}", "4", "suite.yaml:7: architecture.input[1].step: got 4"),
    ],
)
def test_a_wrong_input_is_told_at_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    load(tmp_path, SUITE.replace(old, new, 1))
    with pytest.raises(SuiteError) as caught:
        load_suite("suite.yaml")
    assert str(caught.value).splitlines()[0] == told
