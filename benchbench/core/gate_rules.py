"""What a gate asks of each measure and cell, as a suite's `gate:` or a `gate.yaml` declares it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import BeforeValidator, Field, model_validator

from benchbench.core.errors import OptionError, nearest, unknown_name
from benchbench.core.model import Frozen
from benchbench.core.source_map import Place, SourceMap

OnChange: TypeAlias = Literal["fail", "warn", "ignore"]

TIMES = ("latency", "speedup", "device_latency", "device_speedup")
# What may be named before anything was measured; a suite's own measures add theirs.
KNOWN_NAMES = (
    *("parameters", "macs", "macs_output_size", "elementwise", "peak_activation", "output"),
    *("discriminator_parameters", "discriminator_macs", "total_parameters"),
    *TIMES,
    *("perceptual_loss", "content_loss", "style_loss"),
    *("fid", "clean_fid", "kid", "clean_kid", "fd", "kd", "kd_subsets", "inception_score"),
    *("precision", "recall", "density", "coverage"),
    *("lpips", "lpips_diversity", "l1", "psnr", "ssim", "miou"),
)
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")
PERCENT_PATTERN = r"^\d+(\.\d+)?\s*%$"


def _share(value: object) -> object:
    found = _PERCENT.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        return value
    share = float(found[1]) / 100
    if share >= 1:
        raise ValueError(f"a tolerance of {found[1]} % lets nearly everything pass: expected below 100 %")
    return share


Tolerance = Annotated[float, BeforeValidator(_share), Field(ge=0)]


class GateRule(Frozen):
    """What is asked of one measure; what it leaves unsaid stays as a more general rule has it.

    `exact`, `ignore`, `0.05`, `5 %`, or `{tolerance: 5 %, on: warn}`, `{rule: exact, on: warn}`.

    Attributes:
        rule: `exact`, `ignore`, or `within` a tolerance.
        tolerance: how much worse is let pass, as a share of the base.
        on: what a broken rule does: `fail` ends the gate with 1, `warn` tells and goes on.
    """

    rule: Literal["exact", "ignore", "within"] | None = None
    tolerance: Tolerance | None = None
    on: Literal["fail", "warn"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_short_form(cls, value: object) -> object:
        if isinstance(value, str):
            if _PERCENT.fullmatch(value.strip()):
                return {"tolerance": value}
            if value not in ("exact", "ignore"):
                match = nearest(value, ("exact", "ignore"))
                raise ValueError(
                    f"'{value}' is no rule; exact, ignore, 0.05, 5 % or a mapping is"
                    + (f", did you mean '{match}'?" if match else "")
                )
            return {"rule": value}
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return {"tolerance": value}
        return value

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        if self.tolerance is not None and self.tolerance >= 1:
            raise ValueError(
                f"a tolerance of {self.tolerance:g} is {100 * self.tolerance:g} %; "
                f"write '{self.tolerance:g} %' or a share below 1"
            )
        if self.tolerance is not None and self.rule not in (None, "within"):
            raise ValueError(f"'rule: {self.rule}' takes no tolerance")
        if self.rule == "within" and self.tolerance is None:
            raise ValueError("'rule: within' needs a tolerance")
        return self


class GateRules(Frozen):
    """The rules of a gate; without any, those of docs/gate.md hold.

    Attributes:
        measures: measure -> rule; `*` and `?` stand for anything, brackets for themselves. The last that
            matches counts.
        cells: cell (its label, variant or id) -> measure -> rule; these count after `measures`.
        vanished: what a cell or figure that only the base has does.
        appeared: what a cell that only the head has does.
    """

    measures: dict[str, GateRule] = {}
    cells: dict[str, dict[str, GateRule]] = {}
    vanished: OnChange = "fail"
    appeared: OnChange = "warn"


def matches(glob: str, names: Iterable[str]) -> bool:
    """Whether a glob matches one of the names; `[` and `]` stand for themselves, as in `fd[rand-conv-64]`."""
    pattern = re.escape(glob).replace(r"\*", ".*").replace(r"\?", ".")
    return any(re.fullmatch(pattern, name, flags=re.DOTALL) for name in names)


def check_rules(rules: GateRules, known: Iterable[str], sources: SourceMap, place: Place) -> None:
    """Check the names of measures in rules, and that no time is asked to be exact, as 0 % would be.

    Args:
        rules: what was declared.
        known: names of measures; `fd` stands for every `fd[...]`.
        sources: where each part was said.
        place: of the rules in that document.

    Raises:
        UnknownNameError: a measure that nothing makes; the nearest is named.
        OptionError: a rule that asks a time to be exact.
    """
    names = set(known)
    for name, rule, below in _all_rules(rules):
        where = sources.at((*place, *below))
        is_glob = "*" in name or "?" in name
        if not is_glob and name not in names and name.partition("[")[0] not in names:
            raise unknown_name("measure in a gate's rules", name, names, where=where)
        if (rule.rule == "exact" or rule.tolerance == 0) and name in TIMES:
            raise never_exact(name).at(where)


def never_exact(name: str) -> OptionError:
    """The error for a rule that asks a time to be exact."""
    return OptionError(
        f"'{name}' is a time, and no two times are equal",
        expected="a tolerance (5 %) or ignore",
        fix=f"write `{name}: 10 %`, or name the counts instead of `*`",
    )


def _all_rules(rules: GateRules) -> Iterator[tuple[str, GateRule, Place]]:
    for name, rule in rules.measures.items():
        yield name, rule, ("measures", name)
    for cell, declared in rules.cells.items():
        for name, rule in declared.items():
            yield name, rule, ("cells", cell, name)
