"""CelebA's attribute file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchbench.core.errors import DataError, Location, unknown_name

ATTRIBUTES_FILE = "list_attr_celeba.txt"
IMAGES_FOLDER = "img_align_celeba"

_FORM = "the number of pictures, the names of the attributes, then lines `000001.jpg -1 1 ...`"
_VALUES = {"1": 1, "-1": 0, "0": 0}


def read_attributes(path: Path, names: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """File name -> the attributes `names` in their order, 1 for what is to be seen and 0 for what is not.

    Raises:
        DataError: the file is missing or of another form; the line is named.
        UnknownNameError: an attribute that it does not have.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        told = error.strerror if isinstance(error, OSError) else "no text"
        raise DataError(
            f"{path}: no attribute file ({told})",
            expected=f"CelebA's {ATTRIBUTES_FILE} beside {IMAGES_FOLDER}/",
            fix="bring it (Anno/list_attr_celeba.txt of the data set), or set layout: folders",
        ) from None
    if len(lines) < 2 or not lines[0].strip().isdigit():
        raise DataError(f"{path}: not CelebA's attribute file", expected=_FORM, fix="bring the file again")
    known = lines[1].split()
    for name in names:
        if name not in known:
            raise unknown_name("attribute", name, known, where=Location(str(path), line=2))
    places = [known.index(name) for name in names]
    found: dict[str, tuple[int, ...]] = {}
    for number, line in enumerate(lines[2:], start=3):
        cells = line.split()
        if not cells:
            continue
        if len(cells) != len(known) + 1 or not _VALUES.keys() >= set(cells[1:]) or cells[0] in found:
            twice = cells[0] in found
            raise DataError(
                f"'{cells[0]}' stands there twice" if twice else f"'{line[:60]}' is no line of attributes",
                expected=f"a file's name and {len(known)} times 1 or -1",
                fix="bring the file again",
                where=Location(str(path), line=number),
            )
        found[cells[0]] = tuple(_VALUES[cells[1 + place]] for place in places)
    if len(found) != int(lines[0]):
        raise DataError(
            f"{path}: {len(found)} lines of pictures, and the first says {int(lines[0])}",
            expected=_FORM,
            fix="bring the file again: a part of it is missing",
        )
    return found
