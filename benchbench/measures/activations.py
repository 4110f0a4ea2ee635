"""Bytes of activations that are alive during a forward pass; the definition is in docs/macs.md."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor


class _Storage(weakref.ref):  # type: ignore[type-arg]
    """One live storage: whether the pass made it, whether weights alone decide its content, what counts."""

    __slots__ = ("constant", "counted_bytes", "key", "own")

    key: int
    own: bool
    constant: bool
    counted_bytes: int


class Activations:
    """The storages of one forward pass, each as long as a tensor holds it.

    Args:
        weights: parameters and buffers as they are fed; they are no activations, nor is what follows
            from them alone, whatever the input is.
        inputs: they are alive from the start, and to the end where the caller keeps them.
    """

    def __init__(self, *, weights: Iterable[Tensor], inputs: Iterable[Tensor]) -> None:
        self.alive_bytes = 0
        self.peak_bytes = 0
        self._inside = 0
        self._storages: dict[int, _Storage] = {}
        for weight in weights:
            self._follow(weight, own=False, constant=True)
        for each in inputs:
            known = self._follow(each, own=True, constant=False)
            if known is not None:
                self._count(known, each)
        self.peak_bytes = self.alive_bytes

    def is_constant(self, tensor: Tensor) -> bool:
        """Whether the tensor follows from the weights alone."""
        known = self._known(tensor)
        return known is not None and known.constant

    def record(
        self,
        given: Sequence[Tensor],
        made: Sequence[Tensor],
        *,
        constant: bool,
        by_products: Sequence[Tensor],
    ) -> bool:
        """Add what an operator made of `given`; a view and a result in place add nothing.

        Args:
            given: its arguments.
            made: its results.
            constant: whether they follow from weights alone.
            by_products: further results, that count from where they are used, if ever.

        Returns:
            Whether bytes were added.
        """
        before_bytes = self.alive_bytes
        for each in given:
            known = self._known(each)
            if known is None:
                # A tensor that nobody saw being made was there before the pass.
                self._follow(each, own=False, constant=False)
            else:
                self._count(known, each)
        for each in (*made, *by_products):
            known = self._follow(each, own=True, constant=constant)
            if known is not None:
                known.constant = constant
        for each in made:
            known = self._known(each)
            if known is not None:
                self._count(known, each)
        self.peak_bytes = max(self.peak_bytes, self.alive_bytes)
        return self.alive_bytes > before_bytes

    @contextmanager
    def one_operator(self) -> Iterator[None]:
        """What the block makes is inside of one operator; `keep` its results."""
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

    def keep(self, results: Sequence[Tensor]) -> None:
        """Count what came out of `one_operator`."""
        for each in results:
            known = self._known(each)
            if known is not None:
                self._count(known, each)
        self.peak_bytes = max(self.peak_bytes, self.alive_bytes)

    def _known(self, tensor: Tensor) -> _Storage | None:
        return self._storages.get(_key(tensor))

    def _follow(self, tensor: Tensor, *, own: bool, constant: bool) -> _Storage | None:
        key = _key(tensor)
        if not key:
            return None
        known = self._storages.get(key)
        if known is None:
            known = _Storage(tensor.untyped_storage(), self._forget)
            known.key = key
            known.own = own
            known.constant = constant
            known.counted_bytes = 0
            self._storages[key] = known
        return known

    def _count(self, known: _Storage, tensor: Tensor) -> None:
        if known.own and not known.constant and not known.counted_bytes and not self._inside:
            known.counted_bytes = tensor.untyped_storage().nbytes()
            self.alive_bytes += known.counted_bytes

    def _forget(self, storage: Any) -> None:
        self.alive_bytes -= storage.counted_bytes
        self._storages.pop(storage.key, None)


def tensors_in(*values: Any) -> list[Tensor]:
    """The tensors among `values`, in sequences and mappings too."""
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, (list, tuple)):
            found += tensors_in(*value)
        elif isinstance(value, Mapping):
            found += tensors_in(*value.values())
    return found


def _key(tensor: Tensor) -> int:
    # A sparse tensor has no storage of its own.
    return tensor.untyped_storage()._cdata if tensor.layout is torch.strided else 0
