"""Which weights LPIPS gets: a checked file of torchvision's, or seeded random ones under another name."""

from __future__ import annotations

import importlib.util
import math
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field, model_validator
from torch import nn

from benchbench.core.errors import CheckpointError, DependencyError
from benchbench.core.model import JsonValue, Options
from benchbench.core.precise import full_precision
from benchbench.core.torchvision_schemas import declare_missing_operators
from benchbench.quality.weights import PinnedFile, find_pinned, read_state, tensors_hash, torch_checkpoints

Net = Literal["alex", "vgg", "squeeze"]
Run = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

# The smallest side whose last pooling still has something to pool.
SMALLEST_SIDE: Mapping[Net, int] = {"alex": 31, "vgg": 16, "squeeze": 17}
# torchvision puts the first eight digits of a file's SHA-256 into its name.
_FILES: Mapping[Net, tuple[str, str, int]] = {
    "alex": ("AlexNet", "alexnet-owt-7be5be79.pth", 234),
    "vgg": ("VGG-16", "vgg16-397923af.pth", 528),
    "squeeze": ("SqueezeNet 1.1", "squeezenet1_1-b8a52dc0.pth", 5),
}
_VERSION = "0.1"
_PLACE = re.compile(r"net\.slice\d+\.(.+)")


class LpipsOptions(Options):
    """Options of LPIPS.

    Attributes:
        net: whose features; papers report `alex` unless they say otherwise.
        weights: `local` (the file must be here), `download` (fetched where it is not here), the path of a
            file (torchvision's state dict, .pth or .safetensors), or `random`: seeded, under another name.
        sha256: what the file must have instead of the published hash, whole or its beginning.
        random_seed: of random weights.
    """

    net: Net = "alex"
    weights: str = "local"
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{8,64}$")] | None = None
    random_seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _file_fits(self) -> LpipsOptions:
        if self.weights == "random" and self.sha256 is not None:
            raise ValueError("'sha256' belongs to a weights file; random weights have none")
        return self


@dataclass(frozen=True, slots=True)
class Lpips:
    """LPIPS, loaded.

    Attributes:
        name: what tables call it: `lpips[alex]`; `lpips[random-alex]` with random weights.
        comparable: whether its figures are the literature's: the published weights, version 0.1.
        weights_hash: 16 hexadecimal digits over backbone and linear heads in use.
        smallest_side: pixels.
        run: two batches uint8 [N, 3, H, W] on the CPU -> float32 [N] on the CPU.
        network: what computes it, for losses: two batches [N, 3, H, W] in -1..1 on its device ->
            [N, 1, 1, 1], with gradients to the images.
        settings: everything that changes the figures; part of the protocol.
    """

    name: str
    comparable: bool
    weights_hash: str
    smallest_side: int
    run: Run
    network: nn.Module
    settings: Mapping[str, JsonValue] = field(default_factory=dict)


def pinned_backbone(net: Net) -> PinnedFile:
    """The file that torchvision publishes of the backbone's weights."""
    what, name, size = _FILES[net]
    return PinnedFile(
        what=f"LPIPS's {what} ({name})",
        name=name,
        url=f"https://download.pytorch.org/models/{name}",
        sha256=name.removesuffix(".pth").rsplit("-", 1)[1],
        places=(torch_checkpoints(),),
        download_mib=size,
    )


def load_lpips(options: LpipsOptions, *, device: str = "cpu") -> Lpips:
    """LPIPS of the `lpips` package (Zhang et al. 2018), version 0.1, its backbone from a checked file.

    The package alone would download the backbone: its network is built on the meta device instead, and
    filled from the file. The linear heads come with the package. With random weights the heads, which
    belong to trained channels, are left out: squared differences are summed over channels, as the
    package's `lpips=False`.

    Raises:
        DependencyError: the package, or torchvision, is not installed.
        CheckpointError: weights are missing, have another hash or do not fit.
    """
    random = options.weights == "random"
    network, heads = _empty_network(options.net, heads=not random)
    if random:
        tensors = _random_backbone(network, options.random_seed)
        name, comparable, source = (
            f"lpips[random-{options.net}]",
            False,
            f"random, seed {options.random_seed}",
        )
    else:
        pinned = pinned_backbone(options.net)
        path, digest = find_pinned(pinned, given=options.weights, sha256=options.sha256)
        tensors = {**_backbone_of(network, path, pinned), **_heads_of(network, heads)}
        comparable = digest.startswith(pinned.sha256)
        name = f"lpips[{options.net}]" if comparable else f"lpips[{options.net}-{digest[:8]}]"
        source = f"SHA-256 {digest}"
    network.load_state_dict(tensors, strict=False, assign=True)
    network.requires_grad_(requires_grad=False).eval().to(device)
    return Lpips(
        name=name,
        comparable=comparable,
        weights_hash=tensors_hash(tensors),
        smallest_side=SMALLEST_SIDE[options.net],
        run=_runner(network, device),
        network=network,
        settings={
            "net": options.net,
            "version": _VERSION,
            "backbone": source,
            "heads": "none: summed over channels" if random else f"the package's, v{_VERSION}",
            "input_range": "-1..1",
        },
    )


def _runner(network: nn.Module, device: str) -> Run:
    def run(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        # The package takes -1..1; pictures in 0..1 or 0..255 give figures that look right and are not.
        scaled = [images.to(device).float() / 127.5 - 1 for images in (first, second)]
        with torch.inference_mode(), full_precision():
            distances: torch.Tensor = network(*scaled)
        return distances.reshape(-1).cpu()

    return run


def _empty_network(net: Net, *, heads: bool) -> tuple[nn.Module, Path]:
    """LPIPS without memory, and the file of its linear heads."""
    missing = [name for name in ("lpips", "torchvision") if importlib.util.find_spec(name) is None]
    if missing:
        raise DependencyError(
            f"LPIPS needs {' and '.join(missing)}, not installed here",
            fix=f"pip install {' '.join(missing)}",
        )
    declare_missing_operators()
    import lpips

    with torch.device("meta"), warnings.catch_warnings():
        # The package calls torchvision by an argument that torchvision has since renamed.
        warnings.filterwarnings("ignore", category=UserWarning, module="torchvision")
        network: nn.Module = lpips.LPIPS(
            net=net, version=_VERSION, lpips=heads, pretrained=False, pnet_rand=True, verbose=False
        )
    # Its two constants alone are no parameters: made anew, off the meta device.
    network.scaling_layer = lpips.ScalingLayer()
    return network, Path(lpips.__file__).parent / "weights" / f"v{_VERSION}" / f"{net}.pth"


def _backbone_of(network: nn.Module, path: Path, pinned: PinnedFile) -> dict[str, torch.Tensor]:
    state = read_state(path, what=pinned.what)
    found = {}
    for name, parameter in network.named_parameters():
        match = _PLACE.fullmatch(name)
        if match:
            found[name] = _fitting(state, f"features.{match[1]}", parameter.shape, path)
    return found


def _heads_of(network: nn.Module, path: Path) -> dict[str, torch.Tensor]:
    state = read_state(path, what="LPIPS's linear heads")
    return {
        name: _fitting(state, name, parameter.shape, path)
        for name, parameter in network.named_parameters()
        if not _PLACE.fullmatch(name)
    }


def _fitting(state: Mapping[str, torch.Tensor], name: str, shape: torch.Size, path: Path) -> torch.Tensor:
    tensor = state.get(name)
    if not isinstance(tensor, torch.Tensor) or tensor.shape != shape:
        has = f"shape {list(tensor.shape)}" if isinstance(tensor, torch.Tensor) else "no such tensor"
        raise CheckpointError(
            f"LPIPS: {path}: {name}: {has}",
            expected=f"shape {list(shape)}",
            fix="give the state dict of torchvision's network of that name",
        )
    return tensor.float()


def _random_backbone(network: nn.Module, seed: int) -> dict[str, torch.Tensor]:
    """He et al. 2015's normal weights without biases, from a generator of its own."""
    generator = torch.Generator().manual_seed(seed)
    drawn = {}
    for name, parameter in network.named_parameters():
        if parameter.dim() == 1:
            drawn[name] = torch.zeros(parameter.shape)
            continue
        weight = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        weight *= math.sqrt(2 / weight[0].numel())
        # On a grid that float32 holds exactly: processors differ in the last bits of a draw.
        drawn[name] = ((weight * 2**20).round() / 2**20).float()
    return drawn
