from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from benchbench.cli.gate import report_text
from benchbench.core.gating import GateReport, Verdict
from benchbench.core.measurement import Interval
from benchbench.gate.annotations import write_annotations
from benchbench.gate.junit import write_junit
from benchbench.gate.lines import conclusion
from benchbench.gate.markdown import write_markdown

HOSTILE = (
    "v|1 <img src=x onerror=y> `a`\n::error::x %0A, a:b ]]> \x1b[31m\x00 **b** [l](http://e) \ud800&amp;"
)


def verdict(status: str = "fail", **more: object) -> Verdict:
    given = {
        "cell": "v1",
        "measure": "latency",
        "setting": "cpu",
        "reason": "20 % slower",
        "unit": "s",
        **more,
    }
    return Verdict.model_validate({"status": status, **given})


def report(*verdicts: Verdict, **more: object) -> GateReport:
    return GateReport.model_validate(
        {"suite": "toy", "base": "main", "head": "here", "verdicts": verdicts, **more}
    )


FOUR = report(
    verdict("pass", reason="equal", measure="macs", unit="MAC", base=1000.0, head=1000.0, change=1.0),
    verdict("note", reason="slower", is_warning=True, rerun="cmd w"),
    verdict("note", reason="absolute", base=0.01, head=0.02, change=2.0),
    verdict("ambiguous", reason="noisy", rerun="cmd a"),
    verdict(
        base=0.01, head=0.012, change=1.2, interval=Interval(low=1.1, high=1.3), tolerance=0.1, rerun="cmd f"
    ),
    cautions=("mind this",),
)


def test_the_terminal_tells_everything_in_order() -> None:
    text = report_text(FOUR)
    table, *rest = text.split("\n\n", 2)[1:]
    assert [line.split()[0] for line in table.splitlines()[2:]] == [
        "fail",
        "ambiguous",
        "warning",
        "note",
        "pass",
    ]
    assert "+20.0 % [+10.0 %, +30.0 %]" in table
    assert "fail: v1 latency (cpu): 20 % slower\n  again: cmd f" in rest[0]
    assert "ambiguous: v1 latency (cpu): noisy" in text
    assert "Mind: mind this." in text
    assert text.endswith("red: 1 fails, 1 is ambiguous, 2 are noted, 1 passes")


def test_a_long_table_shows_what_does_not_pass() -> None:
    text = report_text(report(verdict(), *[verdict("pass") for _ in range(60)]))
    assert "and 60 that pass" in text
    assert text.count("\npass ") == 0


def test_conclusions() -> None:
    assert conclusion(report(verdict("pass"))) == "green: 1 passes"
    assert conclusion(report(verdict("ambiguous"))) == "green with warnings: 1 is ambiguous"
    assert conclusion(report(verdict("note", is_warning=True))).startswith("green with warnings")
    assert conclusion(report()) == "green: nothing was judged"


def test_markdown() -> None:
    text = write_markdown(FOUR)
    assert text.startswith("## Gate of toy: red: 1 fails")
    assert "- 🔴 **fail** v1 latency (cpu): 20 % slower\n  <br>again: `cmd f`" in text
    assert "- 🟡 **ambiguous** v1 latency (cpu): noisy" in text
    assert "- 🟡 **warning**" in text
    assert "- Mind: mind this" in text
    assert text.count("\n| ") == 6


def test_markdown_of_hostile_names_is_text() -> None:
    each = verdict(cell=HOSTILE, reason=HOSTILE, rerun=f"cmd {HOSTILE}", measure=HOSTILE)
    text = write_markdown(report(each, suite=HOSTILE, base=HOSTILE, head=HOSTILE, cautions=(HOSTILE,)))
    text = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    outside = re.sub(r"(`+).*?\1", "", text)
    assert "<img" not in outside
    assert "\x1b" not in text
    assert "\x00" not in text
    assert re.search(r"(?<!\\)\]\(http", outside) is None
    (row,) = (line for line in text.splitlines() if line.startswith("| 🔴"))
    assert len(re.findall(r"(?<!\\)\|", row)) == 9
    text.encode("utf-8")


def test_markdown_stays_short() -> None:
    many = [verdict(cell=f"v{at}", reason="x" * 5000) for at in range(3000)]
    text = write_markdown(report(*many, cautions=tuple("y" * 5000 for _ in range(500))))
    assert len(text.encode()) < 500_000
    assert "- and 2950 more" in text
    assert "2800 more rows are left out" in text


def test_junit_is_well_formed_and_says_what_is_skipped() -> None:
    root = ElementTree.fromstring(write_junit(FOUR))
    (suite,) = root
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped")) == ("5", "1", "2")
    cases = suite.findall("testcase")
    assert [[child.tag for child in case] for case in cases] == [
        [],
        ["skipped"],
        ["system-out"],
        ["skipped"],
        ["failure"],
    ]
    assert cases[4].get("classname") == "toy.v1"
    assert cases[4].get("name") == "latency (cpu)"
    failure = cases[4].find("failure")
    assert failure is not None
    assert failure.get("message") == "v1 latency (cpu): 20 % slower"
    assert failure.text == "v1 latency (cpu): 20 % slower\nagain: cmd f"


def test_junit_of_hostile_names_is_well_formed() -> None:
    each = verdict(cell=HOSTILE, reason=HOSTILE, rerun=HOSTILE, measure=HOSTILE, setting=HOSTILE)
    text = write_junit(report(each, suite=HOSTILE, base=HOSTILE, head=HOSTILE, cautions=(HOSTILE,)))
    root = ElementTree.fromstring(text.encode("utf-8"))
    (case,) = root.iter("testcase")
    assert "<img src=x onerror=y>" in (case.get("name") or "")
    assert [child.tag for child in case] == ["failure"]


def test_annotations_are_escaped_and_ten_of_a_kind() -> None:
    assert write_annotations(FOUR) == (
        "::error title=gate toy%3A fail::v1 latency (cpu): 20 %25 slower%0Aagain: cmd f",
        "::warning title=gate toy%3A ambiguous::v1 latency (cpu): noisy%0Aagain: cmd a",
        "::warning title=gate toy%3A warning::v1 latency (cpu): slower%0Aagain: cmd w",
    )
    lines = write_annotations(report(*[verdict() for _ in range(30)]), file="a,b:c.yaml")
    assert len(lines) == 10
    assert lines[0].startswith("::error file=a%2Cb%3Ac.yaml,line=1,title=gate toy%3A fail::")
    assert lines[-1].endswith("::and 21 more")


@pytest.mark.parametrize("where", ["cell", "reason", "measure", "rerun"])
def test_annotations_of_hostile_names_are_one_line(where: str) -> None:
    (line,) = write_annotations(report(verdict(**{where: HOSTILE}), suite=HOSTILE), file=HOSTILE)
    assert len(line.splitlines()) == 1
    assert line.startswith("::error file=")
    head, _, _ = line.removeprefix("::error ").partition("::")
    assert [part.partition("=")[0] for part in head.split(",")] == ["file", "line", "title"]
