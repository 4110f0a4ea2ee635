"""On a real network, traced for real; no figure of time is compared with a number."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from benchbench.core.cell import Cell
from benchbench.core.contracts import Subject
from benchbench.core.errors import MeasurementError, StoreError
from benchbench.core.profile import CellProfile, LayerProfile
from benchbench.core.stages import origin_of
from benchbench.core.suite import ArchitectureSpec
from benchbench.measures.counting import Counts, count
from benchbench.profiling.events import read_trace
from benchbench.profiling.take import Recording, take_profile
from benchbench.profiling.tree import read_calls

CELL = Cell(variant="<tiny>", architecture=ArchitectureSpec(name="transformer_net"))
RECORDING = Recording(device="cpu", warmup=1, steps=2)


def _profiled(module: nn.Module, inputs: tuple[Tensor, ...], folder: Path) -> tuple[CellProfile, Counts]:
    origin = origin_of(module)
    stages = origin.stages if origin else {}
    subject = Subject("tiny", module.eval(), inputs, stages=stages)
    counts = count(module, inputs)
    return take_profile(subject, CELL, folder, RECORDING, counts=counts.layers, notes=["said"]), counts


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[CellProfile, Counts, Path]:
    import benchbench as bb

    folder = tmp_path_factory.mktemp("profiles") / "cell"
    model = bb.build("transformer_net", width=4, blocks=2)
    return *_profiled(model, (torch.randn(1, 3, 16, 16),), folder), folder


def _rows(found: CellProfile) -> Mapping[str, LayerProfile]:
    return {row.path: row for row in found.layers}


def test_macs_and_parameters_per_layer_are_those_of_count(whole: tuple[CellProfile, Counts, Path]) -> None:
    found, counts, _ = whole
    assert found.macs == counts.macs == sum(row.macs for row in found.layers) > 0
    assert found.parameters == counts.parameters == sum(row.parameters for row in found.layers)
    assert {row.path: row.macs for row in found.layers if row.macs} == {
        layer.path: layer.macs for layer in counts.layers if layer.macs
    }
    assert found.macs == sum(row.macs for row in found.stages)


def test_children_take_at_most_their_parents_time(whole: tuple[CellProfile, Counts, Path]) -> None:
    rows = _rows(whole[0])
    parents = {path.rpartition(".")[0] for path in rows if path}
    for parent in parents & set(rows):
        children = [row for path, row in rows.items() if path and path.rpartition(".")[0] == parent]
        assert sum(row.time_s for row in children) <= rows[parent].time_s * (1 + 1e-9)
        assert rows[parent].own_s <= rows[parent].time_s


def test_own_times_add_up_to_the_passes(whole: tuple[CellProfile, Counts, Path]) -> None:
    found, *_ = whole
    assert len(found.passes_s) == 2
    assert found.time_s == pytest.approx(sum(found.passes_s) / 2, rel=1e-6)
    assert sum(row.own_s for row in found.layers) == pytest.approx(found.time_s, rel=1e-6)
    assert sum(row.share for row in found.stages) == pytest.approx(1.0, rel=1e-6)
    own = [row.own_s for row in found.layers]
    assert own == sorted(own, reverse=True)
    assert (found.clock, found.gaps, found.kernels, found.unprofiled_s > 0) == ("host", None, (), True)


def test_every_layer_is_called_once_in_a_pass_and_has_its_stage(
    whole: tuple[CellProfile, Counts, Path],
) -> None:
    found, *_ = whole
    assert {row.calls for row in found.layers} == {1.0}
    assert {row.stage for row in found.stages} == {"encoder", "residual", "decoder", None}
    assert all(row.path.startswith(row.stage) for row in found.layers if row.stage)


def test_a_convolution_moves_weights_input_and_output(tmp_path: Path) -> None:
    conv = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1))
    found, _ = _profiled(conv, (torch.randn(2, 3, 16, 16),), tmp_path)
    row = _rows(found)["0"]
    assert row.bytes_moved == 4 * (2 * 3 * 256 + (8 * 27 + 8) + 2 * 8 * 256)
    assert row.macs == 2 * 256 * 8 * 27
    assert row.macs_per_s == pytest.approx(row.macs / row.own_s)
    assert row.bytes_per_s == pytest.approx(row.bytes_moved / row.own_s)


def test_memory_of_layers_that_need_no_scratch_space_by_hand(tmp_path: Path) -> None:
    # x of 4,000 bytes is held; a and b each make one; b's input lives until it has ended.
    model = nn.Sequential(nn.Tanh(), nn.Sigmoid(), nn.ReLU(inplace=True))
    found, _ = _profiled(model, (torch.randn(1, 1000),), tmp_path)
    assert found.memory.held_bytes == 4000
    assert (found.memory.peak_bytes, found.memory.peak_layer) == (8000, "1")
    assert {row.path: row.peak_bytes for row in found.layers if row.path} == {"0": 4000, "1": 8000, "2": 4000}
    assert found.memory.points[-1][1] == 0


def test_the_trace_is_there_and_whole(whole: tuple[CellProfile, Counts, Path]) -> None:
    found, _, folder = whole
    assert [each.name for each in folder.glob("*.pt.trace.json")] == [found.trace]
    content = json.loads((folder / found.trace).read_text())
    assert (content["record_shapes"], content["profile_memory"]) == (1, 1)
    trace = read_trace(folder / found.trace)
    assert len(trace.passes) == 2
    assert read_calls(trace, [""] * 999).root.calls == 2


def test_the_record_reads_back_and_the_flame_graph_is_beside_it(
    whole: tuple[CellProfile, Counts, Path],
) -> None:
    found, _, folder = whole
    assert CellProfile.model_validate_json((folder / "profile.json").read_text()) == found
    assert "&lt;tiny&gt; on cpu" in (folder / found.flame).read_text()
    assert (found.weights, found.notes, found.batch) == ("random", ("said",), 1)


def test_a_second_profile_replaces_the_trace_and_nothing_else(tmp_path: Path) -> None:
    other = tmp_path / "mine.1.pt.trace.json"
    other.write_text("{}")
    model = nn.Sequential(nn.ReLU())
    names = [_profiled(model, (torch.randn(4),), tmp_path)[0].trace for _ in range(2)]
    assert names[0] != names[1]
    assert {each.name for each in tmp_path.glob("*.pt.trace.json")} == {other.name, names[1]}


def test_hostile_module_names_leave_a_trace_that_reads(tmp_path: Path) -> None:
    model = nn.Sequential()
    for name in ['a"b', "<script>", "back\\slash", "line\nbreak", "\x07"]:
        model.add_module(name, nn.ReLU())
    found, _ = _profiled(model, (torch.randn(4),), tmp_path)
    assert set(_rows(found)) == {"", 'a"b', "<script>", "back\\slash", "line\nbreak", "\x07"}
    assert "<script>" not in (tmp_path / found.flame).read_text()


class _Refusing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise RuntimeError("first line\nsecond line")


def test_a_forward_pass_that_fails_is_one_line(tmp_path: Path) -> None:
    subject = Subject("bad", nn.Sequential(_Refusing()), (torch.randn(1, 3),))
    with pytest.raises(MeasurementError) as error:
        take_profile(subject, CELL, tmp_path / "bad", RECORDING, counts=())
    assert error.value.problem == "Sequential does not run on input [1, 3]: RuntimeError: first line"
    assert not list(tmp_path.rglob("*.json"))


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    subject = Subject("tiny", nn.Sequential(nn.ReLU()), (torch.randn(3),))
    with pytest.raises(StoreError, match="cannot write"):
        take_profile(subject, CELL, tmp_path / "file/cell", RECORDING, counts=())
