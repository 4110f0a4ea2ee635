"""What the page carries: the published library, data that cannot end their element, a policy that fits."""

from __future__ import annotations

import base64
import hashlib
import json
import re

import pytest

from benchbench.core.errors import StoreError
from benchbench.core.visible import on_one_line, show_controls
from benchbench.report import embed
from benchbench.report.document import Document
from benchbench.report.html import write_html
from benchbench.report.write import write_report

HOSTILE = "</script><script>alert(1)</script><!--\u2028&amp;"


def test_the_library_is_the_published_file():
    text = embed.read_charts()
    assert hashlib.sha256(text.encode("utf-8")).hexdigest() == embed.CHARTS_SHA256
    told = (embed._STATIC / "README.md").read_text(encoding="utf-8")
    assert embed.CHARTS_SHA256 in told
    assert 't.version="6.1.0"' in text
    assert "6.1.0" in told
    for licence in ("LICENSE-echarts.txt", "NOTICE-echarts.txt", "LICENSE-zrender.txt", "LICENSE-d3.txt"):
        assert licence in told
        assert (embed._STATIC / licence).stat().st_size > 100


def test_another_library_is_refused(tmp_path, monkeypatch):
    (tmp_path / embed.CHARTS_FILE).write_text("alert(1)", encoding="utf-8")
    monkeypatch.setattr(embed, "_STATIC", tmp_path)
    with pytest.raises(StoreError, match="not the published file"):
        embed.read_charts()


def test_the_scripts_can_stand_in_a_page_and_evaluate_nothing():
    for script in (embed.read_charts(), embed.read_own()):
        assert not re.search(r"</script|<!--", script, re.IGNORECASE)
        assert not re.search(r"\beval\(|new Function\b", script)
        assert "\r" not in script
    own = embed.read_own()
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "fetch(", "XMLHttp"):
        assert word not in own


def test_an_island_holds_any_text():
    data: embed.JsonData = {HOSTILE: [HOSTILE, 1.5, None, True]}
    text = str(embed.dump_island(data))
    assert not set("<>&\u2028\u2029") & set(text)
    shown = show_controls(HOSTILE)
    assert "[U+2028]" in shown
    assert json.loads(text) == {shown: [shown, 1.5, None, True]}


def test_an_island_has_no_word_for_nan():
    with pytest.raises(ValueError, match="JSON compliant"):
        embed.dump_island({"value": float("nan")})


def test_the_policy_fits_the_page(files):
    text = files.html.read_text(encoding="utf-8")
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)
    assert found
    policy = dict(part.split(" ", 1) for part in found[1].replace("&#39;", "'").split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["img-src"] == "data:"
    assert "unsafe" not in policy["script-src"]
    for kind, sources in (("script", policy["script-src"]), ("style", policy["style-src-elem"])):
        inline = re.findall(rf"<{kind}\b[^>]*>(.*?)</{kind}>", text, re.DOTALL)
        inline = [each for each in inline if not each.startswith('{"measures"')]
        digests = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in inline]
        assert [f"'sha256-{digest}'" for digest in digests] == sources.split()
    # The policy holds from where it stands.
    assert text.index("Content-Security-Policy") < min(text.index("<style"), text.index("<script"))


def test_hostile_names_stay_inside_the_island(factory, tmp_path):
    results = [factory.make_result(name, speedup=None) for name in ("baseline", "v1")]
    cell = results[1].cell.model_copy(update={"variant": HOSTILE})
    figures = tuple(each.model_copy(update={"setting": HOSTILE}) for each in results[1].measurements)
    results[1] = results[1].model_copy(update={"cell": cell, "measurements": figures})
    table = factory.make_table(tmp_path / "run", results=results)
    text = write_report(table, out=tmp_path / "out").html.read_text(encoding="utf-8")
    assert text.count("<script") == 3
    island = re.search(r'<script type="application/json" id="explorer-data">(.*?)</script>', text)
    assert island
    data = json.loads(island[1])
    assert [point["label"] for point in data["points"]] == ["baseline", on_one_line(HOSTILE)]
    assert any(show_controls(HOSTILE) in measure["name"] for measure in data["measures"])
    assert "alert(1)</script>" not in text


def test_a_page_without_a_chart_carries_no_library():
    text = write_html(Document("A title", "", None, ()), drawings={}, foot="")
    assert text.count("<script") == 1
    assert len(text) < 100_000
