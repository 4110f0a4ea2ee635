from __future__ import annotations

import contextlib
import gc
import weakref
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from benchbench.backends import cuda_graph
from benchbench.backends.cuda_graph import CudaGraphOptions, backend, open_graph
from benchbench.backends.placement import Placement
from benchbench.core.backends import Network, Setup
from benchbench.core.deployment import Deployment
from benchbench.core.errors import UnsupportedDeploymentError


class Net(nn.Module):
    """Writes its results where it wrote the first ones, as recorded kernels do."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((1,), 3.0))
        self.calls = 0
        self.replayed: Callable[[], None] = lambda: None

    def forward(self, image: Tensor, *, label: Tensor) -> tuple[Tensor, Tensor]:
        self.calls += 1
        made, count = image * self.weight, label + 1

        def again() -> None:
            # As a replay does, which knows of no such modes.
            with torch.inference_mode():
                refill()

        def refill() -> None:
            made.copy_(image * self.weight)
            count.copy_(label + 1)

        self.replayed = again
        return made, count


class Stream:
    def __init__(self, log: list[str]) -> None:
        self.log = log

    def wait_stream(self, other: Stream) -> None:
        self.log.append("wait")


class FakeCuda:
    """What torch.cuda is asked for; recording takes the kernels of the module's last call."""

    def __init__(self, module: Net) -> None:
        self.log: list[str] = []
        self.module = module

    def install(self, monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype = torch.float32) -> None:
        here = self

        class Graph:
            def replay(self) -> None:
                here.log.append("replay")
                here.module.replayed()

        @contextlib.contextmanager
        def within(what: str) -> Iterator[None]:
            here.log.append(f"{what} begins")
            try:
                yield
            finally:
                here.log.append(f"{what} ends")

        @contextlib.contextmanager
        def capturing(graph: object) -> Iterator[None]:
            try:
                with within("capture"):
                    yield
            except Exception as error:
                # As torch's own does: it ends the recording, which fails, while the error is on its way.
                raise RuntimeError("CUDA error: operation failed due to a previous error") from error

        monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
        monkeypatch.setattr(torch.cuda, "Stream", lambda: Stream(here.log))
        monkeypatch.setattr(torch.cuda, "current_stream", lambda: Stream(here.log))
        monkeypatch.setattr(torch.cuda, "stream", lambda stream: within("aside"))
        monkeypatch.setattr(torch.cuda, "graph", capturing)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Toy GPU")
        on_cpu = Placement(torch.device("cpu"), dtype, torch.contiguous_format)
        monkeypatch.setattr(cuda_graph, "placement_of", lambda setup: on_cpu)


@pytest.fixture
def setup() -> Setup:
    return Setup(Deployment(backend="cuda_graph"), CudaGraphOptions(), device="cuda")


def network(module: nn.Module) -> Network:
    return Network(module.eval(), (torch.tensor([1.0, 2.0]), torch.tensor([5])), ("", "label"))


def test_it_warms_up_aside_captures_once_and_replays(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    module = Net()
    cuda = FakeCuda(module)
    cuda.install(monkeypatch)
    session = open_graph(network(module), setup)
    assert module.calls == 4
    assert cuda.log == ["wait", "aside begins", "aside ends", "wait", "capture begins", "capture ends"]
    session.call()
    session.call()
    assert module.calls == 4
    assert cuda.log[-2:] == ["replay", "replay"]
    assert session.facts["gpu"] == "Toy GPU"


def test_run_takes_other_values_and_leaves_the_examples(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = Net()
    FakeCuda(module).install(monkeypatch)
    own = network(module)
    session = open_graph(own, setup)
    made, count = session.run((torch.tensor([10.0, 20.0]), torch.tensor([7])))
    assert made.tolist() == [30.0, 60.0]
    assert count.tolist() == [8]
    again, _ = session.run(own.inputs)
    assert made.tolist() == [30.0, 60.0]
    assert again.tolist() == [3.0, 6.0]
    assert own.inputs[0].tolist() == [1.0, 2.0]
    assert not made.is_inference()
    with pytest.raises(UnsupportedDeploymentError, match=r"opened for \[2\], \[1\]"):
        session.run((torch.ones(3), torch.tensor([7])))


def test_a_copy_on_the_gpu_lives_as_long_as_its_graph(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    FakeCuda(Net()).install(monkeypatch, torch.bfloat16)
    kept: list[weakref.ref[Tensor]] = []
    place, assemble = cuda_graph.place_module, cuda_graph.assemble

    def placed(module: nn.Module, placement: Placement) -> nn.Module:
        copied = place(module, placement)
        assert copied is not module
        kept.extend(weakref.ref(each) for each in copied.parameters())
        return copied

    def assembled(values: tuple[Tensor, ...], places: tuple[str, ...]) -> object:
        kept.extend(weakref.ref(each) for each in values)
        return assemble(values, places)

    monkeypatch.setattr(cuda_graph, "place_module", placed)
    monkeypatch.setattr(cuda_graph, "assemble", assembled)
    own = Network(nn.Linear(3, 3).eval(), (torch.ones(1, 3),))
    call = open_graph(own, setup).call
    gc.collect()
    assert len(kept) == 3
    assert all(each() is not None for each in kept)
    del call
    gc.collect()
    assert all(each() is None for each in kept)


class Waits(nn.Module):
    def forward(self, image: Tensor, *, label: Tensor) -> Tensor:
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nCUDA kernel errors")


class OutOfMemory(nn.Module):
    def forward(self, image: Tensor, *, label: Tensor) -> Tensor:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")


def test_what_cannot_be_captured_is_one_line(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    FakeCuda(Net()).install(monkeypatch)
    with pytest.raises(UnsupportedDeploymentError) as caught:
        open_graph(network(Waits()), setup)
    assert "not permitted when stream is capturing" in caught.value.problem
    assert "\n" not in caught.value.problem
    with pytest.raises(torch.cuda.OutOfMemoryError):
        open_graph(network(OutOfMemory()), setup)


class FailsLater(nn.Module):
    """Goes through its first calls, and then says what is wrong."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error
        self.calls = 0

    def forward(self, image: Tensor, *, label: Tensor) -> Tensor:
        self.calls += 1
        if self.calls > cuda_graph._WARM_UP_CALLS:
            raise self.error
        return image


@pytest.mark.parametrize(
    "error",
    [RuntimeError("aten::nonzero is not permitted while recording"), TypeError("aten::nonzero is no shape")],
)
def test_the_reason_of_a_failed_recording_is_the_operators(
    error: Exception, setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    FakeCuda(Net()).install(monkeypatch)
    with pytest.raises(
        UnsupportedDeploymentError, match=r"captured as a CUDA graph: .*aten::nonzero"
    ) as caught:
        open_graph(network(FailsLater(error)), setup)
    assert caught.value.__cause__ is error


def test_memory_that_runs_out_while_recording_is_told_as_such(
    setup: Setup, monkeypatch: pytest.MonkeyPatch
) -> None:
    FakeCuda(Net()).install(monkeypatch)
    with pytest.raises(torch.cuda.OutOfMemoryError):
        open_graph(network(FailsLater(torch.cuda.OutOfMemoryError("CUDA out of memory"))), setup)


def test_it_is_for_gpus_and_fixed_shapes(setup: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(backend.precisions) == {"cuda"}
    assert backend.shapes == ("static",)
    answers = {"is_available": False}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: answers["is_available"])
    # As torch says where it emulates them.
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    capability = (7, 5)
    assert backend.lacks(setup) == "torch finds no GPU here"
    answers["is_available"] = True
    assert backend.lacks(setup) is None
    half = Setup(Deployment(backend="cuda_graph", precision="bf16"), CudaGraphOptions(), device="cuda")
    assert backend.lacks(half) == "this GPU does not compute in bf16"
    capability = (8, 0)
    assert backend.lacks(half) is None
