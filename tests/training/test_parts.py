from __future__ import annotations

import mmap
import signal
import threading

import pytest
import torch

from benchbench.core.errors import OptionError
from benchbench.core.model import parse_options
from benchbench.training.batches import Batches, mix_seed, move, seed_device
from benchbench.training.interrupt import deferred_interrupt
from benchbench.training.memory import PeakMemory
from benchbench.training.options import LoopOptions, plan_schedule
from benchbench.training.progress import Progress


class Numbers:
    names = tuple("abcdefg")

    def __len__(self):
        return 7

    def __getitem__(self, index):
        return torch.full((3, 1, 1), index * 10, dtype=torch.uint8)


def options(**given: object) -> LoopOptions:
    return parse_options("recipe", "x", LoopOptions, given)


def test_every_image_comes_once_per_pass_and_none_is_dropped():
    batches = Batches(Numbers(), size=3, seed=0)
    seen = [index for step in range(1, 8) for index in batches.indices(step)]
    passes = [seen[start : start + 7] for start in range(0, 21, 7)]
    assert all(sorted(each) == list(range(7)) for each in passes)
    assert len({tuple(each) for each in passes}) == 3


def test_a_step_does_not_know_what_came_before():
    whole = Batches(Numbers(), size=3, seed=0)
    expected = [whole.indices(step) for step in range(1, 9)]
    assert [Batches(Numbers(), size=3, seed=0).indices(step) for step in range(1, 9)] == expected
    assert [Batches(Numbers(), size=3, seed=1).indices(step) for step in range(1, 9)] != expected


def test_processes_share_a_batch():
    whole = Batches(Numbers(), size=4, seed=0)
    parts = [Batches(Numbers(), size=4, seed=0, rank=rank, world=2) for rank in range(2)]
    for step in range(1, 6):
        assert sorted(whole.indices(step)) == sorted(index for part in parts for index in part.indices(step))


def test_images_become_floats_up_to_one():
    batch = Batches(Numbers(), size=7, seed=0).load(1)["image"]
    assert batch.shape == (7, 3, 1, 1)
    assert batch.max().item() == pytest.approx(60 / 255)


def test_a_set_of_examples_is_asked_for_them_with_the_seed_of_their_place():
    asked = []

    class Drawn(Numbers):
        fields, inputs = ("image", "attributes"), None

        def example(self, index, draw):
            asked.append((index, draw))
            return {"image": self[index], "attributes": torch.tensor([float(index)])}

    batches = Batches(Drawn(), size=3, seed=0)
    batch = batches.load(2)
    assert asked == batches.places(2)
    assert batch["attributes"].flatten().tolist() == [index for index, _ in asked]


def test_a_batch_is_put_in_the_layout_of_the_networks():
    batch = {"image": torch.rand(2, 3, 4, 4), "attributes": torch.rand(2, 3)}
    moved = move(batch, torch.device("cpu"), torch.channels_last)
    assert moved["image"].is_contiguous(memory_format=torch.channels_last)
    assert all(torch.equal(moved[name], value) for name, value in batch.items())
    assert moved["attributes"] is batch["attributes"]


def test_a_seeded_device_draws_what_torchs_own_seeding_gives():
    for seed in (0, mix_seed(3, 1), 2**63 - 1):
        torch.manual_seed(seed)
        expected = torch.randn(5)
        seed_device(seed, torch.device("cpu"))
        assert torch.equal(torch.randn(5), expected)


def test_neighbouring_seeds_have_nothing_in_common():
    seeds = {mix_seed(a, b) for a in range(30) for b in range(30)}
    assert len(seeds) == 900
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_a_schedule_by_steps():
    plan = plan_schedule(options(steps=1000), images=40)
    assert (plan.total, plan.validate_every, plan.checkpoint_every, plan.log_every) == (1000, 100, 100, 5)
    assert plan.sample_steps == {50, 1000}


def test_a_schedule_by_epochs_validates_each_of_them():
    plan = plan_schedule(options(epochs=20), images=4455)
    assert plan.total == 22275
    assert plan.validate_every == 1114
    assert plan_schedule(options(), images=4455).total == 22275


def test_extra_samples():
    assert plan_schedule(options(steps=10, sample_every=4), images=1).sample_steps == {1, 4, 8, 10}


def test_lengths_and_shares_that_make_no_sense():
    with pytest.raises(OptionError, match="either 'steps' or 'epochs'"):
        options(steps=1, epochs=2.0)
    with pytest.raises(OptionError, match="multiple of 'devices'"):
        options(batch=3, devices=2)


def test_a_line_every_fifteen_seconds_with_the_time_left():
    now, lines = [0.0], []
    progress = Progress("v1", total=100, start=20, say=lines.append, clock=lambda: now[0])
    for step in range(21, 61):
        now[0] += 1.0
        progress.update(step, {"loss": 0.123456})
    progress.close()
    assert lines == [
        "v1: step 35/100, loss 0.1235, 1 min 05 s left",
        "v1: step 50/100, loss 0.1235, 50 s left",
    ]


def test_the_first_interrupt_waits_and_the_second_does_not():
    before = signal.getsignal(signal.SIGINT)
    with deferred_interrupt() as state:
        assert not state.asked
        signal.raise_signal(signal.SIGINT)
        assert state.asked
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_outside_the_main_thread_signals_are_left_alone():
    found = []

    def work():
        with deferred_interrupt() as state:
            found.append(state.asked)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [False]


def test_the_resident_peak_sees_an_allocation():
    memory = PeakMemory(torch.device("cpu"))
    before = memory.read()["peak_resident"]
    # Fresh pages: a tensor may lie in memory that this process was given before.
    size = 64 * 2**20
    with mmap.mmap(-1, size) as block:
        block.write(b"1" * size)
        after = memory.read()["peak_resident"]
    assert after >= before
    assert memory.whole_process or after - before > size // 2
