from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from benchbench.core.measurement import Failure
from benchbench.core.suite import Variant
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


def test_a_missing_picture_is_said_in_its_place(factory, tmp_path):
    table = factory.make_table(tmp_path / "run")
    (tmp_path / "run" / "samples" / "v1" / "style.png").unlink()
    (tmp_path / "run" / "samples" / "v2" / "style.png").write_bytes(b"not an image")
    files = write_report(table, out=tmp_path / "out")
    text = files.html.read_text(encoding="utf-8")
    assert "samples/v1/style.png: the file is missing" in text
    assert "style.png: not a readable image" in text
    assert "samples/v1/style.png: the file is missing" in files.markdown.read_text(encoding="utf-8")
