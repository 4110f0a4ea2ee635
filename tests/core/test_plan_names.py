from __future__ import annotations

import itertools
from pathlib import Path

import pytest

import benchbench as bb
from benchbench.core.cell import Setting
from benchbench.core.deployment import DeploySpec
from benchbench.core.expand import expand
from benchbench.core.plan_names import declared_names
from benchbench.core.suite import ArchitectureSpec, ReplaceSpec, Suite, Variant
from benchbench.report.views.report import view_report

LIGHT = ReplaceSpec.model_validate({"stages": ["residual"], "with": "depthwise_separable"})


def make_suite(**matrix: object) -> Suite:
    return Suite(
        name="two",
        architecture=ArchitectureSpec(name="transformer_net"),
        variants={"baseline": Variant(), "light": Variant(replace=(LIGHT,))},
        measure=("parameters",),
        matrix={key.replace("__", "."): value for key, value in matrix.items()},
    )


@pytest.mark.parametrize(
    "matrix",
    [
        {},
        {"seed": (0, 1)},
        {"variant": ("light",), "seed": (3,)},
        {"architecture__width": (16, 32), "variant__replace[0].stages": (["residual"], ["encoder"])},
    ],
)
def test_names_are_those_of_the_cells(matrix: dict[str, object]) -> None:
    suite = make_suite(**matrix)
    assert list(declared_names(suite)) == [(cell.variant, cell.settings) for cell in expand(suite)]


def test_a_cell_of_a_swept_list_has_its_names() -> None:
    suite = make_suite(**{"variant__replace[0].stages": (["residual"], ["encoder", "residual"])})
    deployed = suite.model_copy(update={"deploy": (DeploySpec(backend=("openvino",)),)})
    cells = [cell for cell in expand(deployed) if cell.variant == "light"]
    swept = [f'variant.replace[0].stages=["{stages}"]' for stages in ("residual", 'encoder","residual')]
    assert sorted(cell.label for cell in cells) == sorted(
        f"light {each}{backend}" for each in swept for backend in ("", " openvino")
    )
    assert all(cell.is_chosen("light variant*") for cell in cells)
    assert {cell.group for cell in cells} == {""}
    assert {cell.network.label for cell in cells} == {f"light {each}" for each in swept}


def test_settings_that_are_equal_are_one_in_a_set() -> None:
    whole, listed = Setting(key="a", value=1), Setting(key="a", value=[1, {"b": 2}])
    assert {whole, listed, Setting(key="a", value=1.0), Setting(key="a", value=[1, {"b": 2}])} == {
        whole,
        listed,
    }


def test_a_swept_list_is_run_and_reported(tmp_path: Path) -> None:
    path = tmp_path / "suite.yaml"
    path.write_text(
        """
name: lists
architecture: {name: transformer_net, width: 4, blocks: 1}
variants:
  baseline: {}
  light: {replace: {stages: [residual], with: depthwise_separable}}
matrix:
  variant.replace[0].stages: [[residual], [encoder, residual]]
measure: [parameters]
"""
    )
    table = bb.run(bb.load_suite(path), out=tmp_path)
    counts = {result.cell.label: result.measurements[0].value for result in table.results}
    assert sorted(counts, key=counts.__getitem__, reverse=True) == [
        "baseline",
        'light variant.replace[0].stages=["residual"]',
        'light variant.replace[0].stages=["encoder","residual"]',
    ]
    assert {line.label for line in view_report([table]).lines} == set(counts)


def test_an_unknown_variant_is_left_out_and_a_huge_matrix_is_walked_lazily() -> None:
    axes = {f"architecture__a{at}": tuple(range(1000)) for at in range(6)}
    suite = make_suite(variant=("nobody", "light"), **axes)
    assert [name for name, _ in itertools.islice(declared_names(suite), 3)] == ["light"] * 3
