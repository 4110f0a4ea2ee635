"""What inductor made of a network, read from its counters and from the code that it generated."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from unittest import mock

from benchbench.core.backends import Fact
from benchbench.core.deployment_record import OperatorNote

# Calls in the generated wrapper. Its C++ and Triton sources stand in it as strings, in which none of
# these can begin a line.
_GENERATED = re.compile(r"^\s*(?:\w+ = )?(?:cpp_\w+|triton_\w+\.run|multi_kernel_\w+\.run)\(", re.MULTILINE)
_LIBRARY = re.compile(r"^\s*(?:\w+ = )?extern_kernels\.(\w+)\((.*)$", re.MULTILINE)
_ATEN = re.compile(r"^\s*(?:\w+ = )?torch\.ops\.([\w.]+)\((.*)$", re.MULTILINE)
_LIBRARY_DETAIL = "a kernel of ATen or oneDNN; element-wise neighbours are kernels of their own"


@dataclass(slots=True)
class CompilerRecord:
    """What was seen while a function was compiled.

    Attributes:
        codes: generated wrappers, one per graph; None where this torch does not hand them out.
        breaks: reason -> how often torch cut a function for it; a cut in a nested call cuts its callers too.
        graphs: how many graphs were captured.
        from_cache: how many of them had been compiled by an earlier process on this machine.
    """

    codes: list[str] | None = None
    breaks: Counter[str] = field(default_factory=Counter)
    graphs: int = 0
    from_cache: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether all of the network was seen: its code is known, and it is one graph."""
        # Behind a cut torch compiles methods of the network's classes, which it may have done already for
        # another network of the same classes.
        return bool(self.codes) and not self.breaks

    @property
    def facts(self) -> dict[str, Fact]:
        """Counts, for a session's facts."""
        counts: dict[str, Fact] = {"graphs": None if self.breaks else self.graphs}
        return {**counts, "graph_breaks": self.breaks.total(), "graphs_from_cache": self.from_cache}

    @property
    def operator_count(self) -> int | None:
        """How many kernels a call launches; None where not all of them are known."""
        if not self.is_whole:
            return None
        patterns = (_GENERATED, _LIBRARY, _ATEN)
        return sum(len(pattern.findall(code)) for code in self.codes or () for pattern in patterns)

    @property
    def operators(self) -> tuple[OperatorNote, ...] | None:
        """Graph breaks, or else operators that were left to a library; None where nothing is known."""
        if self.breaks:
            return tuple(
                OperatorNote(operator="graph break", count=count, what="fell_back", detail=reason)
                for reason, count in self.breaks.items()
            )
        return tuple(_left_out(self.codes)) if self.codes else None


def _left_out(codes: Sequence[str]) -> list[OperatorNote]:
    library: Counter[str] = Counter()
    eager: Counter[str] = Counter()
    for code in codes:
        library.update(name for name, _ in _LIBRARY.findall(code))
        for target, arguments in _ATEN.findall(code):
            namespace, _, operator = target.removesuffix(".default").partition(".")
            if namespace != "mkldnn":
                eager[target.removesuffix(".default")] += 1
            elif "'none'" in arguments:
                # oneDNN's kernels take the activation that follows; here none does.
                library[operator] += 1
    notes = [
        OperatorNote(operator=name, count=count, what="not_fused", detail=_LIBRARY_DETAIL)
        for name, count in library.most_common()
    ]
    return notes + [
        OperatorNote(operator=name, count=count, what="fell_back", detail="eager torch's kernel")
        for name, count in eager.most_common()
    ]


@contextmanager
def recorded() -> Iterator[CompilerRecord]:
    """A record that fills with what is compiled inside, in this thread."""
    from torch._dynamo.utils import counters
    from torch._inductor.graph import GraphLowering

    record = CompilerRecord()
    before = {group: Counter(counts) for group, counts in counters.items()}
    codes: list[str] = []
    # The door that torch's own tests read generated code through; it is also used for code from a cache.
    has_door = hasattr(GraphLowering, "save_output_code")
    door = mock.patch.object(GraphLowering, "save_output_code", codes.append, create=True)
    with door:
        yield record
    after = {group: Counter(counts) for group, counts in counters.items()}

    def gained(group: str) -> Counter[str]:
        return after.get(group, Counter()) - before.get(group, Counter())

    record.codes = codes if has_door else None
    for reason, count in gained("graph_break").items():
        record.breaks[_one_line(reason)] += count
    record.graphs = gained("stats")["unique_graphs"]
    record.from_cache = gained("inductor")["fxgraph_cache_hit"]


def _one_line(reason: str) -> str:
    # Newer versions of torch explain over many lines, of which the first is the reason.
    return next((line.strip() for line in reason.splitlines() if line.strip()), reason)


def limits_of(config: ModuleType, limit: int) -> dict[str, int]:
    """What bounds how often torch._dynamo compiles one function, under the names of this torch."""
    newer = ("recompile_limit", "accumulated_recompile_limit")
    older = ("cache_size_limit", "accumulated_cache_size_limit")
    names = newer if hasattr(config, newer[0]) else older
    return {name: limit for name in names if hasattr(config, name)}
