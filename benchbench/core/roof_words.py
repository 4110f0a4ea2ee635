"""A machine's roof in words, or why there is none."""

from __future__ import annotations

from collections.abc import Callable

from benchbench.core.roof import FoundRoof
from benchbench.core.roofline import limits_of
from benchbench.core.units import format_quantity, significant


def roof_words(
    found: FoundRoof | None,
    *,
    escape: Callable[[str], str] = str,
    code: Callable[[str], str] = str,
    then: str = "",
) -> str:
    """The roof in a sentence, or why there is none and what measures it.

    Args:
        found: None: nobody looked for it.
        escape: makes what the machine says of itself safe for where the sentence goes.
        code: sets a command apart.
        then: what is to be done after it was measured.
    """
    if found is None:
        return "The machine's roof was not looked for."
    limits = limits_of(found.roof)
    if found.roof is None:
        command = code(found.machine.command)
        return f"Without the machine's roof: {escape(found.why or 'not known')}. {command} measures it{then}."
    if limits is None:
        missing = [
            f"{each.name}: {escape(each.reason)}" for each in found.roof.figures if each.reason is not None
        ]
        return f"Without the machine's roof, which could not be measured whole ({'; '.join(missing)})."
    cache = limits.cache_bytes_per_s
    peak, memory = (
        format_quantity(limits.peak_macs_per_s, "MAC/s"),
        format_quantity(limits.memory_bytes_per_s, "B/s"),
    )
    within = "" if cache is None else f", {format_quantity(cache, 'B/s')} within the second-level cache"
    return (
        f"The machine's roof ({escape(found.machine.setting)}, float32, measured "
        f"{found.roof.measured_at:%Y-%m-%d %H:%M} UTC): {peak}, {memory} of memory{within}. Below "
        f"{significant(limits.ridge)} MAC/B memory is the limit, above it arithmetic. “Of the roof” is what "
        "was achieved by min(peak, MAC/B x bandwidth), of what does no MACs its GB/s by the bandwidth; a "
        "class that moves more bytes in a second than memory can is under a cache."
    )
