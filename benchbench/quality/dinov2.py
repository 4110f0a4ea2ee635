"""DINOv2 ViT-L/14 (Meta's weights, from a local file): the features of FD-DINOv2.

Sources: Oquab et al. 2023; Stein et al. 2023 (pictures at 224 pixels, ImageNet's mean and deviation, the
normalised class token).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from benchbench.core.errors import CheckpointError
from benchbench.core.features import Extractor, FeatureContext, Features
from benchbench.quality.vgg import IMAGENET_MEAN, IMAGENET_STD
from benchbench.quality.vision_transformers import Transformer, TransformerOptions, load_transformer
from benchbench.quality.weights import PinnedFile, torch_checkpoints

PATCH = 14
# facebookresearch/dinov2: the published models were run with this; position embeddings shift by it.
_INTERPOLATE_OFFSET = 0.1

MODEL = Transformer(
    label="dinov2-vit-l-14",
    model="vit_large_patch14_dinov2",
    side=224,
    dimensions=1024,
    mean=IMAGENET_MEAN,
    std=IMAGENET_STD,
    file=PinnedFile(
        what="DINOv2 ViT-L/14 (dinov2_vitl14_pretrain.pth)",
        name="dinov2_vitl14_pretrain.pth",
        url="https://dl.fbaipublicfiles.com/dinov2/dinov2_vitl14/dinov2_vitl14_pretrain.pth",
        # Meta tells none; this is what those who pin the file agree on (1,217,586,395 bytes).
        sha256="d5383ea8f4877b2472eb973e0fd72d557c7da5d3611bd527ceeb1d7162cbf428",
        places=(torch_checkpoints(),),
        download_mib=1162,
    ),
    arguments={"img_size": 224, "num_classes": 0},
)


class Dinov2Options(TransformerOptions):
    """Options of DINOv2."""


def load_dinov2(options: Dinov2Options, context: FeatureContext) -> Extractor:
    """The network; features are its normalised class token.

    Raises:
        DependencyError: timm is not installed.
        CheckpointError: the weights are missing, have another hash, or do not fit.
    """
    return load_transformer(
        MODEL,
        options,
        context,
        convert=lambda state: to_timm(state, side=MODEL.side),
        settings={"layer": "normalised class token"},
    )


def to_timm(state: Mapping[str, Tensor], *, side: int) -> dict[str, Tensor]:
    """Meta's state dict with the position embeddings brought to pictures of `side`, as its own code does.

    timm would resample them with antialiasing and without the offset, which gives other features.

    Raises:
        CheckpointError: it has no position embeddings of a square.
    """
    found = {name: tensor for name, tensor in state.items() if name != "mask_token"}
    embedding = found.get("pos_embed")
    trained = math.isqrt(embedding.shape[1] - 1) if embedding is not None and embedding.dim() == 3 else 0
    if embedding is None or trained**2 != embedding.shape[1] - 1:
        raise CheckpointError(
            "these weights are none of DINOv2: they have no position embeddings of a square",
            expected="dinov2_vitl14_pretrain.pth as published",
        )
    count = side // PATCH
    if count != trained:
        grid = embedding[:, 1:].float().reshape(1, trained, trained, -1).permute(0, 3, 1, 2)
        scale = (count + _INTERPOLATE_OFFSET) / trained
        grid = F.interpolate(grid, scale_factor=(scale, scale), mode="bicubic")
        found["pos_embed"] = torch.cat([embedding[:, :1].float(), grid.flatten(2).transpose(1, 2)], dim=1)
    return found


features = Features(options=Dinov2Options, load=load_dinov2)
