"""Export: one cell as a file that is handed on, checked, with a card that says what it is."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import benchbench
from benchbench.core.cell import Cell
from benchbench.core.deployment import Precision, Shapes
from benchbench.core.errors import MeasurementError, OptionError, StoreError
from benchbench.core.measurement import Failure
from benchbench.core.store import cannot_write
from benchbench.core.suite import Suite
from benchbench.runner.environment import probe_environment
from benchbench.runner.export_card import card_markdown
from benchbench.runner.export_choice import Target, choose_cell, choose_deployment, choose_target
from benchbench.runner.export_facts import Format, Made, ModelCard, RunFacts, Weights
from benchbench.runner.export_figures import facts_of, machine_of, not_measured
from benchbench.runner.export_usage import usage_of
from benchbench.runner.export_weights import find_weights_run, weights_of
from benchbench.runner.files import digest_of_file
from benchbench.runner.isolate import run_isolated
from benchbench.runner.jobs import ExportJob, Job

LIMIT_S = 3600.0
"""After this long an export counts as hanging."""

CARD, CARD_DATA, SUMS = "model_card.md", "model_card.json", "SHA256SUMS"


def _say_nothing(line: str) -> None:
    """Progress for nobody."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: the folder with the artefact, its card and its digests."""

    folder: Path
    card: ModelCard


def export(
    suite: Suite,
    *,
    only: str,
    to: Format,
    out: str | Path,
    run: str | Path | None = None,
    results: str | Path = "results",
    precision: Precision | None = None,
    shapes: Shapes | None = None,
    existing: Literal["refuse", "replace"] = "refuse",
    folders: Sequence[str | Path] = (),
    command: str = "",
    limit_s: float = LIMIT_S,
    say: Callable[[str], None] = _say_nothing,
) -> Exported:
    """Write one cell of a suite as a file, load it again, compare it with eager float32, and describe it.

    Args:
        suite: what declares it (`load_suite`).
        only: a glob over variants, labels and ids; a network comes before the ways to run it.
        to: `onnx`, `openvino` or `pt2` (torch.export).
        out: `<out>/<cell id>/` is written, whole or not at all.
        run: whose weights and figures; by default the newest of the suite below `results`, where it holds
            the cell.
        precision: of a network, in the place of fp32.
        shapes: `dynamic` leaves batch, height and width open.
        existing: whether a folder that is there is an error or is replaced.
        folders: where `import: module:callable` is looked for first; the working directory is next.
        command: what trains the cell, for messages.
        limit_s: after this long it counts as hanging.
        say: shows one line of progress.

    Raises:
        UnknownNameError, OptionError: not a suite, not one cell, or a format that is not of its backend.
        CheckpointError: no weights, or weights that do not fit.
        DependencyError: a package is missing.
        MeasurementError: the network does not go into this format, or the file does not do what eager
            float32 does; nothing is left.
        StoreError: the run is damaged, or `out` cannot be written or has it already.
    """
    if not isinstance(suite, Suite):
        raise OptionError(f"suite: got {suite!r:.80}", expected="a suite", fix="bb.load_suite(path)")
    target = choose_target(to)
    chosen = choose_cell(suite, only)
    cell = choose_deployment(suite, chosen, target, precision=precision, shapes=shapes)
    train = command or f"benchbench run SUITE --only '{cell.network.label}'"
    found = find_weights_run(suite.name, cell, run=run, results=Path(results), command=train)
    weights, checkpoint = weights_of(suite.name, cell, found, results=Path(results), command=train)
    facts = None if found is None else facts_of(found, cell)
    final = Path(out) / cell.id
    _check_free(final, existing)
    say(f"{cell.label} to {to}, {_told(weights)}")
    job = ExportJob(
        cell=cell,
        format=to,
        folder="",
        checkpoint=None if checkpoint is None else str(checkpoint),
        import_folders=tuple(dict.fromkeys(str(Path(each).resolve()) for each in (*folders, Path.cwd()))),
    )
    with _beside(final) as folder:
        made = _make(job.model_copy(update={"folder": str(folder)}), limit_s=limit_s)
        card = _card(suite, cell, target, made=made, weights=weights, facts=facts)
        _write_card(folder, card)
        _put_in_place(folder, final)
    return Exported(final, card)


def _check_free(final: Path, existing: Literal["refuse", "replace"]) -> None:
    if not (final.exists() or final.is_symlink()):
        return
    if not (final / CARD_DATA).is_file():
        raise StoreError(
            f"{final} is there already, and is no export of benchbench",
            expected="an export, or nothing",
            fix="move it away, or choose another folder with --out",
        )
    if existing == "refuse":
        raise StoreError(
            f"{final} is there already",
            expected="a folder that is not",
            fix="--force replaces it (existing='replace' in Python), or choose another with --out",
        )


def _told(weights: Weights) -> str:
    if weights.origin == "trained":
        return f"weights of run {weights.run}"
    return "random weights" if weights.file is None else f"weights of {weights.file}"


@contextmanager
def _beside(final: Path) -> Iterator[Path]:
    """A temporary folder where `final` is to lie; it is gone afterwards, and so is a new parent if empty."""
    out = final.parent
    new = [each for each in (out, *out.parents) if not each.exists()]
    temporary: Path | None = None
    try:
        out.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=out, prefix=f".{final.name}.")).resolve()
        temporary.chmod(0o755)
        yield temporary
    except StoreError as error:
        # Its usual advice is for a run, which can be resumed.
        error.fix = "free some disk space, or choose another folder with --out" if error.fix else None
        raise
    except OSError as error:
        raise _cannot_write(out, error) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
        for each in new:
            try:
                each.rmdir()
            except OSError:
                break


def _cannot_write(out: Path, error: OSError) -> StoreError:
    told = cannot_write(out, error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        told.fix = "free some disk space, or choose another folder with --out"
    told.expected = "a writable folder with free space; nothing was left in it"
    return told


def _make(job: ExportJob, *, limit_s: float) -> Made:
    answer = run_isolated(Job(export=job), limit_s=limit_s)
    if answer.made is not None:
        return answer.made
    failure = answer.failure or Failure(of="cell", kind="crashed", reason="it left no answer")
    raise MeasurementError(
        f"'{job.cell.label}' could not be exported: {failure.kind}: {failure.reason.splitlines()[0]}",
        fix="look for what waits in the model: a download, a prompt, a loop"
        if failure.kind == "timed_out"
        else failure.fix,
    )


def _card(
    suite: Suite, cell: Cell, target: Target, *, made: Made, weights: Weights, facts: RunFacts | None
) -> ModelCard:
    here = probe_environment()
    deploy = cell.deploy
    return ModelCard(
        suite=suite.name,
        title=suite.title,
        paper=suite.paper,
        variant=cell.variant,
        variant_title=suite.variants[cell.variant].title,
        label=cell.label,
        cell=cell.id,
        network_cell=cell.network.id,
        architecture=cell.architecture.label,
        seed=cell.seed,
        settings=tuple(map(str, cell.swept)),
        format=target.name,
        backend=target.backend,
        precision=deploy.precision,
        shapes=deploy.shapes,
        deployment_options=dict(deploy.options),
        made=made,
        weights=weights,
        run=facts,
        not_measured=not_measured(facts, cell, suite=suite.name),
        benchbench=benchbench.__version__,
        git_revision=here.git_revision,
        git_dirty=here.git_dirty,
        exported=datetime.now(UTC).isoformat(timespec="seconds"),
        exported_on=machine_of(here),
        usage=usage_of(target.name, made.main, made.inputs, precision=deploy.precision),
    )


def _write_card(folder: Path, card: ModelCard) -> None:
    (folder / CARD_DATA).write_text(card.model_dump_json(indent=1) + "\n", encoding="utf-8")
    (folder / CARD).write_text(card_markdown(card), encoding="utf-8")
    sums = {each.name: each.sha256 for each in card.made.files}
    sums |= {name: digest_of_file(folder / name) for name in (CARD, CARD_DATA)}
    lines = [f"{digest}  {name}\n" for name, digest in sums.items()]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


def _put_in_place(folder: Path, final: Path) -> None:
    aside: Path | None = None
    if final.exists() or final.is_symlink():
        aside = folder.with_name(f"{folder.name}.replaced")
        os.replace(final, aside)
    try:
        os.rename(folder, final)
    except BaseException:
        if aside is not None:
            os.replace(aside, final)
        raise
    if aside is not None and aside.is_dir() and not aside.is_symlink():
        shutil.rmtree(aside, ignore_errors=True)
    elif aside is not None:
        aside.unlink()
