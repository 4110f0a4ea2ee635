"""What the fresh process of one export does: write, load again from disk, compare with eager float32."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from benchbench.backends.prepare import open_session, setup_for, write_artefact
from benchbench.backends.repeatable import check_repeatable
from benchbench.core.backends import Network, Session, Setup
from benchbench.core.contracts import Subject
from benchbench.core.deployment import Tolerance
from benchbench.core.errors import (
    BenchbenchError,
    DataError,
    MeasurementError,
    OutputsDifferError,
    UnsupportedDeploymentError,
)
from benchbench.core.host import usable_cpus
from benchbench.core.imports import told
from benchbench.core.store import DISK_ERRORS, cannot_write
from benchbench.measures.agreement import Agreement, check_tolerance, compare_outputs
from benchbench.measures.counting import count
from benchbench.measures.fold import find_foldable, fold_parametrizations
from benchbench.measures.input_sets import comparison_inputs
from benchbench.runner.deploying import COMPARED, calibration_of, call_in_eager, call_module
from benchbench.runner.export_facts import Agreed, Calibrated, CardFile, Format, Made, Replaced
from benchbench.runner.export_files import read_tensors, versions_for
from benchbench.runner.files import digest_of_file, digest_of_files
from benchbench.runner.jobs import ExportJob
from benchbench.runner.subjects import build_subject
from benchbench.runner.training import open_images_of
from benchbench.training.progress import say_on_stderr


@dataclass(frozen=True, slots=True)
class _Way:
    write: Callable[[Network, Setup, Path], Path | None]
    open: Callable[[Network, Setup, Path], Session]


def _way_of(name: Format) -> _Way:
    if name == "pt2":
        # No backend of its own: it is eager torch's operators, and so its precisions and its setup.
        from benchbench.backends.pt2 import open_pt2, write_pt2

        return _Way(write_pt2, lambda network, setup, path: open_pt2(path, network, setup))
    return _Way(write_artefact, open_session)


def execute_export(job: ExportJob, *, say: Callable[[str], None] = say_on_stderr) -> Made:
    """Build the cell with its weights, write it, load what was written, and hold it to eager float32.

    Raises:
        BenchbenchError: it cannot be built or written, or the file cannot be read again.
        OutputsDifferError: the loaded file's outputs are further from eager float32's than is allowed.
        StoreError: the folder takes nothing more.
    """
    cell, folder = job.cell, Path(job.folder)
    folders = [Path(each) for each in job.import_folders]
    checkpoint = None if job.checkpoint is None else Path(job.checkpoint)
    say(f"building {cell.network.label} ...")
    subject = build_subject(cell, checkpoint=checkpoint, folders=folders)
    parameters, macs, missing = _count(subject)
    # What is counted is the network as it was trained; what is written is that without its norms of weights.
    folded = Counter(find_foldable(subject.module).values())
    fold_parametrizations(subject.module)
    threads = usable_cpus()
    setup = setup_for(cell.deploy, device="cpu", threads=threads)
    compared = comparison_inputs(subject, lambda: open_images_of(cell), count=COMPARED, seed=cell.seed)
    check_repeatable(lambda each: call_module(subject, each), compared.sets[0])
    calibration = calibration_of(subject)
    if calibration is not None:
        say(f"calibrating on {calibration.origin} ...")
    say(f"writing {job.format} ...")
    sets = () if calibration is None else calibration.sets
    network = Network(subject.module.eval(), subject.inputs, subject.places, sets)
    way = _way_of(job.format)
    written = _write(way, network, setup, folder)
    say("loading it again, and comparing it with eager float32 ...")
    session = _reopen(way, job, setup, written)
    found = compare_outputs(session.run, lambda each: call_in_eager(subject, each), compared.sets)
    bounds = cell.deploy.bounds
    _check(found, bounds, written)
    files = sorted(each for each in folder.iterdir() if each.is_file())
    with torch.inference_mode():
        example = call_in_eager(subject, subject.inputs)
    tensors = read_tensors(job.format, written, subject, example)
    operators = None if session.operators is None else session.operators()
    return Made(
        files=tuple(_file(each) for each in files),
        main=written.name,
        digest=digest_of_files(files),
        inputs=tensors.inputs,
        outputs=tensors.outputs,
        replaced=_replaced(subject),
        parameters=parameters,
        macs=macs,
        macs_missing=missing,
        folded=", ".join(f"{kind} of {many} weight{'s' * (many > 1)}" for kind, many in folded.items()),
        agreement=Agreed(
            inputs=compared.origin,
            sets=len(compared.sets),
            max_abs=found.max_abs,
            mean_abs=found.mean_abs,
            psnr_db=_finite(found.psnr_db),
            relative=_finite(found.relative),
            value_range=found.value_range,
            max_abs_allowed=_finite(bounds.max_abs),
            psnr_db_asked=_finite(bounds.psnr_db),
        ),
        calibration=None
        if calibration is None
        else Calibrated(origin=calibration.origin, sets=len(calibration.sets), digest=calibration.digest),
        data_digest=_data_digest(subject),
        facts=dict(session.facts),
        versions={**versions_for(job.format), **tensors.versions},
        operators=None
        if operators is None
        else tuple(f"{each.operator} x {each.count}: {each.what}" for each in operators),
    )


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value


def _count(subject: Subject) -> tuple[int, int | None, str | None]:
    """Parameters and MACs, or why there are no MACs."""
    try:
        counts = count(subject.module, subject.inputs, stages=subject.stages, places=subject.places)
    except MeasurementError as error:
        parameters = {id(each): each.numel() for each in subject.module.parameters()}
        return sum(parameters.values()), None, error.problem
    return counts.parameters, counts.macs, None


def _write(way: _Way, network: Network, setup: Setup, folder: Path) -> Path:
    try:
        with torch.inference_mode(False), torch.no_grad():
            written = way.write(network, setup, folder)
    except Exception as error:
        # Libraries tell a full disk in words of their own, each in others.
        _check_space(folder, error)
        if isinstance(error, BenchbenchError):
            raise
        raise UnsupportedDeploymentError(
            f"the network does not go through the exporter: {told(error)}",
            fix="leave the operator that it names out of `forward`, or choose another format with --to",
        ) from error
    assert written is not None
    return written


def _check_space(folder: Path, error: Exception) -> None:
    if isinstance(error, OSError) and error.errno in DISK_ERRORS:
        raise cannot_write(folder, error) from error
    probe = folder / ".space"
    try:
        probe.write_bytes(bytes(1 << 20))
    except OSError as cause:
        raise cannot_write(folder, cause) from error
    finally:
        probe.unlink(missing_ok=True)


def _reopen(way: _Way, job: ExportJob, setup: Setup, written: Path) -> Session:
    # A network without the weights, where that can be had: what the session makes can be the file's alone.
    folders = [Path(each) for each in job.import_folders]
    hollow = build_subject(job.cell, artefact=written, folders=folders)
    with torch.inference_mode(False), torch.no_grad():
        return way.open(Network(hollow.module.eval(), hollow.inputs, hollow.places), setup, written)


def _check(found: Agreement, bounds: Tolerance, written: Path) -> None:
    try:
        check_tolerance(found, bounds)
    except OutputsDifferError as error:
        raise OutputsDifferError(
            f"{written.name}, loaded again: {error.problem}", expected=error.expected, fix=error.fix
        ) from error


def _file(path: Path) -> CardFile:
    return CardFile(name=path.name, bytes=path.stat().st_size, sha256=digest_of_file(path))


def _replaced(subject: Subject) -> tuple[Replaced, ...]:
    kinds = Counter(
        (each.stage, _kind(each.before), None if each.after is None else _kind(each.after), each.reason)
        for each in subject.replacements
    )
    return tuple(
        Replaced(stage=stage, before=before, after=after, count=many, reason=reason)
        for (stage, before, after, reason), many in kinds.items()
    )


def _kind(layer: str) -> str:
    return layer.partition("(")[0].strip()


def _data_digest(subject: Subject) -> str | None:
    cell = subject.cell
    if cell is None or cell.data is None:
        return None
    try:
        return open_images_of(cell).digest
    except DataError:
        # The weights may have been trained where the data are.
        return None
