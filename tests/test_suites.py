"""The suites of the papers: each can be trained the short way on what is here, and as its paper has it."""

from __future__ import annotations

from pathlib import Path

import pytest

import benchbench as bb
from benchbench.core.cell import Cell
from benchbench.core.suite import Profile
from benchbench.core.suite_file import load_suites
from benchbench.runner.run import run

ROOT = Path(__file__).parents[1]
PAPERS = tuple(path.stem for path, _ in load_suites(ROOT / "suites/all.yaml", profile="static"))
BUILT_IN = ("photos", "photo_domains", "photo_pairs", "photo_segments", "photo_textures")


def cells(name: str, profile: Profile) -> tuple[Cell, ...]:
    return bb.expand(bb.load_suite(ROOT / f"suites/{name}.yaml", profile=profile))


@pytest.mark.parametrize("name", PAPERS)
def test_the_short_way_trains_every_cell_on_built_in_photographs_and_scores_it(name: str) -> None:
    suite = bb.load_suite(ROOT / f"suites/{name}.yaml", profile="quick")
    (quality,) = (spec for spec in suite.measure if spec.name == "quality")
    assert quality.options["metrics"] == ["fd", "kd"]
    for cell in bb.expand(suite):
        assert cell.train is not None
        assert cell.train.recipe is not None
        assert cell.train.options["score_every"]
        assert cell.data is not None
        assert cell.data.source in BUILT_IN


@pytest.mark.parametrize("name", PAPERS)
def test_as_in_the_paper_it_is_trained_on_files(name: str) -> None:
    for cell in cells(name, "paper"):
        assert cell.train is not None
        assert cell.train.recipe is not None
        assert cell.data is not None
        assert cell.data.source not in BUILT_IN
        assert "path" in cell.data.options


@pytest.mark.slow
@pytest.mark.parametrize("name", PAPERS)
def test_the_short_way_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two steps of the first cell of each recipe and each kind of network."""
    monkeypatch.setenv("BENCHBENCH_CACHE", str(tmp_path / "cache"))
    path = ROOT / f"suites/{name}.yaml"
    declared = bb.load_suite(path, profile="quick")
    own = [f"variants.{name}.train" for name, variant in declared.variants.items() if variant.train]
    shortened = [f"{place}.{key}=2" for place in ("train", *own) for key in ("steps", "score_every")]
    suite = bb.load_suite(path, profile="quick", overrides=[*shortened, "train.device=cpu"])
    kinds: dict[tuple[str | None, str | None], str] = {}
    for cell in bb.expand(suite):
        assert cell.train is not None
        kinds.setdefault((cell.train.recipe, cell.architecture.name), cell.id)
    for cell_id in kinds.values():
        (result,) = run(suite, out=tmp_path / cell_id, only=cell_id).results
        assert not [failure for failure in result.failures if not failure.of.startswith("level")]
        steps = {curve.name: curve.steps for curve in result.curves if curve.name.startswith("score/")}
        assert set(steps) == {"score/fd[rand-conv-64]", "score/kd[rand-conv-64]"}
        assert set(steps.values()) == {(0, 2)}
