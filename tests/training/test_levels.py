"""Steps and time to a level of a score: a made-up score, and a clock that only steps and scores move."""

from __future__ import annotations

import hashlib
import io
import json
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from toys import IMAGES, RECIPE, Options, Task, interrupted, interrupted_at, net

from benchbench.core.errors import CheckpointError, OptionError
from benchbench.core.measurement import Measurement, Protocol
from benchbench.core.model import parse_options
from benchbench.training import session
from benchbench.training.levels import find_score
from benchbench.training.loop import train

STEP_S, SCORE_S = 2.0, 1000.0


def figure(name, value, direction="lower"):
    protocol = Protocol(name="quality", settings={"metric": name})
    return Measurement(name=name, unit="1", direction=direction, value=value, protocol=protocol)


@pytest.fixture
def clock(monkeypatch):
    """Seconds as the session sees them; a step takes two, and the first one of a process fifty more."""
    now = SimpleNamespace(s=0.0, first=True)
    original = Task.losses

    def losses(self, batch, step):
        now.s += STEP_S + (50.0 if now.first else 0.0)
        now.first = False
        return original(self, batch, step)

    monkeypatch.setattr(Task, "losses", losses)
    monkeypatch.setattr(session, "time", SimpleNamespace(perf_counter=lambda: now.s))
    return now


def learn(folder, clock, values, *, seed=3, **given):
    """Scores every three of twelve steps; `values` are by step: an FD, or several figures."""
    clock.first = True
    options = parse_options(
        "recipe", "test", Options, {"steps": 12, "device": "cpu", "score_every": 3, "batch": 2, **given}
    )
    taken = []

    def score(network, step):
        clock.s += SCORE_S
        taken.append(step)
        found = values[step]
        return found if isinstance(found, list) else [figure("fd[x]", found)]

    outcome = train(
        net(), recipe=RECIPE, options=options, images=IMAGES, seed=seed, folder=folder, name="a", score=score,
        say=lambda line: None,
    )  # fmt: skip
    return outcome, taken


def found(outcome, name):
    return {each.setting: each for each in outcome.measurements if each.name == name}


FALLING = {0: 90.0, 3: 50.0, 6: 30.0, 9: 40.0, 12: 20.0}


def test_the_first_scored_step_at_which_a_level_is_met(tmp_path, clock):
    outcome, _ = learn(tmp_path, clock, FALLING, levels={"fd[x]": [30, 45]})
    steps, times = found(outcome, "steps_to_level"), found(outcome, "time_to_level")
    assert {setting: each.value for setting, each in steps.items()} == {"fd[x] <= 30": 6, "fd[x] <= 45": 6}
    each = steps["fd[x] <= 30"]
    assert (each.unit, each.direction) == ("1", "lower")
    assert each.flags == ("scores are taken every 3 steps: it may have been met up to 2 steps earlier",)
    assert outcome.failures == ()
    # Neither scores nor the warm-up of the first step, which counts as one of the others.
    assert times["fd[x] <= 30"].value == 6 * STEP_S
    assert times["fd[x] <= 30"].unit == "s"
    assert any("of 5 timed steps" in flag for flag in times["fd[x] <= 30"].flags)
    whole = next(each for each in outcome.measurements if each.name == "training_10k_steps")
    assert whole.value * 6 / 1e4 == times["fd[x] <= 30"].value


def test_what_the_score_is_is_part_of_the_protocol(tmp_path, clock):
    outcome, _ = learn(tmp_path, clock, FALLING, levels={"fd[x]": 30}, log_every=5)
    settings = found(outcome, "steps_to_level")["fd[x] <= 30"].protocol.settings
    assert settings["score_every"] == 3
    assert settings["score_protocol"] == figure("fd[x]", 0.0).protocol.hash
    whole = next(each for each in outcome.measurements if each.name == "training_time")
    assert "score_every" not in whole.protocol.settings


@pytest.mark.parametrize(("step", "again"), [(4, [6, 9, 12]), (8, [9, 12]), (6, [9, 12])])
def test_it_is_the_same_after_an_interruption(tmp_path, clock, step, again):
    whole, _ = learn(tmp_path / "whole", clock, FALLING, levels={"fd[x]": [30, 5]})
    with interrupted_at(step, Task):
        learn(tmp_path / "cut", clock, FALLING, levels={"fd[x]": [30, 5]})
    resumed, taken = learn(tmp_path / "cut", clock, FALLING, levels={"fd[x]": [30, 5]})
    assert taken == again
    for name in ("steps_to_level", "time_to_level"):
        assert found(resumed, name)["fd[x] <= 30"].value == found(whole, name)["fd[x] <= 30"].value
    assert resumed.failures == whole.failures
    assert len(whole.failures) == 1
    # Begun again when all is done, it scores nothing, and knows what it knew.
    finished, taken = learn(tmp_path / "cut", clock, FALLING, levels={"fd[x]": [30, 5]})
    assert taken == []
    assert found(finished, "time_to_level") == found(resumed, "time_to_level")
    assert finished.failures == whole.failures


def test_a_level_that_is_never_met_is_no_figure_and_says_how_near_it_came(tmp_path, clock):
    values = {**FALLING, 9: 12.3456, 12: float("nan")}
    outcome, _ = learn(tmp_path, clock, values, levels={"fd[x]": [30, 5]}, seed=1)
    assert set(found(outcome, "steps_to_level")) == {"fd[x] <= 30"}
    (failure,) = outcome.failures
    assert (failure.of, failure.kind) == ("level: fd[x] <= 5", "skipped")
    assert failure.reason == "not met in 12 steps of seed 1: the best was 12.35, at step 9"


def test_no_number_is_neither_the_best_nor_a_level_met(tmp_path, clock):
    nothing = dict.fromkeys(FALLING, float("nan"))
    outcome, _ = learn(tmp_path / "a", clock, nothing, levels={"fd[x]": 5})
    assert outcome.failures[0].reason.endswith("no score was a number")
    learn(tmp_path / "b", clock, {**FALLING, 0: float("nan")}, keep_best="fd[x]", steps=6)
    last, best = (load_file(tmp_path / f"b/checkpoints/{name}.safetensors") for name in ("a", "a.best"))
    assert all(torch.equal(value, best[name]) for name, value in last.items())


def test_a_score_that_is_better_when_higher(tmp_path, clock):
    values = {step: [figure("psnr", value, "higher")] for step, value in FALLING.items()}
    rising = {0: values[12], 3: values[6], 6: values[3], 9: values[9], 12: values[12]}
    outcome, _ = learn(tmp_path, clock, rising, levels={"psnr": [50, 70]})
    assert {key: each.value for key, each in found(outcome, "steps_to_level").items()} == {"psnr >= 50": 6}
    assert outcome.failures[0].of == "level: psnr >= 70"
    assert outcome.failures[0].reason.endswith("the best was 50, at step 6")


def test_an_untrained_network_may_meet_it(tmp_path, clock):
    outcome, _ = learn(tmp_path, clock, FALLING, levels={"fd[x]": 100})
    for name in ("steps_to_level", "time_to_level"):
        each = found(outcome, name)["fd[x] <= 100"]
        assert each.value == 0
        assert each.flags == ("met by the untrained network",)


def test_a_level_met_before_any_step_was_timed_has_no_time(tmp_path, clock):
    values = {step: 90.0 - step for step in range(13)}
    outcome, _ = learn(tmp_path, clock, values, levels={"fd[x]": 89}, score_every=1)
    each = found(outcome, "steps_to_level")["fd[x] <= 89"]
    assert (each.value, each.flags) == (1, ())
    assert found(outcome, "time_to_level") == {}
    (failure,) = outcome.failures
    assert failure.of == "time_to_level: fd[x] <= 89"
    assert "met at step 1" in failure.reason


def test_names_are_those_of_scores(tmp_path, clock):
    with pytest.raises(OptionError, match=r"levels: fd\[y\] is no score of this training") as caught:
        learn(tmp_path, clock, FALLING, levels={"fd[y]": 1})
    assert caught.value.expected == "one of fd[x]; nearest 'fd[x]'"
    with pytest.raises(OptionError, match="levels: nothing takes scores"):
        train(
            net(), recipe=RECIPE, options=Options(score_every=1, levels={"fd[x]": (1.0,)}), images=IMAGES,
            seed=0, folder=tmp_path, name="a",
        )  # fmt: skip


def test_a_short_name_that_is_one_scores(tmp_path, clock):
    outcome, _ = learn(tmp_path, clock, FALLING, levels={"fd": 30}, keep_best="fd")
    assert set(found(outcome, "steps_to_level")) == {"fd[x] <= 30"}
    two = [figure("fd[x]", 1.0), figure("fd[y]", 2.0), figure("fd", 3.0), figure("kd[x]", 4.0)]
    assert find_score("levels", "fd", two).value == 3.0
    assert find_score("levels", "kd", two).value == 4.0
    with pytest.raises(OptionError, match=r"keep_best: fd is 2 scores of this training") as caught:
        find_score("keep_best", "fd", two[:2])
    assert caught.value.expected == "one of fd[x], fd[y]"
    with pytest.raises(OptionError, match="levels: k is no score"):
        find_score("levels", "k", two)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"levels": {"fd": 3}}, "'levels' needs 'score_every'"),
        ({"levels": {"fd": "3"}, "score_every": 2}, "levels.fd"),
        ({"levels": {"fd": []}, "score_every": 2}, "levels.fd"),
        ({"levels": 3, "score_every": 2}, "levels"),
    ],
)
def test_what_is_no_level_is_told_at_parsing(given, told):
    with pytest.raises(OptionError, match=told):
        parse_options("recipe", "test", Options, given)


def test_states_from_before_there_were_levels(tmp_path, clock):
    interrupted(tmp_path, 6, score_every=3, batch=2, checkpoint_every=2)
    path = tmp_path / "checkpoints" / "a.state.pt"
    _rewrite_without_levels(path)
    with pytest.raises(CheckpointError, match=r'levels was null, is \{"fd\[x\]": \[30.0\]\}'):
        learn(tmp_path, clock, FALLING, levels={"fd[x]": 30}, checkpoint_every=2)
    outcome, _ = learn(tmp_path, clock, FALLING, checkpoint_every=2)
    assert outcome.final_step == 12
    assert found(outcome, "steps_to_level") == {}


def _rewrite_without_levels(path):
    head, _, body = path.read_bytes().partition(b"\n")
    content = torch.load(io.BytesIO(body), weights_only=True)
    del content["levels"]
    about = json.loads(content["about"])
    del about["levels"]
    content["about"] = json.dumps(about)
    whole = io.BytesIO()
    torch.save(content, whole)
    digest = hashlib.sha256(whole.getbuffer()).hexdigest().encode()
    path.write_bytes(head[:-64] + digest + b"\n" + whole.getbuffer())
