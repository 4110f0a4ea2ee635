"""Exchange convolutions of chosen stages, in any module, for something lighter of the same shape."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import torch
from pydantic import ValidationError
from torch import nn
from torch.nn.modules.conv import _ConvNd

from benchbench.core.contracts import InputSpec, Stages
from benchbench.core.errors import NotReplaceableError, OptionError, ReplacementError
from benchbench.core.layer_record import LayerReplacement
from benchbench.core.meta import run_on_meta
from benchbench.core.model import JsonValue, Options, explain_validation, parse_options
from benchbench.core.registry import REPLACEMENTS
from benchbench.core.stages import Origin, origin_of, remember_origin, stage_of
from benchbench.core.suite import EVERYWHERE, Reference, ReplaceSpec
from benchbench.variants.select import Candidate, find_shared, refuse, select_layers
from benchbench.variants.whole_network import change_network


def replace(
    module: nn.Module,
    *,
    by: str,
    stages: Sequence[str] = EVERYWHERE,
    layers: Sequence[str] = ("*",),
    stage_map: Stages | None = None,
    inputs: Sequence[InputSpec] | None = None,
    **options: JsonValue,
) -> nn.Module:
    """A copy of `module` with the Conv2d and ConvTranspose2d layers of `stages` exchanged, or resized.

    The module given stays as it was. New layers have random weights from torch's generator, and
    the device, dtype and mode of the old. What was exchanged, and what was not and why, is in
    `benchbench.core.stages.origin_of(copy).replacements`.

    Args:
        module: any module.
        by: a registered replacement.
        stages: stage names of the architecture that built it (or of `stage_map`), module paths or globs;
            the whole network unless said otherwise.
        layers: globs over a layer's path or its last part.
        stage_map: stage name -> module paths or globs, for a module that `build` did not make.
        inputs: its example inputs, for a change of the whole network (`width`) to a module that `build`
            did not make.
        options: options of the replacement.

    Raises:
        UnknownNameError: an unknown stage or replacement; the nearest is named.
        OptionError: an unknown option, or a value of the wrong type or out of range.
        ReplacementError: nothing there can be replaced, or a new layer has another output shape; a change of
            the whole network (`width`) was given stages or layers, or cannot follow the channels.
    """
    try:
        spec = ReplaceSpec(
            stages=tuple([stages] if isinstance(stages, str) else stages),
            layers=tuple([layers] if isinstance(layers, str) else layers),
            replacement=Reference.model_validate({**options, "name": by}),
        )
    except ValidationError as error:
        place, problem, expected, fix = explain_validation(error, ReplaceSpec)
        raise OptionError(f"replace: {place[0]}: {problem}", expected=expected, fix=fix) from None
    light = copy.deepcopy(module)
    origin = origin_of(light)
    apply_replacements(
        light,
        [spec],
        stage_map if stage_map is not None else origin.stages if origin else {},
        inputs=inputs if inputs is not None else origin.inputs if origin else (),
    )
    return light


def apply_replacements(
    module: nn.Module, specs: Sequence[ReplaceSpec], stage_map: Stages, *, inputs: Sequence[InputSpec] = ()
) -> tuple[LayerReplacement, ...]:
    """Exchange layers of `module` in place, one specification after the other.

    `inputs` are its example inputs, which a change of the whole network needs.

    A layer that has been replaced is not entered again. One that appears at several paths is
    exchanged once, at all of them.

    Returns:
        One record per layer looked at, in the module's order, with the reason where it was declined.

    Raises:
        UnknownNameError, OptionError, ReplacementError: as `replace`.
    """
    origin = origin_of(module) or Origin(type(module).__name__, dict(stage_map))
    records: list[LayerReplacement] = []
    for spec in specs:
        name = spec.replacement.name
        replacement = REPLACEMENTS.load(name)
        options = parse_options("replacement", name, replacement.options, spec.replacement.options)
        if replacement.network is not None:
            found = change_network(module, spec, replacement, options=options, inputs=inputs)
        else:
            assert replacement.build is not None
            done = (*origin.replacements, *records)
            keep = [each.path for each in done if each.after]
            found = _apply(module, spec, replacement.build, options, stage_map, keep=keep)
        records += [each.model_copy(update={"stage": _stage(each, stage_map)}) for each in found]
    remember_origin(module, origin.with_replacements(records))
    return tuple(records)


def _stage(record: LayerReplacement, stage_map: Stages) -> str:
    # Of a layer that was chosen with the whole network, the stage is still worth telling.
    named = record.stage not in ("", *EVERYWHERE)
    return record.stage if named else stage_of(record.path, stage_map) or ""


def _apply(
    module: nn.Module,
    spec: ReplaceSpec,
    build: Callable[[nn.Module, Any], nn.Module],
    options: Options,
    stage_map: Stages,
    *,
    keep: Sequence[str],
) -> list[LayerReplacement]:
    name = spec.replacement.name
    candidates = select_layers(module, stages=spec.stages, layers=spec.layers, stage_map=stage_map, keep=keep)
    records = []
    shared = find_shared(module)
    for candidate in candidates:
        layer = candidate.layer
        try:
            refuse(layer, shared=shared)
            with _device(layer), torch.no_grad():
                new = build(layer, options)
        except NotReplaceableError as declined:
            records.append(_declined(candidate, declined.problem))
            continue
        new = _like(new, layer)
        _check_shape(layer, new, path=candidate.path, name=name, options=options)
        for path in candidate.paths:
            parent, _, attribute = path.rpartition(".")
            setattr(module.get_submodule(parent), attribute, new)
        records.append(_exchanged(candidate, new))
    if not any(record.after for record in records):
        raise _nothing(spec, records)
    return records


def _device(layer: nn.Module) -> torch.device:
    return next(layer.parameters()).device


def _like(new: nn.Module, layer: nn.Module) -> nn.Module:
    weight = next(layer.parameters())
    new = new.to(dtype=weight.dtype) if weight.is_meta else new.to(device=weight.device, dtype=weight.dtype)
    return new.train(layer.training)


def _check_shape(layer: nn.Module, new: nn.Module, *, path: str, name: str, options: Options) -> None:
    # An odd and an even size tell every rounding of stride and padding apart.
    assert isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d))
    reach = max(d * (k - 1) + 1 for d, k in zip(layer.dilation, layer.kernel_size, strict=True))
    padding = max((each for each in layer.padding if isinstance(each, int)), default=0)
    size = reach + padding + 4 * max(layer.stride)
    for side in (size, size + 1):
        example = torch.empty(1, layer.in_channels, side, side + 2, dtype=layer.weight.dtype, device="meta")
        was = tuple(run_on_meta(layer, example).shape)
        try:
            now = tuple(run_on_meta(new, example).shape)
        except (RuntimeError, ValueError) as error:
            raise ReplacementError(
                f"'{name}' at {path} does not take [{', '.join(map(str, example.shape))}]: {error}",
                expected=f"the input of {describe(layer)}",
            ) from error
        if was != now:
            raise ReplacementError(
                f"'{name}' at {path} changes the output shape from {list(was)} to {list(now)} ({options!r})",
                expected=f"the output shape of {describe(layer)}",
            )


def _nothing(spec: ReplaceSpec, records: Sequence[LayerReplacement]) -> ReplacementError:
    where = ", ".join(spec.stages)
    if not records:
        return ReplacementError(
            f"{where} has no layer that could be replaced (what was replaced before is not entered again)",
            expected="a stage with Conv2d or ConvTranspose2d layers",
            fix="`benchbench describe` lists the layers of every stage",
        )
    reasons = Counter(f"{record.before}: {record.reason}" for record in records)
    told = "; ".join(f"{count} x {reason}" for reason, count in reasons.most_common(5))
    return ReplacementError(
        f"'{spec.replacement.name}' replaces none of the {len(records)} layers of {where}",
        expected=f"a Conv2d or ConvTranspose2d that is not grouped; found {told}",
    )


def _declined(candidate: Candidate, reason: str) -> LayerReplacement:
    parameters = _parameters(candidate.layer)
    return LayerReplacement(
        path=candidate.path,
        stage=candidate.stage,
        before=describe(candidate.layer),
        reason=reason,
        parameters_before=parameters,
        parameters_after=parameters,
    )


def _exchanged(candidate: Candidate, new: nn.Module) -> LayerReplacement:
    others = candidate.paths[1:]
    return LayerReplacement(
        path=candidate.path,
        stage=candidate.stage,
        before=describe(candidate.layer),
        after=describe(new),
        reason=f"one layer with {', '.join(others)}" if others else None,
        parameters_before=_parameters(candidate.layer),
        parameters_after=_parameters(new),
    )


def _parameters(layer: nn.Module) -> int:
    lazy = isinstance(layer, nn.modules.lazy.LazyModuleMixin)
    return 0 if lazy else sum(each.numel() for each in layer.parameters())


def describe(layer: nn.Module) -> str:
    """A layer in a few words: `Conv2d 64→128 3x3 stride 2`, or its parts joined by +."""
    if isinstance(layer, _ConvNd):
        kernel = "x".join(map(str, layer.kernel_size))
        words = [type(layer).__name__, f"{layer.in_channels}→{layer.out_channels}", kernel]
        if set(layer.stride) != {1}:
            words.append(f"stride {layer.stride[0] if len(set(layer.stride)) == 1 else tuple(layer.stride)}")
        if layer.groups != 1:
            words.append("depthwise" if layer.groups == layer.in_channels else f"groups {layer.groups}")
        return " ".join(words)
    parts = list(layer.children())
    return " + ".join(describe(part) for part in parts) if parts else type(layer).__name__
