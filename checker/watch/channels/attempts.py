"""One try at a time, each with an end: however slowly a server answers, the caller is told in time.

A library's timeout begins again with every byte, and looking up a name has none at all. So a try runs in
a thread of its own, which is left behind when its time is over. Until that thread has ended nothing else
is tried, and if it did deliver after all, the message is not sent again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from checker.watch.sending import Gone, NotNow

_unlogged: ContextVar[bool] = ContextVar("unlogged", default=False)
_LOGGERS = (
    "httpx",
    "httpcore.connection",
    "httpcore.http11",
    "httpcore.http2",
    "httpcore.proxy",
    "httpcore.socks",
    "apprise",
    "requests",
    "urllib3.connection",
    "urllib3.connectionpool",
    "urllib3.util.retry",
)


class _Silence(logging.Filter):
    def filter(self, _record: logging.LogRecord) -> bool:
        return not _unlogged.get()


_silence = _Silence()


@contextmanager
def unlogged() -> Iterator[None]:
    """What HTTP libraries would log in here is dropped: they write whole URLs, which are secrets."""
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_silence)  # a second time changes nothing
    token = _unlogged.set(True)
    try:
        yield
    finally:
        _unlogged.reset(token)


class _Try(threading.Thread):
    """One delivery on its way; a thread that does not hold up the end of the program."""

    def __init__(self, message_id: str, task: Callable[[], None]) -> None:
        super().__init__(daemon=True)
        self.message_id = message_id
        self.failure: NotNow | Gone | None = None
        self.ended = threading.Event()
        self._task = task

    def run(self) -> None:
        self.failure = NotNow(None, "the try broke off")  # unless it ends in a way that is foreseen
        try:
            with unlogged():
                self._task()
            self.failure = None
        except (NotNow, Gone) as failure:
            self.failure = failure
        finally:
            self.ended.set()


class Attempts:
    """The tries of one channel."""

    def __init__(self, within_s: float) -> None:
        self.within_s = within_s
        self._late: _Try | None = None

    def run(self, message_id: str, task: Callable[[], None]) -> None:
        """Runs `task`, which returns when the message is delivered and raises `NotNow` or `Gone`.

        Raises what it raises, and `NotNow` when it has not ended `within_s` seconds later. What a late
        one came to counts when the same message is tried again.
        """
        late = self._late
        if late is not None:
            if not late.ended.is_set():
                raise NotNow(None, "the try before this one has not ended yet")
            self._late = None
            if late.message_id == message_id and not isinstance(late.failure, NotNow):
                return _end(late)
        current = _Try(message_id, task)
        current.start()
        if not current.ended.wait(self.within_s):
            self._late = current
            raise NotNow(None, f"no complete answer within {self.within_s:g} s")
        return _end(current)


def _end(ended: _Try) -> None:
    if ended.failure is not None:
        raise ended.failure
