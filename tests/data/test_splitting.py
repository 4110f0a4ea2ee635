from __future__ import annotations

from pathlib import Path

import pytest

from benchbench.core.errors import DataError
from benchbench.data.splitting import SplitOptions, divide, split_folders

HERE = Path("here")


def options(**changes: object) -> SplitOptions:
    return SplitOptions.model_validate(changes)


def test_what_nobody_counts_is_for_training():
    chosen = divide({"all": range(100)}, options(), where=HERE)
    assert [len(chosen[split]) for split in ("train", "validation", "test")] == [90, 5, 5]
    assert sorted([*chosen["train"], *chosen["validation"], *chosen["test"]]) == list(range(100))
    assert all(items == sorted(items) for items in chosen.values())


def test_numbers_and_fractions():
    chosen = divide({"all": range(10)}, options(train=0.5, validation=1, test=0.2), where=HERE)
    assert [len(chosen[split]) for split in ("train", "validation", "test")] == [5, 1, 2]


def test_folders_decide_where_there_are_any():
    found = {"train": range(10), "validation": range(10, 14), "test": range(20, 25)}
    chosen = divide(found, options(), where=HERE)
    assert chosen == {split: list(items) for split, items in found.items()}
    assert len(divide(found, options(validation=2, test=0.4), where=HERE)["test"]) == 2


@pytest.mark.parametrize("held", ["validation", "test"])
def test_one_held_out_folder_is_the_test_split_and_the_training_set_stays_whole(held):
    chosen = divide({"train": range(10), held: range(20, 23)}, options(), where=HERE)
    assert chosen == {"train": list(range(10)), "validation": [], "test": [20, 21, 22]}
    chosen = divide({"train": range(10), held: range(20, 23)}, options(validation=0.3), where=HERE)
    assert len(chosen["validation"]) == 3
    assert sorted([*chosen["train"], *chosen["validation"]]) == list(range(10))


def test_a_train_folder_alone_is_divided():
    chosen = divide({"train": range(100)}, options(), where=HERE)
    assert len(chosen["test"]) == 5


def test_a_fraction_keeps_some_of_the_training_examples_by_its_own_seed():
    half, other = (
        divide({"all": range(40)}, options(fraction=0.5, subset_seed=seed), where=HERE) for seed in (0, 1)
    )
    assert len(half["train"]) == 18
    assert half["train"] != other["train"]
    assert half["test"] == other["test"]


@pytest.mark.parametrize(
    ("found", "changes", "told"),
    [
        ({"all": range(5)}, {"train": 6}, "6 train . 0 validation . 0 test images asked for, 5 are there"),
        ({"all": range(5)}, {"validation": 3, "test": 3}, "5 are there"),
        ({"train": range(5), "test": range(2)}, {"test": 3}, "3 test images asked for, 2 are there"),
        ({"train": range(5), "test": range(2)}, {"train": 4, "validation": 2}, "4 train . 2 validation"),
        ({"train": range(5), "test": range(2)}, {"validation": 9}, "9 validation images asked for, 5"),
    ],
)
def test_more_than_there_are_is_refused(found, changes, told):
    with pytest.raises(DataError, match=told):
        divide(found, options(**changes), where=HERE)


def test_split_folders_by_their_papers_names(tmp_path):
    assert split_folders(tmp_path) == {"all": tmp_path}
    (tmp_path / "train").mkdir()
    assert split_folders(tmp_path) == {"all": tmp_path / "train"}
    (tmp_path / "val").mkdir()
    assert split_folders(tmp_path) == {"train": tmp_path / "train", "validation": tmp_path / "val"}
