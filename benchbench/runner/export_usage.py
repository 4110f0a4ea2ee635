"""Python that runs an exported file: ten lines or so, as they stand, in its folder."""

from __future__ import annotations

import json

from benchbench.core.input_spec import TensorInput
from benchbench.runner.export_facts import CardTensor, Format

# A size that the file leaves open needs one here.
_EXAMPLE_SIZE = {"batch": 1}


def usage_of(name: Format, main: str, inputs: tuple[CardTensor, ...], *, precision: str) -> str:
    """A whole program that loads `main`, gives it inputs as it wants them, and prints what it makes."""
    return {"onnx": _with_onnxruntime, "openvino": _with_openvino, "pt2": _with_torch}[name](
        main, inputs, precision
    )


def _with_onnxruntime(main: str, inputs: tuple[CardTensor, ...], precision: str) -> str:
    given = [f"    {json.dumps(each.name)}: {_numpy(each)}," + _comment(each) for each in inputs]
    return "\n".join(
        [
            "import numpy as np",
            "import onnxruntime",
            "",
            f'session = onnxruntime.InferenceSession("{main}", providers=["CPUExecutionProvider"])',
            "rng = np.random.default_rng(0)",
            "inputs = {",
            *given,
            "}",
            "outputs = session.run(None, inputs)",
            "print([(output.shape, output.dtype) for output in outputs])",
            "",
        ]
    )


def _with_openvino(main: str, inputs: tuple[CardTensor, ...], precision: str) -> str:
    hint = {"bf16": "bf16", "fp16": "f16"}.get(precision, "f32")
    given = [f"    {_numpy(each)}," + _comment(each) for each in inputs]
    return "\n".join(
        [
            "import numpy as np",
            "import openvino",
            "",
            f'model = openvino.compile_model("{main}", "CPU", {{"INFERENCE_PRECISION_HINT": "{hint}"}})',
            "rng = np.random.default_rng(0)",
            "inputs = [",
            *given,
            "]",
            "outputs = model(inputs)",
            "print([(outputs[port].shape, outputs[port].dtype) for port in model.outputs])",
            "",
        ]
    )


def _with_torch(main: str, inputs: tuple[CardTensor, ...], precision: str) -> str:
    given = [f"    {_torch(each)}," + _comment(each) for each in inputs]
    return "\n".join(
        [
            "import torch",
            "",
            f'model = torch.export.load("{main}").module()',
            "torch.manual_seed(0)",
            "inputs = [",
            *given,
            "]",
            "with torch.inference_mode():",
            "    outputs = model(*inputs)",
            "print([(output.shape, output.dtype) for output in outputs])",
            "",
        ]
    )


def _comment(tensor: CardTensor) -> str:
    said = [tensor.channels, tensor.range]
    return f"  # {', '.join(each for each in said if each)}" if any(said) else ""


def _shape(tensor: CardTensor) -> tuple[int, ...]:
    own = tensor.like.shape if tensor.like is not None else None
    return tuple(
        each if isinstance(each, int) else own[at] if own is not None else _EXAMPLE_SIZE.get(each, 64)
        for at, each in enumerate(tensor.shape)
    )


def _numpy(tensor: CardTensor) -> str:
    shape, like = _shape(tensor), tensor.like or TensorInput(shape=_shape(tensor))
    dtype = f"np.{tensor.dtype}" if tensor.dtype != "bool" else "bool"
    if like.dtype == "int64":
        return f"rng.integers({like.high}, size={shape}, dtype={dtype})"
    if like.dtype == "bool":
        return f"np.ones({shape}, bool)"
    if like.values == "one_hot":
        count, rest = shape[1], (shape[0], *shape[2:])
        picked = f"np.eye({count}, dtype={dtype})[rng.integers({count}, size={rest})]"
        return picked if len(shape) == 2 else f"np.moveaxis({picked}, -1, 1)"
    if tensor.range == "-1..1":
        return f"rng.uniform(-1, 1, {shape}).astype({dtype})"
    if tensor.range == "0..1":
        return f"rng.random({shape}).astype({dtype})"
    return f"rng.standard_normal({shape}).astype({dtype})"


def _torch(tensor: CardTensor) -> str:
    shape, like = _shape(tensor), tensor.like or TensorInput(shape=_shape(tensor))
    dtype = f"torch.{tensor.dtype}"
    cast = "" if tensor.dtype == "float32" else f".to({dtype})"
    if like.dtype == "int64":
        return f"torch.randint({like.high}, {shape}, dtype={dtype})"
    if like.dtype == "bool":
        return f"torch.ones({shape}, dtype=torch.bool)"
    if like.values == "one_hot":
        picked = f"torch.eye({shape[1]})[torch.randint({shape[1]}, {(shape[0], *shape[2:])})]"
        return (picked if len(shape) == 2 else f"{picked}.movedim(-1, 1)") + cast
    if tensor.range == "-1..1":
        return f"torch.rand({shape}){cast} * 2 - 1"
    if tensor.range == "0..1":
        return f"torch.rand({shape}){cast}"
    return f"torch.randn({shape}){cast}"
