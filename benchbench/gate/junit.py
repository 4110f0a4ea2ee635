"""A gate's report as JUnit XML, which GitLab, Jenkins and others show as test results."""

from __future__ import annotations

import re
from collections import Counter
from xml.etree.ElementTree import Element, SubElement, tostring

from benchbench.core.gating import GateReport
from benchbench.gate.lines import measure_words, told_line

# What XML 1.0 has no place for, escaped or not.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write_junit(report: GateReport) -> str:
    """One test case per verdict: a failure, or skipped with the reason where it is ambiguous or warns.

    Notes and passes are passed tests; a note's reason is in its output.
    """
    counts = Counter(
        "skipped" if each.status == "ambiguous" or each.is_warning else each.status
        for each in report.verdicts
    )
    numbers = {
        "tests": str(len(report.verdicts)),
        "failures": str(counts["fail"]),
        "skipped": str(counts["skipped"]),
        "errors": "0",
    }
    root = Element("testsuites", numbers)
    suite = SubElement(root, "testsuite", {"name": _clean(f"benchbench gate {report.suite}"), **numbers})
    facts = SubElement(suite, "properties")
    for name, value in (("base", report.base), ("head", report.head)):
        SubElement(facts, "property", {"name": name, "value": _clean(value)})
    for each in report.verdicts:
        names = {
            "classname": _clean(".".join(part for part in (report.suite, each.cell) if part)),
            "name": _clean(measure_words(each)),
            "time": "0",
        }
        case = SubElement(suite, "testcase", names)
        reason = _clean(told_line(each))
        if each.status == "fail":
            failure = SubElement(case, "failure", {"message": reason, "type": "gate"})
            failure.text = _clean(
                f"{told_line(each)}\nagain: {each.rerun}" if each.rerun else told_line(each)
            )
        elif each.status == "ambiguous" or each.is_warning:
            SubElement(case, "skipped", {"message": reason})
        elif each.status == "note":
            SubElement(case, "system-out").text = reason
    if report.cautions:
        SubElement(suite, "system-out").text = _clean("\n".join(report.cautions))
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{tostring(root, encoding="unicode")}\n'


def _clean(text: str) -> str:
    return _FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", text)
