"""Memory of networks that other backends run: what is told of them, and what is not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn

from benchbench.core.backends import Backend, Session
from benchbench.core.cell import Cell
from benchbench.core.contracts import Subject
from benchbench.core.deployment import Deployment
from benchbench.core.model import Options
from benchbench.core.registry import BACKENDS
from benchbench.core.suite import ArchitectureSpec
from benchbench.measures import memory
from benchbench.measures.memory import MemoryOptions, measure, summarise, take_memory
from benchbench.measures.memory_figures import FIGURES, untold
from benchbench.measures.memory_probe import Probe


class NoOptions(Options):
    pass


@pytest.fixture(autouse=True)
def backends(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`library` needs a package beside torch, `torchs` does not."""
    monkeypatch.setattr(BACKENDS, "_added", {})
    both: Any = {"cpu": ("fp32", "bf16"), "cuda": ("fp32",)}

    def open_(*_: Any) -> Session:
        raise AssertionError

    BACKENDS.add("library", Backend(NoOptions, both, open_, packages=("json",)))
    BACKENDS.add("torchs", Backend(NoOptions, both, open_))


def cell(**deploy: Any) -> Cell:
    architecture = ArchitectureSpec(name="transformer_net")
    return Cell(variant="v", architecture=architecture, deploy=Deployment.model_validate(deploy))


def subject(facts: dict[str, Any] | None = None, **deploy: Any) -> Subject:
    session = None if not deploy else Session(lambda: None, lambda given: torch.ones(1), facts or {})
    return Subject("v", nn.Identity(), (torch.ones(1, 3, 8, 8),), cell=cell(**deploy), session=session)


def options(**changes: Any) -> MemoryOptions:
    return MemoryOptions.model_validate({"threads": (torch.get_num_threads(),), **changes})


def probe() -> Probe:
    residents = iter([900, 700, 800])
    return Probe(
        "reset", lambda: None, lambda: 100, lambda: 150, lambda: {"memory_resident": next(residents)}
    )


def test_a_librarys_session_has_the_memory_of_its_process_and_no_growth() -> None:
    made = summarise([take_memory(subject(backend="library"), options(), probe=probe())], options())
    (resident,) = made.measurements
    # The largest of all calls.
    assert (resident.name, resident.value) == ("memory_resident", 900.0)
    assert resident.protocol.settings["dtype"] == "as deployed"
    assert "less what was" not in str(resident.protocol.settings["how"])
    # The other is of the activations, which `take` counts.
    failure, _ = made.failures
    assert (failure.of, failure.kind, failure.fix) == (
        "memory: memory_growth",
        "skipped",
        "see memory_resident",
    )
    assert failure.reason.startswith(f"{options().setting}: 'library' keeps the memory of its calls")


def test_every_deployment_has_the_memory_of_its_process_under_one_protocol() -> None:
    hashes = set()
    for deploy in ({}, {"backend": "library"}, {"backend": "torchs"}):
        made = summarise([take_memory(subject(**deploy), options(), probe=probe())], options())
        hashes |= {each.protocol.hash for each in made.measurements if each.name == "memory_resident"}
        assert ("memory_growth" in {each.name for each in made.measurements}) == (
            deploy != {"backend": "library"}
        )
    assert len(hashes) == 1


@pytest.mark.parametrize(
    ("deploy", "dtype"),
    [
        ({"backend": "torchs"}, torch.float32),
        ({"backend": "torchs", "precision": "bf16"}, torch.bfloat16),
        ({"backend": "library"}, None),
    ],
)
def test_inputs_count_as_the_network_has_them_and_where_growth_is_told_alone(
    deploy: Any, dtype: torch.dtype | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[torch.Tensor] = []

    def called(placed: Subject) -> Any:
        given.extend(placed.inputs)
        return lambda: None

    monkeypatch.setattr(memory, "call_of", called)
    own = subject(**deploy)
    take_memory(own, options(), probe=probe())
    assert all(each.dtype == (dtype or torch.float32) for each in given)
    assert all((each is own.inputs[0]) == (dtype is None) for each in given)


def test_where_the_peak_cannot_be_reset_each_figure_says_what_that_means() -> None:
    stuck = Probe("difference", lambda: None, lambda: 1, lambda: 2, lambda: {"memory_resident": 9})
    made = summarise([take_memory(subject(), options(), probe=stuck)], options())
    flags = {each.name: each.flags for each in made.measurements}
    assert flags == {name: (FIGURES[name].flag,) for name in ("memory_growth", "memory_resident")}
    assert "difference" in flags["memory_growth"][0]
    assert "difference" not in flags["memory_resident"][0]


def test_memory_that_a_cuda_graph_keeps_is_not_told_as_allocated() -> None:
    graphs = ({"backend": "cuda_graph"}, {}), ({"backend": "torchs"}, {"mode": "max-autotune"})
    for deploy, facts in graphs:
        assert set(untold(subject(facts, **deploy), "cuda")) == {"memory_growth", "memory_allocated"}
    assert untold(subject({"mode": "max-autotune"}, backend="torchs"), "cpu") == {}
    assert untold(subject({"mode": "default"}, backend="torchs"), "cuda") == {}
    assert untold(subject(), "cuda") == {}


def test_a_librarys_gpu_memory_is_not_looked_for_in_torchs_allocator() -> None:
    comparison = measure.comparison
    assert comparison is not None
    refusal = comparison.refuses(cell(backend="library"), options(device="cuda"))
    assert refusal is not None
    assert (refusal.kind, refusal.reason) == (
        "skipped",
        "cuda: 'library' takes GPU memory past torch's allocator, which alone is read",
    )
    for deploy, device in (({}, "cuda"), ({"backend": "torchs"}, "cuda"), ({"backend": "library"}, "cpu")):
        assert comparison.refuses(cell(**deploy), options(device=device)) is None
    assert comparison.refuses(cell(backend="openvino"), options(device="cuda")) is not None
