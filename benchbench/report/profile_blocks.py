"""Why networks are as fast as they are: sentences, each under the roof, and a fold per network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from benchbench.core.profile import CellProfile
from benchbench.core.roof_words import roof_words
from benchbench.core.units import format_quantity
from benchbench.report.answer import Sentence
from benchbench.report.document import Answer, Block, Flame, Fold, Paragraph, Plot, Plots
from benchbench.report.flame_page import read_flame
from benchbench.report.profile_grids import class_grid, kernel_grid, layer_grid, stage_grid
from benchbench.report.profile_plots import memory_plot, memory_words, roofline_plot
from benchbench.report.text import file_stem
from benchbench.report.views.profiles import ProfiledNetwork, ProfileGroup, ProfilesView

DRAWN, LISTED = 12, 30
FLAME_BYTES = 1_000_000
# What a bar is within a page, beside its words.
_BAR_BYTES = 190
_MOST_NOTES = 20
_INTRO = (
    "From profiles: each network in a process of its own in which nothing is timed, with random weights. "
    "Their times are of profiled passes, which the profiler lengthens. They are no latencies: those stand in "
    "the tables above. Shares and rates say where the time goes."
)


@dataclass(slots=True)
class _Room:
    """What the report still has room for, and the file names it has given."""

    drawn: int = field(default_factory=lambda: DRAWN)
    listed: int = field(default_factory=lambda: LISTED)
    flame_bytes: int = field(default_factory=lambda: FLAME_BYTES)
    names: set[str] = field(default_factory=set)

    def name(self, *parts: str) -> str:
        # Names that differ in punctuation alone must not be one file.
        stem = file_stem(*parts)
        found, number = stem, 1
        while found in self.names:
            number += 1
            found = f"{stem}-{number}"
        self.names.add(found)
        return found


def profile_blocks(view: ProfilesView | None) -> tuple[Block, ...]:
    """The section on profiles; nothing where there is none and nobody asked for them."""
    if view is None or not (view.groups or view.notes):
        return ()
    blocks: list[Block] = []
    room = _Room()
    total = sum(len(group.networks) for group in view.groups)
    if total > LISTED:
        # The page of so many cells is long already.
        room.listed = DRAWN
    left = max(total - room.listed, 0)
    if view.groups:
        blocks += [Paragraph(_INTRO)]
    if len(view.groups) > 1:
        blocks.append(
            Paragraph(
                f"The profiles are of {len(view.groups)} settings. Each has its own roof, and networks are "
                "compared within one setting only."
            )
        )
    for group in view.groups:
        blocks += _group(group, room, many=len(view.groups) > 1)
    if left:
        blocks.append(Paragraph(f"{_more(left, 'network')} left out; profile.json has their tables."))
    blocks += [Paragraph(f"Note: {note}.") for note in view.notes[:_MOST_NOTES]]
    if len(view.notes) > _MOST_NOTES:
        blocks.append(Paragraph(f"{_more(len(view.notes) - _MOST_NOTES, 'note')} left out."))
    return tuple(blocks)


def _group(group: ProfileGroup, room: _Room, *, many: bool) -> Iterator[Block]:
    setting = f"Profiled: {group.setting}."
    if many:
        yield Paragraph(setting)
    said = tuple(
        Sentence(each.label, each.sentence, each.cautions) for each in group.networks if each.sentence
    )
    if said:
        yield Answer(said)
    roof = (
        "Without the machine's roof, which was not recorded with these profiles: profile again."
        if group.found is None
        else roof_words(group.found, then=", and the next profile places its layers under it")
    )
    yield Paragraph(roof if many else f"{setting} {roof}")
    listed = group.networks[: max(room.listed, 0)]
    room.listed -= len(listed)
    drawn = listed[: max(room.drawn, 0)]
    room.drawn -= len(drawn)
    plots = {each.label: _roofline(each, group, room) for each in drawn}
    shown = tuple(plot for plot in plots.values() if plot is not None)
    if shown:
        yield Plots(shown)
    for at, each in enumerate(listed):
        has_classes = plots.get(each.label) is not None
        yield _fold(each, group, room, has_classes=has_classes, is_drawn=at < len(drawn))


def _roofline(each: ProfiledNetwork, group: ProfileGroup, room: _Room) -> Plot | None:
    if group.found is None or group.found.roof is None:
        return None
    return roofline_plot(each, group, group.found.roof, stem=room.name("roofline", each.label))


def _fold(
    each: ProfiledNetwork, group: ProfileGroup, room: _Room, *, has_classes: bool, is_drawn: bool
) -> Fold:
    profile = each.profile
    blocks: list[Block] = [Paragraph(_setting_words(each))]
    blocks += [Paragraph(f"Note: {note[:300]}.") for note in profile.notes[:5]]
    stages = stage_grid(profile)
    if stages is not None:
        blocks.append(stages)
    if not has_classes:
        blocks.append(class_grid(profile, group.limits))
    layers, left = layer_grid(profile)
    if layers is not None:
        blocks.append(layers)
    if left:
        blocks.append(Paragraph(f"{_more(left, 'module')} left out; profile.json has them."))
    blocks += _gpu(profile)
    memory = memory_plot(each, stem=room.name("memory-over-time", each.label)) if is_drawn else None
    if memory is not None:
        blocks.append(Plots((memory,)))
    else:
        blocks.append(Paragraph(f"Memory: {memory_words(profile)}"))
    blocks += _flame(each, room, is_drawn=is_drawn)
    return Fold(f"{each.label}: stages, layers, memory and flame graph", tuple(blocks))


def _setting_words(each: ProfiledNetwork) -> str:
    profile = each.profile
    shapes = "; ".join("×".join(map(str, shape)) for shape in profile.input_shapes[:4])
    also = [f"{line.variant} {' '.join(map(str, line.settings))}".strip() for line in each.lines[1:]]
    same = sorted({name for name in also if name != each.label})
    clock = "GPU kernels" if profile.clock == "device" else "the host"
    return (
        f"Input {shapes}; {_plural(len(profile.passes_s), 'recorded pass', 'es')} after {profile.warmup} of "
        f"warm-up, by the clock of {clock}: {format_quantity(profile.time_s, 's')} a pass, "
        f"{format_quantity(profile.unprofiled_s, 's')} without the profiler; "
        f"{format_quantity(profile.macs, 'MAC')}, {_plural(profile.parameters, 'parameter')}. Own times add "
        "up to the pass; MACs, bytes and rates are of a layer's own operators."
        + (f" The same network: {', '.join(same[:8])}." if same else "")
    )


def _gpu(profile: CellProfile) -> Sequence[Block]:
    gaps = profile.gaps
    blocks: list[Block] = []
    if gaps is not None:
        blocks.append(
            Paragraph(
                f"GPU, per pass: {gaps.kernels:g} launches, busy for {format_quantity(gaps.busy_s, 's')}, "
                f"idle between kernels for {format_quantity(gaps.idle_s, 's')} in {gaps.gaps:g} gaps (the "
                f"longest {format_quantity(gaps.longest_s, 's')}), of which "
                f"{format_quantity(gaps.waiting_for_host_s, 's')} waiting for a launch; launching took the "
                f"host {format_quantity(gaps.launch_s, 's')}."
            )
        )
    if profile.kernels:
        grid = kernel_grid(profile.kernels)
        blocks.append(grid)
        left = len(profile.kernels) - len(grid.rows)
        if left:
            blocks.append(Paragraph(f"{_more(left, 'kernel')} left out; profile.json has them."))
    return blocks


def _flame(each: ProfiledNetwork, room: _Room, *, is_drawn: bool) -> Sequence[Block]:
    if not is_drawn:
        return (Paragraph(f"Flame graph and timeline are of the first {DRAWN} networks only."),)
    bars = read_flame(each.stored.flame)
    if not bars:
        return (Paragraph("There is no flame graph beside this profile, or none that can be read."),)
    size = sum(_BAR_BYTES + len(bar.told.encode()) + len(bar.label.encode()) for bar in bars)
    has_room = size <= room.flame_bytes
    if has_room:
        room.flame_bytes -= size
    name = room.name("flame", each.label)
    return (Flame(name, f"Flame graph of {each.label}", bars, is_embedded=has_room),)


def _plural(count: int, word: str, ending: str = "s") -> str:
    return f"{count:,} {word}{'' if count == 1 else ending}"


def _more(count: int, word: str) -> str:
    return f"{count:,} more {word} is" if count == 1 else f"{count:,} more {word}s are"
