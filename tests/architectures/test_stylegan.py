from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

import benchbench as bb
from benchbench.architectures.stylegan import discriminator, generator
from benchbench.architectures.stylegan_layers import ChannelNoise, Epilogue, Smoothing
from benchbench.core.errors import ArchitectureError, OptionError

FIGURES = json.loads((Path(__file__).parents[1] / "reference" / "figures.json").read_text())["stylegan_64"]
RECORDS = {"stylegan": generator, "stylegan_discriminator": discriminator}


def on_meta(name: str, **options: object) -> nn.Module:
    with torch.device("meta"):
        return bb.build(name, **options)


def built(module: nn.Module) -> int:
    return sum(each.numel() for each in module.parameters())


def test_parameters_are_the_references() -> None:
    assert built(on_meta("stylegan")) == FIGURES["generator"]["parameters"]
    assert built(on_meta("stylegan_discriminator")) == FIGURES["discriminator"]["parameters"]


@pytest.mark.parametrize(
    ("heads", "total"), [("all", 47_635_984), ("last_two", 47_625_223), ("last", 47_621_636)]
)
def test_totals_by_the_heads_that_are_counted(heads: str, total: int) -> None:
    # 47.625 M is printed; which heads were counted is not said.
    assert sum(built(on_meta(name, heads=heads)) for name in RECORDS) == total


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("stylegan", {"size": 128, "heads": "last"}),
        ("stylegan", {"size": 1024}),
        ("stylegan", {"size": 128, "heads": "last_two"}),
        ("stylegan_discriminator", {"size": 128, "heads": "last_two"}),
        ("stylegan", {"latent": 24, "mapping_layers": 3}),
        ("stylegan_discriminator", {"size": 256}),
        ("stylegan_discriminator", {"size": 1024, "heads": "last"}),
    ],
)
def test_closed_form_equals_the_built_network(name: str, options: dict[str, object]) -> None:
    record = RECORDS[name]
    checked = record.options.model_validate(options)
    module = on_meta(name, **options)
    assert record.parameters is not None
    assert record.output is not None
    assert record.parameters(checked) == built(module)
    counts = bb.count(module)
    assert counts.device == "meta"
    output = module.eval()(torch.empty(record.inputs(checked)[0].shape, device="meta"))
    assert tuple(output.shape) == record.output(checked)
    assert {layer.stage for layer in counts.layers if layer.parameters} == set(record.stages)


def test_macs_by_the_definition() -> None:
    counts = bb.count(on_meta("stylegan"))
    style = 8 * 512 * 512 + 512 * (2 * 9 * 512 + 2 * 2 * 256 - 2 * 512)
    convolutions = 16 * 512 * 512 * 9
    for size, wide, narrow in ((8, 512, 512), (16, 512, 512), (32, 512, 512), (64, 512, 256)):
        # Two convolutions, and the filter between them.
        convolutions += size**2 * 9 * (wide * narrow + narrow * narrow + narrow)
    assert counts.macs == style + convolutions + 64 * 64 * 256 * 3


def test_macs_of_the_discriminator_by_the_definition() -> None:
    counts = bb.count(on_meta("stylegan_discriminator"))
    macs = 64 * 64 * 3 * 256
    for size, wide, narrow in ((64, 256, 512), (32, 512, 512), (16, 512, 512), (8, 512, 512)):
        macs += size**2 * 9 * (wide * wide + wide + wide * narrow)
    assert counts.macs == macs + 16 * 513 * 512 * 9 + 16 * 512 * 512 + 512


@pytest.mark.parametrize(("name", "used"), [("stylegan", "rgb.4"), ("stylegan_discriminator", "rgb.0")])
def test_heads_below_the_full_size_are_parameters_that_do_not_run(name: str, used: str) -> None:
    heads = {layer.path: layer for layer in bb.count(on_meta(name)).layers if layer.stage == "rgb"}
    assert all(layer.parameters for layer in heads.values())
    assert [path for path, layer in heads.items() if layer.macs] == [used]
    assert len(heads) == 5


def test_logit_is_finite() -> None:
    torch.manual_seed(0)
    module = bb.build("stylegan_discriminator").eval()
    with torch.no_grad():
        logit = module(torch.randn(2, 3, 64, 64))
    assert logit.shape == (2, 1)
    assert torch.isfinite(logit).all()


def test_one_latent_is_one_image_in_eval_mode_and_noise_is_fresh_in_training() -> None:
    torch.manual_seed(0)
    layer = ChannelNoise(4, 8)
    nn.init.ones_(layer.weight)
    x = torch.zeros(2, 4, 8, 8)
    assert not torch.equal(layer(x), layer(x))
    layer.eval()
    assert torch.equal(layer(x), layer(x))


def test_the_style_sets_mean_and_deviation_of_every_channel() -> None:
    torch.manual_seed(0)
    layer = Epilogue(3, size=16, latent=5).eval()
    w = torch.randn(2, 5)
    out = layer(torch.randn(2, 3, 16, 16), w)
    scale, shift = layer.style(w).chunk(2, dim=1)
    torch.testing.assert_close(out.mean((2, 3)), shift, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(out.std((2, 3), unbiased=False), (scale + 1).abs(), atol=1e-3, rtol=1e-3)


def test_the_filter_keeps_a_plane() -> None:
    plane = torch.full((1, 2, 6, 6), 3.0)
    assert torch.allclose(Smoothing()(plane)[..., 1:-1, 1:-1], plane[..., 1:-1, 1:-1])


def test_style_mixing_changes_what_comes_after_the_layer() -> None:
    torch.manual_seed(0)
    module = bb.build("stylegan", latent=8, mapping_layers=1).eval()
    first, second = torch.randn(2, 1, 8)
    with torch.no_grad():
        plain, mixed = module(first), module(first, mixed=(second, 9))
        assert plain.shape == (1, 3, 64, 64)
        assert torch.isfinite(plain).all()
        assert not torch.equal(plain, mixed)
        assert torch.equal(module(first, mixed=(first, 5)), plain)
    with pytest.raises(ArchitectureError, match="from layer 10 on"):
        module(first, mixed=(second, 10))


@pytest.mark.parametrize(
    ("options", "told"), [({"size": 32}, "size"), ({"heads": "first"}, "heads"), ({"head": "all"}, "heads")]
)
def test_bad_options_are_told(options: dict[str, object], told: str) -> None:
    with pytest.raises(OptionError, match=told):
        bb.build("stylegan", **options)
