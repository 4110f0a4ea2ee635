from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from torch import nn

from benchbench.core.contracts import InputSpec, Replicate, Subject
from benchbench.core.errors import MeasurementError
from benchbench.core.resident import peak_resident_bytes, reset_peak, resident_bytes
from benchbench.measures.memory import MemoryOptions, measure, summarise, take, take_memory
from benchbench.measures.memory_probe import Probe, probe_for


def options(**changes: Any) -> MemoryOptions:
    return MemoryOptions.model_validate({"threads": (torch.get_num_threads(),), **changes})


def subject(module: nn.Module | None = None) -> Subject:
    # 4 x 16 x 16 floats in, 8 x 16 x 16 out: 4 KiB and 8 KiB are alive together.
    network = module or nn.Conv2d(4, 8, 3, padding=1, bias=False)
    return Subject(
        "one", network.eval(), (torch.zeros(1, 4, 16, 16),), specs=(InputSpec(shape=(1, 4, 16, 16)),)
    )


class Readings:
    """Peaks that a test decides; every reset is noted."""

    def __init__(self, *, used: int | None, peaks: Sequence[int | None]) -> None:
        self.used, self.peaks, self.resets = used, list(peaks), 0

    def probe(self, how: Literal["reset", "difference", "allocator"]) -> Probe:
        def reset() -> None:
            self.resets += 1

        return Probe(
            how, reset, lambda: self.used, lambda: self.peaks.pop(0), lambda: {"memory_resident": 900}
        )


def figures(taken: Replicate) -> dict[str, float]:
    return {name: max(values) for name, values in taken.samples.items()}


def test_growth_is_the_largest_peak_over_what_was_in_use() -> None:
    readings = Readings(used=100, peaks=[150, 190, 170])
    taken = take_memory(subject(), options(), probe=readings.probe("reset"))
    assert taken.samples["memory_growth"] == (50.0, 90.0, 70.0)
    assert readings.resets == 4
    made = summarise(
        [taken.model_copy(update={"settings": {**taken.settings, "peak_activation": 7}})], options()
    )
    found = {each.name: each for each in made.measurements}
    assert found["memory_growth"].value == 90.0
    assert found["memory_growth"].unit == "B"
    assert found["memory_resident"].value == 900.0
    assert "clear_refs" in str(found["memory_growth"].protocol.settings["how"])
    assert not found["memory_growth"].flags


def test_where_the_peak_cannot_be_reset_it_is_one_difference_and_says_so() -> None:
    taken = take_memory(
        subject(), options(), probe=Readings(used=100, peaks=[150, 150, 160]).probe("difference")
    )
    assert taken.samples["memory_growth"] == (60.0,)
    made = summarise([taken], options())
    growth = made.measurements[0]
    assert growth.flags == ("the peak could not be reset: a difference of peaks, which may be too low",)
    assert "difference" not in growth.protocol.name
    reset = take_memory(subject(), options(), probe=Readings(used=1, peaks=[2, 2, 2]).probe("reset"))
    assert summarise([reset], options()).measurements[0].protocol.hash != growth.protocol.hash


def test_the_first_call_is_not_looked_at_unless_it_must_be() -> None:
    calls: list[int] = []

    class Noted(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            calls.append(1)
            return x

    peaks = [1, 1, 1]
    for how, expected in (("reset", 4), ("difference", 3)):
        calls.clear()
        take_memory(subject(Noted()), options(), probe=Readings(used=0, peaks=peaks).probe(how))  # type: ignore[arg-type]
        assert len(calls) == expected


def test_a_process_of_which_nothing_is_known_is_one_line() -> None:
    with pytest.raises(MeasurementError, match="neither /proc/self/status nor getrusage"):
        take_memory(subject(), options(), probe=Readings(used=None, peaks=[None] * 3).probe("reset"))


def test_activations_by_shape_analysis_stand_beside_it() -> None:
    taken = take(subject, options(calls=1), 0)
    assert taken.settings["peak_activation"] == 4 * (4 + 8) * 16 * 16
    made = summarise([taken], options(calls=1))
    counted = next(each for each in made.measurements if each.name == "peak_activation")
    assert (counted.value, counted.protocol.settings["how"]) == (12288, "shape analysis")
    assert counted.setting == options().setting


def test_what_cannot_be_counted_has_a_reason_and_the_rest_is_measured() -> None:
    class Odd(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.linalg.qr(x).Q

    made = summarise([take(lambda: subject(Odd()), options(calls=1), 0)], options(calls=1))
    assert "memory_growth" in {each.name for each in made.measurements}
    (failure,) = made.failures
    assert (failure.of, failure.kind) == ("memory: peak_activation", "unsupported")
    assert "\n" not in failure.reason


def test_a_real_peak_holds_a_known_allocation() -> None:
    class Hungry(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            torch.ones(64 * 2**20, dtype=torch.uint8)
            return x

    probe = probe_for("cpu")
    growth = figures(take_memory(subject(Hungry()), options(), probe=probe))["memory_growth"]
    assert growth > 48 * 2**20 or probe.how == "difference"


def status(root: Path, text: str) -> Path:
    folder = root / "proc/self"
    folder.mkdir(parents=True)
    (folder / "status").write_text(text)
    return folder


def test_resident_memory_is_read_from_the_status_in_bytes(tmp_path: Path) -> None:
    folder = status(tmp_path, "Name:\tx\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n")
    assert (peak_resident_bytes(root=tmp_path), resident_bytes(root=tmp_path)) == (2 * 2**20, 2**20)
    assert not reset_peak(root=tmp_path)
    (folder / "clear_refs").write_text("")
    assert reset_peak(root=tmp_path)
    assert (folder / "clear_refs").read_text() == "5"


def test_without_a_status_nothing_is_resident_now_and_the_peak_is_the_systems(tmp_path: Path) -> None:
    assert resident_bytes(root=tmp_path) is None
    assert (peak_resident_bytes(root=tmp_path) or 0) > 2**20
    status(tmp_path, "VmRSS: much\n")
    assert resident_bytes(root=tmp_path) is None


def test_its_process_gives_freed_memory_back_and_holds_one_network() -> None:
    comparison = measure.comparison
    assert comparison is not None
    assert comparison.members == "alone"
    mapped, left = (comparison.environment(options(allocator=how)) for how in ("mapped", "system"))
    assert mapped["MALLOC_MMAP_THRESHOLD_"] == "65536"
    assert "MALLOC_MMAP_THRESHOLD_" not in left
    assert left["OMP_NUM_THREADS"] == str(torch.get_num_threads())
