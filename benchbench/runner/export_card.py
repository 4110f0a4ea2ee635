"""`model_card.md`: what a model card holds, for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from benchbench.core.markdown_text import escape
from benchbench.core.units import format_quantity, significant
from benchbench.runner.export_card_origin import origin_lines, version_rows
from benchbench.runner.export_facts import CONVENTION, CardTensor, Figure, ModelCard

_HOW = {
    "onnx": "`pip install numpy onnxruntime`",
    "openvino": "`pip install numpy openvino`",
    "pt2": "`pip install torch`; open files of your own alone, since torch's loader unpickles",
}
_HEADS = {"time": "## Speed", "quality": "## Quality", "other": "## Memory and energy"}


def card_markdown(card: ModelCard) -> str:
    """The whole card; every text that a file, a run or a library gave is escaped."""
    return "\n".join(_lines(card)).rstrip() + "\n"


def _lines(card: ModelCard) -> Iterator[str]:
    yield f"# {escape(card.label)}"
    yield ""
    if card.weights.origin == "random":
        yield (
            f"**Random weights (seed {card.weights.seed}): what it makes is noise. For timing and "
            "integration, not for use.** The suite trains and loads nothing."
        )
        yield ""
    title = f" ({escape(card.variant_title)})" if card.variant_title else ""
    yield (
        f"Variant `{_code(card.variant)}`{title} of the suite `{_code(card.suite)}`"
        f"{f', {escape(card.title)}' if card.title else ''}: the architecture `{_code(card.architecture)}`"
        f"{f' with {escape(chr(44).join(card.settings))}' if card.settings else ''}, as {_format(card)}."
    )
    if card.paper is not None:
        by = f"{escape(card.paper.authors)}, " if card.paper.authors else ""
        link = f" <{escape(card.paper.url)}>" if card.paper.url else ""
        yield f"Paper: {by}“{escape(card.paper.title)}”, {card.paper.year}.{link}"
    yield ""
    yield from _replaced(card)
    yield from _interface(card)
    yield from _usage(card)
    yield from _size(card)
    for kind in ("time", "quality", "other"):
        yield from _figures(card, [each for each in _run_figures(card) if each.kind == kind], kind)
    if card.not_measured:
        yield "## Not measured"
        yield ""
        yield from (f"- {escape(each)}." for each in card.not_measured)
        yield ""
    yield from _agreement(card)
    yield from origin_lines(card)
    yield "## Files"
    yield ""
    rows = [(f"`{_code(each.name)}`", f"{each.bytes:,}", f"`{each.sha256}`") for each in card.made.files]
    yield from _table(("file", "bytes", "SHA-256"), rows)
    yield ""
    yield f"Digest of all of them: `{card.made.digest}`. `sha256sum -c SHA256SUMS` checks them and this card."
    yield ""
    yield "## Made with"
    yield ""
    yield from _table(("what", "version"), version_rows(card))
    yield ""
    yield "## Licence"
    yield ""
    yield (
        "Not stated. Whoever hands this model on states here the licence of its code, of its weights and of "
        "the data that they were trained on."
    )


def _format(card: ModelCard) -> str:
    name = {"onnx": "an ONNX file", "openvino": "an OpenVINO model", "pt2": "a torch.export program"}
    shapes = "batch, height and width are open" if card.shapes == "dynamic" else "shapes are fixed"
    options = "".join(f", {key}={value}" for key, value in card.deployment_options.items())
    return f"{name[card.format]} in {card.precision}; {shapes}{escape(options)}"


def _replaced(card: ModelCard) -> Iterator[str]:
    yield "## What was replaced"
    yield ""
    done = [each for each in card.made.replaced if each.after is not None]
    if not card.made.replaced:
        yield "Nothing: this is the network as it is declared."
    else:
        total, changed = sum(each.count for each in card.made.replaced), sum(each.count for each in done)
        yield f"{changed} of the {total} layers that the variant names:"
        yield ""
        rows = [
            (
                escape(each.stage or "–"),
                f"{each.count}",
                escape(each.before),
                escape(each.after) if each.after is not None else f"left: {escape(each.reason or '?')}",
            )
            for each in card.made.replaced
        ]
        yield from _table(("stage", "layers", "before", "after"), rows)
    if card.made.folded:
        yield ""
        yield f"Folded into plain weights before it was written: {escape(card.made.folded)}."
    yield ""


def _interface(card: ModelCard) -> Iterator[str]:
    yield "## Inputs and outputs"
    yield ""
    head = ("", "name", "shape", "type", "values", "channels", "what it is")
    rows = [_tensor_row("in", each) for each in card.made.inputs]
    rows += [_tensor_row("out", each) for each in card.made.outputs]
    yield from _table(head, rows)
    yield ""
    yield (
        "As the written file says. The range of a picture is what the architecture declares (of an imported "
        "one `deploy: {range: ...}`); “–” is not declared."
    )
    yield ""


def _tensor_row(way: str, each: CardTensor) -> tuple[str, ...]:
    shape = escape(" x ".join(map(str, each.shape)))
    name = f"`{_code(each.name)}`"
    return (way, name, shape, each.dtype, each.range or "–", each.channels or "–", escape(each.what) or "–")


def _usage(card: ModelCard) -> Iterator[str]:
    yield "## How to run it"
    yield ""
    yield f"{_HOW[card.format]}. In this folder:"
    yield ""
    yield "```python"
    yield card.usage.rstrip()
    yield "```"
    yield ""
    pictures = [each for each in card.made.inputs if each.channels == "RGB" and each.range]
    for each in pictures:
        scale = "/ 127.5 - 1" if each.range == "-1..1" else "/ 255"
        yield (
            f'A picture for `{_code(each.name)}`: `numpy.asarray(PIL.Image.open(FILE).convert("RGB"), '
            f'"float32").transpose(2, 0, 1)[None] {scale}`, of the size above.'
        )
        yield ""


def _size(card: ModelCard) -> Iterator[str]:
    made = card.made
    yield "## Size"
    yield ""
    shapes = ", ".join("x".join(map(str, each.like.shape)) for each in made.inputs if each.like is not None)
    at = f" at {shapes}" if shapes else ""
    macs = f"{made.macs:,}" if made.macs is not None else f"not counted: {escape(made.macs_missing or '')}"
    rows = [
        ("parameters", f"{made.parameters:,}", "counted at export, of the network before it was written"),
        ("MACs", macs, f"counted at export{at}: {CONVENTION}"),
        ("file size", f"{sum(each.bytes for each in made.files):,} B", "of all files of the model"),
    ]
    yield from _table(("what", "value", "where it comes from"), rows)
    yield ""


def _run_figures(card: ModelCard) -> tuple[Figure, ...]:
    return () if card.run is None else card.run.figures


def _figures(card: ModelCard, figures: Sequence[Figure], kind: str) -> Iterator[str]:
    if not figures or card.run is None:
        return
    yield _HEADS[kind]
    yield ""
    yield f"Measured by run `{_code(card.run.run)}` on {escape(card.run.machine)}."
    yield ""
    rows = [
        (
            escape(each.name),
            escape(each.setting) or "–",
            format_quantity(each.value, each.unit),
            _interval(each),
            escape(each.of),
            f"{escape(each.protocol)} `{each.protocol_hash}`",
            escape("; ".join(each.flags)) or "–",
        )
        for each in figures
    ]
    yield from _table(("what", "setting", "value", "interval", "of", "protocol", "mind"), rows)
    yield ""
    baselines = {each.baseline for each in figures if each.baseline}
    if baselines:
        yield f"Ratios are to {escape(', '.join(sorted(baselines)))}."
        yield ""
    said: dict[str, str] = {}
    for each in figures:
        settings = "; ".join(f"{key} {value}" for key, value in each.settings.items() if value is not None)
        said.setdefault(each.protocol_hash, settings)
    for digest, settings in said.items():
        yield f"- `{digest}`: {escape(settings)}"
    yield ""


def _interval(figure: Figure) -> str:
    if figure.interval is None:
        return "–"
    ends = [format_quantity(end, figure.unit) for end in (figure.interval.low, figure.interval.high)]
    how = f" ({escape(figure.interval_of)})" if figure.interval_of else ""
    return f"{figure.interval.level * 100:g} %: {ends[0]} to {ends[1]}{how}"


def _agreement(card: ModelCard) -> Iterator[str]:
    found = card.made.agreement
    allowed = [
        f"{found.max_abs_allowed:.2%} of the range" if found.max_abs_allowed is not None else "",
        f"{found.psnr_db_asked:g} dB" if found.psnr_db_asked is not None else "",
    ]
    yield "## Beside eager float32"
    yield ""
    yield (
        "The file, loaded again, and the network in eager float32, on the same inputs "
        f"({escape(found.inputs)}):"
    )
    yield ""
    psnr = "outputs are equal" if found.psnr_db is None else f"{found.psnr_db:.1f} dB"
    share = "" if found.relative is None else f" ({found.relative:.3%} of the range)"
    rows = [
        ("largest difference", f"{significant(found.max_abs)}{share}"),
        ("mean difference", significant(found.mean_abs)),
        ("PSNR", psnr),
        ("range of the outputs", significant(found.value_range)),
        ("allowed", " and ".join(filter(None, allowed))),
    ]
    yield from _table(("difference", "measured at export"), rows)
    yield ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _code(text: str) -> str:
    """Text for a code span in a table: neither a backtick nor a bar ends it."""
    return " ".join(text.split()).replace("`", "'").replace("|", "/")
