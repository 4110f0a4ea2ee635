from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchbench.core.contracts import Measured, Replicate
from benchbench.core.measurement import Measurement
from benchbench.measures.latency.options import LatencyOptions
from benchbench.measures.latency.process import CONTROL
from benchbench.measures.latency.summary import summarise_replicates

SECONDS = {"base": 0.1, "light": 0.05, CONTROL: 0.1}


def options(**declared: Any) -> LatencyOptions:
    return LatencyOptions.model_validate({"threads": 2, **declared}).split(2)[0]


def replicate(seed: int, *, rounds: int = 20, **changes: Any) -> Replicate:
    """Rounds of 0.1 % noise; `changes` are factors on a subject, or fields."""
    rng = np.random.default_rng(seed)
    factors = changes.pop("factors", {})
    samples = {
        name: tuple((seconds * factors.get(name, 1.0) * np.exp(rng.normal(0, 1e-3, rounds))).tolist())
        for name, seconds in SECONDS.items()
    }
    return Replicate(
        **{
            "samples": samples,
            "cold_start": {"base": (1.0, 2.0, 3.0 + seed), "light": (0.1, 0.2, 0.3)},
            "settings": {"roof_macs_per_s": 1e11 + seed, "roof_bytes_per_s": 1e10},
            **changes,
        }
    )


def summarise(*replicates: Replicate, **declared: Any) -> dict[str, Measured]:
    return dict(summarise_replicates(replicates, "base", options(processes=len(replicates), **declared)))


def figure(found: dict[str, Measured], cell: str, name: str) -> Measurement:
    (measurement,) = [each for each in found[cell].measurements if each.name == name]
    return measurement


def test_every_cell_has_the_figures_that_reports_look_for() -> None:
    found = summarise(replicate(0), replicate(1), replicate(2))
    kinds = {
        cell: {each.name: (each.unit, each.direction) for each in measured.measurements}
        for cell, measured in found.items()
    }
    times = dict.fromkeys(("latency", "build", "load", "first_call", "cold_start"), ("s", "lower"))
    roofs = {"roof_compute": ("MAC/s", "higher"), "roof_memory": ("B/s", "higher")}
    assert kinds == {
        "base": {**times, "aa_control": ("1", "higher"), **roofs},
        "light": {**times, "speedup": ("1", "higher")},
    }
    for measured in found.values():
        assert {each.setting for each in measured.measurements} == {"cpu, 2 threads"}


def test_latency_is_the_median_and_keeps_its_samples_by_replicate() -> None:
    replicates = [replicate(0), replicate(1)]
    latency = figure(summarise(*replicates), "light", "latency")
    pooled = [value for each in replicates for value in each.samples["light"]]
    assert latency.value == pytest.approx(float(np.median(pooled)))
    assert latency.samples == tuple(each.samples["light"] for each in replicates)
    assert latency.baseline is None


def test_a_speed_up_is_baseline_over_variant_with_its_interval() -> None:
    found = summarise(*(replicate(seed) for seed in range(3)))
    speedup, control = figure(found, "light", "speedup"), figure(found, "base", "aa_control")
    assert (speedup.baseline, control.baseline) == ("base", "base")
    assert speedup.value == pytest.approx(2.0, rel=2e-3)
    assert speedup.interval is not None
    assert speedup.value in speedup.interval
    assert control.interval is not None
    assert 1.0 in control.interval
    assert speedup.flags == control.flags == ()


def test_a_noisy_machine_is_flagged_at_every_ratio() -> None:
    found = summarise(*(replicate(seed, factors={CONTROL: 1.1}) for seed in range(3)))
    for cell, name in (("light", "speedup"), ("base", "aa_control")):
        assert "A/A control excludes 1: the machine was too noisy" in figure(found, cell, name).flags


def test_rounds_that_did_not_converge_and_processes_that_differ_are_told_apart() -> None:
    rng = np.random.default_rng(0)
    wild = {name: tuple(np.exp(rng.normal(0, 0.5, 20)).tolist()) for name in SECONDS}
    found = summarise(replicate(0, samples=wild), replicate(1), replicate(2))
    assert "unconverged" in figure(found, "light", "speedup").flags
    found = summarise(*(replicate(seed, factors={"light": 1 + 0.05 * seed}) for seed in range(3)))
    (flag,) = figure(found, "light", "speedup").flags
    assert flag.startswith("processes differ")
    assert figure(found, "base", "aa_control").flags == ()


def test_notes_and_outliers_are_flags_of_the_latency() -> None:
    # Three made slow here, and one by chance.
    slow = (*replicate(0).samples["light"][:-3], 9.0, 9.0, 9.0)
    samples = {**replicate(0).samples, "light": slow}
    found = summarise(replicate(0, samples=samples, notes={"light": ("warm-up capped",)}), replicate(1))
    flags = figure(found, "light", "latency").flags
    assert flags[0] == "warm-up capped"
    assert flags[1] == "4 of 40 samples beyond Tukey's fences"
    assert 9.0 in figure(found, "light", "latency").samples[0]
    assert "warm-up capped" not in figure(found, "base", "latency").flags


def test_a_single_outlier_is_kept_and_no_flag() -> None:
    samples = {**replicate(0).samples, "light": (*replicate(0).samples["light"][:-1], 9.0)}
    latency = figure(summarise(replicate(0, samples=samples), replicate(1)), "light", "latency")
    assert latency.flags == ()
    assert 9.0 in latency.samples[0]


@pytest.mark.parametrize(
    ("rounds", "ranks"), [(63, set()), (64, {"p90"}), (130, {"p90", "p95"}), (662, {"p90", "p95", "p99"})]
)
def test_percentiles_are_told_where_there_are_samples_enough(rounds: int, ranks: set[str]) -> None:
    found = summarise(replicate(0, rounds=rounds))
    names = {each.name for each in found["light"].measurements}
    assert {name.removeprefix("latency_") for name in names if name.startswith("latency_p")} == ranks


def test_a_device_clock_gives_the_same_figures_again() -> None:
    plain = replicate(0)
    halves = {name: tuple(value / 2 for value in values) for name, values in plain.samples.items()}
    found = summarise(replicate(0, device_samples=halves), device="cuda")
    assert figure(found, "light", "device_latency").value == pytest.approx(
        figure(found, "light", "latency").value / 2
    )
    assert figure(found, "light", "device_speedup").value == pytest.approx(2.0, rel=2e-3)
    assert figure(found, "light", "device_speedup").baseline == "base"
    assert figure(found, "base", "device_aa_control").interval is not None
    assert figure(found, "light", "latency").setting == "cuda"


def test_cold_start_and_roofs() -> None:
    found = summarise(*(replicate(seed) for seed in range(3)))
    assert figure(found, "base", "cold_start").value == pytest.approx(1.0 + 2.0 + 4.0)
    assert figure(found, "base", "first_call").samples == ((3.0, 4.0, 5.0),)
    assert figure(found, "base", "roof_compute").value == 1e11 + 2


def test_the_fixed_protocol_says_that_it_is_not_interleaved() -> None:
    found = summarise(replicate(0, rounds=100), protocol="gan_compression")
    (flag,) = figure(found, "light", "speedup").flags
    assert flag.startswith("not interleaved")
    assert figure(found, "light", "speedup").protocol.name == "latency/gan_compression"


def test_protocols_are_equal_where_the_settings_are() -> None:
    def of(**declared: Any) -> str:
        return figure(summarise(replicate(0), **declared), "light", "speedup").protocol.hash

    assert of() == of() == of(baseline="base")
    others = [{"half_width": 0.01}, {"threads": 1}, {"memory_format": "channels_last"}, {"device": "cuda"}]
    assert len({of(), *(of(**other) for other in others)}) == 1 + len(others)


def test_the_order_of_replicates_hardly_matters() -> None:
    replicates = [replicate(seed) for seed in range(3)]
    one, other = summarise(*replicates), summarise(*reversed(replicates))
    assert figure(one, "light", "latency").value == figure(other, "light", "latency").value
    first, second = figure(one, "light", "speedup"), figure(other, "light", "speedup")
    assert first.value == pytest.approx(second.value)
    assert first.interval is not None
    assert second.interval is not None
    assert first.interval.low == pytest.approx(second.interval.low, rel=1e-3)
