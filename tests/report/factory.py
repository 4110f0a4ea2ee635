"""A synthetic run of the style-transfer suite: known figures, known flaws."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from benchbench.core.cell import Cell, Setting
from benchbench.core.environment import Environment, Load
from benchbench.core.layer_record import LayerCount, LayerReplacement
from benchbench.core.measurement import (
    CellResult,
    Curve,
    Direction,
    Failure,
    ImageRecord,
    Interval,
    Measurement,
    Phase,
    Protocol,
    ResultTable,
    RunRecord,
    Yardstick,
)
from benchbench.core.suite import ArchitectureSpec, Expectation, MeasureSpec, Paper, Suite, Variant

COUNTS = {
    "baseline": (1679235, 10078912512),
    "v1": (381315, 4757389312),
    "v2": (292796, 3740205056),
    "v3": (207865, 1315897344),
}
LATENCY_S = {"baseline": 0.0713, "v1": 0.0605, "v2": 0.0577, "v3": 0.0507}
LOSS = {"baseline": 2.31, "v1": 2.33, "v2": 2.36, "v3": 2.58}
PAPER_LATENCY_S = {"baseline": 0.07131, "v1": 0.06046, "v2": 0.05765, "v3": 0.04949}
STAGES = {"encoder": 0.2, "residual": 0.6, "decoder": 0.2}
RANDOM_WEIGHTS = "random-weights VGG-16: not comparable to the paper"

_COUNTING = Protocol(name="closed_form", settings={"transposed": "input size"})
_TIMING = Protocol(name="paired", settings={"replicates": 3, "rounds_min": 20, "half_width": 0.02})
_TRAINING = Protocol(name="training", settings={"device": "cpu", "batch": 4, "steps": 900})
_QUALITY = Protocol(
    name="perceptual", settings={"crops": 4, "weights": "random, seed 0", "aggregate": "mean"}
)


def figure(
    name: str,
    value: float,
    unit: str = "1",
    *,
    direction: Direction = "lower",
    setting: str = "",
    interval: tuple[float, float] | None = None,
    samples: Sequence[Sequence[float]] = (),
    protocol: Protocol = _COUNTING,
    flags: tuple[str, ...] = (),
    baseline: str | None = None,
) -> Measurement:
    return Measurement(
        name=name,
        value=value,
        unit=unit,
        direction=direction,
        setting=setting,
        interval=Interval(low=interval[0], high=interval[1]) if interval else None,
        samples=tuple(tuple(each) for each in samples),
        protocol=protocol,
        flags=flags,
        baseline=baseline,
    )


def quality_figure(
    name: str,
    value: float,
    unit: str = "1",
    *,
    reference: str = "outputs of the baseline",
    real: float | None = None,
    samples: Sequence[float] = (),
    **changed: object,
) -> Measurement:
    """A figure as measures/quality makes it; `real` is real against real, `changed` are its settings."""
    metric, _, label = name.rstrip("]").partition("[")
    higher = metric in ("precision", "recall", "density", "coverage", "psnr", "ssim", "miou")
    settings: dict[str, object] = {
        "metric": metric,
        "estimator": "exact",
        "generated_count": 208,
        "generated_codec": ["raw"],
        "generated_seed": 0,
        "reference": reference,
        "reference_count": 208,
        "reference_digest": "00d1f0aa00d1f0aa",
    }
    flags: tuple[str, ...] = ()
    if label and metric != "lpips":
        settings |= {
            "extractor": label,
            "weights_hash": "c0ffee1234567890",
            "resize": "clean 64",
            "members": 3,
            "comparable_to_literature": False,
        }
        flags = (
            f"mean of 3: {value:.3g}, {value:.3g}, {value:.3g}",
            f"{label}: not comparable to the literature",
        )
    if samples:
        settings["aggregate"] = "mean"
    made = figure(
        name,
        value,
        unit,
        direction="higher" if higher else "lower",
        interval=(value - 0.1 * abs(value), value + 0.1 * abs(value)),
        samples=(samples,) if samples else (),
        protocol=Protocol.model_validate({"name": "quality", "settings": {**settings, **changed}}),
        flags=flags,
    )
    if real is None:
        return made
    ratio = 1.02 * value / real if real > 0 else None
    return made.model_copy(update={"yardstick": Yardstick(value=real, ratio=ratio, count=104)})


def with_quality(result: CellResult, *figures: Measurement) -> CellResult:
    return result.model_copy(update={"measurements": (*result.measurements, *figures)})


def without(result: CellResult, *names: str) -> CellResult:
    kept = tuple(each for each in result.measurements if each.name not in names)
    return result.model_copy(update={"measurements": kept})


def make_suite(*, title: str = "Lightweight style transfer, small", note: str | None = None) -> Suite:
    expect = {
        name: {
            "parameters": Expectation(value=COUNTS[name][0]),
            "macs": Expectation(value=COUNTS[name][1], note="recounted at input size"),
            "latency": Expectation(value=PAPER_LATENCY_S[name]),
        }
        for name in COUNTS
    }
    expect["v3"]["parameters"] = Expectation(value=207000, note=note or "printed as 0.207M")
    return Suite(
        name="style_transfer",
        title=title,
        description="Four networks on photographs, trained for a few steps.",
        paper=Paper(
            title="Can depthwise separable convolution make neural style transfer more lightweight?",
            year=2025,
            url="https://example.org/paper",
        ),
        architecture=ArchitectureSpec(name="transformer_net"),
        variants={name: Variant() for name in (*COUNTS, "wide")},
        measure=(MeasureSpec(name="parameters"), MeasureSpec(name="latency")),
        expect=expect,
    )


def make_result(
    variant: str,
    *,
    seed: int = 0,
    speedup: float | None = None,
    speedup_interval: tuple[float, float] | None = None,
    loss: float | None = None,
    flags: tuple[str, ...] = (),
    control: tuple[float, float] = (0.985, 1.012),
    settings: tuple[Setting, ...] = (),
) -> CellResult:
    parameters, macs = COUNTS[variant]
    latency = LATENCY_S[variant]
    loss = LOSS[variant] if loss is None else loss
    two = "cpu, 2 threads"
    wave = [latency * (1 + 0.02 * math.sin(i * 1.7)) for i in range(30)]
    crops = [loss * (1 + 0.05 * math.cos(i)) for i in range(4)]
    figures = [
        figure("parameters", parameters),
        figure("macs", macs, "MAC"),
        figure(
            "latency",
            latency,
            "s",
            setting=two,
            samples=(wave[:15], wave[15:]),
            protocol=_TIMING,
            flags=flags,
        ),
        figure("cold_start", 0.4 + latency, "s", setting=two, protocol=_TIMING),
        figure(
            "perceptual_loss",
            loss,
            interval=(loss * 0.97, loss * 1.03),
            samples=(crops,),
            protocol=_QUALITY,
            flags=(RANDOM_WEIGHTS,),
        ),
        figure("content_loss", loss * 0.6, protocol=_QUALITY, flags=(RANDOM_WEIGHTS,)),
        figure("training_time", 61.5 + parameters / 1e5, "s", protocol=_TRAINING),
        figure("training_10k_steps", 600.0 + parameters / 1e4, "s", protocol=_TRAINING),
    ]
    if variant == "baseline":
        figures += [
            figure(
                "aa_control",
                (control[0] + control[1]) / 2,
                setting=two,
                direction="higher",
                interval=control,
                protocol=_TIMING,
            ),
            figure("roof_compute", 2.2e11, "MAC/s", setting=two, direction="higher", protocol=_TIMING),
            figure("roof_memory", 2.1e10, "B/s", setting=two, direction="higher", protocol=_TIMING),
        ]
    else:
        ratio = speedup or LATENCY_S["baseline"] / latency
        figures.append(
            figure(
                "speedup",
                ratio,
                setting=two,
                direction="higher",
                interval=speedup_interval or (ratio * 0.985, ratio * 1.015),
                baseline="baseline",
                protocol=_TIMING,
                flags=flags,
            )
        )
    return CellResult(
        cell=Cell(
            variant=variant,
            seed=seed,
            settings=settings,
            architecture=ArchitectureSpec(name=f"net_{variant}"),
        ),
        measurements=tuple(figures),
        replacements=_replacements(variant),
        layers=_layers(parameters, macs),
        curves=_curves(variant, loss, seed),
        images=_images(variant),
    )


def without_drawings(result: CellResult) -> CellResult:
    """The figures alone, for tests that look at words: drawing takes most of a report's time."""
    return result.model_copy(update={"curves": (), "images": (), "layers": ()})


def make_table(
    folder: Path | None = None,
    *,
    suite: Suite | None = None,
    results: Sequence[CellResult] | None = None,
    run_id: str = "20250102-030405",
) -> ResultTable:
    """Four measured variants, one that diverged, one skipped measure; pictures below `folder`.

    Of a suite of its own only the variants of `results` and the baseline are declared, where there are any.
    """
    suite = suite or _declaring(make_suite(), results)
    if results is None:
        failed = CellResult(
            cell=Cell(variant="wide", architecture=ArchitectureSpec(name="net_wide")),
            failures=(
                Failure(of="cell", kind="diverged", reason="loss became NaN", fix="lower train.lr", step=120),
            ),
        )
        skipped = Failure(
            of="latency", kind="skipped", reason="no NVIDIA GPU on this machine", fix="run on one"
        )
        measured = [make_result(name) for name in COUNTS]
        measured[0] = measured[0].model_copy(update={"failures": (skipped,)})
        results = (*measured, failed)
    if folder is not None:
        write_images(folder, results)
    return ResultTable(
        suite=suite,
        run=RunRecord(
            id=run_id,
            command="benchbench run suites/quickstart.yaml --out results",
            started="2025-01-02T03:04:05Z",
            finished="2025-01-02T03:10:05Z",
            benchbench="0.1.0",
            phases=(
                Phase(name="train", seconds=240.0, inside_s=236.0),
                Phase(name="latency", seconds=90.0, inside_s=88.0),
                Phase(name="write", seconds=3.0, inside_s=0.0),
            ),
        ),
        environment=Environment(
            cpu_model="Example CPU",
            cpus_usable=2,
            memory_bytes=8 * 2**30,
            packages={"torch": "2.13.0", "numpy": "2.4.6"},
            load_before=Load(load_1min=0.4),
        ),
        results=tuple(results),
        folder=str(folder) if folder is not None else None,
    )


def _declaring(suite: Suite, results: Sequence[CellResult] | None) -> Suite:
    there = {result.cell.variant for result in results or ()}
    there |= {"baseline"} if there else set()
    kept = {name: variant for name, variant in suite.variants.items() if name in there}
    return suite.model_copy(update={"variants": kept}) if kept else suite


def write_images(folder: Path, results: Sequence[CellResult]) -> None:
    for result in results:
        for image in result.images:
            file = folder / image.path
            file.parent.mkdir(parents=True, exist_ok=True)
            x, y = np.meshgrid(np.linspace(0, 1, 48), np.linspace(0, 1, 48))
            phase = len(result.cell.variant) + (image.step or 0) / 100
            pixels = np.stack([x, y, 0.5 + 0.5 * np.sin(8 * x + phase)], axis=-1)
            Image.fromarray((pixels * 255).astype(np.uint8)).save(file)


def _images(variant: str) -> tuple[ImageRecord, ...]:
    base = f"samples/{variant}"
    return (
        ImageRecord(path=f"{base}/style.png", role="style", caption="rocket"),
        *(
            record
            for index in (0, 1)
            for record in (
                ImageRecord(path=f"{base}/content-{index}.png", role="content", index=index, caption="cat"),
                ImageRecord(path=f"{base}/output-{index}-200.png", role="output", index=index, step=200),
                ImageRecord(path=f"{base}/output-{index}-20.png", role="output", index=index, step=20),
                ImageRecord(path=f"{base}/output-{index}-100.png", role="output", index=index, step=100),
            )
        ),
    )


def _curves(variant: str, loss: float, seed: int) -> tuple[Curve, ...]:
    steps = tuple(range(1, 201))
    noise = np.random.default_rng(len(variant) * 100 + seed).normal(0, 0.06, 200)
    train = tuple(
        float(loss * (1 + 3 * math.exp(-s / 40)) * (1 + e)) for s, e in zip(steps, noise, strict=True)
    )
    checks = (50, 100, 150, 200)
    return (
        Curve(name="train/loss", steps=steps, values=train),
        Curve(
            name="validation/loss",
            steps=checks,
            values=tuple(loss * (1.1 + 2 * math.exp(-s / 50)) for s in checks),
        ),
        Curve(name="learning_rate", steps=checks, values=(1e-3, 1e-3, 1e-3, 1e-4)),
    )


def _layers(parameters: int, macs: int) -> tuple[LayerCount, ...]:
    return tuple(
        LayerCount(
            path=f"{stage}.0",
            kind="Conv2d",
            stage=stage,
            parameters=int(parameters * part),
            macs=int(macs * part),
        )
        for stage, part in STAGES.items()
    )


def _replacements(variant: str) -> tuple[LayerReplacement, ...]:
    stages = {"v1": 1, "v2": 2, "v3": 3}.get(variant, 0)
    done = tuple(
        LayerReplacement(
            path=f"{stage}.0.conv",
            stage=stage,
            before="Conv2d(128, 128, 3)",
            after="depthwise 3x3 | pointwise 128 -> 128",
            parameters_before=147584,
            parameters_after=17792,
        )
        for stage in ("residual", "encoder", "decoder")[:stages]
    )
    if variant != "v3":
        return done
    declined = LayerReplacement(
        path="decoder.3",
        stage="decoder",
        before="Conv2d(32, 3, 1)",
        reason="1x1: nothing to separate",
        parameters_before=99,
        parameters_after=99,
    )
    return (*done, declined)
