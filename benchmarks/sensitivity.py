"""Do the embedded features see it when pictures get worse? Distances under growing damage.

    python benchmarks/sensitivity.py
    python benchmarks/sensitivity.py --features local_encoder --images 300

Reference and judged pictures are independent crops of the photographs that scikit-image ships. Level 0 is
real against real; every further one damages the judged crops more, or leaves more photographs out. Which
ones are left out is averaged over several orders: with one order alone even the true distance may fall.
"""

from __future__ import annotations

import argparse
import io
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from benchbench.core.examples import ImageSet
from benchbench.core.features import Extractor, FeatureContext
from benchbench.core.model import JsonValue
from benchbench.data.images import PHOTOS, photo_path, read_image, to_picture, to_tensor
from benchbench.quality.frechet import frechet_distance
from benchbench.quality.kernel import kernel_distance
from benchbench.quality.load import load_features

BATCH = 32
REFERENCE_SEED, JUDGED_SEED, NOISE_SEED = 100, 200, 300
DROP_ORDERS = 3

LEVELS: Mapping[str, tuple[float, ...]] = {
    "noise": (4, 8, 16, 32, 64),
    "blur": (0.5, 0.75, 1, 2, 4),
    "dropping": (2, 4, 6, 8, 10),
    "jpeg": (90, 70, 50, 30, 10),
    "colour": (4, 8, 16, 32, 64),
}
"""Deviation in 0..255; deviation in pixels; photographs absent; JPEG quality; shift of red up, blue down."""


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of damage and one distance, level 0 first; mean over members and over orders of dropping."""

    damage: str
    metric: str
    levels: tuple[float, ...]
    values: tuple[float, ...]

    @property
    def monotone(self) -> bool:
        """Whether each level is farther away than the one before."""
        return all(low < high for low, high in zip(self.values, self.values[1:], strict=False))


class Crops:
    """Crops of the photographs as an ImageSet; uint8 [3, side, side]."""

    def __init__(self, pixels: torch.Tensor) -> None:
        self.pixels = pixels
        self.names: Sequence[str] = tuple(f"crop {index}" for index in range(len(pixels)))

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> torch.Tensor:
        return self.pixels[index]


def read_photos() -> dict[str, torch.Tensor]:
    """Every photograph inside the wheel, uint8 [3, H, W]."""
    return {name: read_image(photo_path(name)) for name in sorted(PHOTOS)}


def cut_crops(photos: Sequence[torch.Tensor], count: int, side: int, *, seed: int) -> torch.Tensor:
    """uint8 [count, 3, side, side]: squares of twice the side, halved; photographs take turns."""
    generator = torch.Generator().manual_seed(seed)
    crops = []
    for index in range(count):
        photo = photos[index % len(photos)]
        places = [
            int(torch.randint(size - 2 * side + 1, (), generator=generator)) for size in photo.shape[1:]
        ]
        cut = photo[:, places[0] : places[0] + 2 * side, places[1] : places[1] + 2 * side]
        crops.append(F.avg_pool2d(cut.float(), 2).round().to(torch.uint8))
    return torch.stack(crops)


def _as_bytes(values: torch.Tensor) -> torch.Tensor:
    return values.round().clamp(0, 255).to(torch.uint8)


def add_noise(images: torch.Tensor, deviation: float) -> torch.Tensor:
    """Gaussian noise; every level scales the same draw."""
    generator = torch.Generator().manual_seed(NOISE_SEED)
    return _as_bytes(images + deviation * torch.randn(images.shape, generator=generator))


def blur(images: torch.Tensor, deviation: float) -> torch.Tensor:
    """Gaussian blur, borders repeated."""
    radius = int(4 * deviation + 1)
    offsets = torch.arange(-radius, radius + 1, dtype=torch.float64)
    kernel = torch.exp(-offsets.square() / (2 * deviation**2))
    kernel = (kernel / kernel.sum()).float()
    padded = F.pad(images.float(), (radius,) * 4, mode="replicate")
    rows = F.conv2d(padded, kernel.view(1, 1, 1, -1).expand(3, 1, 1, -1), groups=3)
    return _as_bytes(F.conv2d(rows, kernel.view(1, 1, -1, 1).expand(3, 1, -1, 1), groups=3))


def compress(images: torch.Tensor, quality: float) -> torch.Tensor:
    """JPEG and back."""
    found = []
    for image in images:
        buffer = io.BytesIO()
        to_picture(image).save(buffer, format="JPEG", quality=int(quality))
        found.append(to_tensor(Image.open(buffer)))
    return torch.stack(found)


def shift_colour(images: torch.Tensor, amount: float) -> torch.Tensor:
    """Red up, blue down."""
    return _as_bytes(images + torch.tensor([amount, 0.0, -amount]).view(1, 3, 1, 1))


DAMAGES: Mapping[str, Callable[[torch.Tensor, float], torch.Tensor]] = {
    "noise": add_noise,
    "blur": blur,
    "jpeg": compress,
    "colour": shift_colour,
}


def features_of(
    extractor: Extractor, images: torch.Tensor
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """[N, members, dimensions]; `images` have the extractor's side already."""
    parts = [extractor.run(batch.float().to(extractor.device)).features for batch in images.split(BATCH)]
    return torch.cat(parts).cpu().numpy()


def distances(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:  # type: ignore[type-arg]
    """(Fréchet, kernel), each the mean over members."""
    pairs = [(a[:, member], b[:, member]) for member in range(a.shape[1])]
    return (
        float(np.mean([frechet_distance(x, y) for x, y in pairs])),
        float(np.mean([kernel_distance(x, y) for x, y in pairs])),
    )


def sensitivity(
    extractor: Extractor,
    photos: Sequence[torch.Tensor],
    *,
    count: int,
    damages: Sequence[str] = tuple(LEVELS),
    orders: int = DROP_ORDERS,
) -> Iterator[Row]:
    """Two rows, fd and kd, for every kind of damage, at `count` images on either side."""
    side = extractor.side
    reference = features_of(extractor, cut_crops(photos, count, side, seed=REFERENCE_SEED))
    judged = cut_crops(photos, count, side, seed=JUDGED_SEED)
    real = distances(reference, features_of(extractor, judged))
    for name in damages:
        found = [real]
        for level in LEVELS[name]:
            if name == "dropping":
                each = []
                for order in range(orders):
                    shuffled = torch.randperm(len(photos), generator=torch.Generator().manual_seed(order))
                    kept = [photos[index] for index in shuffled.tolist()[int(level) :]]
                    crops = cut_crops(kept, count, side, seed=JUDGED_SEED)
                    each.append(distances(reference, features_of(extractor, crops)))
                found.append((float(np.mean([fd for fd, _ in each])), float(np.mean([kd for _, kd in each]))))
            else:
                damaged = DAMAGES[name](judged, level)
                found.append(distances(reference, features_of(extractor, damaged)))
        for index, metric in enumerate(("fd", "kd")):
            values = tuple(pair[index] for pair in found)
            yield Row(name, f"{metric}[{extractor.label}]", (0.0, *LEVELS[name]), values)


def load(name: str, options: Mapping[str, JsonValue], images: ImageSet, cache: Path) -> Extractor:
    """The extractor by its registered name, on a CPU; trained on `images` where it is trained."""
    context = FeatureContext(
        device="cpu",
        reference=lambda: images,
        reference_digest="benchmarks/sensitivity.py",
        cache=cache,
        say=lambda line: print(line, flush=True),
    )
    return load_features(name, options, context)


def main() -> None:
    """The table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--features", default="rand_conv")
    parser.add_argument("--options", default="{}", help="of the extractor, JSON")
    parser.add_argument("--images", type=int, default=None, help="N; 600, or 1.2 D where that is more")
    parser.add_argument("--orders", type=int, default=DROP_ORDERS, help="orders in which photographs go")
    arguments = parser.parse_args()
    photos = list(read_photos().values())
    training = Crops(cut_crops(photos, 600, 64, seed=REFERENCE_SEED))
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        extractor = load(arguments.features, json.loads(arguments.options), training, Path(folder))
        print(f"loaded in {time.perf_counter() - started:.1f} s")
        count = arguments.images or max(600, int(1.2 * extractor.dimensions))
        sample = cut_crops(photos, 256, extractor.side, seed=0)
        features_of(extractor, sample[:BATCH])
        started = time.perf_counter()
        features_of(extractor, sample)
        speed = len(sample) / (time.perf_counter() - started)
        print(
            f"{extractor.label}: D {extractor.dimensions}, {extractor.members} members, N {count}, "
            f"{speed:.0f} images/s, {torch.get_num_threads()} threads"
        )
        for row in sensitivity(extractor, photos, count=count, orders=arguments.orders):
            levels = "  ".join(
                f"{level:g}: {value:.4g}" for level, value in zip(row.levels, row.values, strict=True)
            )
            print(f"{row.damage:9} {row.metric:22} monotone {'yes' if row.monotone else 'NO '}  {levels}")


if __name__ == "__main__":
    main()
