"""Profiles in a report: matched by network, placed under their own roof, refused with a reason."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchbench.cli.entry import main
from benchbench.core.cell import Cell
from benchbench.core.profile import GapProfile, KernelProfile, MemoryProfile, StageProfile
from benchbench.core.profile_reading import ProfilesRead, StoredProfile, read_profiles
from benchbench.core.store import RunStore
from benchbench.core.suite import ArchitectureSpec, ReplaceSpec
from benchbench.report import profile_blocks as blocks_module
from benchbench.report.document import Answer, Flame, Fold, Grid, Paragraph, Plots
from benchbench.report.flame_page import draw_flame, read_flame
from benchbench.report.markdown import write_markdown
from benchbench.report.profile_blocks import profile_blocks
from benchbench.report.sections import compose
from benchbench.report.summary_markdown import write_summary
from benchbench.report.views.lines import group_lines
from benchbench.report.views.profiles import view_profiles
from benchbench.report.views.report import view_report
from benchbench.report.write import write_report

BASE = (("dense convolution", 80, 8.0, 0.2), ("norm", 20, 0, 0.1))
LIGHT = (("depthwise", 30, 0.24, 0.24), ("pointwise", 20, 1.0, 0.1), ("norm", 30, 0, 0.14))
HOSTILE = '<img src=x onerror=alert(1)> | `c` </script> "q" $x$'
GOLDEN = Path(__file__).parents[1] / "golden" / "profiles.md"


@pytest.fixture(scope="module")
def made(load_module):
    return load_module("profile_factory.py")


@pytest.fixture(scope="module")
def profiled(made, factory):
    """Makes a stored profile of a variant of the synthetic run; keyword arguments change the profile."""

    def make(name, *rows, roof=None, day=21, folder=None, flame=None, **changes):
        fields = {"macs": factory.COUNTS.get(name, (0, 1))[1], **changes}
        fields.setdefault("cell", Cell(variant=name, architecture=ArchitectureSpec(name=f"net_{name}")))
        profile = made.make_profile(name, *(rows or LIGHT), **fields)
        record = made.make_record(roof or made.make_roof(), day=day)
        return StoredProfile(folder or f"{name}-0", profile, record, flame)

    return make


@pytest.fixture(scope="module")
def lines(factory):
    return group_lines([factory.make_table()])


@pytest.fixture
def blocks(lines):
    def make(*profiles, asked="told", notes=()):
        return profile_blocks(view_profiles(lines, ProfilesRead(tuple(profiles), tuple(notes), asked)))

    return make


def texts(found):
    return [each.text for each in found if isinstance(each, Paragraph)]


def folds(found):
    return {each.title.partition(":")[0]: each for each in found if isinstance(each, Fold)}


def grids(fold):
    return {each.caption: each for each in fold.blocks if isinstance(each, Grid)}


def test_a_sentence_per_variant_and_its_place_under_the_roof(blocks, profiled):
    found = blocks(profiled("baseline", *BASE), profiled("v3"))
    (answer,) = [each for each in found if isinstance(each, Answer)]
    (sentence,) = answer.sentences
    assert sentence.label == "v3"
    assert sentence.text == (
        "does 7.7x fewer MACs but is only 1.2x faster than baseline in the profiled pass (1.2x faster "
        "without the profiler): its depthwise convolutions take 38 % of the time for 18 % of the MACs "
        "(8.0 % of the peak, limited by memory: 80 % of its bandwidth), and its norms take 38 % of the "
        "time for no MACs (under the roof of memory: 47 % of its bandwidth)."
    )
    assert "They are no latencies" in texts(found)[0]
    assert (
        "Profiled: cpu, 2 threads, Slow 1, torch 2.13.0, batch 1, profiled 2026-11-21. The machine's roof"
        in (texts(found)[1])
    )
    (plots,) = [each for each in found if isinstance(each, Plots)]
    assert [plot.name for plot in plots.plots] == ["roofline-baseline", "roofline-v3"]
    rows = {row.items[0].text: [item.text for item in row.items[1:]] for row in plots.plots[1].table.rows}
    assert [column.title for column in plots.plots[1].table.columns] == [
        "layers", "modules", "own time, ms", "share", "MACs, GMAC", "bytes, MiB", "MAC/B", "GMAC/s", "GB/s",
        "of the peak, %", "of the roof, %", "under",
    ]  # fmt: skip
    assert rows["depthwise"] == [
        "1", "30.0", "37.5 %", "0.240", "229", "1.00", "8.00", "8.00", "8.00", "80.0", "memory"
    ]  # fmt: skip
    assert rows["norm"][-4:] == ["4.67", "–", "46.7", "memory"]
    assert list(rows)[-1] == "all"
    assert "depthwise 37.5 % of the time, 8.00 GMAC/s, 80.0 % of the roof, under memory" in plots.plots[1].alt


def test_axes_are_common_to_the_networks_of_a_setting(blocks, profiled):
    found = blocks(profiled("baseline", *BASE), profiled("v3"))
    (plots,) = [each for each in found if isinstance(each, Plots)]
    axes = [plot.draw().axes[0] for plot in plots.plots]
    assert axes[0].get_xlim() == axes[1].get_xlim()
    assert axes[0].get_ylim() == axes[1].get_ylim()


def test_a_fold_has_stages_layers_memory_kernels_and_the_flame_graph(blocks, profiled, made):
    stage = StageProfile(stage="body", layers=2, own_s=0.05, share=0.625, macs=10, bytes_moved=20)
    memory = MemoryProfile(
        device="cuda", held_bytes=2**20, peak_bytes=3 * 2**20, peak_at_s=0.01, peak_layer="layer.0",
        duration_s=0.08, points=((0.0, 0), (0.01, 3 * 2**20), (0.05, 2**20)),
    )  # fmt: skip
    gaps = GapProfile(
        kernels=7, busy_s=0.06, idle_s=0.02, waiting_for_host_s=0.015, gaps=4, longest_s=0.01, launch_s=0.03
    )
    kernels = tuple(KernelProfile(name=f"k{at}", calls=2, time_s=0.001 * at, share=0.1) for at in range(22))
    profile = profiled(
        "v3", stages=(stage,), memory=memory, gaps=gaps, kernels=kernels, notes=("folded: a note",),
        flame=made.make_flame("layer.0"),
    )  # fmt: skip
    fold = folds(blocks(profile))["v3"]
    tables = grids(fold)
    assert list(tables) == ["By stage", "By layer, longest first", "GPU kernels, longest first"]
    assert tables["GPU kernels, longest first"].rows[0].items[0].text == "k21"
    said = " ".join(texts(fold.blocks))
    assert "1 recorded pass after 1 of warm-up" in said
    assert (
        "idle between kernels for 20.0 ms in 4 gaps (the longest 10.0 ms), of which 15.0 ms waiting" in said
    )
    assert "2 more kernels are left out" in said
    assert "Note: folded: a note." in said
    (plot,) = next(each for each in fold.blocks if isinstance(each, Plots)).plots
    assert "at most 3.00 MiB given out by torch's allocator at layer.0, beside 1.00 MiB" in plot.caption
    assert plot.records == memory.points
    assert plot.draw().axes[0].texts[0].get_text() == "layer.0, 3.00 MiB"
    (flame,) = [each for each in fold.blocks if isinstance(each, Flame)]
    assert [bar.told for bar in flame.bars] == ["(network)", "layer.0"]


@pytest.mark.parametrize("layers", [30, 31])
def test_the_longest_layers_are_shown_and_the_rest_counted(blocks, profiled, layers):
    rows = [("norm", 1 + at, 0, 0.1) for at in range(layers)]
    fold = folds(blocks(profiled("v3", *rows)))["v3"]
    grid = grids(fold)["By layer, longest first"]
    assert len(grid.rows) == 30
    assert grid.rows[0].items[0].text == f"layer.{layers - 1}"
    assert ("1 more module is left out; profile.json has them." in texts(fold.blocks)) == (layers == 31)
    values = [row.items[3].value for row in grid.rows]
    assert values == sorted(values, reverse=True)


def test_a_network_is_matched_by_what_it_is_and_not_by_its_name(blocks, profiled):
    cell = Cell(variant="something", architecture=ArchitectureSpec(name="net_v3"))
    found = blocks(profiled("v3", cell=cell), profiled("baseline", *BASE))
    assert set(folds(found)) == {"baseline", "v3"}
    assert not [text for text in texts(found) if "not in this report" in text]


@pytest.mark.parametrize(
    ("architecture", "replace", "said"),
    [
        ({"name": "net_v3", "width": 8}, (), "width 8 there, left to its default here"),
        ({"name": "net_other"}, (), "name net_other there, net_v3 here"),
        ({"name": "net_v3", "input": [1, 3, 8, 8]}, (), "input [[1,3,8,8]] there"),
        ({"name": "net_v3"}, ({"stages": ["body"], "with": "ghost"},), "other layers are replaced"),
    ],
)
def test_a_profile_of_another_declaration_never_stands_for_a_cell(
    blocks, profiled, architecture, replace, said
):
    cell = Cell(
        variant="v3",
        architecture=ArchitectureSpec.model_validate(architecture),
        replace=tuple(map(ReplaceSpec.model_validate, replace)),
    )
    found = blocks(profiled("baseline", *BASE), profiled("v3", cell=cell, folder="v3-other"))
    assert set(folds(found)) == {"baseline"}
    (note,) = [text for text in texts(found) if "another declaration" in text]
    assert note.startswith("Note: profile v3-other: of another declaration than v3 here, and not shown (")
    assert said in note
    assert "Note: not profiled: v1, v2, wide." in texts(found)
    assert not any("not in this report" in text for text in texts(found))


def test_what_is_replaced_in_a_discriminator_is_of_another_network(blocks, profiled):
    other = ReplaceSpec.model_validate({"stages": ["body"], "with": "ghost", "network": "discriminator"})
    cell = Cell(variant="v3", architecture=ArchitectureSpec(name="net_v3"), replace=(other,))
    assert "v3" in folds(blocks(profiled("v3", cell=cell)))


@pytest.mark.parametrize(("times", "is_shown"), [(1, True), (4, True), (1.01, False)])
def test_a_network_whose_code_changed_since_the_run_is_refused(blocks, profiled, factory, times, is_shown):
    # Whole multiples are other batches.
    macs = int(factory.COUNTS["v3"][1] * times)
    found = blocks(profiled("v3", macs=macs, batch=max(int(times), 1)))
    assert ("v3" in folds(found)) == is_shown
    assert any("the network has changed in between" in text for text in texts(found)) != is_shown


def test_settings_are_never_under_one_roof_nor_compared(blocks, profiled, made):
    slow, fast = make_roofs(made)
    found = blocks(
        profiled("baseline", *BASE, roof=slow),
        profiled("v1", roof=slow),
        profiled("v3", threads=8, roof=fast),
    )
    said = texts(found)
    assert "The profiles are of 2 settings. Each has its own roof" in said[1]
    roofs = [text for text in said if text.startswith("The machine's roof")]
    assert "100 GMAC/s" in roofs[0]
    assert "(cpu, 8 threads, float32" in roofs[1]
    assert "400 GMAC/s" in roofs[1]
    sentences = {
        each.label: each.text for block in found if isinstance(block, Answer) for each in block.sentences
    }
    assert "faster than baseline" in sentences["v1"]
    assert sentences["v3"] == (
        "was profiled, but baseline was not at this setting, so that nothing is compared."
    )


def make_roofs(made):
    return made.make_roof(), made.make_roof(made.make_machine(threads=8), float32=400.0)


@pytest.mark.parametrize(
    ("base", "variant", "said"),
    [
        ({}, {}, []),
        ({"passes_s": (0.1, 0.12)}, {"passes_s": (0.08, 0.1)}, []),
        ({"passes_s": (0.1, 0.2)}, {}, ["noisy machine: passes of baseline took between 100 ms and 200 ms"]),
        ({}, {"passes_s": (0.3, 0.1)}, ["noisy machine: passes of v3 took between 100 ms and 300 ms"]),
        ({}, {"unprofiled_s": 0.04}, ["the ratio with the profiler is far from that without"]),
        ({"unprofiled_s": 0.0}, {}, []),
    ],
)
def test_a_profile_of_a_noisy_machine_says_so(blocks, profiled, base, variant, said):
    found = blocks(profiled("baseline", *BASE, **base), profiled("v3", **variant))
    (sentence,) = next(each for each in found if isinstance(each, Answer)).sentences
    assert len(sentence.cautions) == len(said)
    assert all(told.startswith(start) for told, start in zip(sentence.cautions, said, strict=True))


def test_of_two_at_one_setting_the_newer_is_shown(blocks, profiled):
    older = profiled("v3", ("norm", 99, 0, 1), day=20, folder="a")
    newer = profiled("v3", ("norm", 11, 0, 1), day=22, folder="b")
    for order in ((older, newer), (newer, older)):
        fold = folds(blocks(*order))["v3"]
        assert "11.0 ms a pass" in texts(fold.blocks)[0]


def test_without_a_roof_the_reason_and_the_command_stand_there(blocks, profiled, made):
    plain = profiled("v3")
    missing = StoredProfile("v3", plain.profile, made.make_record(why="no roof was measured yet"))
    found = blocks(missing)
    assert (
        "no roof was measured yet. benchbench roofline --device cpu --threads 2 measures it"
        in texts(found)[1]
    )
    assert not [each for each in found if isinstance(each, Plots)]
    columns = [column.title for column in grids(folds(found)["v3"])["By class of layers"].columns]
    assert "MAC/B" in columns
    assert "of the roof, %" not in columns
    unknown = blocks(StoredProfile("v3", plain.profile))
    assert "which was not recorded with these profiles" in texts(unknown)[1]


def test_notes_and_profiles_of_other_networks_are_told(blocks, profiled):
    cell = Cell(variant="else", architecture=ArchitectureSpec(name="net_else"))
    other = profiled("else", cell=cell)
    told = texts(blocks(other, notes=("profile x: damaged",)))
    assert told == [
        "Note: profile x: damaged.",
        "Note: profiles of networks that are not in this report: else.",
    ]
    # Beside a run there may be profiles of other suites.
    assert blocks(other, asked="found") == ()
    found = blocks(other, profiled("v3"), asked="found")
    assert not [text for text in texts(found) if "else" in text]


@pytest.mark.parametrize(("listed", "shown"), [(3, ["v1", "v2", "v3"]), (2, ["v1"])])
def test_what_is_beyond_the_first_networks_is_told(blocks, profiled, made, monkeypatch, listed, shown):
    monkeypatch.setattr(blocks_module, "DRAWN", 1)
    monkeypatch.setattr(blocks_module, "LISTED", listed)
    found = blocks(*(profiled(name, flame=made.make_flame("a")) for name in ("v1", "v2", "v3")))
    assert list(folds(found)) == shown
    (plots,) = [each for each in found if isinstance(each, Plots)]
    assert len(plots.plots) == 1
    more = "2 more networks are left out; profile.json has their tables."
    assert (more in texts(found)) == (shown == ["v1"])
    if "v2" in shown:
        fold = folds(found)["v2"]
        assert "Flame graph and timeline are of the first 1 networks only." in texts(fold.blocks)
        assert "By class of layers" in grids(fold)


def test_flame_graphs_beyond_the_budget_lie_beside_the_page(factory, profiled, made, monkeypatch, tmp_path):
    monkeypatch.setattr(blocks_module, "FLAME_BYTES", 700)
    flame = made.make_flame("first", "second")
    many = ProfilesRead(tuple(profiled(name, flame=flame) for name in ("baseline", "v3")))
    results = [factory.without_drawings(factory.make_result(name)) for name in ("baseline", "v3")]
    files = write_report(factory.make_table(results=results), out=tmp_path, profiles=many)
    html = files.html.read_text(encoding="utf-8")
    assert html.count("<title>second</title>") == 1
    assert "It is left out to keep this file small, and lies beside it: plots/flame-v3.svg." in html
    assert (files.folder / "plots" / "flame-v3.svg").read_text().count("<g>") == 3
    assert "[Flame graph of v3](plots/flame-v3.svg)" in files.markdown.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "<svg><script>alert(1)</script></svg>",
        (
            '<g tabindex="0" role="img" aria-label="a"><title>a</title><rect x="0" y="0" width="9" '
            'height="22" fill="url(#x)"/><text x="3" y="15">a</text></g>'
        ),
    ],
)
def test_what_is_no_flame_graph_of_ours_is_not_shown(text):
    assert read_flame(text) == ()


def test_of_a_flame_graph_only_its_bars_are_taken(made):
    text = made.make_flame(HOSTILE).replace("</svg>", "<script>alert(1)</script></svg>")
    bars = read_flame(text)
    assert [bar.told for bar in bars] == ["(network)", HOSTILE]
    assert [bar.y for bar in bars] == [0.0, 22.0]
    drawn = draw_flame(bars, title=HOSTILE)
    assert "<script" not in drawn
    assert "<img" not in drawn
    assert read_flame(made.make_flame("a").replace('width="1200.00"', 'width="1300.00"')) == ()


def test_the_profilers_own_flame_graph_is_read_whole():
    from benchbench.profiling.flame import flame_graph
    from benchbench.profiling.tree import Node

    inner = Node("a.conv", time_s=1.5, calls=2)
    root = Node(
        "", time_s=4.0, calls=2, children={"a": Node("a", time_s=2.0, calls=2, children={"c": inner})}
    )
    bars = read_flame(flame_graph(root, title="t & <u>", kinds={"a.conv": "Conv<2d>"}, passes=2))
    assert [(bar.told.partition(" (")[0], bar.x, bar.y, bar.width) for bar in bars] == [
        ("(network)", 0.0, 0.0, 1200.0),
        ("a", 0.0, 22.0, 600.0),
        ("a.conv", 0.0, 44.0, 450.0),
    ]
    assert "Conv<2d>" in bars[2].told


def test_hostile_names_stay_names(factory, profiled, made, tmp_path):
    stage = StageProfile(stage=HOSTILE, layers=1, own_s=0.01, share=1.0)
    kernel = KernelProfile(name=HOSTILE, calls=1, time_s=0.1, share=1.0)
    memory = MemoryProfile(
        device="cpu", held_bytes=1, peak_bytes=9, peak_at_s=0.1, peak_layer=HOSTILE, duration_s=1.0,
        points=((0.0, 1), (0.1, 9)),
    )  # fmt: skip
    cell = Cell(variant=HOSTILE, architecture=ArchitectureSpec(name="net_v3"))
    plain = profiled("v3", cell=cell, stages=(stage,), kernels=(kernel,), memory=memory, notes=(HOSTILE,))
    layers = tuple(
        each.model_copy(update={"path": HOSTILE, "kind": HOSTILE, "stage": HOSTILE})
        for each in plain.profile.layers
    )
    hostile = plain.profile.model_copy(update={"layers": layers})
    machine = made.make_machine(cpu_model=HOSTILE)
    read = ProfilesRead(
        (
            StoredProfile(
                HOSTILE, hostile, made.make_record(made.make_roof(machine)), made.make_flame(HOSTILE)
            ),
        ),
        (HOSTILE,),
    )
    result = factory.without_drawings(factory.make_result("v3"))
    result = result.model_copy(update={"cell": result.cell.model_copy(update={"variant": HOSTILE})})
    files = write_report(factory.make_table(results=[result]), out=tmp_path, profiles=read)
    html = files.html.read_text(encoding="utf-8")
    markdown = files.markdown.read_text(encoding="utf-8")
    assert "<img" not in html
    assert "<img" not in markdown
    assert "&lt;img src=x onerror=alert(1)&gt;" in html
    ids = re.findall(r'\bid="([^"]+)"', re.sub(r"<script>.*?</script>", "", html, flags=re.DOTALL))
    assert len(ids) == len(set(ids))
    for name in (file.name for file in (files.folder / "plots").iterdir()):
        assert re.fullmatch(r"[a-z0-9-]+\.(png|csv|svg)", name), name


def test_names_that_differ_in_punctuation_alone_are_two_files(factory, profiled, tmp_path):
    def result(name, architecture):
        made = factory.without_drawings(factory.make_result("v3"))
        cell = Cell(variant=name, architecture=ArchitectureSpec(name=architecture))
        return made.model_copy(update={"cell": cell})

    cells = [("v+", "net_a"), ("v-", "net_b")]
    read = ProfilesRead(
        tuple(
            profiled("v3", cell=Cell(variant=name, architecture=ArchitectureSpec(name=architecture)))
            for name, architecture in cells
        )
    )
    table = factory.make_table(results=[result(*each) for each in cells])
    files = write_report(table, out=tmp_path, profiles=read)
    assert {"roofline-v.csv", "roofline-v-2.csv"} <= {
        file.name for file in (files.folder / "plots").iterdir()
    }


@pytest.mark.parametrize("is_profiled", [True, False])
def test_the_plot_of_gains_refers_to_what_explains_it(factory, profiled, is_profiled):
    read = ProfilesRead((profiled("baseline", *BASE), profiled("v3")) if is_profiled else ())
    document = compose(view_report([factory.make_table()], read))
    section = next(each for each in document.sections if each.id == "trade-offs")
    (plot,) = [each for each in section.blocks[-1].plots if each.name.startswith("macs-against-latency")]
    assert ("“Why it is as fast as it is” says where the time goes" in plot.caption) == is_profiled
    assert ("“benchbench profile” tells why" in plot.caption) == (not is_profiled)
    assert "memory" not in plot.caption


def test_the_data_behind_the_roofline_is_unrounded(factory, profiled, tmp_path):
    results = [factory.without_drawings(factory.make_result("v3"))]
    read = ProfilesRead((profiled("v3"),))
    files = write_report(factory.make_table(results=results), out=tmp_path, profiles=read)
    with (files.folder / "plots" / "roofline-v3.csv").open(encoding="utf-8") as stream:
        rows = {row["class"]: row for row in csv.DictReader(stream)}
    assert float(rows["depthwise"]["of_roof"]) == pytest.approx(0.8)
    assert rows["depthwise"]["under"] == "memory"
    assert rows["norm"]["macs_per_s"] == ""
    assert float(rows["all"]["own_s"]) == pytest.approx(0.08)


def test_the_short_report_has_the_sentences_alone(factory, profiled):
    read = ProfilesRead((profiled("baseline", *BASE), profiled("v3")))
    text = write_summary([factory.make_table()], profiles=read)
    section = text.partition("## Why it is as fast as it is\n")[2].partition("\n## ")[0]
    assert "- **v3**: does 7.7x fewer MACs" in section
    assert "limited by memory: 80 % of its bandwidth" in section
    assert "|" not in section
    assert "<details>" not in section


def test_the_section_is_the_golden_one(factory, profiled, made):
    memory = MemoryProfile(
        device="cpu", held_bytes=2**20, peak_bytes=3 * 2**20, peak_at_s=0.01, peak_layer="layer.0",
        duration_s=0.08, points=((0.0, 0), (0.01, 3 * 2**20), (0.05, 2**20)),
    )  # fmt: skip
    stage = StageProfile(stage="body", layers=2, own_s=0.05, share=0.625, macs=10**9, bytes_moved=2**20)
    read = ProfilesRead(
        (
            profiled("baseline", *BASE),
            profiled("v3", memory=memory, stages=(stage,), flame=made.make_flame("layer.0")),
        ),
        ("profile broken: profile.json is damaged: it is no JSON",),
    )
    text = write_markdown(compose(view_report([factory.make_table()], read)))
    section = "## Why" + text.partition("## Why")[2].partition("\n## ")[0] + "\n"
    assert section == GOLDEN.read_text(encoding="utf-8")


def test_the_command_reads_profiles_and_needs_no_torch(made, profiled, factory, tmp_path):
    run = written_run(factory, tmp_path / "results")
    for name, rows in (("baseline", BASE), ("v3", LIGHT)):
        each = profiled(name, *rows)
        made.write_profile(tmp_path / "there" / name, each.profile, each.recorded, flame=made.make_flame("a"))
    (tmp_path / "there" / "bad").mkdir()
    (tmp_path / "there" / "bad" / "profile.json").write_text("{")
    code = f"""
import sys
from benchbench.cli import main
code = main(["report", {str(run)!r}, "--profiles", {str(tmp_path / "there")!r}, "--out", {str(tmp_path)!r}])
assert "torch" not in sys.modules and "torchvision" not in sys.modules
sys.exit(code)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == ["left out: profile bad: profile.json is damaged: it is no JSON"]
    html = (tmp_path / "style_transfer" / run.name / "report.html").read_text(encoding="utf-8")
    assert '<section id="why"' in html
    assert "does 7.7x fewer MACs" in html


def written_run(factory, out):
    results = [factory.without_drawings(factory.make_result(name)) for name in ("baseline", "v3")]
    table = factory.make_table(results=results)
    store = RunStore.create(out, table.suite, table.run, table.environment)
    for result in results:
        store.write_cell(result)
    return store.folder


def test_what_lies_beside_the_run_is_shown_unless_told_otherwise(
    made, profiled, factory, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    run = written_run(factory, Path("results"))
    each = profiled("v3")
    made.write_profile(Path("profiles/v3"), each.profile, each.recorded)

    def told(*arguments, code=0):
        assert main(["report", str(run), "--summary", "-", *arguments]) == code
        out, err = capsys.readouterr()
        return "## Why it is as fast as it is" in out, err

    assert told() == (True, "")
    assert told("--profiles", "none") == (False, "")
    is_there, err = told("--profiles", "nothing", code=2)
    assert not is_there
    assert err.startswith("left out: no folder nothing")
    assert len(err.splitlines()) == 1
    made.write_profile(run.parent / "profiles" / "x", profiled("v3", macs=5).profile)
    # The suite's own folder comes first, and what it holds is of a network that changed.
    assert told()[0] is False


def test_reading_again_gives_the_same_bytes(made, profiled, factory, tmp_path):
    each = profiled("v3")
    made.write_profile(tmp_path / "p" / "v3", each.profile, each.recorded, flame=made.make_flame("a"))
    table = factory.make_table(results=[factory.without_drawings(factory.make_result("v3"))])
    one, two = (
        write_report(table, out=tmp_path / name, profiles=read_profiles([tmp_path / "p"])) for name in "ab"
    )
    for file in sorted(each for each in one.folder.rglob("*") if each.is_file()):
        assert (two.folder / file.relative_to(one.folder)).read_bytes() == file.read_bytes()
