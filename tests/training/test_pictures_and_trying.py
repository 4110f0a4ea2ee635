"""Small parts of the image-to-image recipes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from benchbench.core.errors import OptionError
from benchbench.training.layout_colours import colour_layout
from benchbench.training.pixels import to_network, to_pictures
from benchbench.training.trying import check_size, try_out


def test_the_range_of_networks():
    pictures = torch.tensor([0.0, 0.25, 1.0])
    assert to_network(pictures, "signed").tolist() == [-1.0, -0.5, 1.0]
    assert to_network(pictures, "unit") is pictures
    for values in ("signed", "unit"):
        assert torch.equal(to_pictures(to_network(pictures, values), values), pictures)
    assert to_pictures(torch.tensor([-3.0, 3.0]), "signed").tolist() == [0.0, 1.0]


def test_every_class_has_its_colour_and_edges_are_white():
    layout = torch.zeros(37, 1, 38)
    for number in range(37):
        layout[number, 0, number] = 1
    picture = colour_layout(layout, classes=36)
    assert picture.shape == (3, 1, 38)
    colours = {tuple(round(float(each), 3) for each in picture[:, 0, place]) for place in range(38)}
    assert len(colours) == 38
    assert picture[:, 0, 36].tolist() == [1, 1, 1]
    assert picture[:, 0, 37].tolist() == [0, 0, 0]
    assert 0 <= float(picture.min()) <= float(picture.max()) <= 1


def test_a_network_is_tried_in_eval_mode_and_put_back():
    network = nn.Sequential(nn.Conv2d(3, 1, 1), nn.BatchNorm2d(1), nn.Dropout(0.5))
    mean = network[1].running_mean.clone()
    made = try_out(network, torch.ones(1, 3, 2, 2), what="it", expected="x")
    assert made.shape == (1, 1, 2, 2)
    assert not made.requires_grad
    assert network.training
    assert torch.equal(mean, network[1].running_mean)


def test_a_network_that_does_not_fit_is_one_error():
    with pytest.raises(OptionError, match=r"the toy does not take \[1, 4, 2, 2\].*3 channels") as caught:
        try_out(nn.Conv2d(3, 1, 1), torch.ones(1, 4, 2, 2), what="the toy", expected="three channels")
    assert "three channels" in str(caught.value)


def test_memory_that_runs_out_is_not_taken_for_a_misfit():
    class Hungry(nn.Module):
        def forward(self, x):
            raise torch.OutOfMemoryError("none left")

    with pytest.raises(torch.OutOfMemoryError):
        try_out(Hungry(), torch.ones(1), what="it", expected="x")


def test_what_is_made_must_be_as_large_as_the_data():
    made = torch.zeros(2, 3, 8, 8)
    check_size(made, torch.zeros(3, 8, 8))
    with pytest.raises(
        OptionError, match=r"makes images \[3, 8, 8\], and the data are \[3, 8, 16\]"
    ) as caught:
        check_size(made, torch.zeros(3, 8, 16))
    assert "set 'size' of the data to 8" in str(caught.value)
