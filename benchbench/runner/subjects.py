"""From a cell to a subject: the network built, its layers exchanged, its weights in place."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch

from benchbench.architectures.build import BuiltArchitecture, build_architecture
from benchbench.architectures.inputs import example_inputs
from benchbench.architectures.weights import load_weights
from benchbench.core.cell import Cell
from benchbench.core.contracts import Subject
from benchbench.core.data_spec import DataSpec
from benchbench.core.errors import BenchbenchError, CheckpointError, DataError
from benchbench.core.examples import Splits, require_fields
from benchbench.core.layer_record import LayerReplacement
from benchbench.core.model import parse_options
from benchbench.core.registry import RECIPES, SOURCES
from benchbench.variants.replace import apply_replacements


def build_subject(
    cell: Cell,
    *,
    checkpoint: Path | None = None,
    artefact: Path | None = None,
    folders: Sequence[Path] = (),
    device: str | None = None,
) -> Subject:
    """The cell's network with example inputs, in eval mode; random weights come from the cell's seed.

    Args:
        checkpoint: weights to load.
        artefact: the file that the cell's backend opens: it holds the weights, and the module is built
            without any where that can be done.
        folders: where an imported module is looked for first.
        device: `meta` builds without memory.

    Raises:
        BenchbenchError: it cannot be built, its layers cannot be exchanged, or the weights do not fit.
    """
    started = time.perf_counter()
    torch.manual_seed(cell.seed)
    # Somebody's constructor may not survive the meta device.
    is_hollow = artefact is not None and cell.architecture.name is not None
    with torch.device("meta" if is_hollow else device or "cpu"):
        built = build_architecture(cell.architecture, folders=folders)
        replacements = _replace(cell, built, network="generator")
    built_s = time.perf_counter()
    if checkpoint is not None and artefact is None:
        load_weights(built.module, checkpoint)
    loaded_s = time.perf_counter()
    return Subject(
        name=cell.variant,
        module=built.module.eval(),
        inputs=example_inputs(built.inputs, seed=cell.seed, device=device or "cpu"),
        places=tuple(spec.place for spec in built.inputs),
        specs=built.inputs,
        stages=built.stages,
        cell=cell,
        checkpoint=checkpoint,
        artefact=artefact,
        replacements=replacements,
        build_s=built_s - started,
        load_s=loaded_s - built_s,
    )


def build_discriminator(
    cell: Cell, *, folders: Sequence[Path] = (), device: str | None = None
) -> Subject | None:
    """The network that the cell's generator is trained against; None where the suite declares none.

    Raises:
        BenchbenchError: as `build_subject`.
    """
    if cell.discriminator is None:
        return None
    torch.manual_seed(cell.seed)
    with torch.device(device or "cpu"):
        built = build_architecture(cell.discriminator, folders=folders)
        replacements = _replace(cell, built, network="discriminator")
    return Subject(
        name=f"{cell.variant} discriminator",
        module=built.module.eval(),
        inputs=example_inputs(built.inputs, seed=cell.seed, device=device or "cpu"),
        places=tuple(spec.place for spec in built.inputs),
        specs=built.inputs,
        stages=built.stages,
        replacements=replacements,
    )


def _replace(
    cell: Cell, built: BuiltArchitecture, *, network: Literal["generator", "discriminator"]
) -> tuple[LayerReplacement, ...]:
    specs = [spec for spec in cell.replace if spec.network == network]
    return tuple(apply_replacements(built.module, specs, built.stages, inputs=built.inputs)) if specs else ()


def declared_checkpoint(cell: Cell) -> Path | None:
    """The file that `train: {load: ...}` names for this cell; None where it trains or does neither.

    Raises:
        CheckpointError: the pattern has an unknown field.
    """
    if cell.train is None or cell.train.load is None:
        return None
    try:
        path = cell.train.load.format(cell=cell.network.id, variant=cell.variant, seed=cell.seed)
    except (KeyError, IndexError, ValueError) as error:
        raise CheckpointError(
            f"'load: {cell.train.load}' has an unknown field ({error})",
            expected="{cell}, {variant} and {seed} are filled in",
        ) from None
    return Path(path).expanduser()


def check_cells(cells: Sequence[Cell], *, folders: Sequence[Path] = ()) -> None:
    """Build every network without memory, so that a wrong request is told before anything trains.

    Raises:
        BenchbenchError: as `build_subject`, or images or a checkpoint to load are not there.
    """
    seen: set[str] = set()
    for cell in cells:
        parts = {"architecture", "discriminator", "replace"}
        key = cell.model_dump_json(by_alias=True, include=parts)
        if key not in seen:
            seen.add(key)
            try:
                _try_build(cell, folders)
            except BenchbenchError as error:
                raise error.of(cell.variant) from error.__cause__
        recipe = cell.train.recipe if cell.train is not None else None
        if cell.data is not None and (data := f"{recipe} {cell.data.model_dump_json()}") not in seen:
            seen.add(data)
            _check_fields(cell, open_data(cell))
        path = declared_checkpoint(cell)
        if path is not None:
            check_file(path, cell)


def check_file(path: Path, cell: Cell) -> None:
    """Whether the weights that a suite names for a cell are there.

    Raises:
        CheckpointError: there is no such file.
    """
    if not path.is_file():
        raise CheckpointError(
            f"no checkpoint at {path} (cell {cell.network.id})",
            expected="a .safetensors file, or a .pt/.pth that torch.load(weights_only=True) reads",
            fix="correct 'load', or train with 'recipe'",
        )


def _check_fields(cell: Cell, images: Splits) -> None:
    if cell.train is not None and cell.train.recipe is not None:
        fields = RECIPES.load(cell.train.recipe).fields
        require_fields(images.train, fields, what=f"recipe '{cell.train.recipe}' of '{cell.variant}'")


def open_data(cell: Cell) -> Splits:
    """The cell's images.

    Raises:
        DataError: the suite declares none, or they are missing, broken or too few.
    """
    if cell.data is None:
        raise DataError("the suite declares no data", fix="add 'data: {source: photos, size: 256}'")
    return open_source(cell.data, cell.seed)


def open_source(spec: DataSpec, seed: int) -> Splits:
    """The images of a data source.

    Raises:
        DataError: they are missing, broken or too few.
        OptionError: an option that the source does not have.
    """
    source = SOURCES.load(spec.source)
    return source.open(parse_options("data source", spec.source, source.options, spec.options), seed)


def _try_build(cell: Cell, folders: Sequence[Path]) -> None:
    for make in (build_subject, build_discriminator):
        try:
            make(cell, folders=folders, device="meta")
        except BenchbenchError:
            # Somebody's constructor may not survive the meta device; then the real one decides.
            make(cell, folders=folders)
