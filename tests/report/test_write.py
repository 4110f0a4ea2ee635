from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pandas as pd
import pytest

from benchbench.core.errors import StoreError
from benchbench.report.write import write_report


def test_layout(files):
    assert files.folder.parts[-2:] == ("style_transfer", "20250102-030405")
    assert {file.name for file in files.folder.iterdir()} == {
        "report.md",
        "report.html",
        "table.csv",
        "plots",
    }
    names = {file.name for file in (files.folder / "plots").iterdir()}
    assert {file.name for file in files.plots} == {name for name in names if name.endswith(".png")}
    drawings = {name.removesuffix(".csv") for name in names if name.endswith(".csv")}
    assert drawings == {name.removesuffix(".svg") for name in names if name.endswith(".svg")}
    for name in drawings:
        drawn = ElementTree.parse(files.folder / "plots" / f"{name}.svg").getroot()
        assert drawn.tag == "{http://www.w3.org/2000/svg}svg"
    assert "latency-against-perceptual-loss.csv" in names
    assert files.html.stat().st_size < 1_000_000


def test_the_same_table_gives_the_same_bytes(factory, files, table, tmp_path):
    again = write_report(table, out=tmp_path)
    for file in sorted(files.folder.rglob("*")):
        if file.is_file():
            assert (again.folder / file.relative_to(files.folder)).read_bytes() == file.read_bytes(), (
                file.name
            )


def test_the_long_table_has_every_figure_unrounded(files, table):
    frame = pd.read_csv(files.csv)
    assert len(frame) == sum(len(result.measurements) for result in table.results)
    row = frame[(frame.variant == "v3") & (frame.measure == "parameters")].iloc[0]
    assert int(row.value) == 207865
    assert row.paper == 207000
    assert row.paper_note == "printed as 0.207M"
    latency = frame[(frame.variant == "v1") & (frame.measure == "latency")].iloc[0]
    assert latency.samples == 30
    assert latency.quartile_low < latency.value < latency.quartile_high


def test_the_data_behind_a_plot(files):
    with (files.folder / "plots" / "macs-against-perceptual-loss.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["variant"] for row in rows] == ["baseline", "v1", "v2", "v3"]
    assert float(rows[0]["macs"]) == 10078912512
    assert float(rows[0]["perceptual_loss_low"]) == pytest.approx(2.31 * 0.97)


def test_several_runs_are_one_report(factory, tmp_path):
    runs = [
        factory.make_table(
            results=[factory.without_drawings(factory.make_result(name)) for name in ("baseline", "v1")],
            run_id=run_id,
        )
        for run_id in ("monday", "tuesday")
    ]
    files = write_report(runs, out=tmp_path)
    assert files.folder.name == "monday+tuesday"
    text = files.markdown.read_text(encoding="utf-8")
    assert "**v1 (monday)**" in text
    assert "**v1 (tuesday)**" in text


def test_seeds_stand_below_their_mean(factory, tmp_path):
    results = [
        factory.without_drawings(factory.make_result(name, seed=seed, loss=loss + seed / 10))
        for name, loss in (("baseline", 2.0), ("v1", 2.5))
        for seed in (0, 1)
    ]
    text = write_report(factory.make_table(results=results), out=tmp_path).markdown.read_text(
        encoding="utf-8"
    )
    assert "2.05 ± 0.071" in text
    assert "| &nbsp;&nbsp;seed 1 |" in text


def test_a_run_that_measured_nothing_still_has_a_report(factory, tmp_path):
    *_, failed = factory.make_table().results
    text = write_report(factory.make_table(results=[failed]), out=tmp_path).markdown.read_text(
        encoding="utf-8"
    )
    assert "not measured: diverged at step 120" in text
    empty = write_report(factory.make_table(results=[]), out=tmp_path / "empty")
    text = empty.markdown.read_text(encoding="utf-8")
    assert text.count("no result: not run, or its file is gone") == 5
    assert "Nothing failed" not in text


def test_that_nothing_failed_is_said(factory, tmp_path):
    table = factory.make_table(results=[factory.without_drawings(factory.make_result("baseline"))])
    text = write_report(table, out=tmp_path).markdown.read_text(encoding="utf-8")
    assert "Nothing failed or was skipped." in text


def test_only_static_figures_are_enough(factory, tmp_path):
    result = factory.make_result("baseline")
    kept = tuple(each for each in result.measurements if each.name in ("parameters", "macs"))
    bare = result.model_copy(
        update={"measurements": kept, "curves": (), "images": (), "layers": (), "replacements": ()}
    )
    files = write_report(factory.make_table(results=[bare]), out=tmp_path)
    assert files.plots == ()
    assert "## Trade-offs" not in files.markdown.read_text(encoding="utf-8")


def test_a_run_id_does_not_lead_elsewhere(factory, tmp_path):
    table = factory.make_table(results=[], run_id="../../away")
    files = write_report(table, out=tmp_path / "out")
    assert files.folder.resolve().is_relative_to((tmp_path / "out").resolve())


def test_a_place_that_cannot_be_written_is_one_clear_error(factory, tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StoreError, match=r"cannot be written to .*taken") as caught:
        write_report(factory.make_table(results=[]), out=tmp_path / "taken")
    assert "--out" in str(caught.value)


def test_a_full_disk_is_one_clear_error(factory, tmp_path, monkeypatch):
    def full(self: Path, *args: object, **kwargs: object) -> int:
        raise OSError(28, "No space left on device", str(self))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(StoreError, match="No space left on device"):
        write_report(factory.make_table(results=[]), out=tmp_path)


def test_no_table_is_an_error(tmp_path):
    with pytest.raises(StoreError, match="no run"):
        write_report([], out=tmp_path)


def test_a_report_needs_no_torch(tmp_path):
    code = f"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location("factory", {str(Path(__file__).with_name("factory.py"))!r})
factory = sys.modules["factory"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(factory)
from pathlib import Path
from xml.etree import ElementTree
from benchbench.report.write import write_report
results = [factory.make_result("baseline"), factory.without_drawings(factory.make_result("v1"))]
out = Path({str(tmp_path)!r})
files = write_report(factory.make_table(out / "run", results=results), out=out)
assert files.html.stat().st_size > 10000
assert "torch" not in sys.modules and "torchvision" not in sys.modules
import matplotlib.pyplot
assert matplotlib.pyplot.get_fignums() == []
assert matplotlib.rcParams["svg.fonttype"] == "path"
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_curves_of_nearly_one_name_are_two_files(factory, tmp_path):
    result = factory.make_result("v1")
    twin = result.curves[0].model_copy(update={"name": "train_loss"})
    result = factory.without_drawings(result).model_copy(update={"curves": (result.curves[0], twin)})
    files = write_report(factory.make_table(results=[result]), out=tmp_path)
    names = [file.name for file in files.plots]
    assert "curve-train-loss.png" in names
    assert "curve-train-loss-2.png" in names
