"""Reading and writing single pictures: RGB, uint8 [3, H, W], orientation applied."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import tempfile
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError

from benchbench.core.errors import DataError, unknown_name

# Files that lie inside the scikit-image wheel itself; its other pictures are downloads.
PHOTOS = {
    "astronaut": "astronaut.png",
    "brick": "brick.png",
    "camera": "camera.png",
    "chelsea": "chelsea.png",
    "coffee": "coffee.png",
    "coins": "coins.png",
    "grass": "grass.png",
    "gravel": "gravel.png",
    "hubble": "hubble_deep_field.jpg",
    "ihc": "ihc.png",
    "moon": "moon.png",
    "motorcycle_left": "motorcycle_left.png",
    "motorcycle_right": "motorcycle_right.png",
    "retina": "retina.jpg",
    "rocket": "rocket.jpg",
}


def photo_path(name: str) -> Path:
    """Where scikit-image keeps one of `PHOTOS`; nothing is imported and nothing downloaded.

    Raises:
        UnknownNameError: no such photograph.
        DataError: scikit-image is not installed, or came without its pictures.
    """
    if name not in PHOTOS:
        raise unknown_name("photograph", name, PHOTOS)
    found = importlib.util.find_spec("skimage")
    if found is None or found.origin is None:
        raise DataError("scikit-image is not installed", fix="pip install scikit-image")
    path = Path(found.origin).parent / "data" / PHOTOS[name]
    if not path.is_file():
        raise DataError(
            f"this scikit-image has no {path.name}",
            expected=f"a file {path}",
            fix="pip install --force-reinstall scikit-image",
        )
    return path


def decode_image(content: bytes, name: str) -> Image.Image:
    """`content` as an RGB picture, upright as its EXIF says; alpha is dropped.

    Raises:
        DataError: not an image, or a truncated one; `name` is in the message.
    """
    try:
        with Image.open(BytesIO(content)) as opened:
            upright = ImageOps.exif_transpose(opened)
            if upright.mode.startswith(("I", "F")):
                # Pillow clips 16-bit grey at 255 instead of scaling it.
                upright = Image.fromarray(
                    (np.asarray(upright, dtype=np.float64) / 257).clip(0, 255).astype(np.uint8)
                )
            return upright.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        reason = "not an image" if isinstance(error, UnidentifiedImageError) else f"broken image ({error})"
        raise DataError(
            f"{name}: {reason}",
            expected="a whole picture that Pillow can read",
            fix="remove or replace the file",
        ) from None


def to_tensor(picture: Image.Image) -> torch.Tensor:
    """An RGB picture as uint8 [3, H, W]."""
    # A copy by numpy: torch would start threads for it, beside those of a training.
    return torch.from_numpy(np.array(np.asarray(picture).transpose(2, 0, 1), order="C"))


def to_picture(image: torch.Tensor) -> Image.Image:
    """uint8 [3, H, W], or float in 0..1 (clamped, rounded), as an RGB picture."""
    if image.dtype != torch.uint8:
        image = (image.detach().float().clamp(0, 1) * 255).round().to(torch.uint8)
    return Image.fromarray(image.permute(1, 2, 0).contiguous().cpu().numpy())


def read_image(path: Path) -> torch.Tensor:
    """The picture at `path` as uint8 [3, H, W].

    Raises:
        DataError: the file is missing, broken or no image.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})", expected="a picture") from None
    return to_tensor(decode_image(content, str(path)))


def resize_shorter(image: torch.Tensor, size: int) -> torch.Tensor:
    """`image` with its shorter side `size` pixels, the ratio kept; Pillow's antialiased bicubic."""
    height, width = image.shape[-2:]
    scale = size / min(height, width)
    if scale == 1:
        return image
    target = (max(size, round(width * scale)), max(size, round(height * scale)))
    return to_tensor(to_picture(image).resize(target, Image.Resampling.BICUBIC))


def centre_crop(image: torch.Tensor, size: int) -> torch.Tensor:
    """The square of `size` pixels in the middle of `image`, whose sides are at least that."""
    top, left = ((side - size) // 2 for side in image.shape[-2:])
    return image[:, top : top + size, left : left + size]


def open_image(name: str, *, size: int | None = None) -> torch.Tensor:
    """One picture by the name of a built-in photograph or by path, uint8 [3, H, W].

    Args:
        size: makes it a square of that side: shorter side resized, then the middle cut out.

    Raises:
        DataError: neither a built-in photograph nor a readable picture.
    """
    if name in PHOTOS:
        image = read_image(photo_path(name))
    elif Path(name).suffix or os.sep in name:
        image = read_image(Path(name).expanduser())
    else:
        raise unknown_name("photograph", name, PHOTOS)
    return image if size is None else centre_crop(resize_shorter(image, size), size).contiguous()


def write_png(path: Path, image: torch.Tensor) -> None:
    """Writes a PNG whole or not at all. `image` is uint8 or float 0..1, [3, H, W]."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            to_picture(image).save(file, format="PNG")
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def digest_of(images: list[torch.Tensor]) -> str:
    """Sixteen hexadecimal digits of the SHA-256 over shapes and pixels, in order."""
    digest = hashlib.sha256()
    for image in images:
        digest.update(repr(tuple(image.shape)).encode())
        digest.update(image.contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
