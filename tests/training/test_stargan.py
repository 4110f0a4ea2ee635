from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F
from translation_toys import DOMAINS, make, splits, toys

from benchbench.core.errors import OptionError
from benchbench.data.images import read_image
from benchbench.training.stargan import StarGANRecipeOptions, choose_classification


def test_the_defaults_are_the_papers():
    options = StarGANRecipeOptions()
    assert (options.steps, options.epochs, options.batch) == (200_000, None, 16)
    assert (options.lr, options.beta_1, options.beta_2, options.decay_share) == (1e-4, 0.5, 0.999, 0.5)
    assert (options.penalty_weight, options.class_weight, options.cycle_weight) == (10.0, 1.0, 10.0)
    assert (options.critic_steps, options.ema_decay) == (5, None)


@pytest.mark.parametrize("classification", ["softmax", "binary"])
def test_the_losses_are_those_of_the_equations(classification):
    toy = toys()["stargan"]
    task = toy.task(
        classification=classification, critic_steps=1, class_weight=2.0, cycle_weight=3.0, penalty_weight=5.0
    )
    batch = toy.batch(1)
    x, c, target = batch["image"] * 2 - 1, batch["attributes"], batch["target"]
    generator, discriminator = task.networks["generator"], task.networks["discriminator"]
    with torch.no_grad():
        made = generator(x, target)
        cycle = (generator(made, c) - x).abs().mean()
        (on_real, named), (on_made, named_made) = discriminator(x), discriminator(made)

    def classified(logits, wanted):
        if classification == "softmax":
            return -(F.log_softmax(logits, 1) * wanted).sum() / len(logits)
        probability = logits.sigmoid()
        return -(wanted * probability.log() + (1 - wanted) * (1 - probability).log()).sum() / len(logits)

    (first, judged), (second, fooled) = task.losses(batch, 1)
    assert (first, second) == ("discriminator", "generator")
    torch.testing.assert_close(judged["adversarial"], on_made.mean() - on_real.mean())
    torch.testing.assert_close(judged["domain"], classified(named, c))
    torch.testing.assert_close(
        judged["total"].detach(),
        (judged["adversarial"] + 2.0 * judged["domain"] + 5.0 * judged["penalty"]).detach(),
    )
    torch.testing.assert_close(fooled["adversarial"], -on_made.mean())
    torch.testing.assert_close(fooled["domain"], classified(named_made, target))
    torch.testing.assert_close(fooled["cycle"], cycle)
    torch.testing.assert_close(
        fooled["total"].detach(), (fooled["adversarial"] + 2.0 * fooled["domain"] + 3.0 * cycle).detach()
    )


def test_the_penalty_is_of_the_whole_maps_gradient_between_real_and_made():
    toy = toys()["stargan"]
    task = toy.task()
    batch = toy.batch(1)
    x = batch["image"] * 2 - 1
    discriminator = task.networks["discriminator"]
    with torch.no_grad():
        made = task.networks["generator"](x, batch["target"])
    mixing = task._draws.uniform(1, "penalty", 2, 1, 1, 1)
    between = (mixing * x + (1 - mixing) * made).requires_grad_()
    expected = 0.0
    for place in range(2):
        (gradient,) = torch.autograd.grad(
            discriminator(between[place : place + 1])[0].sum(), between, retain_graph=True
        )
        expected += (float(gradient[place].square().sum()) ** 0.5 - 1) ** 2 / 2
    _, judged = next(iter(task.losses(batch, 1)))
    assert judged["penalty"].item() == pytest.approx(expected, rel=1e-4)


def test_the_generator_moves_after_every_few_steps_of_the_discriminator():
    toy = toys()["stargan"]
    task = toy.task(critic_steps=3)
    moved = [[name for name, _ in task.losses(toy.batch(step), step)] for step in range(1, 7)]
    alone, both = ["discriminator"], ["discriminator", "generator"]
    assert moved == [alone, alone, both] * 2


def test_what_the_pictures_are_decides_how_domains_are_told_apart():
    one, several = splits().train, splits(attributes="several").train
    assert choose_classification(one, None) == "softmax"
    assert choose_classification(one, "binary") == "binary"
    assert choose_classification(several, None) == "binary"
    with pytest.raises(OptionError, match="softmax, and picture 1 has 2 attributes"):
        choose_classification(several, "softmax")


def test_a_grid_of_every_image_in_every_domain(tmp_path):
    toy = toys()["stargan"]
    outcome, trained = toy.run(tmp_path)
    assert [(image.role, image.index, image.step) for image in outcome.images] == [
        ("grid", 0, 1), ("grid", 0, 6),
    ]  # fmt: skip
    assert outcome.images[0].caption == "input, 0, 1, 2"
    grid = read_image(tmp_path / outcome.images[1].path)
    assert grid.shape == (3, 2 * 16, (1 + DOMAINS) * 16)
    for row in range(2):
        image = toy.images.test[row]
        cells = grid[:, row * 16 : row * 16 + 16].unfold(2, 16, 16).permute(2, 0, 1, 3)
        assert torch.equal(cells[0], image)
        with torch.no_grad():
            made = trained["generator"](
                (image.float() / 255 * 2 - 1).expand(DOMAINS, -1, -1, -1), torch.eye(DOMAINS)
            )
        torch.testing.assert_close(cells[1:].float() / 255, (made + 1) / 2, atol=0.01, rtol=0)


def test_attributes_are_flipped_one_by_one_in_the_grid():
    toy = toys()["stargan"]
    images = replace(splits(attributes="several"), classes=("Black_Hair", "Blond_Hair", "Male"))
    task = toy.recipe.task(toy.context(images=images), toy.parse())
    # Picture 0 is blond: colours are set, one at a time, and the rest is flipped.
    assert task._targets(torch.tensor([0.0, 1.0, 0.0])).tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 1]]
    ((record, _),) = task.samples(final=True)
    assert record.caption == "input, Black_Hair, Blond_Hair, Male"


def test_another_number_of_domains_is_told():
    toy = toys()["stargan"]
    generator = make("stargan", size=16, domains=5, width=4, blocks=1)()
    with pytest.raises(OptionError, match="the network of recipe 'stargan'") as caught:
        toy.recipe.task(toy.context(module=generator), toy.parse())
    assert "domains: 3, as many as the data have" in str(caught.value)
    discriminator = make("stargan_discriminator", size=16, domains=5, width=4, layers=2)()
    with pytest.raises(OptionError, match=r"makes \[1, 1, 4, 4\] and \[1, 5\]"):
        toy.recipe.task(toy.context(discriminator=discriminator), toy.parse())


def test_the_average_is_kept_after_each_step_of_the_generator_and_shown():
    toy = toys()["stargan"]
    task = toy.task(critic_steps=2, ema_decay=0.75)
    generator, averaged = task.networks["generator"], task.result
    start = {name: each.detach().clone() for name, each in averaged.named_parameters()}
    for step in (1, 2):
        for role, _ in task.losses(toy.batch(step), step):
            if role == "generator":
                with torch.no_grad():
                    for each in generator.parameters():
                        each.add_(1.0)
        moved = 0.25 if step == 2 else 0.0
        for name, each in averaged.named_parameters():
            torch.testing.assert_close(each, start[name] + moved)
    assert set(task.kept) == {"averaged"}
    with torch.no_grad():
        for each in generator.parameters():
            each.fill_(float("nan"))
    ((_, grid),) = task.samples(final=True)
    made = grid[:, :, grid.shape[-1] // (1 + DOMAINS) :]
    assert made.float().std() > 0
