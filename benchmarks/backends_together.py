"""Libraries with thread pools of their own, timed alone, together, and by token between processes.

    python benchmarks/backends_together.py [--rounds 60] [--backends eager,compile,onnxruntime,openvino]

Which way reads what each network takes by itself? `alone` is one process per backend with no other beside
it: what a deployed network has. Every other way should read the same; the last column is the largest
departure from it. Because of this table the latency measure times all of them in one process, with one
untimed call before each timed one (docs/backends.md). About 6 minutes on 2 quiet cores.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchbench.core.host import KEEP_MEMORY, usable_cpus

NETWORKS = ("baseline", "v3")
WARMUP_S = 1.0


def main() -> None:
    """Measure every way, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--backends", default="eager,compile,onnxruntime,openvino")
    parser.add_argument("--threads", type=int, default=usable_cpus())
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--spinning", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--untimed", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--obey", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        child(given)
        return
    backends = given.backends.split(",")
    for spinning in (False, True):
        words = "ONNX Runtime spins" if spinning else "no spinning"
        alone: dict[str, float] = {}
        for name in backends:
            # Called again and again, as a network that is deployed by itself is.
            alone |= answer([name], given, spinning=spinning, untimed=1)
        line(f"alone, {words}", alone, alone)
        for untimed in (0, 1):
            found = answer(backends, given, spinning=spinning, untimed=untimed)
            line(f"together, {words}, {untimed} untimed", found, alone)
        for untimed in (0, 1):
            found = by_token(backends, given, spinning=spinning, untimed=untimed)
            line(f"token, {words}, {untimed} untimed", found, alone)


def line(words: str, found: Mapping[str, float], alone: Mapping[str, float]) -> None:
    """One way to time: milliseconds of each, and the largest departure."""
    parts = "  ".join(f"{name} {seconds * 1e3:.1f}" for name, seconds in found.items())
    worst = max(found, key=lambda name: abs(found[name] / alone[name] - 1))
    print(f"{words:44} {parts}   {found[worst] / alone[worst] - 1:+.0%} ({worst})", flush=True)


def command(backends: Sequence[str], given: argparse.Namespace, *, spinning: bool, untimed: int) -> list[str]:
    """This file, as a child."""
    made = [sys.executable, __file__, "--child", ",".join(backends), "--untimed", str(untimed)]
    made += ["--rounds", str(given.rounds), "--threads", str(given.threads)]
    return [*made, "--spinning"] if spinning else made


def environment(given: argparse.Namespace) -> dict[str, str]:
    """As the latency measure sets it."""
    return {**os.environ, **KEEP_MEMORY, "OMP_NUM_THREADS": str(given.threads)}


def answer(
    backends: Sequence[str], given: argparse.Namespace, *, spinning: bool, untimed: int
) -> dict[str, float]:
    """Median seconds by network and backend, of one process with these backends."""
    asked = command(backends, given, spinning=spinning, untimed=untimed)
    done = subprocess.run(asked, env=environment(given), stdout=subprocess.PIPE, check=True, text=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def by_token(
    backends: Sequence[str], given: argparse.Namespace, *, spinning: bool, untimed: int
) -> dict[str, float]:
    """Median seconds, of one process per backend, one of which computes at a time."""
    children = {}
    for name in backends:
        asked = [*command([name], given, spinning=spinning, untimed=untimed), "--obey"]
        children[name] = subprocess.Popen(
            asked, env=environment(given), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
    samples: dict[str, list[float]] = {}
    try:
        for process in children.values():
            heard(process)
        order = [(name, f"{network} {name}") for name in backends for network in NETWORKS]
        rng = random.Random(0)
        for _ in range(given.rounds):
            rng.shuffle(order)
            for name, subject in order:
                process = children[name]
                assert process.stdin is not None
                process.stdin.write(f"{subject}\n")
                process.stdin.flush()
                samples.setdefault(subject, []).append(float(heard(process)))
    finally:
        for process in children.values():
            process.kill()
    return {name: statistics.median(samples[name]) for name in sorted(samples, key=rank(backends))}


def rank(backends: Sequence[str]) -> Callable[[str], tuple[int, str]]:
    """Subjects in the order of their backends."""
    return lambda subject: (list(backends).index(subject.split()[1]), subject)


def heard(process: subprocess.Popen[str]) -> str:
    """A line of the child that is meant for us."""
    assert process.stdout is not None
    for text in process.stdout:
        if text.startswith("= "):
            return text[2:]
    raise SystemExit("a child ended early; run it by itself to see why")


def child(given: argparse.Namespace) -> None:
    """Time in this process, or call what is asked for."""
    import torch

    torch.set_num_threads(given.threads)
    with tempfile.TemporaryDirectory() as folder:
        calls = sessions(given.child.split(","), given, Path(folder))
        with torch.inference_mode():
            for call in calls.values():
                until = time.perf_counter() + WARMUP_S
                while time.perf_counter() < until:
                    call()
            if given.obey:
                print("= ready", flush=True)
                for text in sys.stdin:
                    print(f"= {seconds(calls[text.strip()], given.untimed)}", flush=True)
                return
            samples: dict[str, list[float]] = {name: [] for name in calls}
            order, rng = list(calls), random.Random(0)
            for _ in range(given.rounds):
                rng.shuffle(order)
                for name in order:
                    samples[name].append(seconds(calls[name], given.untimed))
        print(json.dumps({name: statistics.median(values) for name, values in samples.items()}), flush=True)


def seconds(call: Callable[[], object], untimed: int) -> float:
    """Of one call, after `untimed` others."""
    for _ in range(untimed):
        call()
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def sessions(
    backends: Sequence[str], given: argparse.Namespace, folder: Path
) -> dict[str, Callable[[], object]]:
    """Both networks, opened in each backend."""
    import torch

    from benchbench.backends.prepare import open_session, setup_for, write_artefact
    from benchbench.core.backends import Network
    from benchbench.core.deployment import Deployment
    from benchbench.core.expand import expand_networks
    from benchbench.core.suite_file import load_suite
    from benchbench.runner.subjects import build_subject

    suite = load_suite(
        "suites/style_transfer.yaml", overrides=["matrix={}", "architecture.input=[1, 3, 256, 256]"]
    )
    found: dict[str, Callable[[], object]] = {}
    for name in backends:
        for cell in expand_networks(suite):
            if cell.variant not in NETWORKS:
                continue
            options: dict[str, Any] = {"spinning": given.spinning} if name == "onnxruntime" else {}
            subject = build_subject(cell)
            setup = setup_for(Deployment(backend=name, options=options), device="cpu", threads=given.threads)
            network = Network(subject.module, subject.inputs)
            with torch.no_grad():
                written = write_artefact(network, setup, folder / name / cell.variant)
                found[f"{cell.variant} {name}"] = open_session(network, setup, written).call
    return found


if __name__ == "__main__":
    main()
