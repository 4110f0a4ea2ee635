"""What the command line asked for, and errors in one line.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pytest

from benchbench.core.errors import BenchbenchError, OptionError, nearest
from benchbench.core.suite import Profile


@dataclass(frozen=True, slots=True)
class Requested:
    """The options, read.

    Attributes:
        may_time: whether pytest-benchmark is switched on; without it nothing says that it is not.
        command: how the run was asked for; kept with the results.
    """

    profile: Profile | None
    overrides: tuple[str, ...]
    only: str | None
    baseline: Path | None
    out: Path
    may_time: bool
    command: str

    @classmethod
    def of(cls, config: pytest.Config) -> Requested:
        """Those of this pytest.

        Raises:
            OptionError: there is no such profile.
        """
        given = config.getoption("benchbench_profile")
        known = get_args(Profile)
        if given is not None and given not in known:
            match = nearest(given, known)
            raise OptionError(
                f"--benchbench-profile {given}",
                expected=f"one of {', '.join(known)}",
                fix=f"did you mean '{match}'?" if match else None,
            )
        baseline = config.getoption("benchbench_baseline")
        off = config.getoption("benchmark_disable", default=False) or config.getoption(
            "benchmark_skip", default=False
        )
        on = config.getoption("benchmark_enable", default=False)
        out = Path(config.getoption("benchbench_out"))
        # Two workers that begin in one second would take one folder for their results.
        worker: dict[str, str] = getattr(config, "workerinput", {})
        return cls(
            profile=given,
            overrides=tuple(config.getoption("benchbench_set")),
            only=config.getoption("benchbench_only"),
            baseline=Path(baseline) if baseline else None,
            out=out / worker["workerid"] if worker else out,
            may_time=on or not off,
            command=shlex.join(["pytest", *config.invocation_params.args]),
        )


def one_line(error: BenchbenchError) -> str:
    """Place, problem, what was expected and what to do, without a line break."""
    parts = [error.problem if error.where is None else f"{error.where}: {error.problem}"]
    if error.expected:
        parts.append(f"expected: {error.expected}")
    if error.fix:
        parts.append(f"to do: {error.fix}")
    return "; ".join(" ".join(part.split()) for part in parts)
