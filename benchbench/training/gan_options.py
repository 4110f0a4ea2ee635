"""Options of the recipe `gan`, and those of each paper that it follows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ModelWrapValidatorHandler, model_validator

from benchbench.core.model import JsonValue, OneOrMore
from benchbench.training.diffaugment import Augmentation
from benchbench.training.options import Count, LoopOptions

Preset = Literal["dcgan", "ssd", "stylegan", "stylegan2"]
Loss = Literal["bce", "hinge", "wgan_gp", "non_saturating"]

PRESETS: Mapping[str, Mapping[str, JsonValue]] = {
    # Radford et al. 2016, section 4: Adam, 2e-4, beta_1 0.5, batch 128. How long differs with the data.
    "dcgan": {"loss": "bce", "lr": 2e-4, "beta_1": 0.5, "beta_2": 0.999, "batch": 128},
    # Garg 2024, appendix A.5: Adam 5e-4, betas 0.5 and 0.999, batch 32, 20 epochs, one step each in turn.
    "ssd": {"loss": "bce", "lr": 5e-4, "beta_1": 0.5, "beta_2": 0.999, "batch": 32, "epochs": 20.0},
    # Karras et al. 2019, appendix C: Adam 1e-3, betas 0 and 0.99, R1 with gamma 10; mixing of 90 % (section
    # 3.1); the average as in Karras et al. 2018, half of it 10,000 images old. Batch 32 is that of the
    # released code at 64 x 64 on one GPU; 25 million images (appendix C).
    "stylegan": {
        "loss": "non_saturating", "lr": 1e-3, "beta_1": 0.0, "beta_2": 0.99, "batch": 32, "steps": 781_250,
        "r1_gamma": 10.0, "mixing": 0.9, "half_life_images": 10_000.0,
    },
    # Karras et al. 2020, sections 3.1 and 3.2 and appendix B: R1 every 16 steps, path length every 4 with its
    # weight (see PathLength); Adam 2e-3, batch 32; 25 million images of FFHQ.
    "stylegan2": {
        "loss": "non_saturating", "lr": 2e-3, "beta_1": 0.0, "beta_2": 0.99, "batch": 32, "steps": 781_250,
        "r1_gamma": 10.0, "r1_every": 16, "path_weight": 2.0, "path_every": 4, "mixing": 0.9,
        "half_life_images": 10_000.0,
    },
}  # fmt: skip


class GanOptions(LoopOptions):
    """Options of the recipe, with those of the loop; `preset` fills those that are not said.

    Attributes:
        preset: the hyper-parameters of one paper.
        loss: `wgan_gp` has its penalty (Gulrajani et al. 2017).
        lr, beta_1, beta_2: Adam's, of the generator, and of the discriminator unless that has its own.
        discriminator_lr: Adam's, of the discriminator (Heusel et al. 2017: two time scales).
        critic_steps: the generator moves once after so many steps of the discriminator.
        penalty_weight: of the gradient penalty of `wgan_gp`.
        r1_gamma: weight of R1 at real images (Mescheder et al. 2018); 0 is without.
        r1_every: steps between R1s, each weighted by their number (lazy regularisation). A penalty is part of
            its step's loss; Karras et al. take one more step for it, and lower rate and betas for that.
        path_weight, path_every, path_share: of path length regularisation, its steps and its part of a batch;
            Karras et al. take half of one.
        mixing: how often two latents make one image, of style-based generators.
        half_life_images: the kept network is the running average of the generator, half of it so many images
            old; null keeps the generator itself.
        augment: what is done to images before the discriminator sees them (Zhao et al. 2020).
        spectral_norm: of the discriminator's convolutions and linear layers, where it has none.
    """

    preset: Preset | None = None
    loss: Loss = "bce"
    lr: Annotated[float, Field(gt=0)] = 2e-4
    discriminator_lr: Annotated[float, Field(gt=0)] | None = None
    beta_1: Annotated[float, Field(ge=0, lt=1)] = 0.5
    beta_2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    batch: Count = 128
    critic_steps: Count = 1
    penalty_weight: Annotated[float, Field(ge=0)] = 10.0
    r1_gamma: Annotated[float, Field(ge=0)] = 0.0
    r1_every: Count = 1
    path_weight: Annotated[float, Field(ge=0)] = 0.0
    path_every: Count = 4
    path_share: Annotated[float, Field(gt=0, le=1)] = 0.5
    mixing: Annotated[float, Field(ge=0, le=1)] = 0.0
    half_life_images: Annotated[float, Field(gt=0)] | None = None
    augment: OneOrMore[Augmentation] = ()
    spectral_norm: bool = False
    samples: Annotated[int, Field(ge=0, le=64)] = 16

    @model_validator(mode="wrap")
    @classmethod
    def _from_preset(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if isinstance(value, dict) and isinstance(name := value.get("preset"), str) and name in PRESETS:
            filled = dict(PRESETS[name])
            if {"steps", "epochs"} & set(value):
                for length in ("steps", "epochs"):
                    filled.pop(length, None)
            value = {**filled, **value}
        return handler(value)
