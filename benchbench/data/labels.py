"""Classes of images: from StyleGAN's dataset.json, from a table, or from their folders."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from benchbench.core.errors import DataError, Location

LABEL_FILES = ("dataset.json", "labels.json", "labels.csv")
"""Names of label files beside the images; the first that is there counts."""

_JSON_FORM = '{"labels": [["cats/1.png", 0], ...]}'
_TABLE_FORM = "name,class with a whole number: cats/1.png,3"


@dataclass(frozen=True, slots=True)
class LabelFile:
    """What one label file says: the class of each name."""

    path: str
    text: str
    labels: dict[str, int]

    def match(self, names: Sequence[str], *, passed_over: Collection[str] = ()) -> tuple[int, ...]:
        """The class of each name.

        Args:
            names: of the images.
            passed_over: images that are there and do not count; they may have labels.

        Raises:
            DataError: an image without a label, or a label without an image.
        """
        missing = [name for name in names if name not in self.labels]
        if missing:
            raise DataError(
                f"{self.path}: {len(missing)} of {len(names)} images have no label: {_first(missing)}",
                expected="one line for each image, named as below the folder",
                fix="add them, or remove the label file",
            )
        known = {*names, *passed_over}
        alone = [name for name in self.labels if name not in known]
        if alone:
            raise DataError(
                f"{len(alone)} labels have no image: {_first(alone)}",
                expected="only images that are there",
                fix="remove them, or bring the images",
                where=_place(self.path, self.text, alone[0]),
            )
        return tuple(self.labels[name] for name in names)


def labels_of_folders(names: Sequence[str]) -> tuple[int, ...] | None:
    """The first folder of each name as its class, numbered by the alphabet; None where one has none."""
    firsts = [name.split("/")[0] for name in names if "/" in name]
    if len(firsts) != len(names):
        return None
    classes = {name: number for number, name in enumerate(sorted(set(firsts)))}
    return tuple(classes[first] for first in firsts)


def read_labels(content: bytes, path: str) -> LabelFile | None:
    """Name -> class, of `dataset.json` or a table `name,label`; None where a dataset.json has none.

    Raises:
        DataError: another form, or a name twice; the line is named.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: no text in UTF-8 ({error.reason})", expected="a label file", fix="save it as UTF-8"
        ) from None
    rows = _rows_of_json(text, path) if path.endswith(".json") else _rows_of_table(text, path)
    if rows is None:
        return None
    labels: dict[str, int] = {}
    for name, label in rows:
        if name in labels:
            raise DataError(
                f"'{name}' has two labels",
                expected="one line for each image",
                fix="remove one of them",
                where=_place(path, text, name, occurrence=2),
            )
        labels[name] = label
    return LabelFile(path, text, labels)


def _first(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _place(path: str, text: str, name: str, *, occurrence: int = 1) -> Location:
    """Where a name stands; its line alone is looked for, once something is wrong."""
    spellings = {json.dumps(name), json.dumps(name, ensure_ascii=False)}
    patterns = (
        [re.escape(each) for each in spellings] if path.endswith(".json") else [rf"^\s*{re.escape(name)}\s*,"]
    )
    starts = [found.end() for found in re.finditer("|".join(patterns), text, re.MULTILINE)]
    if len(starts) < occurrence:
        return Location(path)
    return Location(path, line=text.count("\n", 0, starts[occurrence - 1]) + 1)


def _rows_of_json(text: str, path: str) -> list[tuple[str, int]] | None:
    try:
        whole = json.loads(text)
    except ValueError as error:
        line = getattr(error, "lineno", None)
        raise DataError(
            f"no JSON ({error})", expected=_JSON_FORM, fix="correct it", where=Location(path, line=line)
        ) from None
    if not isinstance(whole, dict) or not isinstance(pairs := whole.get("labels"), list | None):
        raise DataError(f"{path}: no list 'labels'", expected=_JSON_FORM, fix="correct it")
    if pairs is None:
        return None
    for pair in pairs:
        named = isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str)
        if not named or type(pair[1]) is not int:
            raise DataError(
                f"{json.dumps(pair)[:80]} is no label",
                expected=_JSON_FORM,
                fix="correct it",
                where=_place(path, text, pair[0]) if named else Location(path),
            )
    return [(name, label) for name, label in pairs]


def _rows_of_table(text: str, path: str) -> list[tuple[str, int]]:
    rows = []
    reader = csv.reader(io.StringIO(text))
    for row in reader:
        cells = [cell.strip() for cell in row]
        if not any(cells) or (reader.line_num == 1 and cells[-1].lower() == "label"):
            continue
        if len(cells) != 2 or not re.fullmatch(r"-?\d{1,18}", cells[1], re.ASCII):
            raise DataError(
                f"'{','.join(row)[:80]}' is no label",
                expected=_TABLE_FORM,
                fix="correct it",
                where=Location(path, line=reader.line_num),
            )
        rows.append((PurePosixPath(cells[0]).as_posix(), int(cells[1])))
    return rows
