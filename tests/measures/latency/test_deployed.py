"""Networks that other backends run, timed beside eager float32."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from benchbench.core.backends import Backend, Network, Session, Setup
from benchbench.core.cell import Cell
from benchbench.core.contracts import Replicate, Subject
from benchbench.core.deployment import Deployment
from benchbench.core.errors import ArtefactError, DependencyError, UnsupportedDeploymentError
from benchbench.core.model import Options
from benchbench.core.registry import BACKENDS
from benchbench.core.suite import ArchitectureSpec
from benchbench.measures.deployed import open_deployed, refuse_other_devices
from benchbench.measures.latency.options import LatencyOptions
from benchbench.measures.latency.process import UNTIMED, take
from benchbench.measures.latency.summary import has_converged, protocol_of, summarise_replicates


class NoOptions(Options):
    pass


def backend(**changes: Any) -> Backend:
    def open_(network: Network, setup: Setup, artefact: Path | None) -> Session:
        module = network.module

        def run(given: Any) -> Any:
            assert artefact is None
            with torch.inference_mode():
                return module(*given)

        return Session(
            call=lambda: run(network.inputs), run=run, facts={"threads": setup.threads, "library": "toy 1"}
        )

    return Backend(
        **{"options": NoOptions, "precisions": {"cpu": ("fp32", "int8")}, "open": open_, **changes}
    )


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(BACKENDS, "_added", {})
    return BACKENDS.add


def cell(variant: str = "v", **deploy: Any) -> Cell:
    return Cell(
        variant=variant,
        architecture=ArchitectureSpec(name="transformer_net"),
        deploy=Deployment.model_validate(deploy),
    )


def subject(**deploy: Any) -> Subject:
    torch.manual_seed(0)
    return Subject("v", nn.Conv2d(3, 3, 3).eval(), (torch.ones(1, 3, 8, 8),), cell=cell(**deploy))


def options(**changes: Any) -> LatencyOptions:
    quick = {"min_rounds": 5, "min_seconds": 0.0, "budget_s": 0.05, "warmup_s": 0.01, "warmup_limit_s": 0.02}
    given = {"processes": 1, "threads": (torch.get_num_threads(),), **quick, **changes}
    return LatencyOptions.model_validate(given)


def measured(opts: LatencyOptions, *deployments: dict[str, Any]) -> Replicate:
    ways: list[dict[str, Any]] = [{}, *deployments]
    builders = {" ".join(map(str, way.values())) or "eager": (lambda way=way: subject(**way)) for way in ways}
    return take(builders, opts, seed=0, index=0)


def test_a_deployed_network_is_opened_with_the_threads_of_the_comparison(register: Any) -> None:
    register("toy", backend())
    opened, _ = open_deployed(subject(backend="toy"), device="cpu", threads=3, fold=lambda module: "folded")
    assert opened.session is not None
    assert opened.session.facts["threads"] == 3
    assert opened.load_s > 0
    plain = subject()
    assert torch.equal(opened.module(plain.inputs[0]), plain.module(plain.inputs[0]))


def test_one_call_goes_untimed_where_libraries_with_pools_of_their_own_are_side_by_side(
    register: Any,
) -> None:
    register("toy", backend())
    register("pooled", backend(has_threads=True))
    alone = measured(options(), {"backend": "toy"})
    beside = measured(options(), {"backend": "toy"}, {"backend": "pooled"})
    assert UNTIMED not in alone.settings
    assert beside.settings[UNTIMED] == 1
    assert measured(options(untimed=0), {"backend": "pooled"}).settings.get(UNTIMED) is None
    assert beside.settings["library pooled"] == "toy 1"
    figures = summarise_replicates([beside], "eager", options())
    found = {each.name: each for each in figures["pooled"].measurements}
    assert found["latency"].protocol.settings["untimed"] == 1
    assert found["speedup"].baseline == "eager"


def test_figures_without_untimed_calls_keep_the_protocol_that_they_had() -> None:
    assert protocol_of(options()).hash == protocol_of(options(untimed=0)).hash
    assert "untimed" not in protocol_of(options()).settings
    assert protocol_of(options(), untimed=1).hash != protocol_of(options()).hash


@pytest.mark.parametrize(
    ("changes", "deploy", "told"),
    [
        ({"packages": ("no_such_package_1",), "extra": "toy"}, {}, "needs no_such_package_1"),
        ({"precisions": {"cuda": ("fp32",)}}, {}, "runs on cuda alone, not on cpu"),
        ({}, {"precision": "bf16"}, "has no bf16 on cpu"),
        ({}, {"memory_format": "channels_last"}, "chooses the memory format itself"),
        ({"shapes": ("static",)}, {"shapes": "dynamic"}, "static shapes alone, and dynamic ones"),
        ({"lacks": lambda setup: "this processor has none of it"}, {}, "this processor has none of it"),
    ],
)
def test_what_cannot_be_run_here_says_why(register: Any, changes: Any, deploy: Any, told: str) -> None:
    register("toy", backend(**changes))
    wanted = DependencyError if "packages" in changes else UnsupportedDeploymentError
    with pytest.raises(wanted, match=told) as caught:
        open_deployed(subject(backend="toy", **deploy), device="cpu", threads=1, fold=lambda module: "")
    if "packages" in changes:
        assert caught.value.fix == "pip install 'benchbench[toy]'"


def test_a_comparison_refuses_what_runs_on_another_device(register: Any) -> None:
    register("far", backend(precisions={"cuda": ("fp32",)}))
    assert refuse_other_devices(cell(), options()) is None
    refusal = refuse_other_devices(cell(backend="far"), options())
    assert refusal is not None
    assert (refusal.kind, "'far' runs on cuda alone" in refusal.reason) == ("skipped", True)
    assert refuse_other_devices(cell(backend="far"), options(device="cuda")) is None


@pytest.mark.parametrize(
    ("changes", "deploy", "told"),
    [
        ({"precisions": {"cpu": ("fp32",), "cuda": ("fp32",)}}, {"precision": "int8"}, "has no int8 on cpu"),
        ({"lacks": lambda setup: "no such processor"}, {}, "toy: no such processor"),
    ],
)
def test_a_comparison_refuses_what_this_machine_does_not_have(
    register: Any, changes: Any, deploy: Any, told: str
) -> None:
    register("toy", backend(**changes))
    refusal = refuse_other_devices(cell(backend="toy", **deploy), options())
    assert refusal is not None
    assert refusal.kind == "skipped"
    assert refusal.reason.startswith(f"{options().setting}: ")
    assert told in refusal.reason
    assert refusal.fix is not None
    assert refusal.fix.startswith("leave that combination out")


def test_a_library_that_is_broken_or_gone_is_told_before_anything_is_opened(register: Any) -> None:
    def broken(setup: Setup) -> str | None:
        raise OSError("libtoy.so.3 is missing")

    register("toy", backend(lacks=broken))
    register("gone", backend(packages=("no_such_package_1",)))
    found = {name: refuse_other_devices(cell(backend=name), options()) for name in ("toy", "gone")}
    for name, kind, told in (
        ("toy", "crashed", "OSError: libtoy.so.3 is missing"),
        ("gone", "invalid", "gone needs no_such_package_1, which is not installed"),
    ):
        refusal = found[name]
        assert refusal is not None
        assert refusal.kind == kind
        assert refusal.reason.startswith(f"{options().setting}: {told}")


def test_a_session_that_does_not_open_fails_alone(register: Any) -> None:
    def refuse(network: Network, setup: Setup, artefact: Path | None) -> Session:
        raise ArtefactError("model.toy is damaged", fix="export it again")

    register("toy", backend())
    register("broken", backend(open=refuse))
    taken = measured(options(), {"backend": "broken"}, {"backend": "toy"})
    assert set(taken.samples) == {"eager", "toy", "(baseline again)"}
    figures = summarise_replicates([taken], "eager", options())
    (failure,) = figures["broken"].failures
    assert (failure.of, failure.kind, failure.reason) == ("latency", "invalid", "model.toy is damaged")
    assert figures["toy"].measurements
    whole = measured(options(), {"backend": "toy"})
    # What one process lacks is not made of the others alone.
    lacking = whole.model_copy(update={"samples": {**whole.samples, "broken": whole.samples["toy"]}})
    both = summarise_replicates([lacking, taken], "eager", options())
    assert (both["broken"].measurements, len(both["broken"].failures)) == ((), 1)
    assert isinstance(has_converged([lacking, taken], "eager", options()), bool)


def test_libraries_are_started_before_any_of_them_is_timed(register: Any) -> None:
    events: list[str] = []
    plain = backend()

    def open_(network: Network, setup: Setup, artefact: Path | None) -> Session:
        events.append("opened")
        return plain.open(network, setup, artefact)

    register("toy", backend(open=open_, start=lambda: events.append("started")))
    measured(options(), {"backend": "toy"})
    assert events == ["started", "opened"]


def test_networks_that_are_timed_side_by_side_have_one_protocol(register: Any) -> None:
    register("toy", backend())
    taken = measured(options(), {"backend": "toy", "precision": "int8"})
    figures = summarise_replicates([taken], "eager", options())
    (eager,) = (each for each in figures["eager"].measurements if each.name == "latency")
    (int8,) = (each for each in figures["toy int8"].measurements if each.name == "latency")
    # Figures that are taken side by side can be compared, whatever runs them.
    assert eager.protocol == int8.protocol
    assert int8.protocol.settings["dtype"] == "as deployed"
    assert eager.protocol != protocol_of(options())


def test_other_work_is_told_where_backends_are_side_by_side(register: Any) -> None:
    register("toy", backend())
    for deployments, pressure, told in (
        ([{"backend": "toy"}], 60.0, True),
        ([{"backend": "toy"}], 2.0, False),
        ([], 60.0, False),
    ):
        taken = measured(options(), *deployments)
        busy = taken.model_copy(
            update={"settings": {**taken.settings, "pressure_cpu_some_10s_after": pressure}}
        )
        figures = summarise_replicates([busy], "eager", options())["eager"].measurements
        (latency,) = (each for each in figures if each.name == "latency")
        assert any("other work had the CPUs (pressure 60 %)" in flag for flag in latency.flags) == told
