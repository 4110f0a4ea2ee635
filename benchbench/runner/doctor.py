"""Look the installation and the machine over, and say what to do about what is wrong."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

from benchbench.backends.prepare import missing_packages
from benchbench.core.environment import Gpu
from benchbench.core.host import usable_cpus
from benchbench.core.registry import BACKENDS
from benchbench.core.units import format_quantity, significant
from benchbench.runner.environment import ask_program, probe_gpus
from benchbench.runner.noise import Noise, measure_noise

Status = Literal["ok", "warn", "bad"]
PYTHON = ((3, 11), (3, 14))
WEIGHTS_VARIABLE = "BENCHBENCH_WEIGHTS"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: what it is about: `python`, `packages`, `threads`, `noise`, ...
        status: ok, warn (figures suffer) or bad (a run will fail).
        what: what was found.
        fix: what to do about it; None when nothing needs doing.
    """

    name: str
    status: Status
    what: str
    fix: str | None = None


def examine(*, noise_seconds: float = 5.0) -> tuple[Finding, ...]:
    """Every finding; takes `noise_seconds` and the time in which torch is imported."""
    findings = [check_python(sys.version_info[:2]), check_packages()]
    if importlib.util.find_spec("torch") is not None:
        findings += [
            check_torchvision(),
            check_gpu(probe_gpus()),
            check_threads(usable=usable_cpus(), environ=os.environ),
            check_weights(environ=os.environ),
            check_metric_weights(environ=os.environ),
            check_backends(probe_gpus()),
        ]
    return (
        *findings,
        check_noise(measure_noise(seconds=noise_seconds)),
        check_disk(Path.cwd()),
        check_lock(),
    )


def check_python(running: tuple[int, ...]) -> Finding:
    """Whether this Python is one that benchbench is tested with."""
    low, high = (".".join(map(str, bound)) for bound in PYTHON)
    text = f"Python {'.'.join(map(str, running))}"
    if PYTHON[0] <= running < PYTHON[1]:
        return Finding("python", "ok", text)
    return Finding(
        "python", "bad", f"{text}; tested with >= {low}, < {high}", "make a venv with such a Python"
    )


def check_packages() -> Finding:
    """Whether every dependency is there, in a version that pyproject.toml allows."""
    from packaging.requirements import Requirement

    troubles: list[str] = []
    needed = [Requirement(line) for line in requires("benchbench") or ()]
    needed = [each for each in needed if each.marker is None or each.marker.evaluate({"extra": ""})]
    for each in needed:
        try:
            installed = version(each.name)
        except PackageNotFoundError:
            troubles.append(f"{each.name} is missing")
            continue
        if not each.specifier.contains(installed, prereleases=True):
            troubles.append(f"{each.name} {installed} is not {each.specifier}")
    if troubles:
        return Finding("packages", "bad", "; ".join(troubles), "pip install -c constraints.txt -e .")
    return Finding("packages", "ok", f"{len(needed)} packages as required, torch {version('torch')}")


def check_backends(gpus: tuple[Gpu, ...]) -> Finding:
    """Which backends can be opened here, as far as libraries and GPUs go; no library is imported."""
    missing = {name: missing_packages(BACKENDS.load(name)) for name in BACKENDS}
    ready = [name for name, lacking in missing.items() if not lacking]
    there = [name for name in ready if gpus or "cpu" in BACKENDS.load(name).precisions]
    what = f"{', '.join(there)} can be used"
    if len(there) < len(ready):
        what += f"; without a GPU not {', '.join(name for name in ready if name not in there)}"
    extras = {BACKENDS.load(name).extra for name, lacking in missing.items() if lacking} - {""}
    if not extras:
        return Finding("backends", "ok", what)
    without = ", ".join(name for name, lacking in missing.items() if lacking)
    fix = f"pip install 'benchbench[{','.join(sorted(extras))}]'"
    return Finding("backends", "ok", f"{what}; without their libraries: {without} ({fix})")


def check_torchvision(*, query: Callable[[Sequence[str]], str | None] = ask_program) -> Finding:
    """Whether torchvision imports beside this torch; asked of a process of its own.

    Its registry wheel is linked against CUDA, and fails beside a torch that is not.
    """
    code = "import torch, torchvision; print(torchvision.__version__)"
    found = query([sys.executable, "-W", "ignore", "-c", code])
    if found is None:
        what = "torchvision does not import beside this torch; nothing in this version needs it"
        return Finding("torchvision", "ok", what, "take both from one index if you need it yourself")
    return Finding("torchvision", "ok", f"torchvision {found} imports beside this torch")


def check_gpu(gpus: tuple[Gpu, ...], *, cuda: bool | None = None) -> Finding:
    """Whether there is a GPU that torch can use, and whether it is slowed down.

    `cuda` stands in for torch.cuda.is_available().
    """
    if cuda is None:
        import torch

        cuda = torch.cuda.is_available()
    if not gpus and not cuda:
        return Finding("gpu", "ok", "no NVIDIA GPU; measures on `cuda` will be recorded as skipped")
    if not cuda:
        fix = "pip install a CUDA build of torch: https://pytorch.org/get-started/locally"
        return Finding("gpu", "warn", f"{gpus[0].name} is there, but this torch cannot use it", fix)
    name = gpus[0].name if gpus else "a GPU that nvidia-smi does not list"
    reasons = sorted({reason for gpu in gpus for reason in gpu.throttle_reasons or ()})
    if reasons:
        fix = "let it cool, or raise its power limit; latencies taken now are too long"
        return Finding("gpu", "warn", f"{name}, slowed down by {', '.join(reasons)}", fix)
    return Finding("gpu", "ok", f"{name}, usable by torch")


def check_threads(*, usable: int, environ: Mapping[str, str], torch_threads: int | None = None) -> Finding:
    """Whether torch would start more threads than this process has CPUs."""
    if torch_threads is None:
        import torch

        torch_threads = torch.get_num_threads()
    asked = [f"{name}={environ[name]}" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS") if name in environ]
    told = f" ({', '.join(asked)})" if asked else ""
    what = f"torch uses {torch_threads} threads{told}; {usable} CPUs are usable (affinity, cgroup quota)"
    if torch_threads > usable:
        return Finding(
            "threads", "warn", what, f"export OMP_NUM_THREADS={usable}; training suffers otherwise"
        )
    return Finding("threads", "ok", what)


def check_noise(noise: Noise) -> Finding:
    """Whether timings on this machine can be trusted."""
    stolen = "unknown" if noise.steal_share is None else f"{100 * noise.steal_share:.1f} %"
    what = (
        f"{'quiet' if noise.quiet else 'noisy'}: {noise.repeats} equal pieces of work of "
        f"{format_quantity(noise.median_s, 's')}, interquartile range {100 * noise.spread:.1f} %, "
        f"p90 {significant(noise.p90)}x, worst {significant(noise.worst)}x the median, steal {stolen}"
    )
    if noise.quiet:
        return Finding("noise", "ok", what)
    fix = (
        "end other programs, or measure at another hour; speed-ups stay usable (their pairs are "
        "interleaved and carry intervals), absolute times do not"
    )
    return Finding("noise", "warn", what, fix)


def check_weights(*, environ: Mapping[str, str], candidates: Sequence[Path] | None = None) -> Finding:
    """Which pretrained VGG-16 weights are there; nothing is downloaded."""
    if candidates is None:
        from benchbench.quality.vgg_weights import weights_candidates

        candidates = weights_candidates()
    found = [str(path) for path in candidates if path.is_file()]
    if found:
        return Finding("weights", "ok", f"VGG-16: {', '.join(found)}")
    named = environ.get(WEIGHTS_VARIABLE)
    if named and not Path(named).expanduser().is_dir():
        return Finding("weights", "bad", f"{WEIGHTS_VARIABLE}={named} is not a folder", "correct or unset it")
    return Finding(
        "weights",
        "ok",
        "no pretrained VGG-16; its seeded random weights are used, and every table says so",
        f"to compare with the paper: export {WEIGHTS_VARIABLE}=FOLDER, with vgg16-397923af.pth in it",
    )


def check_metric_weights(*, environ: Mapping[str, str]) -> Finding:
    """Which weights of FID, clean-FID and LPIPS are there, by their place alone; nothing is downloaded."""
    from benchbench.quality.inception import TORCHSCRIPT
    from benchbench.quality.inception_pytorch import STATE
    from benchbench.quality.lpips_weights import pinned_backbone

    pinned = {"fid, kid": STATE, "clean_fid, clean_kid": TORCHSCRIPT, "lpips": pinned_backbone("alex")}
    here = [name for name, file in pinned.items() if any(path.is_file() for path in file.candidates())]
    missing = {name: file for name, file in pinned.items() if name not in here}
    parts = [f"{name}: not here" for name in missing]
    told = "; ".join([f"{', '.join(here)}: here", *parts] if here else parts)
    if not missing:
        return Finding("metrics", "ok", told)
    urls = " and ".join(file.url for file in missing.values())
    return Finding(
        "metrics",
        "ok",
        f"{told}; fd and kd on embedded features need none, and say that they compare with no paper",
        f"fetch {urls}"
        if WEIGHTS_VARIABLE in environ
        else f"export {WEIGHTS_VARIABLE}=FOLDER, with {urls} in it",
    )


def check_disk(folder: Path, *, free_bytes: int | None = None) -> Finding:
    """Whether results can be written below `folder`."""
    free = shutil.disk_usage(folder).free if free_bytes is None else free_bytes
    text = f"{format_quantity(free, 'B')} free in {folder}"
    if not os.access(folder, os.W_OK):
        return Finding(
            "disk", "bad", f"{folder} is read-only", "name another folder: benchbench run SUITE --out DIR"
        )
    if free < 2**28:
        return Finding("disk", "bad", text, "free some space; one run takes up to 250 MiB")
    if free < 2**31:
        return Finding("disk", "warn", text, "enough for one small run; free some space")
    return Finding("disk", "ok", text)


def check_lock(path: Path | None = None) -> Finding:
    """Whether another process measures latency on this machine. `path` is that of the lock file."""
    from benchbench.runner.lock import holder

    who = holder(path)
    if who is None:
        return Finding("lock", "ok", "nothing else measures latency here")
    return Finding(
        "lock", "warn", f"latency is being measured by {who}", "wait for it; a second run waits too"
    )
