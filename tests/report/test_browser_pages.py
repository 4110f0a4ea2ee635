"""Reports on paper, and the page of a history, in the system's Chromium; `tox -e browser`."""

from __future__ import annotations

import re

import pytest

pytestmark = pytest.mark.browser

# A4 between margins of 12 mm, in CSS pixels.
PAPER = {"width": 703, "height": 1017}


@pytest.fixture(scope="module")
def many(factory, tmp_path_factory):
    """A report of thirty variants: tables longer than a page, curves with a column for each of them."""
    from benchbench.core.cell import Cell
    from benchbench.core.suite import ArchitectureSpec
    from benchbench.report.write import write_report

    results = []
    for at in range(30):
        made = factory.make_result("v1" if at else "baseline")
        name = f"v{at}" if at else "baseline"
        cell = Cell(variant=name, architecture=ArchitectureSpec(name=f"net_{at}"))
        results.append(made.model_copy(update={"cell": cell, "images": made.images if at < 12 else ()}))
    folder = tmp_path_factory.mktemp("many")
    return write_report(factory.make_table(folder / "run", results=results), out=folder).html


@pytest.fixture(scope="module")
def history(factory, tmp_path_factory):
    """The page of ten runs with a step, under a hostile title."""
    from benchbench.report.history_view import view_history
    from benchbench.report.history_write import write_history

    tables = []
    for day in range(1, 11):
        slower = 1.2 if day > 6 else 1.0
        results = []
        for name in ("baseline", "v1"):
            made = factory.without_drawings(factory.make_result(name))
            figures = tuple(
                each.model_copy(update={"value": each.value * slower * (1 + 0.004 * (day % 3))})
                if each.name == "latency"
                else each
                for each in made.measurements
            )
            results.append(made.model_copy(update={"measurements": figures}))
        suite = factory.make_suite(title="Style </script><img src=x onerror=alert(1)>" + "x" * 80)
        table = factory.make_table(results=results, run_id=f"202501{day:02d}-000000", suite=suite)
        run = table.run.model_copy(update={"started": f"2025-01-{day:02d}T00:00:00+00:00"})
        tables.append(table.model_copy(update={"run": run}))
    view = view_history(tables, told=["left out: <b>one</b>"])
    return write_history(view, out=tmp_path_factory.mktemp("history")).html


def printed(open_report, html, **options):
    """The page as it is laid out on paper, without the event that unfolds it."""
    page = open_report(html, viewport=PAPER, **options)
    page.emulate_media(media="print")
    return page


def sticking_out(page):
    """What of tables, pictures and drawings is wider than the page; names of their elements."""
    return page.evaluate(
        """() => Array.from(document.querySelectorAll("body *")).filter((each) => {
            const box = each.getBoundingClientRect();
            return box.width && !each.closest("svg svg, svg *") && box.right > innerWidth + 1;
        }).map((each) => `${each.tagName} ${each.className} ${each.textContent.slice(0, 40)}`)"""
    )


@pytest.mark.parametrize("scripted", [True, False])
def test_on_paper_nothing_is_folded_cut_or_to_be_pressed(open_report, files, many, scripted):
    for html in (files.html, many):
        page = printed(open_report, html, java_script_enabled=scripted)
        # Without scripts a page has no evaluate either: what is hidden is asked of the browser.
        for control in ("#explorer", "nav", ".tools", ".hint", "button:not(.sort)"):
            assert not any(each.is_visible() for each in page.locator(control).all()), control
        assert page.locator("details:not([open])").count() > 0
        for table in page.locator("details.fold table.data").all():
            assert table.is_visible()
        assert page.locator("figure.explored > svg").first.is_visible()
        assert sticking_out(page) == []


def test_a_table_too_wide_for_paper_is_said_to_lie_elsewhere(open_report, many):
    page = printed(open_report, many)
    curves = page.locator("figure", has_text="Training loss over training steps").first
    assert not curves.locator("table").is_visible()
    said = curves.locator("summary").evaluate("each => getComputedStyle(each, '::after').content")
    assert "lies beside this file" in said
    assert page.locator("figure.explored table.data").first.is_visible()


def test_heads_are_repeated_and_colours_are_dark_on_white(open_report, many):
    page = printed(open_report, many, color_scheme="dark")
    # A head with a button in it would not be repeated on the next page.
    assert set(
        page.locator("thead .sort").evaluate_all("all => all.map((e) => getComputedStyle(e).display)")
    ) == {"contents"}
    shown = page.evaluate(
        "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
    )
    assert shown == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]
    pdf = page.pdf(format="A4")
    pages = len(re.findall(rb"/Type\s*/Page\b", pdf))
    # Figures stand two by two: one below the other they would need many more.
    assert 5 < pages < 60


def test_a_history_is_read_by_keyboard_and_its_names_are_texts(open_report, history):
    page = open_report(history)
    assert "</script><img src=x" in page.locator("h1").inner_text()
    assert page.locator("img").count() == 0
    summary = page.locator("summary").first
    summary.focus()
    assert not page.locator("details table").first.is_visible()
    page.keyboard.press("Enter")
    assert page.locator("details table").first.is_visible()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "wide"
    assert page.locator("figure svg[role=img]").first.get_attribute("aria-label")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_in_a_history(open_report, history, scheme):
    from axe_playwright_python.sync_playwright import Axe

    page = open_report(history, color_scheme=scheme)
    page.locator("details").evaluate_all("all => all.forEach((each) => { each.open = true; })")
    found = Axe().run(page).response["violations"]
    serious = [
        (each["id"], [node["target"] for node in each["nodes"]][:5])
        for each in found
        if each["impact"] in ("serious", "critical")
    ]
    assert serious == []


def test_a_history_fits_a_phone_and_paper(open_report, history):
    page = open_report(history, viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    page.locator("details").evaluate_all("all => all.forEach((each) => { each.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    paper = printed(open_report, history)
    assert sticking_out(paper) == []
    assert all(each.is_visible() for each in paper.locator("details table").all())


def test_deployments_on_a_phone_on_paper_and_for_a_screen_reader(open_report, deployed_files):
    from axe_playwright_python.sync_playwright import Axe

    page = open_report(deployed_files.html, viewport={"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    section = page.locator("#deployment")
    assert section.locator("th[scope=row]", has_text="openvino int8").first.is_visible()
    page.locator("details").evaluate_all("all => all.forEach((each) => { each.open = true; })")
    rows = page.locator("table.data", has=page.locator("caption", has_text="Pairs")).locator(
        "tbody tr:visible"
    )
    assert rows.count() == 28
    page.get_by_label("One of the pair").select_option("v3 compile")
    assert rows.count() == 7
    page.get_by_label("The other of the pair").select_option("baseline openvino int8")
    assert rows.count() == 1
    page.get_by_label("Filter the rows of: Pairs").fill("nothing of this")
    assert rows.count() == 0
    found = Axe().run(page).response["violations"]
    assert [each["id"] for each in found if each["impact"] in ("serious", "critical")] == []
    page.emulate_media(media="print")
    assert section.locator("figure svg").first.is_visible()
    assert not section.locator(".tools").first.is_visible()
    wide = section.locator("table.data").first
    assert wide.evaluate("table => table.scrollWidth") <= 1100
