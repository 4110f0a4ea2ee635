from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchbench.core.errors import OptionError
from benchbench.core.features import Extractor, FeatureContext
from benchbench.quality.load import load_features
from benchbench.quality.rand_conv import PER_CHANNEL, RandomFilters


def no_reference() -> torch.Tensor:
    raise AssertionError("random filters need no reference")


CONTEXT = FeatureContext(
    device="cpu", reference=no_reference, reference_digest="", cache=Path("nowhere"), say=lambda line: None
)


def load(**options: object) -> Extractor:
    return load_features("rand_conv", {"dimensions": 64, "side": 32, **options}, CONTEXT)


def pictures(count: int, side: int = 32, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    found = torch.full((count, 3, side, side), 127.0)
    for cells in (1, 4, 16):
        coarse = torch.randn(count, 3, cells, cells, generator=generator) * 40
        found += torch.nn.functional.interpolate(coarse, size=(side, side), mode="nearest")
    return found.clamp(0, 255)


def test_one_member_per_seed_with_features_of_about_unit_size():
    extractor = load()
    found = extractor.run(pictures(64))
    assert found.features.shape == (64, 3, 64)
    assert found.features.dtype == torch.float32
    assert found.logits is None
    assert (extractor.label, extractor.members, extractor.dimensions) == ("rand-conv-64", 3, 64)
    assert 0.2 < float(found.features.std(dim=0).median()) < 2
    # Few dimensions are dead, and no two members are the same.
    assert float((found.features.std(dim=0) < 1e-3).float().mean()) < 0.05
    assert not torch.allclose(found.features[:, 0], found.features[:, 1])


def test_the_default_is_what_its_label_says():
    extractor = load_features("rand_conv", {}, CONTEXT)
    assert (extractor.label, extractor.dimensions, extractor.side) == ("rand-conv-512", 512, 64)
    # Fewer images than dimensions mislead: measured at N = 64.
    assert extractor.fewest_images == 512
    assert extractor.registered == frozenset()


def test_weights_are_on_a_grid_and_the_same_every_time():
    torch.manual_seed(1)
    first = RandomFilters(64, seed=3).state_dict()
    state = torch.random.get_rng_state()
    second = RandomFilters(64, seed=3).state_dict()
    assert torch.equal(state, torch.random.get_rng_state())
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name])
        if name.startswith("layers"):
            assert torch.equal(tensor * 2**20, (tensor * 2**20).round())
    # What every machine has to make; a change of the weights needs a new VERSION.
    assert load().weights_hash == load().weights_hash == "7625341a962a4b0e"


def test_hash_tells_seeds_and_dimensions_apart():
    hashes = {
        load().weights_hash,
        load(seeds=[0, 1, 3]).weights_hash,
        load(dimensions=128).weights_hash,
    }
    assert len(hashes) == 3


def test_first_filters_see_flat_colour_or_edges_alone():
    weight = RandomFilters(8 * PER_CHANNEL, seed=0).state_dict()["layers.0.weight"]
    sums = weight.sum(dim=(2, 3)).abs().amax(dim=1)
    assert (sums[:2] > 1e-2).all()
    assert (sums[2:] < 1e-4).all()


def test_batches_do_not_matter():
    extractor, images = load(), pictures(9)
    whole = extractor.run(images).features
    parts = torch.cat([extractor.run(part).features for part in images.split(2)])
    assert torch.allclose(whole, parts, atol=1e-5)


def test_features_see_layout_colour_noise_and_blur():
    extractor, images = load(), pictures(4)
    plain = extractor.run(images).features
    noisy = images + torch.randn(images.shape, generator=torch.Generator().manual_seed(2)) * 10
    blurred = torch.nn.functional.avg_pool2d(images, 3, stride=1, padding=1, count_include_pad=False)
    for changed in (images.flip(-1), images.flip(1), noisy, blurred):
        assert float((extractor.run(changed).features - plain).abs().amax()) > 0.1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"seeds": [0, 1]}, "3 different ones"),
        ({"seeds": [0, 1, 1]}, "3 different ones"),
        ({"dimensions": 1024}, "dimensions"),
        ({"dimensions": 48}, "64"),
        ({"dimensions": 100}, "multiple of 16"),
        ({"side": 16}, "side"),
    ],
)
def test_wrong_options(options: dict[str, object], told: str):
    with pytest.raises(OptionError, match=told):
        load(**options)


def test_smallest_and_odd_sides():
    for side in (32, 33, 47):
        assert load(side=side).run(pictures(2, side)).features.isfinite().all()


def test_flat_pictures_are_finite():
    assert load().run(torch.full((2, 3, 32, 32), 255.0)).features.isfinite().all()
