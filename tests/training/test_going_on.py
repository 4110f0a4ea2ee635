"""What a training leaves to be gone on from, and its scores on the way."""

from __future__ import annotations

import shutil

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from toys import IMAGES, RECIPE, Options, TwoPlayers, interrupted, net, run

from benchbench.core.errors import CheckpointError, DataError, OptionError, StoreError
from benchbench.core.measurement import Measurement, Protocol
from benchbench.core.model import parse_options
from benchbench.core.training import Recipe
from benchbench.data.images import write_png
from benchbench.training.loop import train


def same(one: nn.Module, other: nn.Module) -> bool:
    return all(
        torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize("damage", ["cut", "flipped", "missing"])
def test_a_damaged_state_is_told_and_the_one_before_it_taken(tmp_path, damage):
    whole = net()
    run(tmp_path / "whole", whole, checkpoint_every=2)
    interrupted(tmp_path / "cut", 6, checkpoint_every=2)
    state = tmp_path / "cut" / "checkpoints" / "a.state.pt"
    content = bytearray(state.read_bytes())
    if damage == "cut":
        state.write_bytes(content[:-100])
    elif damage == "flipped":
        content[len(content) // 2] ^= 1
        state.write_bytes(content)
    else:
        state.unlink()
    said: list[str] = []
    resumed = net()
    outcome = run(tmp_path / "cut", resumed, checkpoint_every=2, say=said.append)
    assert outcome.final_step == 12
    assert same(whole, resumed)
    if damage != "missing":
        assert any("going on from the checkpoint before it, of step 4" in line for line in said)


def test_two_damaged_states_are_an_error(tmp_path):
    interrupted(tmp_path, 6, checkpoint_every=2)
    for path in (tmp_path / "checkpoints").glob("a.state.pt*"):
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="damaged: its content is not what was written"):
        run(tmp_path, net(), checkpoint_every=2)


def test_a_disk_that_would_be_full_is_told_before_the_first_step(tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=100))
    with pytest.raises(StoreError, match="100 B free, and checkpoints of this training need"):
        run(tmp_path, net())
    assert not list(tmp_path.rglob("*.pt"))


def test_a_batch_larger_than_the_data(tmp_path):
    with pytest.raises(DataError, match="batch: 11, and there are 10 training images"):
        run(tmp_path, net(), batch=11)


def test_examples_without_what_the_recipe_needs(tmp_path):
    recipe = Recipe(options=Options, task=RECIPE.task, fields=("image", "input"))
    with pytest.raises(DataError, match="needs examples with image, input, and the data give image"):
        run(tmp_path, net(), recipe=recipe)


def judged(values):
    """Scores that fall and rise: a value per call, in order."""
    seen = []

    def score(network, step):
        assert not network.training
        assert not torch.is_grad_enabled()
        torch.rand(3)
        seen.append((step, [each.clone() for each in network.state_dict().values()]))
        value = values[len(seen) - 1]
        return [
            Measurement(
                name="fd[x]",
                unit="1",
                direction="lower",
                value=value,
                protocol=Protocol(name="quality"),
                provenance="test",
            )
        ]

    return score, seen


def scored(folder, module, score, **changed):
    options = parse_options(
        "recipe", "test", Options, {"steps": 12, "device": "cpu", "score_every": 4, "batch": 2, **changed}
    )
    return train(
        module, recipe=RECIPE, options=options, images=IMAGES, seed=3, folder=folder, name="a", score=score,
        say=lambda line: None,
    )  # fmt: skip


def test_scores_are_a_curve_and_change_nothing_that_is_learnt(tmp_path):
    score, seen = judged([9.0, 3.0, 1.0, 2.0])
    one, other = net(), net()
    outcome = scored(tmp_path / "scored", one, score)
    curve = next(each for each in outcome.curves if each.name == "score/fd[x]")
    assert curve.steps == (0, 4, 8, 12)
    assert curve.values == (9.0, 3.0, 1.0, 2.0)
    assert [step for step, _ in seen] == [0, 4, 8, 12]
    scored(tmp_path / "not", other, None)
    assert same(one, other)


def test_the_best_step_is_kept(tmp_path):
    score, seen = judged([9.0, 3.0, 1.0, 2.0])
    module = net()
    outcome = scored(tmp_path, module, score, keep_best="fd[x]")
    kept = load_file(outcome.checkpoint)
    assert all(torch.equal(a, b) for a, b in zip(module.state_dict().values(), seen[2][1], strict=True))
    assert all(torch.equal(kept[name], value) for name, value in module.state_dict().items())
    assert outcome.measurements[0].flags == (
        "the weights kept are those of step 8, the best of 4 scores by fd[x]",
    )


def test_that_the_untrained_network_was_the_best_is_said(tmp_path):
    score, _ = judged([1.0, 3.0, 3.0, 2.0])
    outcome = scored(tmp_path, net(), score, keep_best="fd")
    assert outcome.measurements[0].name == "training_time"
    assert outcome.measurements[0].flags == (
        "the weights kept are the untrained network's, the best of 4 scores by fd",
    )


def test_the_last_pictures_are_of_the_best_step(tmp_path):
    score, _ = judged([9.0, 3.0, 1.0, 2.0])
    module = net()
    outcome = scored(tmp_path, module, score, keep_best="fd[x]")
    (last,) = (image for image in outcome.images if image.role == "output" and image.step == 12)
    with torch.no_grad():
        made = module(IMAGES.test[0].float()[None] / 255)[0]
    write_png(tmp_path / "own.png", made)
    assert (tmp_path / last.path).read_bytes() == (tmp_path / "own.png").read_bytes()


def test_the_best_step_outlives_a_damaged_last_state(tmp_path):
    score, seen = judged([9.0, 3.0, 1.0, 2.0, 2.0])
    scored(tmp_path, net(), score, keep_best="fd[x]", checkpoint_every=10)
    state = tmp_path / "checkpoints/a.state.pt"
    state.write_bytes(state.read_bytes()[:-9])
    module = net()
    scored(tmp_path, module, score, keep_best="fd[x]", checkpoint_every=10)
    assert [step for step, _ in seen] == [0, 4, 8, 12, 12]
    assert all(torch.equal(a, b) for a, b in zip(module.state_dict().values(), seen[2][1], strict=True))


def test_the_best_of_another_training_is_left_alone(tmp_path):
    score, _ = judged([1.0, 3.0])
    scored(tmp_path, net(), score, keep_best="fd[x]", steps=4)
    one, other = net(), net()
    score, _ = judged([2.0, 1.0])
    options = parse_options(
        "recipe", "test", Options, {"steps": 4, "device": "cpu", "score_every": 4, "batch": 2}
    )
    train(
        one, recipe=RECIPE, options=options, images=IMAGES, seed=3, folder=tmp_path, name="a", score=score,
        say=str, resume=False,
    )  # fmt: skip
    scored(tmp_path / "clean", other, None, steps=4)
    assert same(one, other)


def test_two_measures_that_make_one_score_are_not_mixed(tmp_path):
    score, _ = judged([9.0, 1.0])
    outcome = scored(tmp_path / "a", net(), lambda *given: score(*given) * 2, steps=4)
    curves = {each.name: each.values for each in outcome.curves if each.name.startswith("score/")}
    assert curves == {"score/fd[x]": (9.0, 1.0), "score/fd[x] (2)": (9.0, 1.0)}
    with pytest.raises(OptionError, match=r"keep_best: fd\[x\] is 2 scores of this training") as caught:
        scored(tmp_path / "b", net(), lambda *given: judged([9.0])[0](*given) * 2, keep_best="fd[x]")
    assert caught.value.fix == "have one quality measure make it, not several"


def test_keep_best_must_name_a_score(tmp_path):
    score, _ = judged([1.0])
    with pytest.raises(OptionError, match=r"keep_best: fd\[y\] is no score of this training"):
        scored(tmp_path, net(), score, keep_best="fd[y]")
    with pytest.raises(OptionError, match="'keep_best' needs 'score_every'"):
        parse_options("recipe", "test", Options, {"keep_best": "fd"})


def test_the_time_of_steps_is_told_for_ten_thousand(tmp_path):
    outcome = run(tmp_path, net())
    figure = next(each for each in outcome.measurements if each.name == "training_10k_steps")
    total = next(each for each in outcome.measurements if each.name == "training_time")
    # Eleven of the twelve: the first one warms up.
    assert figure.flags == ("of 11 steps; without validation, scores and checkpoints",)
    assert 0 < figure.value / 1e4 * 11 < total.value


def test_each_optimiser_has_its_loss_in_the_progress(tmp_path):
    outcome = run(tmp_path, net(), recipe=Recipe(options=Options, task=TwoPlayers))
    assert {"train/critic/loss", "train/net/loss"} <= {each.name for each in outcome.curves}
