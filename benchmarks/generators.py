"""Which generators of the suites go through which backend of the CPU at float32, and how far outputs move.

    python benchmarks/generators.py --out FILE                 every generator, every way
    python benchmarks/generators.py --out FILE --only 'ssd*' --ways compile,openvino
    python benchmarks/generators.py --out FILE --table         the table of what is there

One image, fixed shapes; each network once with fresh weights, and once more where it has batch norms or
parameters that start at 0 (running statistics of its own features, noise). Each network and way in a process
of its own; a line of JSON each, and what is there is not done again. `compile` takes minutes for the largest:
three quarters of an hour for everything on 2 cores.
"""

from __future__ import annotations

import argparse
import fnmatch
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from benchbench.backends.prepare import open_session, setup_for, write_artefact
from benchbench.backends.pt2 import open_pt2, write_pt2
from benchbench.core.backends import Network
from benchbench.core.cell import Cell
from benchbench.core.contracts import Subject
from benchbench.core.deployment import Deployment
from benchbench.core.expand import expand_networks
from benchbench.core.suite_file import load_suite
from benchbench.measures.agreement import compare_outputs
from benchbench.measures.fold import fold_parametrizations
from benchbench.runner.deploying import call_in_eager
from benchbench.runner.subjects import build_subject

SUITES = (
    "style_transfer",
    "depthwisegan",
    "ssd",
    "gan_compression_table1",
    "gan_compression_table4",
    "gan_compression_table7",
    "fastgan",
)
WAYS = {
    "float64": "eager's own rounding",
    "channels_last": "channels last",
    "pt2": "pt2",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "compile": "compile",
}
ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Do what is not there yet, and print the table; 1 where something does not go through."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", required=True, type=Path, help="lines of JSON")
    parser.add_argument("--only", default="*", help="a glob over 'suite, variant'")
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--limit-s", type=float, default=1800.0, help="of each network and way")
    parser.add_argument("--table", action="store_true", help="print the table alone")
    parser.add_argument("--one", nargs=2, metavar=("NAME", "WAY"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        name, way = given.one
        print(json.dumps(measured(dict(generators())[name], way)))
        return 0
    names = [name for name, _ in generators()]
    if not given.table:
        there = {(row["name"], row["way"]) for row in rows(given.out)}
        for way in given.ways.split(","):
            for name in names:
                if fnmatch.fnmatch(name, given.only) and (name, way) not in there:
                    keep(given.out, name, way, limit_s=given.limit_s)
    found = {(row["name"], row["way"]): row for row in rows(given.out)}
    print_table(names, found)
    return int(any(row["error"] for row in found.values()))


def generators() -> Iterator[tuple[str, Cell]]:
    """Every generator of the suites once, by 'suite, variant'."""
    seen = set()
    for suite in SUITES:
        for cell in expand_networks(load_suite(ROOT / "suites" / f"{suite}.yaml")):
            layers = [
                each.model_dump_json(by_alias=True) for each in cell.replace if each.network == "generator"
            ]
            key = (cell.architecture.model_dump_json(by_alias=True), *layers)
            if key not in seen:
                seen.add(key)
                yield f"{suite}, {cell.variant}", cell


def keep(out: Path, name: str, way: str, *, limit_s: float) -> None:
    """Measure in a process of its own, and add its line."""
    started = time.perf_counter()
    command = [sys.executable, __file__, "--out", str(out), "--one", name, way]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, check=False)
        lines = done.stdout.strip().splitlines()
        said = (
            json.loads(lines[-1]) if done.returncode == 0 else {"error": done.stderr.strip().splitlines()[-1]}
        )
    except subprocess.TimeoutExpired:
        said = {"error": f"not done after {limit_s:g} s"}
    row = {"name": name, "way": way, "relative": None, "error": None, **said}
    row["took_s"] = round(time.perf_counter() - started, 1)
    with out.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    print(name, way, row["error"] or row["relative"], f"{row['took_s']} s", flush=True)


def rows(out: Path) -> list[dict[str, object]]:
    """What is in the file."""
    return [json.loads(line) for line in out.read_text().splitlines()] if out.is_file() else []


def measured(cell: Cell, way: str) -> dict[str, object]:
    """The largest difference from eager float32 as a share of the range of its output."""
    subject = build_subject(cell)
    fold_parametrizations(subject.module)
    subject.module.requires_grad_(False)
    found = [moved(subject, way)]
    if is_lifeless(subject.module):
        enliven(subject)
        found.append(moved(subject, way))
    return {"relative": max(found), "states": len(found)}


def moved(subject: Subject, way: str) -> float:
    """Of the weights that it has now."""
    network = Network(subject.module, subject.inputs, subject.places)
    with tempfile.TemporaryDirectory() as folder:
        run = opened(network, way, Path(folder), subject)
        return compare_outputs(run, lambda given: call_in_eager(subject, given), [subject.inputs]).relative


def opened(
    network: Network, way: str, folder: Path, subject: Subject
) -> Callable[[tuple[Tensor, ...]], object]:
    """What makes the outputs that eager float32's are held to, or is held to them."""
    if way == "float64":
        return lambda given: in_float64(subject, given)
    threads = torch.get_num_threads()
    if way == "pt2":
        setup = setup_for(Deployment(), device="cpu", threads=threads)
        return open_pt2(write_pt2(network, setup, folder), network, setup).run
    setup = setup_for(Deployment(backend=way), device="cpu", threads=threads)
    with torch.inference_mode(False), torch.no_grad():
        return open_session(network, setup, write_artefact(network, setup, folder)).run


def in_float64(subject: Subject, given: tuple[Tensor, ...]) -> object:
    """The network in double precision, and back to single as it was."""
    wide = tuple(each.double() if each.is_floating_point() else each for each in given)
    # Weights made in inference mode could not be changed outside of it.
    with torch.inference_mode(False):
        subject.module.double()
    try:
        return call_in_eager(subject, wide)
    finally:
        with torch.inference_mode(False):
            subject.module.float()


def is_lifeless(module: nn.Module) -> bool:
    """Whether fresh weights leave a part of it without effect."""
    norms = any(isinstance(each, nn.BatchNorm2d) for each in module.modules())
    return norms or any(not bool(each.any()) for each in module.parameters())


def enliven(subject: Subject) -> None:
    """Running statistics of the network's own features, and something where it starts at 0."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for each in subject.module.parameters():
            if not bool(each.any()):
                each.copy_(0.1 * torch.randn(each.shape, generator=generator))
        norms = [each for each in subject.module.modules() if isinstance(each, nn.BatchNorm2d)]
        for each in norms:
            each.reset_running_stats()
            each.momentum = None
            each.train()
        pairs = [torch.cat([each, each.flip(-1)]) for each in subject.inputs]
        for _ in range(2 if norms else 0):
            call_in_eager(subject, pairs)
        subject.module.eval()


def print_table(names: list[str], found: dict[tuple[object, object], dict[str, object]]) -> None:
    """Markdown: a row a network, a column a way."""
    print(f"\n| suite, variant | {' | '.join(WAYS.values())} |")
    print("|---" * (len(WAYS) + 1) + "|")
    for name in names:
        print(f"| {name} | {' | '.join(told(found.get((name, way))) for way in WAYS)} |")
    for row in found.values():
        if row["error"]:
            print(f"\n{row['name']}, {row['way']}: {row['error']}")


def told(row: dict[str, object] | None) -> str:
    """One place of the table."""
    if row is None:
        return "not tried"
    if row["error"]:
        return "fails"
    return f"{row['relative']:.0e}" if row["relative"] else "same bits"


if __name__ == "__main__":
    sys.exit(main())
