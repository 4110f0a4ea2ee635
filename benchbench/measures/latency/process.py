"""What one process does: build every subject, warm up, take the rounds, read the roofs."""

from __future__ import annotations

import random
import resource
from collections.abc import Callable, Iterable, Mapping

import torch

from benchbench.core.contracts import Replicate, Subject
from benchbench.core.deployment import Deployment
from benchbench.core.errors import MeasurementError
from benchbench.core.precise import tf32_allowed
from benchbench.core.registry import BACKENDS
from benchbench.measures.fold import find_foldable, share_weights
from benchbench.measures.latency.opening import as_settings, open_side_by_side
from benchbench.measures.latency.options import LatencyOptions
from benchbench.measures.latency.placing import build_subject_of, call_of, place_subject
from benchbench.measures.latency.roof import measure_roofs
from benchbench.measures.latency.rounds import Rounds, take_fixed, take_interleaved
from benchbench.measures.latency.timers import Call, Timer, timer_for, undisturbed

CONTROL = "(baseline again)"
UNTIMED = "untimed calls"
DEPLOYED = "deployment of "
_FAULT_CALLS = 3
_MANY_FAULTS = 500.0  # per call; some 0.1 ms


def take(
    builders: Mapping[str, Callable[[], Subject]], options: LatencyOptions, seed: int, index: int
) -> Replicate:
    """Measure the subjects side by side in this process, each in the backend that its cell declares.

    Args:
        builders: subject name -> builds it; the first is the baseline, which is built once more as
            the A/A control.
        options: one device, one thread count.
        seed: of the run; `index` is the replicate, and both decide every order.
        index: the replicate, from 0.

    Raises:
        MeasurementError: torch uses another number of threads than declared, or the protocol's batch is 1
            and the inputs' is not.
    """
    device = torch.device(options.device[0])
    check_threads(options)
    # The library's own start-up is nobody's cold start.
    torch.nn.functional.conv2d(torch.ones(1, 8, 8, 8, device=device), torch.ones(8, 8, 3, 3, device=device))
    baseline = next(iter(builders))
    order = list(builders)
    random.Random(seed * 1000 + index).shuffle(order)
    timer = timer_for(device.type)
    with undisturbed():
        opened = open_side_by_side(builders, order, options, timer)
        subjects = opened.subjects
        _check_batch(subjects[baseline], options)
        subjects[CONTROL], _ = place_subject(build_subject_of(builders[baseline]), device, options)
        untimed = _untimed(opened.deployments.values(), options)
        calls = {name: call_of(subjects[name]) for name in (*builders, CONTROL) if name in subjects}
        if options.protocol == "gan_compression":
            rounds = take_fixed(calls, timer=timer)
        else:
            rounds = take_interleaved(
                calls,
                baseline=baseline,
                timer=timer,
                options=options,
                seed=seed * 1000 + index,
                untimed=untimed,
            )
        measured_s = timer.now_s()
        faults = {name: _page_faults(call) for name, call in calls.items()}
        roof_macs_per_s, roof_bytes_per_s = measure_roofs(timer, device)
        inside_s = timer.now_s() - measured_s + rounds.inside_s + opened.loading_s
        inside_s += sum(sum(parts) for parts in opened.cold.values())
    _note(rounds, opened.folded)
    for name, count in faults.items():
        if count > _MANY_FAULTS:
            rounds.notes[name].append("memory is given back and taken anew in every call: see page faults")
    replicate = _as_replicate(rounds, opened.cold, roof_macs_per_s, roof_bytes_per_s, options, inside_s)
    counted = as_settings(opened.failures)
    counted |= {f"page_faults {name}": count for name, count in faults.items()}
    if untimed and options.protocol == "interleaved":
        counted[UNTIMED] = untimed
    # Of all that are declared: a protocol does not change with what opens in one process.
    for name, deployment in opened.deployments.items():
        if not deployment.is_reference:
            counted[f"{DEPLOYED}{name}"] = deployment.label
    for name, subject in subjects.items():
        if subject.session is not None:
            counted |= {f"{fact} {name}": value for fact, value in subject.session.facts.items()}
    return replicate.model_copy(update={"settings": {**replicate.settings, **counted}})


def _untimed(deployments: Iterable[Deployment], options: LatencyOptions) -> int:
    if options.untimed is not None:
        return options.untimed
    names = {each.backend for each in deployments}
    return 1 if any(BACKENDS.load(name).has_threads for name in names - {"eager"}) else 0


def _page_faults(call: Call) -> float:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(_FAULT_CALLS):
        call()
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / _FAULT_CALLS


def take_from_modules(
    modules: Mapping[str, torch.nn.Module],
    inputs: tuple[torch.Tensor, ...],
    options: LatencyOptions,
    *,
    seed: int,
    timer: Timer,
) -> Rounds:
    """The rounds on modules that exist already, in this process; the first is the baseline."""
    device = torch.device(options.device[0])
    baseline, *_ = modules
    # A frozen part may be in eval mode below a root that trains.
    were_training = [(part, part.training) for module in modules.values() for part in module.modules()]
    try:
        with undisturbed():
            subjects: dict[str, Subject] = {}
            folded: dict[str, str] = {}
            for name, module in modules.items():
                own, wanted, problem = _foldable(module.eval().to(device), options)
                subjects[name], done = place_subject(Subject(name, own, inputs), device, wanted)
                folded[name] = problem or done
            calls = {name: call_of(subject) for name, subject in subjects.items()}
            _try_calls(calls)
            calls[CONTROL] = calls[baseline]
            rounds = take_interleaved(calls, baseline=baseline, timer=timer, options=options, seed=seed)
            _note(rounds, folded)
            return rounds
    finally:
        for part, training in were_training:
            part.training = training


def _try_calls(calls: Mapping[str, Call]) -> None:
    for name, call in calls.items():
        try:
            call()
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            raise MeasurementError(
                f"module '{name}' does not take these inputs: {error}",
                expected="inputs that every module's forward takes",
            ) from error


def check_threads(options: LatencyOptions) -> None:
    """Whether this process runs the declared number of threads.

    Raises:
        MeasurementError: it runs another.
    """
    declared = options.threads[0]
    if options.device[0] == "cpu" and torch.get_num_threads() != declared:
        raise MeasurementError(
            f"torch runs {torch.get_num_threads()} threads, {declared} were declared",
            expected="a process that was started with OMP_NUM_THREADS set",
        )


def _check_batch(subject: Subject, options: LatencyOptions) -> None:
    batches = {each.shape[0] for each in subject.inputs if each.ndim > 0}
    if options.protocol == "gan_compression" and batches - {1}:
        raise MeasurementError(
            f"protocol 'gan_compression' is at batch 1, the inputs have {max(batches)}",
            fix="declare 'input' with a first size of 1, or 'protocol: interleaved'",
        )


def _foldable(
    module: torch.nn.Module, options: LatencyOptions
) -> tuple[torch.nn.Module, LatencyOptions, str]:
    # The caller's module stays as it is.
    if options.fold == "none" or not find_foldable(module):
        return module, options, ""
    try:
        return share_weights(module), options, ""
    except Exception as error:  # somebody's part may refuse to be copied in any way
        as_it_is = options.model_copy(update={"fold": "none"})
        return module, as_it_is, f"norms of weights not folded: it cannot be copied ({type(error).__name__})"


def _note(rounds: Rounds, folded: Mapping[str, str]) -> None:
    for name, said in folded.items():
        if said:
            rounds.notes[name].append(said)


def _as_replicate(
    rounds: Rounds,
    cold: Mapping[str, tuple[float, float, float]],
    roof_macs_per_s: float,
    roof_bytes_per_s: float,
    options: LatencyOptions,
    inside_s: float,
) -> Replicate:
    settings: dict[str, str | int | float | bool | None] = {
        "roof_macs_per_s": roof_macs_per_s,
        "roof_bytes_per_s": roof_bytes_per_s,
        "torch": torch.__version__,
        "torch_threads": torch.get_num_threads(),
        "mkldnn": bool(torch.backends.mkldnn.is_available()),  # type: ignore[no-untyped-call]
        "dtype": "float32",
        "memory_format": options.memory_format,
        "compile_mode": "eager",
    }
    if options.device[0] == "cuda":
        tf32_matmul, tf32_cudnn = tf32_allowed()
        settings |= {
            "gpu": torch.cuda.get_device_name(),
            "tf32_matmul": tf32_matmul,
            "tf32_cudnn": tf32_cudnn,
            "cudnn_benchmark": torch.backends.cudnn.benchmark,
            "cudnn_deterministic": torch.backends.cudnn.deterministic,
        }
    settings["inside_s"] = inside_s
    settings |= {f"repeats {name}": count for name, count in rounds.repeats.items()}
    settings |= {f"warmup_s {name}": spent for name, spent in rounds.warmup_s.items()}
    return Replicate(
        samples={name: tuple(values) for name, values in rounds.samples.items()},
        device_samples={name: tuple(values) for name, values in rounds.device_samples.items()},
        cold_start=dict(cold),
        notes={name: tuple(notes) for name, notes in rounds.notes.items() if notes},
        settings=settings,
    )
