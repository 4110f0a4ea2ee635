"""CLIP's image embedding (OpenAI's weights, from a local file): CLIP-FID's ViT-B/32, CMMD's ViT-L/14.

Sources: Radford et al. 2021; Kynkäänniemi et al. 2023 (Fréchet distance on ViT-B/32); Jayasumana et al. 2024
(CMMD: ViT-L/14 at 336 pixels, embeddings of unit length; its kernel is a Gaussian, so that `kd` here is
another number).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from benchbench.core.features import Extracted, Extractor, FeatureContext, Features
from benchbench.quality.vision_transformers import Transformer, TransformerOptions, load_transformer
from benchbench.quality.weights import PinnedFile, torch_checkpoints

# openai/CLIP, clip/clip.py; each address has its file's SHA-256 in it.
_URL = "https://openaipublic.azureedge.net/clip/models"
_MEAN = (0.48145466, 0.4578275, 0.40821073)
_STD = (0.26862954, 0.26130258, 0.27577711)

ModelName = Literal["vit_b_32", "vit_l_14", "vit_l_14_336"]


def _published(name: str, sha256: str, download_mib: int) -> PinnedFile:
    return PinnedFile(
        what=f"CLIP ({name})",
        name=name,
        url=f"{_URL}/{sha256}/{name}",
        sha256=sha256,
        places=(Path("~/.cache/clip").expanduser(), torch_checkpoints()),
        download_mib=download_mib,
    )


MODELS: dict[ModelName, Transformer] = {
    "vit_b_32": Transformer(
        label="clip-vit-b-32",
        model="vit_base_patch32_clip_quickgelu_224",
        side=224,
        dimensions=512,
        mean=_MEAN,
        std=_STD,
        file=_published(
            "ViT-B-32.pt", "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af", 338
        ),
        arguments={"num_classes": 512},
    ),
    "vit_l_14": Transformer(
        label="clip-vit-l-14",
        model="vit_large_patch14_clip_quickgelu_224",
        side=224,
        dimensions=768,
        mean=_MEAN,
        std=_STD,
        file=_published(
            "ViT-L-14.pt", "b8cca3fd41ae0c99ba7e8951adf17d267cdb84cd88be6f7c2e0eca1737a03836", 890
        ),
        arguments={"num_classes": 768},
    ),
    "vit_l_14_336": Transformer(
        label="clip-vit-l-14-336",
        model="vit_large_patch14_clip_quickgelu_336",
        side=336,
        dimensions=768,
        mean=_MEAN,
        std=_STD,
        file=_published(
            "ViT-L-14-336px.pt", "3035c92b350959924f9f00213499208652fc7ea050643e8b385c2dac08641f02", 891
        ),
        arguments={"num_classes": 768},
    ),
}


class ClipOptions(TransformerOptions):
    """Options of CLIP.

    Attributes:
        model: `vit_b_32` (CLIP-FID), `vit_l_14`, or `vit_l_14_336` (CMMD).
        length: of an embedding, `as_made` (CLIP-FID) or `unit` (CMMD).
    """

    model: ModelName = "vit_b_32"
    length: Literal["as_made", "unit"] = "as_made"


def load_clip(options: ClipOptions, context: FeatureContext) -> Extractor:
    """The image network and its projection.

    Raises:
        DependencyError: timm is not installed.
        CheckpointError: the weights are missing, have another hash, or do not fit.
    """
    made = load_transformer(
        MODELS[options.model],
        options,
        context,
        convert=to_timm,
        settings={"layer": "image embedding", "length": options.length},
    )
    if options.length == "as_made":
        return made

    def run(images: Tensor) -> Extracted:
        return Extracted(F.normalize(made.run(images).features, dim=-1))

    return dataclasses.replace(made, label=f"{made.label}-unit", run=run)


# From OpenAI's names to timm's, in this order.
_NAMES = (
    ("visual.", ""),
    ("conv1.", "patch_embed.proj."),
    ("transformer.resblocks.", "blocks."),
    ("ln_pre.", "norm_pre."),
    ("ln_post.", "norm."),
    (".ln_", ".norm"),
    (".attn.in_proj_", ".attn.qkv."),
    (".attn.out_proj.", ".attn.proj."),
    (".mlp.c_fc.", ".mlp.fc1."),
    (".mlp.c_proj.", ".mlp.fc2."),
)


def to_timm(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """OpenAI's state dict, text network included, as timm's image network; timm's own stays as it is."""
    if "visual.proj" not in state:
        return dict(state)
    found = {}
    for name, tensor in state.items():
        if not name.startswith("visual."):
            continue
        found[functools.reduce(lambda text, pair: text.replace(*pair), _NAMES, name)] = tensor
    found["cls_token"] = found.pop("class_embedding").reshape(1, 1, -1)
    found["pos_embed"] = found.pop("positional_embedding").unsqueeze(0)
    found["head.weight"] = found.pop("proj").T.contiguous()
    found["head.bias"] = torch.zeros(len(found["head.weight"]))
    return found


features = Features(options=ClipOptions, load=load_clip)
