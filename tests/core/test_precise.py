from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from benchbench.core.precise import _switches, full_precision, tf32_allowed


def states() -> list[Any]:
    return [getattr(owner, name) for owner, name, _ in _switches()]


@pytest.fixture
def restored() -> Iterator[None]:
    # monkeypatch would delete what a backend computes. The older flags come first: they set the newer too.
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    older = torch.get_float32_matmul_precision(), matmul.allow_tf32, cudnn.allow_tf32
    before = states()
    yield
    torch.set_float32_matmul_precision(older[0])
    matmul.allow_tf32, cudnn.allow_tf32 = older[1:]
    for (owner, name, _), value in zip(_switches(), before, strict=True):
        setattr(owner, name, value)


def nothing() -> None:
    pass


def older_flags() -> None:
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True


def medium() -> None:
    torch.set_float32_matmul_precision("medium")


def each_switch() -> None:
    for owner, name, full in _switches():
        setattr(owner, name, "tf32" if full == "ieee" else True)


@pytest.mark.parametrize("setting", [nothing, older_flags, medium, each_switch])
def test_it_is_full_inside_and_as_it_was_afterwards(setting: Callable[[], None], restored: None) -> None:
    setting()
    before = states()
    full = [value for _, _, value in _switches()]
    with full_precision():
        assert states() == full
        with full_precision():
            pass
        assert states() == full
    assert states() == before


def test_products_on_a_cpu_are_not_rounded_to_bfloat16(restored: None) -> None:
    medium()
    products = getattr(torch.backends.mkldnn, "matmul", None)
    with full_precision():
        # Before torch 2.9 there is no such switch.
        assert products is None or products.fp32_precision == "ieee"


def test_it_is_as_it_was_after_an_error_too(restored: None) -> None:
    older_flags()
    before = states()
    with pytest.raises(ZeroDivisionError), full_precision():
        1 / 0  # noqa: B018
    assert states() == before


def test_a_torch_with_the_older_flags_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    class Flag:
        allow_tf32 = True

    class Backends:
        cudnn = Flag()

        class cuda:  # noqa: N801
            matmul = Flag()

    monkeypatch.setattr(torch, "backends", Backends)
    with full_precision():
        assert not Backends.cudnn.allow_tf32
        assert not Backends.cuda.matmul.allow_tf32
    assert Backends.cudnn.allow_tf32
    assert Backends.cuda.matmul.allow_tf32


def test_tf32_is_read_as_it_was_set():
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("high")
        assert tf32_allowed()[0]
        with full_precision():
            assert tf32_allowed() == (False, False)
        assert tf32_allowed()[0]
    finally:
        torch.set_float32_matmul_precision(before)
