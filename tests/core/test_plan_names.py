from __future__ import annotations

import itertools

import pytest

from benchbench.core.expand import expand
from benchbench.core.plan_names import declared_names
from benchbench.core.suite import ArchitectureSpec, ReplaceSpec, Suite, Variant

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


def test_an_unknown_variant_is_left_out_and_a_huge_matrix_is_walked_lazily() -> None:
    axes = {f"architecture__a{at}": tuple(range(1000)) for at in range(6)}
    suite = make_suite(variant=("nobody", "light"), **axes)
    assert [name for name, _ in itertools.islice(declared_names(suite), 3)] == ["light"] * 3
