from __future__ import annotations

import functools
import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchbench.architectures.build import build_architecture
from benchbench.architectures.inputs import example_inputs
from benchbench.core.registry import ARCHITECTURES
from benchbench.core.suite import ArchitectureSpec, ReplaceSpec
from benchbench.measures.fold import fold_parametrizations
from benchbench.variants.replace import apply_replacements

IMAGE = [[1, 3, 32, 32]]
LIGHT = {"name": "depthwise_separable", "norm": "instance", "activation": "relu"}
SPADE = {"name": "spade_generator", "labels": 3, "height": 64, "aspect": 2}
NARROW = "2_2_4_2_2_2_2_2"

GENERATORS: dict[str, dict[str, Any]] = {
    "transformer_net": {"name": "transformer_net", "width": 4, "blocks": 1, "input": IMAGE},
    "transformer_net-bilinear": {
        "name": "transformer_net",
        "width": 4,
        "blocks": 1,
        "upsample": "bilinear",
        "input": IMAGE,
    },
    "stargan": {"name": "stargan", "size": 16, "width": 4, "blocks": 1},
    "dcgan": {"name": "dcgan", "size": 32, "latent": 8, "width": 4},
    "ssd": {"name": "ssd", "size": 32, "latent": 8, "width": 4},
    "ssd-released": {"name": "ssd", "size": 32, "latent": 8, "width": 4, "form": "released"},
    "ssd-no-adain": {"name": "ssd", "size": 32, "latent": 8, "width": 4, "adain": False},
    "stylegan": {"name": "stylegan", "size": 64, "latent": 8, "mapping_layers": 2, "heads": "last"},
    "stylegan2": {
        "name": "stylegan2",
        "size": 64,
        "latent": 8,
        "mapping_layers": 2,
        "channel_multiplier": 0.25,
    },
    "resnet_generator": {"name": "resnet_generator", "width": 4, "blocks": 1, "input": IMAGE},
    "resnet_generator-mobile": {
        "name": "resnet_generator",
        "width": 4,
        "blocks": 1,
        "mobile": True,
        "input": IMAGE,
    },
    "resnet_generator-compressed": {
        "name": "resnet_generator",
        "width": 4,
        "channels": "2_2_4_2_4_2_2_4",
        "input": IMAGE,
    },
    "unet_generator": {"name": "unet_generator", "width": 4, "downsamplings": 4, "size": 32},
    "spade_generator": {**SPADE, "width": 2},
    "spade_generator-mobile": {**SPADE, "width": 2, "mobile": True},
    "spade_generator-compressed": {**SPADE, "width": 4, "channels": NARROW},
    "fastgan": {"name": "fastgan", "width": 8, "latent": 8},
    "fastgan-no-skip": {"name": "fastgan", "width": 8, "latent": 8, "skip": False},
}
REPLACED: dict[str, tuple[str, dict[str, Any]]] = {
    "transformer_net-light": (
        "transformer_net",
        {"stages": ["encoder", "residual", "decoder"], "with": LIGHT},
    ),
    "stargan-light": (
        "stargan",
        {
            "stages": ["downsampling", "bottleneck", "output"],
            "with": {"name": "depthwise_separable", "norm": "none", "activation": "none"},
        },
    ),
    "resnet_generator-upsample": (
        "resnet_generator",
        {
            "stages": ["upsample"],
            "with": {
                "name": "depthwise_separable",
                "norm": "instance",
                "norm_affine": False,
                "activation": "none",
            },
        },
    ),
    "resnet_generator-downsample": (
        "resnet_generator",
        {
            "stages": ["downsample"],
            "with": {"name": "depthwise_separable", "order": "expand_first", "expansion": 2, "norm": "none"},
        },
    ),
}
NAMES = [*GENERATORS, *REPLACED]


@functools.cache
def deployed(name: str) -> tuple[nn.Module, tuple[Tensor, ...], Tensor]:
    """The generator as it is deployed, with all that starts at 0 or 1 moved away; its inputs and output."""
    torch.manual_seed(0)
    of, replacement = REPLACED.get(name, (name, None))
    built = build_architecture(ArchitectureSpec.model_validate(GENERATORS[of]))
    if replacement is not None:
        spec = ReplaceSpec.model_validate(replacement)
        assert apply_replacements(built.module, [spec], built.stages, inputs=built.inputs)
    fold_parametrizations(built.module)
    inputs = tuple(example_inputs(built.inputs, seed=0))
    with torch.no_grad():
        for value in (*built.module.parameters(), *built.module.buffers()):
            if value.is_floating_point() and value.min() == value.max():
                value.add_(torch.rand_like(value), alpha=0.2)
        return built.module, inputs, built.module(*inputs)


def relative(got: Any, expected: Tensor) -> float:
    """Largest absolute difference, as a share of the expected values' range."""
    return float((torch.as_tensor(got) - expected).abs().max() / (expected.max() - expected.min()))


def test_every_generator_is_here() -> None:
    registered = {name for name in ARCHITECTURES if not name.endswith("_discriminator")}
    assert {spec["name"] for spec in GENERATORS.values()} == registered


@pytest.mark.parametrize("name", NAMES)
def test_an_exported_program_gives_the_same_bits_every_time(name: str) -> None:
    module, inputs, expected = deployed(name)
    assert expected.max() - expected.min() > 1e-3
    with torch.no_grad():
        exported = torch.export.export(module, inputs).module()
        for seed in (1, 2):
            torch.manual_seed(seed)
            assert torch.equal(exported(*inputs), expected)


@pytest.mark.parametrize("name", ["stylegan2", "spade_generator-compressed"])
def test_a_program_read_back_gives_the_same_bits(name: str) -> None:
    module, inputs, expected = deployed(name)
    file = io.BytesIO()
    with torch.no_grad():
        torch.export.save(torch.export.export(module, inputs), file)
        file.seek(0)
        assert torch.equal(torch.export.load(file).module()(*inputs), expected)


@pytest.mark.parametrize("name", ["stylegan", "stylegan2", "fastgan"])
def test_noise_is_stored_in_the_program_and_not_drawn_by_it(name: str) -> None:
    module, inputs, _ = deployed(name)
    with torch.no_grad():
        program = torch.export.export(module, inputs)
    drawing = torch.Tag.nondeterministic_seeded
    assert any(key.endswith(".fixed") for key in program.state_dict)
    assert [node for node in program.graph.nodes if drawing in getattr(node.target, "tags", ())] == []


@pytest.fixture(scope="module")
def write_onnx(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Name of a generator -> its file, written once."""
    pytest.importorskip("onnxscript")
    folder = tmp_path_factory.mktemp("onnx")

    def write(name: str) -> Path:
        path = folder / f"{name}.onnx"
        if not path.exists():
            module, inputs, _ = deployed(name)
            # torch's own use of a deprecated class, which it tells of at every export.
            with warnings.catch_warnings(), torch.no_grad():
                warnings.filterwarnings("ignore", message=".*LeafSpec", category=FutureWarning)
                program = torch.onnx.export(module, inputs, dynamo=True, verbose=False)
            assert program is not None
            program.save(path)
        return path

    return write


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_onnxruntime_gives_the_same_image(name: str, write_onnx: Callable[[str], Path]) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    _, inputs, expected = deployed(name)
    session = onnxruntime.InferenceSession(write_onnx(name), providers=["CPUExecutionProvider"])
    given = {each.name: value.numpy() for each, value in zip(session.get_inputs(), inputs, strict=True)}
    assert relative(session.run(None, given)[0], expected) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("route", ["onnx", "torch"])
@pytest.mark.parametrize("name", NAMES)
def test_openvino_gives_the_same_image(name: str, route: str, write_onnx: Callable[[str], Path]) -> None:
    openvino = pytest.importorskip("openvino")
    module, inputs, expected = deployed(name)
    if route == "onnx":
        model = openvino.convert_model(write_onnx(name))
    else:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.filterwarnings("ignore", message=".*LeafSpec", category=FutureWarning)
            model = openvino.convert_model(torch.export.export(module, inputs))
        model.reshape({port: list(value.shape) for port, value in zip(model.inputs, inputs, strict=True)})
    compiled = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    assert relative(compiled([value.numpy() for value in inputs])[0], expected) < 1e-4
