"""FID's Inception-v3 as clean-fid uses it: NVIDIA's TorchScript of the 2015 TensorFlow network.

Sources: Szegedy et al. 2016; Heusel et al. 2017; Parmar, Zhang and Zhu 2022 (clean-fid), whose numbers it
gives on the same file (tests/quality/test_inception.py).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from benchbench.core.errors import CheckpointError, FeatureError
from benchbench.core.features import Extracted, Extractor, FeatureContext, Features
from benchbench.core.model import JsonValue, Options
from benchbench.core.precise import full_precision
from benchbench.quality.fuse import FusedNetwork
from benchbench.quality.weights import PinnedFile, find_pinned, torch_checkpoints

SIDE = 299
DIMENSIONS = 2048
# Raised with every change that moves a feature.
VERSION = 1

TORCHSCRIPT = PinnedFile(
    what="FID's Inception-v3 (clean-fid's TorchScript)",
    name="inception-2015-12-05.pt",
    url="https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/inception-2015-12-05.pt",
    sha256="f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4",
    places=(torch_checkpoints(), Path("/tmp")),  # noqa: S108  where clean-fid leaves it; its hash is checked
    download_mib=92,
)


class InceptionOptions(Options):
    """Options of either Inception.

    Attributes:
        weights: `local` (they must be here), `download`, or a path.
        sha256: of other weights than the published ones, which are then part of the label; whole.
        resize: `clean` (Pillow's bicubic) or `legacy` (bilinear without antialiasing).
        optimise: `fused` folds and joins layers, 1.7 times as fast or more on a CPU; `none` runs it as it is.
    """

    weights: str = "local"
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    resize: Literal["clean", "legacy"] = "clean"
    optimise: Literal["fused", "none"] = "fused"


def load_inception(options: InceptionOptions, context: FeatureContext) -> Extractor:
    """The network with its head's weights.

    Raises:
        CheckpointError: the file is missing, has another hash, or is no such network. Its hash is checked
            before it is opened: a TorchScript file is a program.
        MeasurementError: its faster form gives other features.
    """
    path, digest = find_pinned(TORCHSCRIPT, given=options.weights, sha256=options.sha256)
    try:
        network = torch.jit.load(str(path), map_location=context.device).eval()  # type: ignore[no-untyped-call]
        layers: Callable[[Tensor], Tensor] = network.layers
        state = {name: value for name, value in network.state_dict().items() if value.dim() == 2}
    except (RuntimeError, AttributeError, ValueError) as error:
        raise CheckpointError(
            f"{TORCHSCRIPT.what}: {path} cannot be loaded ({str(error).splitlines()[0]})",
            expected="the TorchScript file that clean-fid downloads",
        ) from None
    heads = [value for value in state.values() if value.shape[1] == DIMENSIONS]
    return make_extractor(
        "inception",
        layers,
        # clean-fid's own constants: not 127.5.
        lambda images: (images - 128) / 128,
        options,
        context,
        digest=digest,
        head=heads[0].detach() if len(heads) == 1 else None,
        registered=digest == TORCHSCRIPT.sha256,
        names={"clean": ("clean_fid", "clean_kid"), "legacy": ()},
    )


def make_extractor(
    label: str,
    layers: Callable[[Tensor], Tensor],
    standardise: Callable[[Tensor], Tensor],
    options: InceptionOptions,
    context: FeatureContext,
    *,
    digest: str,
    head: Tensor | None,
    registered: bool,
    names: dict[str, tuple[str, ...]],
) -> Extractor:
    """An Inception's convolutions and head as an extractor.

    Args:
        layers: standardised images [N, 3, 299, 299] -> [N, 2048, 1, 1] or [N, 2048].
        standardise: 0..255 -> what the network was trained on.
        digest: SHA-256 of the weights' file.
        head: float32 [classes, 2048]; logits are made without its bias, as Salimans et al.'s code does.
        registered: whether these are the published weights.
        names: resize -> the literature's metrics that the published weights with it may be used for.

    Raises:
        MeasurementError: the faster form gives other features.
        FeatureError: the network does not give 2,048 of them.
    """
    example = torch.zeros(1, 3, SIDE, SIDE, device=context.device)
    with full_precision():
        network = FusedNetwork(layers, example) if options.optimise == "fused" else layers

    def run(images: Tensor) -> Extracted:
        with torch.inference_mode(), full_precision():
            features = network(standardise(images)).flatten(1).float()
            if features.shape != (len(images), DIMENSIONS):
                raise FeatureError(
                    f"{label} gave features of shape {list(features.shape)} for {len(images)} images",
                    expected=f"[{len(images)}, {DIMENSIONS}]",
                )
            logits = None if head is None else F.linear(features, head)
        return Extracted(features.unsqueeze(1), logits)

    settings: dict[str, JsonValue] = {"layer": "pool3", "version": VERSION, "sha256": digest}
    if options.optimise == "none":
        settings["optimise"] = "none"
    return Extractor(
        label=_label(label, options, digest=None if registered else digest, names=names),
        weights_hash=digest,
        side=SIDE,
        dimensions=DIMENSIONS,
        run=run,
        resize=options.resize,
        registered=frozenset((*names[options.resize], "inception_score")) if registered else frozenset(),
        settings=settings,
        device=context.device,
    )


def _label(
    label: str, options: InceptionOptions, *, digest: str | None, names: dict[str, tuple[str, ...]]
) -> str:
    """Other weights than the published ones and another resize than the literature's are part of the name."""
    parts = [label, *([digest[:8]] if digest else [])]
    if not names[options.resize]:
        parts.append(options.resize)
    return "-".join(parts)


features = Features(options=InceptionOptions, load=load_inception)
