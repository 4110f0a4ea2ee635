"""Everything that can be said of a network before it is trained: options, stages, what each part costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from benchbench.core.cell import Cell
from benchbench.core.errors import ArchitectureError, OptionError, unknown_name
from benchbench.core.expand import expand
from benchbench.core.model import JsonValue, explain_validation
from benchbench.core.registry import ARCHITECTURES
from benchbench.core.resolve import check_architecture, check_replace
from benchbench.core.source_map import SourceMap, dotted
from benchbench.core.suite import ArchitectureSpec, Suite, Variant
from benchbench.core.suite_file import load_suite
from benchbench.core.validation import validated
from benchbench.core.variant_changes import networks_of
from benchbench.runner.describe_options import describe_options
from benchbench.runner.describe_records import Described, Description, VariantDescription
from benchbench.runner.isolate import run_isolated
from benchbench.runner.jobs import DescribeJob, Job

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
    spec = _spec(target, settings or {}, inputs, attribute)
    cells = [Cell(variant=target, architecture=spec)]
    if variant is not None:
        cells.append(_varied(spec, variant))
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


def _spec(
    target: str, settings: Mapping[str, JsonValue], inputs: JsonValue, attribute: str | None
) -> ArchitectureSpec:
    given: dict[str, JsonValue] = {"input": inputs, "attribute": attribute}
    declared: dict[str, JsonValue] = {key: value for key, value in given.items() if value is not None}
    if ":" in target:
        if inputs is None:
            raise ArchitectureError(
                f"'{target}' does not say what it takes",
                expected="the shape of one input, batch first, or a suite's `input`",
                fix=f"benchbench describe {target} --input 1,3,256,256",
            )
        declared |= {"import": target, "kwargs": dict(settings)}
    else:
        if target not in ARCHITECTURES:
            if target.endswith(".py"):
                raise ArchitectureError(
                    f"'{target}' names no callable", expected=f"{target}:CALLABLE, which builds an nn.Module"
                )
            raise unknown_name("architecture", target, ARCHITECTURES)
        if "name" in settings:
            raise OptionError(f"'{target}' has no option 'name'", fix="leave it out, or describe that one")
        declared |= {**settings, "name": target}
    try:
        return ArchitectureSpec.model_validate(declared)
    except ValidationError as error:
        place, problem, expected, fix = explain_validation(error, ArchitectureSpec)
        told = f"{dotted(place)}: {problem}" if place else problem
        raise OptionError(f"'{target}': {told}", expected=expected, fix=fix) from None


def _varied(spec: ArchitectureSpec, declared: JsonValue) -> Cell:
    sources = SourceMap("--variant")
    if not isinstance(declared, dict):
        raise OptionError(
            f"--variant {declared}: '{spec.label}' has no variants of its own",
            expected="a mapping as a suite's variant, or a suite's file with the name of one",
            fix="--variant '{replace: {stages: [residual], with: depthwise_separable}}'",
        )
    variant = validated(Variant, declared, sources, ())
    if variant.discriminator is not None:
        raise OptionError(
            "--variant: 'discriminator' needs a suite that declares one",
            fix="describe the discriminator by its own name, with this variant's `architecture` or `replace`",
        )
    networks = networks_of(spec, None, variant, sources, ())
    check_architecture(networks["generator"], sources, ("architecture",))
    for index, each in enumerate(variant.replace):
        check_replace(each, networks, sources, ("replace", index))
    return Cell(
        variant=variant.title or "variant", architecture=networks["generator"], replace=variant.replace
    )


def _cell(suite: Suite, variant: str) -> Cell:
    cells = expand(suite)
    found = next((cell for cell in cells if cell.variant == variant), None)
    if found is None:
        raise unknown_name("variant that the matrix sweeps", variant, {cell.variant for cell in cells})
    return found
