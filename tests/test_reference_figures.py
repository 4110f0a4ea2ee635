"""Every integer of tests/reference/figures.json, by architectures and by the variants of the suites."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

import benchbench as bb
from benchbench.core.suite import Suite
from benchbench.measures.counting import Counts
from benchbench.runner.subjects import build_discriminator, build_subject

ROOT = Path(__file__).parents[1]
FIGURES = json.loads((ROOT / "tests/reference/figures.json").read_text(encoding="utf-8"))
COUNTED = ("parameters", "macs", "macs_output_size")

# Where a figure stands, and what lands on it: an architecture with its options, or a variant of a suite.
ARCHITECTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "dcgan.generator": ("dcgan", {}),
    "dcgan.discriminator": ("dcgan_discriminator", {}),
    "ssd.generator": ("ssd", {}),
    "ssd.discriminator": ("ssd_discriminator", {}),
    "stylegan_64.generator": ("stylegan", {}),
    "stylegan_64.discriminator": ("stylegan_discriminator", {}),
    "stargan_128_c5.generator": ("stargan", {"size": 128, "domains": 5}),
    "stargan_128_c5.discriminator": ("stargan_discriminator", {"size": 128, "domains": 5}),
    "resnet_9.64": ("resnet_generator", {"width": 64}),
    "resnet_9.32": ("resnet_generator", {"width": 32}),
    "resnet_9.16": ("resnet_generator", {"width": 16}),
    "mobile_resnet_9.64": ("resnet_generator", {"width": 64, "mobile": True}),
    "mobile_resnet_9.32": ("resnet_generator", {"width": 32, "mobile": True}),
    "unet_256": ("unet_generator", {"width": 64}),
    "gaugan_512x256.full": ("spade_generator", {"width": 64}),
    "fastgan.256.generator": ("fastgan", {"size": 256}),
    "fastgan.256.discriminator": ("fastgan_discriminator", {"size": 256}),
    "fastgan.1024.generator": ("fastgan", {"size": 1024}),
    "fastgan.1024.discriminator": ("fastgan_discriminator", {"size": 1024}),
    **{
        f"stylegan2.{size} x{multiplier}.{part}": (
            f"stylegan2{suffix}",
            {"size": size, "channel_multiplier": multiplier},
        )
        for size, multiplier in ((256, 2), (256, 1), (1024, 2))
        for part, suffix in (("generator", ""), ("discriminator", "_discriminator"))
    },
}
VARIANTS: dict[str, tuple[str, ...]] = {
    "style_transfer.baseline": ("style_transfer", "baseline"),
    "style_transfer.v1": ("style_transfer", "v1"),
    "style_transfer.v2": ("style_transfer", "v2"),
    "style_transfer.v3": ("style_transfer", "v3"),
    "depthwise_g_128_c5.generator": ("depthwisegan", "DepthwiseG"),
    "deeper_depthwise_g_128_c5.generator": ("depthwisegan", "DeeperDepthwiseG"),
    "depthwise_d_layers_2_5": ("depthwisegan", "DepthwiseDG-nearest", "discriminator"),
    "depthwise_d_all": ("depthwisegan", "DepthwiseDG-all", "discriminator"),
    "table4_64.residual": ("gan_compression_table4", "residual_64"),
    "table4_64.upsample": ("gan_compression_table4", "upsample_64"),
    "table4_64.downsample": ("gan_compression_table4", "downsample_64"),
    "compressed.24_24_24_32_20_16": ("gan_compression_table1", "horse2zebra"),
    "compressed.legacy 32_32_40_48_16_32": ("gan_compression_table1", "edges2shoes"),
    "compressed.48_32_40_40_24_32": ("gan_compression_table1", "cityscapes"),
    "compressed.32_32_48_32_48_32_16_16": ("gan_compression_table1", "map2aerial"),
    "gaugan_512x256.compressed 32_32_48_32_32_32_32_24 width 48": (
        "gan_compression_table1",
        "gaugan_compressed",
    ),
}


def places(node: Any, path: str = "") -> Iterator[str]:
    """Where figures stand: every mapping that has some."""
    if isinstance(node, dict):
        if any(key in COUNTED for key in node):
            yield path
        for key, below in node.items():
            yield from places(below, f"{path}.{key}" if path else key)


def figures_at(path: str) -> dict[str, int]:
    node: Any = FIGURES
    for key in path.split("."):
        node = node[key]
    return {key: value for key, value in node.items() if key in COUNTED}


@cache
def suite(name: str) -> Suite:
    return bb.load_suite(ROOT / "suites" / f"{name}.yaml", profile="static")


def counted_variant(name: str, variant: str, network: str = "generator") -> Counts:
    (cell,) = (cell for cell in bb.expand(suite(name)) if cell.variant == variant)
    make = build_subject if network == "generator" else build_discriminator
    subject = make(cell, device="meta")
    assert subject is not None
    return bb.count(subject.module, subject.inputs)


def test_no_figure_is_left_out() -> None:
    assert sorted(places(FIGURES)) == sorted([*ARCHITECTURES, *VARIANTS])


@pytest.mark.parametrize("path", ARCHITECTURES)
def test_an_architecture_lands_on_its_integers(path: str) -> None:
    name, options = ARCHITECTURES[path]
    with torch.device("meta"):
        counts = bb.count(bb.build(name, **options))
    assert {key: getattr(counts, key) for key in figures_at(path)} == figures_at(path)


@pytest.mark.parametrize("path", VARIANTS)
def test_a_suites_variant_lands_on_its_integers(path: str) -> None:
    counts = counted_variant(*VARIANTS[path])
    assert {key: getattr(counts, key) for key in figures_at(path)} == figures_at(path)
