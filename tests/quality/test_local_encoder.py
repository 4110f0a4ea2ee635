from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from benchbench.core.errors import FeatureError, StoreError
from benchbench.core.examples import ImageSet
from benchbench.core.features import Extractor, FeatureContext
from benchbench.quality import local_encoder
from benchbench.quality.load import load_features
from benchbench.quality.local_encoder import contrastive_loss, read_pictures

SIDE = 32
QUICK = {"steps": 3, "dimensions": 8, "side": SIDE}


class Pictures:
    """Colour patches on grounds, uint8."""

    def __init__(self, count: int, *, seed: int = 0, side: int = SIDE) -> None:
        generator = torch.Generator().manual_seed(seed)
        coarse = torch.rand(count, 3, 4, 4, generator=generator) * 255
        large = torch.nn.functional.interpolate(coarse, size=(side, side), mode="nearest")
        self.pixels = large.to(torch.uint8)
        self.names: Sequence[str] = tuple(map(str, range(count)))

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.pixels[index]


class Reversed(Pictures):
    def __getitem__(self, index: int) -> torch.Tensor:
        return self.pixels[len(self.pixels) - 1 - index]


@dataclasses.dataclass
class Workplace:
    cache: Path
    images: ImageSet
    digest: str = "0123456789abcdef"
    read: int = 0
    said: list[str] = dataclasses.field(default_factory=list)

    def load(self, **options: object) -> Extractor:
        def reference() -> ImageSet:
            self.read += 1
            return self.images

        context = FeatureContext(
            device="cpu",
            reference=reference,
            reference_digest=self.digest,
            cache=self.cache,
            say=self.said.append,
        )
        return load_features("local_encoder", {**QUICK, **options}, context)


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path / "cache", Pictures(20))


def encoders(place: Workplace) -> list[Path]:
    return sorted((place.cache / "encoders").iterdir())


def test_features_have_unit_size_on_the_reference(place: Workplace):
    made = place.load(steps=20)
    found = made.run(read_pictures(place.images, SIDE).float()).features
    assert found.shape == (20, 1, 8)
    assert (made.label, made.fewest_images, made.side) == ("local-encoder-8", 8, SIDE)
    linear = found.sinh()
    assert torch.allclose(linear.mean(dim=(0, 1)), torch.zeros(8), atol=1e-4)
    assert torch.allclose(linear[:, 0].std(dim=0), torch.ones(8), atol=1e-3)


def test_the_default_is_what_its_label_says(place: Workplace):
    made = load_features(
        "local_encoder",
        {"steps": 1},
        FeatureContext("cpu", lambda: place.images, place.digest, place.cache, place.said.append),
    )
    assert (made.label, made.dimensions, made.side) == ("local-encoder-64", 64, 64)


def test_training_is_deterministic_whatever_the_threads_and_torchs_own_seed(place: Workplace, tmp_path: Path):
    first = place.load()
    threads = torch.get_num_threads()
    torch.manual_seed(5)
    torch.set_num_threads(2)
    try:
        state = torch.random.get_rng_state()
        again = dataclasses.replace(place, cache=tmp_path / "other").load()
        assert torch.get_num_threads() == 2
        assert torch.equal(state, torch.random.get_rng_state())
    finally:
        torch.set_num_threads(threads)
    assert first.weights_hash == again.weights_hash


def test_the_references_order_does_not_matter(place: Workplace, tmp_path: Path):
    other = dataclasses.replace(place, cache=tmp_path / "other", images=Reversed(20))
    assert place.load().weights_hash == other.load().weights_hash


def test_training_learns(place: Workplace):
    pictures = read_pictures(place.images, SIDE).float()

    def told_apart(made: Extractor) -> float:
        """How near the crops of one picture are, beside those of others."""
        corners = [
            made.run(pictures[:, :, y : y + 24, x : x + 24]).features[:, 0] for y, x in ((0, 0), (8, 8))
        ]
        return float(contrastive_loss(torch.cat(corners)))

    assert told_apart(place.load(steps=60)) < told_apart(place.load(steps=1)) - 0.1


def test_the_loss_is_a_cross_entropy_over_the_other_views():
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(6, 4, generator=generator)
    units = embeddings / embeddings.norm(dim=1, keepdim=True)
    terms = []
    for i in range(6):
        likeness = {j: float(units[i] @ units[j]) / 0.2 for j in range(6) if j != i}
        total = sum(torch.tensor(value).exp() for value in likeness.values())
        terms.append(float(total.log()) - likeness[(i + 3) % 6])
    assert float(contrastive_loss(embeddings)) == pytest.approx(sum(terms) / 6, rel=1e-5)


def test_the_second_time_it_is_read_from_the_cache(place: Workplace):
    first = place.load()
    second = place.load()
    assert place.read == 1
    assert len(place.said) == 1
    assert first.weights_hash == second.weights_hash
    images = place.images[0][None].float()
    assert torch.equal(first.run(images).features, second.run(images).features)
    assert [path.suffix for path in encoders(place)] == [".safetensors"]


def test_another_reference_or_option_has_another_entry_and_hash(place: Workplace):
    first = place.load()
    assert place.load(seed=1).weights_hash != first.weights_hash
    assert place.load(steps=4).weights_hash != first.weights_hash
    other = dataclasses.replace(place, digest="f" * 16, images=Pictures(20, seed=1))
    assert other.load().weights_hash != first.weights_hash
    assert len(encoders(place)) == 4


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "foreign"])
def test_a_damaged_file_is_trained_again_and_that_is_said(place: Workplace, damage: str):
    hash_before = place.load().weights_hash
    (path,) = encoders(place)
    content = bytearray(path.read_bytes())
    if damage == "truncated":
        content = content[: len(content) // 2]
    elif damage == "flipped":
        content[-5] ^= 0x40
    elif damage == "empty":
        content = bytearray()
    else:
        content = bytearray(b"no tensors in here")
    path.write_bytes(content)
    place.said.clear()
    assert place.load().weights_hash == hash_before
    assert place.read == 2
    assert "is damaged" in place.said[0]
    assert "trained again" in place.said[0]
    # It was repaired.
    place.said.clear()
    place.load()
    assert not place.said


def test_nothing_half_written_is_left(place: Workplace, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        place.load()
    assert encoders(place) == []


def test_without_a_reference_there_is_nothing_to_train_on(place: Workplace):
    with pytest.raises(FeatureError, match="none is known"):
        dataclasses.replace(place, digest="").load()


def test_too_small_a_reference(place: Workplace):
    with pytest.raises(FeatureError, match="15 reference images"):
        dataclasses.replace(place, images=Pictures(15)).load()


def test_of_a_large_reference_the_first_by_content_are_taken(monkeypatch: pytest.MonkeyPatch):
    class Known(Pictures):
        digests = tuple(f"{(7 * index) % 40:02d}" for index in range(40))
        read: list[int] = []

        def __getitem__(self, index: int) -> torch.Tensor:
            self.read.append(index)
            return super().__getitem__(index)

    monkeypatch.setattr(local_encoder, "MOST_REFERENCES", 16)
    known = Known(40)
    found = read_pictures(known, SIDE)
    # What is not trained on is not even read.
    assert sorted(known.read) == sorted(index for index in range(40) if (7 * index) % 40 < 16)
    assert {picture.numpy().tobytes() for picture in found} == {
        known.pixels[index].numpy().tobytes() for index in known.read
    }
    # Images that nobody has hashed are hashed here.
    assert read_pictures(Pictures(40), SIDE).shape[0] == 16


def test_pictures_of_other_sizes_are_resized():
    assert read_pictures(Pictures(16, side=50), SIDE).shape == (16, 3, SIDE, SIDE)
