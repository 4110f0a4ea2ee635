"""How often the gate is red where nothing changed, and where something did; all samples are kept.

    python benchmarks/gate.py --out results/gate.jsonl calibrate
    python benchmarks/gate.py --out results/gate.jsonl equal --trials 30 --load quiet loaded
    python benchmarks/gate.py --out results/gate.jsonl slower-10 slower-3 --trials 20 --load quiet loaded
    python benchmarks/gate.py --out results/gate.jsonl simulated table

Every trial is a line of FILE; what is there is not taken again. A trial is one `gate --against`, of a
network of some 10 ms at the threads of this machine: about 15 s where one set is enough, up to a minute
where three are taken. The whole table takes about an hour and a half on two cores. `turns` measures what
the protocol's choices cost and bring (docs/protocol-gate.md), on its own.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gate_trials import by_means, neighbours, project, simulate, slow_down, take_trial
from gate_turns import calibrate, compare_turns

from benchbench.core.gating import PairedSet

TOLERANCE = 0.05
SIMULATED = 2000
NEIGHBOURS = {"quiet": 0, "loaded": 2}
SLOWER = {"equal": 0.0, "slower-10": 0.10, "slower-3": 0.03}
# A trial of a simulation: (name, ratio, which recorded sets).
SIMULATIONS = (("equal", 1.0), ("slower by 3 %", 1.03), ("slower by 10 %", 1.10))
Line = dict[str, Any]


def read(file: Path) -> list[Line]:
    """What was taken so far."""
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def keep(file: Path, line: Line) -> None:
    """One more line, on the disk before the next trial begins."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as out:
        out.write(json.dumps(line) + "\n")
        out.flush()
        os.fsync(out.fileno())


def rows_for(share: float, lines: Sequence[Line]) -> int:
    """Extra rows that were measured to slow the network down by so much."""
    if share == 0:
        return 0
    found = [line for line in lines if line["part"] == "calibrate" and line["share"] == share]
    if not found:
        raise SystemExit("not calibrated yet: run the part `calibrate` first")
    return int(found[-1]["rows"])


def take(file: Path, part: str, load: str, *, trials: int, threads: str) -> None:
    """Trials of one part under one load, up to `trials` in the file."""
    lines = read(file)
    done = sum(line["part"] == part and line.get("load") == load for line in lines)
    rows = rows_for(SLOWER[part], lines)
    with project(threads) as folder, neighbours(NEIGHBOURS[load]):
        slow_down(folder, rows)
        for index in range(done, trials):
            trial = take_trial(folder, tolerance=TOLERANCE, seed=index)
            keep(
                file, {"part": part, "load": load, "index": index, "rows": rows, "threads": threads, **trial}
            )
            print(f"{part}, {load} {index + 1}/{trials}: {trial['status']:9} {trial['seconds']:5.1f} s  "
                  f"{trial['reason']}", flush=True)  # fmt: skip


def simulate_all(file: Path, *, trials: int) -> None:
    """Trials on the recorded noise of equal revisions, half of them from each load."""
    pools = {load: list(recorded_sets(read(file), load)) for load in NEIGHBOURS}
    pools = {load: sets for load, sets in pools.items() if sets}
    if not pools:
        raise SystemExit("nothing is recorded yet: run the part `equal` first")
    for name, ratio in SIMULATIONS:
        for place, (load, pool) in enumerate(pools.items()):
            rng = np.random.default_rng([place, round(1000 * ratio)])
            counts: Counter[str] = Counter()
            for _ in range(trials // len(pools)):
                status, means_are_red = simulate(pool, ratio=ratio, tolerance=TOLERANCE, rng=rng)
                counts[status] += 1
                counts["means red"] += means_are_red
            said = {
                "part": "simulated",
                "name": name,
                "load": load,
                "sets": len(pool),
                "counts": dict(counts),
            }
            keep(file, {**said, "trials": trials // len(pools)})
            print(f"simulated, {name}, {load}: {dict(counts)}", flush=True)


def recorded_sets(lines: Sequence[Line], load: str) -> Iterator[PairedSet]:
    """Every set of equal revisions under one load."""
    for line in lines:
        if line["part"] == "equal" and line["load"] == load:
            yield from (PairedSet.model_validate(each) for each in line["sets"])


def print_table(lines: Sequence[Line]) -> None:
    """What was measured beside what was wanted, as Markdown."""
    print(
        "| | goal | trials | red | ambiguous | green "
        "| pytest-benchmark `mean:10%` red, interleaved / in turn |"
    )
    print("|---|---|---|---|---|---|---|")
    goals = {
        ("equal", "quiet"): "0 red",
        ("equal", "loaded"): "0 red",
        ("slower-10", "quiet"): ">= 95 % red, 0 green",
        ("slower-10", "loaded"): ">= 80 % red, 0 green",
        ("slower-3", "quiet"): "<= 1 % red",
        ("slower-3", "loaded"): "<= 1 % red",
    }
    for (part, load), goal in goals.items():
        taken = [line for line in lines if line["part"] == part and line.get("load") == load]
        if taken:
            counts = Counter(line["status"] for line in taken)
            means = [by_means(PairedSet.model_validate(line["sets"][0])) for line in taken]
            red = " / ".join(str(sum(column)) for column in zip(*means, strict=True))
            said = _shares(counts, len(taken))
            print(f"| {part}, {load}{_measured(taken, part)} | {goal} | {len(taken)} | {said} | {red} |")
    newest = {(line["name"], line["load"]): line for line in lines if line["part"] == "simulated"}
    for (name, load), line in newest.items():
        goal = {"equal": "<= 1 % red", "slower by 3 %": "<= 1 % red"}.get(name, "0 green")
        counts = Counter(line["counts"])
        what = f"simulated {name}, noise of {line['sets']} {load} sets"
        print(f"| {what} | {goal} | {line['trials']} | {_shares(counts, line['trials'])} "
              f"| – / {counts['means red']} |")  # fmt: skip
    quiet = [line for line in lines if line["part"] == "equal" and line["load"] == "quiet"]
    if quiet:
        seconds = [line["seconds"] for line in quiet]
        calls = [1e3 * statistics.median(line["sets"][0]["base"][0]) for line in quiet]
        what = f"seconds per pair of networks of {statistics.median(calls):.1f} ms, quiet"
        said = f"median {statistics.median(seconds):.1f} | most {max(seconds):.1f}"
        print(f"| {what} | <= 20 s | {len(seconds)} | {said} | | |")


def _measured(taken: Sequence[Line], part: str) -> str:
    ratios = [line["ratio"] for line in taken]
    macs = taken[0]["macs"]
    if part == "equal" or not all(macs):
        return ""
    return f" (MACs {macs[1] / macs[0] - 1:+.1%}, time {statistics.median(ratios) - 1:+.1%})"


def _shares(counts: Counter[str], total: int) -> str:
    return " | ".join(
        f"{counts[name]} ({counts[name] / total:.1%})" for name in ("red", "ambiguous", "green")
    )


def main() -> None:
    """Take what is asked for, part by part."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parts = ["calibrate", *SLOWER, "simulated", "table", "turns"]
    parser.add_argument("parts", nargs="+", choices=parts)
    parser.add_argument("--out", type=Path, default=Path("results/gate.jsonl"), metavar="FILE")
    parser.add_argument("--trials", type=int, default=20, help="in FILE, of each part and load")
    parser.add_argument("--load", nargs="+", choices=list(NEIGHBOURS), default=["quiet"])
    parser.add_argument("--threads", default="auto", help="of the timed network; one FILE for each")
    parser.add_argument("--simulated", type=int, default=SIMULATED, help="simulated trials of each ratio")
    parser.add_argument("--seconds", type=float, default=10.0, help="of each choice that `turns` compares")
    given = parser.parse_args()
    for part in given.parts:
        if part in SLOWER:
            for load in given.load:
                take(given.out, part, load, trials=given.trials, threads=given.threads)
        elif part == "calibrate":
            for line in calibrate([share for share in SLOWER.values() if share], threads=given.threads):
                keep(given.out, line)
        elif part == "simulated":
            simulate_all(given.out, trials=given.simulated)
        elif part == "turns":
            compare_turns(seconds=given.seconds, threads=given.threads)
        else:
            print_table(read(given.out))


if __name__ == "__main__":
    main()
