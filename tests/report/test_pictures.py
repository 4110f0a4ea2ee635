"""The heading over pictures says what they are of."""

from __future__ import annotations

import pytest

from benchbench.core.measurement import ImageRecord
from benchbench.report.document import Gallery
from benchbench.report.sections import compose
from benchbench.report.views.report import view_report

LATENTS = (("grid", 0, 10, "16 samples"), ("grid", 0, 90, "16 samples"), ("walk", 0, None, "a walk"))
PAIRED = (("input", 0, None, "0007.png"), ("target", 0, None, "0007.png"), ("output", 0, 90, "0007.png"))
DOMAINS = (("grid", 0, 10, "input, cat, coins"), ("grid", 0, 90, "input, cat, coins"))
FOUND = (("reference", 1, None, "a.png"), ("output", 1, None, "a.png, back-tracked by lpips"))
STEPS = " at the early and the final step"


def captions(factory, *of_lines):
    results = []
    for variant, images in zip(("baseline", "v1"), of_lines, strict=False):
        records = tuple(
            ImageRecord(path=f"{at}.png", role=role, index=index, step=step, caption=caption)
            for at, (role, index, step, caption) in enumerate(images)
        )
        result = factory.without_drawings(factory.make_result(variant))
        results.append(result.model_copy(update={"images": records}))
    document = compose(view_report([factory.make_table(results=results)]))
    blocks = next(each for each in document.sections if each.id == "pictures").blocks
    return [block.caption for block in blocks if isinstance(block, Gallery)]


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (LATENTS, [f"Samples of fixed latents: every variant{STEPS}"]),
        ((("mixing", 0, None, "styles"),), ["Samples of fixed latents: every variant"]),
        (PAIRED, ["Test image 1 (0007.png): every variant"]),
        ((("output", 1, 10, ""), ("output", 1, 90, "")), [f"Test image 2: every variant{STEPS}"]),
        (DOMAINS, [f"Test images (input, cat, coins): every variant{STEPS}"]),
        (
            (*LATENTS, *FOUND),
            [
                f"Samples of fixed latents: every variant{STEPS}",
                "Test image 1 (a.png), back-tracked: every variant",
            ],
        ),
        (
            (("style", 0, None, "rocket"), ("content", 0, None, "cat"), ("output", 0, 90, "cat")),
            ["Content image 0 (cat): every variant"],
        ),
    ],
)
def test_what_the_pictures_are_of(factory, images, expected):
    assert captions(factory, images) == expected
    assert captions(factory, images, images) == expected


def test_lines_of_different_kinds_under_one_index(factory):
    assert captions(factory, LATENTS, PAIRED) == [f"Pictures 0: every variant{STEPS}"]
    # A line that failed to keep what was given shows the same test image all the same.
    assert captions(factory, PAIRED, PAIRED[2:]) == ["Test image 1 (0007.png): every variant"]
