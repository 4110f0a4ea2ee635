"""Our counts beside fvcore, ptflops and torch's FlopCounterMode on the same networks, in one run.

    python benchmarks/counting.py
    python benchmarks/counting.py --only "resnet*" --json

Every registered architecture at its default options, and networks with one stage replaced. Each counter
has a process of its own, which imports it, counts a small network, and then forks one process per network:
seconds are those of one count, memory is what the peak of resident memory grows by. The others run the
network for real on a CPU, as their manuals have it; where that is much work ptflops and FlopCounterMode run
on the meta device, marked by `meta`. fvcore traces the network, which does not go there.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatch
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from benchbench.architectures.build import build
from benchbench.architectures.inputs import example_inputs
from benchbench.core.arguments import assemble
from benchbench.core.registry import ARCHITECTURES
from benchbench.core.stages import origin_of
from benchbench.measures.counting import count
from benchbench.variants.replace import replace

REPLACED = ("resnet_generator", "transformer_net")
COUNTERS = ("benchbench", "fvcore", "ptflops", "FlopCounterMode")
BY = " / "
# fvcore's tracer leaves out what is computed and not returned: FastGAN's small image.
RETURN_ALL = {"fastgan": {"images": "both"}}


class Row(NamedTuple):
    """One network and one counter. `macs` of ptflops still has the biases in it that it adds."""

    network: str
    counter: str
    device: str
    seconds: float
    bytes: int
    macs: int
    bias: int = 0


class Positional(nn.Module):
    """A network that takes its inputs in a row, for counters that can give them no other way."""

    def __init__(self, network: nn.Module, places: Sequence[str], more: Mapping[str, str]) -> None:
        super().__init__()
        self.network = network
        self.places = places
        self.more = more

    def forward(self, *values: Tensor) -> object:
        """The network's own output."""
        args, kwargs = assemble(values, self.places)
        return self.network(*args, **kwargs, **self.more)


def names() -> list[str]:
    """Registered architectures, and `name / stage` where that stage is made depthwise separable."""
    replaced = [f"{name}{BY}{stage}" for name in REPLACED for stage in ARCHITECTURES.load(name).stages]
    return sorted([*ARCHITECTURES, *replaced])


def make(name: str, device: str) -> nn.Module:
    """The network of that name at its default options, in eval mode."""
    architecture, _, stage = name.partition(BY)
    torch.manual_seed(0)
    with torch.device(device):
        network = build(architecture)
        if stage:
            network = replace(network, stages=[stage], by="depthwise_separable")
    # A module that returns its parameter itself stops FlopCounterMode otherwise.
    return network.eval().requires_grad_(requires_grad=False)


def by_benchbench(network: nn.Module, device: str) -> tuple[int, int]:
    """MACs, and elements that get a bias."""
    counts = count(network)
    return counts.macs, counts.elementwise.get("bias", 0)


def by_fvcore(network: nn.Module, device: str) -> tuple[int, int]:
    """The entries that are multiply-accumulates."""
    from fvcore.nn import FlopCountAnalysis

    with torch.no_grad():
        by_operator = FlopCountAnalysis(*_positional(network, device)).by_operator()
    return sum(int(by_operator[key]) for key in ("conv", "linear", "matmul", "addmm", "bmm", "einsum")), 0


def by_ptflops(network: nn.Module, device: str) -> tuple[int, int]:
    """The entries that are multiply-accumulates, with the biases that it adds to them."""
    from ptflops.aten_engine import FlopCounterMode

    module, values = _positional(network, device)
    counter = FlopCounterMode(module, output_params={"print_params": {}, "serialize_params": {}})
    with torch.no_grad(), counter:
        module(*values)
    products = {getattr(torch.ops.aten, name) for name in ("convolution", "mm", "addmm", "bmm")}
    return sum(macs for key, macs in counter.flop_counts["Global"].items() if key in products), 0


def by_flop_counter_mode(network: nn.Module, device: str) -> tuple[int, int]:
    """Half of what it says."""
    from torch.utils.flop_counter import FlopCounterMode

    module, values = _positional(network, device)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        module(*values)
    macs, remainder = divmod(counter.get_total_flops(), 2)
    assert not remainder
    return macs, 0


COUNT: dict[str, Callable[[nn.Module, str], tuple[int, int]]] = dict(
    zip(COUNTERS, (by_benchbench, by_fvcore, by_ptflops, by_flop_counter_mode), strict=True)
)


def _positional(network: nn.Module, device: str) -> tuple[nn.Module, tuple[Tensor, ...]]:
    origin = origin_of(network)
    assert origin is not None
    places = [spec.place for spec in origin.inputs]
    wrapped = Positional(network, places, RETURN_ALL.get(origin.name, {}))
    return wrapped, example_inputs(origin.inputs, device=device)


def _measure_forked(answer: Connection, name: str, counter: str, device: str, threads: int) -> None:
    torch.set_num_threads(threads)
    network = make(name, device)
    # What building took at its peak would hide what counting takes.
    Path("/proc/self/clear_refs").write_text("5")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    macs, bias = COUNT[counter](network, device)
    seconds = time.perf_counter() - started
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    answer.send(Row(name, counter, device, seconds, grown * 1024, macs, bias))


def serve(counter: str, wanted: Sequence[tuple[str, str]]) -> list[Row]:
    """One counter on every network, each in a fork of this process."""
    # fvcore tells at length what it leaves out.
    logging.disable(logging.WARNING)
    # Its optional import of torchvision cannot be loaded beside a CPU torch; absent, it goes without.
    sys.modules["torchvision"] = sys.modules["torchvision.ops"] = None  # type: ignore[assignment]
    # A fork does not have the threads that arithmetic would start here.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    warm_up = "cpu" if counter == "fvcore" else "meta"
    COUNT[counter](make("transformer_net", warm_up), warm_up)
    fork = multiprocessing.get_context("fork")
    rows = []
    for name, device in wanted:
        ours, theirs = fork.Pipe(duplex=False)
        child = fork.Process(target=_measure_forked, args=(theirs, name, counter, device, threads))
        child.start()
        theirs.close()
        try:
            rows.append(ours.recv())
        except EOFError:
            raise SystemExit(f"{counter} failed on {name}, {device}; see above") from None
        finally:
            child.join()
    return rows


def ask(counter: str, wanted: Sequence[tuple[str, str]]) -> list[Row]:
    """`serve` in a fresh process."""
    command = [sys.executable, __file__, "--serve", counter]
    done = subprocess.run(
        command, input=json.dumps(wanted), stdout=subprocess.PIPE, text=True, timeout=900, check=False
    )
    if done.returncode:
        raise SystemExit(f"{counter} did not finish; see above")
    return [Row(*each) for each in json.loads(done.stdout.splitlines()[-1])]


def agrees(ours: Row, theirs: Row) -> bool:
    """To the last digit; ptflops less the biases."""
    return theirs.macs == ours.macs + (ours.bias if theirs.counter == "ptflops" else 0)


def show(rows: Sequence[Row]) -> None:
    """A table in plain text."""
    of = {(row.network, row.counter): row for row in rows}
    networks = list(dict.fromkeys(row.network for row in rows))
    width = max(len(name) for name in networks)
    print(f"{'':{width}}  {'MACs':>17}", *(f"{name:>22}" for name in COUNTERS), "  agree")
    for name in networks:
        ours = of[name, "benchbench"]
        cells = []
        for counter in COUNTERS:
            row = of[name, counter]
            where = " meta" if row.device == "meta" and counter != "benchbench" else ""
            cells.append(f"{f'{row.seconds:.2f} s {row.bytes / 1e6:.0f} MB{where}':>22}")
        same = all(agrees(ours, of[name, counter]) for counter in COUNTERS)
        print(f"{name:{width}}  {ours.macs:>17,}", *cells, f"  {'yes' if same else 'NO'}")
    for counter in COUNTERS:
        each = [row for row in rows if row.counter == counter]
        total_s, most = sum(row.seconds for row in each), max(row.bytes for row in each)
        print(f"{counter}: {total_s:.1f} s for {len(each)} networks, at most {most / 1e6:.0f} MB more memory")


def main() -> int:
    """Count, compare, show; 1 when a counter disagrees."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="*", help="a glob over names of networks")
    parser.add_argument("--json", action="store_true", help="every row, for a program")
    parser.add_argument(
        "--real-macs",
        type=float,
        default=100e9,
        help="what the others do for real; above it they run on meta",
    )
    parser.add_argument("--serve", choices=COUNTERS, help=argparse.SUPPRESS)
    parsed = parser.parse_args()
    if parsed.serve:
        print(json.dumps(serve(parsed.serve, json.load(sys.stdin))))
        return 0
    chosen = [name for name in names() if fnmatch(name, parsed.only)]
    # Ours needs no arithmetic; its networks are built as the others' are, with weights or without.
    macs = {row.network: row.macs for row in ask("benchbench", [(name, "meta") for name in chosen])}
    wanted = [(name, "cpu" if macs[name] <= parsed.real_macs else "meta") for name in chosen]
    rows = [
        row
        for counter in COUNTERS
        for row in ask(counter, [(name, "cpu") for name in chosen] if counter == "fvcore" else wanted)
    ]
    if parsed.json:
        print(json.dumps([row._asdict() for row in rows], indent=1))
    else:
        show(rows)
    ours = {row.network: row for row in rows if row.counter == "benchbench"}
    return 0 if all(agrees(ours[row.network], row) for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
