"""Activation memory against sums by hand; a float32 takes 4 bytes."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.utils._python_dispatch import TorchDispatchMode

import benchbench as bb
from benchbench.measures.counting import Counts, count


class Call(nn.Module):
    """A module of one function; its layers and weights are given by name."""

    def __init__(self, function: Callable[..., object], **parts: nn.Module | Tensor) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            if isinstance(part, nn.Module):
                self.add_module(name, part)
            else:
                self.register_parameter(name, nn.Parameter(part))

    def forward(self, *inputs: Tensor) -> object:
        return self.function(self, *inputs)


def conv(channels_in: int, channels_out: int) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, 3, padding=1)


def floats(counts: Counts) -> int:
    assert counts.peak_activation_bytes % 4 == 0
    return counts.peak_activation_bytes // 4


def test_chain_of_convolutions_holds_input_and_two_neighbours() -> None:
    counts = count(nn.Sequential(conv(3, 8), conv(8, 16), conv(16, 4), conv(4, 3)), (1, 3, 10, 10))
    # The caller keeps the input; a layer needs what goes in and what comes out.
    assert floats(counts) == 100 * (3 + 8 + 16)
    assert [each.peak_activation_bytes for each in counts.layers] == [
        400 * (3 + 8),
        400 * (3 + 8 + 16),
        400 * (3 + 16 + 4),
        400 * (3 + 4 + 3),
    ]


def test_batch_counts_and_half_precision_takes_half() -> None:
    counts = count(conv(3, 8).half(), (4, 3, 10, 10))
    assert counts.peak_activation_bytes == 2 * 4 * 100 * (3 + 8)


def test_a_residual_keeps_its_input() -> None:
    def block(m: Call, x: Tensor) -> object:
        y = m.first(x)
        return y + m.fourth(m.third(m.second(y)))

    parts = {"first": conv(1, 8), "second": conv(8, 4), "third": conv(4, 4), "fourth": conv(4, 8)}
    counts = count(Call(block, **parts), (1, 1, 10, 10))
    of = {each.path: each.peak_activation_bytes // 400 for each in counts.layers}
    assert of == {
        "": 1 + 8 + 8 + 8,
        "first": 9,
        "second": 1 + 8 + 4,
        "third": 1 + 8 + 8,
        "fourth": 1 + 8 + 12,
    }
    assert floats(counts) == 100 * 25


def test_a_skip_connection_lives_until_it_is_joined() -> None:
    def net(m: Call, x: Tensor) -> object:
        skip = m.first(x)
        y = m.up(m.inner(m.down(skip)))
        return m.last(torch.cat([skip, y], dim=1))

    parts = {
        "first": conv(3, 4),
        "down": nn.Conv2d(4, 8, 4, 2, 1),
        "inner": conv(8, 8),
        "up": nn.ConvTranspose2d(8, 4, 4, 2, 1),
        "last": conv(8, 3),
    }
    counts = count(Call(net, **parts), (1, 3, 8, 8))
    of = {each.path: each.peak_activation_bytes // 4 for each in counts.layers}
    large, small = 64, 16
    assert of == {
        "": large * (3 + 4 + 4 + 8),
        "first": large * (3 + 4),
        "down": large * (3 + 4) + small * 8,
        "inner": large * (3 + 4) + small * 16,
        "up": large * (3 + 4 + 4) + small * 8,
        # The frame of `net` still holds the skip and what it was joined with.
        "last": large * (3 + 4 + 4 + 8 + 3),
    }
    assert floats(counts) == max(of.values())


@pytest.mark.parametrize(("in_place", "channels"), [(True, 3 + 8), (False, 3 + 8 + 8)])
def test_work_in_place_adds_nothing(in_place: bool, channels: int) -> None:
    counts = count(nn.Sequential(conv(3, 8), nn.ReLU(inplace=in_place)), (1, 3, 10, 10))
    assert floats(counts) == 100 * channels


def test_views_count_once_and_keep_what_they_view() -> None:
    def viewed(m: Call, x: Tensor) -> object:
        half = m.first(x)[:, :4]
        return half.flatten(2).transpose(1, 2), half.reshape(1, 4, -1)

    counts = count(Call(viewed, first=conv(3, 8)), (1, 3, 10, 10))
    assert floats(counts) == 100 * (3 + 8)

    def after_it(m: Call, x: Tensor) -> object:
        part = m.first(x)[:, :1]
        return m.second(part)

    assert floats(count(Call(after_it, first=conv(3, 8), second=conv(1, 2)), (1, 3, 10, 10))) == 100 * 13


def test_what_is_dropped_is_given_back_at_once() -> None:
    def dropped(m: Call, x: Tensor) -> object:
        large = x.repeat(1, 100, 1, 1)
        small = large.sum()
        del large
        return m.first(x) + small

    counts = count(Call(dropped, first=conv(3, 8)), (1, 3, 10, 10))
    of = {each.path: each.peak_activation_bytes // 4 for each in counts.layers}
    assert of == {"": 300 + 30000 + 1, "first": 300 + 1 + 800}


def test_input_alone_and_several_inputs() -> None:
    assert floats(count(nn.Identity(), (1, 3, 10, 10))) == 300
    assert floats(count(Call(lambda m, a, b: a + b), [(4, 5), (4, 5)])) == 60
    counts = count(Call(lambda m, a, b: a[b]), [torch.zeros(7, 2), torch.zeros(3, dtype=torch.int64)])
    assert counts.peak_activation_bytes == 4 * 14 + 8 * 3 + 4 * 6


def test_weights_and_what_follows_from_them_are_left_out() -> None:
    plain = count(conv(3, 8), (1, 3, 10, 10))
    normed = count(parametrizations.spectral_norm(conv(3, 8)), (1, 3, 10, 10))
    assert normed.peak_activation_bytes == plain.peak_activation_bytes == 400 * 11

    def scaled(m: Call, x: Tensor) -> object:
        return F.conv2d(x, m.w * 2)

    assert floats(count(Call(scaled, w=torch.zeros(8, 3, 1, 1)), (1, 3, 10, 10))) == 1100

    def modulated(m: Call, x: Tensor) -> object:
        # The copy of the weight follows from the input from here on.
        return F.conv2d(x, (m.w + 0).mul_(x.mean()))

    assert floats(count(Call(modulated, w=torch.zeros(8, 3, 1, 1)), (1, 3, 10, 10))) == 300 + 24 + 800


def test_normalisation_and_padding_are_layers_own() -> None:
    padded = nn.Conv2d(3, 8, 3, padding=1, padding_mode="reflect")
    assert floats(count(padded, (1, 3, 10, 10))) == 300 + 3 * 144 + 800
    counts = count(nn.Sequential(conv(3, 8), nn.BatchNorm2d(8), nn.ReLU()), (1, 3, 10, 10))
    assert floats(counts) == 100 * (3 + 8 + 8)


def test_indices_of_a_pooling_count_where_they_are_used() -> None:
    assert floats(count(nn.MaxPool2d(2), (1, 3, 10, 10))) == 300 + 75

    def unpooled(m: Call, x: Tensor) -> object:
        small, where = F.max_pool2d(x, 2, return_indices=True)
        return F.max_unpool2d(small, where, 2)

    # An index takes 8 bytes.
    assert floats(count(Call(unpooled), (1, 3, 10, 10))) == 300 + 75 + 2 * 75 + 300


def test_attention_is_one_operator() -> None:
    attend = Call(lambda _, q, k, v: F.scaled_dot_product_attention(q, k, v))
    # 6 heads of 5 queries; the scores, 6 x 5 x 7, are the operator's own.
    shapes = [(2, 3, 5, 8), (2, 3, 7, 8), (2, 3, 7, 4)]
    assert floats(count(attend, shapes)) == 6 * (5 * 8 + 7 * 8 + 7 * 4 + 5 * 4)

    def by_hand(_: Call, q: Tensor, k: Tensor, v: Tensor) -> object:
        return (q @ k.transpose(-1, -2)).softmax(-1) @ v

    inputs, scores, output = 6 * (5 * 8 + 7 * 8 + 7 * 4), 6 * 5 * 7, 6 * 5 * 4
    assert floats(count(Call(by_hand), shapes)) == inputs + max(2 * scores, scores + output)


def test_stage_has_the_peak_of_its_layers() -> None:
    model = nn.Sequential(conv(3, 8), conv(8, 16), conv(16, 4))
    stages = count(model, (1, 3, 10, 10), stages={"down": ("0", "1")}).by_stage()
    assert [(each.stage, each.peak_activation_bytes // 400) for each in stages] == [("down", 27), (None, 23)]


def test_real_run_has_the_same_peak() -> None:
    model = nn.Sequential(conv(3, 8), nn.InstanceNorm2d(8, affine=True), nn.ReLU(inplace=True), conv(8, 16))
    on_meta = count(model, (1, 3, 10, 10))
    model.plain = torch.zeros(100)
    real = count(model, (1, 3, 10, 10))
    assert (on_meta.device, real.device) == ("meta", "cpu")
    assert real.peak_activation_bytes == on_meta.peak_activation_bytes


def test_plain_tensor_of_a_module_is_no_activation() -> None:
    def scaled(m: Call, x: Tensor) -> object:
        return x * m.plain[None].view(-1, 1, 1)

    model = Call(scaled)
    model.plain = torch.ones(3)
    assert floats(count(model, (1, 3, 10, 10))) == 600


class Plain(TorchDispatchMode):
    """Adds up the storages that operators make, until they die: nothing else, and on real tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.alive_bytes = self.peak_bytes = 0
        self.seen: set[int] = set()

    def add(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        key, size = storage._cdata, storage.nbytes()
        if key not in self.seen:
            self.seen.add(key)
            self.alive_bytes += size
            self.peak_bytes = max(self.peak_bytes, self.alive_bytes)
            weakref.finalize(storage, self.drop, key, size)

    def drop(self, key: int, size: int) -> None:
        self.seen.discard(key)
        self.alive_bytes -= size

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for each in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(each, Tensor):
                self.add(each)
        return out


@pytest.mark.parametrize(
    ("name", "options", "shape"),
    [
        ("transformer_net", {"width": 4, "blocks": 2}, (1, 3, 32, 32)),
        ("unet_generator", {"width": 4}, (1, 3, 256, 256)),
    ],
)
def test_plain_sum_over_a_real_run_agrees(name: str, options: dict[str, int], shape: tuple[int, ...]) -> None:
    model, image, plain = bb.build(name, **options).eval(), torch.zeros(shape), Plain()
    plain.seen = {each.untyped_storage()._cdata for each in (*model.parameters(), *model.buffers())}
    plain.add(image)
    with torch.no_grad(), plain:
        model(image)
    assert count(model, shape).peak_activation_bytes == plain.peak_bytes


def test_attention_within_torchs_own_layers_keeps_no_scores() -> None:
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
    before = torch.nn.functional.scaled_dot_product_attention
    # Seven tensors of 1,024 x 32 floats: the scores of 4 heads would be 128 times as much as one.
    assert count(layer, (1, 1024, 32)).peak_activation_bytes == 7 * 4 * 1024 * 32
    assert torch.nn.functional.scaled_dot_product_attention is before
