"""Channel configurations of GAN Compression's sub-networks: `24_24_24_32_20_16`, one number per slot.

Li et al. 2020, "GAN Compression: Efficient Architectures for Interactive Conditional GANs". A slot is a
width; the layers that share it have that number, times a factor of their own, of channels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import BeforeValidator


def _as_text(value: object) -> object:
    # YAML 1.1 and Python both read 24_24_24 without quotes as the number 242424: its slots are lost.
    if isinstance(value, int):
        raise ValueError(  # noqa: TRY004 - pydantic makes a complaint of a ValueError alone
            f'got the number {value}; it needs quotes, channels: "24_24_24_32_20_16", '
            "because without them the underscores between digits are dropped"
        )
    return value


ChannelSlots = Annotated[str | None, BeforeValidator(_as_text)]
"""The declared text of a configuration, or None; `parse_channel_slots` reads it."""


def parse_channel_slots(text: str, *, width: int, layouts: Mapping[int, Sequence[str]]) -> dict[str, int]:
    """Slot name -> its width, in the order of the layout.

    Args:
        text: whole numbers joined by underscores, `24_24_24_32_20_16`.
        width: the supernet's width, the most that a slot can be.
        layouts: how many slots -> their names.

    Raises:
        ValueError: what was given, what was expected, and the slot's name, in one line.
    """
    written = text.split("_")
    counts = " or ".join(str(count) for count in sorted(layouts))
    if len(written) not in layouts:
        told = "; ".join(f"{count}: {', '.join(layouts[count])}" for count in sorted(layouts))
        raise ValueError(f"channels '{text}' has {len(written)} slots, expected {counts} ({told})")
    slots: dict[str, int] = {}
    for position, (name, part) in enumerate(zip(layouts[len(written)], written, strict=True), start=1):
        whole = part.isascii() and part.isdigit()
        if not whole or not 1 <= int(part) <= width:
            raise ValueError(
                f"channels '{text}': slot {position} ({name}) is '{part}', "
                f"expected a whole number in 1..{width}, the width of the supernet"
            )
        slots[name] = int(part)
    return slots
