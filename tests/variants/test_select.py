from __future__ import annotations

import pytest
from torch import nn

from benchbench.core.errors import UnknownNameError
from benchbench.variants.select import select_layers


def model() -> nn.Module:
    return nn.ModuleDict(
        {
            "down": nn.Sequential(nn.Conv2d(3, 4, 3), nn.InstanceNorm2d(4, affine=True)),
            "up": nn.Sequential(nn.ConvTranspose2d(4, 3, 3), nn.Embedding(3, 3)),
        }
    )


def chosen(*stages: str, **stage_map: tuple[str, ...]) -> list[tuple[str, str]]:
    found = select_layers(model(), stages=stages, layers=("*",), stage_map=stage_map)
    return [(each.path, each.stage) for each in found]


def test_norms_and_embeddings_are_no_layers_to_replace() -> None:
    assert chosen("*") == [("down.0", "*"), ("up.0", "*")]


def test_stage_names_come_before_paths() -> None:
    assert chosen("down", down=("up",)) == [("up.0", "down")]
    assert chosen("up.0") == [("up.0", "up.0")]


def test_layer_of_two_stages_belongs_to_the_first_asked_for() -> None:
    assert chosen("a", "b", a=("up",), b=("*",)) == [("down.0", "b"), ("up.0", "a")]


def test_unknown_stage_without_a_map_is_answered_with_paths() -> None:
    with pytest.raises(UnknownNameError) as caught:
        chosen("donw")
    assert "one of down, up" in str(caught.value)
    assert "did you mean 'down'?" in str(caught.value)
