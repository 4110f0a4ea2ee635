"""DRN-D-105 with a segmentation head, as GAN Compression scores Cityscapes with it.

Source: Yu, Koltun and Funkhouser 2017; definition, parameter names and constants from fyu/drn (drn.py,
segment.py, datasets/cityscapes/info.json) and mit-han-lab/gan-compression (metric/drn.py,
metric/cityscapes_mIoU.py), so that the file `drn-d-105_ms_cityscapes.pth` loads strictly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from benchbench.core.errors import CheckpointError, DataError
from benchbench.core.precise import full_precision
from benchbench.quality.weights import PinnedFile, find_pinned, read_state, torch_checkpoints

# Statistics of Cityscapes in 0..1.
MEAN = (0.29010095242892997, 0.32808144844279574, 0.28696394422942517)
STD = (0.1829540508368939, 0.18656561047509476, 0.18447508988480435)
OUTPUT_SIZE = (1024, 2048)
STRIDE = 8
_UP = 2 * STRIDE

# Nobody publishes a hash of it, and its address is a page with a folder of files.
PUBLISHED = PinnedFile(
    what="DRN-D-105 for Cityscapes (drn-d-105_ms_cityscapes.pth)",
    name="drn-d-105_ms_cityscapes.pth",
    url="http://go.yf.io/drn-cityscapes-models",
    sha256="",
    places=(torch_checkpoints(),),
    download_mib=208,
)


class Bottleneck(nn.Module):
    """Three convolutions beside a shortcut; the middle one is dilated."""

    def __init__(self, channels: int, planes: int, *, stride: int, dilation: int) -> None:
        super().__init__()
        wide = 4 * planes
        self.conv1 = nn.Conv2d(channels, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(
            planes, planes, 3, stride=stride, padding=dilation, dilation=dilation, bias=False
        )
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, wide, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(wide)
        self.downsample = (
            nn.Sequential(nn.Conv2d(channels, wide, 1, stride=stride, bias=False), nn.BatchNorm2d(wide))
            if stride != 1 or channels != wide
            else None
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """[N, channels, H, W] -> [N, 4 planes, H / stride, W / stride]."""
        y = self.bn1(self.conv1(x)).relu()
        y = self.bn2(self.conv2(y)).relu()
        y = self.bn3(self.conv3(y))
        shortcut = x if self.downsample is None else self.downsample(x)
        added: torch.Tensor = (y + shortcut).relu()
        return added


class DrnSegmenter(nn.Module):
    """DRN-D-105 up to its last dilated level, a 1x1 head, and bilinear enlargement by 8.

    Args:
        classes: of the head; 19 for Cityscapes.
    """

    def __init__(self, classes: int = 19) -> None:
        super().__init__()
        self.base = nn.Sequential(
            _convolution(3, 16, kernel=7),
            _convolution(16, 16),
            _convolution(16, 32, stride=2),
            _bottlenecks(32, 64, 3, stride=2),
            _bottlenecks(256, 128, 4, stride=2),
            _bottlenecks(512, 256, 23, dilation=2),
            _bottlenecks(1024, 512, 3, dilation=4),
            _convolution(2048, 512, dilation=2),
            _convolution(512, 512),
        )
        self.seg = nn.Conv2d(512, classes, 1)
        self.up = nn.ConvTranspose2d(
            classes, classes, _UP, stride=STRIDE, padding=STRIDE // 2, groups=classes, bias=False
        )
        if not self.up.weight.is_meta:
            self.up.weight.data.copy_(bilinear_kernel().expand_as(self.up.weight))
        self.up.weight.requires_grad = False

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Standardised images [N, 3, H, W], sides multiples of 8 -> log-probabilities [N, classes, H, W]."""
        enlarged: torch.Tensor = self.up(self.seg(self.base(images)))
        return enlarged.log_softmax(dim=1)


def bilinear_kernel() -> torch.Tensor:
    """The fixed kernel [16, 16] of the enlargement: a tent of half-width 8 around the middle."""
    line = 1 - ((torch.arange(_UP) + 0.5) / STRIDE - 1).abs()
    return torch.outer(line, line)


def load_drn(weights: str, *, sha256: str | None, classes: int = 19) -> tuple[DrnSegmenter, str]:
    """The network with the authors' weights, in eval mode, and the SHA-256 of their file.

    Args:
        weights: `local` (the file must be here) or the path of one.
        sha256: what the file must have, whole or its beginning; None checks nothing.
        classes: of the head.

    Raises:
        CheckpointError: the file is missing, has another hash or does not fit.
    """
    path, digest = find_pinned(PUBLISHED, given=_given(weights), sha256=sha256)
    with torch.device("meta"):
        network = DrnSegmenter(classes)
    network.load_state_dict(_state_of(path, network.state_dict()), strict=True, assign=True)
    return network.requires_grad_(requires_grad=False).eval(), digest


def drn_predictor(network: DrnSegmenter, device: str) -> Callable[[torch.Tensor], torch.Tensor]:
    """float32 [N, 3, H, W] in 0..255 -> int64 [N, 1024, 2048] on the CPU.

    Images go in at their own size; log-probabilities are brought to 2048x1024 channel by channel and the
    largest is taken, as gan-compression's cityscapes_mIoU.py does with Pillow's BILINEAR.
    """
    network = network.to(device)
    mean, std = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (MEAN, STD))

    def predict(images: torch.Tensor) -> torch.Tensor:
        if any(side % STRIDE for side in images.shape[-2:]):
            raise DataError(
                f"DRN-D-105: images of {images.shape[-1]}x{images.shape[-2]}",
                expected=f"sides that are multiples of {STRIDE}",
                fix="resize them, and say so in the protocol",
            )
        found = []
        with torch.inference_mode(), full_precision():
            # One by one: 19 maps of 2048x1024 are 160 MB.
            for index in range(len(images)):
                image = images[index : index + 1]
                scores = network((image.to(device) / 255 - mean) / std)
                if scores.shape[-2:] != OUTPUT_SIZE:
                    scores = F.interpolate(
                        scores, OUTPUT_SIZE, mode="bilinear", align_corners=False, antialias=True
                    )
                found.append(scores.argmax(dim=1).cpu())
        return torch.cat(found)

    return predict


def _given(weights: str) -> str:
    if weights not in ("local", "download"):
        return weights
    path = next((each for each in PUBLISHED.candidates() if each.is_file()), None)
    if path is None:
        raise CheckpointError(
            f"no weights of {PUBLISHED.what} are here (nothing else ever takes their place)",
            expected=f"one of {', '.join(map(str, PUBLISHED.candidates()))}, or its path under weights",
            fix=f"fetch it by hand from {PUBLISHED.url}, a page with a folder of files, put it into a folder "
            "and set BENCHBENCH_WEIGHTS to that",
        )
    return str(path)


def _state_of(path: Path, expected: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    state: Mapping[str, object] = read_state(path, what=PUBLISHED.what)
    # Training checkpoints of fyu/drn keep it beside other things, and wrapped in DataParallel.
    inner = state.get("state_dict")
    found = dict(inner if isinstance(inner, Mapping) else state)
    found = {name.removeprefix("module."): value for name, value in found.items()}
    for name in expected:
        # Files of 2017 are older than this counter, which evaluation does not read.
        if name.endswith("num_batches_tracked"):
            found.setdefault(name, torch.zeros((), dtype=torch.int64))
    wrong = [
        name
        for name in sorted({*found, *expected})
        if name not in expected
        or not isinstance(value := found.get(name), torch.Tensor)
        or value.shape != expected[name].shape
    ]
    if wrong:
        raise CheckpointError(
            f"{PUBLISHED.what}: {path}: {len(wrong)} tensors do not fit, {wrong[0]} the first",
            expected=f"the {len(expected)} tensors of DRNSeg('drn_d_105', {expected['seg.bias'].shape[0]})",
            fix="give the state dict of fyu/drn's segment.py",
        )
    return {name: torch.as_tensor(found[name]).to(tensor.dtype) for name, tensor in expected.items()}


def _convolution(
    channels: int, planes: int, *, kernel: int = 3, stride: int = 1, dilation: int = 1
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(
            channels,
            planes,
            kernel,
            stride=stride,
            padding=dilation * (kernel // 2),
            dilation=dilation,
            bias=False,
        ),
        nn.BatchNorm2d(planes),
        nn.ReLU(),
    )


def _bottlenecks(
    channels: int, planes: int, count: int, *, stride: int = 1, dilation: int = 1
) -> nn.Sequential:
    return nn.Sequential(
        Bottleneck(channels, planes, stride=stride, dilation=dilation),
        *(Bottleneck(4 * planes, planes, stride=1, dilation=dilation) for _ in range(count - 1)),
    )
