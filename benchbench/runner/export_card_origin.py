"""The part of a model card that says where things come from: weights, calibration, versions."""

from __future__ import annotations

from collections.abc import Iterator

from benchbench.core.markdown_text import escape
from benchbench.core.model import canonical_json
from benchbench.runner.export_facts import ModelCard, Weights


def origin_lines(card: ModelCard) -> Iterator[str]:
    """Weights, and what int8 was calibrated on."""
    yield "## Weights"
    yield ""
    yield _weights(card.weights, card)
    if card.weights.sha256 is not None:
        yield f"SHA-256 of the checkpoint: `{card.weights.sha256}`."
    yield ""
    if card.precision == "int8":
        yield "## Calibration"
        yield ""
        found = card.made.calibration
        if found is None:
            yield "None: the weights alone are int8."
        else:
            digest = f", digest of the data `{escape(found.digest)}`" if found.digest else ""
            yield f"{found.sets} sets of inputs: {escape(found.origin)}{digest}."
        yield ""


def _weights(weights: Weights, card: ModelCard) -> str:
    if weights.origin == "random":
        return f"Random, of seed {weights.seed}: nothing was trained or loaded. Not for use."
    if weights.origin == "loaded":
        return (
            f"Loaded from {escape(weights.file or '')}, as the suite declares; how they were trained is not "
            "known here."
        )
    options = {key: value for key, value in weights.options.items() if key != "steps"}
    steps = (
        "a number of steps that the recipe does not say"
        if weights.steps is None
        else f"{weights.steps:,} steps"
    )
    data = (
        f"Data as at export: digest `{escape(card.made.data_digest)}`."
        if card.made.data_digest
        else "Digest of the data: not known here."
    )
    notes = f" {escape('; '.join(weights.notes))}." if weights.notes else ""
    return (
        f"Trained by the recipe `{escape(weights.recipe or '')}`, {steps}, seed {weights.seed}, in run "
        f"`{escape(weights.run or '')}` ({escape(weights.file or '')}).{notes} "
        f"Options: {escape(canonical_json(options)) if options else 'the defaults'}. {data}"
    )


def version_rows(card: ModelCard) -> list[tuple[str, str]]:
    """What wrote the file, and what measured the run."""
    revision = "not in a git repository"
    if card.git_revision is not None:
        revision = card.git_revision + (", with changes" if card.git_dirty else "")
    rows = [("benchbench", card.benchbench), *card.made.versions.items()]
    rows += [("git revision of the working folder", revision), ("exported", card.exported)]
    rows.append(("exported on", card.exported_on))
    if card.run is not None:
        said = card.run.versions.get("torch")
        rows.append((f"run {card.run.run}", f"torch {said}" if said else "versions not recorded"))
        if card.run.git_revision is not None:
            rows.append((f"git revision of run {card.run.run}", card.run.git_revision))
    return [(escape(name), escape(str(value))) for name, value in rows]
