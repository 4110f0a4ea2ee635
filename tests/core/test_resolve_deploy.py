from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchbench.core.errors import BenchbenchError, SuiteError
from benchbench.core.suite_file import load_suite

SUITE = """
name: tiny
architecture: {name: transformer_net, width: 4, blocks: 1}
measure:
  - parameters
  - latency: {threads: 1}
deploy:
"""


@pytest.mark.parametrize(
    ("deploy", "told"),
    [
        ("  - openvinoo\n", "unknown backend 'openvinoo'"),
        ("  - {backend: openvino, precison: int8}\n", "did you mean 'precision'?"),
        ("  - {backend: openvino, precision: int9}\n", "did you mean 'int8'?"),
        (
            "  - {backend: onnxruntime, preset: mixed}\n",
            "unknown key 'preset' of a deployment in 'onnxruntime'",
        ),
        ("  - {backend: compile, mode: fast}\n", "backend 'compile'"),
        ("  - {backend: openvino, quantise: weights}\n", "'quantise: weights' is of int8"),
        ("  - {backend: openvino, tolerance: {}}\n", "a tolerance bounds nothing"),
        (
            "  - openvino\n  - {backend: openvino, tolerance: {psnr_db: 9}}\n",
            "two deployments are called 'openvino'",
        ),
        (
            "  - {backend: openvino, precision: int8, calibration: {data: {source: fotos}}}\n",
            "did you mean 'photos'?",
        ),
    ],
)
def test_a_wrong_deployment_is_told_with_its_place(deploy: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "suite.yaml"
    path.write_text(SUITE + deploy)
    with pytest.raises(BenchbenchError) as caught:
        load_suite(path)
    assert told in str(caught.value)
    assert f"{path}:" in str(caught.value)


@pytest.mark.parametrize(
    ("deploy", "told"),
    [
        ("[compile, {backend: compile, mode: default}]", "'compile' and 'compile mode=default' are one"),
        (
            "[{backend: compile, mode: default}, {backend: compile, fullgraph: false}]",
            "'compile mode=default' and 'compile fullgraph=False' are one",
        ),
        (
            "[{backend: [channels_last, eager], memory_format: [contiguous, channels_last]}]",
            "'channels_last' and 'eager channels_last' are one",
        ),
        (
            "[{backend: eager, memory_format: channels_last}, channels_last]",
            "'eager channels_last' and 'channels_last' are one",
        ),
        ("[{backend: eager, shapes: static, precision: [fp32, fp32, bf16, bf16]}]", "called 'eager bf16'"),
    ],
)
def test_one_deployment_by_two_names_is_told(deploy: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "suite.yaml"
    path.write_text(f"{SUITE.rstrip()} {deploy}\n")
    with pytest.raises(SuiteError, match=re.escape(told)) as caught:
        load_suite(path)
    assert f"{path}:7: deploy" in str(caught.value)


def test_deployments_that_differ_in_one_thing_are_several(tmp_path: Path) -> None:
    path = tmp_path / "suite.yaml"
    several = (
        "[{backend: compile, mode: default}, {backend: compile, mode: max-autotune}, "
        "{backend: channels_last, precision: bf16, memory_format: [contiguous, channels_last]}, "
        "channels_last]"
    )
    path.write_text(f"{SUITE.rstrip()} {several}\n")
    assert len(load_suite(path).deployments) == 6


def test_a_memory_format_is_declared_in_one_place(tmp_path: Path) -> None:
    path = tmp_path / "suite.yaml"
    path.write_text(
        SUITE.replace("threads: 1", "threads: 1, memory_format: channels_last") + "  - openvino\n"
    )
    with pytest.raises(BenchbenchError, match="the memory format in one place"):
        load_suite(path)
