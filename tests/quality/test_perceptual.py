from __future__ import annotations

import pytest
import torch

from benchbench.core.errors import OptionError
from benchbench.core.model import parse_options
from benchbench.quality.perceptual import (
    LossOptions,
    PerceptualLoss,
    content_loss,
    gram_matrix,
    loss_layers,
    style_loss,
    total_variation,
)
from benchbench.quality.vgg_weights import load_vgg


def features(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_gram_matrix_by_hand():
    x = torch.tensor([[1.0, 2.0, 3.0, 4.0], [0.0, 1.0, 0.0, 1.0]]).view(1, 2, 2, 2)
    expected = torch.tensor([[30.0, 6.0], [6.0, 2.0]]) / (2 * 4)
    assert torch.allclose(gram_matrix(x)[0], expected)


def test_gram_matrix_does_not_know_where_things_are():
    x = features(2, 3, 4, 5)
    moved = x.flatten(2)[:, :, torch.randperm(20, generator=torch.Generator().manual_seed(1))].view_as(x)
    assert torch.allclose(gram_matrix(x), gram_matrix(moved))


def test_losses_against_loops():
    x, y = features(2, 3, 4, 5), features(2, 3, 4, 5, seed=1)
    for n in range(2):
        squares = [(x[n, c, h, w] - y[n, c, h, w]) ** 2 for c in range(3) for h in range(4) for w in range(5)]
        assert content_loss(x, y)[n].item() == pytest.approx(sum(squares).item() / 60)
        gram, wanted = (
            [[(f[a] * f[b]).sum() / 60 for b in range(3)] for a in range(3)] for f in (x[n], y[0])
        )
        distance = sum((gram[a][b] - wanted[a][b]) ** 2 for a in range(3) for b in range(3))
        assert style_loss(x, gram_matrix(y)[0])[n].item() == pytest.approx(distance.item())


def test_total_variation_of_a_ramp_and_of_flat_colour():
    ramp = torch.arange(5.0).expand(1, 3, 4, 5)
    assert total_variation(ramp).tolist() == [1.0]
    assert total_variation(ramp.transpose(2, 3)).tolist() == [1.0]
    assert total_variation(torch.ones(2, 3, 4, 5)).tolist() == [0.0, 0.0]


def small_loss(**changes: object) -> tuple[PerceptualLoss, torch.Tensor]:
    given = {"features": {"width": 4}, "style_layers": ["relu1_2", "relu2_2"], **changes}
    options = parse_options("recipe", "perceptual", LossOptions, given)
    style = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(2))
    return PerceptualLoss(load_vgg(loss_layers(options), options.features), style, options), style


def test_the_content_itself_has_no_content_loss_and_the_style_no_style_loss():
    loss, style = small_loss()
    terms = loss(style[None], style[None])
    assert terms.content.item() == 0
    assert terms.style.item() == pytest.approx(0, abs=1e-10)
    other = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(3)) * 0.2
    terms = loss(other, style[None])
    assert terms.content.item() > 0
    assert terms.style.item() > 0


def test_the_total_is_the_sum_and_weights_are_factors():
    once, style = small_loss(content_weight=1.0, style_weight=1.0, tv_weight=1.0)
    twice, _ = small_loss(content_weight=2.0, style_weight=3.0, tv_weight=4.0)
    output = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    content = style.expand(2, 3, 32, 32)
    a, b = once(output, content), twice(output, content)
    assert torch.allclose(b.content, 2 * a.content)
    assert torch.allclose(b.style, 3 * a.style)
    assert torch.allclose(b.tv, 4 * a.tv)
    assert torch.equal(a.total, a.content + a.style + a.tv)


def test_gradients_reach_the_output_and_not_the_extractor():
    loss, style = small_loss()
    output = torch.rand(1, 3, 32, 32, requires_grad=True)
    loss(output, style[None]).total.sum().backward()
    assert output.grad is not None
    assert output.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in loss.parameters())


def test_an_unknown_layer_and_a_negative_weight():
    with pytest.raises(OptionError, match="unknown VGG-16 layer 'relu9_9'"):
        small_loss(content_layer="relu9_9")
    with pytest.raises(OptionError):
        small_loss(style_weight=-1.0)
