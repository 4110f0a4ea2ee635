"""Other attributes for a picture: the domains that it can be taken to."""

from __future__ import annotations

from collections.abc import Sequence

import torch

# Who has one colour of hair has no other (StarGAN's released code, solver.py `create_labels`).
HAIR_COLOURS = ("Black_Hair", "Blond_Hair", "Brown_Hair", "Gray_Hair")


def flipped(attributes: torch.Tensor, classes: Sequence[str]) -> torch.Tensor:
    """For every class the attributes of a picture taken to it, float32 [len(classes), A].

    Every target flips one attribute; a colour of hair is not flipped but set, and the others unset. Where
    classes exclude each other, a picture's targets are the classes themselves: `torch.eye(A)`.

    Args:
        attributes: of one picture, [A], 0 or 1.
        classes: what they are called, A names.

    Source: Choi et al. 2018, section 5.3; the rule for hair from the released code.
    """
    count = len(classes)
    colours = [place for place, name in enumerate(classes) if name in HAIR_COLOURS]
    targets = attributes.repeat(count, 1)
    for place in range(count):
        if place in colours:
            targets[place, colours] = 0
            targets[place, place] = 1
        else:
            targets[place, place] = 1 - targets[place, place]
    return targets
