"""The embedded features see it when pictures get worse; benchmarks/sensitivity.py makes the whole table."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("sensitivity", ROOT / "benchmarks" / "sensitivity.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    sys.modules["sensitivity"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["sensitivity"]


@pytest.fixture(scope="module")
def photos(script: ModuleType) -> list[torch.Tensor]:
    return list(script.read_photos().values())


def test_rand_conv_is_monotone_under_noise_blur_and_dropping(
    script: ModuleType, photos: list[torch.Tensor], tmp_path: Path
):
    extractor = script.load(
        "rand_conv", {"dimensions": 128, "side": 32}, script.Crops(torch.zeros(0)), tmp_path
    )
    rows = list(
        script.sensitivity(extractor, photos, count=160, damages=("noise", "blur", "dropping"), orders=2)
    )
    assert [(row.damage, row.metric) for row in rows] == [
        (damage, f"{metric}[rand-conv-128]")
        for damage in ("noise", "blur", "dropping")
        for metric in ("fd", "kd")
    ]
    for row in rows:
        assert row.monotone, row
        assert len(row.values) == 6
    # Real against real: the kernel distance is unbiased, the Fréchet distance is not.
    real = {row.metric: row.values[0] for row in rows}
    assert abs(real["kd[rand-conv-128]"]) < 0.1
    assert real["fd[rand-conv-128]"] > 1


def test_a_row_is_monotone_only_if_every_step_is(script: ModuleType):
    def row(*values: float) -> bool:
        return bool(script.Row("noise", "fd", tuple(range(len(values))), values).monotone)

    assert row(1, 2, 3)
    assert not row(1, 3, 2)
    assert not row(1, 1, 2)


def test_damages_grow_with_their_level(script: ModuleType, photos: list[torch.Tensor]):
    crops = script.cut_crops(photos, 15, 32, seed=1)
    assert crops.dtype == torch.uint8
    for name, damage in script.DAMAGES.items():
        moved = [float((damage(crops, level).float() - crops).abs().mean()) for level in script.LEVELS[name]]
        assert moved == sorted(moved), name
        assert moved[0] > 0


def test_crops_are_the_same_for_a_seed_and_take_turns(script: ModuleType, photos: list[torch.Tensor]):
    first, again = (script.cut_crops(photos[:2], 4, 32, seed=7) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, script.cut_crops(photos[:2], 4, 32, seed=8))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options", "count"),
    [
        ("rand_conv", {}, 600),
        ("rand_conv", {"dimensions": 128}, 200),
        ("local_encoder", {}, 600),
    ],
)
def test_every_damage_at_the_declared_number_of_images(
    script: ModuleType,
    photos: list[torch.Tensor],
    tmp_path: Path,
    name: str,
    options: dict[str, int],
    count: int,
):
    training = script.Crops(script.cut_crops(photos, 600, 64, seed=script.REFERENCE_SEED))
    extractor = script.load(name, options, training, tmp_path)
    for row in script.sensitivity(extractor, photos, count=count):
        assert row.monotone, row


@pytest.mark.slow
def test_with_fewer_images_than_dimensions_it_misleads(
    script: ModuleType, photos: list[torch.Tensor], tmp_path: Path
):
    # Why the measure refuses N < D: at 64 images, noise and missing photographs come nearer than real ones.
    extractor = script.load("rand_conv", {}, script.Crops(torch.zeros(0)), tmp_path)
    assert extractor.fewest_images > 64
    rows = script.sensitivity(extractor, photos, count=64, damages=("noise", "dropping"))
    assert not all(row.monotone for row in rows)
