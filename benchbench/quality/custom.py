"""A user's own extractor, `pkg.module:callable`: images in, one feature vector each out."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from benchbench.core.errors import FeatureError, OptionError
from benchbench.core.features import Extracted, Extractor, FeatureContext, ResizeName
from benchbench.core.imports import check_arguments, find_object, told
from benchbench.core.model import JsonValue, Options
from benchbench.core.precise import full_precision
from benchbench.core.registry import FEATURES
from benchbench.quality.weights import tensors_hash


class CustomOptions(Options):
    """Options of a user's own extractor.

    Attributes:
        kwargs: keyword arguments of the callable.
        side: height and width of the pictures that it takes, pixels.
        range: of their values: 0..255 (`byte`) or 0..1 (`unit`).
        resize: how they are brought to `side`.
        label: what figures call it; the callable's name unless said.
    """

    kwargs: dict[str, JsonValue] = {}
    side: Annotated[int, Field(ge=8, le=1024)] = 224
    range: Literal["byte", "unit"] = "byte"
    resize: ResizeName = "clean"
    label: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,40}$")] | None = None


def load_custom(target: str, options: CustomOptions, context: FeatureContext) -> Extractor:
    """The extractor, tried on two pictures.

    The callable computes the features itself (a function of one argument: float32 [N, 3, side, side] on
    `context.device` -> [N, D]), or it is called with `kwargs` and returns a module or such a function. A
    module's weights are part of the hash; of a function it is what it makes of two pictures, which another
    machine may find in other last digits: return a module where you can.

    Args:
        target: `pkg.module:callable` or `path/to/file.py:callable`, looked for in `context.folders`, then in
            the working directory and among what is installed.

    Raises:
        FeatureError: it cannot be imported or called, or does not give finite features [N, D].
        OptionError: a label that a registered extractor has.
    """
    factory = find_object(target, context.folders, error=FeatureError)
    if not callable(factory):
        raise FeatureError(
            f"'{target}' is a {type(factory).__name__}",
            expected="a callable that returns a module or function",
        )
    source = _source_hash(target, factory)
    made = factory if _takes_images(factory, options.kwargs) else _call(target, factory, options.kwargs)
    weights_hash = source
    if isinstance(made, nn.Module):
        made.eval().requires_grad_(requires_grad=False)
        made.to(context.device)
        # Buffers that are not saved take part in the features all the same.
        weights_hash = tensors_hash({**made.state_dict(), **dict(made.named_buffers())})
    label = _label_of(target, options)
    compute = _checked(label, made, options)
    generator = torch.Generator().manual_seed(0)
    example = torch.rand(2, 3, options.side, options.side, generator=generator) * 255
    seen = compute(example.to(context.device))
    dimensions = seen.shape[1]
    if not isinstance(made, nn.Module):
        # A function's weights lie where nobody sees them; what it makes of two pictures tells of them.
        probe = seen.cpu().contiguous().numpy().tobytes()
        weights_hash = hashlib.sha256(source.encode() + probe).hexdigest()[:16]

    def run(images: Tensor) -> Extracted:
        found = compute(images)
        if found.shape[1] != dimensions:
            raise FeatureError(
                f"{label} gave {found.shape[1]} features, and {dimensions} before",
                expected="as many for every picture",
            )
        return Extracted(found.unsqueeze(1))

    return Extractor(
        label=label,
        weights_hash=weights_hash,
        side=options.side,
        dimensions=dimensions,
        run=run,
        resize=options.resize,
        settings={
            "callable": _name_of(target),
            "kwargs": options.kwargs,
            "source": source,
            "range": options.range,
            "probe": list(_probe(seen)),
        },
        device=context.device,
    )


def _takes_images(given: Callable[..., Any], kwargs: dict[str, JsonValue]) -> bool:
    """Whether it is what computes the features: a function that cannot be called without the images."""
    if kwargs or inspect.isclass(given):
        return False
    parameters = inspect.signature(given).parameters.values()
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [each for each in parameters if each.default is inspect.Parameter.empty and each.kind in kinds]
    return len(needed) == 1


def _call(target: str, factory: Callable[..., Any], kwargs: dict[str, JsonValue]) -> Callable[..., Any]:
    check_arguments(target, factory, kwargs, error=FeatureError)
    try:
        # Weights that the callable draws are the same every time.
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            made = factory(**kwargs)
    except Exception as error:
        raise FeatureError(
            f"'{target}' raised {told(error)}", fix="call it by itself with the same arguments"
        ) from error
    if not callable(made):
        raise FeatureError(
            f"'{target}' returned a {type(made).__name__}",
            expected="a torch.nn.Module, or a function of images",
            fix="return what computes the features, not the features",
        )
    found: Callable[..., Any] = made
    return found


def _checked(label: str, made: Callable[[Tensor], Any], options: CustomOptions) -> Callable[[Tensor], Tensor]:
    scale = 1.0 if options.range == "byte" else 1 / 255

    def compute(images: Tensor) -> Tensor:
        try:
            with torch.inference_mode(), full_precision():
                found = made(images * scale)
        except Exception as error:
            raise FeatureError(
                f"{label} raised {told(error)} for images {list(images.shape)}",
                expected=f"features of float32 [N, 3, {options.side}, {options.side}], 0..{255 * scale:g}",
            ) from error
        wanted = f"a floating-point tensor [{len(images)}, D]"
        if not isinstance(found, Tensor):
            raise FeatureError(f"{label} gave a {type(found).__name__}", expected=wanted)
        if found.dim() != 2 or len(found) != len(images) or not found.shape[1]:
            raise FeatureError(
                f"{label} gave features of shape {list(found.shape)} for {len(images)} images",
                expected=wanted,
                fix="flatten or average what lies between" if found.dim() > 2 else None,
            )
        if not found.is_floating_point():
            raise FeatureError(f"{label} gave features of {found.dtype}", expected=wanted)
        if not torch.isfinite(found).all():
            bad = int((~torch.isfinite(found)).any(dim=1).sum())
            raise FeatureError(
                f"{label} gave NaN or infinity for {bad} of {len(images)} images", expected="finite features"
            )
        return found.float()

    return compute


# What nobody's own features may look like.
_LITERATURE = ("fid", "kid", "clean", "lpips", "pytorch-fid", "torch-fidelity")
_PROJECTIONS = 8


def _probe(features: Tensor) -> list[JsonValue]:
    """Eight numbers that tell features apart, in digits that every machine agrees on."""
    flat = features.double().cpu().flatten()
    generator = torch.Generator().manual_seed(0)
    signs = torch.randint(0, 2, (_PROJECTIONS, flat.numel()), generator=generator).double() * 2 - 1
    return [f"{float(value):.2e}" for value in signs @ flat]


def _label_of(target: str, options: CustomOptions) -> str:
    if options.label is None:
        # Its colon tells it from every registered extractor's.
        return _name_of(target)
    told = options.label.lower().replace("_", "-")
    names = (*(name.replace("_", "-") for name in FEATURES), *_LITERATURE)
    taken = next((name for name in names if told.startswith(name)), None)
    if taken is not None:
        raise OptionError(
            f"feature extractor '{target}': option label: '{options.label}' reads like '{taken}'",
            expected="a name that nobody can take for a registered extractor's",
            option=("label",),
        )
    return options.label


def _name_of(target: str) -> str:
    # Without its folders: the same file elsewhere is the same extractor.
    module, _, attribute = target.rpartition(":")
    return f"{Path(module).name if module.endswith('.py') else module}:{attribute}"


def _source_hash(target: str, factory: Callable[..., Any]) -> str:
    # The whole file: what the callable calls beside it changes the features as well.
    try:
        file = inspect.getsourcefile(inspect.unwrap(factory))
        content = Path(file).read_bytes() if file is not None else None
    except (OSError, TypeError):
        content = None
    if content is None:
        raise FeatureError(
            f"'{target}': its source text cannot be found, so that nothing tells when it changes",
            fix="name a function in a Python file that calls it",
        )
    return hashlib.sha256(content).hexdigest()[:16]
