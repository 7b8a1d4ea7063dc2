"""The command line: arguments in, exit code out.

Machine output goes to stdout alone; progress, warnings and the one line of an error go to stderr.
Exit codes: 0 ok, 1 warning, 2 critical, 3 unknown or bad usage (never the library's own 2), 130 Ctrl-C.

The commands are imported when the program already runs, so that Ctrl-C in the first moments is seen here.
"""

from __future__ import annotations

import os
import sys
import threading
from types import TracebackType

BAD_USAGE = 3
INTERRUPTED = 130


def main() -> None:
    """Runs the command line and exits with the command's code."""
    threading.excepthook = lambda bug: _print_bug(bug.exc_type, bug.exc_value, bug.exc_traceback)
    sys.unraisablehook = lambda bug: _print_bug(bug.exc_type, bug.exc_value, bug.exc_traceback)
    try:
        code = run_command(sys.argv[1:])
    except KeyboardInterrupt:
        code = INTERRUPTED
        _complain("interrupted")
    finally:
        sys.excepthook = _print_bug  # only now: the CLI library puts its own way of printing there
    if code == INTERRUPTED:
        # Worker threads may still wait for a node that is silent; nothing of theirs is worth waiting for.
        os._exit(code)
    sys.exit(code)


def run_command(arguments: list[str]) -> int:
    """Runs one command; every expected failure becomes one line on stderr and a code."""
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    if sys.stdout is None:
        _complain("stdout: closed")
        return BAD_USAGE

    from typer.exceptions import TyperException

    from chain.endpoint import redact
    from checker.commands import app
    from margin.errors import CrossmarginError

    try:
        code = app(arguments, prog_name="crossmargin", standalone_mode=False)
    except TyperException as error:
        _complain(redact(error.format_message(), ()))
        return BAD_USAGE
    except CrossmarginError as error:
        _complain(redact(str(error), ()))
        return BAD_USAGE
    except OSError as error:
        leave_stdout()
        _complain(redact(": ".join(str(part) for part in (error.filename, error.strerror) if part), ()))
        return BAD_USAGE
    if code == INTERRUPTED:
        _complain("interrupted")
    return int(code or 0)


def _print_bug(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    from checker.secrecy import print_traceback

    print_traceback(kind, error, trace)


def _complain(problem: str) -> None:
    line = " ".join("".join(c if c.isprintable() else " " for c in problem).split())
    sys.stderr.write(f"{line[:1000]}\n")
    sys.stderr.flush()


def leave_stdout() -> None:
    """What is still buffered for a stdout that cannot be written is not tried again at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
