"""Adversarial losses, for a discriminator and for the generator that it judges."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
from torch.nn import functional as F

Kind = Literal["bce", "hinge", "lsgan", "wgan", "non_saturating"]
Scores = torch.Tensor | Sequence[torch.Tensor]
"""What a discriminator gives: a number or a map per image; one of them per scale where it has several."""

_Term = Callable[[torch.Tensor], torch.Tensor]

# What is taken of every number that the discriminator gives: for real images, for made ones, and for made
# ones where the generator is trained. BCE is of logits, and so the non-saturating loss is the same.
_BCE: tuple[_Term, _Term, _Term] = (lambda x: F.softplus(-x), F.softplus, lambda x: F.softplus(-x))
_TERMS: Mapping[Kind, tuple[_Term, _Term, _Term]] = {
    "bce": _BCE,
    "non_saturating": _BCE,
    "hinge": (lambda x: F.relu(1 - x), lambda x: F.relu(1 + x), lambda x: -x),
    "lsgan": (lambda x: (x - 1).square(), torch.square, lambda x: (x - 1).square()),
    "wgan": (lambda x: -x, lambda x: x, lambda x: -x),
}


def discriminator_loss(real: Scores, fake: Scores, kind: Kind) -> torch.Tensor:
    """Loss of a discriminator: the term of real images plus that of made ones, a scalar.

    Args:
        real, fake: of real and of made images; means over all numbers, and then over scales.
        kind: `bce` and `non_saturating`: Goodfellow et al. 2014, eq. 1; `hinge`: Lim and Ye 2017, eq. 13;
            `lsgan`: Mao et al. 2017, eq. 9 without its halves; `wgan`: Arjovsky et al. 2017, eq. 2.
    """
    of_real, of_fake, _ = _TERMS[kind]
    return _mean(of_real, real) + _mean(of_fake, fake)


def generator_loss(fake: Scores, kind: Kind) -> torch.Tensor:
    """Loss of a generator, a scalar.

    Args:
        fake: of made images; the mean over all numbers, and then over scales.
        kind: as in `discriminator_loss`; `bce` is Goodfellow et al.'s second form, -log D, which does not
            saturate.
    """
    return _mean(_TERMS[kind][2], fake)


def _mean(term: _Term, scores: Scores) -> torch.Tensor:
    maps = [scores] if isinstance(scores, torch.Tensor) else list(scores)
    return torch.stack([term(each).mean() for each in maps]).mean()
