"""What is asked of the quality measure, in a suite and on the command line."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, ModelWrapValidatorHandler, field_validator, model_validator

from benchbench.core.data_spec import DataSpec
from benchbench.core.model import JsonValue, OneOrMore, Options, parse_options
from benchbench.core.registry import FEATURES
from benchbench.core.suite import Reference
from benchbench.data.conversion import Conversion
from benchbench.quality.lpips_weights import LpipsOptions
from benchbench.quality.segmenters import SegmenterOptions

Metric = Literal[
    "fid",
    "clean_fid",
    "kid",
    "clean_kid",
    "fd",
    "kd",
    "kd_subsets",
    "inception_score",
    "precision",
    "recall",
    "density",
    "coverage",
    "lpips",
    "lpips_diversity",
    "l1",
    "psnr",
    "ssim",
    "miou",
]
Preset = Literal[
    "depthwisegan",
    "ssd",
    "gan_compression_paired",
    "gan_compression_unpaired",
    "cityscapes_miou",
    "fastgan",
    "fastgan_50k",
]

PRESETS: dict[Preset, dict[str, JsonValue]] = {
    # 140 generated images against the training distribution, 128 x 128.
    "depthwisegan": {"metrics": ["fid"], "images": 140, "size": 128, "reference": "data.train"},
    # Legacy FID, clean-FID and clean-KID at 64 x 64; as many images as are trained on, for want of a number.
    "ssd": {"metrics": ["fid", "clean_fid", "clean_kid"], "size": 64, "reference": "data.train"},
    # Translated test images against the real test images that they belong to.
    "gan_compression_paired": {"metrics": ["fid"], "reference": "data.test"},
    # Translated test images against all real ones, training and test.
    "gan_compression_unpaired": {"metrics": ["fid"], "reference": "data.train+test"},
    "cityscapes_miou": {
        "metrics": ["miou"],
        "segmenter": {"name": "drn_d_105"},
        "label_values": "cityscapes_ids",
    },
    # 5,000 generated images against the whole training set; 50,000 for the large sets.
    "fastgan": {"metrics": ["fid"], "images": 5000, "reference": "data.train"},
    "fastgan_50k": {"metrics": ["fid"], "images": 50000, "reference": "data.train"},
}


_INDIFFERENT = {
    *("protocol", "seed", "batch", "device", "workers", "resamples", "bias_curve", "contents", "range"),
    *("labels", "reference_labels", "lpips", "diversity_pairs"),
}


class QualityOptions(Options):
    """Options of the measure; `protocol` fills those that are not said.

    Attributes:
        protocol: a paper's protocol by name.
        metrics: what to compute. `fid`, `clean_fid`, `kid` and `clean_kid` are the literature's and need its
            weights; `fd` and `kd` are the same distances on any `features`.
        features: extractors for `fd`, `kd`, `precision` and its fellows, `inception_score`; and the weights
            of `inception` and `inception_pytorch`, where those are not in their usual place.
        reference: what is compared with: `baseline` (the outputs of the variant that this one is compared
            with), `data.train`, `data.validation`, `data.test`, `data.train+test`, or a path.
        contents: what an image-to-image network is given, where not the test images of the suite's data.
        images: how many generated images; all contents, or as many as the reference has, unless said.
        reference_images: how many of the reference; all unless said.
        size: pixels that both sides must have; checked, never resized to.
        tile: cuts outputs and reference into squares of this side, each an image of its own: texture is
            judged, of few pictures; intervals draw whole pictures.
        range: of the network's pixels, -1..1 (`signed`) or 0..1 (`unit`); an imported one must say it.
        seed: of everything drawn: latents, subsets, the bootstrap.
        truncation: latents are drawn from a normal cut off at this many deviations.
        batch: images per call of network and extractor.
        conversion: how files become RGB.
        subsets, subset_size: of `kd_subsets`, the literature's estimator of KID.
        splits: of the inception score.
        lpips: the network and weights of LPIPS.
        segmenter: who judges label-conditioned images.
        labels: a folder of label maps, PNG, named as the generated images; `miou` needs it.
        reference_labels: those of the reference, which the local segmenter learns from.
        label_values: `as_stored`, or `cityscapes_ids`, which become the 19 classes that are scored.
        diversity_pairs: of `lpips_diversity`, drawn without repetition.
        bias_curve: image counts at which the Fréchet distances are computed as well.
        resamples: of the bootstrap over images; 0 makes no intervals.
        device: where networks run; `auto` is a GPU where there is one.
        workers: threads that read images.
    """

    protocol: Preset | None = None
    metrics: OneOrMore[Metric] = ("fd", "kd")
    features: OneOrMore[Reference] = (Reference(name="rand_conv"),)
    reference: Annotated[str, Field(min_length=1)] = "baseline"
    contents: DataSpec | None = None
    images: Annotated[int, Field(ge=2)] | None = None
    reference_images: Annotated[int, Field(ge=2)] | None = None
    size: Annotated[int, Field(ge=8)] | None = None
    tile: Annotated[int, Field(ge=8)] | None = None
    range: Literal["signed", "unit"] | None = None
    seed: Annotated[int, Field(ge=0)] = 0
    truncation: Annotated[float, Field(gt=0)] | None = None
    batch: Annotated[int, Field(ge=1, le=4096)] = 32
    conversion: Conversion = Conversion()
    subsets: Annotated[int, Field(ge=2)] = 100
    subset_size: Annotated[int, Field(ge=2)] = 1000
    splits: Annotated[int, Field(ge=1)] = 10
    lpips: LpipsOptions = LpipsOptions()
    segmenter: SegmenterOptions | None = None
    labels: str | None = None
    reference_labels: str | None = None
    label_values: Literal["as_stored", "cityscapes_ids"] = "as_stored"
    diversity_pairs: Annotated[int, Field(ge=1)] = 1000
    bias_curve: OneOrMore[Annotated[int, Field(ge=2)]] = ()
    resamples: Annotated[int, Field(ge=0, le=100_000)] = 1000
    device: str = "auto"
    workers: Annotated[int, Field(ge=0, le=64)] = 2

    @field_validator("metrics", "features", "bias_curve", mode="after")
    @classmethod
    def _each_once(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(each for index, each in enumerate(value) if each not in value[:index])

    @field_validator("features", mode="after")
    @classmethod
    def _known_features(cls, value: tuple[Reference, ...]) -> tuple[Reference, ...]:
        # Before anything is trained, not when the first network is judged.
        for each in value:
            if ":" not in each.name:
                registered = FEATURES.load(each.name)
                parse_options("feature extractor", each.name, registered.options, each.options)
        return value

    @model_validator(mode="wrap")
    @classmethod
    def _from_preset(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if isinstance(value, dict) and isinstance(name := value.get("protocol"), str) and name in PRESETS:
            value = {**PRESETS[name], **value}
        return handler(value)

    @property
    def departures(self) -> tuple[str, ...]:
        """Fields in which this differs from the named protocol."""
        if self.protocol is None:
            return ()
        as_named = QualityOptions.model_validate({"protocol": self.protocol})
        # Which images are judged against which, and by what; not how quickly.
        decisive = set(QualityOptions.model_fields) - _INDIFFERENT
        return tuple(key for key in sorted(decisive) if getattr(self, key) != getattr(as_named, key))
