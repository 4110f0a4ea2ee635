"""Which example is for training, which for validation and which for test."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field

from benchbench.core.errors import DataError
from benchbench.core.model import Options
from benchbench.data.crops import SplitName

Amount = Annotated[int, Field(ge=0)] | Annotated[float, Field(ge=0, le=1)]
ItemT = TypeVar("ItemT")
Origin = SplitName | Literal["all"]
"""The folder that an example was found in: one of a split, or none of them."""

# What a split's folder may be called; CelebA's, AFHQ's, pix2pix' and Cityscapes' names among them.
_FOLDERS: dict[SplitName, tuple[str, ...]] = {
    "train": ("train",),
    "validation": ("val", "validation", "valid"),
    "test": ("test",),
}
_HELD_OUT = 0.05


class SplitOptions(Options):
    """Options of every source that reads the user's files.

    Attributes:
        train, validation, test: how many examples: a number, or a fraction (with a point, 0.9) of those of
            their folder, or of all where there are no folders of splits. Null: where there are such
            folders, all that lie in them; elsewhere 0.05 for each of validation and test, and for training
            all that is left.
        fraction: how much of the training examples is kept.
        subset_seed: which ones.
        split_seed: which examples are training, validation and test, where no folder says it.
    """

    train: Amount | None = None
    validation: Amount | None = None
    test: Amount | None = None
    fraction: Annotated[float, Field(gt=0, le=1)] = 1.0
    subset_seed: int = 0
    split_seed: int = 0


def split_folders(root: Path) -> dict[Origin, Path]:
    """The folders of the splits below `root`, or `root` itself as `all` where there is no `train/`."""
    found: dict[Origin, Path] = {
        split: next(root / name for name in names if (root / name).is_dir())
        for split, names in _FOLDERS.items()
        if any((root / name).is_dir() for name in names)
    }
    if "train" not in found:
        return {"all": root}
    return found if len(found) > 1 else {"all": found["train"]}


def divide(
    found: Mapping[Origin, Sequence[ItemT]], options: SplitOptions, *, where: Path
) -> dict[SplitName, list[ItemT]]:
    """Train, validation and test: three disjoint lists, each in the order in which it was found.

    Where only one of the folders val/ and test/ is there, it is the test split, as the papers have it;
    validation examples are then held out of the training ones, if any are asked for.

    Args:
        found: examples by the folder of their split, or all of them as `all`.
        where: for messages.

    Raises:
        DataError: more are asked for than are there.
    """
    if found.keys() == {"train"}:
        found = {"all": found["train"]}
    orders = {origin: _shuffled(items, f"{options.split_seed}/split") for origin, items in found.items()}
    chosen = (
        _as_laid_out(orders, options, where) if "train" in found else _drawn(orders["all"], options, where)
    )
    if options.fraction < 1:
        origin, train = chosen["train"]
        random.Random(f"{options.subset_seed}/subset").shuffle(train)
        chosen["train"] = origin, train[: max(1, round(options.fraction * len(train)))]
    return {
        split: [found[origin][index] for index in sorted(indices)]
        for split, (origin, indices) in chosen.items()
    }


_Chosen = dict[SplitName, tuple[Origin, list[int]]]


def _drawn(order: list[int], options: SplitOptions, where: Path) -> _Chosen:
    total = len(order)
    validation, test = (
        _count(_HELD_OUT if amount is None else amount, total)
        for amount in (options.validation, options.test)
    )
    train = total - validation - test if options.train is None else _count(options.train, total)
    if train < 0 or train + validation + test > total:
        raise _too_many({"train": max(train, 0), "validation": validation, "test": test}, total, where)
    return {
        "train": ("all", order[:train]),
        "validation": ("all", order[train : train + validation]),
        "test": ("all", order[train + validation : train + validation + test]),
    }


def _as_laid_out(orders: Mapping[Origin, list[int]], options: SplitOptions, where: Path) -> _Chosen:
    def taken(amount: float | None, split: SplitName, origin: Origin) -> list[int]:
        order = orders[origin]
        count = len(order) if amount is None else _count(amount, len(order))
        if count > len(order):
            raise _too_many({split: count}, len(order), where)
        return order[:count]

    if "validation" in orders and "test" in orders:
        return {
            "train": ("train", taken(options.train, "train", "train")),
            "validation": ("validation", taken(options.validation, "validation", "validation")),
            "test": ("test", taken(options.test, "test", "test")),
        }
    held: Origin = "test" if "test" in orders else "validation"
    whole = len(orders["train"])
    validation = taken(options.validation or 0, "validation", "train")
    rest = orders["train"][len(validation) :]
    train = len(rest) if options.train is None else _count(options.train, whole)
    if train > len(rest):
        raise _too_many({"train": train, "validation": len(validation)}, whole, where)
    return {
        "train": ("train", rest[:train]),
        "validation": ("train", validation),
        "test": (held, taken(options.test, "test", held)),
    }


def _shuffled(items: Sequence[object], seed: str) -> list[int]:
    order = list(range(len(items)))
    random.Random(seed).shuffle(order)
    return order


def _count(amount: float, total: int) -> int:
    return amount if isinstance(amount, int) else int(amount * total + 1e-9)


def _too_many(wanted: Mapping[SplitName, int], there: int, where: Path) -> DataError:
    return DataError(
        f"{where}: {' + '.join(f'{count} {name}' for name, count in wanted.items())} images asked for, "
        f"{there} are there",
        expected=f"at most {there} in all",
        fix="ask for fewer, or for fractions: train: 0.9",
    )
