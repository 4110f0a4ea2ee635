"""TensorBoard with torch-tb-profiler, started for real, lists every trace."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from benchbench.cli.entry import main

pytestmark = pytest.mark.slow

SUITE = """
name: tiny
architecture: {name: transformer_net, width: 4, blocks: 1, input: [1, 3, 16, 16]}
variants:
  baseline: {}
  v1: {replace: {stages: [residual], with: depthwise_separable}}
measure: [parameters]
"""
_LOOKS = 300


@contextmanager
def _tensorboard(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    arguments = ["--logdir", str(folder), "--host", "127.0.0.1", "--port", "0"]
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "tensorboard.main", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            said = []
            for line in process.stdout:
                said.append(line)
                if " at http://" in line:
                    break
            else:
                raise AssertionError("".join(said))
            yield process, line.partition(" at ")[2].split()[0]
        finally:
            process.terminate()


def _ask(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return json.loads(answer.read())


def test_runs_and_views_list_every_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # a latency lock of its own
    (tmp_path / "suite.yaml").write_text(SUITE)
    out = tmp_path / "profiles"
    assert main(["profile", str(tmp_path / "suite.yaml"), "--out", str(out), "--steps", "2"]) == 0
    cells = sorted(each.parent.name for each in out.glob("*/*.pt.trace.json"))
    assert [cell.partition("-")[0] for cell in cells] == ["baseline", "v1"]
    with _tensorboard(out) as (process, url):
        plugin = f"{url}data/plugin/pytorch_profiler"
        found: Any = {}
        for _ in range(_LOOKS):
            found = _ask(f"{plugin}/runs")
            if sorted(found["runs"]) == cells and not found["loading"]:
                break
            # It reads the traces in processes of its own; meanwhile it should stay alive.
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.2)
        assert sorted(found["runs"]) == cells
        for cell in cells:
            assert {"Overview", "Operator", "Trace", "Memory"} <= set(
                _ask(f"{plugin}/views?run={quote(cell)}")
            )
            workers = _ask(f"{plugin}/workers?run={quote(cell)}&view=Overview")
            assert workers == ["benchbench"]
            (span,) = _ask(f"{plugin}/spans?run={quote(cell)}&worker=benchbench")
            table = f"run={quote(cell)}&worker=benchbench&span={span}&group_by=Operation"
            operators = json.dumps(_ask(f"{plugin}/operation/table?{table}"))
            assert "aten::convolution" in operators
