"""Everything that can be said of a network before it is trained: options, stages, what each part costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchbench.core.cell import Cell
from benchbench.core.errors import ArchitectureError, unknown_name
from benchbench.core.expand import expand_networks
from benchbench.core.model import JsonValue
from benchbench.core.registry import ARCHITECTURES
from benchbench.core.suite import Suite
from benchbench.core.suite_file import load_suite
from benchbench.runner.describe_options import describe_options
from benchbench.runner.describe_records import Described, Description, VariantDescription
from benchbench.runner.isolate import run_isolated
from benchbench.runner.jobs import DescribeJob, Job
from benchbench.runner.targets import architecture_of, varied

LIMIT_S = 300.0
"""After this long somebody's model counts as hanging."""


def describe(
    target: str,
    settings: Mapping[str, JsonValue] | None = None,
    *,
    inputs: JsonValue = None,
    attribute: str | None = None,
    variant: JsonValue = None,
    folders: Sequence[Path] = (),
    limit_s: float = LIMIT_S,
) -> Description:
    """A registered architecture, or a `module:callable` or `file.py:callable` that builds an `nn.Module`.

    A registered one is built here, without memory; somebody else's in a fresh process.

    Args:
        target: a registered name or an import path.
        settings: its options, or keyword arguments of the callable.
        inputs: what a suite's `input` takes; needed for an import, else the architecture's own.
        attribute: of what an import builds, the part that is meant: `decoder`.
        variant: what a suite's variant declares, to set beside it: `{"replace": {...}}`.
        folders: where an imported module is looked for before the working directory.
        limit_s: after this long somebody's model counts as hanging.

    Raises:
        UnknownNameError, OptionError, SuiteError: a name, option or variant that does not exist or fit.
        ArchitectureError: it cannot be built, or ends or holds up its process.
        ReplacementError: the variant's layers cannot be exchanged.
        MeasurementError: an operator that no counting rule covers.
    """
    spec = architecture_of(target, settings or {}, inputs=inputs, attribute=attribute)
    cells = [Cell(variant=target, architecture=spec)]
    if variant is not None:
        cells.append(varied(spec, variant))
    known = ARCHITECTURES.load(target) if spec.name is not None else None
    summary = next((each.summary for each in ARCHITECTURES.entries() if each.name == target), "")
    found = _describe(target, cells, folders=folders, limit_s=limit_s)
    return Description(
        **dict(found.generator),
        name=target if attribute is None else f"{target}, {attribute}",
        summary=summary if known else "",
        paper=known.paper if known else None,
        options=describe_options(known.options) if known else (),
        comparisons=found.comparisons,
    )


def describe_suite(
    path: str | Path,
    *,
    variant: str | None = None,
    overrides: Sequence[str] = (),
    limit_s: float = LIMIT_S,
) -> Description:
    """A suite's baseline, and a variant beside it; of a swept field the first value counts.

    Args:
        path: the suite's file; imported modules are looked for beside it too.
        variant: one of its variants; it is set beside the baseline of its group.
        overrides: `key=value` texts, as `load_suite` takes them.
        limit_s: after this long somebody's model counts as hanging.

    Raises:
        SuiteError: as `load_suite`.
        BenchbenchError: as `describe`.
    """
    suite = load_suite(path, overrides=overrides)
    if variant is not None and variant not in suite.variants:
        raise unknown_name("variant", variant, suite.variants)
    baseline = suite.baseline_variant if variant is None else suite.baseline_of(variant)
    cells = [_cell(suite, baseline)]
    if variant is not None:
        cells.append(_cell(suite, variant))
    found = _describe(str(path), cells, folders=[Path(path).parent], limit_s=limit_s)
    return Description(
        **dict(found.generator),
        name=suite.name,
        summary=suite.title or "",
        paper=suite.paper,
        variant=baseline,
        variants=tuple(
            VariantDescription(name=name, title=each.title, note=each.note)
            for name, each in suite.variants.items()
        ),
        discriminator=found.discriminator,
        comparisons=found.comparisons,
    )


def _describe(target: str, cells: Sequence[Cell], *, folders: Sequence[Path], limit_s: float) -> Described:
    places = tuple(dict.fromkeys(Path(each).resolve() for each in (*folders, Path.cwd())))
    if not any(_is_foreign(cell) for cell in cells):
        from benchbench.runner.describe_network import describe_cells

        return describe_cells(cells, folders=places)
    # Somebody's model may hang, print or end its process; not this one.
    job = DescribeJob(cells=tuple(cells), import_folders=tuple(map(str, places)))
    answer = run_isolated(Job(describe=job), limit_s=limit_s)
    if answer.described is not None:
        return answer.described
    assert answer.failure is not None
    late = answer.failure.kind == "timed_out"
    raise ArchitectureError(
        f"'{target}' could not be described: {answer.failure.reason}",
        expected="a module that is built and run once within seconds, and leaves its process alone",
        fix="look for what waits in it: a download, a prompt, a loop" if late else answer.failure.fix,
    )


def _is_foreign(cell: Cell) -> bool:
    networks = (cell.architecture, cell.discriminator)
    return any(each is not None and each.import_path is not None for each in networks)


def _cell(suite: Suite, variant: str) -> Cell:
    cells = expand_networks(suite)
    found = next((cell for cell in cells if cell.variant == variant), None)
    if found is None:
        raise unknown_name("variant that the matrix sweeps", variant, {cell.variant for cell in cells})
    return found
