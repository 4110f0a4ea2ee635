"""One command from its arguments to its exit code; errors are told in words, never as a traceback."""

from __future__ import annotations

import os
import shlex
import sys
import tempfile
import traceback
from collections.abc import Sequence

from benchbench.cli.parser import parse_arguments
from benchbench.core.errors import BenchbenchError

WELL, NO, WRONG, INTERRUPTED, BROKEN_PIPE = 0, 1, 2, 130, 141


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 well, 1 the measurement says no, 2 the request was wrong, 130 interrupted (resumable),
        141 whoever read the output closed it.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        parsed = parse_arguments(given)
        code: int = parsed.call(parsed)
        sys.stdout.flush()
    except BenchbenchError as error:
        print(f"error: {error}", file=sys.stderr)
        return _error_code(given, error.exit_code)
    except KeyboardInterrupt:
        print(f"\n{interruption_message(given)}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Python flushes standard output once more when it ends, and would complain about the same pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except Exception as error:
        if os.environ.get("BENCHBENCH_TRACEBACK"):
            raise
        print(f"error: {_unexpected(error)}", file=sys.stderr)
        return _error_code(given, NO)
    return code


def _error_code(given: Sequence[str], code: int) -> int:
    # Of a gate 1 is a verdict; one that could not judge must not look red.
    return WRONG if given[:1] == ["gate"] else code


def interruption_message(given: Sequence[str]) -> str:
    """One line that says how to go on after Ctrl-C."""
    if given and given[0] == "quality":
        return "interrupted; features of whole sets of images are kept, and found again"
    if given and given[0] == "profile":
        return (
            "interrupted; profiles that were finished are kept, and `--only` or `--variant` takes the others"
        )
    if given and given[0] == "export":
        return "interrupted; nothing was written"
    if not given or given[0] != "run":
        return "interrupted"
    again = [*given, *([] if "--resume" in given else ["--resume"])]
    return f"interrupted; what was finished is kept. To go on: {shlex.join(['benchbench', *again])}"


def _unexpected(error: Exception) -> str:
    text = f"unexpected {type(error).__name__}: {str(error) or 'no message'}".splitlines()[0]
    handle, path = tempfile.mkstemp(prefix="benchbench-", suffix=".traceback.txt")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        traceback.print_exception(error, file=file)
    return f"{text}; full traceback in {path} (BENCHBENCH_TRACEBACK=1 shows it here)"
