from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from benchbench.profiling.ranges import index_of, module_paths, named_ranges, range_name

HOSTILE = ['a"b', "a\\b", "<script>", "a\nb", "\x07", "é漢", "a" * 999, ""]


@pytest.mark.parametrize("path", HOSTILE, ids=repr)
def test_a_name_is_plain_and_leads_back(path: str) -> None:
    name = range_name(17, path)
    assert index_of(name) == 17
    assert name.isascii()
    assert name.isprintable()
    assert not set(name) & set('"\\<>')
    assert len(name) < 240


@pytest.mark.parametrize("name", ["aten::conv2d", "module x", "ProfilerStep#3", "module 3", "my module 3: a"])
def test_other_names_have_no_index(name: str) -> None:
    assert index_of(name) is None


def test_a_module_with_two_paths_has_one_range() -> None:
    shared = nn.ReLU()
    assert list(module_paths(nn.Sequential(shared, shared))) == ["", "0"]


class _Failing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise ValueError("no")


def test_hooks_are_gone_afterwards_and_ranges_closed_also_after_an_error() -> None:
    model = nn.Sequential(nn.ReLU(), _Failing())
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], acc_events=True) as found:
        with pytest.raises(ValueError, match="no"), named_ranges(model):
            model(torch.ones(3))
        torch.ones(3) + 1
    assert not any(each._forward_hooks or each._forward_pre_hooks for each in model.modules())
    events = {each.name: each for each in found.events()}
    assert {index_of(name) for name in events} >= {0, 1, 2}
    assert events["aten::add"].cpu_parent is None


def test_a_range_holds_what_other_hooks_do() -> None:
    # The older spectral norm computes its weight in a hook.
    model = nn.Sequential(nn.ReLU())
    model[0].register_forward_pre_hook(lambda module, args: (args[0].exp(),))
    model[0].register_forward_hook(lambda module, args, out: out.sin())
    with (
        named_ranges(model),
        torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], acc_events=True) as found,
    ):
        model(torch.ones(3))
    parents = {each.name: each.cpu_parent.name for each in found.events() if each.cpu_parent is not None}
    assert parents["aten::exp"] == parents["aten::relu"] == parents["aten::sin"] == "module 1: 0"
