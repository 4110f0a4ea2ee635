"""The model card as it reads, and the programs on it."""

from __future__ import annotations

import re
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from benchbench.core.input_spec import TensorInput
from benchbench.core.measurement import Interval
from benchbench.core.suite import Paper
from benchbench.runner.export_card import card_markdown
from benchbench.runner.export_facts import (
    Agreed,
    Calibrated,
    CardFile,
    CardTensor,
    Figure,
    Made,
    ModelCard,
    Replaced,
    RunFacts,
    Weights,
)
from benchbench.runner.export_usage import usage_of

PICTURE = CardTensor(
    name="input",
    shape=(1, 3, 16, 16),
    dtype="float32",
    what="a picture",
    range="-1..1",
    channels="RGB",
    like=TensorInput(shape=(1, 3, 16, 16)),
)
FIGURE = Figure(
    kind="time",
    name="latency",
    setting="cpu, 2 threads",
    value=0.0123,
    unit="s",
    direction="lower",
    interval=Interval(low=0.012, high=0.0126),
    interval_of="Student's, of 5 processes' medians",
    baseline=None,
    of="v3 openvino int8",
    run="20261121-101010",
    protocol="latency/interleaved",
    protocol_hash="0123456789",
    settings={"threads": 2, "nothing": None},
    flags=("warm-up capped",),
)


def make_card(**changes: Any) -> ModelCard:
    made = Made(
        files=(CardFile(name="model.xml", bytes=1000, sha256="a" * 64),),
        main="model.xml",
        digest="d" * 16,
        inputs=(PICTURE,),
        outputs=(CardTensor(name="out", shape=("batch", 3, "?", 16), dtype="float32"),),
        replaced=(
            Replaced(stage="residual", before="Conv2d", after="Separable", count=10),
            Replaced(stage="residual", before="Conv2d 1x1", after=None, count=2, reason="1x1 already"),
        ),
        parameters=1234567,
        macs=None,
        macs_missing="no rule for aten::fft",
        agreement=Agreed(
            inputs="4 of the test split",
            sets=4,
            max_abs=0.5,
            mean_abs=0.1,
            psnr_db=25.5,
            relative=0.2,
            value_range=2.5,
            max_abs_allowed=None,
            psnr_db_asked=20.0,
        ),
        calibration=Calibrated(origin="64 of the train split, seed 0", sets=64, digest="feed"),
        data_digest="cafe",
        facts={},
        versions={"torch": "2.13.0", "opset": "ai.onnx 20"},
        operators=None,
    )
    card = ModelCard(
        suite="style",
        title="A suite",
        paper=Paper(title="Lighter networks", year=2025),
        variant="v3",
        variant_title=None,
        label="v3 openvino int8",
        cell="v3-0123456789",
        network_cell="v3-9876543210",
        architecture="transformer_net",
        seed=0,
        settings=(),
        format="openvino",
        backend="openvino",
        precision="int8",
        shapes="static",
        deployment_options={},
        made=made,
        weights=Weights(
            origin="trained",
            file="checkpoints/v3.pt",
            sha256="b" * 64,
            run="R1",
            recipe="perceptual",
            steps=2000,
        ),
        run=RunFacts(
            run="20261121-101010",
            machine="A CPU",
            versions={},
            git_revision="abc",
            figures=(FIGURE,),
            holds=True,
        ),
        not_measured=("quality of 'v3': nobody took it",),
        benchbench="0.1.0",
        git_revision=None,
        git_dirty=None,
        exported="2026-11-21T10:10:10+00:00",
        exported_on="Another CPU",
        usage="print(1)\n",
    )
    return card.model_copy(update=changes)


def test_every_figure_says_where_it_comes_from() -> None:
    text = card_markdown(make_card())
    speed = text.partition("## Speed")[2].partition("\n## ")[0]
    assert "Measured by run `20261121-101010` on A CPU." in speed
    row = next(line for line in speed.splitlines() if line.startswith("| latency"))
    for part in (
        "12.3 ms",
        "95 %: 12.0 ms to 12.6 ms",
        "cpu, 2 threads",
        "v3 openvino int8",
        "`0123456789`",
        "capped",
    ):
        assert part in row
    assert "- `0123456789`: threads 2\n" in speed
    assert "10 of the 12 layers" in text
    assert "left: 1x1 already" in text
    assert "not counted: no rule for aten::fft" in text
    assert "- quality of 'v3': nobody took it." in text
    assert "64 sets of inputs: 64 of the train split, seed 0, digest of the data `feed`." in text
    assert "`perceptual`, 2,000 steps, seed 0, in run `R1`" in text
    assert "25.5 dB" in text
    assert "| allowed | 20 dB |" in text
    assert "batch x 3 x ? x 16" in text
    assert "## Quality" not in text
    assert "Not stated." in text.partition("## Licence")[2]


def test_random_weights_are_told_first() -> None:
    text = card_markdown(make_card(weights=Weights(origin="random", seed=3)))
    assert text.splitlines()[2].startswith("**Random weights (seed 3)")
    assert "Not for use." in text.partition("## Weights")[2]


def test_weights_alone_need_no_calibration() -> None:
    card = make_card()
    text = card_markdown(card.model_copy(update={"made": card.made.model_copy(update={"calibration": None})}))
    assert "None: the weights alone are int8." in text
    assert "## Calibration" not in card_markdown(make_card(precision="fp32"))


HOSTILE = "a|b`c` <img src=x> [x](javascript:1) *bold*\n# head"


def test_no_text_of_a_file_is_markup() -> None:
    card = make_card(
        title=HOSTILE,
        label=HOSTILE,
        paper=Paper(title=HOSTILE, year=2025, authors=HOSTILE),
        variant_title=HOSTILE,
        not_measured=(HOSTILE,),
        run=RunFacts(
            run="`|" + HOSTILE,
            machine=HOSTILE,
            versions={"torch": HOSTILE},
            git_revision=HOSTILE,
            figures=(FIGURE.model_copy(update={"flags": (HOSTILE,), "setting": HOSTILE, "of": HOSTILE}),),
            holds=True,
        ),
    )
    text = card_markdown(card)
    # In a code span nothing is markup but the backtick that ends it.
    outside = re.sub(r"(?<!\\)`[^`\n]+`", "", text)
    assert "<img" not in outside
    assert "*bold*" not in outside.replace("\\*bold\\*", "")
    assert not re.search(r"(?m)^# head", text)
    for table in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


class FakeLibrary(ModuleType):
    """Stands for onnxruntime and openvino: keeps what it is given."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.given: Any = None
        self.outputs: list[str] = []

    def __call__(self, given: Any) -> dict[str, Any]:
        self.given = given
        return {}

    def InferenceSession(self, path: str, providers: list[str]) -> FakeLibrary:  # noqa: N802
        return self

    def compile_model(self, path: str, device: str, config: dict[str, str]) -> FakeLibrary:
        self.config = config
        return self

    def run(self, names: None, given: Any) -> list[Any]:
        self.given = given
        return []


INPUTS = (
    PICTURE,
    CardTensor(
        name="unit", shape=(1, 3, 4, 4), dtype="float32", range="0..1", like=TensorInput(shape=(1, 3, 4, 4))
    ),
    CardTensor(
        name="layout",
        shape=("batch", 5, "height", "width"),
        dtype="float32",
        like=TensorInput(shape=(1, 5, 4, 8), values="one_hot"),
    ),
    CardTensor(
        name="target", shape=(1, 5), dtype="float32", like=TensorInput(shape=(1, 5), values="one_hot")
    ),
    CardTensor(name="t", shape=(1, 7), dtype="int64", like=TensorInput(shape=(1, 7), dtype="int64", high=10)),
    CardTensor(name="mask", shape=(1, 7), dtype="bool", like=TensorInput(shape=(1, 7), dtype="bool")),
    CardTensor(name="noise", shape=("batch", 9), dtype="float16"),
)


@pytest.mark.parametrize("to", ["onnx", "openvino", "pt2"])
def test_the_programs_give_inputs_of_every_kind(to: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    import torch

    library = FakeLibrary("fake")
    monkeypatch.setitem(sys.modules, "onnxruntime", library)
    monkeypatch.setitem(sys.modules, "openvino", library)

    class Program:
        def module(self) -> Any:
            return lambda *given: library(given)

    monkeypatch.setattr(torch.export, "load", lambda path: Program())
    exec(compile(usage_of(to, "model", INPUTS, precision="bf16"), "usage", "exec"), {"__name__": "card"})
    values = list(library.given.values()) if to == "onnx" else list(library.given)
    if to == "onnx":
        assert list(library.given) == [each.name for each in INPUTS]
    if to == "openvino":
        assert library.config == {"INFERENCE_PRECISION_HINT": "bf16"}
    arrays = [np.asarray(each) for each in values]
    shapes = [(1, 3, 16, 16), (1, 3, 4, 4), (1, 5, 4, 8), (1, 5), (1, 7), (1, 7), (1, 9)]
    assert [each.shape for each in arrays] == shapes
    assert [str(each.dtype) for each in arrays] == [each.dtype for each in INPUTS]
    signed, unit, layout, target, indices, mask, _ = arrays
    assert signed.min() < -0.5
    assert abs(signed).max() <= 1
    assert 0 <= unit.min() < unit.max() <= 1
    assert (layout.sum(1) == 1).all()
    assert target.sum() == 1
    assert 0 <= indices.min() <= indices.max() < 10
    assert mask.all()
