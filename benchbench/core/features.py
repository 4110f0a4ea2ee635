"""What a feature extractor is, and what it must bring to be registered.

Images go in as float32 [N, 3, side, side] in 0..255, resized as was declared; features come out. Every
metric of a pass is computed from these features alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from benchbench.core.examples import ImageSet
from benchbench.core.model import JsonValue, Options

if TYPE_CHECKING:
    import torch

ResizeName = Literal["clean", "legacy", "none"]
"""`clean`: Pillow's antialiased bicubic in float, as clean-fid. `legacy`: bilinear without antialiasing,
as pytorch-fid. `none`: images must have the extractor's side already."""


@dataclass(frozen=True, slots=True)
class Extracted:
    """What an extractor makes of N images.

    Attributes:
        features: float32 [N, members, dimensions].
        logits: float32 [N, classes] of a classifier's head without its bias; None where it has none.
    """

    features: torch.Tensor
    logits: torch.Tensor | None = None


@dataclass(frozen=True, slots=True)
class Extractor:
    """A loaded extractor, ready to be called.

    Attributes:
        label: what names carry: `inception`, `rand-conv-512`; `fd[<label>]` is made from it.
        weights_hash: 16 hexadecimal digits or more over the weights in use.
        side: height and width of the images it takes, pixels.
        dimensions: of one feature vector.
        run: images -> features; the tensor lies on `device`.
        members: how many extractors of one kind it is at once (seeds); a score is their mean.
        resize: how images are brought to `side` unless the protocol says otherwise.
        registered: the literature's metrics that it may be used for, `fid` and the like: its weights have
            the registered hash. Empty for everything else, whose figures are `fd[...]` and `kd[...]`.
        fewest_images: below this its distances mislead, and are refused.
        settings: layer, input range, code version: whatever changes the features. Part of the protocol.
        device: where `run` wants its images.
    """

    label: str
    weights_hash: str
    side: int
    dimensions: int
    run: Callable[[torch.Tensor], Extracted]
    members: int = 1
    resize: ResizeName = "clean"
    registered: frozenset[str] = frozenset()
    fewest_images: int = 2
    settings: Mapping[str, JsonValue] = field(default_factory=dict)
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class FeatureContext:
    """What an extractor may use while it is loaded.

    Attributes:
        device: `cpu`, `cuda`, `cuda:1`.
        reference: opens the reference images; only an extractor that is trained on them calls it.
        reference_digest: their content hash; "" where there is no reference.
        cache: a folder for what is expensive to make (a trained encoder).
        say: shows one line of progress.
        folders: where a user's own extractor is looked for first.
    """

    device: str
    reference: Callable[[], ImageSet]
    reference_digest: str
    cache: Path
    say: Callable[[str], None]
    folders: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Features:
    """One kind of extractor.

    Attributes:
        options: its options, checked before `load` sees them.
        load: (options, context) -> the extractor. Raises CheckpointError where its weights are missing or
            have another hash, DependencyError where its library is; nothing ever takes their place.
    """

    options: type[Options]
    load: Callable[[Any, FeatureContext], Extractor]
