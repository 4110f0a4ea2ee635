"""How a trained network is run: by which library, in which precision and memory layout."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, Strict, model_validator

from benchbench.core.data_spec import DataSpec
from benchbench.core.model import Frozen, JsonValue, OneOrMore

Precision = Literal["fp32", "bf16", "fp16", "int8"]
MemoryFormat = Literal["contiguous", "channels_last"]
Shapes = Literal["static", "dynamic"]

# Of the range of what the eager network makes; None is no bound.
_CLOSE = {"fp32": (0.001, None), "bf16": (None, 30.0), "fp16": (None, 40.0), "int8": (None, 20.0)}


class Tolerance(Frozen):
    """How far outputs may be from eager float32's; beyond it a deployment has failed.

    Attributes:
        max_abs: the largest difference, as a share of the range of the outputs; None is no bound.
        psnr_db: the least peak signal-to-noise ratio, in dB, the range being the peak; None is no bound.
    """

    max_abs: Annotated[float | None, Field(gt=0)] = None
    psnr_db: Annotated[float | None, Field(gt=0)] = None

    @model_validator(mode="after")
    def _bounds_something(self) -> Tolerance:
        if self.max_abs is None and self.psnr_db is None:
            raise ValueError("a tolerance bounds nothing; give 'max_abs', 'psnr_db' or both")
        return self


class Calibration(Frozen):
    """The inputs that post-training quantisation takes its ranges from.

    Attributes:
        images: how many, 8 or more; of the train split, or of what a network draws where it is given none.
        seed: which of them.
        data: other data than the suite's.
    """

    images: Annotated[int, Strict(), Field(ge=8)] = 64
    seed: Annotated[int, Strict(), Field(ge=0)] = 0
    data: DataSpec | None = None


class Deployment(Frozen):
    """One way to run a network. The default, eager float32, is what every other is compared with.

    Attributes:
        backend: the registered name of what runs it.
        precision: of weights and activations; int8 by post-training quantisation, per channel.
        memory_format: of inputs and weights, where the backend leaves the choice.
        shapes: `static` fixes those of the network's inputs; `dynamic` leaves batch, height and width open.
        quantise: with int8, weights and activations, or `weights` alone.
        calibration: with int8, what ranges are taken from.
        tolerance: how far outputs may be from eager float32's; by default 0.1 % of their range for fp32,
            30 dB for bf16, 40 dB for fp16 and 20 dB for int8.
        range: of the pixels that an imported network takes, -1..1 (`signed`) or 0..1 (`unit`), where it is
            given images to be compared or calibrated on; a registered one says it itself.
        options: the backend's own.
    """

    backend: str = "eager"
    precision: Precision = "fp32"
    memory_format: MemoryFormat = "contiguous"
    shapes: Shapes = "static"
    quantise: Literal["all", "weights"] = "all"
    calibration: Calibration = Calibration()
    tolerance: Tolerance | None = None
    range: Literal["signed", "unit"] | None = None
    options: dict[str, JsonValue] = {}

    @property
    def is_reference(self) -> bool:
        """Whether it is eager float32 as the network stands."""
        plain = ("eager", "fp32", "contiguous")
        return (self.backend, self.precision, self.memory_format) == plain and not self.options

    @property
    def bounds(self) -> Tolerance:
        """The tolerance that was declared, or the precision's own."""
        if self.tolerance is not None:
            return self.tolerance
        max_abs, psnr_db = _CLOSE[self.precision]
        return Tolerance(max_abs=max_abs, psnr_db=psnr_db)

    @property
    def named(self) -> dict[str, JsonValue]:
        """What tells it from eager float32, in the order of a label; nothing for eager float32."""
        if self.is_reference:
            return {}
        found: dict[str, JsonValue] = {"backend": self.backend}
        if self.precision != "fp32":
            found["precision"] = self.precision
        if self.quantise != "all":
            found["quantise"] = self.quantise
        if self.memory_format != "contiguous":
            found["memory_format"] = self.memory_format
        if self.shapes != "static":
            found["shapes"] = self.shapes
        return {**found, **self.options}

    @property
    def label(self) -> str:
        """For people: `openvino int8`, `eager`."""
        return deployment_label(self.named) or "eager"


def deployment_label(named: dict[str, JsonValue]) -> str:
    """The words of a deployment: values that speak for themselves, and options with their names."""
    plain = ("backend", "precision", "memory_format", "shapes")
    words = [str(value) if key in plain else f"{key}={value}" for key, value in named.items()]
    return " ".join(words)


class DeploySpec(Frozen):
    """Deployments that a suite declares together: every combination of the lists.

    `backend`, `precision`, `memory_format` and `shapes` are one value or a list; options of the backend
    stand beside them, and are then every listed backend's. What needs other options is an entry of its own.
    """

    model_config = ConfigDict(frozen=True, extra="allow")
    backend: OneOrMore[str] = ("eager",)
    precision: OneOrMore[Precision] = ("fp32",)
    memory_format: OneOrMore[MemoryFormat] = ("contiguous",)
    shapes: OneOrMore[Shapes] = ("static",)
    quantise: OneOrMore[Literal["all", "weights"]] = ("all",)
    calibration: Calibration = Calibration()
    tolerance: Tolerance | None = None
    range: Literal["signed", "unit"] | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: object) -> object:
        return {"backend": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _weights_of_int8(self) -> DeploySpec:
        if "weights" in self.quantise and self.precision != ("int8",):
            raise ValueError("'quantise: weights' is of int8; give int8 an entry of its own")
        return self

    @model_validator(mode="after")
    def _calibration_of_int8(self) -> DeploySpec:
        if self.calibration != Calibration() and "int8" not in self.precision:
            raise ValueError("'calibration' is of int8, and no precision here is; leave it out")
        return self

    @property
    def options(self) -> dict[str, JsonValue]:
        """The keys beside those that every backend has."""
        return dict(self.__pydantic_extra__ or {})

    def each(self) -> Iterator[Deployment]:
        """Every combination; the backends outermost."""
        axes = (self.backend, self.precision, self.memory_format, self.shapes, self.quantise)
        for backend, precision, memory_format, shapes, quantise in itertools.product(*axes):
            yield Deployment(
                backend=backend,
                precision=precision,
                memory_format=memory_format,
                shapes=shapes,
                quantise=quantise,
                calibration=self.calibration,
                tolerance=self.tolerance,
                range=self.range,
                options=self.options,
            )
