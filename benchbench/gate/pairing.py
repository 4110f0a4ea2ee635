"""Which cells and figures of two results belong together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from benchbench.core.cell import Cell, Setting
from benchbench.core.errors import GateError, unknown_name
from benchbench.core.layer_record import LayerCount
from benchbench.core.measurement import CellResult, Measurement, ResultTable

# Of the baseline's own pictures: they change whenever it is trained anew.
BASELINE_OUTPUTS = "outputs of the baseline"


@dataclass(frozen=True, slots=True)
class Paired:
    """One cell of both results; a side that lacks it is None."""

    label: str
    base: CellResult | None
    head: CellResult | None

    @property
    def cell(self) -> Cell:
        """The head's, or the base's where the head has none."""
        found = self.head or self.base
        assert found is not None
        return found.cell


def pair_cells(base: ResultTable, head: ResultTable) -> tuple[Paired, ...]:
    """The cells of both, by label and group, in the head's order, then those that vanished.

    Raises:
        GateError: another suite, or no cell that both have.
    """
    if base.suite.name != head.suite.name:
        raise GateError(
            f"the base is of the suite '{base.suite.name}', the head of '{head.suite.name}'",
            expected="two results of one suite",
            fix="name the baseline of this suite, or write one: --update --reason '...'",
        )
    ours, theirs = ({_key(each.cell): each for each in table.results} for table in (base, head))
    if not ours.keys() & theirs.keys():
        raise GateError(
            "the base and the head share no cell",
            expected=f"one of {', '.join(each.cell.label for each in ours.values()) or 'none'}",
            fix="gate two results of the same cells, or write a new baseline",
        )
    labels = Counter(each.cell.label for each in theirs.values())
    return tuple(
        Paired(_label(key, labels), ours.get(key), theirs.get(key)) for key in dict.fromkeys((*theirs, *ours))
    )


def choose_cells(cells: Sequence[Paired], only: str | None) -> tuple[Paired, ...]:
    """The cells that a glob matches, as `--only` does.

    Raises:
        UnknownNameError: it matches none.
    """
    chosen = [each for each in cells if each.cell.is_chosen(only)]
    if not chosen:
        assert only is not None
        raise unknown_name("cell", only, {name for each in cells for name in each.cell.names})
    return tuple(chosen)


def _key(cell: Cell) -> tuple[str, str]:
    return cell.label, cell.variant_group or ""


def _label(key: tuple[str, str], labels: Counter[str]) -> str:
    return key[0] if labels[key[0]] < 2 else f"{key[0]} ({key[1]})"


def pair_figures(
    base: Sequence[Measurement], head: Sequence[Measurement]
) -> Iterator[tuple[Measurement | None, Measurement | None]]:
    """Figures of one name and setting; where there are several, those of one protocol go together."""
    left = list(head)
    alone: list[Measurement] = []
    for figure in base:
        same = next((each for each in left if each.protocol.hash == figure.protocol.hash), None)
        if same is None:
            alone.append(figure)
            continue
        left.remove(same)
        yield figure, same
    for at in range(max(len(alone), len(left))):
        yield alone[at] if at < len(alone) else None, left[at] if at < len(left) else None


def is_of_other_pictures(base: Measurement, head: Measurement) -> bool:
    """Whether nothing but the pictures of the in-run baseline, which are the reference, differs."""
    ours, theirs = base.protocol, head.protocol
    if ours.name != theirs.name or ours.settings.get("reference") != BASELINE_OUTPUTS:
        return False
    left_out = "reference_digest"
    return {key: value for key, value in ours.settings.items() if key != left_out} == {
        key: value for key, value in theirs.settings.items() if key != left_out
    }


def without_seed(settings: Iterable[Setting]) -> tuple[Setting, ...]:
    """Everything swept but the seed."""
    return tuple(each for each in settings if each.key.rsplit(".", 1)[-1] != "seed")


def macs_by_kind(layers: Iterable[LayerCount]) -> dict[str, int]:
    """MACs per kind of layer."""
    found: dict[str, int] = {}
    for layer in layers:
        if layer.macs:
            found[layer.kind] = found.get(layer.kind, 0) + layer.macs
    return found
