from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import nn

import benchbench as bb
from benchbench.architectures.patchgan import discriminator, multiscale
from benchbench.core.contracts import Architecture
from benchbench.core.errors import OptionError

RECORDS = {"patchgan_discriminator": discriminator, "multiscale_discriminator": multiscale}


def on_meta(name: str, **options: int | str) -> nn.Module:
    with torch.device("meta"):
        return bb.build(name, **options)


def closed_form(record: Architecture, **options: int | str) -> int:
    assert record.parameters is not None
    return record.parameters(record.options.model_validate(options))


def size_of(module: nn.Module) -> int:
    return sum(each.numel() for each in module.parameters())


# Printed by the authors' code with two channels: junyanz/pytorch-CycleGAN-and-pix2pix, issue 1152.
@pytest.mark.parametrize(("layers", "printed"), [(3, 2.765), (2, 0.662)])
def test_parameters_are_what_the_authors_code_prints(layers: int, printed: float) -> None:
    given = closed_form(discriminator, channels=2, norm="batch", layers=layers)
    assert round(given / 1e6, 3) == printed


def test_macs_of_the_papers_patches() -> None:
    channels, sides = [3, 64, 128, 256, 512, 1], [128, 64, 32, 31, 30]
    macs = sum(16 * a * b * s * s for (a, b), s in zip(pairwise(channels), sides, strict=True))
    assert bb.count(on_meta("patchgan_discriminator")).macs == macs


def test_gaugans_pair_of_discriminators() -> None:
    # Park et al. 2019, figure 13: 4x4 convolutions to 64, 128, 256 (stride 2), 512 and 1 (stride 1).
    channels = [39, 64, 128, 256, 512, 1]
    # A padding of 2 makes even sizes odd, and stride 1 adds a row; the second sees half the image.
    sizes = [
        [(129, 257), (65, 129), (33, 65), (34, 66), (35, 67)],
        [(65, 129), (33, 65), (17, 33), (18, 34), (19, 35)],
    ]
    weights = [16 * a * b for a, b in pairwise(channels)]
    counts = bb.count(on_meta("multiscale_discriminator"))
    assert counts.parameters == 2 * (sum(weights) + 64 + 1)
    assert counts.macs == sum(
        each * height * width for scale in sizes for each, (height, width) in zip(weights, scale, strict=True)
    )


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("patchgan_discriminator", {}),
        ("patchgan_discriminator", {"channels": 6, "norm": "batch", "width": 16}),
        ("patchgan_discriminator", {"layers": 5, "width": 5}),
        ("patchgan_discriminator", {"layers": 1, "norm": "batch", "size": 8}),
        ("multiscale_discriminator", {"scales": 3, "norm": "instance", "width": 12}),
        ("multiscale_discriminator", {"channels": 6, "layers": 2, "aspect": 1, "width": 8}),
        ("multiscale_discriminator", {"scales": 5, "layers": 6, "height": 32, "width": 2}),
    ],
)
def test_closed_form_and_stages_fit_the_built_network(name: str, options: dict[str, int | str]) -> None:
    model = on_meta(name, **options)
    assert closed_form(RECORDS[name], **options) == size_of(model)
    layers = bb.count(model).layers
    assert {layer.stage for layer in layers if layer.parameters} == set(RECORDS[name].stages)


@pytest.mark.parametrize("options", [{}, {"size": 77}, {"layers": 1, "size": 8}, {"layers": 4, "size": 255}])
def test_output_shape(options: dict[str, int]) -> None:
    given = discriminator.options.model_validate(options)
    model = on_meta("patchgan_discriminator", **options).eval()
    assert discriminator.output is not None
    assert model(torch.empty(discriminator.inputs(given)[0].shape, device="meta")).shape == (
        discriminator.output(given)
    )


def test_three_layers_see_patches_of_70_by_70() -> None:
    torch.manual_seed(0)
    model = bb.build("patchgan_discriminator", width=2, norm="batch").double().eval()
    image = torch.randn(1, 3, 256, 256, dtype=torch.float64, requires_grad=True)
    model(image)[0, 0, 15, 15].backward()
    assert image.grad is not None
    rows, columns = image.grad[0].abs().sum(0).nonzero().unbind(1)
    assert (rows.max() - rows.min() + 1, columns.max() - columns.min() + 1) == (70, 70)


@pytest.mark.parametrize("norm", ["instance", "spectral_instance"])
def test_every_scale_sees_half_of_the_one_before(norm: str) -> None:
    torch.manual_seed(0)
    model = bb.build("multiscale_discriminator", channels=3, width=4, scales=3, norm=norm).eval()
    image = torch.rand(2, 3, 64, 96)
    halved = nn.functional.avg_pool2d(image, 3, 2, 1, count_include_pad=False)
    with torch.no_grad():
        logits = model(image)
        assert torch.equal(logits[1], model.scales[1](halved))
    assert [tuple(each.shape) for each in logits] == [(2, 1, 11, 15), (2, 1, 7, 9), (2, 1, 5, 6)]
    assert all(torch.isfinite(each).all() for each in logits)


def test_spectral_norm_bounds_the_hidden_layers_alone() -> None:
    torch.manual_seed(0)
    model = bb.build("multiscale_discriminator", channels=3, width=4, scales=1).eval()
    one = model.scales[0]
    for layer in one.hidden:
        largest = torch.linalg.svdvals(layer.conv.weight.detach().flatten(1))[0]
        assert largest.item() == pytest.approx(1.0, abs=0.05)
    assert torch.linalg.svdvals(one.output.weight.detach().flatten(1))[0] < 0.5


@pytest.mark.parametrize(
    ("name", "options", "problem"),
    [
        ("patchgan_discriminator", {"size": 16}, "size is 16, expected at least 24 .layers 3."),
        ("patchgan_discriminator", {"norm": "layer"}, 'norm: got "layer"'),
        ("multiscale_discriminator", {"scales": 0}, "scales"),
    ],
)
def test_what_it_cannot_be(name: str, options: dict[str, int | str], problem: str) -> None:
    with pytest.raises(OptionError, match=problem):
        on_meta(name, **options)
