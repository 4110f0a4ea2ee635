from __future__ import annotations

import io

import pytest
import torch
from torch import nn

from benchbench.training.gan_options import GanOptions
from benchbench.training.optimizers import adam, decay_all
from benchbench.training.schedules import decay_linearly


def rates(*, total: int, share: float, steps: int) -> list[float]:
    adam = torch.optim.Adam(nn.Linear(1, 1).parameters(), lr=2.0)
    schedule = decay_linearly(adam, total=total, share=share)
    found = []
    for _ in range(steps):
        found.append(adam.param_groups[0]["lr"])
        adam.step()
        schedule.step()
    return found


def test_constant_and_then_linearly_to_zero():
    # The last step is the last one that still moves: what would follow it is 0.
    assert rates(total=6, share=0.5, steps=7) == pytest.approx([2, 2, 2, 2, 4 / 3, 2 / 3, 0])
    assert rates(total=4, share=1.0, steps=5) == pytest.approx([2, 1.5, 1, 0.5, 0])
    assert rates(total=4, share=0.0, steps=5) == [2] * 5


def test_its_state_is_saved_with_weights_alone_and_goes_on():
    adam = torch.optim.Adam(nn.Linear(1, 1).parameters(), lr=2.0)
    schedule = decay_linearly(adam, total=6, share=0.5)
    for _ in range(4):
        adam.step()
        schedule.step()
    file = io.BytesIO()
    torch.save([adam.state_dict(), schedule.state_dict()], file)
    file.seek(0)
    of_adam, of_schedule = torch.load(file, weights_only=True)
    other = torch.optim.Adam(nn.Linear(1, 1).parameters(), lr=2.0)
    resumed = decay_linearly(other, total=6, share=0.5)
    other.load_state_dict(of_adam)
    resumed.load_state_dict(of_schedule)
    assert other.param_groups[0]["lr"] == pytest.approx(4 / 3)
    other.step()
    resumed.step()
    assert other.param_groups[0]["lr"] == pytest.approx(2 / 3)


def test_each_optimiser_has_its_schedule_by_name_over_the_whole_training():
    options = GanOptions(epochs=3.0, batch=4)
    players = {"generator": nn.Linear(1, 1), "discriminator": nn.Linear(1, 1)}
    optimizers = {name: adam(each.parameters(), options, lr=0.5) for name, each in players.items()}
    schedules = decay_all(optimizers, options, share=1.0, images=8)
    assert list(schedules) == ["generator", "discriminator"]
    for name, optimizer in optimizers.items():
        (group,) = optimizer.param_groups
        assert (group["lr"], group["betas"]) == (0.5, (options.beta_1, options.beta_2))
        assert group["params"] == list(players[name].parameters())
        # Six steps: three passes over eight images, by four.
        for left in (5, 4, 3, 2, 1, 0):
            optimizer.step()
            schedules[name].step()
            assert group["lr"] == pytest.approx(0.5 * left / 6)
