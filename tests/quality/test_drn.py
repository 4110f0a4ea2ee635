from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from benchbench.core.errors import CheckpointError, DataError
from benchbench.quality.drn import DrnSegmenter, bilinear_kernel, drn_predictor, load_drn


@pytest.fixture(scope="module")
def empty() -> DrnSegmenter:
    with torch.device("meta"):
        return DrnSegmenter(19)


@pytest.fixture(scope="module")
def saved(empty, tmp_path_factory):
    """A state dict as the authors' code saved it in 2017: wrapped, and without counters."""
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, tensor in empty.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        if tensor.dim() == 4:
            value = torch.randn(tensor.shape, generator=generator) * (1 / tensor[0].numel()) ** 0.5
        else:
            value = torch.rand(tensor.shape, generator=generator) + 0.5
        state[f"module.{name}"] = value
    state["module.up.weight"] = bilinear_kernel().expand(19, 1, 16, 16).clone()
    path = tmp_path_factory.mktemp("drn") / "drn-d-105_ms_cityscapes.pth"
    torch.save(state, path)
    return path, state


def expected_parameters() -> int:
    """By hand from Yu et al. 2017, figure 6, and fyu/drn's drn_d_105 = [1, 1, 3, 4, 23, 3, 1, 1]."""

    def plain(given: int, made: int, kernel: int) -> int:
        return given * made * kernel**2 + 2 * made

    def level(given: int, planes: int, count: int) -> int:
        wide = 4 * planes
        inner = plain(planes, planes, 3) + plain(planes, wide, 1)
        first = plain(given, planes, 1) + inner + plain(given, wide, 1)
        return first + (count - 1) * (plain(wide, planes, 1) + inner)

    levels = level(32, 64, 3) + level(256, 128, 4) + level(512, 256, 23) + level(1024, 512, 3)
    ends = plain(3, 16, 7) + plain(16, 16, 3) + plain(16, 32, 3) + plain(2048, 512, 3) + plain(512, 512, 3)
    return levels + ends


def test_the_parameter_count_of_the_definition(empty):
    base = sum(parameter.numel() for parameter in empty.base.parameters())
    assert base == expected_parameters() == 54_288_304
    # With its classifier of 1,000 classes the network has the 54.8 million of the authors' table.
    assert base + 512 * 1000 + 1000 == 54_801_304
    whole = sum(parameter.numel() for parameter in empty.parameters())
    assert whole == base + 512 * 19 + 19 + 19 * 16 * 16 == 54_302_915


def test_names_are_the_authors(empty):
    names = set(empty.state_dict())
    # 108 convolutions with a normalisation each, the head and the enlargement.
    assert len([name for name in names if not name.endswith("num_batches_tracked")]) == 108 * 5 + 3
    assert {
        "base.0.0.weight", "base.0.1.running_var", "base.2.0.weight", "base.3.0.downsample.0.weight",
        "base.3.0.conv1.weight", "base.5.22.bn3.bias", "base.6.0.downsample.1.running_mean",
        "base.8.1.weight", "seg.weight", "seg.bias", "up.weight",
    } <= names  # fmt: skip
    assert "base.3.1.downsample.0.weight" not in names


def test_strides_and_dilations_are_the_authors(empty):
    found = [
        (module.stride[0], module.dilation[0], module.padding[0])
        for module in empty.base.modules()
        if isinstance(module, nn.Conv2d) and module.kernel_size[0] > 1
    ]
    assert found == [
        (1, 1, 3), (1, 1, 1), (2, 1, 1),
        (2, 1, 1), *[(1, 1, 1)] * 2,
        (2, 1, 1), *[(1, 1, 1)] * 3,
        *[(1, 2, 2)] * 23, *[(1, 4, 4)] * 3,
        (1, 2, 2), (1, 1, 1),
    ]  # fmt: skip


def test_the_enlargement_is_bilinear():
    kernel = bilinear_kernel()
    # fill_up_weights of segment.py, written out.
    f, c = 8, (2 * 8 - 1 - 8 % 2) / 16
    theirs = [[(1 - abs(i / f - c)) * (1 - abs(j / f - c)) for j in range(16)] for i in range(16)]
    assert torch.equal(kernel, torch.tensor(theirs))
    up = nn.ConvTranspose2d(1, 1, 16, stride=8, padding=4, bias=False)
    up.weight.data.copy_(kernel[None, None])
    given = torch.rand(1, 1, 5, 6, generator=torch.Generator().manual_seed(0))
    expected = nn.functional.interpolate(given, scale_factor=8.0, mode="bilinear", align_corners=False)
    inside = (..., slice(8, -8), slice(8, -8))
    assert torch.allclose(up(given)[inside], expected[inside], atol=1e-6)


def test_a_fresh_network_has_the_fixed_kernel(monkeypatch):
    monkeypatch.setattr(nn.init, "kaiming_uniform_", lambda tensor, **_: tensor)
    network = DrnSegmenter(2)
    assert torch.equal(network.up.weight[1, 0], bilinear_kernel())
    assert not network.up.weight.requires_grad


def test_the_authors_file_loads_strictly(saved):
    path, state = saved
    network, digest = load_drn(str(path), sha256=None)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert not network.training
    loaded = network.state_dict()
    assert all(torch.equal(loaded[name.removeprefix("module.")], value) for name, value in state.items())
    load_drn(str(path), sha256=digest[:12])
    with pytest.raises(CheckpointError, match="has SHA-256"):
        load_drn(str(path), sha256="0" * 64)


def test_one_tensor_too_many_or_too_few_is_refused(saved, tmp_path):
    state = saved[1]
    fewer = {name: value for name, value in state.items() if name != "module.up.weight"}
    more, other_shape = {"module.fc.bias": torch.zeros(1)}, {"module.seg.bias": torch.zeros(7)}
    for other in (fewer, {**state, **more}, {**state, **other_shape}):
        torch.save(other, tmp_path / "other.pth")
        with pytest.raises(CheckpointError, match="1 tensors do not fit"):
            load_drn(str(tmp_path / "other.pth"), sha256=None)


def test_where_it_is_missing_the_message_says_where_to_fetch_it(monkeypatch, tmp_path, saved):
    monkeypatch.setenv("BENCHBENCH_WEIGHTS", str(tmp_path))
    with pytest.raises(CheckpointError) as caught:
        load_drn("local", sha256=None)
    assert "http://go.yf.io/drn-cityscapes-models" in str(caught.value)
    assert str(tmp_path / "drn-d-105_ms_cityscapes.pth") in str(caught.value)
    assert "download" not in str(caught.value)
    monkeypatch.setenv("BENCHBENCH_WEIGHTS", str(saved[0].parent))
    load_drn("local", sha256=None)


class Stub(nn.Module):
    """Three classes, of which the standardised input's channels are the scores."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.seen = images
        return images


def test_predictions_are_standardised_and_enlarged_as_pillow_does():
    stub = Stub()
    images = torch.rand(2, 3, 16, 24, generator=torch.Generator().manual_seed(0)) * 255
    found = drn_predictor(stub, "cpu")(images)
    assert tuple(found.shape) == (2, 1024, 2048)
    assert found.dtype == torch.int64
    scores = np.empty((3, 1024, 2048), dtype=np.float32)
    # info.json of fyu/drn and SegList of gan-compression, in their own order: /255, minus, divided.
    for channel, (mean, std) in enumerate(
        [
            (0.29010095242892997, 0.1829540508368939),
            (0.32808144844279574, 0.18656561047509476),
            (0.28696394422942517, 0.18447508988480435),
        ]
    ):
        plane = ((images[1, channel].numpy() / 255 - mean) / std).astype(np.float32)
        np.testing.assert_allclose(stub.seen[0, channel].numpy(), plane, rtol=1e-4, atol=1e-5)
        scores[channel] = np.array(Image.fromarray(plane).resize((2048, 1024), Image.Resampling.BILINEAR))
    assert (scores.argmax(axis=0) == found[1].numpy()).mean() > 0.9999


def test_sides_that_the_network_would_shift_are_refused():
    with pytest.raises(DataError, match="20x16"):
        drn_predictor(Stub(), "cpu")(torch.zeros(1, 3, 16, 20))


@pytest.mark.slow
def test_the_whole_network_runs(saved):
    network, _ = load_drn(str(saved[0]), sha256=None)
    found = drn_predictor(network, "cpu")(torch.rand(1, 3, 32, 64) * 255)
    assert tuple(found.shape) == (1, 1024, 2048)
    assert 0 <= found.min() <= found.max() < 19
