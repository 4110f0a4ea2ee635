from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from toys import (
    IMAGES,
    RECIPE,
    Options,
    Pictures,
    TwoPlayers,
    interrupted,
    interrupted_at,
    net,
    plain,
    run,
    run_script,
)

from benchbench.core.errors import CheckpointError, DataError, DivergedError, OptionError, StoreError
from benchbench.core.examples import Splits
from benchbench.core.model import parse_options
from benchbench.core.training import Recipe
from benchbench.training.loop import TrainingOutcome, train


def curve(outcome: TrainingOutcome, name: str):
    return next(each for each in outcome.curves if each.name == name)


def test_what_a_training_leaves(tmp_path):
    module = net()
    outcome = run(tmp_path, module, validate_every=4)
    assert outcome.final_step == 12
    assert outcome.checkpoint == tmp_path / "checkpoints" / "a.safetensors"
    stored = load_file(outcome.checkpoint)
    assert all(torch.equal(stored[name], tensor) for name, tensor in module.state_dict().items())
    assert not module.training
    errors = curve(outcome, "train/error")
    assert errors.steps == tuple(range(1, 13))
    assert errors.values[-1] < errors.values[0]
    assert curve(outcome, "validation/loss").steps == (4, 8, 12)
    assert [(image.role, image.step) for image in outcome.images] == [
        ("content", None), ("output", 1), ("output", 12),
    ]  # fmt: skip
    assert all((tmp_path / image.path).is_file() for image in outcome.images)
    names = {measurement.name: measurement for measurement in outcome.measurements}
    assert names["training_time"].value > 0
    assert names["peak_resident"].value > 2**20
    assert 0 < outcome.phases[0].inside_s <= outcome.phases[0].seconds


def test_the_plateau_lowers_the_learning_rate(tmp_path):
    rates = curve(run(tmp_path, net(), validate_every=2), "learning_rate").values
    assert rates[0] == 1e-2
    assert rates[-1] < 1e-3


def test_the_same_seed_gives_the_same_weights_and_the_callers_generator_is_left_alone(tmp_path):
    one, other = net(), net()
    torch.manual_seed(1)
    run(tmp_path / "a", one)
    drawn = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(drawn, torch.rand(1))
    run(tmp_path / "b", other)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("step", [1, 5, 6, 11])
def test_an_interrupted_training_ends_at_the_same_weights_to_the_bit(tmp_path, step):
    whole = net()
    expected = run(tmp_path / "whole", whole, validate_every=3)
    interrupted(tmp_path / "cut", step, validate_every=3)
    resumed = net()
    outcome = run(tmp_path / "cut", resumed, validate_every=3)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name
    assert outcome.curves == expected.curves
    assert outcome.images == expected.images


def test_a_finished_training_is_not_repeated(tmp_path):
    first = run(tmp_path, net())
    monitored = net()
    again = run(tmp_path, monitored)
    assert again.curves == first.curves
    stored = load_file(first.checkpoint)
    assert all(torch.equal(stored[name], tensor) for name, tensor in monitored.state_dict().items())


def test_a_changed_suite_says_what_differs(tmp_path):
    interrupted(tmp_path, 4)
    with pytest.raises(CheckpointError, match=r"lr was 0\.01, is 0\.02") as caught:
        run(tmp_path, net(), lr=0.02)
    assert "rm " in str(caught.value)
    with pytest.raises(CheckpointError, match='data was "digest", is "other"'):
        run(tmp_path, net(), images=Splits(Pictures(10), Pictures(2), Pictures(2), "other"))
    with pytest.raises(CheckpointError, match="tensors of the model was"):
        run(tmp_path, nn.Conv2d(3, 3, 1))


def test_a_damaged_state_file_is_told_and_can_be_left(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "a.state.pt").write_bytes(b"junk")
    with pytest.raises(CheckpointError, match="cannot be read"):
        run(tmp_path, net())
    options = parse_options("recipe", "test", Options, {"steps": 2, "device": "cpu"})
    outcome = train(
        net(), recipe=RECIPE, options=options, images=IMAGES, seed=3, folder=tmp_path, name="a", resume=False
    )
    assert outcome.final_step == 2


def test_divergence_names_its_step(tmp_path):
    with pytest.raises(DivergedError, match="loss became nan at step 5") as caught:
        run(tmp_path, net(), poison=5)
    assert caught.value.step == 5


def test_divergence_by_an_absurd_learning_rate(tmp_path):
    with pytest.raises(DivergedError, match=r"at step \d+"):
        run(tmp_path, nn.Conv2d(3, 3, 1), lr=1e30)


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "checkpoints").write_text("a file in the way")
    with pytest.raises(StoreError, match="cannot write"):
        run(tmp_path, net())


def test_no_training_images_and_no_gpu(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="no training images"):
        run(tmp_path, net(), images=Splits(Pictures(0), Pictures(2), Pictures(2), "x"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(OptionError, match="no usable GPU"):
        run(tmp_path, net(), device="cuda")


def test_two_optimisers_take_turns_and_resume_together(tmp_path):
    recipe = Recipe(options=Options, task=TwoPlayers)
    whole = net()
    outcome = run(tmp_path / "a", whole, recipe=recipe)
    assert {each.name for each in outcome.curves} >= {"train/net/fooled", "learning_rate/critic"}
    with interrupted_at(5, TwoPlayers):
        run(tmp_path / "b", net(), recipe=recipe)
    resumed = net()
    run(tmp_path / "b", resumed, recipe=recipe)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))


def test_channels_last_changes_the_layout_and_not_what_is_learnt(tmp_path):
    one, other = plain(), plain()
    run(tmp_path / "a", one)
    run(tmp_path / "b", other, memory_format="channels_last")
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-4)
        assert b.is_contiguous()


SCRIPT = """
    import os, signal, sys
    sys.path.insert(0, {tests!r})
    import toys as t
    from pathlib import Path

    if __name__ == "__main__":
        kill_at = int(sys.argv[2])
        original = t.Task.losses
        def losses(self, batch, step):
            if step == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(self, batch, step)
        t.Task.losses = losses
        t.run(Path(sys.argv[1]), t.net(), checkpoint_every=4)
"""


@pytest.mark.slow
@pytest.mark.parametrize("step", [2, 6, 12])
def test_a_killed_training_ends_at_the_same_weights_to_the_bit(tmp_path, step):
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT.format(tests=str(Path(__file__).parent))))
    threads = {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    killed = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "cut"), str(step)],
        check=False,
        env={**os.environ, **threads},
    )
    assert killed.returncode == -signal.SIGKILL
    assert not list((tmp_path / "cut" / "checkpoints").glob(".*")) if step > 4 else True
    whole, resumed = net(), net()
    run(tmp_path / "whole", whole, checkpoint_every=4)
    outcome = run(tmp_path / "cut", resumed, checkpoint_every=4)
    assert outcome.final_step == 12
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))


@pytest.mark.slow
def test_two_processes_learn_what_one_does(tmp_path):
    code = """
        from pathlib import Path
        from benchbench.core.errors import DivergedError
        import torch, toys as t

        if __name__ == "__main__":
            one, two = t.plain(), t.plain()
            t.run(Path(sys.argv[1]) / "one", one, batch=4)
            outcome = t.run(Path(sys.argv[1]) / "two", two, batch=4, devices=2)
            assert outcome.final_step == 12
            for a, b in zip(one.parameters(), two.parameters(), strict=True):
                assert torch.allclose(a, b, atol=1e-5), (a, b)
            assert len(list(Path(sys.argv[1]).glob("two/samples/a/*.png"))) == 3
            try:
                t.run(Path(sys.argv[1]) / "nan", t.plain(), batch=4, devices=2, poison=3)
            except DivergedError as error:
                assert error.step == 3
            else:
                raise SystemExit("no divergence")
    """
    run_script(tmp_path, code)
