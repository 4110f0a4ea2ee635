from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import benchbench as bb
from benchbench.architectures.transformer_net import TransformerNetOptions, architecture

FIGURES = json.loads((Path(__file__).parents[1] / "reference" / "figures.json").read_text())["style_transfer"]


def test_default_has_the_papers_parameters() -> None:
    assert architecture.parameters is not None
    assert architecture.parameters(TransformerNetOptions()) == FIGURES["baseline"]["parameters"]


@pytest.mark.parametrize(
    "options",
    [{}, {"width": 8}, {"width": 5, "blocks": 2}, {"width": 4, "blocks": 1, "upsample": "bilinear"}],
)
def test_closed_form_equals_the_built_network(options: dict[str, int | str]) -> None:
    built = sum(each.numel() for each in bb.build("transformer_net", **options).parameters())
    assert architecture.parameters is not None
    assert architecture.parameters(TransformerNetOptions.model_validate(options)) == built


def test_output_is_linear_and_has_the_size_of_the_input() -> None:
    torch.manual_seed(0)
    model = bb.build("transformer_net", width=4, blocks=1)
    with torch.no_grad():
        output = model(torch.rand(2, 3, 32, 48))
        last = model.decoder[-1].conv
        last.bias += 5.0
        shifted = model(torch.rand(2, 3, 32, 48))
    assert output.shape == (2, 3, 32, 48)
    assert shifted.max() > 1.0


def test_stages_cover_every_parameter() -> None:
    model = bb.build("transformer_net", width=4, blocks=1)
    stages = {name for patterns in architecture.stages.values() for name in patterns}
    assert {path.split(".")[0] for path, _ in model.named_parameters()} == stages
