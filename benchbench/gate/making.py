"""Verdicts of one cell, made alike wherever they come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from benchbench.core.cell import Cell
from benchbench.core.gate_rules import OnChange
from benchbench.core.gating import Status, Verdict
from benchbench.core.measurement import Interval
from benchbench.gate.rules import Rule

# What `--only` takes ("" = all) -> the command that judges that cell again.
Rerun = Callable[[str], str]


def no_command(only: str) -> str:
    """For who has no command that says so again."""
    del only
    return ""


def name_for_only(cell: Cell) -> str:
    """What `--only` finds a cell by: its label, or its id where the label has what a glob would read."""
    return cell.id if any(each in cell.label for each in "*?[") else cell.label


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes the verdicts of one cell; `label` is what they call it, `only` what `--only` takes."""

    label: str
    only: str
    rerun: Rerun

    @classmethod
    def of(cls, cell: Cell, rerun: Rerun, *, label: str = "") -> Maker:
        """The maker for a cell."""
        return cls(label or cell.label, name_for_only(cell), rerun)

    def verdict(
        self,
        measure: str,
        status: Status,
        reason: str,
        *,
        rule: Rule | None = None,
        setting: str = "",
        unit: str = "1",
        base: float | None = None,
        head: float | None = None,
        change: float | None = None,
        interval: Interval | None = None,
    ) -> Verdict:
        """One verdict; a `fail` under a rule that warns becomes a `note` that is a warning."""
        warns = status == "fail" and rule is not None and rule.on == "warn"
        return Verdict(
            cell=self.label,
            measure=measure,
            setting=setting,
            status="note" if warns else status,
            reason=f"{reason}; a warning by its rule" if warns else reason,
            unit=unit,
            base=base,
            head=head,
            change=_ratio(base, head) if change is None else change,
            interval=interval,
            tolerance=None if rule is None else rule.tolerance,
            is_warning=warns,
            rerun="" if status in ("pass", "note") and not warns else self.rerun(self.only),
        )

    def without_only(self) -> Maker:
        """The same, of a cell that `--only` would not find in the head."""
        return replace(self, only="")

    def presence(self, measure: str, on: OnChange, reason: str, *, setting: str = "") -> Verdict | None:
        """What vanished or appeared; None where that is ignored."""
        if on == "ignore":
            return None
        return self.verdict(measure, "fail", reason, rule=Rule("exact", None, on), setting=setting)


def _ratio(base: float | None, head: float | None) -> float | None:
    if base is None or head is None or base <= 0 or head <= 0:
        return None
    return head / base
