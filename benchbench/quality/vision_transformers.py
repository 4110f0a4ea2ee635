"""What CLIP's and DINOv2's image networks share: timm builds them, a checked local file fills them."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from benchbench.core.errors import CheckpointError, DependencyError, FeatureError
from benchbench.core.features import Extracted, Extractor, FeatureContext
from benchbench.core.model import JsonValue, Options
from benchbench.core.precise import full_precision
from benchbench.core.torchvision_schemas import declare_missing_operators
from benchbench.quality.weights import PinnedFile, find_pinned, read_state

VERSION = 1
"""Raised with every change that moves a feature."""


class TransformerOptions(Options):
    """Options that both have.

    Attributes:
        weights: `local` (they must be here), `download`, or a path.
        sha256: of other weights than the published ones, which are then part of the label; whole.
        resize: `clean` (Pillow's bicubic in float) or `legacy` (bilinear without antialiasing).
    """

    weights: str = "local"
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    resize: Literal["clean", "legacy"] = "clean"


@dataclass(frozen=True, slots=True)
class Transformer:
    """One published image network.

    Attributes:
        label: of the extractor.
        model: its name in timm.
        side: of its pictures, pixels.
        dimensions: of a feature vector.
        mean, std: of its training pictures, in 0..1.
        file: its weights.
        arguments: of timm's `create_model`, beside the name.
    """

    label: str
    model: str
    side: int
    dimensions: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    file: PinnedFile
    arguments: Mapping[str, Any] = field(default_factory=dict)


def import_timm() -> Any:
    """The library.

    Raises:
        DependencyError: it is not installed, or cannot be imported.
    """
    declare_missing_operators()
    try:
        return importlib.import_module("timm")
    except Exception as error:  # a broken torchvision beside it raises whatever it likes
        missing = isinstance(error, ModuleNotFoundError) and error.name == "timm"
        raise DependencyError(
            "CLIP and DINOv2 need timm, "
            + (
                "which is not installed"
                if missing
                else f"whose import raised {type(error).__name__}: {error}"
            ),
            fix="pip install timm",
        ) from None


def load_transformer(
    kind: Transformer,
    options: TransformerOptions,
    context: FeatureContext,
    *,
    convert: Callable[[Mapping[str, Tensor]], dict[str, Tensor]],
    settings: Mapping[str, JsonValue],
) -> Extractor:
    """The network with its weights as an extractor; pictures are standardised by its own mean and deviation.

    Args:
        convert: the published names and shapes -> timm's.
        settings: what else changes the features.

    Raises:
        DependencyError: timm is not installed.
        CheckpointError: the weights are missing, have another hash, or do not fit.
    """
    timm = import_timm()
    path, digest = find_pinned(kind.file, given=options.weights, sha256=options.sha256)
    published = digest == kind.file.sha256
    if published and path.suffix == ".pt":
        # A TorchScript file is a program: it is opened because its hash is the publisher's.
        state = torch.jit.load(str(path), map_location="cpu").state_dict()  # type: ignore[no-untyped-call]
    else:
        state = read_state(path, what=kind.file.what)
    with torch.random.fork_rng(devices=[]):  # timm draws the weights that are about to be replaced
        network: nn.Module = timm.create_model(kind.model, pretrained=False, **kind.arguments)
    converted = convert(state)
    _fill(network, converted, what=f"{kind.file.what}: {path}")
    network.requires_grad_(requires_grad=False).eval().to(context.device)
    mean = torch.tensor(kind.mean, device=context.device).view(1, 3, 1, 1) * 255
    std = torch.tensor(kind.std, device=context.device).view(1, 3, 1, 1) * 255

    def run(images: Tensor) -> Extracted:
        with full_precision():
            found = network((images - mean) / std).float()
        if found.shape != (len(images), kind.dimensions):
            raise FeatureError(
                f"{kind.label} gave features of shape {list(found.shape)} for {len(images)} images",
                expected=f"[{len(images)}, {kind.dimensions}]",
            )
        return Extracted(found.unsqueeze(1))

    return Extractor(
        label=kind.label if published else f"{kind.label}-{digest[:8]}",
        weights_hash=digest,
        side=kind.side,
        dimensions=kind.dimensions,
        run=run,
        resize=options.resize,
        settings={**settings, "version": VERSION, "sha256": digest},
        device=context.device,
    )


def _fill(network: nn.Module, state: Mapping[str, Tensor], *, what: str) -> None:
    wanted = network.state_dict()
    for name, tensor in wanted.items():
        found = state.get(name)
        if not isinstance(found, Tensor) or found.shape != tensor.shape:
            has = "no such tensor" if not isinstance(found, Tensor) else f"shape {list(found.shape)}"
            raise CheckpointError(
                f"{what}: {name}: {has}",
                expected=f"shape {list(tensor.shape)}",
                fix="give the published file, or timm's own safetensors of the same network",
            )
    # Published in half precision, some of them; float32 holds those values exactly.
    network.load_state_dict({name: state[name].to(tensor.dtype) for name, tensor in wanted.items()})
