"""CLIP and DINOv2, on tiny networks with random weights: nothing is downloaded."""

from __future__ import annotations

import dataclasses
import hashlib
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from benchbench.core.errors import CheckpointError, DependencyError, FeatureError
from benchbench.core.features import Extractor, FeatureContext
from benchbench.quality import clip, dinov2
from benchbench.quality.load import load_features
from benchbench.quality.vision_transformers import Transformer
from benchbench.quality.weights import PinnedFile


def context(folder: Path) -> FeatureContext:
    def reference() -> Tensor:
        raise AssertionError("pretrained weights need no reference")

    return FeatureContext(
        device="cpu", reference=reference, reference_digest="", cache=folder, say=lambda line: None
    )


class FakeTransformer(nn.Module):
    """What timm would build, as far as this code sees it: named tensors, [N, 3, S, S] -> [N, D]."""

    def __init__(self, img_size: int, num_classes: int) -> None:
        super().__init__()
        self.img_size = img_size
        self.cls_token = nn.Parameter(torch.zeros(1, 1, 4))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + (img_size // 14) ** 2, 4))
        self.head = nn.Linear(3, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        assert images.shape[2:] == (self.img_size, self.img_size)
        return self.head(images.mean(dim=(2, 3)))


@pytest.fixture
def timm(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A module that stands in for timm; the list holds what was asked of it."""
    asked: list[str] = []

    def create_model(name: str, *, pretrained: bool, **kwargs: int) -> nn.Module:
        assert pretrained is False
        asked.append(name)
        return FakeTransformer(kwargs.get("img_size", 28), kwargs["num_classes"])

    fake = ModuleType("timm")
    fake.create_model = create_model  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "timm", fake)
    return asked


def openai_state(*, width: int = 4, dimensions: int = 5) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    return {
        "visual.class_embedding": drawn(width),
        "visual.positional_embedding": drawn(5, width),
        "visual.proj": drawn(3, dimensions),
        "visual.conv1.weight": drawn(width, 3, 2, 2),
        "visual.ln_pre.weight": drawn(width),
        "visual.ln_post.bias": drawn(width),
        "visual.transformer.resblocks.0.ln_1.weight": drawn(width),
        "visual.transformer.resblocks.0.attn.in_proj_weight": drawn(3 * width, width),
        "visual.transformer.resblocks.0.attn.out_proj.bias": drawn(width),
        "visual.transformer.resblocks.11.mlp.c_fc.weight": drawn(width, width),
        "visual.transformer.resblocks.11.mlp.c_proj.bias": drawn(width),
        "transformer.resblocks.0.ln_1.weight": drawn(width),
        "logit_scale": drawn(),
    }


def tiny_clip(monkeypatch: pytest.MonkeyPatch, path: Path, *, sha256: str = "") -> Transformer:
    kind = dataclasses.replace(
        clip.MODELS["vit_b_32"],
        side=28,
        dimensions=5,
        file=PinnedFile(what="CLIP (tiny)", name=path.name, url="https://example.org/tiny", sha256=sha256),
        arguments={"num_classes": 5},
    )
    monkeypatch.setitem(clip.MODELS, "vit_b_32", kind)
    return kind


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def clip_file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.safetensors"
    save_file(openai_state(), path)
    return path


def test_openai_names_become_timms():
    found = clip.to_timm(openai_state())
    assert set(found) == {
        "cls_token",
        "pos_embed",
        "head.weight",
        "head.bias",
        "patch_embed.proj.weight",
        "norm_pre.weight",
        "norm.bias",
        "blocks.0.norm1.weight",
        "blocks.0.attn.qkv.weight",
        "blocks.0.attn.proj.bias",
        "blocks.11.mlp.fc1.weight",
        "blocks.11.mlp.fc2.bias",
    }
    assert found["cls_token"].shape == (1, 1, 4)
    assert found["pos_embed"].shape == (1, 5, 4)
    assert torch.equal(found["head.weight"], openai_state()["visual.proj"].T)
    assert not found["head.bias"].any()
    # timm's own file stays as it is.
    assert clip.to_timm(found).keys() == found.keys()


def test_clip_standardises_bytes(timm: list[str], clip_file: Path, monkeypatch: pytest.MonkeyPatch):
    tiny_clip(monkeypatch, clip_file, sha256=sha256_of(clip_file))
    made = load_features("clip", {"weights": str(clip_file)}, context(clip_file.parent))
    assert timm == ["vit_base_patch32_clip_quickgelu_224"]
    assert (made.label, made.side, made.dimensions, made.resize) == ("clip-vit-b-32", 28, 5, "clean")
    assert made.weights_hash == sha256_of(clip_file)
    assert made.registered == frozenset()
    found = made.run(torch.full((2, 3, 28, 28), 255.0)).features
    white = (torch.ones(3) - torch.tensor(clip._MEAN)) / torch.tensor(clip._STD)
    assert found.shape == (2, 1, 5)
    assert torch.allclose(found[0, 0], white @ openai_state()["visual.proj"], atol=1e-5)


def test_unit_length_is_told_in_the_label(timm: list[str], clip_file: Path, monkeypatch: pytest.MonkeyPatch):
    tiny_clip(monkeypatch, clip_file, sha256=sha256_of(clip_file))
    made = load_features("clip", {"weights": str(clip_file), "length": "unit"}, context(clip_file.parent))
    assert made.label == "clip-vit-b-32-unit"
    assert made.settings["length"] == "unit"
    assert torch.allclose(made.run(torch.zeros(2, 3, 28, 28)).features.norm(dim=-1), torch.tensor(1.0))


def test_other_weights_need_their_hash_and_carry_it(
    timm: list[str], clip_file: Path, monkeypatch: pytest.MonkeyPatch
):
    tiny_clip(monkeypatch, clip_file, sha256="0" * 64)
    with pytest.raises(CheckpointError, match=sha256_of(clip_file)):
        load_features("clip", {"weights": str(clip_file)}, context(clip_file.parent))
    digest = sha256_of(clip_file)
    given = {"weights": str(clip_file), "sha256": digest}
    assert load_features("clip", given, context(clip_file.parent)).label == f"clip-vit-b-32-{digest[:8]}"


def test_missing_weights_say_where_and_how(tmp_path: Path, timm: list[str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BENCHBENCH_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    pinned = clip.MODELS["vit_b_32"].file
    monkeypatch.setitem(
        clip.MODELS,
        "vit_b_32",
        dataclasses.replace(clip.MODELS["vit_b_32"], file=dataclasses.replace(pinned, places=())),
    )
    with pytest.raises(CheckpointError, match="nothing else ever takes their place") as caught:
        load_features("clip", {}, context(tmp_path))
    assert str(tmp_path / "ViT-B-32.pt") in (caught.value.expected or "")
    assert "40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af" in (caught.value.expected or "")
    assert "openaipublic" in (caught.value.fix or "")


def test_weights_that_do_not_fit(
    tmp_path: Path, timm: list[str], clip_file: Path, monkeypatch: pytest.MonkeyPatch
):
    save_file({**openai_state(), "visual.proj": torch.zeros(3, 7)}, clip_file)
    tiny_clip(monkeypatch, clip_file)
    with pytest.raises(CheckpointError, match=r"head.weight: shape \[7, 3\]"):
        load_features("clip", {"weights": str(clip_file)}, context(tmp_path))


def test_only_the_published_file_is_opened_as_a_program(
    tmp_path: Path, timm: list[str], monkeypatch: pytest.MonkeyPatch
):
    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.visual = nn.Module()
            for name, tensor in openai_state().items():
                if name.count(".") == 1 and name.startswith("visual."):
                    self.visual.register_buffer(name.split(".")[1], tensor)

        def forward(self, x: Tensor) -> Tensor:
            return x

    path = tmp_path / "tiny.pt"
    torch.jit.save(torch.jit.trace(Whole(), torch.zeros(1)), str(path))
    tiny_clip(monkeypatch, path, sha256=sha256_of(path))
    assert load_features("clip", {"weights": str(path)}, context(tmp_path)).dimensions == 5
    tiny_clip(monkeypatch, path, sha256="0" * 64)
    with pytest.raises(CheckpointError, match="cannot be read"):
        load_features("clip", {"weights": str(path), "sha256": sha256_of(path)}, context(tmp_path))


def test_timm_is_an_optional_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    for name in ("clip", "dinov2"):
        with pytest.raises(DependencyError, match="CLIP and DINOv2 need timm") as caught:
            load_features(name, {}, context(tmp_path))
        assert caught.value.fix == "pip install timm"


def dinov2_state(*, trained: int = 4, dimensions: int = 3) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "cls_token": torch.randn(1, 1, 4, generator=generator),
        "mask_token": torch.zeros(1, 4),
        "pos_embed": torch.randn(1, 1 + trained**2, 4, generator=generator),
        "head.weight": torch.eye(dimensions),
        "head.bias": torch.zeros(dimensions),
    }


def load_dinov2(folder: Path, monkeypatch: pytest.MonkeyPatch, state: dict[str, Tensor]) -> Extractor:
    path = folder / "tiny_dino.pth"
    torch.save(state, path)
    kind = dataclasses.replace(
        dinov2.MODEL,
        side=28,
        dimensions=3,
        file=PinnedFile(
            what="DINOv2 (tiny)", name=path.name, url="https://example.org", sha256=sha256_of(path)
        ),
        arguments={"img_size": 28, "num_classes": 3},
    )
    monkeypatch.setattr(dinov2, "MODEL", kind)
    return load_features("dinov2", {"weights": str(path)}, context(folder))


def test_dinov2_standardises_as_imagenet(tmp_path: Path, timm: list[str], monkeypatch: pytest.MonkeyPatch):
    made = load_dinov2(tmp_path, monkeypatch, dinov2_state())
    assert timm == ["vit_large_patch14_dinov2"]
    assert made.label == "dinov2-vit-l-14"
    found = made.run(torch.zeros(2, 3, 28, 28)).features[0, 0]
    assert torch.allclose(found, torch.tensor([-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225]), atol=1e-5)


def test_position_embeddings_follow_metas_code_not_timms():
    state = dinov2_state(trained=37)
    found = dinov2.to_timm(state, side=224)["pos_embed"]
    assert found.shape == (1, 1 + 16**2, 4)
    assert torch.equal(found[:, 0], state["pos_embed"][:, 0])
    grid = state["pos_embed"][:, 1:].reshape(1, 37, 37, 4).permute(0, 3, 1, 2)

    # facebookresearch/dinov2, interpolate_pos_encoding: source position = (i + 0.5) / scale - 0.5, a = -0.75.
    def cubic(x: Tensor) -> Tensor:
        x = x.abs()
        near = 1.25 * x**3 - 2.25 * x**2 + 1
        far = -0.75 * x**3 + 3.75 * x**2 - 6 * x + 3
        return torch.where(x <= 1, near, torch.where(x < 2, far, torch.zeros_like(x)))

    source = (torch.arange(16, dtype=torch.float64) + 0.5) * 37 / 16.1 - 0.5
    taps = source.floor()[:, None] + torch.arange(-1, 3)
    weights = torch.zeros(16, 37, dtype=torch.float64)
    weights.scatter_add_(1, taps.clamp(0, 36).long(), cubic(source[:, None] - taps))
    expected = torch.einsum("ij,ncjk,lk->ncil", weights, grid.double(), weights)
    actual = found[:, 1:].reshape(1, 16, 16, 4).permute(0, 3, 1, 2).double()
    assert torch.allclose(actual, expected, atol=1e-5)
    antialiased = F.interpolate(grid, size=(16, 16), mode="bicubic", antialias=True)
    assert not torch.allclose(actual.float(), antialiased, atol=1e-2)
    assert torch.equal(dinov2.to_timm(state, side=37 * 14)["pos_embed"], state["pos_embed"])


def test_other_weights_are_not_taken_for_dinov2s(
    tmp_path: Path, timm: list[str], monkeypatch: pytest.MonkeyPatch
):
    with pytest.raises(CheckpointError, match="none of DINOv2"):
        load_dinov2(tmp_path, monkeypatch, {"layer.weight": torch.zeros(3)})


def test_features_of_another_shape_are_refused(
    tmp_path: Path, timm: list[str], monkeypatch: pytest.MonkeyPatch
):
    made = load_dinov2(tmp_path, monkeypatch, dinov2_state())
    monkeypatch.setattr(FakeTransformer, "forward", lambda self, images: images)
    with pytest.raises(FeatureError, match=r"shape \[1, 3, 28, 28\]"):
        made.run(torch.zeros(1, 3, 28, 28))
