from __future__ import annotations

import pytest

from benchbench.report.text import (
    choose_scale,
    duration,
    exact,
    file_stem,
    keep_units,
    percent,
    signed_percent,
    span,
)


@pytest.mark.parametrize(
    ("change", "text"),
    [(0.0312, "+3.1 %"), (-0.876, "−87.6 %"), (0.0, "0.0 %"), (-0.00014, "−0.014 %"), (1.5, "+150.0 %")],
)
def test_signed_percent(change, text):
    assert signed_percent(change) == text


def test_percent_and_span():
    assert percent(0.876) == "87.6 %"
    assert span((1.3812, 1.4281)) == "[1.38, 1.43]"
    assert span((0.0702, 0.0723), factor=1e-3) == "[70.2, 72.3]"


@pytest.mark.parametrize(
    ("values", "unit", "expected"),
    [
        ([0.07, None], "s", (1e-3, "ms")),
        ([1.2, 0.01], "s", (1.0, "s")),
        ([1.0e10], "MAC", (1e9, "GMAC")),
        ([], "MAC", (1.0, "MAC")),
        ([3.0], "1", (1.0, "")),
    ],
)
def test_choose_scale(values, unit, expected):
    assert choose_scale(values, unit) == expected


@pytest.mark.parametrize(
    ("names", "stem"),
    [
        (("latency", "against", "perceptual_loss"), "latency-against-perceptual-loss"),
        (("../../etc", '"><script>'), "etc-script"),
        (("µ",), "unnamed"),
    ],
)
def test_file_stem(names, stem):
    assert file_stem(*names) == stem


def test_exact_keeps_every_digit_of_a_count():
    assert exact(10078912512.0, "MAC") == "10,078,912,512"
    assert exact(0.0713, "s") == "71.30 ms"
    assert exact(1.2345678, "1") == "1.235"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("129 GMAC/s of 87.6 %, 3 h 12 min", "129~GMAC/s of 87.6~%, 3~h 12~min"),
        ("10.4 GB/s, 1.2 MiB, 5 ms, 3 µs, 2 MACs, 4 mJ", "10.4~GB/s, 1.2~MiB, 5~ms, 3~µs, 2~MACs, 4~mJ"),
        ("2 threads, 4 Bs, 3 seeds, v1 s", "2 threads, 4 Bs, 3 seeds, v1~s"),
    ],
)
def test_a_unit_is_not_left_alone(text, kept):
    assert keep_units(text) == kept.replace("~", "\u00a0")


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (7.31, "7.31 s"), (125, "2 min 5 s"), (11520, "3 h 12 min")]
)
def test_duration(seconds, text):
    assert duration(seconds) == text
