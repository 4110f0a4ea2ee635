"""Other counters, each in a process of its own: some leave torch patched behind them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchbench.core.registry import ARCHITECTURES
from benchbench.measures.counting import Counts, count

pytestmark = pytest.mark.slow

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "counting.py"
PEERS = ("fvcore", "ptflops", "FlopCounterMode")

MODELS = """
from torch import nn
import benchbench as bb
from torch.nn.utils import parametrizations

def models():
    base = bb.build("transformer_net", width=8, blocks=2)
    everything = ["encoder", "residual", "decoder"]
    return {
        "style": (base, (1, 3, 64, 64)),
        "light": (bb.replace(base, stages=everything, by="depthwise_separable"), (1, 3, 64, 64)),
        "transposed": (nn.ConvTranspose2d(8, 4, 4, 2, 1), (1, 8, 9, 9)),
        "grouped": (nn.Conv2d(4, 8, 3, groups=4, dilation=2, bias=False), (1, 4, 9, 9)),
        "normed": (parametrizations.spectral_norm(nn.Conv2d(3, 8, 3)), (1, 3, 9, 9)),
        "linear": (nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4)), (5, 8)),
    }
"""

FVCORE = """
import json, logging, torch
from fvcore.nn import FlopCountAnalysis
logging.disable(logging.WARNING)
found = {}
for name, (model, shape) in models().items():
    by_operator = FlopCountAnalysis(model.eval(), torch.zeros(shape)).by_operator()
    found[name] = sum(by_operator[key] for key in ("conv", "linear", "matmul", "addmm", "bmm"))
print(json.dumps(found))
"""

# Its optional import of torchvision cannot be loaded beside a CPU torch; absent, it goes without.
PTFLOPS = """
import json, sys, torch
sys.modules["torchvision"] = sys.modules["torchvision.ops"] = None
from ptflops.aten_engine import FlopCounterMode
products = {getattr(torch.ops.aten, name) for name in ("convolution", "mm", "addmm", "bmm")}
found = {}
for name, (model, shape) in models().items():
    counter = FlopCounterMode(model.eval(), output_params={"print_params": {}, "serialize_params": {}})
    with torch.no_grad(), counter:
        model(torch.zeros(shape))
    found[name] = sum(macs for key, macs in counter.flop_counts["Global"].items() if key in products)
print(json.dumps(found))
"""


def run(code: str) -> dict[str, int]:
    script = f"{MODELS}\n{code}"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="module")
def ours() -> dict[str, Counts]:
    scope: dict[str, Any] = {}
    exec(MODELS, scope)
    return {name: count(model, shape) for name, (model, shape) in scope["models"]().items()}


def test_fvcore_agrees(ours: dict[str, Counts]) -> None:
    assert run(FVCORE) == {name: counts.macs for name, counts in ours.items()}


def test_ptflops_agrees_once_its_biases_are_taken_off(ours: dict[str, Counts]) -> None:
    expected = {name: counts.macs + counts.elementwise.get("bias", 0) for name, counts in ours.items()}
    assert run(PTFLOPS) == expected


@pytest.fixture(scope="module")
def compared() -> dict[tuple[str, str], dict[str, Any]]:
    """Every registered architecture by every counter; fvcore runs them for real, the others on meta."""
    command = [sys.executable, str(BENCHMARK), "--json", "--real-macs", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.stdout, done.stderr
    return {(row["network"], row["counter"]): row for row in json.loads(done.stdout)}


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("name", list(ARCHITECTURES))
def test_every_architecture_agrees_to_the_last_digit(
    compared: dict[tuple[str, str], dict[str, Any]], name: str, peer: str
) -> None:
    ours, theirs = compared[name, "benchbench"], compared[name, peer]
    assert ours["macs"] > 0
    assert theirs["macs"] - (ours["bias"] if peer == "ptflops" else 0) == ours["macs"]


def test_networks_with_a_stage_replaced_agree(compared: dict[tuple[str, str], dict[str, Any]]) -> None:
    replaced = sorted({name for name, _ in compared} - set(ARCHITECTURES))
    assert "resnet_generator / residual" in replaced
    for name in replaced:
        ours = compared[name, "benchbench"]
        found = {peer: compared[name, peer]["macs"] for peer in PEERS}
        assert found == {**dict.fromkeys(PEERS, ours["macs"]), "ptflops": ours["macs"] + ours["bias"]}, name
