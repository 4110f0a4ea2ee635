from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from benchbench.core.arguments import assemble, take_apart
from benchbench.core.cell import Cell, Setting, deployed_settings
from benchbench.core.deployment import Calibration, Deployment, DeploySpec, Tolerance, deployment_label
from benchbench.core.suite import ArchitectureSpec

CELLS = sorted((Path(__file__).parents[1] / "data" / "run-v1" / "cells").glob("*.json"))
INT8 = {"backend": "openvino", "precision": "int8"}


def cell(deploy: dict[str, Any] | None = None, settings: tuple[Setting, ...] = (), **more: Any) -> Cell:
    deployment = Deployment.model_validate(deploy or {})
    return Cell(
        variant="v1",
        architecture=ArchitectureSpec(name="transformer_net"),
        deploy=deployment,
        settings=(*settings, *deployed_settings(deployment)),
        **more,
    )


@pytest.mark.parametrize("path", CELLS, ids=lambda path: path.stem)
def test_cells_from_before_deployments_keep_their_ids(path: Path) -> None:
    stored = Cell.model_validate(json.loads(path.read_text())["cell"])
    assert stored.id == path.stem
    assert stored.deploy.is_reference
    assert stored.label == stored.variant


def test_there_are_such_cells() -> None:
    assert len(CELLS) == 3


def test_eager_float32_is_no_part_of_an_id_and_anything_else_is() -> None:
    plain = cell()
    assert cell({"backend": "eager", "precision": "fp32", "shapes": "static"}).id == plain.id
    others = [
        {"backend": "openvino"},
        INT8,
        {**INT8, "quantise": "weights"},
        {**INT8, "calibration": {"images": 8}},
        {"memory_format": "channels_last"},
        {"precision": "bf16"},
        {"backend": "compile", "options": {"mode": "max-autotune"}},
        {"backend": "openvino", "tolerance": {"psnr_db": 30.0}},
    ]
    assert len({plain.id, *(cell(each).id for each in others)}) == len(others) + 1


def test_the_network_of_a_deployed_cell_is_the_plain_one() -> None:
    width = (Setting(key="architecture.width", value=16),)
    deployed = cell(INT8, width, seed=3)
    assert deployed.network == cell(None, width, seed=3)
    assert deployed.network.id == cell(None, width, seed=3).id
    assert deployed.network.network == deployed.network


def test_deployments_are_compared_with_each_other_within_what_is_swept() -> None:
    width = (Setting(key="architecture.width", value=16),)
    deployed, plain = cell(INT8, width), cell(None, width)
    assert deployed.group == plain.group == "architecture.width=16"
    assert cell(INT8).group == ""
    assert deployed.swept == width


def test_labels_and_names() -> None:
    deployed = cell({**INT8, "memory_format": "channels_last", "options": {"streams": 2}})
    assert deployed.label == "v1 openvino int8 channels_last streams=2"
    assert cell().label == "v1"
    assert deployed.is_chosen("*int8*")
    assert not deployed.is_chosen("*fp16*")
    assert cell(INT8, (Setting(key="architecture.width", value=8),)).label == (
        "v1 architecture.width=8 openvino int8"
    )
    assert Deployment().label == "eager"
    assert deployment_label({"backend": "openvino", "quantise": "weights"}) == "openvino quantise=weights"


@pytest.mark.parametrize(
    ("declared", "named"),
    [
        ({}, {}),
        ({"shapes": "dynamic"}, {}),
        ({"precision": "bf16"}, {"backend": "eager", "precision": "bf16"}),
        ({"backend": "compile"}, {"backend": "compile"}),
        (
            {"backend": "compile", "shapes": "dynamic", "options": {"mode": "x"}},
            {"backend": "compile", "shapes": "dynamic", "mode": "x"},
        ),
    ],
)
def test_what_tells_a_deployment_from_eager(declared: dict[str, Any], named: dict[str, Any]) -> None:
    found = Deployment.model_validate(declared).named
    assert found == named
    assert list(found) == list(named)


@pytest.mark.parametrize(
    ("precision", "max_abs", "psnr_db"),
    [("fp32", 0.001, None), ("bf16", None, 30.0), ("fp16", None, 40.0), ("int8", None, 20.0)],
)
def test_bounds_are_the_precisions_own_unless_declared(
    precision: Any, max_abs: float | None, psnr_db: float | None
) -> None:
    assert Deployment(precision=precision).bounds == Tolerance(max_abs=max_abs, psnr_db=psnr_db)
    own = Tolerance(max_abs=0.5)
    assert Deployment(precision=precision, tolerance=own).bounds == own


@pytest.mark.parametrize(
    ("kind", "declared", "words"),
    [
        (Tolerance, {}, "bounds nothing"),
        (Tolerance, {"max_abs": 0}, "greater than 0"),
        (Calibration, {"images": 0}, "greater than or equal to 8"),
        (Deployment, {"precision": "fp8"}, "fp32"),
        (DeploySpec, {"backend": []}, "at least 1"),
        (DeploySpec, {"quantise": "weights"}, "give int8 an entry of its own"),
        (DeploySpec, {"backend": "openvino", "calibration": {"images": 9}}, "is of int8, and no precision"),
        (DeploySpec, {"precision": ["fp32", "int8"], "quantise": ["all", "weights"]}, "entry of its own"),
    ],
)
def test_bad_declarations(kind: Any, declared: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        kind.model_validate(declared)


def test_a_declaration_is_every_combination_with_backends_outermost() -> None:
    spec = DeploySpec.model_validate(
        {"backend": ["onnxruntime", "openvino"], "precision": ["fp32", "int8"], "calibration": {"seed": 4}}
    )
    found = list(spec.each())
    assert [(each.backend, each.precision) for each in found] == [
        ("onnxruntime", "fp32"),
        ("onnxruntime", "int8"),
        ("openvino", "fp32"),
        ("openvino", "int8"),
    ]
    assert {each.calibration.seed for each in found} == {4}


def test_a_name_is_a_declaration_and_other_keys_are_options() -> None:
    assert list(DeploySpec.model_validate("openvino").each()) == [Deployment(backend="openvino")]
    spec = DeploySpec.model_validate({"backend": "compile", "mode": "max-autotune", "fullgraph": True})
    (found,) = spec.each()
    assert found.options == {"mode": "max-autotune", "fullgraph": True}


def test_a_deployed_cell_is_read_back_as_it_was() -> None:
    written = cell({**INT8, "options": {"streams": 2}, "tolerance": {"psnr_db": 25.0}})
    read = Cell.model_validate_json(written.model_dump_json(by_alias=True))
    assert read == written
    assert read.id == written.id
    assert read.label == written.label


PLACES = [
    (),
    ("", ""),
    ("", "scale"),
    ("scale", ""),
    ("batch.image", "batch.mask"),
    (".image", ".mask"),
    (".image", ".mask", "", "size"),
    ("", "batch.image", "size"),
]


@pytest.mark.parametrize("places", PLACES, ids=str)
def test_a_call_is_taken_apart_as_it_was_put_together(places: tuple[str, ...]) -> None:
    values = tuple(range(len(places)))
    args, kwargs = assemble(values, places)
    assert take_apart(args, kwargs, places) == values


@pytest.mark.parametrize(
    ("args", "kwargs", "places", "words"),
    [
        ((), {}, ("",), "has 0 positional arguments; it needs 1"),
        ((1,), {"scale": 2}, ("", "scale", ""), "has 1 positional argument; it needs 2"),
        ((), {}, (".image", ".mask"), "has 0 positional arguments; it needs 1"),
        ((1,), {}, ("", "scale"), "no argument for the place 'scale'"),
        ((), {"batch": {"image": 1}}, ("batch.image", "batch.mask"), "place 'batch.mask'"),
        (({"image": 1},), {}, (".image", ".mask"), "place '.mask'"),
        ((1, 2), {}, ("",), "2 positional arguments, 1 of them known"),
        ((1, None, 5), {}, ("",), "3 positional arguments, 1 of them known"),
        ((1, None), {}, ("",), "2 positional arguments, 1 of them known"),
        ((1,), {"style": None}, ("",), "unknown arguments: style; known: none"),
        ((1,), {"scale": 2, "style": 3}, ("", "scale"), "unknown arguments: style; known: scale"),
        (({"image": 1, "mask": 2},), {}, (".image",), "unknown entries: mask; known: image"),
        ((), {"batch": {"image": 1, "mask": 2}}, ("batch.image",), "unknown entries: mask; known: image"),
        ((5,), {}, (".image",), "the place '.image' is an entry of a dictionary, not of a int"),
    ],
)
def test_a_call_that_does_not_fit(
    args: tuple[Any, ...], kwargs: dict[str, Any], places: tuple[str, ...], words: str
) -> None:
    with pytest.raises(TypeError, match=words):
        take_apart(args, kwargs, places)
