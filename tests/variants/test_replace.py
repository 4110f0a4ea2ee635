from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations
from torch.nn.utils import spectral_norm as hooked_spectral_norm

import benchbench as bb
from benchbench.core.contracts import InputSpec, Replacement
from benchbench.core.errors import BenchbenchError, OptionError, ReplacementError, UnknownNameError
from benchbench.core.layer_record import LayerReplacement
from benchbench.core.model import Options
from benchbench.core.registry import REPLACEMENTS
from benchbench.core.stages import origin_of
from benchbench.core.suite import ReplaceSpec
from benchbench.variants.replace import apply_replacements

FIGURES = json.loads((Path(__file__).parents[1] / "reference" / "figures.json").read_text())["style_transfer"]
STAGES = {
    "v1": ["residual"],
    "v2": ["encoder", "residual"],
    "v3": ["encoder", "residual", "decoder"],
}


def parameters(module: nn.Module) -> int:
    return sum(each.numel() for each in module.parameters())


@pytest.fixture(scope="module")
def baseline() -> nn.Module:
    return bb.build("transformer_net")


@pytest.mark.parametrize("variant", STAGES)
@pytest.mark.parametrize("options", [{}, {"norm": "instance"}])
def test_papers_variants_have_the_papers_parameters(
    baseline: nn.Module, variant: str, options: dict[str, str]
) -> None:
    light = bb.replace(baseline, stages=STAGES[variant], by="depthwise_separable", **options)
    assert parameters(light) == FIGURES[variant]["parameters"]
    assert parameters(baseline) == FIGURES["baseline"]["parameters"]


def test_every_layer_is_recorded(baseline: nn.Module) -> None:
    origin = origin_of(bb.replace(baseline, stages=STAGES["v3"], by="depthwise_separable"))
    assert origin is not None
    assert len(origin.replacements) == 16
    first = origin.replacements[0]
    assert (first.path, first.stage, first.before) == ("encoder.0.conv", "encoder", "Conv2d 3→32 9x9")
    assert first.after == "Conv2d 3→3 9x9 depthwise + InstanceNorm2d + ReLU + Conv2d 3→32 1x1"
    assert (first.parameters_before, first.parameters_after) == (7808, 345)
    saved = sum(each.parameters_before - each.parameters_after for each in origin.replacements)
    assert saved == FIGURES["baseline"]["parameters"] - FIGURES["v3"]["parameters"]


def test_the_rest_of_the_network_keeps_its_weights(baseline: nn.Module) -> None:
    light = bb.replace(baseline, stages=["residual"], by="depthwise_separable")
    assert torch.equal(light.encoder[0].conv.weight, baseline.encoder[0].conv.weight)
    assert light.encoder[0].conv is not baseline.encoder[0].conv


class Custom(nn.Conv2d):
    def forward(self, input: torch.Tensor) -> torch.Tensor:  # noqa: A002
        return super().forward(input) * 2


class Same(nn.Conv2d):
    """A subclass that computes what Conv2d does."""


class Own(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(4, 4, 3, 3))


def hooked() -> nn.Module:
    layer = nn.Conv2d(4, 4, 3)
    layer.register_forward_hook(lambda *_: None)
    return layer


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (nn.Conv2d(4, 4, 3, groups=4), "already grouped (groups=4)"),
        (nn.Conv2d(4, 4, 1), "1x1 already (pointwise: skip)"),
        (nn.Conv1d(4, 4, 3), "Conv1d is neither"),
        (nn.Conv3d(4, 4, 3), "Conv3d is neither"),
        (nn.Linear(4, 4), "Linear is neither"),
        (nn.LazyConv2d(4, 3), "no shape before its first call"),
        (Custom(4, 4, 3), "a forward of its own"),
        (Own(), "Own is neither"),
        (parametrizations.spectral_norm(nn.Conv2d(4, 4, 3)), "parametrized (SpectralNorm)"),
        (parametrizations.weight_norm(nn.Conv2d(4, 4, 3)), "parametrized (WeightNorm)"),
        (hooked_spectral_norm(nn.Conv2d(4, 4, 3)), "computed by a hook"),
        (hooked(), "forward hooks"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_layer_that_cannot_be_replaced_is_said(layer: nn.Module, reason: str) -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), layer, nn.BatchNorm2d(4), nn.LayerNorm([4, 4]))
    records = apply(model, stages=("*",))
    assert [each.path for each in records] == ["0", "1"]
    assert records[0].after is not None
    assert records[1].after is None
    assert records[1].reason is not None
    assert reason in records[1].reason
    assert model[1] is layer


def apply(model: nn.Module, stages: tuple[str, ...], **more: object) -> tuple[LayerReplacement, ...]:
    spec = ReplaceSpec.model_validate({"stages": stages, "with": "depthwise_separable", **more})
    return apply_replacements(model, [spec], {})


def test_subclass_without_a_forward_of_its_own_is_replaced() -> None:
    assert apply(nn.Sequential(Same(3, 4, 3)), stages=("0",))[0].after


def test_globs_and_layers_choose() -> None:
    def block() -> nn.Module:
        return nn.Sequential(nn.Conv2d(4, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3))

    model = nn.ModuleDict({"block_a": block(), "block_b": block(), "head": block()})
    assert [each.path for each in apply(model, stages=("block_*",), layers=("2",))] == [
        "block_a.2",
        "block_b.2",
    ]
    assert [each.path for each in apply(model, stages=("head",), layers=("head.0",))] == ["head.0"]


def test_layer_at_two_paths_is_replaced_once_at_both() -> None:
    shared = nn.Conv2d(4, 4, 3, padding=1)
    model = nn.ModuleDict({"a": shared, "b": nn.Sequential(shared)})
    records = apply(model, stages=("*",))
    assert len(records) == 1
    assert records[0].reason == "one layer with b.0"
    assert model["a"] is model["b"][0]
    assert not isinstance(model["a"], nn.Conv2d)


def test_second_specification_does_not_enter_what_the_first_put_there() -> None:
    model = nn.ModuleDict({"a": nn.Conv2d(4, 4, 3), "b": nn.Conv2d(4, 4, 3)})
    specs = [
        ReplaceSpec.model_validate({"stages": stage, "with": "depthwise_separable"}) for stage in ("a", "*")
    ]
    assert [each.path for each in apply_replacements(model, specs, {})] == ["a", "b"]
    with pytest.raises(ReplacementError, match="not entered again"):
        bb.replace(model, stages=["a"], by="depthwise_separable")


def test_dtype_device_and_mode_follow_the_layer() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3, dtype=torch.float64)).eval()
    light = bb.replace(model, stages=["0"], by="depthwise_separable")
    assert {each.dtype for each in light.parameters()} == {torch.float64}
    assert not any(each.training for each in light.modules())
    meta = bb.replace(
        nn.Sequential(nn.Conv2d(3, 4, 3, device="meta")), stages=["0"], by="depthwise_separable"
    )
    assert all(each.is_meta for each in meta.parameters())


def test_seed_decides_the_new_weights() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3))

    def weights(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        light = bb.replace(model, stages=["0"], by="depthwise_separable")
        return nn.utils.parameters_to_vector(light.parameters())

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


@pytest.mark.parametrize(
    ("request_", "kind", "words"),
    [
        ({"stages": ["resdual"]}, UnknownNameError, "did you mean 'residual'?"),
        (
            {"stages": ["residual"], "by": "depthwise"},
            UnknownNameError,
            "did you mean 'depthwise_separable'?",
        ),
        ({"stages": ["residual"], "nrom": "none"}, OptionError, "did you mean 'norm'?"),
        ({"stages": ["residual"], "norm": "group"}, OptionError, "'none', 'instance' or 'batch'"),
        ({"stages": ["residual"], "layers": ["cnov"]}, ReplacementError, "did you mean 'conv'?"),
        ({"stages": []}, OptionError, "replace: stages"),
        ({"stages": ["blok*"]}, UnknownNameError, "unknown stage 'blok*'"),
        ({"stages": ["encoder.0.norm"]}, ReplacementError, "no layer that could be replaced"),
    ],
)
def test_wrong_requests_are_told(
    request_: dict[str, object], kind: type[BenchbenchError], words: str
) -> None:
    model = bb.build("transformer_net", width=2, blocks=1)
    with pytest.raises(kind) as caught:
        bb.replace(model, **{"by": "depthwise_separable", **request_})
    assert words in str(caught.value)


def test_nothing_replaceable_says_what_was_found() -> None:
    with pytest.raises(ReplacementError, match=r"2 x Linear: Linear is neither"):
        bb.replace(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)), stages=["*"], by="depthwise_separable")


class _NoOptions(Options):
    pass


def test_replacement_of_another_shape_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(REPLACEMENTS, "_added", {})
    narrower = Replacement(options=_NoOptions, build=lambda layer, _: nn.Conv2d(3, 4, 3, padding=0))
    REPLACEMENTS.add("narrower", narrower)
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1))
    with pytest.raises(ReplacementError, match="changes the output shape"):
        bb.replace(model, stages=["0"], by="narrower")
    with pytest.raises(ReplacementError, match="does not take"):
        bb.replace(nn.Sequential(nn.Conv2d(5, 4, 3)), stages=["0"], by="narrower")


def test_change_of_the_network_to_another_shape_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(module: nn.Module, inputs: object, options: object) -> tuple[LayerReplacement, ...]:
        setattr(module, "1", nn.Conv2d(4, 2, 3))
        return ()

    def tear(module: nn.Module, inputs: object, options: object) -> tuple[LayerReplacement, ...]:
        setattr(module, "1", nn.Conv2d(5, 3, 3))
        return ()

    monkeypatch.setattr(REPLACEMENTS, "_added", {})
    REPLACEMENTS.add("cut", Replacement(options=_NoOptions, network=cut))
    REPLACEMENTS.add("tear", Replacement(options=_NoOptions, network=tear))
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 3, 3))
    image = [InputSpec(shape=(1, 3, 8, 8))]
    with pytest.raises(ReplacementError, match=r"from \[1, 3, 4, 4\] to \[1, 2, 4, 4\], after 1"):
        bb.replace(model, by="cut", inputs=image)
    with pytest.raises(ReplacementError, match=r"'tear': the changed network does not run at 1 \("):
        bb.replace(model, by="tear", inputs=image)


def test_stages_may_be_left_out() -> None:
    light = bb.replace(bb.build("transformer_net", width=2, blocks=1), by="grouped", groups=2)
    origin = origin_of(light)
    assert origin is not None
    changed = {each.path: each.stage for each in origin.replacements if each.after}
    assert changed["residual.0.second.conv"] == "residual"
    assert next(each.reason for each in origin.replacements) == "3→2 channels are not both multiples of 2"


def test_patch_embedding_is_replaced() -> None:
    light = bb.replace(nn.Sequential(nn.Conv2d(3, 8, 16, 16)), stages=["0"], by="depthwise_separable")
    assert light(torch.rand(1, 3, 32, 32)).shape == (1, 8, 2, 2)


class Tied(nn.Module):
    """Two layers of one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = (nn.Conv2d(4, 4, 3, padding=1) for _ in range(3))
        self.b.weight = self.a.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.c(self.b(self.a(x)))


def test_layers_that_share_a_weight_are_left_and_named() -> None:
    light = bb.replace(Tied(), by="grouped", groups=2)
    origin = origin_of(light)
    assert origin is not None
    assert {each.path: each.reason for each in origin.replacements} == {
        "a": "its weight is also that of b",
        "b": "its weight is also that of a",
        "c": None,
    }
    assert light.a.weight is light.b.weight
    with pytest.raises(ReplacementError, match="cannot resize a: its weight is also that of b"):
        bb.replace(Tied(), by="width", multiplier=0.5, inputs=[InputSpec(shape=(1, 4, 8, 8))])
