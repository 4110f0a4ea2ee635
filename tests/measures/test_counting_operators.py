"""Closed forms by hand: attention, computed weights, functional and modulated convolution, products."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from benchbench.core.errors import UnsupportedOperatorError
from benchbench.measures.counting import count


class Call(nn.Module):
    """A module of one function; its weights are given by name."""

    def __init__(self, function: Callable[..., Tensor], **weights: Tensor) -> None:
        super().__init__()
        self.function = function
        for name, weight in weights.items():
            self.register_parameter(name, nn.Parameter(weight))

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.function(self, *inputs)


QUERY, KEY, VALUE = (2, 3, 5, 8), (2, 3, 7, 8), (2, 3, 7, 4)
SCORES = 2 * 3 * 5 * 7


@pytest.mark.parametrize("options", [{}, {"is_causal": True}, {"scale": 0.5}], ids=str)
def test_scaled_dot_product_attention(options: dict[str, object]) -> None:
    attend = Call(lambda _, q, k, v: F.scaled_dot_product_attention(q, k, v, **options))
    counts = count(attend, [QUERY, KEY, VALUE])
    assert counts.macs == SCORES * (8 + 4)
    assert counts.unchecked_macs == 0
    assert counts.device == "meta"


@pytest.mark.parametrize("mask", [(5, 7), (2, 1, 5, 7), (2, 3, 5, 7)])
@pytest.mark.parametrize("dtype", [torch.bool, torch.float32], ids=str)
def test_mask_of_attention_adds_no_product(mask: tuple[int, ...], dtype: torch.dtype) -> None:
    attend = Call(lambda _, q, k, v, m: F.scaled_dot_product_attention(q, k, v, m))
    counts = count(attend, [QUERY, KEY, VALUE, torch.ones(mask, dtype=dtype)])
    assert counts.macs == SCORES * (8 + 4)


def test_attention_of_few_keys_to_many_queries() -> None:
    attend = Call(lambda _, q, k, v: F.scaled_dot_product_attention(q, k, v, enable_gqa=True))
    counts = count(attend, [(1, 4, 5, 8), (1, 2, 7, 8), (1, 2, 7, 8)])
    assert counts.macs == 4 * 5 * 7 * 16


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("batch_first", [True, False])
def test_multihead_attention(need_weights: bool, batch_first: bool) -> None:
    layer = nn.MultiheadAttention(12, 3, batch_first=batch_first)

    class Attend(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x, x, x, need_weights=need_weights)[0]

    shape = (2, 5, 12) if batch_first else (5, 2, 12)
    counts = count(Attend(), shape)
    assert counts.macs == 4 * 2 * 5 * 12 * 12 + 2 * (2 * 5 * 5 * 12)
    assert counts.parameters == 4 * (12 * 12 + 12)


def test_multihead_attention_across_two_sequences_of_other_widths() -> None:
    layer = nn.MultiheadAttention(8, 2, kdim=6, vdim=4, batch_first=True, bias=False)

    class Attend(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            return self.layer(q, k, v)[0]

    counts = count(Attend(), [(3, 5, 8), (3, 7, 6), (3, 7, 4)])
    projections = 3 * (5 * 8 * 8 + 7 * 6 * 8 + 7 * 4 * 8 + 5 * 8 * 8)
    assert counts.macs == projections + 3 * 2 * (5 * 7 * (4 + 4))


@pytest.mark.parametrize("norm_first", [True, False])
def test_transformer_encoder(norm_first: bool) -> None:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=norm_first)
    one = 10 * 4 * 8 * 8 + 2 * 5 * 5 * 8 * 2 + 10 * 2 * 8 * 16
    assert count(layer, (2, 5, 8)).macs == one
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that nested tensors are not to be had with norm_first
        encoder = nn.TransformerEncoder(layer, 3)
    counts = count(encoder, (2, 5, 8))
    assert counts.macs == 3 * one
    assert counts.device == "meta"


def old_weight_norm(layer: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return nn.utils.weight_norm(layer)


@pytest.mark.parametrize(
    "parametrised",
    [parametrizations.spectral_norm, parametrizations.weight_norm, nn.utils.spectral_norm, old_weight_norm],
    ids=["spectral", "weight", "spectral by hook", "weight by hook"],
)
@pytest.mark.parametrize(
    ("make", "shape", "macs"),
    [
        (lambda: nn.Conv2d(4, 8, 3, padding=1), (3, 4, 6, 6), 3 * 36 * 8 * 4 * 9),
        (lambda: nn.ConvTranspose2d(4, 8, 4, 2, 1), (3, 4, 6, 6), 3 * 36 * 8 * 4 * 16),
        (lambda: nn.Linear(5, 7), (2, 5), 70),
    ],
    ids=["conv", "transposed", "linear"],
)
def test_parametrised_weights(
    parametrised: Callable[[nn.Module], nn.Module],
    make: Callable[[], nn.Module],
    shape: tuple[int, ...],
    macs: int,
) -> None:
    plain, counts = count(make(), shape), count(parametrised(make()), shape)
    assert counts.macs == plain.macs == macs
    assert counts.unchecked_macs == 0
    assert counts.device == "meta"
    assert {kind: each for kind, each in counts.elementwise.items() if kind != "weight"} == plain.elementwise
    assert counts.elementwise["weight"] > 0
    assert counts.peak_activation_bytes == plain.peak_activation_bytes


def test_functional_convolutions_take_their_weight_as_an_argument() -> None:
    shapes = [(2, 4, 6, 6), (8, 4, 3, 3)]
    counts = count(Call(lambda _, x, w: F.conv2d(x, w, stride=2, padding=1)), shapes)
    assert (counts.parameters, counts.macs) == (0, 2 * 9 * 8 * 4 * 9)
    counts = count(Call(lambda _, x, w: F.conv_transpose2d(x, w, stride=2)), [(2, 4, 6, 6), (4, 8, 3, 3)])
    assert (counts.macs, counts.macs_output_size) == (2 * 36 * 4 * 8 * 9, 2 * 13 * 13 * 4 * 8 * 9)
    counts = count(Call(lambda m, x: F.linear(x, m.w), w=torch.zeros(7, 5)), (2, 3, 5))
    assert (counts.parameters, counts.macs) == (35, 6 * 35)


def _modulated(module: nn.Module, x: Tensor, style: Tensor) -> Tensor:
    weight = module.w * style[:, None, :, None, None]
    scale = torch.rsqrt(weight.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8)
    grouped = (weight * scale).reshape(-1, 4, 3, 3)
    return F.conv2d(x.reshape(1, -1, *x.shape[2:]), grouped, padding=1, groups=x.shape[0])


def _modulated_up(module: nn.Module, x: Tensor, style: Tensor) -> Tensor:
    weight = (module.w * style[:, None, :, None, None]).transpose(1, 2).reshape(-1, 8, 3, 3)
    return F.conv_transpose2d(x.reshape(1, -1, *x.shape[2:]), weight, stride=2, groups=x.shape[0])


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("function", [_modulated, _modulated_up])
def test_modulated_convolution_has_one_group_per_sample(
    batch: int, function: Callable[[nn.Module, Tensor, Tensor], Tensor]
) -> None:
    counts = count(Call(function, w=torch.zeros(8, 4, 3, 3)), [(batch, 4, 6, 6), (batch, 4)])
    assert counts.macs == batch * 36 * 8 * 4 * 9
    # The weights follow from the style here: they are activations, and their making is arithmetic.
    assert "weight" not in counts.elementwise
    assert counts.elementwise["arithmetic"] >= batch * 8 * 4 * 9


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_transposed_and_grouped(groups: int) -> None:
    layer = nn.ConvTranspose2d(4, 8, 3, stride=2, padding=1, output_padding=1, groups=groups, bias=False)
    counts = count(layer, (2, 4, 5, 5))
    weight = 4 * 8 // groups * 9
    assert counts.parameters == weight
    assert (counts.macs, counts.macs_output_size) == (2 * 25 * weight, 2 * 100 * weight)


@pytest.mark.parametrize(
    ("equation", "shapes", "macs"),
    [
        ("bik,bjk->bij", [(2, 3, 4), (2, 5, 4)], 2 * 3 * 5 * 4),
        ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 5)], 2 * 3 * 4 + 2 * 4 * 5),
        ("bhqd,bhkd->bhqk", [(2, 3, 5, 8), (2, 3, 7, 8)], 6 * 5 * 7 * 8),
        ("oi,bihw->bohw", [(6, 4), (2, 4, 5, 5)], 50 * 4 * 6),
    ],
)
def test_einsum(equation: str, shapes: list[tuple[int, ...]], macs: int) -> None:
    assert count(Call(lambda _, *each: torch.einsum(equation, *each)), shapes).macs == macs


@pytest.mark.parametrize(
    ("left", "right", "macs"),
    [
        ((3, 4), (4, 5), 60),
        ((2, 1, 3, 4), (7, 4, 5), 2 * 7 * 60),
        ((2, 7, 3, 4), (4, 5), 14 * 60),
        ((3, 4), (7, 4, 5), 7 * 60),
    ],
)
def test_matrix_product_is_broadcast(left: tuple[int, ...], right: tuple[int, ...], macs: int) -> None:
    assert count(Call(lambda _, a, b: a @ b), [left, right]).macs == macs


@pytest.mark.parametrize("lead", [(), (2,), (2, 3), (2, 3, 4)])
@pytest.mark.parametrize("bias", [True, False])
def test_linear_on_any_number_of_dimensions(lead: tuple[int, ...], bias: bool) -> None:
    rows = torch.Size(lead).numel()
    counts = count(nn.Linear(5, 7, bias=bias), (*lead, 5))
    assert counts.macs == rows * 35
    assert counts.elementwise.get("bias", 0) == (rows * 7 if bias else 0)


def test_operator_without_a_rule_is_named_with_its_module() -> None:
    class Solve(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.linalg.inv(x)

    model = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.ReLU(), Solve()))
    with pytest.raises(UnsupportedOperatorError, match=r"operator aten\..*in '1\.1' \(Solve\) has no"):
        count(model, (4, 4))
