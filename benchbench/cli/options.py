"""Options that several commands take, declared once."""

from __future__ import annotations

from argparse import ArgumentParser

# Those of core/suite.py, whose import would slow `--help` down; a test holds them equal.
PROFILES = ("quick", "full", "paper", "static", "latency")


def take_settings(parser: ArgumentParser, help_text: str) -> None:
    """`--set KEY=VALUE`, which may be given again; `parsed.settings` has them all."""
    parser.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], dest="settings", help=help_text
    )


def take_suite_profile(parser: ArgumentParser, help_text: str) -> None:
    """`--profile`: one of a suite's declarations."""
    parser.add_argument("--profile", choices=PROFILES, help=help_text)
