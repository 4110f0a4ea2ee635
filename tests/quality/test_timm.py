"""CLIP and DINOv2 in the real timm, where it is installed, against their papers' equations written out."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from benchbench.core.features import FeatureContext
from benchbench.quality import clip, dinov2
from benchbench.quality.load import load_features
from benchbench.quality.weights import PinnedFile

WIDTH, HEADS, DEPTH, DIMENSIONS = 64, 1, 2, 16
State = dict[str, Tensor]
Shapes = dict[str, tuple[int, ...]]


def layer_norm(x: Tensor, state: State, name: str, eps: float) -> Tensor:
    mean, variance = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, correction=0)
    return (x - mean) / (variance + eps).sqrt() * state[f"{name}.weight"] + state[f"{name}.bias"]


def attention(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    query, key, value = (x @ weight.T + bias).chunk(3, dim=-1)
    return (query @ key.transpose(1, 2) / WIDTH**0.5).softmax(dim=-1) @ value


def patches(images: Tensor, weight: Tensor) -> Tensor:
    size = weight.shape[-1]
    cut = images.unfold(2, size, size).unfold(3, size, size)
    return torch.einsum("nchwyx,dcyx->nhwd", cut, weight).flatten(1, 2)


def clip_by_hand(images: Tensor, state: State) -> Tensor:
    """Radford et al. 2021: LayerNorm before and between, x sigmoid(1.702 x), class token, projection."""
    x = patches(images, state["visual.conv1.weight"])
    x = torch.cat([state["visual.class_embedding"].expand(len(x), 1, WIDTH), x], dim=1)
    x = layer_norm(x + state["visual.positional_embedding"], state, "visual.ln_pre", 1e-5)
    for block in range(DEPTH):
        at = f"visual.transformer.resblocks.{block}"
        y = layer_norm(x, state, f"{at}.ln_1", 1e-5)
        y = attention(y, state[f"{at}.attn.in_proj_weight"], state[f"{at}.attn.in_proj_bias"])
        x = x + y @ state[f"{at}.attn.out_proj.weight"].T + state[f"{at}.attn.out_proj.bias"]
        y = layer_norm(x, state, f"{at}.ln_2", 1e-5)
        y = y @ state[f"{at}.mlp.c_fc.weight"].T + state[f"{at}.mlp.c_fc.bias"]
        y = y * torch.sigmoid(1.702 * y)
        x = x + y @ state[f"{at}.mlp.c_proj.weight"].T + state[f"{at}.mlp.c_proj.bias"]
    return layer_norm(x[:, 0], state, "visual.ln_post", 1e-5) @ state["visual.proj"]


def dinov2_by_hand(images: Tensor, state: State) -> Tensor:
    """Oquab et al. 2023: LayerScale, GELU, normalised class token."""
    x = patches(images, state["patch_embed.proj.weight"]) + state["patch_embed.proj.bias"]
    x = torch.cat([state["cls_token"].expand(len(x), 1, WIDTH), x], dim=1) + state["pos_embed"]
    for block in range(DEPTH):
        at = f"blocks.{block}"
        y = layer_norm(x, state, f"{at}.norm1", 1e-6)
        y = attention(y, state[f"{at}.attn.qkv.weight"], state[f"{at}.attn.qkv.bias"])
        y = y @ state[f"{at}.attn.proj.weight"].T + state[f"{at}.attn.proj.bias"]
        x = x + y * state[f"{at}.ls1.gamma"]
        y = layer_norm(x, state, f"{at}.norm2", 1e-6)
        y = y @ state[f"{at}.mlp.fc1.weight"].T + state[f"{at}.mlp.fc1.bias"]
        y = y * (1 + torch.erf(y / 2**0.5)) / 2
        y = y @ state[f"{at}.mlp.fc2.weight"].T + state[f"{at}.mlp.fc2.bias"]
        x = x + y * state[f"{at}.ls2.gamma"]
    return layer_norm(x[:, 0], state, "norm", 1e-6)


def block(at: str, vectors: list[str], *, projected: str, out: str, up: str, down: str) -> Shapes:
    """Of a transformer's block: its vectors, and weight and bias of its four matrices, by their names."""
    shapes: Shapes = {f"{at}.{name}": (WIDTH,) for name in vectors}
    for name, made, taken in ((projected, 3, 1), (out, 1, 1), (up, 4, 1), (down, 1, 4)):
        shapes[f"{at}.{name}weight"] = (made * WIDTH, taken * WIDTH)
        shapes[f"{at}.{name}bias"] = (made * WIDTH,)
    return shapes


def drawn(shapes: Shapes) -> State:
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(shape, generator=generator) * 0.3 for name, shape in shapes.items()}


def clip_state() -> State:
    shapes: Shapes = {
        "visual.conv1.weight": (WIDTH, 3, 32, 32),
        "visual.class_embedding": (WIDTH,),
        "visual.positional_embedding": (5, WIDTH),
        "visual.proj": (WIDTH, DIMENSIONS),
        "positional_embedding": (77, WIDTH),
    }
    for name in ("ln_pre", "ln_post"):
        shapes |= {f"visual.{name}.weight": (WIDTH,), f"visual.{name}.bias": (WIDTH,)}
    for number in range(DEPTH):
        shapes |= block(
            f"visual.transformer.resblocks.{number}",
            ["ln_1.weight", "ln_1.bias", "ln_2.weight", "ln_2.bias"],
            projected="attn.in_proj_",
            out="attn.out_proj.",
            up="mlp.c_fc.",
            down="mlp.c_proj.",
        )
    return drawn(shapes)


def dinov2_state() -> State:
    shapes: Shapes = {
        "cls_token": (1, 1, WIDTH),
        "mask_token": (1, WIDTH),
        "pos_embed": (1, 5, WIDTH),
        "patch_embed.proj.weight": (WIDTH, 3, 14, 14),
        "patch_embed.proj.bias": (WIDTH,),
        "norm.weight": (WIDTH,),
        "norm.bias": (WIDTH,),
    }
    for number in range(DEPTH):
        shapes |= block(
            f"blocks.{number}",
            ["norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias", "ls1.gamma", "ls2.gamma"],
            projected="attn.qkv.",
            out="attn.proj.",
            up="mlp.fc1.",
            down="mlp.fc2.",
        )
    return drawn(shapes)


def agree(
    name: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    state: State,
    by_hand: Callable[[Tensor, State], Tensor],
) -> None:
    path = folder / "tiny.safetensors"
    save_file(state, path)
    published = clip.MODELS["vit_b_32"] if name == "clip" else dinov2.MODEL
    kind = dataclasses.replace(
        published,
        side=64 if name == "clip" else 28,
        dimensions=DIMENSIONS if name == "clip" else WIDTH,
        file=PinnedFile(
            what="tiny",
            name=path.name,
            url="https://example.org",
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        ),
        arguments={
            **published.arguments,
            "img_size": 64 if name == "clip" else 28,
            "num_classes": DIMENSIONS if name == "clip" else 0,
            "embed_dim": WIDTH,
            "num_heads": HEADS,
            "depth": DEPTH,
        },
    )
    monkeypatch.setitem(clip.MODELS, "vit_b_32", kind)
    monkeypatch.setattr(dinov2, "MODEL", kind)

    def reference() -> Tensor:
        raise AssertionError("pretrained weights need no reference")

    context = FeatureContext("cpu", reference, "", folder, lambda line: None)
    state_before = torch.random.get_rng_state()
    made = load_features(name, {"weights": str(path)}, context)
    assert torch.equal(state_before, torch.random.get_rng_state())
    images = torch.rand(3, 3, kind.side, kind.side, generator=torch.Generator().manual_seed(1)) * 255
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (kind.mean, kind.std))
    expected = by_hand((images / 255 - mean) / std, state)
    found = made.run(images).features[:, 0]
    assert float((found - expected).abs().max()) < 1e-4 * float(expected.abs().max())


if importlib.util.find_spec("timm") is not None:
    # Without timm the stand-in of test_vision_transformers.py is all that is tested.

    def test_clip_is_openais(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        agree("clip", tmp_path, monkeypatch, clip_state(), clip_by_hand)

    def test_dinov2_is_metas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        agree("dinov2", tmp_path, monkeypatch, dinov2_state(), dinov2_by_hand)


def test_the_equations_depend_on_every_weight():
    for state, by_hand, side, unused in (
        (clip_state(), clip_by_hand, 64, {"positional_embedding"}),
        (dinov2_state(), dinov2_by_hand, 28, {"mask_token"}),
    ):
        images = torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(1))
        for tensor in state.values():
            tensor.requires_grad_()
        by_hand(images, state).square().sum().backward()
        assert {name for name, tensor in state.items() if tensor.grad is None} == unused
