from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from benchbench.core.cell import Cell
from benchbench.core.errors import UnknownNameError
from benchbench.core.expand import expand
from benchbench.core.suite import Suite
from benchbench.runner import gate_run
from benchbench.runner.gate_run import measure_again, narrowed


def suite(**more: Any) -> Suite:
    declared = {
        "name": "toy",
        "architecture": "transformer_net",
        "variants": {
            "a": {"group": "one"},
            "b": {"group": "one", "architecture": {"width": 8}},
            "c": {"group": "two", "architecture": {"width": 12}},
            "d": {"group": "two", "architecture": {"width": 16}},
        },
        "measure": ["parameters", "macs", "memory", {"latency": {"threads": 1}}, "quality"],
        "expect": {"a": {"parameters": 1}, "d": {"parameters": 2}},
        **more,
    }
    return Suite.model_validate(declared)


def everything(measure: str, cell: Cell) -> bool:
    return True


def names(made: Suite) -> list[str]:
    return [spec.name for spec in made.measure if spec.name != "output"]


def test_what_no_rule_judges_is_not_measured() -> None:
    assert names(narrowed(suite(), only=None, is_judged=everything)) == [
        "parameters",
        "macs",
        "memory",
        "latency",
        "quality",
    ]
    counts = narrowed(suite(), only=None, is_judged=lambda measure, cell: measure == "macs")
    assert names(counts) == ["macs"]
    pictures = narrowed(suite(), only=None, is_judged=lambda measure, cell: measure == "fd")
    assert names(pictures) == ["quality"]
    assert names(narrowed(suite(), only=None, is_judged=lambda measure, cell: False)) == ["parameters"]


def test_only_keeps_the_baseline_of_the_group() -> None:
    assert list(narrowed(suite(), only="d", is_judged=everything).variants) == ["c", "d"]
    assert list(narrowed(suite(), only="c", is_judged=everything).variants) == ["c"]
    named = suite(baseline="a", measure=[{"latency": {"threads": 1, "baseline": "b"}}])
    made = narrowed(named, only="d", is_judged=everything)
    assert (list(made.variants), made.baseline) == (["b", "c", "d"], None)
    assert set(narrowed(suite(), only="d", is_judged=everything).expect) == {"d"}
    with pytest.raises(UnknownNameError):
        narrowed(suite(), only="nothing", is_judged=everything)


def test_only_keeps_the_sweeps_that_it_names() -> None:
    swept = suite(matrix={"seed": [0, 1, 2], "variant": ["a", "b"]})
    made = narrowed(swept, only="b seed=1*", is_judged=everything)
    assert [cell.id for cell in expand(made) if cell.variant == "b"] == [
        cell.id for cell in expand(swept) if cell.variant == "b" and cell.seed == 1
    ]


@pytest.fixture(scope="session")
def runs(load_module: Callable[[str], ModuleType]) -> ModuleType:
    return load_module("gate/gate_runs.py")


def test_a_fresh_take_trains_nothing_and_times_with_the_same_weights(
    runs: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: dict[str, Any] = {}

    def compare(store: Any, given: Suite, cells: Any, folders: Any, progress: Any) -> None:
        taken.update(cells=[cell.label for cell in cells], measures=[spec.name for spec in given.measure])
        taken["checkpoints"] = [store.read_cell(cell.id).checkpoint for cell in cells]
        taken["folder"] = store.folder

    monkeypatch.setattr(gate_run, "run_comparisons", compare)
    declared = suite(
        variants={"baseline": {}, "v1": {"architecture": {"width": 8}}, "v2": {"architecture": {"width": 9}}}
    )
    cells = expand(declared)
    results = [runs.result(cell.variant).model_copy(update={"cell": cell}) for cell in cells]
    results[1] = results[1].model_copy(update={"checkpoint": "checkpoints/v1.pt"})
    table = runs.table(*results).model_copy(update={"suite": declared})
    folder = runs.write_run(table, tmp_path)
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints/v1.pt").write_text("weights")
    said: list[str] = []
    made = measure_again(
        table.model_copy(update={"folder": str(folder)}), cells[1:2], folders=(), say=said.append
    )
    assert taken["cells"] == ["baseline", "v1"]
    assert taken["measures"] == ["latency"]
    assert taken["checkpoints"] == [None, str(folder / "checkpoints/v1.pt")]
    assert taken["folder"].is_relative_to(folder / "again")
    assert [each.cell.label for each in made.results] == ["baseline", "v1"]
    assert said == ["measured again, as it would fail: v1"]
