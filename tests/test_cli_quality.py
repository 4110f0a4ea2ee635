"""`benchbench quality` and `benchbench cache`: figures on one line each, and every mistake in words."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchbench.cli import main

Shown = Callable[..., tuple[int, str, str]]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_pictures: Callable[..., Path]) -> Path:
    """A working directory with two folders of images and a module that makes some."""
    write_pictures(tmp_path / "real", 26, seed=1, sizes=(24, 20))
    write_pictures(tmp_path / "fake", 12, seed=2, noise=30, sizes=(24, 30))
    (tmp_path / "made_up.py").write_text(
        "import torch\n"
        "def noise(count, generator):\n"
        "    return torch.randint(0, 256, (count, 3, 20, 20), generator=generator).to(torch.uint8)\n"
        "def wrong(count, generator):\n"
        "    return torch.zeros(count, 20)\n"
        "def fails(count, generator):\n"
        "    raise ZeroDivisionError('by nothing')\n"
        "class Means(torch.nn.Module):\n"
        "    def forward(self, images):\n"
        "        return torch.cat([images.mean(dim=(2, 3)), images.std(dim=(2, 3))], dim=1)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BENCHBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("BENCHBENCH_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path


@pytest.fixture
def shown(capsys: pytest.CaptureFixture[str]) -> Shown:
    """Arguments -> (exit code, standard output, standard error)."""

    def run(*arguments: str) -> tuple[int, str, str]:
        code = main(list(arguments))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


SMALL = ("--features", "{name: 'made_up:Means', side: 24}", "--set", "resamples=20")


def quality(*more: str, reference: str = "real", generated: str = "fake") -> tuple[str, ...]:
    return ("quality", reference, generated, *SMALL, *more)


def test_a_figure_is_one_line_with_interval_count_and_protocol(place: Path, shown: Shown) -> None:
    code, out, err = shown(*quality())
    assert code == 0
    line = out.splitlines()[0]
    assert re.fullmatch(
        r"fd\[made_up:Means\]  [\d.]+ \[[\d.e-]+, [\d.e+]+\]  "
        r"\(N = 12 against 26, made_up:Means [0-9a-f]{8}, "
        r"resize clean 24, exact, protocol [0-9a-f]{10}\)",
        line,
    )
    assert "    real against real: " in out
    assert "(N = 12 each)" in out
    assert "not comparable to the literature" in out
    assert re.search(r"reference [\d.]+ s \(26 images, [\d.]+ images/s\); generated ", err)


def test_the_second_time_features_are_found(place: Path, shown: Shown) -> None:
    _, first, _ = shown(*quality())
    _, second, err = shown(*quality())
    assert first == second
    assert err.count("features were cached") == 2


def test_json_is_all_of_it(place: Path, shown: Shown) -> None:
    code, out, _ = shown(*quality("--json"))
    told = json.loads(out)
    assert code == 0
    assert [each["name"] for each in told["figures"]] == ["fd[made_up:Means]", "kd[made_up:Means]"]
    figure = told["figures"][0]
    assert figure["interval"]["low"] <= figure["value"] <= figure["interval"]["high"]
    assert re.fullmatch(r"[0-9a-f]{10}", figure["protocol_hash"])
    assert figure["protocol"]["settings"]["generated_count"] == 12
    assert figure["yardstick"]["count"] == 12
    assert told["not_computed"] == []
    assert told["images_extracted"] == {"reference": 26, "generated": 12, "scores": 0}


def test_a_figure_is_compared_with_an_earlier_one_made_alike(place: Path, shown: Shown) -> None:
    _, out, _ = shown(*quality("--json"))
    (place / "before.json").write_text(out)
    code, out, _ = shown(*quality("--compare", "before.json"))
    assert code == 0
    assert re.search(r"fd\[made_up:Means\]: [\d.]+ before, [\d.]+ now \(\+0, no change\)", out)
    code, out, _ = shown(*quality("--compare", "before.json", "--metrics", "fd,precision"))
    assert code == 0
    assert "precision[made_up:Means]: not in the earlier file" in out
    # Other images of the same number under the same protocol: that is what is compared.
    for index in range(12):
        (place / "fake" / f"{index:04d}.png").write_bytes((place / "real" / f"{index:04d}.png").read_bytes())
    code, out, err = shown(*quality("--compare", "before.json", "--json"))
    assert code == 0
    assert json.loads(out)["figures"]
    assert re.search(r"fd\[made_up:Means\]: .* \(-[\d.e-]+, better\)", err)


def test_figures_made_differently_are_not_compared(place: Path, shown: Shown) -> None:
    _, out, _ = shown(*quality("--json"))
    (place / "before.json").write_text(out)
    code, out, err = shown(*quality("--compare", "before.json", "--images", "10"))
    assert code == 2
    # What was computed is told all the same.
    assert out.startswith("fd[made_up:Means]  ")
    assert "cannot be compared" in err
    assert "generated_count: 12 and 10" in err
    (place / "real" / "0000.png").unlink()
    code, _, err = shown(*quality("--compare", "before.json"))
    assert code == 2
    assert "reference_count: 26 and 25" in err
    assert "reference_digest" in err


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"figures": [{}]}', '{"figures": 3}', "null"])
def test_an_earlier_file_that_is_none(place: Path, shown: Shown, content: str) -> None:
    (place / "before.json").write_text(content)
    code, out, err = shown(*quality("--compare", "before.json"))
    assert (code, out) == (2, "")
    assert "--compare before.json" in err
    assert "what `benchbench quality --json` printed" in err


def test_a_callable_and_an_npz(place: Path, shown: Shown) -> None:
    np.savez(place / "fake.npz", np.random.default_rng(0).integers(0, 256, (9, 20, 20, 3), dtype=np.uint8))
    code, out, _ = shown(*quality(generated="fake.npz"))
    assert code == 0
    assert "(N = 9 against 26" in out
    code, out, _ = shown(*quality("--images", "11", "--seed", "3", generated="made_up:noise"))
    assert code == 0
    assert "(N = 11 against 26" in out


def test_what_cannot_be_computed_is_told_beside_what_can(place: Path, shown: Shown) -> None:
    code, out, err = shown(*quality("--metrics", "clean_fid,fd"))
    assert code == 1
    assert out.startswith("fd[made_up:Means]")
    assert "not computed: clean_fid: no weights of FID's Inception-v3" in err
    assert str(place / "weights") in err
    assert "f58cb9b6" in err
    code, out, _ = shown(*quality("--metrics", "clean_fid,fd", "--json"))
    assert code == 1
    assert [each["metric"] for each in json.loads(out)["not_computed"]] == ["clean_fid"]


def test_a_preset_by_name(place: Path, shown: Shown) -> None:
    code, _, err = shown(*quality("--protocol", "ssd", "--images", "12"))
    assert code == 2
    assert "is 20 x 23 pixels" in err or "pixels\n  expected: 64 x 64" in err


REAL = ("quality", "real", "fake", "--features")

MISTAKES: dict[str, tuple[tuple[str, ...], str]] = {
    "no reference": (quality(reference="nowhere"), "no such file or folder: nowhere"),
    "no generated": (quality(generated="nowhere"), "no such file or folder: nowhere"),
    "an empty folder": (quality(generated="empty"), "empty"),
    "a truncated file": (quality(generated="truncated"), "0000.png"),
    "one image": (quality(generated="single"), "1 image\n  expected: at least 2"),
    "a text": (quality(generated="made_up.py"), "not known as a file of many images"),
    "a zip that is none": (quality(generated="wrong.zip"), "wrong.zip"),
    "an npz that is none": (quality(generated="wrong.npz"), "wrong.npz"),
    "an unknown metric": (quality("--metrics", "clean-fdi"), "clean_fid"),
    "no metric": (quality("--metrics", ""), "metrics"),
    "an unknown extractor": ((*REAL, "rand_cnov"), "did you mean 'rand_conv'"),
    "features that are no YAML": ((*REAL, "{name: ["), "plain YAML"),
    "features without a name": ((*REAL, "{dimensions: 64}"), "name"),
    "an option of none": ((*REAL, "{name: rand_conv, dims: 64}"), "dimensions"),
    "a module that is none": ((*REAL, "nothing:here"), "no module 'nothing'"),
    "too few for the default": (REAL[:3], "12 images, and rand-conv-512 has 512 dimensions"),
    "a callable without a count": (quality(generated="made_up:noise"), "say --images"),
    "a callable that fails": (quality("--images", "4", generated="made_up:fails"), "by nothing"),
    "a callable of no images": (quality("--images", "4", generated="made_up:wrong"), "images"),
    "an unknown callable": (quality("--images", "4", generated="made_up:nosie"), "did you mean 'noise'"),
    "no module": (quality("--images", "4", generated="made_down:noise"), "no module 'made_down'"),
    "no reference where one is needed": (quality(reference="none"), "compares with a reference"),
    "an extractor of the wrong size": (
        (*REAL, "{name: 'made_up:Means', side: 24, resize: none}"),
        "the extractor takes 24 x 24",
    ),
}  # fmt: skip
# What is wrong in the options themselves.
WRONG_OPTIONS = {
    "--images 13": "13 images asked for, 12 are there",
    "--images 9 --metrics l1": "pairs need every image",
    "--images 1": "images",
    "--seed -1": "seed",
    "--set gibberish": "key=value",
    "--set bacth=4": "batch",
    "--set a..b=4": "is no path",
    "--set batch=many": "batch",
    "--images 9 --set images.x=4": "images",
    "--protocol fastgen": "fastgan",
    "--device gpu": "unknown device 'gpu'",
    "--compare no.json": "--compare no.json",
    "--metrics fid": "no weights of",
}
MISTAKES |= {options: (quality(*options.split()), told) for options, told in WRONG_OPTIONS.items()}


@pytest.mark.parametrize(("arguments", "told"), MISTAKES.values(), ids=MISTAKES)
def test_every_mistake_is_told_in_words(
    place: Path, shown: Shown, arguments: tuple[str, ...], told: str
) -> None:
    (place / "empty").mkdir()
    (place / "single").mkdir()
    (place / "single" / "a.png").write_bytes((place / "real" / "0000.png").read_bytes())
    (place / "truncated").mkdir()
    for name in ("0000.png", "0001.png"):
        whole = (place / "real" / name).read_bytes()
        (place / "truncated" / name).write_bytes(whole[: len(whole) // 2] if name == "0000.png" else whole)
    for name in ("wrong.zip", "wrong.npz"):
        (place / name).write_text("nothing of that kind")
    code, out, err = shown(*arguments)
    assert (code, out) == (2, ""), err
    assert told in err
    assert "Traceback" not in err
    assert "unexpected" not in err
    assert err.count("error: ") == 1


def test_two_arguments_are_needed(place: Path, shown: Shown) -> None:
    code, out, err = shown("quality", "real")
    assert (code, out) == (2, "")
    assert "GENERATED" in err


# `benchbench cache`.


def test_the_cache_is_listed_and_pruned(place: Path, shown: Shown) -> None:
    assert shown("cache") == (0, f"0 entries, 0 B kept in {place / 'cache'}\n", "")
    shown(*quality())
    code, out, _ = shown("cache", "list")
    assert code == 0
    assert out.count("made_up:Means") == 2
    assert out.splitlines()[-1].startswith("2 entries, ")
    assert out.splitlines()[-1].endswith(f"kept in {place / 'cache'}")
    told = json.loads(shown("cache", "--json")[1])
    assert [each["count"] for each in told["entries"]] in ([12, 26], [26, 12])
    assert told["bytes"] == sum(each["bytes"] for each in told["entries"])
    old = Path(told["entries"][0]["path"]) / "meta.json"
    os.utime(old, (time.time() - 3 * 86400,) * 2)
    assert shown("cache", "prune", "--unused-days", "4")[1].startswith("0 entries")
    code, out, _ = shown("cache", "prune", "--unused-days", "2")
    assert (code, out.splitlines()[-1].split(",")[0]) == (0, "1 entry")
    assert "removed in" in out
    assert "3.0 days ago" in out
    assert not old.exists()
    told = json.loads(shown("cache", "prune", "--json")[1])
    assert (told["action"], len(told["entries"])) == ("prune", 1)
    assert json.loads(shown("cache", "--json")[1])["entries"] == []


def test_another_cache_by_name(place: Path, shown: Shown) -> None:
    shown(*quality("--cache", "elsewhere"))
    assert len(json.loads(shown("cache", "--cache", "elsewhere", "--json")[1])["entries"]) == 2
    assert json.loads(shown("cache", "--json")[1])["entries"] == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("cache", "empty"), "list or prune"),
        (("cache", "--unused-days", "3"), "with `prune`"),
        (("cache", "prune", "--unused-days", "-1"), "0 or more"),
        (("cache", "prune", "--unused-days", "nan"), "0 or more"),
    ],
)
def test_mistakes_of_the_cache(place: Path, shown: Shown, arguments: tuple[str, ...], told: str) -> None:
    code, out, err = shown(*arguments)
    assert (code, out) == (2, "")
    assert told in err


def test_the_json_reads_back(place: Path, shown: Shown) -> None:
    from benchbench.core.measurement import Measurement

    figures: list[dict[str, Any]] = json.loads(shown(*quality("--json"))[1])["figures"]
    for each in figures:
        digest = each.pop("protocol_hash")
        assert Measurement.model_validate_json(json.dumps(each)).protocol.hash == digest


def test_a_cache_that_cannot_be_written_costs_time_and_no_figure(place: Path, shown: Shown) -> None:
    _, wanted, _ = shown(*quality())
    code, out, err = shown(*quality("--cache", "made_up.py"))
    assert (code, out) == (0, wanted)
    assert "cannot write made_up.py/features: Not a directory; features are kept for this time alone" in err
    code, _, err = shown("cache", "--cache", "made_up.py")
    assert code == 2
    assert "made_up.py is a file" in err


def test_json_holds_the_comparison(place: Path, shown: Shown) -> None:
    _, out, _ = shown(*quality("--json"))
    (place / "before.json").write_text(out)
    code, out, _ = shown(*quality("--json", "--compare", "before.json", "--metrics", "fd,precision"))
    assert code == 0
    first, second = json.loads(out)["compared"]
    assert (first["name"], first["verdict"]) == ("fd[made_up:Means]", "no change")
    assert first["before"] == first["now"] > 0
    assert (second["verdict"], second["now"]) == ("not in the earlier file", None)
    code, out, _ = shown(*quality("--json", "--compare", "before.json", "--images", "10"))
    assert code == 2
    assert "generated_count: 12 and 10" in json.loads(out)["compared"][0]["reason"]


def test_a_run_without_a_variant_is_no_folder_of_images(place: Path, shown: Shown) -> None:
    (place / "fake" / "run.json").write_text("{}")
    code, _, err = shown(*quality())
    assert code == 2
    assert "fake is a run" in err
    assert "fake:VARIANT" in err


def test_a_wrong_extractor_is_told_before_anything_is_read(place: Path, shown: Shown) -> None:
    code, _, err = shown("quality", "nowhere", "fake", "--features", "{name: rand_conv, dimensions: 32}")
    assert code == 2
    assert "dimensions" in err
    assert "nowhere" not in err
