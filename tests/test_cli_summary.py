"""Quality in the table that `benchbench run` ends with."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from benchbench.cli.summary import summarise, summary_records
from benchbench.core.measurement import ResultTable

FD = "fd[rand-conv-96]"


@pytest.fixture(scope="module")
def factory() -> Any:
    file = Path(__file__).parent / "report" / "factory.py"
    spec = importlib.util.spec_from_file_location("benchbench_cli_factory", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def table_of(factory: Any, **odd: Any) -> ResultTable:
    figures = {
        "v1": factory.quality_figure(FD, 0.8, real=0.75),
        "v2": factory.quality_figure(FD, 1.2, real=0.75, **odd),
    }
    results = [factory.make_result("baseline")]
    results += [factory.with_quality(factory.make_result(name), each) for name, each in figures.items()]
    table: ResultTable = factory.make_table(results=results)
    return table


def test_a_distance_has_its_ratio_and_the_baseline_is_its_reference(factory: Any) -> None:
    lines = summarise(table_of(factory)).splitlines()
    assert lines[0].endswith("FD [rand-conv-96]")
    assert lines[2].endswith("reference")
    assert lines[3].endswith("0.800 (1.09x half-vs-half)")
    (told,) = [line for line in lines if line.startswith("FD [rand-conv-96]: N = ")]
    assert "N = 208 against 208 images (generated against the outputs of the baseline)" in told
    assert "not comparable to the literature" in told
    assert "(N = 104 each) are 0.750 apart" in "\n".join(lines)
    assert "≠" not in "\n".join(lines)


def test_figures_that_were_measured_otherwise_say_so(factory: Any) -> None:
    # Of two alike in number the first is what the other differs from.
    lines = summarise(table_of(factory, generated_count=100)).splitlines()
    assert lines[4].endswith("1.20 (1.63x half-vs-half)≠")
    (told,) = [line for line in lines if line.startswith("≠")]
    assert told.startswith("≠ v2 FD [rand-conv-96]: not compared")
    assert told.endswith("generated_count 100, theirs 208")


def test_too_many_quality_figures_are_named_and_left_to_the_report(factory: Any) -> None:
    names = ("fid", "clean_fid", "precision[x]", "recall[x]")
    more = [factory.quality_figure(name, 0.5, reference="data.test") for name in names]
    results = [factory.with_quality(factory.make_result("baseline"), *more)]
    lines = summarise(factory.make_table(results=results)).splitlines()
    assert "clean-FID" in lines[0]
    assert "precision" not in lines[0]
    assert "in the report: precision [x]; recall [x]" in lines


def test_records_keep_the_protocol_of_quality(factory: Any) -> None:
    records: Any = summary_records(table_of(factory))
    figures = {each["name"]: each for each in records[1]["measurements"]}
    assert figures[FD]["protocol"]["settings"]["generated_count"] == 208
    assert figures[FD]["yardstick"]["count"] == 104
    assert "protocol" not in figures["latency"]
    assert len(figures["latency"]["protocol_hash"]) == 10
