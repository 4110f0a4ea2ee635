"""Deploying one cell: its file written, opened, and held to what the network makes in eager float32."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from benchbench.backends.prepare import setup_for, start_backends, write_artefact
from benchbench.backends.repeatable import check_repeatable
from benchbench.core.arguments import assemble
from benchbench.core.backends import Network, Session, Setup
from benchbench.core.cell import Cell
from benchbench.core.contracts import Subject
from benchbench.core.deployment import Deployment
from benchbench.core.deployment_record import DeploymentRecord
from benchbench.core.errors import NotHadError, OutputsDifferError
from benchbench.core.examples import Splits
from benchbench.core.measurement import Failure, Measurement, Protocol
from benchbench.core.model import JsonValue
from benchbench.core.registry import BACKENDS
from benchbench.measures.agreement import agreement_figures, check_tolerance, compare_outputs
from benchbench.measures.deployed import open_deployed
from benchbench.measures.failures import explain_failure
from benchbench.measures.fold import fold_parametrizations
from benchbench.measures.input_sets import InputSets, calibration_inputs, comparison_inputs
from benchbench.runner.files import digest_of_files
from benchbench.runner.subjects import open_source
from benchbench.runner.training import open_images_of

COMPARED = 4  # sets of inputs whose outputs are held to eager float32's
_PROVENANCE = "benchbench.runner.deploying"


@dataclass(frozen=True, slots=True)
class DeployedCell:
    """What came of deploying a cell.

    Attributes:
        subject: as its backend runs it.
        figures: differences, times and size; also where the outputs differ too much.
        record: what its library says.
        failure: that its outputs differ too much; None where they do not.
    """

    subject: Subject
    figures: tuple[Measurement, ...]
    record: DeploymentRecord
    failure: Failure | None


def deploy_subject(subject: Subject, folder: Path) -> DeployedCell:
    """Deploy a network with its weights in place; its own module stays as it is, but for folded norms.

    Args:
        subject: of a cell with another deployment than eager float32.
        folder: the run's; the artefact lands below it, in `artefacts/<cell>/`.

    Raises:
        DependencyError, UnsupportedDeploymentError, CalibrationError, ArtefactError: as the backend.
        OutputsDifferError: its outputs are not finite, and eager float32's are.
    """
    assert subject.cell is not None
    cell = subject.cell
    # As many as this process computes with in eager torch, too.
    threads = torch.get_num_threads()
    setup = setup_here(cell.deploy, threads=threads)
    device = setup.device
    start_backends([cell.deploy.backend])
    fold_parametrizations(subject.module)
    # Before the exporter, which tells a network that draws noise in words of its own.
    compared = comparison_inputs(subject, lambda: open_images_of(cell), count=COMPARED, seed=cell.seed)
    check_repeatable(lambda given: call_module(subject, given), compared.sets[0])
    started = time.perf_counter()
    calibration = calibration_of(subject)
    network = Network(
        subject.module.eval(), subject.inputs, subject.places, () if calibration is None else calibration.sets
    )
    written = _write(network, setup, folder / "artefacts" / cell.id)
    exported_s = time.perf_counter() - started
    opened, _ = open_deployed(
        replace(subject, artefact=written, load_s=0.0), device=device, threads=threads, fold=lambda module: ""
    )
    assert opened.session is not None
    # Both on the CPU: what a session of a GPU returns lies there too.
    found = compare_outputs(opened.session.run, lambda given: call_in_eager(subject, given), compared.sets)
    files = [] if written is None else sorted(each for each in written.parent.iterdir() if each.is_file())
    protocol = _protocol(cell, device=device, threads=threads, calibration=calibration)
    figures = [
        *agreement_figures(
            found,
            cell.deploy,
            inputs=compared.origin,
            count=len(compared.sets),
            digest=compared.digest,
        ),
        _figure("compile_time", "s", opened.load_s, protocol, flags=_of_a_cache(opened.session)),
    ]
    if written is not None:
        figures.append(_figure("export_time", "s", exported_s, protocol))
        figures.append(_figure("file_size", "B", sum(each.stat().st_size for each in files), protocol))
    else:
        figures.append(weights_size(subject))
    operators = opened.session.operators
    record = DeploymentRecord(
        artefact=None if written is None else str(written.relative_to(folder)),
        digest=None if written is None else digest_of_files(files),
        facts=dict(opened.session.facts),
        operators=None if operators is None else operators(),
        operators_told=opened.session.tells,
        value_range=found.value_range,
        relative_max_abs=found.relative,
        operator_count=opened.session.operator_count,
    )
    try:
        check_tolerance(found, cell.deploy.bounds)
    except OutputsDifferError as error:
        # Its figures say by how much; nothing more is measured of it.
        return DeployedCell(opened, tuple(figures), record, explain_failure(error, of="cell"))
    return DeployedCell(opened, tuple(figures), record, None)


def setup_here(deployment: Deployment, *, threads: int) -> Setup:
    """How a deployment is run on this machine: on the CPU where it has it, else on the GPU.

    Raises:
        DependencyError, NotHadError, OptionError: as `setup_for`; where neither has it, with both reasons.
    """
    refusals: list[NotHadError] = []
    for device in BACKENDS.load(deployment.backend).precisions:
        try:
            return setup_for(deployment, device=device, threads=threads)
        except NotHadError as error:
            refusals.append(error)
    first, *others = refusals
    first.problem = "; ".join(dict.fromkeys(each.problem for each in (first, *others)))
    raise first


def _write(network: Network, setup: Setup, folder: Path) -> Path | None:
    """The artefact, alone in its folder: what a killed attempt left there is not taken for part of it."""
    unfinished = folder.with_name(f".{folder.name}.new")
    for each in (unfinished, folder):
        if each.exists():
            shutil.rmtree(each)
    with torch.inference_mode(False), torch.no_grad():
        written = write_artefact(network, setup, unfinished)
    if written is None:
        return None
    unfinished.rename(folder)
    return folder / written.name


def weights_size(subject: Subject) -> Measurement:
    """Bytes of parameters and buffers: what a network needs on disk that no backend writes a file of.

    Norms of weights are folded, in place, as in every deployment.
    """
    fold_parametrizations(subject.module)
    tensors = {id(each): each for each in (*subject.module.parameters(), *subject.module.buffers())}
    precision = subject.deployment.precision
    narrow = precision in ("bf16", "fp16")
    size = sum(
        each.numel() * (2 if narrow and each.is_floating_point() else each.element_size())
        for each in tensors.values()
    )
    protocol = Protocol(name="deployment", settings={"file_size": f"no file: weights alone, in {precision}"})
    return _figure("file_size", "B", size, protocol)


def calibration_of(subject: Subject) -> InputSets | None:
    """The inputs that a deployment is calibrated on; None where it needs none.

    Raises:
        CalibrationError: there are no data, fewer than asked, or they do not fit the network's input.
    """
    deploy = subject.deployment
    if deploy.precision != "int8" or deploy.quantise == "weights":
        return None
    assert subject.cell is not None
    cell, own = subject.cell, deploy.calibration.data

    def images() -> Splits:
        return open_images_of(cell) if own is None else open_source(own, cell.seed)

    asked = deploy.calibration
    return calibration_inputs(subject, images, count=asked.images, seed=asked.seed)


def call_in_eager(subject: Subject, given: Sequence[torch.Tensor]) -> object:
    """What the module itself makes of a set of inputs; torch's generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        return call_module(subject, given)


def call_module(subject: Subject, given: Sequence[torch.Tensor]) -> object:
    """What the module makes of a set of inputs; random numbers go on from call to call."""
    args, kwargs = assemble(list(given), subject.places)
    made: object = subject.module(*args, **kwargs)
    return made


def _protocol(cell: Cell, *, device: str, threads: int, calibration: InputSets | None) -> Protocol:
    settings: dict[str, JsonValue] = {
        "device": device,
        "threads": threads,
        "export_time": "exporting and quantising, calibration included",
        "compile_time": "opening a session; of torch.compile with the first inference, in which it compiles",
        "file_size": "all files of the artefact",
    }
    if calibration is not None:
        settings["calibration"] = calibration.origin
        settings["calibration_digest"] = calibration.digest
        settings["calibration_sets"] = len(calibration.sets)
    return Protocol(name="deployment", settings=settings)


def _of_a_cache(session: Session) -> tuple[str, ...]:
    cached = session.facts.get("graphs_from_cache")
    return ("compiled before: taken from inductor's cache on disk",) if cached else ()


def _figure(
    name: str, unit: str, value: float, protocol: Protocol, *, flags: tuple[str, ...] = ()
) -> Measurement:
    return Measurement(
        name=name,
        unit=unit,
        direction="lower",
        value=value,
        protocol=protocol,
        provenance=_PROVENANCE,
        flags=flags,
    )
