"""Features on disk: found only where they are what is asked for, and whole or not there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchbench.core.errors import FeatureError, StoreError
from benchbench.quality import cache as cache_module
from benchbench.quality.cache import FILLING, FeatureCache, default_cache_folder, key_of
from benchbench.quality.cache_contents import cache_entries, prune_cache
from benchbench.quality.feature_table import FEATURES_FILE, LOGITS_FILE, FeatureTable

SOURCE: dict[str, Any] = {
    "images": "0123",
    "weights": "abcd",
    "resize": "clean",
    "settings": {"layer": "pool"},
}
FEATURES = np.random.default_rng(0).normal(size=(10, 2, 3)).astype(np.float32)
LOGITS = np.random.default_rng(1).normal(size=(10, 4)).astype(np.float32)

Damage = Callable[[Path], object]


def fill(
    cache: FeatureCache,
    source: dict[str, Any] | None = None,
    *,
    features: np.ndarray[Any, Any] = FEATURES,
    logits: np.ndarray[Any, Any] | None = LOGITS,
    count: int = 10,
    names: tuple[str, ...] = (),
) -> None:
    places = np.arange(len(features))
    with cache.writing(source or SOURCE, label="small", count=count) as writer:
        # In an order of its own, as batches of several sizes come.
        for part in (places[5:], places[:5]):
            writer.write(part, features[part], None if logits is None else logits[part], names=names)


def found(cache: FeatureCache, source: dict[str, Any] | None = None) -> FeatureTable:
    table = cache.find(source or SOURCE)
    assert table is not None
    return table


@pytest.fixture
def cache(tmp_path: Path) -> FeatureCache:
    return FeatureCache(tmp_path / "cache")


def only_entry(cache: FeatureCache) -> Path:
    (entry,) = cache.folder.iterdir()
    return entry


def test_what_was_written_is_found(cache: FeatureCache) -> None:
    assert cache.find(SOURCE) is None
    fill(cache)
    table = found(cache)
    assert (table.meta.count, table.meta.members, table.meta.dimensions, table.meta.classes) == (10, 2, 3, 4)
    for member in (0, 1):
        np.testing.assert_array_equal(table.rows(member).whole(), FEATURES[:, member])
    np.testing.assert_array_equal(table.logits(), LOGITS)
    assert table.key == key_of(SOURCE)


def test_an_extractor_without_a_head_leaves_no_logits(cache: FeatureCache) -> None:
    fill(cache, logits=None)
    assert found(cache).logits() is None
    assert not (only_entry(cache) / LOGITS_FILE).exists()


def test_rows_are_read_block_by_block(cache: FeatureCache, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(cache)
    rows = found(cache).rows(1)
    assert (rows.shape, len(rows), rows.dtype) == ((10, 3), 10, np.float32)
    read: list[int] = []
    fromfile = np.fromfile

    def counting(*args: Any, **kwargs: Any) -> Any:
        made = fromfile(*args, **kwargs)
        read.append(made.nbytes)
        return made

    monkeypatch.setattr(np, "fromfile", counting)
    np.testing.assert_array_equal(rows[4:6], FEATURES[4:6, 1])
    assert read == [2 * 2 * 3 * 4]
    np.testing.assert_array_equal(rows[np.array([7, 2, 2])], FEATURES[[7, 2, 2], 1])
    assert rows[8:20].shape == (2, 3)
    assert rows[6:3].shape == (0, 3)
    with pytest.raises(ValueError, match="in order"):
        rows[0:10:2]


def test_a_file_cut_off_under_a_reader_gives_no_fewer_rows(cache: FeatureCache) -> None:
    fill(cache)
    rows = found(cache).rows()
    os.truncate(only_entry(cache) / FEATURES_FILE, 10 * 2 * 3 * 4 - 4)
    with pytest.raises(FeatureError, match="became shorter"):
        rows.whole()


@pytest.mark.parametrize(
    "change",
    [
        {"images": "0124"},
        {"weights": "abce"},
        {"resize": "legacy"},
        {"settings": {"layer": "other"}},
        {"count": 10},
    ],
)
def test_anything_else_is_another_entry(cache: FeatureCache, change: dict[str, Any]) -> None:
    fill(cache)
    assert cache.find({**SOURCE, **change}) is None
    fill(cache, {**SOURCE, **change}, features=FEATURES + 1)
    np.testing.assert_array_equal(found(cache).rows().whole(), FEATURES[:, 0])


def test_the_order_of_settings_does_not_matter(cache: FeatureCache) -> None:
    fill(cache)
    assert found(cache, dict(reversed(SOURCE.items()))).key == key_of(SOURCE)


def test_another_version_of_the_format_is_made_anew(
    cache: FeatureCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(cache)
    monkeypatch.setattr(cache_module, "FORMAT", cache_module.FORMAT + 1)
    assert cache.find(SOURCE) is None


def cut(path: Path, *, by: int = 4) -> None:
    os.truncate(path, path.stat().st_size - by)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[50] ^= 1
    path.write_bytes(content)


def change_meta(entry: Path, **changes: Any) -> None:
    path = entry / "meta.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


DAMAGES: dict[str, Damage] = {
    "features cut off": lambda entry: cut(entry / FEATURES_FILE),
    "half of the features": lambda entry: cut(entry / FEATURES_FILE, by=120),
    "features too long": lambda entry: os.truncate(entry / FEATURES_FILE, 300),
    "another bit in the features": lambda entry: flip(entry / FEATURES_FILE),
    "another bit in the classes": lambda entry: flip(entry / LOGITS_FILE),
    "no features": lambda entry: (entry / FEATURES_FILE).unlink(),
    "classes cut off": lambda entry: cut(entry / LOGITS_FILE),
    "no classes": lambda entry: (entry / LOGITS_FILE).unlink(),
    "no meta": lambda entry: (entry / "meta.json").unlink(),
    "empty meta": lambda entry: (entry / "meta.json").write_text(""),
    "half a meta": lambda entry: cut(entry / "meta.json", by=30),
    "meta of something else": lambda entry: (entry / "meta.json").write_text("[1, 2]"),
    "another format": lambda entry: change_meta(entry, format=0),
    "another source": lambda entry: change_meta(entry, source={**SOURCE, "images": "9999"}),
    "another count": lambda entry: change_meta(entry, count=9),
    "an unknown key": lambda entry: change_meta(entry, surprise=1),
    "a file in its place": lambda entry: (entry / FEATURES_FILE).rename(entry / "elsewhere"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_entry_is_made_anew(cache: FeatureCache, damage: Damage) -> None:
    fill(cache)
    damage(only_entry(cache))
    assert cache.find(SOURCE) is None
    fill(cache)
    np.testing.assert_array_equal(found(cache).rows(1).whole(), FEATURES[:, 1])


def test_a_crash_in_the_middle_leaves_nothing(cache: FeatureCache) -> None:
    def begin() -> None:
        with cache.writing(SOURCE, label="small", count=10) as writer:
            writer.write(np.arange(5), FEATURES[:5], LOGITS[:5])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        begin()
    assert cache.find(SOURCE) is None
    assert list(cache.folder.iterdir()) == []


def test_too_few_rows_are_no_entry(cache: FeatureCache) -> None:
    with pytest.raises(FeatureError, match="10 images came, of 11"):
        fill(cache, count=11)
    assert list(cache.folder.iterdir()) == []


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_features_that_are_no_numbers_are_no_entry(cache: FeatureCache, wrong: float) -> None:
    features = FEATURES.copy()
    features[7, 1, 2] = wrong
    with pytest.raises(FeatureError, match=r"features of c\.png are not finite"):
        fill(cache, features=features, names=("a.png", "b.png", "c.png", "d.png", "e.png"))
    with pytest.raises(FeatureError, match="features of image 7 are not finite"):
        fill(cache, features=features)
    logits = LOGITS.copy()
    logits[2, 0] = wrong
    with pytest.raises(FeatureError, match="classes of image 2 are not finite"):
        fill(cache, logits=logits)
    assert list(cache.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("features", "logits", "told"),
    [
        (FEATURES[:5, :, :2], LOGITS[:5], r"\[2, 2\] after \[2, 3\]"),
        (FEATURES[:5, :1], LOGITS[:5], r"\[1, 3\] after \[2, 3\]"),
        (FEATURES[:4], LOGITS[:4], r"\[4, 2, 3\] for 5 images"),
        (FEATURES[:5].reshape(5, 6), LOGITS[:5], r"\[5, 6\] for 5 images"),
        (FEATURES[:5].reshape(10, 1, 3), LOGITS[:5], r"\[10, 1, 3\] for 5 images"),
        (FEATURES[:5], None, "classes of shape None"),
        (FEATURES[:5], LOGITS[:5, :3], r"classes of shape \[5, 3\]"),
        (FEATURES[:5], LOGITS[:4], r"classes of shape \[4, 4\]"),
    ],
)
def test_another_shape_than_before_is_no_entry(
    cache: FeatureCache, features: Any, logits: Any, told: str
) -> None:
    def write() -> None:
        with cache.writing(SOURCE, label="small", count=10) as writer:
            writer.write(np.arange(5), FEATURES[5:], LOGITS[5:])
            writer.write(np.arange(5, 10), features, logits)

    with pytest.raises(FeatureError, match=told):
        write()
    assert list(cache.folder.iterdir()) == []


def test_two_writers_at_once_both_succeed_and_the_first_is_kept(cache: FeatureCache) -> None:
    with cache.writing(SOURCE, label="slow", count=10) as slow:
        slow.write(np.arange(10), FEATURES, None)
        fill(cache)
    assert found(cache).meta.label == "small"
    assert len(list(cache.folder.iterdir())) == 1


FILL = """
import sys, numpy as np
from pathlib import Path
from benchbench.quality.cache import FeatureCache

cache = FeatureCache(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
rows = np.arange(200 * 8, dtype=np.float32).reshape(200, 1, 8)
for turn in range(30):
    source = {"turn": turn}
    if cache.find(source) is None:
        with cache.writing(source, label=sys.argv[2], count=200) as writer:
            for place in range(200):
                writer.write(np.array([place]), rows[place : place + 1], None)
    table = cache.find(source)
    assert table is not None
    assert (table.rows().whole() == rows[:, 0]).all()
print("well")
"""


@pytest.mark.slow
def test_two_processes_fill_the_same_entries(tmp_path: Path) -> None:
    running = [
        subprocess.Popen(
            [sys.executable, "-c", FILL, str(tmp_path), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "other")
    ]
    for each in running:
        assert each.stdout is not None
        assert each.stdout.readline() == "ready\n"
    for each in running:
        assert each.stdin is not None
        each.stdin.write("go\n")
        each.stdin.flush()
    for each in running:
        told, complained = each.communicate(timeout=60)
        assert told == "well\n", complained
    assert len(list((tmp_path / "features").iterdir())) == 30


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    cache = FeatureCache(tmp_path / "cache")
    assert cache.find(SOURCE) is None
    with pytest.raises(StoreError, match="cannot write"):
        fill(cache)


def test_a_cache_that_may_only_be_read_is_used(cache: FeatureCache, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(cache)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "utime", refuse)
    assert found(cache).meta.count == 10
    monkeypatch.setattr(cache_module.tempfile, "mkdtemp", refuse)
    with pytest.raises(StoreError, match="Permission denied"):
        fill(cache, {"images": "other"})


def test_a_full_disk_is_told_and_leaves_nothing(cache: FeatureCache, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(StoreError, match="No space left") as caught:
        fill(cache)
    assert "free some disk space" in str(caught.value.fix)
    assert list(cache.folder.iterdir()) == []


def test_the_folder_is_the_users_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHBENCH_CACHE", "~/here")
    assert default_cache_folder() == Path.home() / "here"
    monkeypatch.delenv("BENCHBENCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/x")
    assert default_cache_folder() == Path("/var/x/benchbench")


# What lies in it, and its removal.

# Long ago, so that what is used while a test runs is used later than that.
NOW = 1_000_000_000.0


def used(path: Path, ago_s: float) -> None:
    os.utime(path, (NOW - ago_s, NOW - ago_s))


@pytest.fixture
def three(cache: FeatureCache) -> FeatureCache:
    """Entries used 10, 100 and 1,000 seconds before NOW."""
    for ago_s in (100, 1000, 10):
        fill(cache, {"ago": ago_s})
        used(cache.folder / key_of({"ago": ago_s}) / "meta.json", ago_s)
    return cache


def test_entries_are_listed_the_last_used_first(three: FeatureCache) -> None:
    (three.root / "encoders").mkdir()
    network = three.root / "encoders" / "abc.safetensors"
    network.write_bytes(b"12345")
    used(network, 50)
    entries = cache_entries(three.root)
    assert [NOW - each.used for each in entries] == [10, 50, 100, 1000]
    assert [each.label for each in entries] == ["small", "a trained encoder", "small", "small"]
    assert [each.count for each in entries] == [10, 0, 10, 10]
    assert entries[1].bytes == 5
    assert entries[0].bytes > FEATURES.nbytes + LOGITS.nbytes


def test_an_empty_cache_has_no_entries(tmp_path: Path) -> None:
    assert cache_entries(tmp_path / "nowhere") == []
    assert prune_cache(tmp_path / "nowhere") == []


def test_what_was_not_used_for_long_is_removed(three: FeatureCache) -> None:
    gone = prune_cache(three.root, unused_s=100, now=NOW)
    assert sorted(NOW - each.used for each in gone) == [100, 1000]
    assert three.find({"ago": 10}) is not None
    assert len(cache_entries(three.root)) == 1


def test_everything_is_removed_unless_said(three: FeatureCache) -> None:
    (three.root / "segmenters").mkdir()
    (three.root / "segmenters" / "abc.safetensors").write_bytes(b"1")
    assert len(prune_cache(three.root)) == 4
    assert cache_entries(three.root) == []


def test_what_is_found_counts_as_used(three: FeatureCache) -> None:
    assert three.find({"ago": 1000}) is not None
    latest = max(cache_entries(three.root), key=lambda each: each.used)
    assert latest.path.name == key_of({"ago": 1000})


def test_a_damaged_entry_is_listed_and_removed(three: FeatureCache) -> None:
    (three.folder / key_of({"ago": 10}) / "meta.json").write_text("{")
    assert [each.label for each in cache_entries(three.root)].count("damaged") == 1
    assert len(prune_cache(three.root, unused_s=2000, now=NOW)) == 1


def test_what_a_killed_process_left_is_removed_and_what_is_being_filled_stays(cache: FeatureCache) -> None:
    cache.folder.mkdir(parents=True)
    for name, ago_s in (("old", 7200), ("new", 60)):
        left = cache.folder / f"{FILLING}{name}"
        left.mkdir()
        (left / FEATURES_FILE).write_bytes(b"1234")
        used(left / FEATURES_FILE, ago_s)
        used(left, 7200)
    assert prune_cache(cache.root, now=NOW) == []
    assert [each.name for each in cache.folder.iterdir()] == [f"{FILLING}new"]


def test_stray_files_do_no_harm(three: FeatureCache) -> None:
    (three.folder / "a-note.txt").write_text("mine")
    (three.folder / f"{FILLING}note").write_text("mine")
    assert len(cache_entries(three.root)) == 3
    assert len(prune_cache(three.root)) == 3
    assert (three.folder / "a-note.txt").exists()


def test_what_cannot_be_removed_is_told(three: FeatureCache, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, **_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("shutil.rmtree", refuse)
    with pytest.raises(StoreError, match=r"cannot remove .*Permission denied"):
        prune_cache(three.root)


def test_an_entry_that_another_process_removes_meanwhile_is_passed_over(
    three: FeatureCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    from benchbench.quality import cache_contents

    read = cache_contents.read_meta

    def removed_after(folder: Path) -> Any:
        meta = read(folder)
        if folder.name == key_of({"ago": 100}):
            shutil.rmtree(folder)
        return meta

    monkeypatch.setattr(cache_contents, "read_meta", removed_after)
    assert len(cache_entries(three.root)) == 2
