"""Groups of variants, discriminators, profiles without training, and files that list suites."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from benchbench.core.errors import BenchbenchError, SuiteError
from benchbench.core.expand import expand
from benchbench.core.suite_file import load_suite, load_suites

GROUPED = """\
name: toy
architecture: toy_net
discriminator: other_net
variants:
  horse: {group: horse2zebra}
  horse_light: {group: horse2zebra, replace: {with: separable}}
  gaugan: {group: gaugan, architecture: {name: other_net}, discriminator: {name: toy_net, width: 4}}
  gaugan_light:
    group: gaugan
    architecture: {width: 16}
    replace: {network: discriminator, stages: body, with: separable}
measure: [parameters]
"""


@pytest.fixture
def grouped(suite_path: Path) -> Path:
    suite_path.write_text(GROUPED)
    return suite_path


def test_each_group_has_its_own_baseline(grouped: Path) -> None:
    suite = load_suite(grouped)
    assert [suite.baseline_of(name) for name in suite.variants] == ["horse", "horse", "gaugan", "gaugan"]
    named = load_suite(grouped, overrides=["baseline=gaugan_light"])
    assert [named.baseline_of(name) for name in suite.variants] == ["horse", "horse"] + ["gaugan_light"] * 2
    assert [cell.group for cell in expand(suite)] == ["horse2zebra"] * 2 + ["gaugan"] * 2


def test_a_variant_changes_its_discriminator_or_takes_another(grouped: Path) -> None:
    horse, light, gaugan, gaugan_light = expand(load_suite(grouped))
    assert horse.discriminator is not None
    assert gaugan.discriminator is not None
    assert (horse.discriminator.name, gaugan.discriminator.name) == ("other_net", "toy_net")
    assert gaugan.discriminator.options == {"width": 4}
    assert gaugan_light.architecture.options == {"width": 16}
    assert light.replace[0].stages == ("*",)
    assert len({each.id for each in (horse, light, gaugan, gaugan_light)}) == 4


def test_a_cell_without_a_discriminator_has_the_id_that_it_had(suite_path: Path) -> None:
    before = expand(load_suite(suite_path))[0]
    suite_path.write_text(suite_path.read_text().replace("  baseline: {}", "  baseline: {group: one}"))
    assert expand(load_suite(suite_path))[0].id == before.id


@pytest.mark.parametrize(
    ("was", "now", "told"),
    [
        (
            "discriminator: other_net\n",
            "",
            "suite.yaml:10: variants.gaugan_light.replace.network: the suite declares no",
        ),
        ("stages: body", "stages: bodi", "unknown stage of other_net 'bodi'"),
        ("{name: toy_net, width: 4}", "{name: toy_net, widht: 4}", "unknown option 'widht'"),
        ("network: discriminator", "network: critic", "suite.yaml:11"),
        ("discriminator: other_net", "discriminator: othr_net", "unknown architecture 'othr_net'"),
    ],
    ids=["none declared", "stage", "option", "network", "name"],
)
def test_mistakes_about_a_discriminator_are_told(grouped: Path, was: str, now: str, told: str) -> None:
    grouped.write_text(GROUPED.replace(was, now, 1))
    with pytest.raises(BenchbenchError) as caught:
        load_suite(grouped)
    assert told in str(caught.value)


def test_what_is_static_needs_no_declaration(suite_path: Path) -> None:
    text = suite_path.read_text().replace("measure:", "matrix: {seed: [0, 1], train.steps: [5, 6]}\nmeasure:")
    suite_path.write_text(text)
    latency = load_suite(suite_path, profile="latency")
    assert latency.train is None
    assert latency.data is None
    assert latency.matrix == {}
    assert [spec.name for spec in latency.measure] == ["parameters", "latency"]
    static = load_suite(suite_path, profile="static")
    assert [spec.name for spec in static.measure] == ["parameters"]
    assert len(expand(static)) == 2


def test_a_suite_may_say_itself_what_static_means(suite_path: Path) -> None:
    suite_path.write_text(suite_path.read_text() + "profiles: {static: {train.steps: 3}}\n")
    static = load_suite(suite_path, profile="static")
    assert static.train is not None
    assert static.train.options == {"steps": 3}


class TestCollections:
    @pytest.fixture
    def listed(self, suite_path: Path) -> Path:
        Path("second.yaml").write_text(GROUPED.replace("name: toy\n", "name: second\n"))
        path = Path("all.yaml")
        path.write_text("name: all\ninclude: [suite.yaml, second.yaml]\n")
        return path

    def test_every_suite_comes_with_its_file(self, listed: Path) -> None:
        suites = load_suites(listed, profile="static")
        assert [(str(file), suite.name) for file, suite in suites] == [
            ("suite.yaml", "toy"),
            ("second.yaml", "second"),
        ]
        assert suites[0][1].train is None

    def test_one_suite_is_a_collection_of_one(self, suite_path: Path) -> None:
        assert [suite.name for _, suite in load_suites(suite_path)] == ["toy"]

    def test_it_is_no_suite(self, listed: Path) -> None:
        with pytest.raises(SuiteError, match=r"all.yaml:2.*this file lists several suites"):
            load_suite(listed)

    @pytest.mark.parametrize(
        ("text", "told"),
        [
            ("include: [suite.yaml, suite.yaml]", "'suite.yaml' is listed twice"),
            ("include: [sweet.yaml]", "there is no 'sweet.yaml'"),
            ("include: []", "all.yaml:2"),
            ("include: [suite.yaml]\nmeasure: [macs]", "unknown key 'measure'"),
            ("include: [all.yaml]", "this file lists several suites"),
        ],
    )
    def test_mistakes_are_told_with_their_line(self, listed: Path, text: str, told: str) -> None:
        listed.write_text(dedent(f"name: all\n{text}\n"))
        with pytest.raises(SuiteError) as caught:
            load_suites(listed)
        assert told in str(caught.value)
        assert "all.yaml:" in str(caught.value)


def test_a_misspelt_figure_of_the_paper_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "counts.yaml"
    path.write_text(
        "name: counts\narchitecture: transformer_net\nmeasure: [parameters]\n"
        "expect:\n  baseline: {paramters: 1679235}\n"
    )
    with pytest.raises(BenchbenchError) as caught:
        load_suite(path)
    assert "counts.yaml:5: expect.baseline.paramters: unknown measurement 'paramters'" in str(caught.value)
    assert "did you mean 'parameters'?" in str(caught.value)
