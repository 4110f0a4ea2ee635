from __future__ import annotations

import pytest
import torch
from translation_toys import toys

from benchbench.core.errors import OptionError
from benchbench.training.cyclegan import CycleGANOptions


def test_the_defaults_are_the_papers():
    options = CycleGANOptions()
    assert (options.batch, options.epochs, options.steps) == (1, 200.0, None)
    assert (options.lr, options.beta_1, options.beta_2, options.decay_share) == (2e-4, 0.5, 0.999, 0.5)
    assert (options.cycle_weight, options.identity_weight, options.pool) == (10.0, 0.5, 50)


def test_the_losses_are_those_of_the_equations():
    toy = toys()["cyclegan"]
    task = toy.task(cycle_weight=3.0, identity_weight=0.2)
    batch = toy.batch(1)
    a, b = batch["input"] * 2 - 1, batch["image"] * 2 - 1
    there, back, judge, judge_back = (
        task.networks[name] for name in ("generator", "generator_back", "discriminator", "discriminator_back")
    )
    with torch.no_grad():
        made, made_back = there(a), back(b)
        adversarial = (judge(made) - 1).pow(2).mean() + (judge_back(made_back) - 1).pow(2).mean()
        cycle = (back(made) - a).abs().mean() + (there(made_back) - b).abs().mean()
        identity = (there(b) - b).abs().mean() + (back(a) - a).abs().mean()
        on_b = (judge(b) - 1).pow(2).mean() + judge(made).pow(2).mean()
        on_a = (judge_back(a) - 1).pow(2).mean() + judge_back(made_back).pow(2).mean()
    (first, generators), (second, discriminators) = task.losses(batch, 1)
    assert (first, second) == ("generator", "discriminator")
    torch.testing.assert_close(generators["adversarial"], adversarial)
    torch.testing.assert_close(generators["cycle"], cycle)
    torch.testing.assert_close(generators["identity"], identity)
    torch.testing.assert_close(generators["total"], adversarial + 3.0 * cycle + 0.6 * identity)
    # The pool has room for all, and hands them on.
    torch.testing.assert_close(discriminators["there"], on_b / 2)
    torch.testing.assert_close(discriminators["total"], (on_a + on_b) / 2)


def test_the_ways_there_and_back_begin_with_weights_of_their_own():
    networks = toys()["cyclegan"].task().networks
    for role in ("generator", "discriminator"):
        one, other = (next(networks[name].parameters()) for name in (role, f"{role}_back"))
        assert not torch.equal(one, other)


def test_the_pools_are_kept_and_fill(tmp_path):
    task = toys()["cyclegan"].task()
    assert set(task.kept) == {"pool_made", "pool_made_back"}
    list(task.losses(toys()["cyclegan"].batch(1), 1))
    assert [int(pool.filled) for pool in task.kept.values()] == [2, 2]
    # What the way there makes is of the domain of `image`.
    assert all(pool.images.shape == (3, 3, 16, 16) for pool in task.kept.values())


def test_without_identity_there_is_no_such_term():
    task = toys()["cyclegan"].task(identity_weight=0.0)
    _, terms = next(iter(task.losses(toys()["cyclegan"].batch(1), 1)))
    assert set(terms) == {"adversarial", "cycle", "total"}


def test_inputs_and_outputs_are_kept(tmp_path):
    outcome, _ = toys()["cyclegan"].run(tmp_path)
    assert [(image.role, image.index, image.step) for image in outcome.images] == [
        ("input", 0, None), ("output", 0, 1), ("input", 1, None), ("output", 1, 1),
        ("output", 0, 6), ("output", 1, 6),
    ]  # fmt: skip
    assert not any(curve.name.startswith("validation/") for curve in outcome.curves)


def test_networks_that_cannot_be_built_twice():
    toy = toys()["cyclegan"]
    with pytest.raises(OptionError, match="needs a second generator and discriminator"):
        toy.recipe.task(toy.context(another=None), toy.parse())
