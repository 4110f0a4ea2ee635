"""The classes of Cityscapes: label ids as its files hold them, and the 19 that are scored.

Source: Cordts et al. 2016; `cityscapesscripts/helpers/labels.py` of mcordts/cityscapesScripts. fyu/drn and
mit-han-lab/gan-compression carry the same table.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from benchbench.core.errors import DataError

# Class k is the label with the id `SCORED_IDS[k]`; every other label is left out of the score.
SCORED_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
CLASSES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign", "vegetation",
    "terrain", "sky", "person", "rider", "car", "truck", "bus", "train", "motorcycle", "bicycle",
)  # fmt: skip
LARGEST_ID = 33
IGNORE = 255


def _table() -> NDArray[np.uint8]:
    table = np.full(256, IGNORE, dtype=np.uint8)
    table[list(SCORED_IDS)] = range(len(SCORED_IDS))
    return table


_TRAIN_IDS = _table()


def train_ids(label_ids: NDArray[np.generic], *, name: str = "the label map") -> NDArray[np.uint8]:
    """A map of label ids (`*_labelIds.png`) [H, W] as one of train ids 0..18, and 255 elsewhere.

    The license plate's -1 may come as -1 or, from an 8-bit file, as 255; it is left out as the rest is.

    Raises:
        DataError: a value that is no label id.
    """
    values = np.asarray(label_ids).astype(np.int64)
    known = ((values >= -1) & (values <= LARGEST_ID)) | (values == IGNORE)
    if not known.all():
        raise DataError(
            f"{name}: {int(values[~known][0])} is no label id of Cityscapes",
            expected=f"-1 to {LARGEST_ID}, or {IGNORE}",
            fix="give *_labelIds.png; *_color.png and *_instanceIds.png are other things",
        )
    found: NDArray[np.uint8] = _TRAIN_IDS[values & 255]
    return found
