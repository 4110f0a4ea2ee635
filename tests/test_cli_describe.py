from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchbench.cli.description import stages_text
from benchbench.cli.entry import main
from benchbench.core.cell import Cell
from benchbench.core.suite import ArchitectureSpec
from benchbench.runner.describe_network import describe_cells
from benchbench.runner.describe_records import Description

SMALL = ("transformer_net", "--set", "width=4", "--input", "1,3,16,16")
SUITE = """
name: small
architecture: {name: transformer_net, width: 4, blocks: 2}
variants:
  published: {title: as it is}
  light: {title: residual light, replace: {stages: [residual], with: depthwise_separable}}
measure: [parameters]
"""


def _told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["describe", *arguments]) == 0
    return capsys.readouterr().out


def _json(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    return json.loads(_told(capsys, *arguments, "--json"))


def _figures(text: str, name: str) -> list[str]:
    """The cells of the row of a table that is called `name`."""
    return next(words[1:] for line in text.splitlines() if (words := line.split())[:1] == [name])


def test_text_and_json_have_the_same_figures(capsys: pytest.CaptureFixture[str]) -> None:
    text, found = _told(capsys, *SMALL), _json(capsys, *SMALL)
    for stage in found["stages"]:
        cells = _figures(text, stage["name"])
        assert cells[0] == f"{stage['parameters']:,}"
        assert cells[1] == f"{100 * stage['parameters_share']:.1f}"
        assert cells[5] == f"{100 * stage['macs_share']:.1f}"
        assert cells[9] == f"{100 * stage['peak_activation_share']:.1f}"
    assert f"parameters: {found['parameters']:,}" in text
    assert f"MACs: {found['macs']:,}" in text
    assert f"peak activation memory: {found['peak_activation_bytes']:,} B" in text


def test_equal_modules_stand_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert "  residual.0-4 (5 x ResidualBlock) " in _told(capsys, *SMALL)


def test_depth_says_how_far_the_tree_goes(capsys: pytest.CaptureFixture[str]) -> None:
    shallow, deep = (_told(capsys, *SMALL, "--depth", depth) for depth in ("1", "4"))
    assert "ResidualBlock" not in shallow
    assert "      conv (5 x Conv2d) " in deep


def test_no_line_is_wider_than_100_columns(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("stylegan2", "fastgan", "stargan_discriminator", "resnet_generator"):
        text = _told(capsys, name)
        assert max(map(len, text.splitlines())) <= 100


def test_what_differs_is_told_and_what_does_not_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    plain = _told(capsys, *SMALL)
    assert "buffers:" not in plain
    assert "output size" not in plain
    assert "trainable" not in plain
    assert "element-wise operations: " in plain
    transposed = _told(capsys, "fastgan")
    assert "buffers: " in transposed
    assert "MACs, transposed convolutions at output size: " in transposed


def test_the_stage_map_is_yaml_that_a_suite_takes(capsys: pytest.CaptureFixture[str]) -> None:
    text = _told(capsys, *SMALL, "--stages")
    stages = yaml.safe_load(text)["stages"]
    assert stages == {"encoder": ["encoder"], "residual": ["residual"], "decoder": ["decoder"]}
    assert text.startswith("# Those of transformer_net")


@pytest.mark.slow
def test_a_guessed_stage_map_says_so(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "net_to_guess.py").write_text(
        "from torch import nn\n"
        "def net():\n"
        "    down, mid = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 4, 3, 1, 1)\n"
        "    return nn.Sequential(down, mid, nn.ConvTranspose2d(4, 3, 4, 2, 1))\n"
    )
    monkeypatch.chdir(tmp_path)
    text = _told(capsys, "net_to_guess:net", "--input", "1,3,32,32", "--stages")
    assert text.startswith("# Guessed from resolution")
    stages = yaml.safe_load(text)["stages"]
    assert stages == {"encoder": ["0"], "residual": ["1"], "decoder": ["2"]}


def test_without_a_map_the_stage_map_is_empty_and_says_why() -> None:
    declared = {"import": "torch.nn:Linear", "kwargs": {"in_features": 3, "out_features": 4}, "input": [1, 3]}
    cell = Cell(variant="linear", architecture=ArchitectureSpec.model_validate(declared))
    found = Description(**dict(describe_cells([cell]).generator), name="torch.nn:Linear")
    assert stages_text(found).splitlines() == [
        "# None could be guessed: no layer inside it has a map.",
        "stages: {}",
        "# in no stage: (itself)",
    ]


def test_a_variant_stands_beside_the_baseline(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "suite.yaml"
    path.write_text(SUITE)
    text = _told(capsys, str(path), "--variant", "light")
    found = _json(capsys, str(path), "--variant", "light")
    assert "generator: published (as it is) -> light (residual light)" in text
    (comparison,) = found["comparisons"]
    for stage in (*comparison["stages"], comparison["total"]):
        before, after, ratio, *_ = _figures(text, stage["name"])
        assert before == f"{stage['before']['parameters']:,}"
        assert after == f"{stage['after']['parameters']:,}"
        assert ratio == f"{stage['parameters_ratio']:.3f}"
    assert "4 x Conv2d => Conv2d + InstanceNorm2d + ReLU + Conv2d" in text


def test_a_suite_lists_its_variants(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "suite.yaml"
    path.write_text(SUITE)
    text = _told(capsys, str(path), "--set", "architecture.width=8")
    assert "network: transformer_net, variant published" in text
    assert "  light      residual light" in text


def test_a_variant_of_an_architecture_is_yaml(capsys: pytest.CaptureFixture[str]) -> None:
    variant = "{title: slim, architecture: {width: 2}}"
    text = _told(capsys, *SMALL, "--variant", variant)
    assert "generator: transformer_net -> slim" in text
    assert "layers exchanged" not in text


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("transformer_net", "--input", "1,3,-1,8"), "--input 1,3,-1,8"),
        (("transformer_net", "--input", "{a: ["), "--input {a: ["),
        (("transformer_net", "--input", "1,4,64,64"), "4 channels, not 3"),
        (("transformer_net", "--input", "1,3,65,64"), "no multiple of 4"),
        (("transformer_net", "--depth", "0"), "--depth: got '0'"),
        (("transformer_net", "--variant", "[1"), "--variant [1"),
        (("transformer_net", "--variant", "v1"), "'transformer_net' has no variants of its own"),
        (("transformer_net", "--attribute", "a"), "belong to an imported architecture"),
        (("transformer_net", "--set", "name=dcgan"), "'transformer_net' has no option 'name'"),
        (("models/mine.py", "--input", "1,3,8,8"), "'models/mine.py' names no callable"),
        (("none.yaml",), "none.yaml: there is no such file"),
        (("none.yaml", "--input", "1,3"), "--input: a suite declares it"),
        (("none.yaml", "--attribute", "a"), "--attribute: a suite declares it"),
    ],
)
def test_a_wrong_request_is_told_in_one_line(
    assert_refused: Callable[..., None], arguments: tuple[str, ...], problem: str
) -> None:
    assert_refused(("describe", *arguments), problem)
