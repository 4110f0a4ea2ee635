from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchbench.architectures.build import build_architecture
from benchbench.architectures.inputs import example_inputs
from benchbench.core.registry import ARCHITECTURES
from benchbench.core.suite import ArchitectureSpec, ReplaceSpec
from benchbench.measures.fold import fold_parametrizations
from benchbench.variants.replace import apply_replacements

IMAGE = [[1, 3, 32, 32]]
LIGHT = {"name": "depthwise_separable", "norm": "instance", "activation": "relu"}
SPADE = {"name": "spade_generator", "labels": 3, "height": 64, "aspect": 2}
NARROW = "2_2_4_2_2_2_2_2"

GENERATORS: dict[str, dict[str, Any]] = {
    "transformer_net": {"name": "transformer_net", "width": 4, "blocks": 1, "input": IMAGE},
    "transformer_net-bilinear": {
        "name": "transformer_net",
        "width": 4,
        "blocks": 1,
        "upsample": "bilinear",
        "input": IMAGE,
    },
    "stargan": {"name": "stargan", "size": 16, "width": 4, "blocks": 1},
    "dcgan": {"name": "dcgan", "size": 32, "latent": 8, "width": 4},
    "ssd": {"name": "ssd", "size": 32, "latent": 8, "width": 4},
    "ssd-released": {"name": "ssd", "size": 32, "latent": 8, "width": 4, "form": "released"},
    "ssd-no-adain": {"name": "ssd", "size": 32, "latent": 8, "width": 4, "adain": False},
    "stylegan": {"name": "stylegan", "size": 64, "latent": 8, "mapping_layers": 2, "heads": "last"},
    "stylegan2": {
        "name": "stylegan2",
        "size": 64,
        "latent": 8,
        "mapping_layers": 2,
        "channel_multiplier": 0.25,
    },
    "resnet_generator": {"name": "resnet_generator", "width": 4, "blocks": 1, "input": IMAGE},
    "resnet_generator-mobile": {
        "name": "resnet_generator",
        "width": 4,
        "blocks": 1,
        "mobile": True,
        "input": IMAGE,
    },
    "resnet_generator-compressed": {
        "name": "resnet_generator",
        "width": 4,
        "channels": "2_2_4_2_4_2_2_4",
        "input": IMAGE,
    },
    "unet_generator": {"name": "unet_generator", "width": 4, "downsamplings": 4, "size": 32},
    "spade_generator": {**SPADE, "width": 2},
    "spade_generator-mobile": {**SPADE, "width": 2, "mobile": True},
    "spade_generator-compressed": {**SPADE, "width": 4, "channels": NARROW},
    "fastgan": {"name": "fastgan", "width": 8, "latent": 8},
    "fastgan-no-skip": {"name": "fastgan", "width": 8, "latent": 8, "skip": False},
}
REPLACED: dict[str, tuple[str, dict[str, Any]]] = {
    "transformer_net-light": (
        "transformer_net",
        {"stages": ["encoder", "residual", "decoder"], "with": LIGHT},
    ),
    "stargan-light": (
        "stargan",
        {
            "stages": ["downsampling", "bottleneck", "output"],
            "with": {"name": "depthwise_separable", "norm": "none", "activation": "none"},
        },
    ),
    "resnet_generator-upsample": (
        "resnet_generator",
        {
            "stages": ["upsample"],
            "with": {
                "name": "depthwise_separable",
                "norm": "instance",
                "norm_affine": False,
                "activation": "none",
            },
        },
    ),
    "resnet_generator-downsample": (
        "resnet_generator",
        {
            "stages": ["downsample"],
            "with": {"name": "depthwise_separable", "order": "expand_first", "expansion": 2, "norm": "none"},
        },
    ),
}
NAMES = [*GENERATORS, *REPLACED]
Deploy = Callable[[str], tuple[nn.Module, tuple[Tensor, ...]]]


def deployed(name: str) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """The generator as it is deployed, with everything that starts at 0 or 1 moved away from it."""
    torch.manual_seed(0)
    of, replacement = REPLACED.get(name, (name, None))
    built = build_architecture(ArchitectureSpec.model_validate(GENERATORS[of]))
    if replacement is not None:
        spec = ReplaceSpec.model_validate(replacement)
        assert apply_replacements(built.module, [spec], built.stages, inputs=built.inputs)
    fold_parametrizations(built.module)
    with torch.no_grad():
        for value in (*built.module.parameters(), *built.module.buffers()):
            if value.is_floating_point() and value.unique().numel() == 1:
                value.add_(torch.rand_like(value), alpha=0.2)
    return built.module.eval(), tuple(example_inputs(built.inputs, seed=0))


def relative(got: Tensor, expected: Tensor) -> float:
    """Largest absolute difference, as a share of the expected values' range."""
    return float((got - expected).abs().max() / (expected.max() - expected.min()))


def test_every_generator_is_here() -> None:
    kept = {"patchgan_discriminator", "multiscale_discriminator"}
    registered = {name for name in ARCHITECTURES.names() if not name.endswith("_discriminator")} - kept
    assert {spec["name"] for spec in GENERATORS.values()} == registered


@pytest.mark.parametrize("name", NAMES)
def test_an_exported_program_gives_the_same_bits(name: str) -> None:
    module, inputs = deployed(name)
    with torch.no_grad():
        expected = module(*inputs)
        program = torch.export.export(module, inputs)
        file = io.BytesIO()
        torch.export.save(program, file)
        file.seek(0)
        got = torch.export.load(file).module()(*inputs)
    assert expected.max() - expected.min() > 1e-3
    assert torch.equal(got, expected)


@pytest.mark.parametrize("name", NAMES)
def test_one_input_gives_one_image(name: str) -> None:
    module, inputs = deployed(name)
    with torch.no_grad():
        torch.manual_seed(1)
        first = module(*inputs)
        torch.manual_seed(2)
        assert torch.equal(module(*inputs), first)


@pytest.mark.parametrize("name", ["stylegan", "stylegan2", "fastgan"])
def test_noise_is_part_of_what_is_exported(name: str) -> None:
    module, inputs = deployed(name)
    with torch.no_grad():
        program = torch.export.export(module, inputs)
    assert [key for key in program.state_dict if key.endswith(".fixed")]
    random = torch.Tag.nondeterministic_seeded
    drawn = [
        node.name for node in program.graph.nodes if random in getattr(node.target, "tags", ())
    ]
    assert drawn == []
