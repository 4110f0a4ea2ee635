"""Profiles from disk: whole ones, and a line for each that is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from benchbench.core.errors import StoreError
from benchbench.core.profile import PROFILE_SCHEMA
from benchbench.core.profile_reading import profile_folders, read_profiles

ROWS = (("depthwise", 30, 0.24, 0.24), ("norm", 70, 0, 0.14))


@pytest.fixture
def made(load_module: Callable[[str], ModuleType]) -> ModuleType:
    return load_module("profile_factory.py")


def change(file: Path, **fields: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


def test_what_was_written_comes_back(made: ModuleType, tmp_path: Path) -> None:
    profile, record = made.make_profile("v1", *ROWS), made.make_record(made.make_roof())
    made.write_profile(tmp_path / "deep" / "v1", profile, record, flame="<svg/>")
    read = read_profiles([tmp_path])
    (one,) = read.profiles
    assert (one.folder, one.profile, one.recorded, one.flame) == ("deep/v1", profile, record, "<svg/>")
    assert read.notes == ()
    assert one.recorded.found.roof == record.roof
    # A folder of one profile is one too.
    assert [each.folder for each in read_profiles([tmp_path / "deep" / "v1"]).profiles] == ["."]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda file: file.write_text("{"), "it is no JSON"),
        (lambda file: file.write_bytes(b"\xff\xfe"), "it is no JSON"),
        (lambda file: file.write_text("[" * 100_000), "it is no JSON"),
        (lambda file: file.write_text("[]"), "it says no schema version"),
        (lambda file: change(file, schema_version="1"), "it says no schema version"),
        (lambda file: change(file, schema_version=True), "it says no schema version"),
        (lambda file: change(file, schema_version=PROFILE_SCHEMA + 1), "update benchbench to read it"),
        (lambda file: change(file, time_s=float("nan")), "a number in it is not finite"),
        (lambda file: file.write_text(file.read_text().replace('"batch":1', '"batch":1e999')), "not finite"),
        (lambda file: change(file, macs=10**400), "a number in it is not finite"),
        (lambda file: change(file, threads="two"), "profile.json is damaged: threads"),
        (lambda file: change(file, more=1), "profile.json is damaged: more"),
        (lambda file: change(file, unprofiled_s=-1.0), "profile.json is damaged: unprofiled_s"),
        (lambda file: change(file, time_s=0.2), "its layers' own times do not add up to the whole"),
        (lambda file: change(file, time_s=0.01), "its layers' own times do not add up to the whole"),
        (lambda file: (file.unlink(), file.mkdir()), "cannot read profile.json"),
    ],
)
def test_a_damaged_profile_is_one_line_and_the_others_are_there(
    made: ModuleType, tmp_path: Path, damage: Callable[[Path], object], said: str
) -> None:
    made.write_profile(tmp_path / "a", made.make_profile("v1", *ROWS))
    damage(made.write_profile(tmp_path / "b", made.make_profile("v2", *ROWS)) / "profile.json")
    read = read_profiles([tmp_path])
    assert [each.folder for each in read.profiles] == ["a"]
    (note,) = read.notes
    assert note.startswith("profile b: ")
    assert said in note
    assert "\n" not in note


@pytest.mark.parametrize("content", ["{", '{"schema_version": 99}', "null"])
def test_a_damaged_roof_leaves_the_profile(made: ModuleType, tmp_path: Path, content: str) -> None:
    folder = made.write_profile(tmp_path / "a", made.make_profile("v1", *ROWS))
    (folder / "roof.json").write_text(content)
    read = read_profiles([tmp_path])
    assert [each.recorded for each in read.profiles] == [None]
    assert "roof.json" in read.notes[0]


@pytest.mark.parametrize("changed", [{"threads": 8}, {"device": "cuda"}, {"torch_version": "1.0"}])
def test_a_roof_of_another_setting_does_not_stand_for_this_one(
    made: ModuleType, tmp_path: Path, changed: dict[str, Any]
) -> None:
    record = made.make_record(made.make_roof(made.make_machine(**changed)))
    made.write_profile(tmp_path / "a", made.make_profile("v1", *ROWS), record)
    read = read_profiles([tmp_path])
    assert read.profiles[0].recorded is None
    assert "roof.json is of another setting" in read.notes[0]


@pytest.mark.parametrize("name", ["../secret.svg", "/etc/hostname", "link.svg", "none.svg", ""])
def test_the_name_of_a_flame_graph_does_not_lead_elsewhere(
    made: ModuleType, tmp_path: Path, name: str
) -> None:
    (tmp_path / "secret.svg").write_text("secret")
    folder = made.write_profile(tmp_path / "a", made.make_profile("v1", *ROWS, flame=name))
    (folder / "link.svg").symlink_to(tmp_path / "secret.svg")
    assert read_profiles([tmp_path]).profiles[0].flame is None


def test_a_folder_without_a_profile_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no profile below"):
        read_profiles([tmp_path])
    with pytest.raises(StoreError, match="no folder") as caught:
        read_profiles([tmp_path / "nothing"])
    assert caught.value.fix == "benchbench profile SUITE"
    assert read_profiles([tmp_path], asked="found").profiles == ()


def test_where_profiles_lie_beside_a_run(tmp_path: Path) -> None:
    run = tmp_path / "results" / "small" / "20260101-000000"
    run.mkdir(parents=True)
    table: Any = SimpleNamespace(folder=str(run), suite=SimpleNamespace(name="small"))
    assert profile_folders([table]) == ()
    for folder in (tmp_path, run.parent, run):
        (folder / "profiles").mkdir()
        assert profile_folders([table, table]) == (folder / "profiles",)
    # Of a run that was copied elsewhere only its own folder counts.
    moved: Any = SimpleNamespace(folder=str(tmp_path / "results" / "x"), suite=SimpleNamespace(name="small"))
    assert profile_folders([moved, SimpleNamespace(folder=None)]) == ()  # type: ignore[list-item]
