from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch

from benchbench.core.errors import CheckpointError, DataError, OptionError, StoreError
from benchbench.core.model import Options, parse_options
from benchbench.quality import segmenters
from benchbench.quality.drn import DrnSegmenter, bilinear_kernel
from benchbench.quality.segmentation import mean_iou, score_segmentation
from benchbench.quality.segmenters import SegmenterOptions, load_segmenter

COLOURS = torch.tensor([[40, 60, 50], [200, 80, 60], [70, 90, 210]])


class Holder(Options):
    segmenter: SegmenterOptions


def declared(**given: object):
    return parse_options("measure", "miou", Holder, {"segmenter": given}).segmenter


def local(**given: object) -> SegmenterOptions:
    return declared(
        **{"name": "local", "classes": 3, "steps": 120, "side": 16, "width": 8, **given},
    )


def scene(seed: int, side: int = 24):
    """A rectangle of one class and one of another on a ground of the third, with noise."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.zeros(side, side, dtype=torch.int64)
    for label in (1, 2):
        top, left = torch.randint(0, side // 2, (2,), generator=generator).tolist()
        labels[top : top + side // 2, left : left + side // 3] = label
    noise = torch.randn(3, side, side, generator=generator) * 12
    image = (COLOURS[labels].permute(2, 0, 1) + noise).clamp(0, 255).round().to(torch.uint8)
    return image, labels.numpy().astype(np.uint8)


PAIRS = [scene(seed) for seed in range(15)]


def load(options, cache, pairs=PAIRS, digest="reference", said=None):
    return load_segmenter(
        options,
        pairs=lambda: pairs,
        digest=digest,
        cache=cache,
        device="cpu",
        say=(lambda _: None) if said is None else said.append,
    )


def refuse():
    raise AssertionError("the reference is opened")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def trained(cache):
    return load(local(), cache)


def test_it_learns_and_says_how_well(trained):
    assert trained.metric == "miou[local-segmenter]"
    assert not trained.registered
    assert trained.ceiling > 0.7
    fresh = [scene(seed) for seed in range(100, 106)]
    images, maps = zip(*fresh, strict=True)
    right = mean_iou(score_segmentation(trained, images, maps).sum(axis=0)).value
    wrong = mean_iou(score_segmentation(trained, images, maps[1:] + maps[:1]).sum(axis=0)).value
    assert right > 0.7
    assert wrong < right - 0.2


def test_an_untrained_one_has_a_low_ceiling(tmp_path, trained):
    assert load(local(steps=1), tmp_path).ceiling < trained.ceiling - 0.2


def test_predictions_are_at_its_own_side(trained):
    found = trained.predict(torch.rand(2, 3, 40, 20) * 255)
    assert tuple(found.shape) == (2, 16, 16)
    assert found.dtype == torch.int64


def test_the_same_again_in_any_order_and_without_touching_the_global_seed(tmp_path, trained):
    before = torch.get_rng_state()
    again = load(local(), tmp_path, pairs=PAIRS[::-1])
    assert torch.equal(torch.get_rng_state(), before)
    assert again.weights_hash == trained.weights_hash
    assert again.ceiling == trained.ceiling
    assert load(local(seed=1), tmp_path).weights_hash != trained.weights_hash


def test_the_number_of_threads_changes_no_bit(tmp_path):
    threads = torch.get_num_threads()
    found = []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            found.append(load(local(steps=4, side=64), tmp_path / str(count)).weights_hash)
            assert torch.get_num_threads() == count
    finally:
        torch.set_num_threads(threads)
    assert found[0] == found[1]


def test_what_is_cached_is_not_trained_again(cache, trained):
    again = load_segmenter(
        local(), pairs=refuse, digest="reference", cache=cache, device="cpu", say=lambda _: None
    )
    assert (again.weights_hash, again.ceiling) == (trained.weights_hash, trained.ceiling)
    assert again.settings == trained.settings
    images = torch.rand(1, 3, 24, 24) * 255
    assert torch.equal(again.predict(images), trained.predict(images))


@pytest.mark.parametrize("change", [{"steps": 121}, {"seed": 2}, {"width": 4}, {"side": 20}])
def test_other_settings_or_another_reference_are_other_entries(cache, trained, change):
    for options, digest in ((local(**change), "reference"), (local(), "another")):
        with pytest.raises(AssertionError, match="is opened"):
            load_segmenter(
                options, pairs=refuse, digest=digest, cache=cache, device="cpu", say=lambda _: None
            )


def test_a_damaged_entry_is_made_anew(tmp_path):
    quick = local(steps=2)
    said: list[str] = []
    expected = load(quick, tmp_path, said=said).weights_hash
    (entry,) = (tmp_path / "segmenters").iterdir()
    content = entry.read_bytes()
    other_weight = bytearray(content)
    other_weight[-5] ^= 64
    for damaged in (b"", content[:-10], bytes(other_weight)):
        entry.write_bytes(damaged)
        assert load(quick, tmp_path).weights_hash == expected
        again = load_segmenter(
            quick, pairs=refuse, digest="reference", cache=tmp_path, device="cpu", say=lambda _: None
        )
        assert again.weights_hash == expected
    assert [line.rsplit(maxsplit=1)[0] for line in said] == ["local segmenter: step 2 of 2, loss"]
    assert len(list((tmp_path / "segmenters").iterdir())) == 1


def test_an_entry_of_another_version_is_not_used(cache, trained, monkeypatch):
    monkeypatch.setattr(segmenters, "VERSION", segmenters.VERSION + 1)
    with pytest.raises(AssertionError, match="is opened"):
        load_segmenter(
            local(), pairs=refuse, digest="reference", cache=cache, device="cpu", say=lambda _: None
        )


def test_pixels_that_are_not_scored_teach_nothing(tmp_path, trained):
    pairs = []
    for image, labels in PAIRS:
        marked = labels.astype(np.int32)
        marked[:2] = 255
        marked[2:4] = -1
        pairs.append((image, marked))
    assert load(local(), tmp_path, pairs=pairs).ceiling > 0.5


@pytest.mark.parametrize(
    ("pairs", "told"),
    [
        ([scene(0)] * 9, "1 different pairs"),
        (PAIRS[:4], "4 different pairs"),
        ([*PAIRS, (PAIRS[0][0], np.full((24, 24), 3, dtype=np.uint8))], "pair 15: 3 is no class"),
        ([*PAIRS, (PAIRS[0][0], np.zeros((12, 24), dtype=np.uint8))], "against label map"),
        ([*PAIRS, (PAIRS[0][0], np.full((24, 24), 255, dtype=np.uint8))], "without any class"),
        ([*PAIRS, (PAIRS[0][0], np.zeros((24, 24, 3), dtype=np.uint8))], "label map: uint8"),
    ],
)
def test_pairs_that_do_not_fit(tmp_path, pairs, told):
    with pytest.raises(DataError, match=told):
        load(local(), tmp_path, pairs=pairs)
    assert not (tmp_path / "segmenters").exists()


def test_a_cache_that_cannot_be_written(tmp_path):
    (tmp_path / "segmenters").write_text("")
    with pytest.raises(StoreError):
        load(local(steps=1), tmp_path)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"name": "drn_d_105", "weights": "download"}, "fetched by hand from http://go.yf.io"),
        ({"name": "drn_d_105", "weights": "random"}, "cannot be 'random'"),
        ({"name": "drn_d_105", "sha256": "xyz"}, "text that matches"),
        ({"name": "drn_d_105", "classes": 3}, "'classes' is no option of segmenter drn_d_105"),
        ({"name": "local", "classes": 3, "sha256": "0" * 8}, "'sha256' is no option of segmenter local"),
        ({"name": "local"}, "add 'classes'"),
        ({"name": "local", "classes": 3, "side": 30}, "a multiple of 4"),
        ({"name": "local", "classes": 1}, "greater than or equal to 2"),
        ({"name": "local", "class": 3}, "did you mean 'classes'"),
        ({"name": "deeplab"}, "'drn_d_105' or 'local'"),
    ],
)
def test_options_that_mean_nothing(given, told):
    with pytest.raises(OptionError, match=told):
        declared(**given)


@pytest.fixture(scope="module")
def drn_file(tmp_path_factory):
    with torch.device("meta"):
        shapes = DrnSegmenter().state_dict()
    state = {name: torch.zeros(tensor.shape) for name, tensor in shapes.items()}
    state["up.weight"] = bilinear_kernel().expand(19, 1, 16, 16).clone()
    path = tmp_path_factory.mktemp("drn") / "given.pth"
    torch.save(state, path)
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def test_drn_is_named_by_its_file(drn_file, tmp_path):
    path, digest = drn_file
    checked = load(declared(name="drn_d_105", weights=str(path), sha256=digest), tmp_path)
    # Nobody publishes a hash: no file of one's own passes for the literature's.
    assert (checked.metric, checked.registered) == (f"miou[drn-d-105-{digest[:8]}]", False)
    assert checked.settings["weights"] == f"SHA-256 {digest}"
    assert (checked.classes, checked.ignore, checked.class_names[18]) == (19, 255, "bicycle")
    unchecked = load(declared(name="drn_d_105", weights=str(path)), tmp_path)
    assert unchecked.metric == checked.metric
    assert "not checked" in unchecked.settings["weights"]
    assert unchecked.weights_hash == checked.weights_hash
    with pytest.raises(CheckpointError):
        load(declared(name="drn_d_105", weights=str(path), sha256="0" * 8), tmp_path)
