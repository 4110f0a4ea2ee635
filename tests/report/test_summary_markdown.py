"""The short report: what a step of a CI may print, whatever the suite holds."""

from __future__ import annotations

import re

import pytest

from benchbench.core.layer_record import LayerReplacement
from benchbench.core.measurement import Failure
from benchbench.report.summary_markdown import LIMIT_BYTES, write_summary


@pytest.fixture(scope="module")
def hundred(factory):
    """A hundred cells with layers, curves, pictures, failures and long words."""
    layer = LayerReplacement(
        path="body." + "x" * 300,
        stage="body",
        before="Conv2d",
        after="ghost",
        parameters_before=9,
        parameters_after=1,
    )
    failure = Failure(of="fid", kind="crashed", reason="y" * 3000, fix="z" * 3000)
    results = []
    for number in range(100):
        result = factory.make_result("v1" if number else "baseline", seed=0)
        cell = result.cell.model_copy(update={"variant": f"v{number}" if number else "baseline"})
        failures = (failure.model_copy(update={"reason": f"{number} {failure.reason}"}),)
        results.append(
            result.model_copy(update={"cell": cell, "replacements": (layer,) * 60, "failures": failures})
        )
    return factory.make_table(results=results)


def test_a_hundred_cells_fit_and_what_is_left_out_is_counted(hundred) -> None:
    text = write_summary([hundred])
    assert len(text.encode()) < LIMIT_BYTES
    assert "![" not in text
    rows = text.partition("**Cost, time and quality**")[2].partition("\n\n<sup>")[0]
    assert rows.count("\n| ") == 101
    assert "35 more rows are left out." in text
    assert "more parts of this section are left out." in text
    assert "texts up to 400 characters" in text
    assert "y" * 500 not in text
    assert "99 y" in text


def test_a_lower_limit_halves_what_is_kept_and_says_so(hundred) -> None:
    text = write_summary([hundred], limit_bytes=40_000)
    assert len(text.encode()) <= 40_000
    (kept,) = re.findall(r"failures up to (\d+) rows", text)
    assert int(kept) < 200
    rows = text.partition("**Cost, time and quality**")[2].partition("\n\n")[2].partition("\n\n")[0]
    assert rows.count("\n| ") <= int(kept) + 2
    assert "more rows are left out." in text


def test_a_small_run_is_whole(table) -> None:
    text = write_summary([table])
    assert "are left out." not in text
    assert "is left out." not in text
    for variant in ("baseline", "v1", "v2", "v3", "wide"):
        assert f"{variant}" in text
    assert "loss became NaN" in text
    assert text.count("<details>") == text.count("</details>")


def test_seeds_are_the_first_rows_to_go(factory) -> None:
    results = [factory.without_drawings(factory.make_result("v1", seed=seed)) for seed in range(250)]
    text = write_summary([factory.make_table(results=results)])
    assert "seed 249" not in text
    assert "250 more rows are left out." in text
