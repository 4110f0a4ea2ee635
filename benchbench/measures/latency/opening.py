"""Subjects of one process, opened side by side: one that does not open takes no other's figures with it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from benchbench.backends.prepare import start_backends
from benchbench.core.backends import Fact
from benchbench.core.contracts import Replicate, Subject
from benchbench.core.deployment import Deployment
from benchbench.core.errors import (
    ArtefactError,
)
from benchbench.core.measurement import Failure
from benchbench.measures.failures import explain_failure
from benchbench.measures.latency.options import LatencyOptions
from benchbench.measures.latency.placing import build_subject_of, call_of, place_subject
from benchbench.measures.latency.timers import Timer

_FAILED = "does not open: "
_KIND = "kind of failure of "
_FIX = "to do about "


@dataclass(slots=True)
class SideBySide:
    """What of a comparison can be timed, and what cannot.

    Attributes:
        deployments: how each subject is declared to run, by name; those that failed are among them.
        subjects: those that were opened and called once.
        cold: seconds of (build, load, first call) of each of these.
        folded: which norms of weights were folded, of each of these.
        failures: why each of the others cannot be timed.
        loading_s: seconds of what is nobody's cold start.
    """

    deployments: dict[str, Deployment] = field(default_factory=dict)
    subjects: dict[str, Subject] = field(default_factory=dict)
    cold: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    folded: dict[str, str] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)
    loading_s: float = 0.0


def open_side_by_side(
    builders: Mapping[str, Callable[[], Subject]],
    order: Sequence[str],
    options: LatencyOptions,
    timer: Timer,
) -> SideBySide:
    """Build, place and call every subject once, in `order`; the first of `builders` is the baseline.

    Raises:
        BenchbenchError: a subject cannot be built.
        Exception: what the baseline, or a network in eager float32, raises as it is opened or called:
            without it there is nothing to compare with.
    """
    baseline = next(iter(builders))
    began_s = timer.now_s()
    # Once for nothing: the first replacement of a process loads modules for half a second.
    made = SideBySide({name: build_subject_of(builders[name]).deployment for name in order})
    unstarted = _start({each.backend for each in made.deployments.values()})
    made.loading_s = timer.now_s() - began_s
    for name in order:
        built = build_subject_of(builders[name])
        try:
            subject, folded, first_call_s = _open(built, unstarted, options, timer)
        except Exception as error:  # libraries, and networks in them, raise anything
            if name == baseline or built.deployment.is_reference:
                raise
            made.failures[name] = _explain(error)
            continue
        made.subjects[name], made.folded[name] = subject, folded
        made.cold[name] = (subject.build_s, subject.load_s, first_call_s)
    return made


def _start(backends: Collection[str]) -> dict[str, Exception]:
    """What each library raises that does not start; its sessions fail by it, and those of others do not."""
    raised: dict[str, Exception] = {}
    for name in sorted(backends):
        try:
            start_backends([name])
        except Exception as error:
            raised[name] = error
    return raised


def _open(
    built: Subject, unstarted: Mapping[str, Exception], options: LatencyOptions, timer: Timer
) -> tuple[Subject, str, float]:
    error = unstarted.get(built.deployment.backend)
    if error is not None:
        raise error
    subject, folded = place_subject(built, torch.device(options.device[0]), options)
    return subject, folded, timer.end_to_end_s(call_of(subject), 1)


def _explain(error: Exception) -> Failure:
    failure = explain_failure(error, of="latency")
    if not isinstance(error, ArtefactError):
        return failure
    # Who runs a suite exports nothing; the run does, what is missing.
    fix = "remove its folder in the run's artefacts/, and run again with --resume"
    return failure.model_copy(update={"fix": fix})


def as_settings(failures: Mapping[str, Failure]) -> dict[str, Fact]:
    """Failures by subject, as the settings of a replicate keep them."""
    kept: dict[str, Fact] = {}
    for name, failure in failures.items():
        kept |= {f"{_FAILED}{name}": failure.reason, f"{_KIND}{name}": failure.kind}
        kept |= {} if failure.fix is None else {f"{_FIX}{name}": failure.fix}
    return kept


def failures_of(replicate: Replicate) -> dict[str, Failure]:
    """Why subjects have no samples in a replicate, by name; older ones say no kind."""
    settings = replicate.settings
    names = [key.removeprefix(_FAILED) for key in settings if key.startswith(_FAILED)]
    return {
        name: Failure.model_validate(
            {
                "of": "latency",
                "kind": settings.get(f"{_KIND}{name}") or "invalid",
                "reason": str(settings[f"{_FAILED}{name}"]),
                "fix": settings.get(f"{_FIX}{name}"),
            }
        )
        for name in names
    }
