"""What an exported file says of itself: its inputs and outputs, as whoever loads it sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchbench.backends.flat import flat_outputs
from benchbench.core.contracts import Subject
from benchbench.core.input_spec import TensorInput
from benchbench.core.registry import ARCHITECTURES
from benchbench.measures.drawn_inputs import fields_taken
from benchbench.runner.export_facts import CardTensor, Format

_PACKAGES: dict[Format, tuple[str, ...]] = {
    "onnx": ("torch", "numpy", "onnx", "onnxscript", "onnxruntime", "nncf"),
    "openvino": ("torch", "numpy", "onnx", "onnxscript", "openvino", "nncf"),
    "pt2": ("torch", "numpy"),
}
_OPEN = {0: "batch", 2: "height", 3: "width"}
_RANGES = {"signed": "-1..1", "unit": "0..1"}
_WHAT = {
    "input": "a picture",
    "image": "a picture",
    "layout": "a label map: 1 in the channel of the pixel's class, 0 in the others",
    "target": "the attributes that are wanted, 1 or 0 each",
    "attributes": "attributes, 1 or 0 each",
}
# As OpenVINO names them -> as numpy does.
_OPENVINO = {
    "f64": "float64",
    "f32": "float32",
    "f16": "float16",
    "bf16": "bfloat16",
    "i64": "int64",
    "i32": "int32",
    "u8": "uint8",
    "boolean": "bool",
}


@dataclass(frozen=True, slots=True)
class Tensors:
    """Inputs and outputs of a file, and what it says of versions."""

    inputs: tuple[CardTensor, ...]
    outputs: tuple[CardTensor, ...]
    versions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Bare:
    name: str
    shape: tuple[int | str, ...]
    dtype: str


_Read = tuple[list[_Bare], list[_Bare], dict[str, str]]


def versions_for(name: Format) -> dict[str, str]:
    """Versions of the packages that write and read a format, of those that are installed."""
    found: dict[str, str] = {}
    for package in _PACKAGES[name]:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def read_tensors(name: Format, path: Path, subject: Subject, example: object) -> Tensors:
    """The inputs and outputs of a file that was loaded before, with what the network says of each.

    Args:
        name: of its format.
        path: its main file.
        subject: the network that it was made of.
        example: what that makes of its example inputs; shapes that the file leaves out are taken from it.
    """
    reader: Callable[[Path], _Read] = {"onnx": _of_onnx, "openvino": _of_openvino, "pt2": _of_pt2}[name]
    inputs, outputs, versions = reader(path)
    made = flat_outputs(example)
    said = _said_of(subject)
    # An exporter drops an input that nothing depends on; which one, positions no longer tell.
    known: Sequence[_Said] = said if len(said) == len(inputs) else [_Said()] * len(inputs)
    return Tensors(
        tuple(
            CardTensor(
                name=each.name,
                shape=each.shape,
                dtype=each.dtype,
                what=about.what,
                range=about.range,
                channels=about.channels,
                like=about.like,
            )
            for each, about in zip(inputs, known, strict=True)
        ),
        tuple(_output(each, made, at, subject) for at, each in enumerate(outputs)),
        versions,
    )


@dataclass(frozen=True, slots=True)
class _Said:
    what: str = ""
    range: str | None = None
    channels: str | None = None
    like: TensorInput | None = None


def _said_of(subject: Subject) -> list[_Said]:
    return [
        _said(subject, name, tensor, at)
        for at, (name, tensor) in enumerate(zip(fields_taken(subject), subject.inputs, strict=True))
    ]


def _said(subject: Subject, name: str, tensor: Tensor, at: int) -> _Said:
    spec = subject.specs[at] if subject.specs else None
    place = subject.places[at] if subject.places else ""
    like = None
    if spec is not None:
        kept = {key: getattr(spec, key) for key in TensorInput.model_fields}
        like = TensorInput.model_validate({**kept, "shape": tuple(tensor.shape)})
    goes_to = f"; in the network's own call {_called(place)}" if place else ""
    if name in ("input", "image"):
        return _Said(_WHAT[name] + goes_to, _range_of(subject), _channels(tensor.shape), like)
    if name:
        return _Said(_WHAT.get(name, name) + goes_to, "0..1", None, like)
    if like is None or not tensor.is_floating_point():
        high = None if like is None or like.high is None else f"0..{like.high - 1}"
        return _Said(("indices" if high else "") + goes_to, high, None, like)
    if like.values == "one_hot":
        return _Said("one-hot in dimension 1" + goes_to, "0..1", None, like)
    is_registered = subject.cell is not None and subject.cell.architecture.name is not None
    what = "noise, standard normal" if is_registered else "as the suite's input declares"
    return _Said(what + goes_to, None, None, like)


def _called(place: str) -> str:
    head, dot, entry = place.partition(".")
    return f"{head or 'argument'}[{entry!r}]" if dot else f"{head}="


def _range_of(subject: Subject) -> str | None:
    declared = subject.deployment.range
    name = subject.cell.architecture.name if subject.cell is not None else None
    if declared is None and name is not None:
        declared = ARCHITECTURES.load(name).values
    return None if declared is None else _RANGES[declared]


def _channels(shape: Sequence[int]) -> str | None:
    # Every data source of benchbench gives RGB, and none gives anything else.
    return "RGB" if len(shape) == 4 and shape[1] == 3 else None


def _output(found: _Bare, made: Sequence[Tensor], at: int, subject: Subject) -> CardTensor:
    own = made[at] if at < len(made) else None
    shape = found.shape
    if own is not None and len(shape) != own.dim():
        shape = tuple(own.shape)
    channels = None if own is None else _channels(tuple(own.shape))
    is_registered = subject.cell is not None and subject.cell.architecture.name is not None
    return CardTensor(
        name=found.name,
        shape=shape,
        dtype=found.dtype,
        what="a picture" if channels and is_registered else "",
        range=_range_of(subject) if channels and is_registered else None,
        channels=channels if is_registered else None,
    )


def _of_onnx(path: Path) -> _Read:
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    weights = {each.name for each in model.graph.initializer}
    opsets = {each.domain or "ai.onnx": str(each.version) for each in model.opset_import}
    versions = {"opset": ", ".join(f"{key} {value}" for key, value in sorted(opsets.items()))}
    inputs = [_onnx_value(each) for each in model.graph.input if each.name not in weights]
    return inputs, [_onnx_value(each) for each in model.graph.output], versions


def _onnx_value(value: Any) -> _Bare:
    import onnx

    tensor = value.type.tensor_type
    shape = tuple(
        each.dim_value if each.HasField("dim_value") else each.dim_param or "?" for each in tensor.shape.dim
    )
    return _Bare(value.name, shape, str(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type)))


def _of_openvino(path: Path) -> _Read:
    import openvino

    model = openvino.Core().read_model(str(path))

    def bare(ports: Iterable[Any], kind: str) -> list[_Bare]:
        found = []
        for at, port in enumerate(ports):
            shape = tuple(
                each.get_length() if each.is_static else _OPEN.get(index, "?")
                for index, each in enumerate(port.get_partial_shape())
            )
            dtype = port.get_element_type().get_type_name()
            name = port.get_any_name() if port.get_names() else f"{kind} {at}"
            found.append(_Bare(name, shape, _OPENVINO.get(dtype, dtype)))
        return found

    return bare(model.inputs, "input"), bare(model.outputs, "output"), {}


def _of_pt2(path: Path) -> _Read:
    program = torch.export.load(path)
    signature = program.graph_signature
    values = {node.name: node.meta.get("val") for node in program.graph.nodes}

    def bare(names: Iterable[Any], kind: str) -> list[_Bare]:
        found = []
        for at, name in enumerate(names):
            value = values.get(str(name))
            if not isinstance(value, Tensor):
                continue
            shape = tuple(
                each if isinstance(each, int) else _OPEN.get(index, str(each))
                for index, each in enumerate(value.shape)
            )
            found.append(_Bare(f"{kind} {at}", shape, str(value.dtype).removeprefix("torch.")))
        return found

    return bare(signature.user_inputs, "input"), bare(signature.user_outputs, "output"), {}
