"""One evaluation from images to figures, on a network of twelve features."""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from benchbench.core.errors import (
    CheckpointError,
    DataError,
    FeatureError,
    OptionError,
    StoreError,
    UnknownNameError,
)
from benchbench.core.features import Extracted, Extractor, FeatureContext
from benchbench.core.model import parse_options
from benchbench.data.collection import ImageSequence
from benchbench.data.open import open_images
from benchbench.measures.quality import extraction, passes
from benchbench.measures.quality.evaluate import Evaluation, Means, choose_device, evaluate
from benchbench.measures.quality.options import QualityOptions
from benchbench.measures.quality.passes import RESERVED
from benchbench.measures.quality.sides import Side
from benchbench.quality.cache import FeatureCache
from benchbench.quality.frechet import frechet_distance
from benchbench.quality.kernel import kernel_distance

Scores = Callable[..., Evaluation]
SMALL = {"side": 24, "resize": "clean"}


@pytest.fixture
def options(small_extractor: str) -> Callable[..., QualityOptions]:
    def make(**changed: Any) -> QualityOptions:
        features = {"name": small_extractor, "label": "small", **SMALL}
        given = {"features": features, "resamples": 20, **changed}
        return parse_options("measure", "quality", QualityOptions, given)

    return make


@pytest.fixture
def score(options: Callable[..., QualityOptions], means: Means) -> Scores:
    """(reference, generated, fresh=True, **options) -> the evaluation; a fresh one has an empty cache."""

    def run(reference: Any, generated: Any, *, fresh: bool = True, **changed: Any) -> Evaluation:
        if fresh:
            shutil.rmtree(means.cache, ignore_errors=True)
        sides = [
            each if each is None or isinstance(each, Side) else Side(open_images(each), "images")
            for each in (reference, generated)
        ]
        assert sides[1] is not None
        return evaluate(sides[0], sides[1], options(**changed), means)

    return run


@pytest.fixture
def real(tmp_path: Path, write_pictures: Callable[..., Path]) -> Path:
    return write_pictures(tmp_path / "real", 30, seed=1, sizes=(24, 31))


@pytest.fixture
def fake(tmp_path: Path, write_pictures: Callable[..., Path]) -> Path:
    return write_pictures(tmp_path / "fake", 20, seed=2, noise=40, sizes=(40, 24, 33))


def tensor(count: int, *, seed: int = 0, side: int = 24) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 3, side, side), dtype=torch.uint8, generator=generator)


def values(found: Evaluation) -> dict[str, Any]:
    """All that is said, apart from where the images came from."""
    assert not found.refused, found.refused[0].error
    return {each.name: (each.value, each.interval, each.yardstick, each.flags) for each in found.measurements}


ALL = ["fd", "kd", "kd_subsets", "precision", "recall", "density", "coverage"]


# The order of images.


def test_the_order_of_files_never_matters(score: Scores, real: Path, fake: Path, tmp_path: Path) -> None:
    wanted = values(score(real, fake, metrics=ALL))
    shuffled = []
    for folder in (real, fake):
        names = sorted(path.name for path in folder.iterdir())
        others = random.Random(3).sample(names, len(names))
        target = tmp_path / "shuffled" / folder.name
        target.mkdir(parents=True)
        for name, other in zip(names, others, strict=True):
            shutil.copy(folder / name, target / other)
        shuffled.append(target)
    found = score(*shuffled, metrics=ALL)
    assert values(found) == wanted
    assert found.times["reference"].extracted == 30
    assert [each.name for each in found.measurements] == [f"{metric}[small]" for metric in ALL]


def test_the_order_of_a_tensor_never_matters(score: Scores) -> None:
    x, y = tensor(14), tensor(13, seed=1)
    assert values(score(x, y, metrics=ALL)) == values(score(x.flip(0), y.flip(0), metrics=ALL))


def test_duplicates_count_and_their_order_does_not_matter(score: Scores) -> None:
    x, y = tensor(10), tensor(9, seed=1)
    twice = torch.cat([y, y])
    found = score(x, twice, metrics=ALL)
    assert values(found) == values(score(x, torch.stack([y, y], dim=1).flatten(0, 1), metrics=ALL))
    assert found.measurements[0].protocol.settings["generated_count"] == 18
    assert values(found) != values(score(x, y, metrics=ALL))


def test_batches_and_threads_do_not_matter(score: Scores, real: Path, fake: Path) -> None:
    one, other = (score(real, fake, batch=batch, workers=workers) for batch, workers in ((1, 0), (7, 3)))
    for first, second in zip(one.measurements, other.measurements, strict=True):
        assert first.value == pytest.approx(second.value, rel=1e-5)
        assert first.protocol.hash == second.protocol.hash


def test_identical_sets_are_at_distance_nothing(score: Scores, real: Path) -> None:
    found = score(real, real)
    assert 0 <= found.measurements[0].value < 1e-9
    # The second side is the first one again.
    assert found.times["generated"].extracted == 0


# Too few images.


@pytest.mark.parametrize(("count", "told"), [(1, "1 image"), (0, "no images")])
def test_fewer_than_two_images_are_refused(score: Scores, count: int, told: str) -> None:
    with pytest.raises(DataError, match=told):
        score(tensor(5), tensor(5, seed=1)[:count])


def test_fewer_images_than_dimensions_are_refused_with_both_numbers(score: Scores) -> None:
    features = {"name": "rand_conv", "dimensions": 64, "side": 32}
    found = score(tensor(64), tensor(63, seed=1), features=features)
    assert found.measurements == ()
    assert [refusal.metric for refusal in found.refused] == ["fd", "kd"]
    error = found.refused[0].error
    assert isinstance(error, FeatureError)
    assert "63 images" in str(error)
    assert "64 dimensions" in str(error)
    assert "at least 64" in str(error)
    failures = found.failures()
    assert [each.of for each in failures] == ["quality: fd", "quality: kd"]
    assert failures[0].fix == "more images"
    # The other side is named where it is the one.
    other = score(
        Side(open_images(tensor(63)), "the real ones"), tensor(64, seed=1), features=features
    ).refused[0]
    assert "the real ones: 63 images" in str(other.error)


def test_the_dimensions_that_are_proposed_are_enough(score: Scores) -> None:
    wide = {"name": "rand_conv", "dimensions": 128, "side": 32}
    (refusal,) = score(tensor(100), tensor(90, seed=1), features=wide, metrics="fd").refused
    assert "images: 90 images" in str(refusal.error)
    assert refusal.error.fix is not None
    proposed = re.search(r"\{.*\}", refusal.error.fix)
    assert proposed is not None
    features = yaml.safe_load(proposed[0])
    assert features == {"name": "rand_conv", "dimensions": 80}
    assert score(tensor(100), tensor(90, seed=1), features=features, metrics="fd").measurements


def test_enough_images_for_the_embedded_default(score: Scores) -> None:
    features = {"name": "rand_conv", "dimensions": 64, "side": 32}
    found = score(tensor(64), tensor(64, seed=1), features=features, metrics=["fd", "kd", "precision"])
    assert [each.name for each in found.measurements] == [
        "fd[rand-conv-64]",
        "kd[rand-conv-64]",
        "precision[rand-conv-64]",
    ]
    for each in found.measurements:
        assert any(flag.startswith("mean of 3: ") for flag in each.flags)
        assert "rand-conv-64: not comparable to the literature" in each.flags
        assert each.protocol.settings["comparable_to_literature"] is False


# The literature's names.


def lookalike(
    name: str, given: Mapping[str, Any], context: FeatureContext, *, registered: Sequence[str] = ()
) -> Extractor:
    def run(images: torch.Tensor) -> Extracted:
        return Extracted(images.mean(dim=(2, 3))[:, None].float())

    return Extractor(
        label=name,
        weights_hash="0123456789abcdef",
        side=24,
        dimensions=3,
        run=run,
        resize=given.get("resize", "clean"),
        registered=frozenset(registered),
    )


@pytest.mark.parametrize(
    ("metric", "instead"), [("fid", "fd"), ("clean_fid", "fd"), ("kid", "kd"), ("clean_kid", "kd")]
)
def test_a_name_of_the_literature_is_refused_to_other_weights(
    score: Scores, monkeypatch: pytest.MonkeyPatch, metric: str, instead: str
) -> None:
    monkeypatch.setattr(passes, "load_features", lookalike)
    found = score(tensor(9), tensor(9, seed=1), metrics=[metric])
    assert found.measurements == ()
    told = str(found.refused[0].error)
    assert f"'{metric}'" in told
    assert "not the registered ones" in told
    assert f"ask for '{instead}'" in told
    assert "01234567" in told


def test_a_name_of_the_literature_is_given_to_the_registered_weights_at_its_resize(
    score: Scores, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, Any]] = []

    def load(name: str, given: Mapping[str, Any], context: FeatureContext) -> Extractor:
        asked.append((name, given.get("resize")))
        return lookalike(name, given, context, registered=tuple(RESERVED))

    monkeypatch.setattr(passes, "load_features", load)
    # What is said of `features` does not move the resize that a name stands for.
    features = [{"name": "inception", "resize": "legacy"}, {"name": "inception_pytorch", "resize": "clean"}]
    metrics = ["fid", "clean_fid", "kid", "clean_kid"]
    found = score(tensor(9), tensor(9, seed=1, side=30), metrics=metrics, features=features)
    assert asked == [("inception_pytorch", "legacy"), ("inception", "clean")]
    assert [each.name for each in found.measurements] == metrics
    for each in found.measurements:
        assert each.protocol.settings["comparable_to_literature"] is True
        assert each.yardstick is None
        assert not any("not comparable" in flag for flag in each.flags)
    resizes = [each.protocol.settings["resize"] for each in found.measurements]
    assert resizes == ["legacy 24", "clean 24"] * 2
    assert len({each.value for each in found.measurements}) == 4


def test_missing_weights_refuse_their_metric_alone(
    score: Scores, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BENCHBENCH_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    found = score(tensor(9), tensor(9, seed=1), metrics=["fid", "fd"])
    assert [each.name for each in found.measurements] == ["fd[small]"]
    (refusal,) = found.refused
    assert refusal.metric == "fid"
    assert isinstance(refusal.error, CheckpointError)
    assert str(tmp_path / "weights") in str(refusal.error)


def test_the_inception_score_needs_classes(score: Scores) -> None:
    found = score(None, tensor(9), metrics=["inception_score", "fd"])
    told = [str(refusal.error) for refusal in found.refused]
    assert "needs the classes of an Inception network, and small has none" in told[0]
    assert "compares with a reference, and there is none" in told[1]


# Real against real.


def test_the_yardstick_is_that_of_random_halves_of_the_reference(
    score: Scores, real: Path, fake: Path, means: Means
) -> None:
    found = score(real, fake)
    by_side = {
        table.meta.count: table.rows().whole()
        for table in map(FeatureCache(means.cache).find, sources(means))
        if table is not None
    }
    x, y = by_side[30], by_side[20]
    for figure, distance in zip(found.measurements, (frechet_distance, kernel_distance), strict=True):
        assert figure.value == pytest.approx(distance(x, y))
        stick = figure.yardstick
        assert stick is not None
        assert stick.count == 15
        generator = np.random.default_rng(0)
        halves, ours = [], []
        for _ in range(400):
            chosen = generator.permutation(30)
            halves.append(distance(x[chosen[:15]], x[chosen[15:]]))
            ours.append(distance(x[chosen[:15]], y[generator.permutation(20)[:15]]))
        # Ten of these splits are drawn.
        wanted = np.mean(np.square(halves)) ** 0.5
        assert stick.value == pytest.approx(wanted, rel=0.35)
        # A kernel distance is about 0 here, and varies by as much as its yardstick.
        allowed = 0.25 if distance is frechet_distance else 1.0
        assert stick.ratio == pytest.approx(np.mean(ours) / stick.value, abs=allowed)
        assert figure.flags == ("small: not comparable to the literature",)


def sources(means: Means) -> list[dict[str, Any]]:
    import json

    return [json.loads(path.read_text())["source"] for path in (means.cache / "features").glob("*/meta.json")]


def test_fewer_generated_than_half_shrink_the_yardstick(score: Scores) -> None:
    stick = score(tensor(20), tensor(6, seed=1)).measurements[0].yardstick
    assert stick is not None
    assert stick.count == 6


def test_no_yardstick_where_half_is_too_few(score: Scores) -> None:
    features = {"name": "rand_conv", "dimensions": 64, "side": 32}
    found = score(tensor(127), tensor(70, seed=1), features=features, metrics=["fd", "kd", "precision"])
    for figure in found.measurements:
        assert figure.yardstick is None
    told = "no real-against-real value: half of the reference is too few images"
    assert [told in figure.flags for figure in found.measurements] == [True, True, False]


# One pass.


class Counted(ImageSequence):
    """Images that count how often each is decoded; their digests are known."""

    def __init__(self, pixels: torch.Tensor) -> None:
        images = open_images(pixels)
        super().__init__(images)
        self.digests = tuple(images.digests)
        self.decoded = [0] * len(pixels)

    def __getitem__(self, index: int) -> torch.Tensor:
        self.decoded[index] += 1
        return super().__getitem__(index)


@pytest.fixture
def two(small_extractor: str) -> list[dict[str, Any]]:
    return [
        {"name": small_extractor, "label": "small", **SMALL},
        {"name": small_extractor, "label": "wide", "side": 32, "kwargs": {"dimensions": 20, "seed": 1}},
    ]


def test_one_decoding_serves_every_extractor_and_the_second_time_none(
    score: Scores, two: list[dict[str, Any]]
) -> None:
    reference, generated = Counted(tensor(22)), Counted(tensor(21, seed=1))
    sides = Side(reference, "real"), Side(generated, "fake")
    first = score(*sides, features=two, metrics=ALL)
    assert len(first.measurements) == 2 * len(ALL)
    assert reference.decoded == [1] * 22
    assert generated.decoded == [1] * 21
    assert first.times["reference"].extracted == 22
    again = score(*sides, features=two, metrics=ALL, fresh=False)
    assert reference.decoded == [1] * 22
    assert [again.times[side].extracted for side in ("reference", "generated")] == [0, 0]
    assert values(again) == values(first)


def test_another_extractor_alone_is_extracted(score: Scores, two: list[dict[str, Any]]) -> None:
    reference = Counted(tensor(22))
    score(Side(reference, "real"), tensor(21, seed=1), features=two[0])
    found = score(Side(reference, "real"), tensor(21, seed=1), features=two, fresh=False)
    assert reference.decoded == [2] * 22
    assert found.times["reference"].extracted == 22


@pytest.mark.parametrize(
    "changed",
    [
        {"weights_hash": "fedcba9876543210"},
        {"resize": "legacy"},
        {"side": 16},
        {"settings": {"layer": "another"}},
        {"label": "another"},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_whatever_changes_features_is_another_entry(
    score: Scores, monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any]
) -> None:
    x, y = tensor(9), tensor(9, seed=1)
    for changes, extracted in (({}, 9), ({}, 0), (changed, 9), ({}, 0)):

        def load(
            name: str,
            given: Mapping[str, Any],
            context: FeatureContext,
            changes: dict[str, Any] = changes,
        ) -> Extractor:
            return replace(lookalike(name, given, context), **changes)

        monkeypatch.setattr(passes, "load_features", load)
        assert score(x, y, fresh=False).times["reference"].extracted == extracted


def test_one_extractor_asked_for_twice_looks_once(score: Scores, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def load(name: str, given: Mapping[str, Any], context: FeatureContext) -> Extractor:
        made = lookalike("inception_pytorch", given, context, registered=tuple(RESERVED))

        def run(images: torch.Tensor) -> Extracted:
            calls.append(len(images))
            return made.run(images)

        return replace(made, run=run, resize="legacy")

    monkeypatch.setattr(passes, "load_features", load)
    found = score(tensor(9), tensor(9, seed=1), metrics=["fid", "fd"], features="inception_pytorch")
    assert calls == [9, 9]
    assert [each.name for each in found.measurements] == ["fid", "fd[inception_pytorch]"]


def test_an_entry_lost_after_it_was_written_is_told(score: Scores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FeatureCache, "find", lambda *_: None)
    with pytest.raises(StoreError, match="cannot be read there"):
        score(tensor(9), tensor(9, seed=1))


# Extractors that do wrong.


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (lambda images: images[:, :, 0, :3], "shape"),
        (lambda images: images.mean(dim=(2, 3))[:-1, None], r"\[8, 1, 3\]"),
        (lambda images: images.mean(dim=(2, 3))[:, None, :2], r"\[9, 1, 2\]"),
        (lambda images: images.mean(dim=(2, 3))[:, None] / 0 * 0, "of [0-8] are not finite"),
    ],
)
def test_wrong_features_leave_no_figure_and_no_entry(
    score: Scores, means: Means, monkeypatch: pytest.MonkeyPatch, made: Any, told: str
) -> None:
    def load(name: str, given: Mapping[str, Any], context: FeatureContext) -> Extractor:
        return replace(lookalike(name, given, context), run=lambda images: Extracted(made(images)))

    monkeypatch.setattr(passes, "load_features", load)
    with pytest.raises(FeatureError, match=told):
        score(tensor(9), tensor(9, seed=1))
    assert list((means.cache / "features").iterdir()) == []


def test_a_broken_file_leaves_no_entry_and_is_named(
    score: Scores, means: Means, real: Path, fake: Path
) -> None:
    broken = fake / "0007.png"
    broken.write_bytes(broken.read_bytes()[:-60])
    with pytest.raises(DataError, match=r"0007\.png"):
        score(real, fake)
    assert len(list((means.cache / "features").iterdir())) == 1


def test_a_changed_file_is_another_entry(score: Scores, real: Path, fake: Path) -> None:
    before = score(real, fake)
    shutil.copy(real / "0000.png", fake / "0000.png")
    after = score(real, fake, fresh=False)
    assert (after.times["reference"].extracted, after.times["generated"].extracted) == (0, 20)
    assert values(after) != values(before)


# Members, intervals, sizes.


def test_neighbours_are_those_of_every_member(score: Scores, means: Means) -> None:
    from benchbench.quality.neighbours import neighbour_scores

    features = {"name": "rand_conv", "dimensions": 64, "side": 32}
    figure = score(tensor(66), tensor(65, seed=1), features=features, metrics="density").measurements[0]
    tables = {
        table.meta.count: table
        for table in map(FeatureCache(means.cache).find, sources(means))
        if table is not None
    }
    wanted = [
        neighbour_scores(tables[66].rows(m).whole(), tables[65].rows(m).whole()).density for m in range(3)
    ]
    assert len(set(wanted)) > 1
    assert figure.value == pytest.approx(fmean(wanted))
    assert figure.interval is not None
    assert figure.value in figure.interval


def test_intervals_hold_the_value_and_can_be_left_out(score: Scores, real: Path, fake: Path) -> None:
    for figure in score(real, fake, metrics=ALL, resamples=200).measurements:
        if figure.name == "kd_subsets[small]":
            continue
        assert figure.interval is not None
        assert figure.value in figure.interval
    assert all(each.interval is None for each in score(real, fake, metrics=ALL, resamples=0).measurements)


def test_a_declared_size_is_checked_and_no_image_is_resized_to_it(score: Scores, real: Path) -> None:
    with pytest.raises(DataError, match="expected: 24 x 24, as 'size' declares"):
        score(real, real, size=24)
    assert score(tensor(9), tensor(9, seed=1), size=24).measurements


def test_images_are_cut_into_tiles(score: Scores) -> None:
    x, y = tensor(4, side=48), tensor(3, seed=1, side=48)
    found = score(x, y, tile=24).measurements[0]
    assert found.protocol.settings["tile"] == 24
    assert (found.protocol.settings["reference_count"], found.protocol.settings["generated_count"]) == (
        16,
        12,
    )
    # Squares as images of their own give the same.
    cut = [
        each.unfold(2, 24, 24).unfold(3, 24, 24).permute(0, 2, 3, 1, 4, 5).flatten(0, 2) for each in (x, y)
    ]
    assert score(*cut).measurements[0].value == found.value


def test_the_bias_curve_is_told(score: Scores) -> None:
    found = score(tensor(60), tensor(60, seed=1), bias_curve=[24, 40, 60], metrics=["fd", "kd"])
    told = " ".join(found.measurements[0].flags)
    assert "by number of images: 24: " in told
    assert "60: " in told
    assert "extrapolated to infinitely many images" in told
    assert not any("by number" in flag for flag in found.measurements[1].flags)
    few = score(tensor(60), tensor(60, seed=1), bias_curve=[20, 40], metrics="fd").measurements[0]
    assert "extrapolated" not in " ".join(few.flags)


# Requests that make no sense.


def test_an_unknown_metric_is_told_with_the_nearest(options: Callable[..., QualityOptions]) -> None:
    with pytest.raises(OptionError) as caught:
        options(metrics=["clean_fud"])
    assert "clean_fud" in str(caught.value)
    assert "clean_fid" in str(caught.value)


def test_an_unknown_extractor_is_told_with_the_nearest(score: Scores) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'rand_conv'"):
        score(tensor(9), tensor(9, seed=1), features="rand_cnov")


def test_a_device_that_is_not_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto") == "cpu"
    with pytest.raises(OptionError, match="no usable GPU"):
        choose_device("cuda:1")
    with pytest.raises(OptionError, match="unknown device 'gpu'"):
        choose_device("gpu")


def test_canonical_order_is_that_of_contents() -> None:
    images = open_images(tensor(6))
    order = extraction.canonical_order(images)
    assert [images.digests[index] for index in order] == sorted(images.digests)
    assert np.unique(order).tolist() == list(range(6))
