from __future__ import annotations

import pytest

from benchbench.core.errors import DataError
from benchbench.data.labels import labels_of_folders, read_labels

NAMES = ("a/1.png", "a/2.png", "b/1.png")


def matched(text: str, path: str, names: tuple[str, ...] = NAMES) -> tuple[int, ...] | None:
    known = read_labels(text.encode(), path)
    return None if known is None else known.match(names)


def test_folders_are_classes_by_the_alphabet():
    assert labels_of_folders(("wild/x/1.png", "cat/1.png", "wild/2.png")) == (1, 0, 1)
    assert labels_of_folders(("cat/1.png", "1.png")) is None


def test_stylegans_form():
    text = '{"labels": [["b/1.png", 4], ["a/1.png", 0], ["a/2.png", 7]]}'
    assert matched(text, "dataset.json") == (0, 7, 4)
    assert matched('{"labels": null}', "dataset.json") is None


@pytest.mark.parametrize("head", ["", "\ufeff", "name,label\n", "\ufeffname,label\n"])
def test_a_table(head):
    assert matched(head + "b/1.png,4\na/1.png, 0\n\na/2.png,7\n", "labels.csv") == (0, 7, 4)


def test_images_without_a_label_are_named():
    with pytest.raises(DataError, match=r"labels\.csv: 2 of 3 images have no label: a/2\.png, b/1\.png"):
        matched("a/1.png,0\n", "labels.csv")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("labels.csv", "a/1.png,0\na/2.png,0\nghost.png,1\nb/1.png,0\n"),
        ("dataset.json", '{"labels": [\n["a/1.png", 0],\n["ghost.png", 1], ["a/2.png", 0], ["b/1.png", 0]]}'),
    ],
)
def test_labels_without_an_image_are_named_with_their_line(path, text):
    with pytest.raises(DataError, match=r"1 labels have no image: ghost\.png") as caught:
        matched(text, path)
    assert caught.value.where is not None
    assert (caught.value.where.path, caught.value.where.line) == (path, 3)


def test_labels_of_files_that_were_passed_over_may_stay():
    known = read_labels(b"a.png,0\nbroken.png,1\n", "labels.csv")
    assert known is not None
    assert known.match(("a.png",), passed_over={"broken.png"}) == (0,)


@pytest.mark.parametrize(
    ("path", "text", "line"),
    [
        ("labels.csv", "a,0\nb,cat\n", 2),
        ("labels.csv", "a,0\nb\n", 2),
        ("labels.csv", "a,0\na,1\n", 2),
        ("dataset.json", '{"labels": [["a", 0],\n["b", "1"]]}', 2),
        ("dataset.json", '{"labels": [["a", 0],\n["b", true]]}', 2),
        ("dataset.json", '{"labels": [["a", 0],\n\n["a", 1]]}', 3),
        ("dataset.json", '{"labels": [\n', 2),
    ],
)
def test_another_form_is_refused_with_its_line(path, text, line):
    with pytest.raises(DataError) as caught:
        read_labels(text.encode(), path)
    assert caught.value.where is not None
    assert caught.value.where.line == line


@pytest.mark.parametrize("content", [b"[]", b'{"labels": 3}', b"\xff\xfe\x00"])
def test_no_label_file_at_all(content):
    with pytest.raises(DataError, match=r"dataset\.json"):
        read_labels(content, "dataset.json")
