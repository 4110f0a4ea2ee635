"""Errors that say what was given, what was expected and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Location:
    """Where in a file something was declared; `line` counts from 1."""

    path: str
    line: int | None = None
    key: str | None = None

    def __str__(self) -> str:
        place = self.path if self.line is None else f"{self.path}:{self.line}"
        return place if not self.key else f"{place}: {self.key}"


class BenchbenchError(Exception):
    """Base of every error that a user is meant to read.

    Args:
        problem: what is wrong, naming what was given.
        expected: what would have been right.
        fix: what to do now, a command where there is one.
        where: the file, line and key it came from.
    """

    exit_code = 2
    # The variant whose network could not be built; whoever has the suite's file knows its line.
    variant: str | None = None

    def __init__(
        self,
        problem: str,
        *,
        expected: str | None = None,
        fix: str | None = None,
        where: Location | None = None,
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.expected = expected
        self.fix = fix
        self.where = where

    def at(self, where: Location) -> Self:
        """The same error with its place in a file, unless it has one already."""
        if self.where is None:
            self.where = where
        return self

    def of(self, variant: str) -> Self:
        """The same error, told as that variant's."""
        if self.variant is None:
            self.variant = variant
            self.problem = f"variant '{variant}': {self.problem}"
        return self

    @property
    def reason(self) -> str:
        """Place, problem and what was expected: for a record that keeps the fix apart."""
        told = self.problem if self.where is None else f"{self.where}: {self.problem}"
        return f"{told}\n  expected: {self.expected}" if self.expected else told

    def __str__(self) -> str:
        return f"{self.reason}\n  to do: {self.fix}" if self.fix else self.reason


class SuiteError(BenchbenchError):
    """A suite file that cannot be read, is not valid or expands to nothing."""


class UnknownNameError(BenchbenchError):
    """A name that no registry, stage map or suite knows."""


class OptionError(BenchbenchError):
    """An option that does not exist or has a value out of its range.

    Args:
        problem, expected, fix, where: as in every error.
        option: the place of the option among its fellows, `("optimizer", "lr")`; () = all of them.
    """

    def __init__(
        self,
        problem: str,
        *,
        expected: str | None = None,
        fix: str | None = None,
        where: Location | None = None,
        option: tuple[str | int, ...] = (),
    ) -> None:
        super().__init__(problem, expected=expected, fix=fix, where=where)
        self.option = option


class ArchitectureError(BenchbenchError):
    """A model that could not be built or imported, or inputs that do not fit it."""


class ReplacementError(BenchbenchError):
    """A replacement that selects nothing or changes the shape of what it replaces."""


class NotReplaceableError(BenchbenchError):
    """One layer that a replacement declines; it is listed in the result, not raised to users."""


class DataError(BenchbenchError):
    """Images that are missing, broken or too small."""


class CheckpointError(BenchbenchError):
    """A checkpoint or weights file that is missing, unsafe or does not fit the model."""


class DependencyError(BenchbenchError):
    """An optional library that is not installed; `fix` is the command that installs it."""


class FeatureError(BenchbenchError):
    """Features that are no numbers, of another shape than declared, or too few for what is asked."""


class ProtocolMismatchError(BenchbenchError):
    """Figures of different protocols were to be compared; the message names the fields that differ."""


class StoreError(BenchbenchError):
    """Results that cannot be written or read."""


class DamagedResultError(StoreError):
    """A result file that is not whole: half written, or changed since."""


class GateError(BenchbenchError):
    """Two sides that a gate cannot compare: another suite, a baseline without samples, no such revision."""


class LockedError(BenchbenchError):
    """Another process is measuring latency on this machine."""

    exit_code = 1


class MeasurementError(BenchbenchError):
    """A measurement that could not be made; recorded in the result with its reason."""

    exit_code = 1


class UnsupportedOperatorError(MeasurementError):
    """An operator that computes and that no counting rule covers."""


class CountMismatchError(MeasurementError):
    """Two independent MAC counters disagree."""


class UnsupportedDeploymentError(MeasurementError):
    """A network, precision, shape or machine that a backend does not support."""


class NotHadError(UnsupportedDeploymentError):
    """A combination that a backend, or this machine's processor, GPU or driver, does not have."""


class ArtefactError(MeasurementError):
    """A deployed file that is missing, damaged, or of another network."""


class CalibrationError(MeasurementError):
    """A calibration set that is too small, or whose inputs do not fit the network."""


class OutputsDifferError(MeasurementError):
    """A deployed network whose outputs are further from eager float32's than was declared."""


class DivergedError(MeasurementError):
    """A loss became NaN or infinite at `step`, counted from 1."""

    step: int | None = None


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name closest to `name`, or None when nothing is near."""
    by_lower = {candidate.lower(): candidate for candidate in known}
    matches = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.5)
    return by_lower[matches[0]] if matches else None


def unknown_name(
    kind: str, name: str, known: Iterable[str], *, where: Location | None = None
) -> UnknownNameError:
    """The error for a name that is not in `known`, with its nearest match."""
    names = sorted(known)
    match = nearest(name, names)
    return UnknownNameError(
        f"unknown {kind} '{name}'",
        expected=f"one of {', '.join(names)}" if names else f"no {kind} is known here",
        fix=f"did you mean '{match}'?" if match else None,
        where=where,
    )
