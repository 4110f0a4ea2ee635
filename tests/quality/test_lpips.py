from __future__ import annotations

import hashlib
import importlib.util
import warnings

import numpy as np
import pytest
import torch

from benchbench.core.errors import CheckpointError, DataError, DependencyError, OptionError
from benchbench.core.model import parse_options
from benchbench.core.torchvision_schemas import declare_missing_operators
from benchbench.quality import lpips_weights
from benchbench.quality.lpips_distance import (
    diversity_interval,
    draw_pairs,
    lpips_diversity,
    lpips_of_pairs,
)
from benchbench.quality.lpips_weights import SMALLEST_SIDE, LpipsOptions, load_lpips, pinned_backbone

SHAPES = {
    0: (64, 3, 11, 11), 3: (192, 64, 5, 5), 6: (384, 192, 3, 3), 8: (256, 384, 3, 3), 10: (256, 256, 3, 3),
}  # fmt: skip


def options(**given: object) -> LpipsOptions:
    return parse_options("measure", "lpips", LpipsOptions, given)


def picture(seed: int, height: int = 40, width: int = 36) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8)


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    """AlexNet's convolutions with made-up weights, under torchvision's names."""
    generator = torch.Generator().manual_seed(5)
    state = {}
    for place, shape in SHAPES.items():
        weight = torch.randn(shape, generator=generator)
        state[f"features.{place}.weight"] = weight * (2 / weight[0].numel()) ** 0.5
        state[f"features.{place}.bias"] = torch.randn(shape[0], generator=generator) * 0.1
    state["classifier.6.bias"] = torch.zeros(1000)
    path = tmp_path_factory.mktemp("weights") / pinned_backbone("alex").name
    torch.save(state, path)
    return path, hashlib.sha256(path.read_bytes()).hexdigest(), state


@pytest.fixture(scope="module")
def made_up(backbone):
    path, digest, _ = backbone
    return load_lpips(options(weights=str(path), sha256=digest))


@pytest.fixture(scope="module")
def random_alex():
    return load_lpips(options(weights="random"))


def test_values_are_those_of_the_package(made_up, backbone):
    declare_missing_operators()
    import lpips

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    own = {name: tensor for name, tensor in backbone[2].items() if name.startswith("features")}
    for name, parameter in theirs.net.named_parameters():
        parameter.data.copy_(own.pop(f"features.{name.split('.', 1)[1]}"))
    assert not own
    first, second = [picture(0), picture(1)], [picture(2), picture(3)]
    found = lpips_of_pairs(made_up, first, second)
    with torch.no_grad():
        # `normalize=True` is the package's own way from 0..1 to -1..1.
        expected = theirs(
            torch.stack(first).float() / 255, torch.stack(second).float() / 255, normalize=True
        ).flatten()
        wrong = theirs(torch.stack(first).float() / 255, torch.stack(second).float() / 255).flatten()
    np.testing.assert_allclose(found, expected.double().numpy(), rtol=1e-5)
    # The classic trap: 0..1 taken for -1..1 gives other figures without a word.
    assert np.abs(found - wrong.double().numpy()).min() > 0.01 * found.max()


def test_nothing_is_downloaded_and_no_global_seed_moves(backbone, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a download")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", refuse)
    before = torch.get_rng_state()
    load_lpips(options(weights=str(backbone[0]), sha256=backbone[1]))
    load_lpips(options(weights="random"))
    assert torch.equal(torch.get_rng_state(), before)


def test_an_image_is_at_distance_zero_from_itself_and_order_does_not_matter(made_up, random_alex):
    for metric in (made_up, random_alex):
        a, b = picture(0), picture(1)
        same = lpips_of_pairs(metric, [a, b], [a, b])
        there, back = lpips_of_pairs(metric, [a], [b]), lpips_of_pairs(metric, [b], [a])
        assert same.tolist() == [0.0, 0.0]
        assert there[0] > 0.01
        np.testing.assert_allclose(there, back, rtol=1e-6)


def test_mixed_sizes_come_back_in_order(random_alex):
    first = [picture(0), picture(1, 33, 50), picture(2), picture(3, 33, 50), picture(4)]
    second = [picture(5), picture(6, 33, 50), picture(7), picture(8, 33, 50), picture(9)]
    told: list[int] = []
    together = lpips_of_pairs(random_alex, first, second, batch=2, progress=told.append)
    alone = [lpips_of_pairs(random_alex, [a], [b])[0] for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(together, alone, rtol=1e-5)
    assert len(np.unique(together.round(6))) == 5
    assert told == [2, 4, 5]


def test_random_weights_have_a_name_of_their_own_and_a_seed(random_alex):
    assert random_alex.name == "lpips[random-alex]"
    assert not random_alex.comparable
    again, other = load_lpips(options(weights="random")), load_lpips(options(weights="random", random_seed=1))
    pair = ([picture(0)], [picture(1)])
    assert again.weights_hash == random_alex.weights_hash != other.weights_hash
    assert lpips_of_pairs(again, *pair).tolist() == lpips_of_pairs(random_alex, *pair).tolist()
    assert lpips_of_pairs(other, *pair).tolist() != lpips_of_pairs(random_alex, *pair).tolist()


@pytest.mark.parametrize("net", ["alex", "vgg", "squeeze"])
def test_the_smallest_side_is_the_smallest_that_runs(net):
    network, _ = lpips_weights._empty_network(net, heads=True)
    network.scaling_layer = torch.nn.Identity()
    side = SMALLEST_SIDE[net]
    network(*(torch.empty(1, 3, side, side, device="meta") for _ in range(2)))
    with pytest.raises(RuntimeError, match="too small"):
        network(*(torch.empty(1, 3, side - 1, side - 1, device="meta") for _ in range(2)))


@pytest.mark.parametrize("net", ["vgg", "squeeze"])
def test_every_net_runs(net):
    metric = load_lpips(options(net=net, weights="random"))
    assert lpips_of_pairs(metric, [picture(0, 20, 18)], [picture(1, 20, 18)])[0] > 0
    assert metric.name == f"lpips[random-{net}]"


@pytest.mark.parametrize("net", ["alex", "vgg", "squeeze"])
def test_the_packages_heads_fit(net):
    network, path = lpips_weights._empty_network(net, heads=True)
    heads = lpips_weights._heads_of(network, path)
    assert len(heads) == (7 if net == "squeeze" else 5)
    # Zhang et al. 2018 keep them from being negative.
    assert all((weight >= 0).all() for weight in heads.values())


def test_the_published_file_alone_bears_the_plain_name(backbone, monkeypatch):
    path, digest, _ = backbone
    stranger = load_lpips(options(weights=str(path), sha256=digest[:8]))
    assert stranger.name == f"lpips[alex-{digest[:8]}]"
    assert not stranger.comparable
    files = {**lpips_weights._FILES, "alex": ("AlexNet", f"alexnet-owt-{digest[:8]}.pth", 1)}
    monkeypatch.setattr(lpips_weights, "_FILES", files)
    published = load_lpips(options(weights=str(path)))
    assert (published.name, published.comparable) == ("lpips[alex]", True)
    assert published.weights_hash == stranger.weights_hash


def test_weights_that_are_missing_or_others(backbone, monkeypatch, tmp_path):
    path, _, state = backbone
    monkeypatch.setenv("BENCHBENCH_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    with pytest.raises(CheckpointError) as missing:
        load_lpips(options())
    assert "7be5be79" in str(missing.value)
    assert "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth" in str(missing.value)
    monkeypatch.setenv("BENCHBENCH_WEIGHTS", str(path.parent))
    with pytest.raises(CheckpointError, match="has SHA-256"):
        load_lpips(options())
    short = tmp_path / "short.pth"
    torch.save({**state, "features.8.weight": torch.zeros(2, 2)}, short)
    with pytest.raises(CheckpointError, match=r"features\.8\.weight: shape \[2, 2\]"):
        load_lpips(options(weights=str(short), sha256=hashlib.sha256(short.read_bytes()).hexdigest()))
    with pytest.raises(OptionError, match="random weights have none"):
        options(weights="random", sha256="0" * 8)


def test_without_the_package(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "lpips" else find(name))
    with pytest.raises(DependencyError) as caught:
        load_lpips(options(weights="random"))
    assert caught.value.fix == "pip install lpips"


def test_pairs_that_do_not_fit(random_alex):
    with pytest.raises(DataError, match="pair 0: 36x40 against 36x41"):
        lpips_of_pairs(random_alex, [picture(0)], [picture(1, 41, 36)])
    with pytest.raises(DataError, match="36x30 is too small"):
        lpips_of_pairs(random_alex, [picture(0, 30, 36)], [picture(1, 30, 36)])
    with pytest.raises(DataError, match="1 and 2 images"):
        lpips_of_pairs(random_alex, [picture(0)], [picture(1), picture(2)])


def test_drawn_pairs():
    assert draw_pairs(4, None, seed=0).tolist() == [[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]]
    assert draw_pairs(2, 5, seed=0).tolist() == [[0, 1]]
    drawn = draw_pairs(50_000, 1000, seed=3)
    assert drawn.shape == (1000, 2)
    assert (drawn[:, 0] < drawn[:, 1]).all()
    assert drawn.min() >= 0
    assert drawn.max() < 50_000
    assert len(np.unique(drawn, axis=0)) == 1000
    assert np.array_equal(drawn, draw_pairs(50_000, 1000, seed=3))
    assert not np.array_equal(drawn, draw_pairs(50_000, 1000, seed=4))
    # Every pair as likely as every other: 6 pairs, 1 of them, 3,000 seeds.
    counts = np.zeros(6)
    for seed in range(3000):
        i, j = draw_pairs(4, 1, seed=seed)[0]
        counts[[[0, 1], [0, 2], [0, 3], [1, 2], [1, 3], [2, 3]].index([i, j])] += 1
    assert np.abs(counts - 500).max() < 5 * 500**0.5


def test_diversity_is_the_mean_over_groups(random_alex):
    groups = [[picture(0), picture(1), picture(2)], [picture(3), picture(3)]]
    found = lpips_diversity(random_alex, groups, pairs=None)
    expected = [
        lpips_of_pairs(random_alex, [groups[0][i]], [groups[0][j]])[0] for i, j in ((0, 1), (0, 2), (1, 2))
    ]
    np.testing.assert_allclose(found.values, [*expected, 0.0], rtol=1e-5)
    assert found.groups.tolist() == [0, 0, 0, 1]
    assert found.value == pytest.approx(np.mean(expected) / 2, rel=1e-5)
    interval = diversity_interval(found)
    assert interval is not None
    assert found.value in interval


def test_diversity_does_not_depend_on_the_order_of_images(random_alex):
    images = [picture(seed) for seed in range(6)]
    keys = [hashlib.sha256(image.numpy().tobytes()).hexdigest() for image in images]
    order = [3, 0, 5, 1, 4, 2]
    one = lpips_diversity(random_alex, [images], pairs=4, keys=[keys])
    two = lpips_diversity(random_alex, [[images[i] for i in order]], pairs=4, keys=[[keys[i] for i in order]])
    np.testing.assert_allclose(one.values, two.values, rtol=1e-5)
    assert len(one.values) == 4


def test_the_interval_of_one_group_resamples_images(random_alex):
    found = lpips_diversity(random_alex, [[picture(seed) for seed in range(5)]], pairs=None)
    interval = diversity_interval(found, resamples=200)
    assert interval is not None
    assert found.value in interval
    assert diversity_interval(found, resamples=200) == interval
    two = lpips_diversity(random_alex, [[picture(0), picture(1)]], pairs=None)
    assert diversity_interval(two) is None


def test_groups_too_small_for_diversity(random_alex):
    with pytest.raises(DataError, match="group 1 has fewer than two"):
        lpips_diversity(random_alex, [[picture(0), picture(1)], [picture(2)]], pairs=None)
    with pytest.raises(DataError, match="0 groups"):
        lpips_diversity(random_alex, [], pairs=None)
