from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.nn.utils import spectral_norm as hooked_spectral_norm
from torch.utils.flop_counter import flop_registry

import benchbench as bb
from benchbench.core.contracts import InputSpec
from benchbench.core.errors import CountMismatchError, MeasurementError, UnsupportedOperatorError
from benchbench.measures.counting import count

FIGURES = json.loads((Path(__file__).parents[1] / "reference" / "figures.json").read_text())["style_transfer"]
VARIANTS = {
    "baseline": [],
    "v1": ["residual"],
    "v2": ["encoder", "residual"],
    "v3": ["encoder", "residual", "decoder"],
}


class Call(nn.Module):
    """A module of one function; its weights are given by name."""

    def __init__(self, function: Callable[..., Tensor], **weights: Tensor) -> None:
        super().__init__()
        self.function = function
        for name, weight in weights.items():
            self.register_parameter(name, nn.Parameter(weight))

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.function(self, *inputs)


@pytest.fixture(scope="module")
def baseline() -> nn.Module:
    return bb.build("transformer_net")


@pytest.mark.parametrize("variant", VARIANTS)
def test_style_transfer_has_the_papers_figures(baseline: nn.Module, variant: str) -> None:
    stages = VARIANTS[variant]
    model = bb.replace(baseline, stages=stages, by="depthwise_separable") if stages else baseline
    counts = bb.count(model, FIGURES["input"])
    assert (counts.parameters, counts.macs) == (
        FIGURES[variant]["parameters"],
        FIGURES[variant]["macs"],
    )
    assert counts.macs_output_size == counts.macs
    assert counts.device == "meta"


@pytest.mark.parametrize(
    ("model", "shapes", "macs"),
    [
        (nn.Conv2d(3, 8, 3, 2, 1), [(2, 3, 9, 11)], 2 * 5 * 6 * 8 * 3 * 9),
        (nn.Conv2d(4, 8, 3, groups=2, padding=1), [(1, 4, 6, 6)], 36 * 8 * 2 * 9),
        (nn.Conv2d(4, 8, 3, dilation=2), [(1, 4, 9, 9)], 25 * 8 * 4 * 9),
        (nn.Conv2d(4, 8, (1, 5), padding="same"), [(1, 4, 6, 7)], 42 * 8 * 4 * 5),
        (nn.Conv2d(4, 8, 3), [(4, 6, 6)], 16 * 8 * 4 * 9),
        (nn.Conv1d(4, 8, 3), [(2, 4, 10)], 2 * 8 * 8 * 4 * 3),
        (nn.Conv3d(2, 3, 2), [(1, 2, 4, 4, 4)], 27 * 3 * 2 * 8),
        (nn.ConvTranspose2d(4, 8, 3, groups=4, stride=2), [(1, 4, 5, 5)], 25 * 4 * 2 * 9),
        (nn.Linear(5, 7), [(2, 3, 5)], 6 * 35),
        (nn.Linear(5, 7, bias=False), [(5,)], 35),
        (Call(lambda _, a, b: a @ b), [(2, 3, 4), (2, 4, 5)], 2 * 3 * 4 * 5),
        (Call(lambda _, a, b: torch.einsum("bik,bjk->bij", a, b)), [(2, 3, 4), (2, 5, 4)], 2 * 3 * 4 * 5),
        (Call(lambda _, c, a, b: torch.baddbmm(c, a, b)), [(2, 3, 5), (2, 3, 4), (2, 4, 5)], 120),
        (Call(lambda m, x: F.conv2d(x, m.w), w=torch.zeros(8, 3, 3, 3)), [(1, 3, 5, 5)], 9 * 8 * 3 * 9),
        (parametrizations.spectral_norm(nn.Conv2d(3, 8, 3)), [(1, 3, 5, 5)], 9 * 8 * 3 * 9),
        (parametrizations.weight_norm(nn.Linear(5, 7)), [(2, 5)], 70),
        (hooked_spectral_norm(nn.Conv2d(3, 8, 3)), [(1, 3, 5, 5)], 9 * 8 * 3 * 9),
        (nn.Sequential(nn.AvgPool2d(2), nn.PixelShuffle(2), nn.Upsample(scale_factor=2)), [(1, 4, 4, 4)], 0),
        (nn.GRUCell(3, 4), [(2, 3), (2, 4)], 2 * 3 * 4 * (3 + 4)),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else None,
)
def test_closed_forms(model: nn.Module, shapes: list[tuple[int, ...]], macs: int) -> None:
    assert count(model, shapes).macs == macs


def test_transposed_convolution_counts_at_input_size_and_by_the_other_convention_at_output_size() -> None:
    counts = count(nn.ConvTranspose2d(32, 16, 4, 2, 1), (1, 32, 8, 8))
    assert counts.macs == 64 * 32 * 16 * 16
    assert counts.macs_output_size == 4 * counts.macs


@pytest.mark.parametrize("fast_path", [True, False])
def test_attention(fast_path: bool) -> None:
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(fast_path)
    try:
        counts = count(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (2, 5, 8))
        assert torch.backends.mha.get_fastpath_enabled() == fast_path
    finally:
        torch.backends.mha.set_fastpath_enabled(before)
    projections, scores, feed_forward = 10 * 4 * 8 * 8, 2 * 2 * 5 * 5 * 8, 10 * 2 * 8 * 16
    assert counts.macs == projections + scores + feed_forward


def test_scaled_dot_product_attention() -> None:
    attend = Call(lambda _, q, k, v: F.scaled_dot_product_attention(q, k, v))
    shapes = [(2, 3, 5, 8), (2, 3, 7, 8), (2, 3, 7, 4)]
    assert count(attend, shapes).macs == 6 * 5 * 7 * (8 + 4)


def test_fused_attention_that_a_module_insists_on() -> None:
    def fused(module: nn.Module, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(q, k, v)[0]

    counts = count(Call(fused), [(2, 3, 5, 8)] * 3)
    assert counts.macs == counts.unchecked_macs == 6 * 5 * 5 * 16


def test_product_with_a_vector_counts_and_is_said_to_be_unchecked() -> None:
    counts = count(Call(lambda m, x: m.w @ x, w=torch.zeros(3, 4)), (4,))
    assert (counts.macs, counts.unchecked_macs) == (12, 12)


def test_modulated_convolution() -> None:
    def modulated(module: nn.Module, x: Tensor, style: Tensor) -> Tensor:
        weight = module.w * style.view(-1, 1, 4, 1, 1)
        batch = x.reshape(1, -1, *x.shape[2:])
        return F.conv2d(batch, weight.reshape(-1, 4, 3, 3), padding=1, groups=x.shape[0])

    counts = count(Call(modulated, w=torch.zeros(8, 4, 3, 3)), [(2, 4, 6, 6), (2, 4)])
    assert counts.macs == 2 * 36 * 8 * 4 * 9
    assert counts.elementwise == {"arithmetic": 2 * 8 * 4 * 9}


def test_elementwise_operations_are_kept_by_kind() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"),
        nn.InstanceNorm2d(4, affine=True),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        Call(lambda _, x: torch.cat([x + x, x * 2], dim=1)[:, :4].mean(dim=(2, 3))),
    )
    assert count(model, (1, 3, 8, 8)).elementwise == {
        "activation": 256,
        "arithmetic": 512,
        "bias": 256,
        "norm": 256,
        "padding": 300,
        "pooling": 256,
        "reduction": 256,
        "resampling": 256,
    }


def test_work_on_weights_alone_is_told_apart() -> None:
    plain = count(nn.Conv2d(3, 8, 3), (1, 3, 5, 5))
    normed = count(parametrizations.spectral_norm(nn.Conv2d(3, 8, 3)), (1, 3, 5, 5))
    # Matrix times vector (8 x 27), its dot product with the other vector (8), and the division.
    assert normed.elementwise == {**plain.elementwise, "weight": 8 * 27 + 8 + 8 * 27}


def test_layers_and_stages_add_up(baseline: nn.Module) -> None:
    counts = count(baseline)
    assert counts.input_shapes == ((1, 3, 256, 256),)
    assert [row.stage for row in counts.by_stage()] == ["encoder", "residual", "decoder"]
    for rows in (counts.layers, counts.by_stage()):
        assert sum(row.parameters for row in rows) == counts.parameters
        assert sum(row.macs for row in rows) == counts.macs
        assert sum(sum(row.elementwise.values()) for row in rows) == sum(counts.elementwise.values())
    first = counts.layers[0]
    assert (first.path, first.kind, first.stage) == ("encoder.0.conv", "Conv2d", "encoder")
    assert (first.parameters, first.macs) == (7808, 256 * 256 * 32 * 3 * 81)
    assert first.output_shape == (1, 32, 256, 256)
    assert counts.by_stage()[1].macs == 10 * 64 * 64 * 128 * 128 * 9


def test_shared_parameters_count_once_and_their_work_each_time() -> None:
    shared = nn.Linear(4, 4, bias=False)
    counts = count(nn.Sequential(shared, nn.ReLU(), shared), (1, 4))
    assert (counts.parameters, counts.macs) == (16, 32)
    tied = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False))
    tied[1].weight = tied[0].weight
    assert count(tied, (1, 4)).parameters == 16


def test_frozen_parameters_and_buffers() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    model[0].requires_grad_(requires_grad=False)
    counts = count(model, (1, 3, 2, 2))
    assert (counts.parameters, counts.trainable_parameters, counts.buffers) == (24, 8, 9)


def test_inputs_of_several_kinds() -> None:
    model = Call(lambda m, x, labels: x + m.table[labels], table=torch.zeros(10, 4))
    counts = count(model, [InputSpec(shape=(3, 4)), InputSpec(shape=(3,), dtype="int64", high=10)])
    assert counts.elementwise == {"arithmetic": 12}
    assert count(nn.Linear(4, 4), torch.zeros(2, 4)).macs == 32
    assert count(nn.Linear(4, 4).half(), (2, 4)).macs == 32


class Stateful(nn.Module):
    """Caches, changes a buffer and draws noise on each call."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5))
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.cache = torch.randn(4)
        if x.shape[0] == 3:
            raise ValueError("three")
        return self.layer(x) + self.cache


@pytest.mark.parametrize("keeps_plain_tensor", [True, False])
@pytest.mark.parametrize("rows", [2, 3])
def test_nothing_is_left_behind(keeps_plain_tensor: bool, rows: int) -> None:
    model = Stateful()
    model.layer[0].eval()
    if keeps_plain_tensor:
        model.plain = torch.zeros(1)
    generator = torch.random.get_rng_state()
    if rows == 3:
        with pytest.raises(MeasurementError, match=r"does not run on input \[3, 4\]: ValueError: three"):
            count(model, (rows, 4))
    else:
        counts = count(model, (rows, 4))
        assert counts.device == ("cpu" if keeps_plain_tensor else "meta")
        assert bool(counts.notes) == keeps_plain_tensor
    assert [each.training for each in model.modules()] == [True, True, False, True]
    assert not any(each._forward_hooks or each._forward_pre_hooks for each in model.modules())
    assert model.calls.item() == 0
    assert not hasattr(model, "cache")
    assert all(each.device.type == "cpu" for each in model.parameters())
    assert torch.equal(torch.random.get_rng_state(), generator)


def test_module_that_looks_at_values_runs_for_real() -> None:
    model = Call(lambda m, x: x @ m.w if x.abs().sum().item() > 0 else x, w=torch.zeros(4, 4))
    counts = count(model, (2, 4))
    assert counts.macs == 32
    assert counts.device == "cpu"
    assert counts.notes[0].startswith("not on meta:")


def test_operator_without_a_rule_is_named_with_its_place() -> None:
    model = nn.Sequential(nn.Linear(4, 4), Call(lambda _, x: torch.fft.rfft(x).abs()))
    with pytest.raises(UnsupportedOperatorError, match=r"aten\._fft_r2c\.default in '1' \(Call\)"):
        count(model, (2, 4))
    assert not any(each._forward_hooks for each in model.modules())


def test_disagreement_with_torchs_counter_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(flop_registry, torch.ops.aten.addmm, lambda *args, out_val: 34)
    with pytest.raises(CountMismatchError, match="closed forms give 16 MACs, FlopCounterMode / 2 gives 17"):
        count(nn.Linear(4, 4), (1, 4))


def test_module_without_known_inputs_asks_for_them() -> None:
    with pytest.raises(MeasurementError) as caught:
        count(nn.Linear(4, 4))
    assert "count(model, (1, 3, 256, 256))" in str(caught.value)


def test_input_that_is_none_is_told() -> None:
    with pytest.raises(MeasurementError, match=r"'image' is no input"):
        count(nn.Linear(4, 4), ["image"])


def test_large_network_on_meta_takes_no_memory() -> None:
    model = nn.Sequential(*(nn.Conv2d(2048, 2048, 9, padding=4, device="meta") for _ in range(8)))
    assert count(model, (1, 2048, 1024, 1024)).macs == 8 * 1024 * 1024 * 2048 * 2048 * 81
