"""A report used as a person uses it, in the system's Chromium; `tox -e browser`."""

from __future__ import annotations

import io
import re
import sys

import pytest
from PIL import Image

pytestmark = pytest.mark.browser

CHART = "#explorer-chart"
CARD = "#explorer-card"


@pytest.fixture
def page(open_report):
    return open_report()


def first_column(page, caption):
    table = page.locator("table.data", has=page.locator("caption", has_text=caption)).first
    return table, lambda: table.locator("tbody tr:visible th").all_inner_texts()


def place(page, label):
    """Where a point of the chart is on the screen."""
    return page.evaluate(
        """(label) => {
            const stage = document.getElementById("explorer-chart");
            const chart = echarts.getInstanceByDom(stage);
            const data = JSON.parse(document.getElementById("explorer-data").textContent);
            const series = chart.getOption().series;
            const last = series.length - 1;
            const told = data.points.find((point) => point.label === label).figures[data.x].value;
            const placed = told / data.measures[data.x].factor;
            const at = series[last].data.findIndex((point) => point.value[0] === placed);
            const [x, y] = chart.convertToPixel({ seriesIndex: last }, series[last].data[at].value);
            const box = stage.getBoundingClientRect();
            return [box.left + x, box.top + y];
        }""",
        label,
    )


def test_the_chart_is_drawn_and_the_drawings_it_replaces_are_hidden(page):
    assert page.locator(f"{CHART} canvas").count() == 1
    assert "on the Pareto front" in page.locator(CHART).get_attribute("aria-label")
    assert page.locator("figure.explored").count() == 3
    assert not page.locator("figure.explored").first.is_visible()
    shot = page.locator(CHART).screenshot()
    page.locator("#explorer-x-log").check()
    assert page.locator(CHART).screenshot() != shot


def test_hovering_a_point_tells_of_it_and_shows_its_sample(page, expect):
    page.locator(CHART).scroll_into_view_if_needed()
    page.mouse.move(*place(page, "v2"))
    expect(page.locator(f"{CARD} h3")).to_have_text("v2")
    card = page.locator(CARD)
    assert "292,796" in card.inner_text()
    assert "57.70 ms [" in card.inner_text()
    assert "compared with baseline" in card.inner_text()
    assert card.locator("img").get_attribute("alt") == "v2, final (step 200)"
    assert card.locator("img").evaluate("image => image.complete && image.naturalWidth") == 48


def test_the_points_are_reached_by_keyboard(page):
    page.locator("#explorer-size").focus()
    for expected in ("baseline", "v1", "v2"):
        page.keyboard.press("Tab")
        assert page.locator(f"{CARD} h3").inner_text() == expected
    assert page.locator("#explorer-points [aria-pressed=true]").inner_text() == "v2"


def test_other_axes_have_another_front(page):
    front = "#explorer-table tbody tr"

    def told():
        rows = page.locator(front).all_text_contents()
        return {row.split(" ")[0][:2] for row in rows if row.endswith("yes")}

    assert told() == {"ba", "v1", "v2", "v3"}
    page.locator("#explorer-y").select_option(label="parameters, M")
    # The smallest is the fastest too.
    assert told() == {"v3"}
    page.locator("#explorer-y").select_option(label="speed-up (cpu, 2 threads)")
    # The baseline has no speed-up, and of a speed-up more is better.
    assert page.locator(front).count() == 3
    assert told() == {"v3"}
    assert "absent" in page.locator("#explorer-points button").first.get_attribute("class")


def test_a_click_sorts_by_the_value_and_keeps_the_baseline_marked(page):
    table, names = first_column(page, "Cost, time and quality")
    before = names()
    head = table.locator("thead th", has_text="MACs, GMAC")
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    # What failed has no figure and comes last, either way.
    assert names() == ["v3", "v2", "v1", "baseline", "wide"]
    assert table.locator("tr.baseline th").inner_text() == "baseline"
    head.get_by_role("button").click()
    assert names() == ["baseline", "v1", "v2", "v3", "wide"]
    assert head.get_attribute("aria-sort") == "descending"
    head.get_by_role("button").click()
    assert names() == before
    assert head.get_attribute("aria-sort") == "none"


def test_enter_sorts_too(page):
    table, names = first_column(page, "Cost, time and quality")
    table.locator("thead button", has_text="change").focus()
    page.keyboard.press("Enter")
    assert names()[:3] == ["v3", "v2", "v1"]


def test_seeds_stay_below_their_line(open_report, factory, tmp_path):
    from benchbench.report.write import write_report

    results = [
        factory.without_drawings(factory.make_result(name, seed=seed, loss=loss + seed / 10))
        for name, loss in (("baseline", 2.5), ("v1", 2.0))
        for seed in (0, 1)
    ]
    page = open_report(write_report(factory.make_table(results=results), out=tmp_path).html)
    table, names = first_column(page, "Cost, time and quality")
    loss = table.locator("thead button").filter(has_text=re.compile("^loss"))
    loss.click()
    assert names() == ["v1", "seed 0", "seed 1", "baseline", "seed 0", "seed 1"]
    loss.click()
    assert names() == ["baseline", "seed 1", "seed 0", "v1", "seed 1", "seed 0"]


def test_the_filter_leaves_what_fits(page):
    _, names = first_column(page, "Cost, time and quality")
    field = page.get_by_label("Filter the rows of: Cost, time and quality")
    field.fill("diverged")
    assert names() == ["wide"]
    assert page.get_by_text("1 of 5 rows").is_visible()
    field.fill("")
    assert len(names()) == 5


def transforms(page):
    images = page.locator("figure.gallery").first.locator(".frame img")
    return set(images.evaluate_all("images => images.map((image) => getComputedStyle(image).transform)"))


def test_pictures_zoom_and_pan_together(page):
    gallery = page.locator("figure.gallery").first
    assert len(transforms(page)) == 1
    still = transforms(page)
    gallery.get_by_role("button", name="Zoom in").click()
    zoomed = transforms(page)
    assert zoomed != still
    assert len(zoomed) == 1
    gallery.locator(".wide").focus()
    page.keyboard.press("ArrowRight")
    assert transforms(page) != zoomed
    assert len(transforms(page)) == 1
    page.keyboard.press("0")
    assert transforms(page) == still
    page.keyboard.press("+")
    assert transforms(page) == zoomed


def test_the_wheel_zooms_only_where_a_reader_has_clicked(page, expect):
    frame = page.locator("figure.gallery").first.locator(".frame").first
    frame.scroll_into_view_if_needed()
    still = transforms(page)
    frame.hover()
    page.evaluate("addEventListener('scroll', () => { document.documentElement.dataset.moved = 'yes'; })")
    page.mouse.wheel(0, 60)
    expect(page.locator("html")).to_have_attribute("data-moved", "yes")
    assert transforms(page) == still
    frame.click()
    page.mouse.wheel(0, -100)
    expect(page.locator("figure.gallery").first).to_have_class(re.compile("zoomed"))
    assert len(transforms(page)) == 1


def test_the_difference_is_that_of_the_pixels(page, expect):
    gallery = page.locator("figure.gallery").first
    gallery.get_by_label("Show").select_option(label="difference from the baseline")
    expect(gallery).to_have_attribute("data-shown", "baseline")
    shown = gallery.locator("tr[data-label=v1] td[data-kind=final] canvas")
    words = shown.get_attribute("aria-label")
    assert "difference from baseline, differs by " in words
    largest = shown.evaluate(
        """(canvas) => Math.max(...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height)
            .data.filter((_, at) => at % 4 < 3))"""
    )
    told = int(words.split("by ")[-1].split(" ")[0])
    assert largest == min(255, 4 * told) > 0
    assert gallery.locator("tr[data-label=baseline] canvas").count() == 0
    gallery.get_by_label("Amplified").select_option("1")
    gallery.get_by_label("Show").select_option(label="difference from v1")
    expect(gallery).to_have_attribute("data-shown", "1")
    # v1 and v2 made the same picture here.
    assert "by 0 at most" in gallery.locator("tr[data-label=v2] canvas").first.get_attribute("aria-label")
    gallery.get_by_label("Show").select_option(label="pictures")
    assert gallery.locator("canvas").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(open_report, scheme):
    from axe_playwright_python.sync_playwright import Axe

    page = open_report(color_scheme=scheme)
    page.locator("details").evaluate_all("all => all.forEach((each) => { each.open = true; })")
    found = Axe().run(page).response["violations"]
    serious = [
        (each["id"], [node["target"] for node in each["nodes"]][:5])
        for each in found
        if each["impact"] in ("serious", "critical")
    ]
    assert serious == []


def test_a_phone_needs_no_sideways_scrolling(open_report):
    page = open_report(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert page.locator(f"{CHART} canvas").bounding_box()["width"] <= 390


def test_print_unfolds_everything_and_has_no_controls(page):
    assert page.locator("details:not([open])").count() > 0
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")
    assert page.locator("details:not([open])").count() == 0
    assert page.locator("figure.explored svg").first.is_visible()
    for control in (CHART, ".tools", "nav"):
        assert not page.locator(control).first.is_visible()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details[open]").count() == 0


def test_without_scripts_everything_is_there(open_report):
    page = open_report(java_script_enabled=False)
    assert page.locator("figure.explored svg").first.is_visible()
    assert not page.locator("#explorer").is_visible()
    assert page.locator("figure.gallery img").first.is_visible()
    assert page.locator("button").count() == 0
    # On paper nothing is folded, even so.
    folded = page.locator("details.fold table").first
    assert not folded.is_visible()
    page.emulate_media(media="print")
    assert folded.is_visible()


def test_names_are_texts(open_report, factory, tmp_path):
    from benchbench.report.write import write_report

    hostile = "</script><img src=x onerror=alert(1)>{b}"
    results = [factory.make_result(name) for name in ("baseline", "v1")]
    cell = results[1].cell.model_copy(update={"variant": hostile})
    results[1] = results[1].model_copy(update={"cell": cell})
    table = factory.make_table(tmp_path / "run", results=results)
    page = open_report(write_report(table, out=tmp_path / "out").html)
    page.locator("#explorer-points button").nth(1).click()
    assert page.locator(f"{CARD} h3").inner_text() == hostile
    assert page.locator("img[src=x]").count() == 0


def test_a_run_of_counts_alone_has_the_chart(open_report, factory, tmp_path):
    from benchbench.report.write import write_report

    results = []
    for name in factory.COUNTS:
        made = factory.without_drawings(factory.make_result(name))
        kept = tuple(each for each in made.measurements if each.name in ("parameters", "macs"))
        results.append(made.model_copy(update={"measurements": kept}))
    html = write_report(factory.make_table(results=results), out=tmp_path).html
    page = open_report(html)
    assert page.locator(f"{CHART} canvas").count() == 1
    assert page.locator("#explorer-x option").all_inner_texts() == ["parameters, M", "MACs, GMAC"]
    page.locator("#explorer-x").select_option(label="MACs, GMAC")
    page.locator("#explorer-y").select_option(label="parameters, M")
    page.locator("#explorer-points button").nth(3).click()
    assert "207,865" in page.locator(CARD).inner_text()
    # Where there is no chart, there are words, and only there.
    instead = page.locator("#trade-offs p", has_text="needs a screen")
    assert not instead.is_visible()
    page.emulate_media(media="print")
    assert instead.is_visible()
    bare = open_report(html, java_script_enabled=False)
    assert bare.locator("#trade-offs p", has_text="needs a screen").is_visible()


def test_names_are_broken_between_words_and_wide_tables_hint_at_more(open_report, factory, tmp_path):
    from benchbench.core.cell import Cell
    from benchbench.core.suite import ArchitectureSpec
    from benchbench.report.write import write_report

    results = []
    for name, shown in (("baseline", "baseline"), ("v1", "DeeperDepthwiseG"), ("v2", "x" * 40)):
        cell = Cell(variant=shown, architecture=ArchitectureSpec(name=f"net_{name}"))
        made = factory.without_drawings(factory.make_result(name))
        results.append(made.model_copy(update={"cell": cell}))
    html = write_report(factory.make_table(results=results), out=tmp_path).html
    page = open_report(html, viewport={"width": 1280, "height": 900})
    heights = page.locator(".answer strong").evaluate_all(
        "all => all.map((each) => { const range = document.createRange();"
        " range.selectNodeContents(each); return range.getClientRects().length; })"
    )
    assert heights[:2] == [1, 1]
    phone = open_report(html, viewport={"width": 390, "height": 844})
    assert phone.evaluate("document.documentElement.scrollWidth") == 390
    wide = phone.locator("#table .wide").first
    assert wide.evaluate("each => each.scrollWidth > each.clientWidth")
    wide.scroll_into_view_if_needed()
    box = wide.bounding_box()
    # Beside the caption there is nothing but the paper and its edge.
    clip = {"x": box["x"] + box["width"] - 2, "y": box["y"] + 4, "width": 2, "height": 8}

    def darkest():
        return Image.open(io.BytesIO(phone.screenshot(clip=clip))).convert("L").getextrema()[0]

    assert darkest() < 220
    wide.evaluate("each => { each.scrollLeft = each.scrollWidth; }")
    assert darkest() > 250


def test_how_soon_it_can_be_used(open_report, capsys):
    page = open_report()
    ready = int(page.evaluate("document.documentElement.dataset.ready"))
    with capsys.disabled():
        sys.stdout.write(f"\nthe chart is drawn {ready} ms after navigation began\n")
    # Only that it was drawn: a second is a machine's, and is printed.
    assert ready > 0


@pytest.fixture(scope="module")
def profiled_html(factory, load_module, tmp_path_factory):
    """A report with two profiles and a hostile name in each flame graph."""
    from benchbench.core.cell import Cell
    from benchbench.core.profile import MemoryProfile
    from benchbench.core.profile_reading import ProfilesRead, StoredProfile
    from benchbench.core.suite import ArchitectureSpec
    from benchbench.report.write import write_report

    made = load_module("profile_factory.py")
    record = made.make_record(made.make_roof())
    memory = MemoryProfile(
        device="cpu", held_bytes=2**20, peak_bytes=3 * 2**20, peak_at_s=0.01, peak_layer="layer.0",
        duration_s=0.08, points=((0.0, 0), (0.01, 3 * 2**20), (0.05, 2**20)),
    )  # fmt: skip
    rows = [("depthwise", 30, 0.24, 0.24), ("pointwise", 20, 1.0, 0.1), ("norm", 30, 0, 0.14)]
    stored = tuple(
        StoredProfile(
            name,
            made.make_profile(
                name,
                *(rows * 3),
                cell=Cell(variant=name, architecture=ArchitectureSpec(name=f"net_{name}")),
                macs=factory.COUNTS[name][1],
                memory=memory,
            ),
            record,
            made.make_flame("first", "second", "<img src=x onerror=alert(1)>"),
        )
        for name in ("baseline", "v3")
    )
    results = [factory.without_drawings(factory.make_result(name)) for name in ("baseline", "v3")]
    out = tmp_path_factory.mktemp("profiled")
    return write_report(factory.make_table(results=results), out=out, profiles=ProfilesRead(stored)).html


def open_fold(page):
    fold = page.locator("#why > details.fold").last
    fold.locator("summary").first.click()
    return fold


def test_profiles_are_shown_sorted_and_their_flame_graph_is_walked_by_keyboard(open_report, profiled_html):
    page = open_report(profiled_html)
    assert page.get_by_role("heading", name="Why it is as fast as it is").is_visible()
    assert page.locator("#why .answer").inner_text().startswith("v3")
    assert page.locator("#why .plots > figure > svg").count() >= 2
    fold = open_fold(page)
    table = fold.locator("table.data", has=page.locator("caption", has_text="By layer"))
    times = table.locator("tbody td:nth-child(4)")
    table.locator("thead button", has_text="own time").click()
    assert times.first.inner_text() == "20.0"
    flame = fold.locator("figure.flame")
    assert flame.locator("g[tabindex='0']").count() == 1
    flame.locator(".wide").focus()
    said = flame.locator("output")
    for key, told in (
        ("Tab", "(network)"),
        ("ArrowDown", "first"),
        ("ArrowRight", "second"),
        ("ArrowRight", "<img src=x onerror=alert(1)>"),
        ("ArrowRight", "<img src=x onerror=alert(1)>"),
        ("ArrowLeft", "second"),
        ("ArrowUp", "(network)"),
    ):
        page.keyboard.press(key)
        assert said.inner_text() == told, key
    assert page.locator("img[src=x]").count() == 0


def test_a_tap_tells_of_a_bar_on_a_phone(open_report, profiled_html):
    page = open_report(profiled_html, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    flame = open_fold(page).locator("figure.flame")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    # Wider than the screen, and moved within its own frame.
    assert flame.locator("svg").bounding_box()["width"] > 900
    flame.locator("svg > g").nth(1).locator("rect").tap()
    assert flame.locator("output").inner_text() == "first"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_profiles(open_report, profiled_html, scheme):
    from axe_playwright_python.sync_playwright import Axe

    page = open_report(profiled_html, color_scheme=scheme)
    page.locator("details").evaluate_all("all => all.forEach((each) => { each.open = true; })")
    found = Axe().run(page, context="#why").response["violations"]
    serious = [
        (each["id"], [node["target"] for node in each["nodes"]][:5])
        for each in found
        if each["impact"] in ("serious", "critical")
    ]
    assert serious == []


def test_without_scripts_every_bar_of_a_flame_graph_is_reached(open_report, profiled_html):
    page = open_report(profiled_html, java_script_enabled=False)
    flame = page.locator("#why figure.flame").first
    assert flame.locator("svg > g[tabindex='0']").count() == 4
    page.emulate_media(media="print")
    assert flame.locator("svg").is_visible()
