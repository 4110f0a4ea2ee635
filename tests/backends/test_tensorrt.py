from __future__ import annotations

import enum
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchbench.backends import onnx_file
from benchbench.backends.tensorrt import TensorRTOptions, backend, open_engine, write_engine
from benchbench.core.backends import Network, Setup
from benchbench.core.deployment import Deployment
from benchbench.core.errors import (
    ArtefactError,
    CalibrationError,
    MeasurementError,
    UnsupportedDeploymentError,
)

PLAN = b"an engine"


class DataType(enum.Enum):
    FLOAT, HALF, BF16, INT8, INT32, INT64, BOOL, UINT8 = range(8)


class Severity(enum.Enum):
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)


class ILogger:
    Severity = Severity

    def log(self, severity: Severity, msg: str) -> None:
        raise AssertionError


class FakeTensorRT:
    """As much of the library as is used: one engine that adds 1 to an image and to whole numbers."""

    def __init__(self) -> None:
        self.bound: dict[str, Tensor] = {}
        self.events: list[str] = []
        self.parse_errors: list[tuple[str, str]] = []
        self.is_built = True
        self.runs = True
        self.shape = (1, 2)
        self.flags: set[str] = {"TF32"}
        self.level: int | None = None
        self.parsed = b""

    def module(self) -> ModuleType:
        here = self

        class Parser:
            def __init__(self, network: object, log: ILogger) -> None:
                assert network == "strongly typed"

            def parse_from_file(self, path: str) -> bool:
                here.parsed = Path(path).read_bytes()
                return not here.parse_errors

            @property
            def num_errors(self) -> int:
                return len(here.parse_errors)

            def get_error(self, index: int) -> object:
                operator, said = here.parse_errors[index]
                return SimpleNamespace(node_operator=lambda: operator, desc=lambda: said)

        class Config:
            builder_optimization_level = -1

            def clear_flag(self, flag: str) -> None:
                here.flags.discard(flag)

        class Builder:
            def __init__(self, log: ILogger) -> None:
                self.log = log

            def create_network(self, flags: int) -> str:
                return "strongly typed" if flags == 1 << 1 else "weakly typed"

            def create_builder_config(self) -> Config:
                return Config()

            def build_serialized_network(self, network: object, config: Config) -> bytes | None:
                here.level = config.builder_optimization_level
                if not here.is_built:
                    self.log.log(Severity.WARNING, "slow")
                    self.log.log(Severity.ERROR, "no kernel\nfor it")
                    return None
                return PLAN

        class Runtime:
            def __init__(self, log: ILogger) -> None:
                self.log = log

            def deserialize_cuda_engine(self, plan: bytes) -> object | None:
                if plan != PLAN:
                    self.log.log(Severity.ERROR, "magic tag does not match")
                    return None
                return here.engine()

        module = ModuleType("tensorrt")
        # Whoever looks for the library without importing it asks for this.
        module.__spec__ = ModuleSpec("tensorrt", None)
        vars(module).update(
            __version__="11.4.0",
            ILogger=ILogger,
            DataType=DataType,
            TensorIOMode=SimpleNamespace(INPUT="in", OUTPUT="out"),
            NetworkDefinitionCreationFlag=SimpleNamespace(STRONGLY_TYPED=1),
            BuilderFlag=SimpleNamespace(TF32="TF32"),
            Builder=Builder,
            OnnxParser=Parser,
            Runtime=Runtime,
        )
        return module

    def engine(self) -> object:
        kinds = {
            "input": DataType.HALF,
            "label": DataType.INT64,
            "made": DataType.HALF,
            "count": DataType.INT64,
        }
        shapes = {"input": self.shape, "label": (1,), "made": self.shape, "count": (1,)}
        names = list(kinds)
        return SimpleNamespace(
            num_io_tensors=4,
            num_layers=7,
            get_tensor_name=lambda index: names[index],
            get_tensor_mode=lambda name: "in" if name in ("input", "label") else "out",
            get_tensor_shape=lambda name: shapes[name],
            get_tensor_dtype=lambda name: kinds[name],
            create_execution_context=lambda: self,
        )

    def set_tensor_address(self, name: str, address: int) -> None:
        self.bound[name] = self.memory[address]

    def execute_async_v3(self, stream: int) -> bool:
        self.events.append(f"on stream {stream}")
        self.bound["made"].copy_(self.bound["input"] + 1)
        self.bound["count"].copy_(self.bound["label"] + 1)
        return self.runs

    @property
    def memory(self) -> dict[int, Tensor]:
        import gc

        # Tests before this one may have left tensors without memory of their own.
        plain = (each for each in gc.get_objects() if type(each) is Tensor)
        kept = (each for each in plain if each.device.type == "cpu" and each.layout is torch.strided)
        return {each.data_ptr(): each for each in kept if torch._C._has_storage(each) and each.numel()}


class Stream:
    cuda_stream = 42

    def __init__(self, events: list[str], name: str) -> None:
        self.events, self.name = events, name

    def wait_stream(self, other: Stream) -> None:
        self.events.append(f"{self.name} waits for {other.name}")


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeTensorRT]:
    fake = FakeTensorRT()
    monkeypatch.setitem(sys.modules, "tensorrt", fake.module())
    monkeypatch.setattr(torch.cuda, "Stream", lambda: Stream(fake.events, "ours"))
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: Stream(fake.events, "current"))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "Toy GPU")
    yield fake
    fake.bound.clear()


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.part = nn.Conv2d(3, 3, 1)

    def forward(self, image: Tensor) -> Tensor:
        return self.part(image)


def network(**more: Any) -> Network:
    return Network(nn.Identity(), (torch.tensor([[1.0, 2.0]]), torch.tensor([5])), ("", "label"), **more)


def setup(**deployment: Any) -> Setup:
    # Its buffers lie on the CPU here, where the fake library computes.
    return Setup(
        Deployment(backend="tensorrt", **deployment), TensorRTOptions(optimization_level=5), device="cpu"
    )


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[torch.dtype]:
    dtypes: list[torch.dtype] = []

    def write_onnx(network: Network, setup: Setup, path: Path, *, dtype: torch.dtype) -> Path:
        dtypes.append(dtype)
        path.write_bytes(b"onnx")
        return path

    monkeypatch.setattr(onnx_file, "write_onnx", write_onnx)
    return dtypes


@pytest.mark.parametrize(
    ("precision", "dtype"), [("fp32", "float32"), ("fp16", "float16"), ("bf16", "bfloat16")]
)
def test_the_precision_is_that_of_the_onnx_file(
    precision: str, dtype: str, library: FakeTensorRT, written: list[torch.dtype], tmp_path: Path
) -> None:
    path = write_engine(network(), setup(precision=precision), tmp_path)
    assert path == tmp_path / "model.engine"
    assert path.read_bytes() == PLAN
    assert list(tmp_path.iterdir()) == [path]
    assert written == [getattr(torch, dtype)]
    assert (library.parsed, library.level) == (b"onnx", 5)


def test_tf32_is_as_torch_has_it(
    library: FakeTensorRT, written: list[torch.dtype], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchbench.backends import tensorrt

    for allowed in (True, False):
        monkeypatch.setattr(tensorrt, "tf32_allowed", lambda allowed=allowed: (False, allowed))
        path = write_engine(network(), setup(), tmp_path)
        assert ("TF32" in library.flags) == allowed
        assert open_engine(network(), setup(precision="fp16"), path).facts["tf32"] is allowed


def test_what_tensorrt_does_not_take_is_one_line(
    library: FakeTensorRT, written: list[torch.dtype], tmp_path: Path
) -> None:
    library.parse_errors = [("Einsum", "in node 4 (importEinsum):\n no such equation"), ("Other", "")]
    with pytest.raises(UnsupportedDeploymentError) as caught:
        write_engine(network(), setup(), tmp_path)
    assert str(caught.value).endswith("Einsum: in node 4 (importEinsum): no such equation")
    library.parse_errors, library.is_built = [], False
    with pytest.raises(UnsupportedDeploymentError, match="builds no engine of the network: no kernel for it"):
        write_engine(network(), setup(), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_it_runs_on_a_stream_that_the_current_one_waits_for(library: FakeTensorRT, tmp_path: Path) -> None:
    path = tmp_path / "model.engine"
    path.write_bytes(PLAN)
    own = network()
    session = open_engine(own, setup(precision="fp16"), path)
    made, count = session.call()  # type: ignore[misc]
    assert (made.dtype, made.tolist(), count.tolist()) == (torch.float16, [[2.0, 3.0]], [6])
    assert library.events == ["ours waits for current", "on stream 42", "current waits for ours"]
    image, whole = session.run((torch.tensor([[8.0, 9.0]]), torch.tensor([1])))
    assert (image.dtype, image.tolist(), whole.tolist()) == (torch.float32, [[9.0, 10.0]], [2])
    assert session.call()[0].tolist() == [[2.0, 3.0]]  # type: ignore[index]
    assert (session.operator_count, session.facts["tensorrt"], session.facts["gpu"]) == (
        7,
        "11.4.0",
        "Toy GPU",
    )
    with pytest.raises(UnsupportedDeploymentError, match="opened for"):
        session.run((torch.ones(2, 2), torch.tensor([1, 1])))
    library.runs = False
    with pytest.raises(MeasurementError, match="fails to run"):
        session.call()


def test_an_engine_that_is_not_whole_or_of_another_network(library: FakeTensorRT, tmp_path: Path) -> None:
    path = tmp_path / "model.engine"
    for artefact in (None, path):
        with pytest.raises(ArtefactError, match=r"model\.engine is missing"):
            open_engine(network(), setup(), artefact)
    path.write_bytes(PLAN[:4])
    with pytest.raises(ArtefactError, match="magic tag does not match"):
        open_engine(network(), setup(), path)
    path.write_bytes(PLAN)
    library.shape = (1, 3)
    with pytest.raises(
        ArtefactError,
        match=r"takes \[1, 3\] of float16, \[1\] of int64, and the network \[1, 2\] of float16, \[1\]",
    ):
        open_engine(network(), setup(precision="fp16"), path)
    library.shape = (1, 2)
    with pytest.raises(ArtefactError, match=r"and the network \[1, 2\] of float32, \[1\] of int64"):
        open_engine(network(), setup(), path)


def test_bfloat16_goes_through_the_exporter(library: FakeTensorRT, tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    own = Network(Net().eval(), (torch.randn(1, 3, 4, 4),))
    write_engine(own, setup(precision="bf16"), tmp_path)
    model = onnx.load_from_string(library.parsed)
    kinds = {each.data_type for each in model.graph.initializer}
    assert kinds == {onnx.TensorProto.BFLOAT16}
    onnx.checker.check_model(model, full_check=True)


def test_int8_asks_for_calibration(library: FakeTensorRT, written: list[torch.dtype], tmp_path: Path) -> None:
    with pytest.raises(CalibrationError):
        write_engine(network(), setup(precision="int8"), tmp_path)
    assert backend.lacks(setup(precision="int8", quantise="weights")) is not None


def test_int8_files_have_zero_points_of_zero_and_no_whole_biases(
    library: FakeTensorRT, tmp_path: Path
) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    torch.manual_seed(0)
    sets = [(torch.randn(1, 3, 4, 4) + 1,) for _ in range(8)]
    own = Network(Net().eval(), sets[0], calibration=sets)
    write_engine(own, setup(precision="int8"), tmp_path)
    graph = onnx.load_from_string(library.parsed).graph
    values = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    quantising = [node for node in graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert len(quantising) >= 4
    assert all((values[node.input[2]] == 0).all() for node in quantising)
    assert {str(value.dtype) for value in values.values()} == {"float32", "int8"}
    assert next(node for node in graph.node if node.op_type == "Conv").input[2] in values
