from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from benchbench.core.deployment import Deployment, Tolerance
from benchbench.core.errors import MeasurementError, OutputsDifferError
from benchbench.measures.agreement import agreement_figures, check_tolerance, compare_outputs

INPUTS = [(torch.tensor([[0.0, 1.0, 2.0, 3.0]]),), (torch.tensor([[4.0, 5.0, 6.0, 8.0]]),)]


def plus(amount: float, first: int = 4) -> object:
    def run(given: tuple[Tensor, ...]) -> Tensor:
        made = given[0].clone()
        made[:, :first] += amount
        return made

    return run


def test_neither_side_is_given_what_the_other_changed() -> None:
    def in_place(given: tuple[Tensor, ...]) -> Tensor:
        return given[0].add_(1)

    inputs = [(torch.tensor([[0.0, 1.0]]),)]
    assert compare_outputs(in_place, plus(1.0), inputs).max_abs == 0.0
    assert compare_outputs(plus(1.0), in_place, inputs).max_abs == 0.0
    assert torch.equal(inputs[0][0], torch.tensor([[0.0, 1.0]]))


def identity(given: tuple[Tensor, ...]) -> Tensor:
    return given[0]


def test_differences_are_those_of_the_closed_form() -> None:
    found = compare_outputs(plus(0.5, first=2), identity, INPUTS)
    assert (found.max_abs, found.mean_abs, found.value_range) == (0.5, 0.25, 8.0)
    assert found.relative == 0.5 / 8
    # Half of the values are off by 0.5: a mean square of 0.125, against a peak of 8.
    assert found.psnr_db == pytest.approx(10 * math.log10(64 / 0.125))


def test_of_several_outputs_the_worst_counts() -> None:
    def both(first: float, second: float) -> object:
        return lambda given: [given[0] + first, {"more": given[0] * 10 + second}, "a word"]

    found = compare_outputs(both(0.1, 2.0), both(0.0, 0.0), INPUTS)
    assert found.max_abs == pytest.approx(2.0)
    # 0.1 of a range of 8 is less than 2 of a range of 80.
    assert (found.relative, found.value_range) == (pytest.approx(2 / 80), 80.0)
    assert found.psnr_db == pytest.approx(20 * math.log10(80 / 2))


def test_equal_outputs_are_told_as_such() -> None:
    found = compare_outputs(identity, identity, INPUTS)
    assert found.psnr_db == math.inf
    figures = {each.name: each for each in agreement_figures(found, Deployment(), inputs="2 drawn", count=2)}
    assert figures["output_psnr"].value == 200.0
    assert figures["output_max_abs"].flags == ("outputs are equal, bit by bit",)
    check_tolerance(found, Tolerance(max_abs=1e-9, psnr_db=199))


def test_a_network_that_makes_one_value_is_held_to_it() -> None:
    constant = [(torch.ones(1, 3),)]
    assert compare_outputs(identity, identity, constant).relative == 0.0
    found = compare_outputs(plus(0.1), identity, constant)
    # Without a range, to how large it is: a difference of 0.1 of 1, a PSNR of 20 dB.
    assert (found.relative, found.value_range) == (pytest.approx(0.1), 1.0)
    assert found.psnr_db == pytest.approx(20.0, abs=1e-3)
    zero = [(torch.zeros(1, 3),)]
    assert compare_outputs(plus(0.1), identity, zero).relative == math.inf


def test_whole_and_complex_numbers_are_compared_too() -> None:
    pixels = [(torch.tensor([[0, 100, 250]], dtype=torch.uint8),)]
    assert compare_outputs(identity, identity, pixels).max_abs == 0
    off = compare_outputs(lambda given: given[0] + 1, identity, pixels)
    assert (off.max_abs, off.relative) == (1.0, 1 / 250)
    waves = [(torch.tensor([[1 + 2j, 3 - 4j]]),)]
    assert compare_outputs(lambda given: given[0] + 1j, identity, waves).max_abs == 1.0


@pytest.mark.parametrize(
    ("bounds", "told"),
    [
        (Tolerance(max_abs=0.06), r"differ by up to 6.25 % of their range, 6 % is allowed"),
        (Tolerance(psnr_db=30), r"have a PSNR of 27.1 dB, 30 dB is asked"),
    ],
)
def test_what_is_beyond_the_tolerance_says_by_how_much(bounds: Tolerance, told: str) -> None:
    found = compare_outputs(plus(0.5, first=2), identity, INPUTS)
    check_tolerance(found, Tolerance(max_abs=0.063, psnr_db=27))
    with pytest.raises(OutputsDifferError, match=told):
        check_tolerance(found, bounds)


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(MeasurementError, match="returns 2 tensors, and eager float32 1"):
        compare_outputs(lambda given: (given[0], given[0]), identity, INPUTS)
    with pytest.raises(MeasurementError, match="eager float32 0"):
        compare_outputs(identity, lambda given: 3, INPUTS)
    with pytest.raises(MeasurementError, match=r"makes \[4\], and eager float32 \[1, 4\]"):
        compare_outputs(lambda given: given[0][0], identity, INPUTS)
    with pytest.raises(OutputsDifferError, match="not finite, and eager"):
        compare_outputs(plus(math.nan), identity, INPUTS)
    with pytest.raises(MeasurementError, match="eager float32 makes values that are not finite"):
        compare_outputs(identity, plus(math.inf), INPUTS)


@pytest.mark.parametrize(("precision", "max_abs", "psnr_db"), [("fp32", 0.001, None), ("int8", None, 20.0)])
def test_each_precision_has_bounds_of_its_own_and_a_declared_one_goes_first(
    precision: str, max_abs: float | None, psnr_db: float | None
) -> None:
    deployment = Deployment.model_validate({"backend": "openvino", "precision": precision})
    assert (deployment.bounds.max_abs, deployment.bounds.psnr_db) == (max_abs, psnr_db)
    declared = deployment.model_copy(update={"tolerance": Tolerance(psnr_db=12)})
    found = compare_outputs(plus(0.5), identity, INPUTS)
    figure = agreement_figures(found, declared, inputs="2 of the test split", count=2)[0]
    # Neither what was found nor what was allowed makes figures incomparable.
    other = agreement_figures(found, deployment, inputs="2 of the test split", count=2)[0]
    assert figure.protocol == other.protocol
    assert ("calibration_asked" in figure.protocol.settings) == (precision == "int8")
    assert figure.protocol.settings["inputs"] == "2 of the test split"
