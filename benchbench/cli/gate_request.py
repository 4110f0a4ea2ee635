"""What `benchbench gate` was asked for: which of its ways, and whether the options go together."""

from __future__ import annotations

from argparse import Namespace

from benchbench.core.errors import OptionError

_FOR_SUITES = {"profile": "--profile", "settings": "--set"}


def check_request(args: Namespace) -> str:
    """The way that the arguments ask for: `results`, `baseline`, `against` or `replay`.

    Raises:
        OptionError: options that do not go together, or too many or few targets.
        GateError: an update without a reason.
    """
    if args.update:
        from benchbench.gate.baseline import check_reason

        if args.baseline is None:
            raise OptionError("--update without --baseline", fix="--baseline results/baseline.json --update")
        if args.only is not None:
            raise OptionError("--update with --only would leave the other cells out", fix="leave --only out")
        check_reason(args.reason)
    elif args.reason is not None:
        raise OptionError("--reason without --update", fix="add --update, or leave it out")
    ways = [name for name in ("baseline", "against", "replay") if getattr(args, name) is not None]
    if len(ways) > 1:
        raise OptionError(f"--{ways[0]} and --{ways[1]} are two ways", expected="one of them")
    way = ways[0] if ways else "results"
    wanted = {"baseline": 1, "against": 1, "replay": 0, "results": 2}[way]
    if len(args.targets) != wanted:
        raise OptionError(
            f"got {len(args.targets)} arguments{f' with --{way}' if ways else ''}",
            expected="BASE HEAD, or SUITE --baseline FILE, or RUN --baseline FILE, or SUITE --against REV, "
            "or --replay FILE",
        )
    of_suite = wanted == 1 and is_suite(args.targets[0])
    for name, option in _FOR_SUITES.items():
        if getattr(args, name) and not of_suite:
            raise OptionError(f"{option} needs a suite that is measured", fix="leave it out")
    if way == "results" and any(map(is_suite, args.targets)):
        raise OptionError(
            "a suite is no result", fix="judge it by --baseline FILE or --against REV, or name runs of it"
        )
    if way == "against" and not of_suite:
        raise OptionError(f"'{args.targets[0]}' is no suite", expected="a suite's file in a git repository")
    return way


def is_suite(target: str) -> bool:
    """Whether a target is a suite's file, by its name."""
    return target.endswith((".yaml", ".yml"))
