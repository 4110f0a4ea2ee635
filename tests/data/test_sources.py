from __future__ import annotations

import pytest

from benchbench.core.registry import SOURCES

OURS = [entry for entry in SOURCES.entries() if entry.package == "benchbench"]


@pytest.mark.parametrize("entry", OURS, ids=lambda entry: entry.name)
def test_the_line_that_list_shows_ends_in_the_fields(entry):
    # `list` reads it from the text of the module: importing every source would import torch.
    assert entry.summary.endswith(f"({', '.join(SOURCES.load(entry.name).fields)}).")


def test_the_sources_of_this_package():
    assert {entry.name for entry in OURS} >= {
        "folder", "label_maps", "labelled", "paired", "unpaired",
        "photos", "photo_domains", "photo_pairs", "photo_segments", "photo_textures",
    }  # fmt: skip
