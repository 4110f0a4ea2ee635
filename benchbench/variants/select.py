"""Which layers of a module a replacement looks at, and why it leaves some alone."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from torch import nn
from torch.nn.utils import parametrize

from benchbench.core.contracts import Stages
from benchbench.core.errors import NotReplaceableError, ReplacementError, unknown_name
from benchbench.core.stages import selects


@dataclass(frozen=True, slots=True)
class Candidate:
    """A layer that computes with a weight: its first path, every path it has, and its stage."""

    path: str
    paths: tuple[str, ...]
    stage: str
    layer: nn.Module


def select_layers(
    module: nn.Module,
    *,
    stages: Sequence[str],
    layers: Sequence[str],
    stage_map: Stages,
    keep: Collection[str] = (),
) -> list[Candidate]:
    """Layers with a weight of two or more dimensions in the chosen stages, in the module's order.

    Args:
        module: any module.
        stages: names in `stage_map`, or module paths or globs.
        layers: globs over a layer's whole path or its last part; `*` takes all.
        stage_map: stage name -> module paths or globs.
        keep: paths that are not entered: what a replacement has put there already.

    Raises:
        UnknownNameError: a stage that is no name in the map and no module path.
        ReplacementError: a glob of `layers` matches no layer of the stages.
    """
    paths_of: dict[nn.Module, list[str]] = {}
    for path, each in module.named_modules(remove_duplicate=False):
        if path:
            paths_of.setdefault(each, []).append(path)
    known = [path for paths in paths_of.values() for path in paths]
    patterns = {stage: _patterns(stage, stage_map, known) for stage in stages}

    inside = [
        Candidate(path, tuple(paths_of[layer]), stage, layer)
        for layer, path, stage in _weighted(module, patterns, keep)
    ]
    for glob in layers:
        if inside and not any(_named(candidate, glob) for candidate in inside):
            names = {
                name for each in inside for path in each.paths for name in (path, path.rpartition(".")[2])
            }
            raise ReplacementError(
                f"no layer of {', '.join(stages)} matches '{glob}'",
                expected=f"a glob over {', '.join(sorted(names)[:12])}",
                fix=unknown_name("layer", glob, names).fix,
            )
    return [each for each in inside if any(_named(each, glob) for glob in layers)]


def find_shared(module: nn.Module) -> dict[nn.Module, str]:
    """Modules that own a parameter together with another module, each with the path of another."""
    owners: dict[nn.Parameter, list[tuple[str, nn.Module]]] = {}
    for path, each in module.named_modules():
        for parameter in each.parameters(recurse=False):
            owners.setdefault(parameter, []).append((path, each))
    return {
        each: next(path for path, other in known if other is not each)
        for known in owners.values()
        for _, each in known
        if any(other is not each for _, other in known)
    }


def refuse(layer: nn.Module, *, shared: Mapping[nn.Module, str]) -> None:
    """Let a layer pass that behaves as torch's own Conv2d or ConvTranspose2d, with a weight of its own.

    Raises:
        NotReplaceableError: any other, with the reason.
    """
    kind = type(layer).__name__
    if layer in shared:
        raise NotReplaceableError(f"its weight is also that of {shared[layer]}")
    if isinstance(layer, nn.modules.lazy.LazyModuleMixin):
        raise NotReplaceableError(f"{kind} has no shape before its first call")
    if parametrize.is_parametrized(layer):
        tables = layer.parametrizations
        assert isinstance(tables, nn.ModuleDict)
        names = sorted(
            {type(each).__name__.strip("_") for table in tables.values() for each in table.children()}
        )
        raise NotReplaceableError(f"its weight is parametrized ({', '.join(names)})")
    if {"weight_g", "weight_orig"} & set(dict(layer.named_parameters(recurse=False))):
        raise NotReplaceableError("its weight is computed by a hook (weight norm, spectral norm or pruning)")
    if not isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
        raise NotReplaceableError(f"{kind} is neither Conv2d nor ConvTranspose2d")
    base = nn.Conv2d if isinstance(layer, nn.Conv2d) else nn.ConvTranspose2d
    if any(
        getattr(type(layer), name, None) is not getattr(base, name, None)
        for name in ("forward", "_conv_forward")
    ):
        raise NotReplaceableError(f"{kind} is a {base.__name__} with a forward of its own")
    if layer._forward_hooks or layer._forward_pre_hooks:
        raise NotReplaceableError("it has forward hooks, which would be lost")


def _patterns(stage: str, stage_map: Stages, paths: Sequence[str]) -> tuple[str, ...]:
    if stage in stage_map:
        return tuple(stage_map[stage])
    if any(selects((stage,), path) for path in paths):
        return (stage,)
    names = list(stage_map) or [path for path in paths if path.count(".") == 0]
    error = unknown_name("stage", stage, names)
    if error.fix is None:
        error.fix = unknown_name("stage", stage, paths).fix
    error.expected = f"{error.expected}, or a module path or glob"
    raise error


def _weighted(
    module: nn.Module, patterns: dict[str, tuple[str, ...]], keep: Collection[str]
) -> Iterator[tuple[nn.Module, str, str]]:
    closed = [f"{path}." for path in keep]
    seen: set[nn.Module] = set()
    for path, layer in module.named_modules(remove_duplicate=False):
        if layer in seen or any(path.startswith(prefix) for prefix in closed):
            continue
        stage = next((stage for stage, globs in patterns.items() if path and selects(globs, path)), None)
        if stage is None:
            continue
        if parametrize.is_parametrized(layer):
            # What lies below is the layer's own weight in parts.
            closed.append(f"{path}.parametrizations.")
        if _has_weight(layer):
            seen.add(layer)
            yield layer, path, stage


def _has_weight(layer: nn.Module) -> bool:
    if isinstance(layer, (nn.LayerNorm, nn.Embedding, parametrize.ParametrizationList)):
        return False
    if isinstance(layer, nn.modules.lazy.LazyModuleMixin) or parametrize.is_parametrized(layer):
        return True
    return any(parameter.ndim >= 2 for parameter in layer.parameters(recurse=False))


def _named(candidate: Candidate, glob: str) -> bool:
    return any(
        fnmatchcase(path, glob) or fnmatchcase(path.rpartition(".")[2], glob) for path in candidate.paths
    )
