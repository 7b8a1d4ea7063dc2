"""When nothing can be written down any more: the one message that does not go through the outbox.

What cannot be written cannot be told surely and once. So that the watch does not fall silent with its
store, it says that much itself, through every channel that takes it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from uuid import uuid4

from checker.bands import Band
from checker.watch.memory import WATCH
from checker.watch.sending import Gone, NotNow, Sender
from checker.watch.store import WatchStore
from checker.watch.telling import foreign
from checker.watch.values import ChannelKey, Entry, Kind, Message
from margin.errors import StoreError

AFTER_S = 120.0
"""How long the store must have failed without a break: a busy database recovers sooner."""
AGAIN_S = 60.0
"""How long a channel that did not take it is left alone."""
SUBJECT = f"{WATCH}/store"
_NAME = "the store of the watch"


@dataclass
class LastWord:
    """Whether the store fails, and who was told."""

    store: WatchStore
    channels: Mapping[ChannelKey, Sender]
    now: Callable[[], float]
    _since: float | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _tried: dict[str, float] = field(default_factory=dict)
    """By channel, when it was tried last."""
    _told: dict[str, str] = field(default_factory=dict)
    """By channel that took it, under which message id."""

    def failing(self, error: StoreError, since: float | None = None) -> None:
        """The store failed: said once it has for a while, once to each channel that takes it.

        `since`: when that began, where it was not told here at once.
        """
        with self._lock:
            self._failing(error, self.now(), since)

    def _failing(self, error: StoreError, now: float, since: float | None) -> None:
        if since is not None:
            self._since = since
        if self._since is None or now < self._since:  # a clock that was set back
            self._since = now
        if now - self._since < AFTER_S:
            return
        sentence = f"it cannot be written: {foreign(error.problem)}"
        message = _message(Band.OK, Band.UNKNOWN, int(now), sentence, "until it can, nothing else is told")
        for key, sender in self.channels.items():
            if key.key in self._told or 0 <= now - self._tried.get(key.key, -AGAIN_S) < AGAIN_S:
                continue
            self._tried[key.key] = now
            message_id = uuid4().hex
            try:
                sender.send(message, message_id)
            except (NotNow, Gone):
                continue
            self._told[key.key] = message_id

    def well(self) -> None:
        """The store could be written. Raises `StoreError` where it then could not."""
        with self._lock:
            self._well()

    def _well(self) -> None:
        if self._told:
            back = _message(Band.UNKNOWN, Band.OK, int(self.now()), "it can be written again")
            self.store.queue(back, list(self._told), self.now())
        self._since = None
        self._tried.clear()
        self._told.clear()


def _message(old: Band, new: Band, at: int, *sentences: str) -> Message:
    return Message(Kind.WATCH, (Entry(SUBJECT, _NAME, old, new, sentences),), (), at)
