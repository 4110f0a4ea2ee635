"""Our own kernels beside a peer in one process: `tox -e gate`.

Each test holds a kernel to a ratio that it has by a wide margin, so that it is red when the kernel's
way of computing is lost (a product that became a loop, a cross-Gram that became a square root of a matrix),
and not when another machine has another library: noise of any size makes it ambiguous, which is a warning.
The ratios in the comments were measured on 2 shared cores at one thread; the limits are a third to a half of
them.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import linalg
from torch.utils.flop_counter import FlopCounterMode

import benchbench as bb
from benchbench.pytest_plugin.latency import LatencyGate
from benchbench.quality.resize import resize

# A doubled time is red, ten per cent more are nobody's business here.
TOLERANCE = 0.25
PACE = {"budget_s": 8.0, "half_width": 0.05}


def correlated(count: int, dimensions: int) -> tuple[np.ndarray, np.ndarray]:
    """Two sets of features, [count, dimensions] each."""
    random = np.random.default_rng(0)
    mix = random.standard_normal((dimensions, dimensions)) / dimensions**0.5
    first, second = (random.standard_normal((count, dimensions)) @ mix + shift for shift in (0.0, 0.1))
    return first, second


def test_counting(benchbench_latency: LatencyGate) -> None:
    """Our counter beside torch's own, on the meta device."""
    with torch.device("meta"):
        network, image = bb.build("transformer_net", width=32), torch.empty(1, 3, 256, 256)

    def by_torch() -> None:
        with FlopCounterMode(display=False):
            network(image)

    # 0.9 times as fast, for layers, element-wise work and activations beside.
    timed = benchbench_latency.compare_calls({"torch": by_torch, "ours": lambda: bb.count(network)}, **PACE)
    print(timed)
    timed.assert_faster(0.3, tolerance=TOLERANCE)


def test_frechet(benchbench_latency: LatencyGate) -> None:
    """The Fréchet distance beside the square root of a matrix; 140 images, as in few-shot protocols."""
    features = correlated(140, 256)

    def by_scipy() -> float:
        means, covariances = [each.mean(0) for each in features], [np.cov(each.T) for each in features]
        root = linalg.sqrtm(covariances[0] @ covariances[1])
        traces = sum(float(np.trace(each)) for each in covariances)
        return float(np.sum((means[0] - means[1]) ** 2) + traces - 2 * np.trace(root.real))

    assert bb.frechet_distance(*features) == pytest.approx(by_scipy(), rel=1e-6)
    timed = benchbench_latency.compare_calls(
        {"scipy": by_scipy, "ours": lambda: bb.frechet_distance(*features)}, **PACE
    )
    print(timed)
    # 30 times as fast.
    timed.assert_faster(10.0, tolerance=TOLERANCE)


def test_kernel(benchbench_latency: LatencyGate) -> None:
    """The kernel distance beside three products written out."""
    features = correlated(400, 128)

    def by_numpy() -> float:
        a, b = features
        count = len(a)
        within = 0.0
        for each in (a, b):
            square = (each @ each.T / each.shape[1] + 1) ** 3
            within += (square.sum() - np.trace(square)) / (count * (count - 1))
        return float(within - 2 * np.mean((a @ b.T / a.shape[1] + 1) ** 3))

    assert bb.kernel_distance(*features) == pytest.approx(by_numpy(), rel=1e-3)
    timed = benchbench_latency.compare_calls(
        {"numpy": by_numpy, "ours": lambda: bb.kernel_distance(*features)}, **PACE
    )
    print(timed)
    # 1.3 times as fast; from some thousand rows on in less memory too.
    timed.assert_faster(0.3, tolerance=TOLERANCE)


def test_resize(benchbench_latency: LatencyGate) -> None:
    """Bicubic with antialiasing beside Pillow, plane by plane."""
    pixels = np.random.default_rng(0).integers(0, 256, (8, 3, 256, 256), dtype=np.uint8)
    images = torch.from_numpy(pixels)

    def by_pillow() -> np.ndarray:
        planes = [Image.fromarray(plane.astype(np.float32)) for image in pixels for plane in image]
        small = [np.asarray(plane.resize((299, 299), Image.Resampling.BICUBIC)) for plane in planes]
        return np.stack(small).reshape(8, 3, 299, 299).clip(0, 255)

    assert np.abs(resize(images, side=299, how="clean").numpy() - by_pillow()).max() < 1e-3
    timed = benchbench_latency.compare_calls(
        {"pillow": by_pillow, "ours": lambda: resize(images, side=299, how="clean")}, **PACE
    )
    print(timed)
    # 2.1 times as fast.
    timed.assert_faster(0.9, tolerance=TOLERANCE)
