"""Measuring a suite for a gate: what its rules ask for, and again in fresh processes what would fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from benchbench.backends.prepare import missing_packages
from benchbench.core.cell import Cell
from benchbench.core.comparable import differing_settings, mismatch
from benchbench.core.deployment import Deployment
from benchbench.core.expand import expand
from benchbench.core.gate_rules import KNOWN_NAMES
from benchbench.core.measurement import CellResult, Protocol, ResultTable, RunRecord
from benchbench.core.model import canonical_json, parse_options
from benchbench.core.registry import BACKENDS, MEASURES
from benchbench.core.store import RunStore, new_run_id
from benchbench.core.suite import MeasureSpec, Suite
from benchbench.measures.latency.measure import split_here
from benchbench.measures.latency.options import LatencyOptions
from benchbench.measures.latency.summary import as_deployed, protocol_of
from benchbench.runner.baselines import baselines_of
from benchbench.runner.comparisons import Progress, run_comparisons
from benchbench.runner.files import artefact_of, checkpoint_of
from benchbench.runner.run import run

_LATENCY = "latency"


def narrowed(suite: Suite, *, only: str | None, is_judged: Callable[[str, Cell], bool]) -> Suite:
    """The suite with the variants, swept values and measures that a gate needs, and `output`.

    A baseline variant stays where a chosen one is compared with it; sweeps may keep more than was chosen.

    Args:
        suite: as declared.
        only: a glob over its cells, as in `benchbench run`.
        is_judged: whether the rules judge a measurement of a cell.

    Raises:
        UnknownNameError: `only` matches no cell.
    """
    cells = expand(suite, only=only)
    specs = [spec for spec in suite.measure if _is_needed(spec, cells, is_judged)]
    lacks_output = "output" in MEASURES and all(spec.name != "output" for spec in specs)
    if lacks_output and any(is_judged("output", cell) for cell in cells):
        specs.append(MeasureSpec(name="output"))
    made = suite.model_copy(update={"measure": tuple(specs) or (MeasureSpec(name="parameters"),)})
    return made if only is None else with_only(made, cells)


def check_declared(base: ResultTable, suite: Suite) -> None:
    """Check that the suite declares its times as the base's were measured, in every setting that both name.

    Raises:
        ProtocolMismatchError: it does not: what it measures could not be compared.
    """
    declared = _declared_protocols(suite, base)
    for result in base.results:
        for figure in result.measurements:
            if figure.name != _LATENCY or figure.setting not in declared:
                continue
            pairs = [_shared(figure.protocol, head) for head in declared[figure.setting]]
            if all(ours.hash != theirs.hash for ours, theirs in pairs):
                ours, theirs = min(pairs, key=_count_differences)
                raise mismatch(result.cell.label, figure.name, ours, theirs)


def _shared(base: Protocol, head: Protocol) -> tuple[Protocol, Protocol]:
    # Of another version there may be other settings: those are compared once they are measured.
    shared = head.settings.keys() & base.settings.keys()
    ours, theirs = (
        each.model_copy(update={"settings": {key: each.settings[key] for key in shared}})
        for each in (base, head)
    )
    return ours, theirs


def _count_differences(pair: tuple[Protocol, Protocol]) -> int:
    return len(differing_settings(pair[0].settings, pair[1].settings))


def _declared_protocols(suite: Suite, base: ResultTable) -> dict[str, tuple[Protocol, ...]]:
    """Setting -> the protocols that times of the suite may have there."""
    found: dict[str, tuple[Protocol, ...]] = {}
    has_deployed = any(not result.cell.deploy.is_reference for result in base.results)
    for spec in suite.measure:
        if spec.name != _LATENCY:
            continue
        for options in split_here(parse_options("measure", spec.name, LatencyOptions, spec.options)):
            eager = protocol_of(options)
            found[options.setting] = (eager,)
            if any(_is_had(way, options.device[0]) for way in suite.deployments if not way.is_reference):
                # Where all of them fail, eager float32 is left alone; so it may have been in the base.
                found[options.setting] = (as_deployed(eager), *([eager] if has_deployed else []))
    return found


def _is_had(way: Deployment, device: str) -> bool:
    backend = BACKENDS.load(way.backend)
    return way.precision in backend.precisions.get(device, ()) and not missing_packages(backend)


def measure_suite(
    suite: Suite,
    *,
    out: str | Path,
    command: str,
    folders: Sequence[str | Path],
    say: Callable[[str], None],
) -> ResultTable:
    """Run a suite anew.

    Raises:
        BenchbenchError, KeyboardInterrupt: as `run`.
    """
    return run(suite, out=out, command=command, folders=folders, say=say)


def measure_again(
    table: ResultTable, cells: Sequence[Cell], *, folders: Sequence[str | Path], say: Callable[[str], None]
) -> ResultTable:
    """Compare some cells of a run with their baselines once more, in processes of their own.

    Nothing is trained or deployed again: weights and files are those of the run. The samples are kept below
    the run's folder. Where a group holds deployed cells, all of it is compared: backends side by side cost
    one another time, and that is part of the protocol.

    Raises:
        StoreError: they cannot be written.
        LockedError: another process measures latency for too long.
    """
    assert table.folder is not None
    source = RunStore(Path(table.folder))
    baselines = baselines_of(table.suite)
    wanted = {each.id for each in cells} | {baselines.get(each.id) for each in cells}
    ready = [result.cell for result in table.results if result.failure is None]
    whole = {cell.group for cell in cells} & {cell.group for cell in ready if not cell.deploy.is_reference}
    chosen = [cell for cell in ready if cell.id in wanted or cell.group in whole]
    specs = tuple(spec for spec in table.suite.measure if spec.name == _LATENCY)
    suite = table.suite.model_copy(update={"measure": specs})
    record = RunRecord(
        id=new_run_id(),
        command=f"a fresh take of {table.run.id}",
        started=table.run.started,
        benchbench=table.run.benchbench,
    )
    store = RunStore.create(source.folder / "again", suite, record, table.environment)
    for cell in chosen:
        store.write_cell(_kept(source, cell))
    imports = tuple(dict.fromkeys(str(Path(each).resolve()) for each in (*folders, Path.cwd())))
    say(f"measured again, as it would fail: {', '.join(cell.label for cell in cells)}")
    run_comparisons(store, suite, chosen, imports, Progress(say=say))
    return store.read_table()


def _kept(source: RunStore, cell: Cell) -> CellResult:
    """The weights and the deployed file that a run keeps of a cell, as another folder finds them."""
    known = source.read_cell(cell.id)
    deployment = None if known is None else known.deployment
    if deployment is not None:
        deployment = deployment.model_copy(update={"artefact": artefact_of(source, cell.id)})
    return CellResult(cell=cell, checkpoint=checkpoint_of(source, cell.id), deployment=deployment)


def _is_needed(spec: MeasureSpec, cells: Sequence[Cell], is_judged: Callable[[str, Cell], bool]) -> bool:
    names = MEASURES.load(spec.name).names
    if spec.name == "quality":
        # It makes `fd[...]` and its like too, whose names depend on the extractor.
        names = (*names, *KNOWN_NAMES[KNOWN_NAMES.index("fid") :])
    return not names or any(is_judged(name, cell) for name in names for cell in cells)


def with_only(suite: Suite, cells: Sequence[Cell]) -> Suite:
    """The suite with the variants and swept values of some of its cells, and the variants they refer to."""
    named = {cell.variant for cell in cells} | {suite.baseline_of(cell.variant) for cell in cells}
    named |= {str(spec.options.get("baseline")) for spec in suite.measure}
    variants = {name: variant for name, variant in suite.variants.items() if name in named}
    swept = {
        key: {
            canonical_json(setting.value) for cell in cells for setting in cell.settings if setting.key == key
        }
        for key in suite.matrix
    }
    matrix = {
        key: tuple(value for value in values if canonical_json(value) in swept[key]) or values
        for key, values in suite.matrix.items()
        if key != "variant"
    }
    if "variant" in suite.matrix:
        matrix["variant"] = tuple(value for value in suite.matrix["variant"] if value in named)
    expect = {name: figures for name, figures in suite.expect.items() if name in named}
    baseline = suite.baseline if suite.baseline in named else None
    return suite.model_copy(
        update={"variants": variants, "matrix": matrix, "expect": expect, "baseline": baseline}
    )
