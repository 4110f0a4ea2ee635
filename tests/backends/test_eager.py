from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchbench.backends import eager, placement, processor
from benchbench.backends.channels_last import backend as channels_last
from benchbench.backends.complaint import complaint
from benchbench.backends.eager import EagerOptions, backend
from benchbench.core.backends import Backend, Network, Session, Setup
from benchbench.core.deployment import Deployment
from benchbench.core.errors import UnsupportedDeploymentError


class Labelled(nn.Module):
    """An image and a class, by keyword; an integer buffer and weights that are used twice."""

    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 3, 3, padding=1)
        self.again = self.first
        self.table = nn.Embedding(5, 3)
        self.register_buffer("count", torch.tensor([2]))

    def forward(self, image: Tensor, label: Tensor) -> dict[str, Any]:
        shown = self.again(self.first(image).relu()) + self.table(label)[:, :, None, None]
        return {"image": shown, "labels": label + self.count, "said": "nothing"}


def network(seed: int = 0) -> Network:
    torch.manual_seed(seed)
    inputs = (torch.randn(2, 3, 8, 6), torch.tensor([1, 4]))
    return Network(Labelled().eval(), inputs, ("", "label"))


def setup(**deployment: Any) -> Setup:
    return Setup(Deployment(**deployment), EagerOptions())


def opened(of: Network, by: Backend = backend, **deployment: Any) -> Session:
    return by.open(of, setup(**deployment), None)


def expected(of: Network, given: tuple[Tensor, ...] | None = None) -> Tensor:
    image, label = given or of.inputs
    with torch.no_grad():
        shown: Tensor = of.module(image, label=label)["image"]
    return shown


def test_float32_gives_the_same_bits_and_shares_the_module() -> None:
    own = network()
    session = opened(own)
    images, labels = session.run(own.inputs)
    assert torch.equal(images, expected(own))
    assert labels.tolist() == [3, 6]
    assert torch.equal(session.call()["image"], expected(own))  # type: ignore[index]


def test_any_shape_is_taken() -> None:
    own = network()
    given = (torch.randn(5, 3, 4, 9), torch.arange(5))
    assert torch.equal(opened(own).run(given)[0], expected(own, given))
    assert not backend.fixes_shapes


@pytest.mark.parametrize(
    ("by", "deployment"),
    [
        (backend, {"precision": "bf16"}),
        (backend, {"memory_format": "channels_last"}),
        (channels_last, {}),
        (channels_last, {"precision": "bf16"}),
    ],
)
def test_the_module_stays_as_it_is(by: Backend, deployment: dict[str, Any]) -> None:
    own = network()
    tensors = dict(own.module.state_dict(keep_vars=True))
    before = {name: (each.data_ptr(), each.dtype, each.stride()) for name, each in tensors.items()}
    reference = expected(own)
    made = opened(own, by, **deployment).run(own.inputs)[0]
    assert made.dtype == torch.float32
    assert (made - reference).abs().max() < (0.05 if deployment.get("precision") else 1e-5)
    after = dict(own.module.state_dict(keep_vars=True))
    assert all(after[name] is each for name, each in tensors.items())
    assert {name: (each.data_ptr(), each.dtype, each.stride()) for name, each in after.items()} == before


def test_only_what_changes_is_copied_and_what_is_tied_stays_tied() -> None:
    module = network().module
    wanted = placement.placement_of(setup(precision="bf16"))
    placed = placement.place_module(module, wanted)
    assert isinstance(placed, Labelled)
    assert placed.first.weight is placed.again.weight
    assert placed.first.weight.dtype == torch.bfloat16
    assert placed.count.data_ptr() == module.count.data_ptr()
    last = placement.placement_of(setup(), memory_format="channels_last")
    placed = placement.place_module(module, last)
    assert placed.first.weight.is_contiguous(memory_format=torch.channels_last)
    assert placed.first.bias.data_ptr() == module.first.bias.data_ptr()
    assert placement.place_module(module, placement.placement_of(setup())) is module


def test_nothing_is_made_in_inference_mode() -> None:
    own = network()
    with torch.inference_mode():
        placed = placement.place_module(own.module, placement.placement_of(setup(precision="bf16")))
        born_there = nn.Linear(3, 3)
        moved = placement.place_module(born_there, placement.placement_of(setup(precision="bf16")))
    assert not any(each.is_inference() for each in (*placed.parameters(), *moved.parameters()))
    assert not opened(own).run(own.inputs)[0].is_inference()


def test_integers_and_memory_format_of_inputs() -> None:
    own = network()
    wanted = placement.placement_of(setup(precision="bf16"), memory_format="channels_last")
    image, label = wanted.convert(own.inputs)
    assert (image.dtype, label.dtype) == (torch.bfloat16, torch.int64)
    assert image.is_contiguous(memory_format=torch.channels_last)


def test_facts_say_what_runs() -> None:
    facts = opened(network(), channels_last, precision="bf16").facts
    assert facts["torch"] == torch.__version__
    assert facts["threads"] == torch.get_num_threads()
    assert (facts["dtype"], facts["memory_format"]) == ("bfloat16", "channels_last")


def test_channels_last_is_a_name_and_no_axis() -> None:
    assert channels_last.memory_formats == ("contiguous",)
    assert backend.memory_formats == ("contiguous", "channels_last")


class Uncopyable(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.part = nn.Linear(2, 2)

    def __deepcopy__(self, memo: object) -> Uncopyable:
        raise RuntimeError("there is one of me")

    def forward(self, x: Tensor) -> Tensor:
        return self.part(x)


def test_what_cannot_be_copied_runs_as_it_is_and_is_refused_otherwise() -> None:
    own = Network(Uncopyable().eval(), (torch.ones(1, 2),))
    assert opened(own).run(own.inputs).shape == (1, 2)  # type: ignore[union-attr]
    with pytest.raises(UnsupportedDeploymentError, match=r"cannot be copied.*there is one of me"):
        opened(own, precision="bf16")


@pytest.mark.parametrize(
    ("flags", "precision", "words"),
    [
        ("avx2 avx512f", "bf16", "none of avx512_bf16"),
        ("avx2 avx512_bf16", "bf16", None),
        ("avx2 avx512_bf16", "fp16", "none of avx512_fp16"),
        ("asimd asimdhp", "fp16", None),
        ("avx2", "fp32", None),
    ],
)
def test_what_a_processor_lacks(
    flags: str, precision: str, words: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processor, "processor_flags", lambda: frozenset(flags.split()))
    found = eager.backend.lacks(setup(precision=precision))
    assert (found is None) if words is None else (found is not None and words in found)


def test_flags_are_those_of_the_first_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = tmp_path / "cpuinfo"
    listed.write_text("processor : 0\nflags\t: fpu avx2\n\nprocessor : 1\nflags\t: fpu avx512_bf16\n")
    monkeypatch.setattr(processor, "_CPUINFO", listed)
    processor.processor_flags.cache_clear()
    assert processor.processor_flags() == {"fpu", "avx2"}
    processor.processor_flags.cache_clear()
    monkeypatch.setattr(processor, "_CPUINFO", tmp_path / "absent")
    assert processor.processor_flags() == frozenset()
    assert processor.lacks_instructions("bf16") in (None, "oneDNN does not compute in bf16 on this processor")
    processor.processor_flags.cache_clear()


def test_a_gpu_that_is_not_there() -> None:
    there = torch.cuda.is_available()
    found = backend.lacks(Setup(Deployment(), EagerOptions(), device="cuda"))
    assert found == (None if there else "torch finds no GPU here")


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("", "RuntimeError"),
        ("plain", "RuntimeError: plain"),
        ("backend='inductor' raised:\nLoweringException: no\n  target: aten.foo.default\n", None),
    ],
)
def test_a_complaint_is_one_line(message: str, line: str | None) -> None:
    announced = complaint(
        RuntimeError("FrontEnd API failed with OpConversionFailure:\nThe log:\nNo conversion of Dropout")
    )
    assert announced.endswith("OpConversionFailure: The log: No conversion of Dropout")
    found = complaint(RuntimeError(message))
    assert found == (line or "RuntimeError: LoweringException: no (at aten.foo.default)")
    assert len(complaint(RuntimeError("x" * 5000))) < 400


def test_weights_that_either_format_fits_are_laid_out_as_asked() -> None:
    torch.manual_seed(0)
    # Of depthwise and 1x1 weights `is_contiguous` holds for both formats.
    module = nn.Sequential(nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 8, 1)).eval()
    given = Network(module, (torch.randn(1, 4, 8, 8),))
    wanted = [
        each.clone().to(memory_format=torch.channels_last).stride()
        for each in (module[0].weight, module[1].weight)
    ]
    asked = Setup(Deployment(backend="channels_last"), options=channels_last.options())
    placed = placement.place_module(module, placement.placement_of(asked, memory_format="channels_last"))
    assert [each.stride() for each in (placed[0].weight, placed[1].weight)] == wanted
    assert placed is not module
    assert module[0].weight.stride() != wanted[0]
    session = channels_last.open(given, asked, None)
    assert torch.allclose(session.run(given.inputs), module(*given.inputs), atol=1e-6)
