from __future__ import annotations

import sys
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from benchbench.measures.latency import LatencyOptions, measure


def options(**declared: Any) -> LatencyOptions:
    return LatencyOptions.model_validate(declared)


def test_each_device_and_thread_count_is_a_comparison_of_its_own() -> None:
    parts = options(device=["cpu", "cuda"], threads=[1, 2, "auto"]).split(2)
    assert [part.setting for part in parts] == ["cpu, 1 thread", "cpu, 2 threads", "cuda"]
    assert [part.least_warmup_s for part in parts] == [1.0, 1.0, 0.5]
    assert all(len(part.device) == len(part.threads) == 1 for part in parts)


def test_auto_is_a_number_of_its_own_where_nothing_else_says_it() -> None:
    parts = options(threads=[1, "auto"]).split(4)
    assert [part.threads for part in parts] == [(1,), (4,)]
    assert [part.threads for part in options(threads="auto").split(1)] == [(1,)]


def test_what_was_declared_twice_is_measured_once() -> None:
    assert len(options(device=["cpu", "cpu"], threads=[2, 2]).split(2)) == 1


@pytest.mark.parametrize(
    ("declared", "setting"),
    [
        ({"threads": 1, "memory_format": "channels_last"}, "cpu, 1 thread, channels_last"),
        ({"threads": 3, "protocol": "gan_compression"}, "cpu, 3 threads, gan_compression"),
        ({"device": "cuda"}, "cuda"),
    ],
)
def test_the_setting_tells_comparisons_apart(declared: dict[str, Any], setting: str) -> None:
    assert options(**declared).setting == setting


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ({"budget_s": 2.0}, "budget_s (2.0) is below min_seconds (5.0)"),
        ({"warmup_s": 9.0}, "warmup_limit_s (5.0) is below warmup_s (9.0)"),
        ({"threads": 0}, "threads"),
        ({"min_rounds": 4}, "min_rounds"),
        ({"half_width": 1.0}, "half_width"),
        ({"device": []}, "device"),
    ],
)
def test_what_cannot_be_is_refused(declared: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        options(**declared)
    assert words in str(caught.value)


def test_threads_are_set_before_anything_is_imported() -> None:
    assert measure.comparison is not None
    environment = measure.comparison.environment(options(threads=3))
    assert (environment["OMP_NUM_THREADS"], environment["MKL_NUM_THREADS"]) == ("3", "3")


def test_more_threads_than_the_quota_allows_are_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["benchbench.measures.latency.measure"], "usable_cpus", lambda: 2)
    assert measure.comparison is not None
    assert measure.comparison.unavailable(options(threads=2)) is None
    failure = measure.comparison.unavailable(options(threads=3))
    assert failure is not None
    assert (failure.kind, failure.reason) == ("skipped", "cpu, 3 threads: only 2 CPUs are usable here")


def test_an_absent_gpu_is_skipped_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", None)
    assert measure.comparison is not None
    failure = measure.comparison.unavailable(options(device="cuda"))
    assert failure is not None
    assert (failure.kind, failure.reason) == ("skipped", "cuda: this torch has no CUDA")
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    failure = measure.comparison.unavailable(options(device="cuda"))
    assert failure is not None
    assert failure.reason == "cuda: no NVIDIA GPU is visible"


def test_a_process_hangs_only_after_all_it_may_do() -> None:
    assert measure.comparison is not None
    declared = options(budget_s=60.0, warmup_limit_s=5.0)
    # Twice the budget, and warm-up of four subjects and the control.
    assert measure.comparison.limit_s(declared, 4) > 2 * 60.0 + 5 * 5.0
