from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchbench.core.cell import Cell
from benchbench.core.errors import BenchbenchError, OptionError, SuiteError, UnknownNameError
from benchbench.core.expand import expand
from benchbench.core.model import JsonValue
from benchbench.core.suite import Suite

pytestmark = pytest.mark.usefixtures("toy_registries")

RAW: dict[str, JsonValue] = {
    "name": "toy",
    "architecture": "toy_net",
    "variants": {
        "baseline": {},
        "v1": {"replace": {"stages": "residual", "with": "separable"}},
        "v2": {"replace": {"stages": ["encoder", "residual"], "with": "separable"}},
    },
    "data": {"source": "photos", "size": 64},
    "train": {"recipe": "perceptual", "steps": 20},
    "measure": ["parameters"],
}


def suite(**changes: JsonValue) -> Suite:
    return Suite.model_validate({**RAW, **changes})


def labels(cells: tuple[Cell, ...]) -> list[str]:
    return [cell.label for cell in cells]


def test_without_a_matrix_a_cell_is_a_variant() -> None:
    cells = expand(suite())
    assert labels(cells) == ["baseline", "v1", "v2"]
    assert {cell.group for cell in cells} == {""}
    assert {cell.seed for cell in cells} == {0}
    assert cells[1].replace[0].stages == ("residual",)


def test_settings_are_outermost_so_that_groups_are_adjacent() -> None:
    cells = expand(suite(matrix={"seed": [0, 1], "train.steps": [5, 10]}))
    groups = [cell.group for cell in cells]
    assert groups == sorted(groups, key=groups.index)
    assert len(cells) == 12
    assert labels(cells)[:4] == [
        "baseline seed=0 train.steps=5",
        "v1 seed=0 train.steps=5",
        "v2 seed=0 train.steps=5",
        "baseline seed=0 train.steps=10",
    ]
    assert list(dict.fromkeys(groups)) == [
        f"seed={seed}, train.steps={steps}" for seed in (0, 1) for steps in (5, 10)
    ]
    assert len({cell.id for cell in cells}) == 12


FIELDS: list[tuple[str, JsonValue, Callable[[Cell], object]]] = [
    ("architecture.width", 16, lambda cell: cell.architecture.options["width"]),
    ("data.size", 32, lambda cell: cell.data.options["size"] if cell.data else None),
    ("train.steps", 7, lambda cell: cell.train.options["steps"] if cell.train else None),
    ("train.optimizer.lr", 0.5, lambda cell: cell.train.options["optimizer"] if cell.train else None),
    ("seed", 3, lambda cell: cell.seed),
]


@pytest.mark.parametrize(("key", "value", "read"), FIELDS, ids=[key for key, _, _ in FIELDS])
def test_any_field_may_be_swept(key: str, value: JsonValue, read: Callable[[Cell], object]) -> None:
    cells = expand(suite(matrix={key: [value]}))
    assert [read(cell) for cell in cells] == [{"lr": 0.5} if key.endswith("lr") else value] * 3


def test_a_variant_that_lacks_a_swept_field_is_there_once() -> None:
    cells = expand(suite(matrix={"variant.replace.with.norm": ["none", "instance"]}))
    assert labels(cells) == [
        "baseline",
        "v1 variant.replace.with.norm=none",
        "v1 variant.replace.with.norm=instance",
        "v2 variant.replace.with.norm=none",
        "v2 variant.replace.with.norm=instance",
    ]
    assert {cell.group for cell in cells} == {""}
    assert cells[2].replace[0].replacement.options == {"norm": "instance"}


def test_a_subset_of_the_variants() -> None:
    assert labels(expand(suite(matrix={"variant": ["v2", "baseline"]}))) == ["v2", "baseline"]


def test_a_variants_architecture_is_merged() -> None:
    wide = {"wide": {"architecture": {"width": 32}}, "baseline": {}}
    cells = expand(suite(variants=wide, architecture={"name": "toy_net", "width": 4}))
    assert [cell.architecture.options["width"] for cell in cells] == [32, 4]


def test_arguments_of_an_import_are_merged() -> None:
    architecture = {"import": "a:b", "kwargs": {"n": 1, "m": 2}, "input": [1, 3, 8, 8]}
    variants = {"baseline": {}, "n2": {"architecture": {"kwargs": {"n": 2}}}}
    cells = expand(suite(architecture=architecture, variants=variants))
    assert cells[1].architecture.kwargs == {"n": 2, "m": 2}
    assert cells[1].architecture.input == ((1, 3, 8, 8),)


@pytest.mark.parametrize("only", ["v1", "v*", "v1 seed=*", "*seed=1", "v1-*"])
def test_only_is_a_glob_over_variant_label_and_id(only: str) -> None:
    cells = expand(suite(matrix={"seed": [0, 1]}), only=only)
    assert cells
    assert len(cells) < 6


def test_only_takes_a_whole_id() -> None:
    wanted = expand(suite())[1]
    assert expand(suite(), only=wanted.id) == (wanted,)


def test_only_without_a_match_lists_the_cells() -> None:
    cells = expand(suite())
    with pytest.raises(UnknownNameError) as caught:
        expand(suite(), only="v3")
    listed = ", ".join(f"{cell.label} ({cell.id})" for cell in cells)
    assert str(caught.value) == (
        f"--only v3: no cell matches 'v3'\n  expected: a glob over variant, label, group or id of: {listed}\n"
        "  to do: did you mean 'v2'?"
    )


def test_an_error_names_the_key_where_there_is_no_file() -> None:
    with pytest.raises(OptionError, match=r"^suite 'toy': matrix.train.steps\[1\]: recipe"):
        expand(suite(matrix={"train.steps": [1, 0]}))


WRONG: list[tuple[JsonValue, type[BenchbenchError], str]] = [
    ({"sed": [1]}, UnknownNameError, "did you mean 'seed'"),
    ({"train": [1]}, UnknownNameError, "unknown matrix key 'train'"),
    ({"measure.latency.threads": [1]}, UnknownNameError, "unknown matrix key"),
    ({"seed": ["1"]}, OptionError, 'seed: got "1"'),
    ({"seed": [True]}, OptionError, "seed: got true"),
    ({"seed": [-1]}, OptionError, "0 or more"),
    ({"variant": ["v3"]}, UnknownNameError, "unknown variant 'v3'"),
    ({"variant.replac.with": ["x"]}, UnknownNameError, "did you mean 'replace'"),
    ({"variant.replace.wiht": ["x"]}, SuiteError, "unknown key 'wiht'"),
    ({"variant.replace.with.norm": ["batch"]}, OptionError, 'option norm: got "batch"'),
    ({"variant.replace.stages": [["tail"]]}, UnknownNameError, "unknown stage of toy_net 'tail'"),
    ({"variant.architecture.width": [1]}, SuiteError, "no variant has 'architecture'"),
    ({"architecture.widht": [1]}, OptionError, "did you mean 'width'"),
    ({"train.load": ["a.pt"]}, SuiteError, "give either 'recipe'"),
    ({"data.size": [8, 8]}, SuiteError, "'data.size=8' is swept twice"),
    ({"data.size": []}, SuiteError, "swept over no value"),
]


@pytest.mark.parametrize(("matrix", "kind", "message"), WRONG, ids=[str(each[0]) for each in WRONG])
def test_a_wrong_matrix(matrix: JsonValue, kind: type[BenchbenchError], message: str) -> None:
    with pytest.raises(kind) as caught:
        expand(suite(matrix=matrix))
    assert message in str(caught.value)
    assert caught.value.where is not None
    assert (caught.value.where.key or "").startswith("matrix.")


def test_a_sweep_of_what_the_suite_lacks() -> None:
    with pytest.raises(SuiteError, match=r"'train\.steps' is swept, but the suite has no 'train'"):
        expand(suite(train=None, matrix={"train.steps": [1]}))


def test_two_variants_that_say_the_same() -> None:
    with pytest.raises(SuiteError) as caught:
        expand(suite(variants={"a": {}, "b": {"title": "the same"}}))
    first, second = (expand(suite(variants={name: {}}))[0].id for name in "ab")
    assert f"'a' ({first}) and 'b' ({second})" in str(caught.value)


PINNED = "v1-9e4524c310"


def test_ids_are_pinned() -> None:
    # A change here orphans every stored result: raise the schema version if it must be.
    assert expand(suite())[1].id == PINNED
    content = (
        '{"architecture":{"name":"toy_net"},"data":{"size":64,"source":"photos"},'
        '"replace":[{"stages":["residual"],"with":{"name":"separable"}}],'
        '"seed":0,"train":{"recipe":"perceptual","steps":20}}'
    )
    assert hashlib.sha256(content.encode()).hexdigest()[:10] == PINNED.removeprefix("v1-")


def test_ids_do_not_depend_on_key_order_or_spelling() -> None:
    replace: JsonValue = [{"with": {"name": "separable"}, "layers": ["*"], "stages": ["residual"]}]
    turned = suite(
        train={"steps": 20, "recipe": "perceptual"},
        data={"size": 64, "source": "photos"},
        architecture={"name": "toy_net"},
        variants={"v1": {"note": "n", "replace": replace, "title": "t"}},
        title="another title",
    )
    assert expand(turned)[0].id == PINNED


def test_ids_do_not_depend_on_the_process() -> None:
    cell = expand(suite())[1]
    code = (
        "import sys; from benchbench.core.cell import Cell; print(Cell.model_validate_json(sys.argv[1]).id)"
    )
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code, cell.model_dump_json()],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONHASHSEED": seed},
            cwd=Path(__file__).parent,
        )
        assert done.stdout.strip() == PINNED


@pytest.mark.parametrize(
    "change",
    [
        {"architecture": {"name": "toy_net", "width": 8}},
        {"data": {"source": "photos", "size": 65}},
        {"train": {"recipe": "perceptual", "steps": 21}},
        {"train": {"load": "w.safetensors"}},
        {"matrix": {"seed": [1]}},
    ],
    ids=str,
)
def test_ids_depend_on_what_is_declared(change: dict[str, JsonValue]) -> None:
    assert expand(suite(**change))[1].id != PINNED


def test_a_stored_cell_keeps_its_id() -> None:
    cells = expand(suite(matrix={"variant.replace.with.norm": ["none"], "seed": [0, 4]}))
    for cell in cells:
        assert Cell.model_validate_json(cell.model_dump_json()) == cell
        assert Cell.model_validate_json(cell.model_dump_json(by_alias=True)).id == cell.id


def test_a_variant_may_have_data_and_training_of_its_own() -> None:
    suite = Suite.model_validate(
        {
            "name": "own",
            "architecture": "small",
            "variants": {
                "baseline": {},
                "longer": {"train": {"steps": 9}},
                "other": {"data": {"source": "photos", "size": 32}, "train": {"load": "x.pt"}},
            },
            "data": {"source": "photos", "size": 16},
            "train": {"recipe": "perceptual", "steps": 4},
            "measure": ["parameters"],
        }
    )
    plain, longer, other = expand(suite)
    assert plain.train is not None
    assert plain.train.options == {"steps": 4}
    assert longer.train is not None
    assert (longer.train.recipe, longer.train.options) == ("perceptual", {"steps": 9})
    assert longer.data == plain.data
    assert other.data is not None
    assert other.data.options == {"size": 32}
    assert other.train is not None
    assert (other.train.recipe, other.train.load) == (None, "x.pt")
