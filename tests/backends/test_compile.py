from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchbench.backends import compile as compiling
from benchbench.backends.compile import CompileOptions, backend, open_compiled
from benchbench.backends.compiler_record import CompilerRecord, limits_of, recorded
from benchbench.core.backends import Network, Session, Setup
from benchbench.core.deployment import Deployment
from benchbench.core.errors import OptionError, UnsupportedDeploymentError
from benchbench.core.model import parse_options

CODE = """
cpp_fused_relu_0 = async_compile.cpp_pybinding(['float*'], r'''
extern "C"  void  kernel(float* in_out_ptr0)
''')
def call(self, args):
        cpp_fused_relu_0(arg0_1, buf0)
        # Topologically Sorted Source Nodes: [a], Original ATen: [torch.ops.aten.convolution(]
        buf1 = extern_kernels.convolution(buf0, arg1_1, arg2_1, stride=(1, 1), groups=1)
        assert_size_stride(buf1, (1, 8), (8, 1), 'torch.ops.aten.convolution.default')
        buf2 = torch.ops.mkldnn._convolution_pointwise.default(buf1, arg3_1, None, [0], 'none', [], '')
        buf3 = torch.ops.mkldnn._convolution_pointwise.default(buf2, arg3_1, None, [0], 'relu', [], '')
        triton_poi_fused_1.run(buf3, 10, stream=stream0)
        buf4 = torch.ops.aten.grid_sampler_2d.default(buf3, arg4_1, 0, 0, False)
        extern_kernels.mm(buf4, arg5_1, out=buf5)
        extern_kernels.mm(buf4, arg6_1, out=buf6)
"""


class Net(nn.Module):
    def __init__(self, *, number: int = 0, is_cut: bool = False) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.number = number
        self.is_cut = is_cut

    def forward(self, image: Tensor) -> Tensor:
        if self.number < 0:  # each number is a compilation of its own, of one and the same graph
            return image
        found = self.first(image).relu()
        if self.is_cut:
            torch._dynamo.graph_break()
        return found * 2 + 1


def network(seed: int = 0, **options: Any) -> Network:
    torch.manual_seed(seed)
    return Network(Net(**options).eval(), (torch.randn(1, 3, 8, 8),))


def setup(*, fullgraph: bool = False, device: Any = "cpu", mode: Any = "default", **deployment: Any) -> Setup:
    options = CompileOptions(mode=mode, fullgraph=fullgraph)
    return Setup(Deployment(backend="compile", **deployment), options, device=device)


def difference(session: Session, of: Network, given: Tensor | None = None) -> float:
    image = of.inputs[0] if given is None else given
    made = session.run((image,))
    assert isinstance(made, Tensor)
    with torch.no_grad():
        return float((made - of.module(image)).abs().max())


Calls = list[tuple[Callable[..., object], dict[str, Any]]]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """What torch.compile is called with; it returns the function that it was given."""
    seen: Calls = []

    def compile_(function: Callable[..., object], **options: Any) -> Callable[..., object]:
        seen.append((function, options))
        return function

    monkeypatch.setattr(torch, "compile", compile_)
    return seen


def test_options_go_to_torch(calls: Calls) -> None:
    open_compiled(network(), setup())
    open_compiled(network(), setup(fullgraph=True, mode="max-autotune", shapes="dynamic"))
    assert [options for _, options in calls] == [
        {"fullgraph": False, "dynamic": False, "mode": "default"},
        {"fullgraph": True, "dynamic": True, "mode": "max-autotune"},
    ]
    with pytest.raises(OptionError, match="mode"):
        parse_options("backend", "compile", CompileOptions, {"mode": "fast"})


def test_no_two_sessions_share_a_code_object(calls: Calls) -> None:
    for seed in range(3):
        open_compiled(network(seed), setup())
    codes = [function.__code__ for function, _ in calls]  # type: ignore[attr-defined]
    assert len({id(code) for code in codes}) == len({code.co_name for code in codes}) == 3


def test_fixed_shapes_are_held_to(calls: Calls) -> None:
    own = network()
    session = open_compiled(own, setup())
    assert difference(session, own) == 0
    with pytest.raises(UnsupportedDeploymentError, match=r"opened for \[1, 3, 8, 8\].*given \[2, 3, 8, 8\]"):
        session.run((torch.ones(2, 3, 8, 8),))
    assert difference(open_compiled(own, setup(shapes="dynamic")), own, torch.ones(2, 3, 6, 8)) == 0


def test_what_was_not_seen_is_none(calls: Calls) -> None:
    session = open_compiled(network(), setup())
    assert session.operators is None
    assert session.operator_count is None


@pytest.mark.parametrize(
    ("message", "words"),
    [
        (
            "backend='inductor' raised:\nCppCompileError: C++ compile error\nx.cpp:3: fatal error: Python.h",
            "x.cpp:3",
        ),
        ("missing lowering\n  target: aten.foo.default", r"missing lowering \(at aten.foo.default\)"),
    ],
)
def test_a_failed_compilation_is_one_line(message: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._dynamo.exc import TorchDynamoException

    def fails(*args: object, **kwargs: object) -> Callable[..., object]:
        def call(*inputs: object) -> object:
            raise TorchDynamoException(message)

        return call

    monkeypatch.setattr(torch, "compile", fails)
    with pytest.raises(UnsupportedDeploymentError, match=words) as caught:
        open_compiled(network(), setup())
    assert "\n" not in caught.value.problem
    assert ("g++" in str(caught.value.fix)) == ("Cpp" in message)


def test_a_machine_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    found = backend.lacks(setup())
    assert found is not None
    assert found.startswith("there is no C++ compiler")
    assert "apt install g++" in found
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    assert backend.lacks(setup()) is None


def test_generated_code_is_read() -> None:
    record = CompilerRecord(codes=[CODE], graphs=1)
    assert record.operator_count == 8
    notes = record.operators
    assert notes is not None
    assert [(note.operator, note.count, note.what) for note in notes] == [
        ("mm", 2, "not_fused"),
        ("convolution", 1, "not_fused"),
        ("_convolution_pointwise", 1, "not_fused"),
        ("aten.grid_sampler_2d", 1, "fell_back"),
    ]


def test_a_cut_network_is_known_in_part_and_says_no_more() -> None:
    record = CompilerRecord(codes=[CODE], graphs=1)
    record.breaks["a print"] = 2
    assert record.operator_count is None
    assert record.facts == {"graphs": None, "graph_breaks": 2, "graphs_from_cache": 0}
    assert record.operators is not None
    assert [(note.operator, note.count, note.detail) for note in record.operators] == [
        ("graph break", 2, "a print")
    ]


def test_limits_have_the_names_of_this_torch() -> None:
    import torch._dynamo.config as config

    found = limits_of(config, 99)
    assert len(found) == 2
    with torch._dynamo.config.patch(found):
        assert {getattr(config, name) for name in found} == {99}


def test_the_record_holds_what_happens_inside_alone() -> None:
    from torch._dynamo.utils import counters
    from torch._inductor.graph import GraphLowering

    reason = "test_compile.py: a reason\n  Hint: none"
    counters["graph_break"][reason] += 4
    before = GraphLowering.save_output_code
    try:
        with recorded() as record:
            counters["graph_break"][reason] += 1
            assert GraphLowering.save_output_code is not None
            GraphLowering.save_output_code(CODE)
        assert record.codes == [CODE]
        assert dict(record.breaks) == {"test_compile.py: a reason": 1}
        assert GraphLowering.save_output_code is before
    finally:
        del counters["graph_break"][reason]


def test_inductor_itself() -> None:
    own = network()
    session = open_compiled(own, setup(fullgraph=True))
    assert difference(session, own) < 1e-5
    assert session.facts["graphs"] == 1
    assert session.facts["graph_breaks"] == 0
    assert session.operators is not None
    notes = session.operators()
    assert [note.operator for note in notes if "conv" in note.operator]
    assert session.operator_count is not None
    assert session.operator_count > sum(note.count for note in notes)
    with torch.inference_mode():
        assert torch.allclose(session.call(), session.run(own.inputs))  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize(
    "deployment",
    [{"precision": "bf16"}, {"memory_format": "channels_last"}, {"mode": "max-autotune-no-cudagraphs"}],
)
def test_inductor_in_other_ways(deployment: dict[str, Any]) -> None:
    own = network()
    session = open_compiled(own, setup(**deployment))
    assert difference(session, own) < (0.05 if "precision" in deployment else 1e-5)


@pytest.mark.slow
def test_dynamic_shapes_are_compiled_once_more_at_most() -> None:
    own = network()
    session = open_compiled(own, setup(shapes="dynamic"))
    assert difference(session, own, torch.randn(2, 3, 8, 10)) < 1e-5
    with recorded() as record:
        for shape in ((3, 3, 12, 8), (5, 3, 6, 7)):
            assert difference(session, own, torch.randn(shape)) < 1e-5
    assert record.graphs == 0


@pytest.mark.slow
def test_twelve_networks_of_one_class_are_all_compiled() -> None:
    networks = [network(seed, number=seed) for seed in range(12)]
    sessions = [open_compiled(own, setup(fullgraph=True)) for own in networks]
    assert [session.facts["graphs"] for session in sessions] == [1] * 12
    assert all(difference(session, own) < 1e-5 for session, own in zip(sessions, networks, strict=True))


@pytest.mark.slow
def test_networks_that_are_cut_are_compiled_beyond_torchs_limit() -> None:
    from torch._dynamo.utils import counters

    networks = [network(seed, number=seed, is_cut=True) for seed in range(12)]
    before = sum(counters["unimplemented"].values())
    with recorded() as record:
        sessions = [open_compiled(own, setup()) for own in networks]
    assert all(difference(session, own) < 1e-5 for session, own in zip(sessions, networks, strict=True))
    # More than the 8 at which torch would have gone on in eager mode.
    assert record.graphs > 8
    assert sum(counters["unimplemented"].values()) == before
    assert all(session.facts["graph_breaks"] for session in sessions)
    with pytest.raises(UnsupportedDeploymentError, match="cannot be compiled"):
        open_compiled(networks[0], setup(fullgraph=True))
    assert compiling.backend.shapes == ("static", "dynamic")
