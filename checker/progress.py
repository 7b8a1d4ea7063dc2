"""Progress for a person who waits: on stderr, only on a terminal, gone when it is done."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.status import Status

from checker import words


class Progress:
    """A spinner with what is being done. Silent unless stderr is a terminal; steps as lines if verbose."""

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        self._verbose = verbose and not quiet
        self._begun = time.monotonic()
        self._status: Status | None = None
        if sys.stderr.isatty() and not quiet:
            self._status = Status("", console=Console(stderr=True))

    def __enter__(self) -> Progress:
        if self._status:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status:
            self._status.stop()

    def say(self, text: str, done: int = 0, total: int = 0) -> None:
        """What is being done now, and how far it is."""
        told = words.plain(text) + (f" {done} of {total}" if total else "")
        if self._status:
            self._status.update(escape(told))
        if self._verbose and done == 0:
            sys.stderr.write(f"{time.monotonic() - self._begun:6.2f} s  {told}\n")
