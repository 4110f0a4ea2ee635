"""A flame graph of the tree of calls as one SVG that needs nothing else; every name in it is escaped."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import escape

from benchbench.core.units import format_quantity
from benchbench.profiling.tree import Clock, Node

WIDTH = 1200.0
ROW = 22.0
_HEAD = 48.0
_LEAST = 0.4  # below this many points nothing is seen; the network's own bar has it
_CHARACTER = 6.7
# Of the Okabe-Ito set, lightened so that black on them has a contrast of 7 and more.
_COLOURS = ("#8fccf0", "#f3b95f", "#7fd0b5", "#f4e985", "#dfabc9", "#f0a37a", "#8fbbe0")
_OTHER = "#cfcfcf"
_CONTAINER = "#ebebeb"
# XML 1.0 has no place for these, escaped or not.
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_STYLE = """
text{font:12px ui-monospace,Consolas,monospace;fill:#111;pointer-events:none}
.title{font:600 15px system-ui,sans-serif}.said{font:12px system-ui,sans-serif}
rect{stroke:#fff;stroke-width:.6}g:hover>rect,g:focus>rect{stroke:#111;stroke-width:2}g:focus{outline:none}
.page{fill:#fff;stroke:none}
"""


def flame_graph(
    root: Node, *, title: str, kinds: Mapping[str, str], passes: int, clock: Clock = "host"
) -> str:
    """The tree as SVG: what calls above what is called, width by inclusive time, mean of a pass.

    Every bar carries its path, class, time and share as `<title>`, which browsers show under the mouse
    and read aloud, and takes the keyboard's focus. Bars too thin to be seen are left out.

    Args:
        root: the tree of calls.
        title: of the picture.
        kinds: path -> class.
        passes: how many the tree holds.
        clock: whose time the widths are, the host's or the GPU's.
    """
    whole_s = root.time_by(clock)
    bars = list(_bars(root, 0.0, 0, whole_s, clock))
    colours = _colours(root, kinds, clock)
    height = _HEAD + ROW * (max((depth for *_, depth in bars), default=0) + 1) + 4
    whose = "GPU kernels" if clock == "device" else "host"
    head = f"{_text(title)}: {format_quantity(whole_s / passes, 's')} in one forward pass"
    said = f"Width is time ({whose}, profiled, mean of {passes} passes). A bar's children lie below it."
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {height:g}" role="group">',
        f"<title>{head}</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="page" width="{WIDTH:g}" height="{height:g}"/>',
        f'<text class="title" x="4" y="19">{head}</text>',
        f'<text class="said" x="4" y="37">{said}</text>',
    ]
    for node, x, width, depth in bars:
        kind = kinds.get(node.path, "")
        own = format_quantity(node.own_by(clock) / passes, "s")
        told = (
            f"{node.path or '(network)'} ({kind}): {format_quantity(node.time_by(clock) / passes, 's')}, "
            f"{width / WIDTH * 100:.1f} %; its own {own}; called {node.calls / passes:g} times"
        )
        colour = _CONTAINER if node.children else colours.get(kind, _OTHER)
        label = f"{node.path.rpartition('.')[2] or 'network'} {kind}"
        lines.append(_bar(label, told, (x, _HEAD + depth * ROW, width), colour))
    return "\n".join([*lines, "</svg>", ""])


def _bars(
    node: Node, x: float, depth: int, whole_s: float, clock: Clock
) -> Iterator[tuple[Node, float, float, int]]:
    width = WIDTH * node.time_by(clock) / whole_s if whole_s else WIDTH * (depth == 0)
    if width < _LEAST:
        return
    yield node, x, width, depth
    for child in node.children.values():
        yield from _bars(child, x, depth + 1, whole_s, clock)
        x += WIDTH * child.time_by(clock) / whole_s if whole_s else 0.0


def _bar(label: str, told: str, place: tuple[float, float, float], colour: str) -> str:
    x, y, width = place
    fits = int((width - 6) / _CHARACTER)
    if len(label) > fits:
        label = label.rpartition(" ")[0]
    shown = label if len(label) <= fits else f"{label[: fits - 1]}…" if fits >= 4 else ""
    return (
        f'<g tabindex="0" role="img" aria-label="{_text(told)}"><title>{_text(told)}</title>'
        f'<rect x="{x:.2f}" y="{y:g}" width="{width:.2f}" height="{ROW:g}" fill="{colour}"/>'
        f'<text x="{x + 3:.2f}" y="{y + 15:g}">{_text(shown)}</text></g>'
    )


def _colours(root: Node, kinds: Mapping[str, str], clock: Clock) -> Mapping[str, str]:
    """Class -> colour: the classes that take the most own time are told apart, the others are grey."""
    spent: dict[str, float] = {}
    for node in root.walk():
        if not node.children:
            kind = kinds.get(node.path, "")
            spent[kind] = spent.get(kind, 0.0) + node.own_by(clock)
    return dict(zip(sorted(spent, key=lambda kind: -spent[kind]), _COLOURS, strict=False))


def _text(text: str) -> str:
    return escape(_NO_XML.sub("\ufffd", text), quote=True)
