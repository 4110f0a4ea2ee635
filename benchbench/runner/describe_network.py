"""Cells built and counted without memory, as records: in this process, or in a fresh one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from torch.nn.utils.parametrize import type_before_parametrizations

from benchbench.core.cell import Cell
from benchbench.core.contracts import Subject
from benchbench.core.errors import BenchbenchError
from benchbench.core.layer_record import LayerReplacement
from benchbench.core.stages import origin_of
from benchbench.core.suite import ArchitectureSpec
from benchbench.measures.counting import count
from benchbench.runner.describe_records import (
    ComparisonDescription,
    Costs,
    Described,
    NetworkDescription,
    ReplacementDescription,
    StageComparison,
)
from benchbench.runner.describe_tree import Whole, describe_stages
from benchbench.runner.subjects import build_discriminator, build_subject


def describe_cells(cells: Sequence[Cell], *, folders: Sequence[Path] = ()) -> Described:
    """The networks of one cell, or of a cell and a variant of it side by side.

    Registered architectures are built on the meta device; somebody else's module on the CPU where it
    cannot be built or counted there.

    Args:
        cells: the one to describe, and where given the variant to set beside it.
        folders: where imported modules are looked for first.

    Raises:
        BenchbenchError: it cannot be built, its layers cannot be exchanged, or it cannot be counted.
    """
    before = cells[0]
    generator, _ = _generator(before, folders)
    discriminator, _ = _discriminator(before, folders)
    comparisons = []
    for after in cells[1:]:
        changed, replaced = _generator(after, folders)
        comparisons.append(_compare("generator", before, after, (generator, changed), replaced))
        against, replaced = _discriminator(after, folders)
        if discriminator is not None and against is not None:
            pair = (discriminator, against)
            comparisons.append(_compare("discriminator", before, after, pair, replaced))
    return Described(generator=generator, discriminator=discriminator, comparisons=tuple(comparisons))


_Found = tuple[NetworkDescription, tuple[LayerReplacement, ...]]


def _generator(cell: Cell, folders: Sequence[Path]) -> _Found:
    return _on_meta_or_cpu(
        lambda device: _network(build_subject(cell, folders=folders, device=device), cell.architecture),
        cell.architecture,
    )


def _discriminator(cell: Cell, folders: Sequence[Path]) -> _Found | tuple[None, tuple[()]]:
    spec = cell.discriminator
    if spec is None:
        return None, ()

    def attempt(device: str) -> _Found:
        subject = build_discriminator(cell, folders=folders, device=device)
        assert subject is not None
        return _network(subject, spec)

    return _on_meta_or_cpu(attempt, spec)


def _on_meta_or_cpu(attempt: Callable[[str], _Found], spec: ArchitectureSpec) -> _Found:
    try:
        return attempt("meta")
    except BenchbenchError:
        if spec.import_path is None:
            raise
        # Somebody's constructor may not survive the meta device; then the real one decides.
        return attempt("cpu")


def _network(subject: Subject, spec: ArchitectureSpec) -> _Found:
    module = subject.module
    counts = count(module)
    origin = origin_of(module)
    assert origin is not None
    kinds = {path: type_before_parametrizations(part).__name__ for path, part in module.named_modules()}
    whole = Whole(counts.parameters, counts.macs, counts.peak_activation_bytes)
    described = NetworkDescription(
        label=spec.label,
        inputs=origin.inputs,
        parameters=counts.parameters,
        trainable_parameters=counts.trainable_parameters,
        buffers=counts.buffers,
        macs=counts.macs,
        macs_output_size=counts.macs_output_size,
        elementwise=counts.elementwise,
        peak_activation_bytes=counts.peak_activation_bytes,
        stages=describe_stages(kinds, counts.layers, subject.stages, whole=whole),
        stages_guessed=spec.import_path is not None and not spec.stages and bool(subject.stages),
        notes=counts.notes,
    )
    return described, subject.replacements


def _compare(
    network: str,
    before: Cell,
    after: Cell,
    pair: tuple[NetworkDescription, NetworkDescription],
    records: Sequence[LayerReplacement],
) -> ComparisonDescription:
    stages = [{stage.name: stage for stage in each.stages} for each in pair]
    return ComparisonDescription(
        network=network,
        before=before.variant,
        after=after.variant,
        total=_side_by_side("all", _total(pair[0]), _total(pair[1])),
        stages=tuple(
            _side_by_side(name, *(_costs(side[name]) if name in side else Costs() for side in stages))
            for name in dict.fromkeys(name for side in stages for name in side)
        ),
        replaced=_replaced(records),
    )


def _costs(stage: Costs) -> Costs:
    return Costs(**{key: getattr(stage, key) for key in Costs.model_fields})


def _total(network: NetworkDescription) -> Costs:
    return Costs(
        parameters=network.parameters,
        parameters_share=1.0,
        macs=network.macs,
        macs_share=1.0,
        peak_activation_bytes=network.peak_activation_bytes,
        peak_activation_share=1.0,
    )


def _side_by_side(name: str, before: Costs, after: Costs) -> StageComparison:
    return StageComparison(
        name=name,
        before=before,
        after=after,
        parameters_ratio=_ratio(before.parameters, after.parameters),
        macs_ratio=_ratio(before.macs, after.macs),
        peak_activation_ratio=_ratio(before.peak_activation_bytes, after.peak_activation_bytes),
    )


def _ratio(before: int, after: int) -> float | None:
    return after / before if before else None


def _replaced(records: Sequence[LayerReplacement]) -> tuple[ReplacementDescription, ...]:
    """By kind of layer, with the first of each as its example: exchanged ones first."""
    counted: Counter[tuple[str, str | None, str | None]] = Counter()
    first: dict[tuple[str, str | None, str | None], LayerReplacement] = {}
    for record in records:
        reason = None if record.after else record.reason
        key = (_kinds(record.before), _kinds(record.after) if record.after else None, reason)
        counted[key] += 1
        first.setdefault(key, record)
    return tuple(
        ReplacementDescription(
            before=before,
            after=after,
            count=counted[before, after, reason],
            example=_example(first[before, after, reason]),
            reason=reason,
        )
        for before, after, reason in sorted(counted, key=lambda key: key[1] is None)
    )


def _kinds(told: str) -> str:
    # `Conv2d 3→8 3x3 + ReLU` is a `Conv2d + ReLU`.
    return " + ".join(part.split(" ")[0] for part in told.split(" + "))


def _example(record: LayerReplacement) -> str:
    return f"{record.path}: {record.before}" + (f" => {record.after}" if record.after else "")
