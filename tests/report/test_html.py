from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from benchbench.core.cell import Setting
from benchbench.core.measurement import Failure
from benchbench.core.suite import Variant
from benchbench.report.export import export
from benchbench.report.summary_markdown import write_summary
from benchbench.report.write import write_report

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
_VOID = {"meta", "img", "br", "hr", "link", "input", "path", "use"}


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in _VOID:
            assert self.open.pop() == tag

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


@pytest.fixture(scope="module")
def page(files) -> Page:
    return Page(files.html.read_text(encoding="utf-8"))


def test_it_is_well_formed(page):
    assert page.open == []


def test_it_loads_nothing(files, page):
    assert {tag for tag, _ in page.tags}.isdisjoint({"link", "iframe", "object", "embed", "base", "form"})
    for tag, attributes in page.tags:
        for name in ("src", "srcset", "data", "poster", "xlink:href", "action"):
            value = attributes.get(name)
            assert value is None or value.startswith("data:image/"), (tag, name, value)
        if tag != "a" and "href" in attributes:
            assert str(attributes["href"]).startswith("#")
        assert not [name for name in attributes if name.startswith("on")]
    text = re.sub(r"<a [^>]*>", "", files.html.read_text(encoding="utf-8"))
    text = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    assert "http://" not in text
    assert "https://" not in text
    assert "@import" not in text


def test_ids_are_unique_and_every_reference_has_its_target(files, page):
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    text = files.html.read_text(encoding="utf-8")
    text = re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    for target in re.findall(r'(?:href="#|url\(#)([^")]+)', text):
        assert target in ids, target


def test_headings_landmarks_and_words_for_every_drawing(page):
    assert len(page.all("h1")) == 1
    assert len(page.all("h2")) == 10
    assert len(page.all("main")) == 1
    assert page.all("html")[0]["lang"] == "en"
    assert all(attributes.get("aria-label") for attributes in page.all("svg"))
    assert all(attributes.get("alt") for attributes in page.all("img"))
    assert page.tags[[tag for tag, _ in page.tags].index("a")][1]["class"] == "skip"


def test_it_fits_a_phone_by_declaration(files, page):
    text = files.html.read_text(encoding="utf-8")
    assert "width=device-width" in text
    tables = text.count("<table")
    assert text.count('<div class="wide"') == tables


def test_what_users_named_is_escaped(factory, tmp_path):
    suite = factory.make_suite(title=HOSTILE, note=HOSTILE)
    suite = suite.model_copy(
        update={"description": HOSTILE, "variants": {**suite.variants, "x": Variant(note=HOSTILE)}}
    )
    table = factory.make_table(tmp_path / "run", suite=suite, run_id="r")
    failure = Failure(of=HOSTILE, kind="crashed", reason=HOSTILE, fix=HOSTILE)
    base, *rest = table.results
    images = tuple(image.model_copy(update={"caption": HOSTILE}) for image in base.images)
    curves = (*base.curves, base.curves[0].model_copy(update={"name": f"train/{HOSTILE}"}))
    layers = tuple(layer.model_copy(update={"stage": HOSTILE}) for layer in base.layers)
    figures = tuple(each.model_copy(update={"flags": (HOSTILE,)}) for each in base.measurements)
    cell = base.cell.model_copy(update={"variant": HOSTILE})
    changed = base.model_copy(
        update={
            "failures": (failure,),
            "images": images,
            "curves": curves,
            "layers": layers,
            "measurements": figures,
            "cell": cell,
        }
    )
    run = table.run.model_copy(update={"command": HOSTILE})
    table = table.model_copy(update={"results": (changed, *rest), "run": run})
    text = write_report(table, out=tmp_path / "out").html.read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert len(page.all("script")) == 3
    assert {attributes["src"][:5] for attributes in page.all("img")} == {"data:"}
    assert "&lt;script&gt;alert(1)" in text
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    markdown = (tmp_path / "out" / "style_transfer" / "r" / "report.md").read_text(encoding="utf-8")
    outside_of_code = re.sub(r"```.*?```", "", markdown, flags=re.DOTALL)
    assert "<script" not in outside_of_code
    assert "<img" not in outside_of_code


CONTROLS = "v\u202eevil\u2066\n\u200f\x1b"


def test_no_control_character_turns_a_line_round(factory, tmp_path):
    suite = factory.make_suite(title=CONTROLS, note=CONTROLS)
    variants = {"baseline": Variant(title=CONTROLS, note=CONTROLS), "v1": Variant()}
    suite = suite.model_copy(update={"description": CONTROLS, "variants": variants})
    base, other = (factory.make_result(name) for name in ("baseline", "v1"))
    layers = tuple(layer.model_copy(update={"stage": CONTROLS}) for layer in other.layers)
    failure = Failure(of=CONTROLS, kind="crashed", reason=CONTROLS, fix=CONTROLS)
    settings = (Setting(key="train.steps", value=CONTROLS),)
    cell = other.cell.model_copy(update={"settings": settings})
    other = other.model_copy(update={"layers": layers, "failures": (failure,), "cell": cell})
    table = factory.make_table(tmp_path / "run", suite=suite, results=[base, other])
    run = table.run.model_copy(update={"command": f"benchbench run {CONTROLS}"})
    table = table.model_copy(update={"run": run})
    folder = write_report(table, out=tmp_path / "out").folder
    texts = {path: path.read_text("utf-8") for path in folder.rglob("*.*") if path.suffix != ".png"}
    assert {path.suffix for path in texts} == {".html", ".md", ".csv", ".svg"}
    for path, text in (*texts.items(), ("summary", write_summary([table]))):
        assert not set("\u202e\u2066\u200f\x1b") & set(text), path
    assert texts[folder / "report.html"].count("v[U+202E]evil[U+2066]") > 10
    assert all("[U+202E]" in texts[folder / name] for name in ("report.md", "table.csv"))


def test_what_variants_are_is_said_once(factory, tmp_path):
    suite = factory.make_suite()
    variants = {**suite.variants, "v1": Variant(title="residual | <b>light</b>", note="as *printed*")}
    suite = suite.model_copy(update={"variants": variants})
    results = [factory.without_drawings(factory.make_result(name)) for name in factory.COUNTS]
    table = factory.make_table(suite=suite, results=results)
    files = write_report(table, out=tmp_path)
    markdown, html = (path.read_text(encoding="utf-8") for path in (files.markdown, files.html))
    row = "| v1 | residual \\| &lt;b&gt;light&lt;/b&gt; | as \\*printed\\* |"
    assert markdown.count(row) == 1
    assert markdown.index("**The variants**") < markdown.index("## The table")
    assert html.count("residual | &lt;b&gt;light&lt;/b&gt;") == 1
    assert row in write_summary([table])
    assert "residual" not in export([table], "summary", form="latex")


def test_a_run_without_titles_has_no_table_of_them(files):
    assert "The variants" not in files.markdown.read_text(encoding="utf-8")


def test_counts_alone_have_the_chart(factory, tmp_path):
    results = [counted(factory, name) for name in factory.COUNTS]
    files = write_report(factory.make_table(results=results), out=tmp_path)
    text = files.html.read_text(encoding="utf-8")
    assert text.count('id="explorer"') == text.count('id="explorer-data"') == 1
    assert text.index('id="trade-offs"') < text.index('id="explorer"')
    assert "## Trade-offs" not in files.markdown.read_text(encoding="utf-8")


def counted(factory, name):
    result = factory.without_drawings(factory.make_result(name))
    kept = tuple(each for each in result.measurements if each.name in ("parameters", "macs"))
    return result.model_copy(update={"measurements": kept})


def test_a_number_and_its_unit_stay_together(files):
    text = files.html.read_text(encoding="utf-8")
    assert "87.6\u00a0% fewer parameters" in text
    assert "71.3\u00a0ms (cpu" in text


def test_a_missing_picture_is_said_in_its_place(factory, tmp_path):
    table = factory.make_table(tmp_path / "run")
    (tmp_path / "run" / "samples" / "v1" / "style.png").unlink()
    (tmp_path / "run" / "samples" / "v2" / "style.png").write_bytes(b"not an image")
    files = write_report(table, out=tmp_path / "out")
    text = files.html.read_text(encoding="utf-8")
    assert "samples/v1/style.png: the file is missing" in text
    assert "style.png: not a readable image" in text
    assert "samples/v1/style.png: the file is missing" in files.markdown.read_text(encoding="utf-8")
