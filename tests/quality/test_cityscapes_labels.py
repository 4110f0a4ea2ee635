from __future__ import annotations

import numpy as np
import pytest

from benchbench.core.errors import DataError
from benchbench.quality.cityscapes_labels import CLASSES, train_ids

# cityscapesscripts/helpers/labels.py of mcordts/cityscapesScripts, at 0bcc4a7: name, id, trainId.
TABLE = """
unlabeled 0 255
ego vehicle 1 255
rectification border 2 255
out of roi 3 255
static 4 255
dynamic 5 255
ground 6 255
road 7 0
sidewalk 8 1
parking 9 255
rail track 10 255
building 11 2
wall 12 3
fence 13 4
guard rail 14 255
bridge 15 255
tunnel 16 255
pole 17 5
polegroup 18 255
traffic light 19 6
traffic sign 20 7
vegetation 21 8
terrain 22 9
sky 23 10
person 24 11
rider 25 12
car 26 13
truck 27 14
bus 28 15
caravan 29 255
trailer 30 255
train 31 16
motorcycle 32 17
bicycle 33 18
"""
ROWS = [line.rsplit(maxsplit=2) for line in TABLE.strip().splitlines()]


def test_the_table_of_the_authors():
    assert len(ROWS) == 34
    ids = np.array([[int(row[1]) for row in ROWS]], dtype=np.uint8)
    assert train_ids(ids)[0].tolist() == [int(row[2]) for row in ROWS]
    assert train_ids(ids).dtype == np.uint8


def test_classes_are_named_in_the_order_of_their_train_ids():
    named = {int(train): name for name, _, train in ROWS if train != "255"}
    assert tuple(named[index] for index in range(19)) == CLASSES


def test_the_license_plate_is_left_out():
    assert train_ids(np.array([[-1, 26]], dtype=np.int32)).tolist() == [[255, 13]]
    assert train_ids(np.array([[255]], dtype=np.uint8)).tolist() == [[255]]


@pytest.mark.parametrize("value", [34, 200, -2, 26001])
def test_other_values_are_refused(value):
    with pytest.raises(DataError, match=f"b.png: {value} is no label id"):
        train_ids(np.array([[7, value]], dtype=np.int32), name="b.png")
