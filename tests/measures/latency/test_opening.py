"""A deployed network that cannot be opened or called is told by its reason, and the others are timed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from benchbench.core.backends import Backend, Network, Session, Setup
from benchbench.core.cell import Cell
from benchbench.core.contracts import Replicate, Subject
from benchbench.core.deployment import Deployment
from benchbench.core.errors import (
    ArchitectureError,
    ArtefactError,
    MeasurementError,
    UnsupportedDeploymentError,
)
from benchbench.core.measurement import Failure
from benchbench.core.model import Options
from benchbench.core.registry import BACKENDS
from benchbench.core.suite import ArchitectureSpec
from benchbench.measures.latency import process as process_module
from benchbench.measures.latency.opening import as_settings, failures_of
from benchbench.measures.latency.options import LatencyOptions
from benchbench.measures.latency.process import UNTIMED, take
from benchbench.measures.latency.summary import summarise_replicates

QUICK = {"min_rounds": 5, "min_seconds": 0.0, "budget_s": 0.05, "warmup_s": 0.01, "warmup_limit_s": 0.02}


class NoOptions(Options):
    pass


def backend(*, opening: Exception | None = None, calling: Exception | None = None, **changes: Any) -> Backend:
    """A backend that calls the module, or raises."""

    def open_(network: Network, setup: Setup, artefact: Path | None) -> Session:
        if opening is not None:
            raise opening

        def call() -> Any:
            if calling is not None:
                raise calling
            with torch.inference_mode():
                return network.module(*network.inputs)

        return Session(call=call, run=lambda given: torch.ones(1))

    return Backend(**{"options": NoOptions, "precisions": {"cpu": ("fp32",)}, "open": open_, **changes})


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(BACKENDS, "_added", {})
    monkeypatch.setattr(process_module, "measure_roofs", lambda timer, device: (2.0, 1.0))
    BACKENDS.add("toy", backend())
    return BACKENDS.add


def subject(name: str) -> Subject:
    module = nn.Sequential(spectral_norm(nn.Conv2d(3, 3, 3)), nn.ReLU()).eval()
    deploy = Deployment() if name == "eager" else Deployment(backend=name)
    architecture = ArchitectureSpec(name="transformer_net")
    return Subject(
        name,
        module,
        (torch.ones(1, 3, 8, 8),),
        cell=Cell(variant=name, architecture=architecture, deploy=deploy),
    )


def options(**changes: Any) -> LatencyOptions:
    given = {"processes": 1, "threads": (torch.get_num_threads(),), **QUICK, **changes}
    return LatencyOptions.model_validate(given)


def measured(*names: str) -> Replicate:
    return take({name: lambda name=name: subject(name) for name in ("eager", *names)}, options(), 0, 0)


def failure_of(taken: Replicate, name: str) -> Failure:
    figures = summarise_replicates([taken], "eager", options())
    assert not figures[name].measurements
    assert {each.name for each in figures["toy"].measurements} >= {"latency", "speedup", "first_call"}
    (failure,) = figures[name].failures
    return failure


TOO_LARGE = "a smaller batch or image size, or a machine with more memory"


@pytest.mark.parametrize("at", ["opening", "calling"])
@pytest.mark.parametrize(
    ("error", "kind", "reason", "fix"),
    [
        (RuntimeError("no kernel\nof this kind"), "crashed", "RuntimeError: no kernel\nof this kind", None),
        (torch.OutOfMemoryError("no memory"), "out_of_memory", "OutOfMemoryError: no memory", TOO_LARGE),
        (RuntimeError("CUDA out of memory"), "out_of_memory", "RuntimeError: CUDA out of memory", TOO_LARGE),
        (MeasurementError("the engine fails", fix="mend it"), "invalid", "the engine fails", "mend it"),
        (UnsupportedDeploymentError("no such operator"), "unsupported", "no such operator", None),
        (
            ArtefactError("model.toy is damaged", fix="export it again"),
            "invalid",
            "model.toy is damaged",
            "remove its folder in the run's artefacts/, and run again with --resume",
        ),
    ],
)
def test_whatever_one_session_raises_the_others_are_timed(
    register: Any, at: str, error: Exception, kind: str, reason: str, fix: str | None
) -> None:
    register("broken", backend(**{at: error}))
    taken = measured("broken", "toy")
    assert set(taken.samples) == {"eager", "toy", "(baseline again)"}
    # What was folded of it is nobody's note.
    assert set(taken.notes) >= {"eager", "toy"}
    assert "broken" not in {*taken.notes, *taken.cold_start}
    found = failure_of(taken, "broken")
    assert (found.of, found.kind, found.fix) == ("latency", kind, fix)
    # What crashed says where.
    assert found.reason.partition(" (at ")[0] == reason
    assert (" (at " in found.reason) == (kind == "crashed")


def test_what_this_machine_lacks_is_skipped_at_its_setting(register: Any) -> None:
    register("far", backend(lacks=lambda setup: "no such processor here"))
    found = failure_of(measured("far", "toy"), "far")
    assert found.kind == "skipped"
    assert found.reason == f"{options().setting}: far: no such processor here"
    assert found.fix == "leave that combination out, or use a machine that has it"


def test_a_library_that_does_not_start_fails_for_its_own_sessions(register: Any) -> None:
    def start() -> None:
        raise ImportError("libtoy.so.3 is missing")

    register("broken", backend(start=start))
    found = failure_of(measured("broken", "toy"), "broken")
    assert found.kind == "crashed"
    assert found.reason.startswith("ImportError: libtoy.so.3 is missing (at ")


def test_without_a_baseline_or_a_network_nothing_is_timed(register: Any) -> None:
    register("broken", backend(opening=RuntimeError("no kernel")))
    with pytest.raises(RuntimeError, match="no kernel"):
        take({"broken": lambda: subject("broken"), "toy": lambda: subject("toy")}, options(), 0, 0)

    def unbuilt() -> Subject:
        raise ArchitectureError("it cannot be built")

    with pytest.raises(ArchitectureError):
        take({"eager": lambda: subject("eager"), "v": unbuilt}, options(), 0, 0)


def test_an_interrupt_is_no_failure(register: Any) -> None:
    def start() -> None:
        raise KeyboardInterrupt

    register("slow", backend(start=start))
    with pytest.raises(KeyboardInterrupt):
        measured("slow")


def test_a_process_in_which_a_library_fails_has_the_protocol_of_the_others(
    register: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    register("pooled", backend(has_threads=True))
    whole = measured("pooled")
    once = backend(has_threads=True, calling=RuntimeError("once"))
    monkeypatch.setitem(BACKENDS._added, "pooled", once)
    failed = measured("pooled")
    assert set(failed.samples) == {"eager", "(baseline again)"}
    assert whole.settings[UNTIMED] == failed.settings[UNTIMED] == 1
    protocols = []
    for replicates in ([whole], [failed], [failed, whole]):
        figures = summarise_replicates(replicates, "eager", options())
        (latency,) = (each for each in figures["eager"].measurements if each.name == "latency")
        protocols.append(latency.protocol)
    assert protocols[0] == protocols[1] == protocols[2]


def test_failures_are_kept_in_a_replicate_and_those_of_older_ones_are_read() -> None:
    made = {
        "a": Failure(of="latency", kind="crashed", reason="RuntimeError: no", fix=None),
        "b": Failure(of="latency", kind="out_of_memory", reason="too large", fix="a smaller one"),
    }
    assert failures_of(Replicate(samples={}, settings=as_settings(made))) == made
    older = Replicate(samples={}, settings={"does not open: a": "model.onnx is damaged"})
    assert failures_of(older)["a"].kind == "invalid"
    assert failures_of(Replicate(samples={})) == {}
