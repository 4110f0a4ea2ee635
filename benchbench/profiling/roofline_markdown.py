"""The roofline of profiles as Markdown: per network a table by class of layer, and a sentence per variant."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchbench.core.explain import caution_of, explain
from benchbench.core.profile import CellProfile
from benchbench.core.roof import FoundRoof
from benchbench.core.roof_words import roof_words
from benchbench.core.roofline import ClassWork, Limits, limits_of, list_classes, place, whole_network
from benchbench.core.units import format_quantity, significant
from benchbench.profiling.escaping import plain

CLASS_HEADER = ("class", "modules", "own time", "share", "MACs", "bytes", "MAC/B", "GMAC/s", "GB/s")
ROOF_HEADER = ("of the peak", "of the roof", "under")
_UNDER = {"memory": "memory", "cache": "a cache", "arithmetic": "arithmetic"}


def roofline_section(
    profiles: Sequence[CellProfile], found: FoundRoof | None, *, plots: Sequence[str] = ()
) -> Iterator[str]:
    """The section of all networks together; nothing where no roof was looked for and there is one network.

    Args:
        profiles: the first is what the others are compared with.
        found: this machine's roof, or why there is none.
        plots: file names of the drawing beside the page, the first of which is shown.
    """
    limits = None if found is None else limits_of(found.roof)
    if found is None and len(profiles) < 2:
        return
    yield "## Roofline"
    yield ""
    yield roof_words(found, escape=plain, code=lambda command: f"`{command}`")
    if plots:
        links = ", ".join(f"[{name.rpartition('.')[2].upper()}]({name})" for name in plots)
        yield ""
        yield f"![Classes of layers under the roof]({plots[0]})"
        yield ""
        yield f"{links}. Area is a class' share of the time; what does no MACs has no place in it."
    for profile in profiles[1:]:
        yield ""
        said = explain(profile, profiles[0], limits, escape=plain)
        yield " ".join([f"- {said}", *(f"*{plain(each)}.*" for each in caution_of(profile, profiles[0]))])
    yield ""


def class_table(profile: CellProfile, limits: Limits | None) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and rows, most time first, the network itself last; columns of the roof where it is known."""
    header = CLASS_HEADER if limits is None else (*CLASS_HEADER, *ROOF_HEADER)
    works = [each for each in list_classes(profile.layers) if each.own_s > 0 or each.macs]
    return header, [(*_figures(each), *_under(each, limits)) for each in (*works, whole_network(profile))]


def _figures(work: ClassWork) -> tuple[str, ...]:
    return (
        work.name,
        str(work.layers),
        format_quantity(work.own_s, "s"),
        f"{work.share * 100:.1f} %",
        format_quantity(work.macs, "MAC").removesuffix("MAC").strip() if work.macs else "-",
        format_quantity(work.bytes_moved, "B") if work.bytes_moved else "-",
        significant(work.intensity) if work.intensity else "-",
        "-" if work.macs_per_s is None else f"{work.macs_per_s / 1e9:.3g}",
        "-" if work.bytes_per_s is None else f"{work.bytes_per_s / 1e9:.3g}",
    )


def _under(work: ClassWork, limits: Limits | None) -> tuple[str, ...]:
    if limits is None:
        return ()
    placed = place(work, limits)
    if placed is None:
        return ("-", "-", "-")
    peak = "-" if placed.peak_share is None else f"{placed.peak_share * 100:.1f} %"
    return (peak, f"{placed.share * 100:.1f} %", _UNDER[placed.bound])


def table_lines(header: Sequence[str], rows: Sequence[Sequence[str]], *, text: set[str]) -> Iterator[str]:
    """A Markdown table; columns named in `text` stand to the left."""
    yield f"| {' | '.join(header)} |"
    yield f"|{'|'.join('---' if name in text else '---:' for name in header)}|"
    for row in rows:
        yield f"| {' | '.join(row)} |"
