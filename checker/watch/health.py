"""Whether the watch is well: what `/healthz` says, and what keeps the dead man's switch from being fed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from checker.bands import Band
from checker.watch import own
from checker.watch.rounds import Rounds
from checker.watch.store import WatchStore
from margin.basics import Unread
from margin.errors import StoreError


def trouble_of(
    rounds: Rounds, store: WatchStore, channels: Iterable[str], jobs: Mapping[str, str], now: float
) -> str | None:
    """Why the watch is not well, in one line; `None` while it is. `jobs`: those in trouble, and how."""
    return _unseen(rounds, now) or _untold(store, channels, now) or next(iter(jobs.values()), None)


def _unseen(rounds: Rounds, now: float) -> str | None:
    for name, sight in rounds.sights(now).items():
        if sight is None:
            return f"{name} was not looked at yet"
        if sight.unread is not None:
            return f"cannot read {name}: {sight.unread}"
        for venue in sight.reading.venues:
            if isinstance(venue.book, Unread):
                return f"cannot read {venue.place.id}: {venue.book}"
    unknown = rounds.bands().count(Band.UNKNOWN)
    return f"{unknown} wallet{'s' * (unknown != 1)} cannot be judged" if unknown else None


def _untold(store: WatchStore, channels: Iterable[str], now: float) -> str | None:
    try:
        stuck, lost = store.stuck(now - own.STUCK_AFTER_S), store.lost(channels)
    except StoreError as error:
        return f"cannot read the store: {error.problem}"
    if stuck:
        return f"{len(stuck)} messages wait for longer than {own.STUCK_AFTER_S / 60:.0f} minutes"
    return next((f"the last message was lost: {why}" for why in lost.values()), None)


class Guard:
    """Notices a job that hangs, whatever it hangs on."""

    def __init__(self) -> None:
        self._since: float | None = None

    def __enter__(self) -> Guard:
        self._since = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self._since = None

    @property
    def seconds(self) -> float:
        """For how long it has been at it; 0 while it is not."""
        since = self._since
        return 0.0 if since is None else time.monotonic() - since
