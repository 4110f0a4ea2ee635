"""Channels that have one width, and tensors as rows of them: what a change of width must change together."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction


class Group:
    """Channels whose widths depend on one number: those of one layer, and of all that are added to them.

    Attributes:
        pinned: whether the width must stay: it is that of an input or an output.
        unclear: why the width cannot be told from any layer's; "" where it can.
        divisor: what the width must be a multiple of.
        shares: widths of the layers that depend on this one, as multiples of it.
        used: whether something takes the channels that does not hand them on.
    """

    def __init__(self, *, pinned: bool = False, unclear: str = "", sources: Iterable[Group] = ()) -> None:
        self.pinned = pinned
        self.unclear = unclear
        self.divisor = 1
        self.shares = {Fraction(1)}
        self.used = False
        self._sources = list(sources)
        self._parent: Group | None = None
        self._of_parent = Fraction(1)

    @property
    def root(self) -> Group:
        """The group that stands for all those joined with this one."""
        group = self
        while group._parent is not None:
            group = group._parent
        return group

    @property
    def share(self) -> Fraction:
        """This group's width as a multiple of that of `root`."""
        group, share = self, Fraction(1)
        while group._parent is not None:
            group, share = group._parent, share * group._of_parent
        return share

    def join(self, other: Group, *, times: Fraction = Fraction(1)) -> bool:
        """Make `other` as wide as `times` this group from now on; False where it has another width."""
        mine, theirs = self.root, other.root
        ratio = self.share * times / other.share
        if mine is theirs:
            return ratio == 1
        theirs._parent, theirs._of_parent = mine, ratio
        mine.unclear = mine.unclear or theirs.unclear
        mine.divisor = math.lcm(mine.divisor, (ratio / theirs.divisor).denominator)
        mine.shares |= {each * ratio for each in theirs.shares}
        mine.used |= theirs.used
        mine._sources += theirs._sources
        if mine.pinned or theirs.pinned:
            mine.pin()
        return True

    def require(self, factor: Fraction) -> None:
        """Let this width times `factor` be a whole number."""
        self.root.divisor = math.lcm(self.root.divisor, (self.share * factor).denominator)

    def pin(self) -> None:
        """Keep the width, and that of everything that it was made from in an unclear way."""
        waiting = [self]
        while waiting:
            root = waiting.pop().root
            root.pinned = True
            waiting += root._sources
            root._sources = []


@dataclass(frozen=True, slots=True)
class Segment:
    """`count` channels of a group; `factor` of them stand for one of the layer that made them."""

    group: Group
    count: int
    factor: Fraction = Fraction(1)


Segments = tuple[Segment, ...]


def interface(channels: int) -> Segments:
    """Channels whose number is given: those of an input, or of a constant."""
    return (Segment(Group(pinned=True), channels),)


def lost(sources: Iterable[Segments], channels: int, *, why: str) -> Segments:
    """Channels made from those of `sources` in a way that is not followed; given, where those are."""
    groups = [segment.group for segments in sources for segment in segments]
    if all(group.root.pinned for group in groups):
        return interface(channels)
    return (Segment(Group(unclear=why, sources=groups), channels),)


def pin(segments: Segments) -> None:
    """Keep the width of all that `segments` come from."""
    for segment in segments:
        segment.group.pin()


def use(segments: Segments) -> None:
    """Note that something takes these channels and hands on others."""
    for segment in segments:
        segment.group.root.used = True


def unify(left: Segments, right: Segments, *, where: str) -> Segments:
    """Tie two tensors' channels together, one by one."""
    if [each.count for each in left] == [each.count for each in right]:
        pairs = zip(left, right, strict=True)
        if all(a.group.join(b.group, times=a.factor / b.factor) for a, b in pairs):
            return left
    for one, other in ((left, right), (right, left)):
        if all(each.group.root.pinned for each in one):
            pin(other)
            return left
    for segment in (*left, *right):
        segment.group.root.unclear = f"{where} adds channels that are put together in different ways"
    return left


def scaled(segments: Segments, factor: Fraction) -> Segments:
    """Channels of which there are `factor` times as many, each range of them in its place."""
    for each in segments:
        each.group.require(each.factor * factor)
    return tuple(Segment(each.group, int(each.count * factor), each.factor * factor) for each in segments)
