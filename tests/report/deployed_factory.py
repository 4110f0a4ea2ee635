"""A synthetic run of two networks in six deployments: latencies sampled side by side, known differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchbench.core.cell import Cell, deployed_settings
from benchbench.core.deployment import Deployment, DeploySpec
from benchbench.core.deployment_record import DeploymentRecord, OperatorNote
from benchbench.core.environment import Environment
from benchbench.core.measurement import (
    CellResult,
    Failure,
    Interval,
    Measurement,
    Protocol,
    ResultTable,
    RunRecord,
)
from benchbench.core.suite import ArchitectureSpec, MeasureSpec, Suite, Variant

SETTING = "cpu, 2 threads"
EAGER = Deployment()
COMPILE = Deployment(backend="compile")
OPENVINO = Deployment(backend="openvino")
INT8 = Deployment(backend="openvino", precision="int8")
ONNX8 = Deployment(backend="onnxruntime", precision="int8")
TENSORRT = Deployment(backend="tensorrt", precision="fp16")
WAYS = (EAGER, COMPILE, OPENVINO, INT8, ONNX8, TENSORRT)
WORKING = WAYS[:4]

# Seconds, the medians of what is sampled; v3 in both fp32 backends is told apart from nothing.
LATENCY_S = {
    ("baseline", "eager"): 0.265,
    ("baseline", "compile"): 0.196,
    ("baseline", "openvino"): 0.190,
    ("baseline", "openvino int8"): 0.110,
    ("v3", "eager"): 0.221,
    ("v3", "compile"): 0.084,
    ("v3", "openvino"): 0.055,
    ("v3", "openvino int8"): 0.040,
}
LOSS = {"baseline": 2.31, "v3": 2.58}
PSNR_DB = {"compile": 128.0, "openvino": 118.0, "openvino int8": 31.0, "onnxruntime int8": 12.1}
COSTLY = {"openvino int8": 1.03}

_TIMING = Protocol(name="latency/interleaved", settings={"device": "cpu", "threads": 2, "half_width": 0.02})
_DEPLOYING = Protocol(name="deployment", settings={"device": "cpu", "threads": 2})
_QUALITY = Protocol(name="perceptual", settings={"crops": 24, "aggregate": "mean"})
_COUNTING = Protocol(name="closed_form")


def samples(
    variant: str, way: str, *, seed: int = 0, latencies: Mapping[tuple[str, str], float] = LATENCY_S
) -> tuple[tuple[float, ...], ...]:
    """Three processes of forty rounds; a round slows all of them down alike, and each by a little more."""
    drift = np.random.default_rng([seed, 0]).normal(0, 0.08, (3, 40))
    own = np.random.default_rng([seed, 1, *f"{variant} {way}".encode()]).normal(0, 0.01, (3, 40))
    rounds = latencies[variant, way] * np.exp(drift + own)
    return tuple(tuple(map(float, process)) for process in rounds)


def deployed_result(
    variant: str,
    deployment: Deployment,
    *,
    seed: int = 0,
    latencies: Mapping[tuple[str, str], float] = LATENCY_S,
    record: DeploymentRecord | None = None,
) -> CellResult:
    """One cell that works; eager float32 has counts, the size of its weights, and an A/A control."""
    way = deployment.label
    made = samples(variant, way, seed=seed, latencies=latencies)
    crops = tuple(
        LOSS[variant] * COSTLY.get(way, 1.0) * (1 + 0.05 * np.cos(at) + 0.002 * np.sin(at * len(way)))
        for at in range(24)
    )
    figures = [
        _figure("parameters", {"baseline": 1679235, "v3": 207865}[variant], protocol=_COUNTING),
        _figure("macs", {"baseline": 10078912512, "v3": 1315897344}[variant], "MAC", protocol=_COUNTING),
        _figure("file_size", 6716940 if variant == "baseline" else 831460, "B"),
        _figure(
            "latency",
            float(np.median(np.concatenate(made))),
            "s",
            setting=SETTING,
            samples=made,
            protocol=_TIMING,
        ),
        _figure("first_call", 0.4, "s", setting=SETTING, protocol=_TIMING),
        _figure("memory_resident", 3.1e8, "B", setting=SETTING, protocol=_TIMING),
        _figure(
            "perceptual_loss",
            float(np.mean(crops)),
            samples=(crops,),
            interval=(float(np.mean(crops)) * 0.97, float(np.mean(crops)) * 1.03),
            protocol=_QUALITY,
        ),
    ]
    if deployment.is_reference and variant == "baseline":
        control = _figure("aa_control", 1.0, setting=SETTING, interval=(0.995, 1.006), protocol=_TIMING)
        figures.append(control)
    if not deployment.is_reference:
        figures += [*_agreement(way), *_times()]
        record = record or _record(way)
    return CellResult(cell=_cell(variant, deployment, seed), measurements=tuple(figures), deployment=record)


def changed(result: CellResult, name: str, **update: object) -> CellResult:
    """The same cell with other fields of its figures of that name."""
    figures = tuple(
        each.model_copy(update=update) if each.name == name else each for each in result.measurements
    )
    return result.model_copy(update={"measurements": figures})


def without(result: CellResult, *names: str) -> CellResult:
    """The same cell without its figures of those names."""
    figures = tuple(each for each in result.measurements if each.name not in names)
    return result.model_copy(update={"measurements": figures})


def timed_again(
    result: CellResult, *, name: str = "latency", setting: str = SETTING, factor: float = 1.0
) -> CellResult:
    """The same cell timed in a second way, `factor` times as long, with the first call of it."""
    made = []
    for each in result.measurements:
        if each.name == "latency" or (each.name == "first_call" and name == "latency"):
            update = {
                "name": name if each.name == "latency" else each.name,
                "setting": setting,
                "value": each.value * factor,
                "samples": tuple(tuple(one * factor for one in chunk) for chunk in each.samples),
            }
            made.append(each.model_copy(update=update))
    return result.model_copy(update={"measurements": (*result.measurements, *made)})


def sped_up(result: CellResult, *flags: str, name: str = "speedup") -> CellResult:
    """The same cell with the measure's own ratio to the baseline, flagged; the baseline itself has none."""
    if result.failure is not None or (result.cell.variant == "baseline" and result.cell.deploy.is_reference):
        return result
    made = _figure(name, 1.5, setting=SETTING, interval=(1.4, 1.6), protocol=_TIMING, direction="higher")
    made = made.model_copy(update={"flags": flags})
    return result.model_copy(update={"measurements": (*result.measurements, made)})


def broken_result(variant: str, deployment: Deployment, failure: Failure) -> CellResult:
    """One cell that does not work; one whose outputs differ has the figures of its deployment."""
    is_made = failure.kind == "differs"
    way = deployment.label
    return CellResult(
        cell=_cell(variant, deployment, 0),
        failures=(failure,),
        measurements=(*_agreement(way), *_times()) if is_made else (),
        deployment=_record(way) if is_made else None,
    )


DIFFERS = Failure(
    of="cell",
    kind="differs",
    reason="its outputs have a PSNR of 12.1 dB, 20 dB is asked",
    fix="declare a `tolerance` that you can live with",
)
SKIPPED = Failure(
    of="cell", kind="skipped", reason="needs tensorrt", fix="pip install 'benchbench[tensorrt]'"
)


def deployed_results(**given: object) -> list[CellResult]:
    """Two variants x (four deployments that work, one whose outputs differ, one without its library)."""
    return [
        result
        for variant in ("baseline", "v3")
        for result in (
            *(deployed_result(variant, way, **given) for way in WORKING),  # type: ignore[arg-type]
            broken_result(variant, ONNX8, DIFFERS),
            broken_result(variant, TENSORRT, SKIPPED),
        )
    ]


def many_results() -> list[CellResult]:
    """Both networks in three ways more, which are too many for every pair of them to be shown."""
    ways = [*WORKING, *(Deployment(backend=name) for name in ("a", "b", "c"))]
    latencies = {(name, way.label): 0.1 for name in ("baseline", "v3") for way in ways}
    return [deployed_result(name, way, latencies=latencies) for name in ("baseline", "v3") for way in ways]


def deployed_table(
    results: Sequence[CellResult] | None = None,
    *,
    run_id: str = "20250102-030405",
    folder: Path | None = None,
) -> ResultTable:
    """The run."""
    chosen = deployed_results() if results is None else list(results)
    return ResultTable(
        suite=Suite(
            name="deployed",
            title="Two networks, six ways to run them",
            architecture=ArchitectureSpec(name="transformer_net"),
            variants={name: Variant() for name in dict.fromkeys(each.cell.variant for each in chosen)},
            measure=(MeasureSpec(name="latency"),),
            deploy=(
                DeploySpec(backend=("compile", "openvino")),
                DeploySpec(backend=("openvino", "onnxruntime"), precision=("int8",)),
                DeploySpec(backend=("tensorrt",), precision=("fp16",)),
            ),
        ),
        run=RunRecord(
            id=run_id,
            command="benchbench run deployed.yaml",
            started="2025-01-02T03:04:05Z",
            finished="2025-01-02T03:10:05Z",
            benchbench="0.1.0",
        ),
        environment=Environment(cpu_model="Example CPU", cpus_usable=2),
        results=tuple(chosen),
        folder=str(folder) if folder is not None else None,
    )


def _cell(variant: str, deployment: Deployment, seed: int) -> Cell:
    return Cell(
        variant=variant,
        seed=seed,
        settings=deployed_settings(deployment),
        architecture=ArchitectureSpec(name=f"net_{variant}"),
        deploy=deployment,
    )


def _agreement(way: str) -> list[Measurement]:
    protocol = Protocol(
        name="agreement",
        settings={
            "against": "eager float32",
            "inputs": "4 images of the test split",
            "input_sets": 4,
        },
    )
    psnr_db = PSNR_DB.get(way, 40.0)
    largest = 1.9 * 10 ** (-psnr_db / 20) * 4
    return [
        _figure("output_max_abs", largest, protocol=protocol),
        _figure("output_mean_abs", largest / 6, protocol=protocol),
        _figure("output_psnr", psnr_db, "dB", protocol=protocol, direction="higher"),
    ]


def _times() -> list[Measurement]:
    return [_figure("compile_time", 0.52, "s"), _figure("export_time", 2.4, "s")]


def _record(way: str) -> DeploymentRecord:
    if way == "compile":
        return DeploymentRecord(facts={"torch": "2.13.0", "threads": 2}, value_range=1.9)
    notes = [OperatorNote(operator="MVN", count=15, what="not_fused", detail="reference kernel")]
    if way.endswith("int8"):
        notes.append(OperatorNote(operator="Interpolate", count=2, what="not_quantised", detail="f32"))
    return DeploymentRecord(
        artefact="artefacts/x/model.xml",
        digest="0123456789abcdef",
        facts={"openvino": "2026.4", "threads": 2, "precision": "i8" if way.endswith("int8") else "f32"},
        operators=tuple(notes),
        operators_told=("fell_back", "not_fused", "not_quantised"),
        operator_count=61,
        value_range=1.9,
    )


def _figure(
    name: str,
    value: float,
    unit: str = "1",
    *,
    setting: str = "",
    samples: tuple[tuple[float, ...], ...] = (),
    interval: tuple[float, float] | None = None,
    protocol: Protocol = _DEPLOYING,
    direction: str = "lower",
) -> Measurement:
    return Measurement.model_validate(
        {
            "name": name,
            "value": value,
            "unit": unit,
            "direction": direction,
            "setting": setting,
            "samples": samples,
            "interval": Interval(low=interval[0], high=interval[1]) if interval else None,
            "protocol": protocol,
        }
    )
