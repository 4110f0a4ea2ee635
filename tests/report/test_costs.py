from __future__ import annotations

import pytest

from benchbench.core.suite import Expectation
from benchbench.report.cost_table import cost_grid
from benchbench.report.document import Item, Notes
from benchbench.report.views.costs import cost_rows
from benchbench.report.views.lines import group_lines


def rows_of(factory, results, **expected):
    suite = factory.make_suite()
    expect = {name: {"training_10k_steps": Expectation(value=value)} for name, value in expected.items()}
    table = factory.make_table(suite=suite.model_copy(update={"expect": expect}), results=results)
    return cost_rows([table], group_lines([table]))


def test_costs_stand_beside_the_baselines_and_the_papers(factory, trained) -> None:
    results = [trained("baseline", 4000.0, met=300), trained("v1", 3000.0, met="missed")]
    baseline, light = rows_of(factory, results, baseline=13680, v1=2520)
    assert (baseline.ratio, baseline.paper_ratio) == (None, None)
    assert light.ratio == pytest.approx(0.75)
    assert light.paper_ratio == pytest.approx(2520 / 13680)
    assert (light.steps, light.batch) == (500, 4)
    assert baseline.levels[0].steps.value == 300
    assert baseline.levels[0].time_s.value == pytest.approx(120)
    assert light.levels[0].steps is None

    grid = cost_grid((baseline, light), Notes())
    titles = [column.title for column in grid.columns]
    assert titles == [
        "variant", "steps", "batch", "training", "10,000 steps", "times the baseline's", "paper",
        "peak memory", "to FD [rand-conv-64] <= 30",
    ]  # fmt: skip
    shown = [item.text for item in grid.rows[1].items]
    assert shown[5:7] == ["0.750x", "0.184x"]
    assert shown[-1] == "not reached"
    assert [(item.text, item.detail) for item in grid.rows[0].items[-2:]] == [
        ("1.00 GiB", "resident"),
        ("300", "2 min 0 s"),
    ]


def test_times_of_other_batches_are_not_compared(factory, trained) -> None:
    _, light = rows_of(factory, [trained("baseline", 4000.0), trained("v1", 3000.0, batch=8)])
    assert light.ratio is None


def test_seeds_are_averaged(factory, trained) -> None:
    results = [trained("baseline", value, seed=seed) for seed, value in enumerate((3900.0, 4100.0))]
    results += [trained("v1", value, seed=seed) for seed, value in enumerate((2000.0, 3000.0))]
    _, light = rows_of(factory, results)
    assert light.per_10k_s.value == 2500
    assert light.ratio == pytest.approx(2500 / 4000)
    grid = cost_grid((light,), Notes())
    timed = [column.title for column in grid.columns].index("10,000 steps")
    assert grid.rows[0].items[timed].detail.startswith("± ")


def test_how_many_seeds_met_a_level_is_said(factory, trained) -> None:
    results = [
        trained("baseline", 4000.0, seed=seed, met=met) for seed, met in enumerate((100, 300, "missed"))
    ]
    (row,) = rows_of(factory, results)
    assert cost_grid((row,), Notes()).rows[0].items[-1] == Item(
        "200 ± 141", "80.0 s", more=("2 of 3 seeds",), value=200.0
    )


def test_a_level_of_other_lines_is_not_said_to_be_missed(factory, trained) -> None:
    other = trained("v1", 3000.0, met=450, level="fd[rand-conv-64] <= 5")
    grid = cost_grid(rows_of(factory, [trained("baseline", 4000.0, met=100), other]), Notes())
    assert [[item.text for item in row.items[-2:]] for row in grid.rows] == [["100", "–"], ["–", "450"]]


def test_a_level_that_nobody_met_is_shown(factory, trained) -> None:
    grid = cost_grid(rows_of(factory, [trained("baseline", 4000.0, met="missed")]), Notes())
    assert grid.columns[-1].title == "to FD [rand-conv-64] <= 30"
    assert grid.rows[0].items[-1].text == "not reached"


def test_scores_that_were_not_taken_alike_are_marked(factory, trained) -> None:
    results = [trained("baseline", 4000.0, met=100), trained("v1", 3000.0, met=100, score_every=10)]
    grid = cost_grid(rows_of(factory, results), Notes())
    (number,) = grid.columns[-1].notes
    assert "not to be compared" in dict(grid.notes)[number]


def test_a_failed_seed_leaves_the_others_compared(factory, trained) -> None:
    results = [trained("baseline", value, seed=seed) for seed, value in ((0, 4000.0), (2, 8000.0))]
    results += [trained("v1", value, seed=seed) for seed, value in ((0, 3000.0), (1, 9.0), (2, 3000.0))]
    _, light = rows_of(factory, results)
    assert light.ratio == pytest.approx(0.5)


def test_what_no_line_has_gets_neither_column_nor_footnote(factory, trained) -> None:
    notes = Notes()
    grid = cost_grid(rows_of(factory, [trained("baseline", 4000.0)]), notes)
    assert not {"paper", "times the baseline's", "parameters"} & {each.title for each in grid.columns}
    assert [number for number, _ in grid.notes] == [1]


def test_a_network_that_was_not_trained_has_no_row(factory, trained) -> None:
    loaded = trained("v1", 1.0).model_copy(update={"measurements": ()})
    assert [row.line.variant for row in rows_of(factory, [trained("baseline", 1.0), loaded])] == ["baseline"]


def test_which_step_was_kept_is_said(factory, trained) -> None:
    result = trained("baseline", 4000.0)
    flagged = result.measurements[0].model_copy(update={"flags": ("those of step 8",)})
    kept = result.model_copy(update={"measurements": (flagged, *result.measurements[1:])})
    grid = cost_grid(rows_of(factory, [kept]), Notes())
    (training,) = (item for item in grid.rows[0].items if item.notes)
    assert [dict(grid.notes)[number] for number in training.notes] == ["those of step 8"]
