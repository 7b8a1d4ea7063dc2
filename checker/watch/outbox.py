"""Delivery: each message is tried until its channel acknowledges it, or is given up in sight of the others.

Before an attempt the message is claimed, after it marked: who dies in between has the message tried once
more when the claim has run out, under the same message id. A message waits for those before it about the
same subject, and for nobody else's.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from checker.store import schema as tables
from checker.watch import outbox_rows
from checker.watch.outbox_rows import Queued, State
from checker.watch.sending import Gone, NotNow, Sender
from checker.watch.store import WatchStore
from checker.watch.values import Kind, Message
from margin.errors import StoreError

_FAILURES_A_RUN = 2
"""After so many failures in a row a channel is left alone until the next run: each may take a minute."""
_LONGEST_LINE = 300


@dataclass(frozen=True, slots=True)
class Patience:
    """How long and how often a message is tried."""

    first_wait_s: float = 5.0
    longest_wait_s: float = 60.0
    give_up_s: float = 24 * 3600.0
    """Since the message was queued."""
    least_attempts: int = 8
    """Never given up before so many: the day may have passed with nobody there to try, or by a clock."""


@dataclass(slots=True)
class Report:
    """What became of the messages that were tried, by their ids in the outbox."""

    sent: list[int] = field(default_factory=list)
    postponed: list[int] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)
    notes: dict[int, dict[str, str]] = field(default_factory=dict)
    """By id for the log: its channel, and why it was not taken."""


@dataclass(frozen=True, slots=True)
class _Run:
    store: WatchStore
    channels: Mapping[str, Sender]
    now: Callable[[], float]
    patience: Patience
    rng: random.Random
    report: Report = field(default_factory=Report)


def deliver_due(
    store: WatchStore,
    channels: Mapping[str, Sender],
    now: Callable[[], float],
    owner: str,
    *,
    only: Collection[str] | None = None,
    stops: Callable[[], bool] = lambda: False,
    patience: Patience | None = None,
    rng: random.Random | None = None,
) -> Report:
    """Tries every message whose time has come, once each.

    `channels` are all there are, by their keys: a message that one gives up is told by the others. With
    `only`, just those channels' messages are tried. When `stops` says so, no other is begun. `now` is the
    clock, read before and after each attempt (seconds since 1970), `owner` names this process among those
    that use the store.

    Raises `StoreError` when the database fails, and what a channel raises beside `NotNow` and `Gone`; the
    message is then tried again later.
    """
    rng = rng or random.Random()  # noqa: S311 - spreads attempts, keeps no secret
    run = _Run(store, channels, now, patience or Patience(), rng)
    _mark_sent(run)
    _give_up_orphans(run)
    failures = dict.fromkeys(channels if only is None else [key for key in channels if key in only], 0)
    tried: set[int] = set()
    while not stops() and (found := _claim_next(run, owner, failures, tried)) is not None:
        tried.add(found.id)
        if _attempt(run, found):
            failures[found.channel] = 0
            continue
        failures[found.channel] += 1
        if failures[found.channel] >= _FAILURES_A_RUN:
            del failures[found.channel]
    return run.report


def _claim_next(run: _Run, owner: str, channels: Collection[str], tried: Collection[int]) -> Queued | None:
    """The next message, claimed; None when there is none."""
    while channels:
        now = run.now()
        with run.store.transaction(writes=False) as connection:
            found = outbox_rows.due(connection, list(channels), now, tried)
        if found is None:
            return None
        with run.store.transaction() as connection:
            if outbox_rows.claim(connection, found.id, owner, now):
                return replace(found, attempts=found.attempts + 1)
    return None


def _attempt(run: _Run, queued: Queued) -> bool:
    """Sends a claimed message and writes down what came of it; False when the channel may take it later."""
    run.report.notes[queued.id] = {"channel": queued.channel}
    try:
        run.channels[queued.channel].send(queued.message, queued.message_id)
    except NotNow as error:
        _not_now(run, queued, error)
        return False
    except Gone as error:
        _give_up(run, queued, f"{queued.channel} does not take it: {_line(error.reason)}")
        return True  # an answer: there is no need to wait with the next
    except BaseException as error:  # a bug, or the end of this process: the message is not lost by it
        with suppress(StoreError):  # then the claim runs out
            _not_now(run, queued, NotNow(None, f"{type(error).__name__} in this program"))
        raise
    run.store.unmarked[queued.id] = run.now()
    _mark_sent(run)
    return True


def _mark_sent(run: _Run) -> None:
    """Marks what was acknowledged, also what could not be marked in an earlier run."""
    unmarked = run.store.unmarked
    for id_, at in list(unmarked.items()):
        with run.store.transaction() as connection:
            ended = outbox_rows.end(connection, id_, State.SENT, at)
        unmarked.pop(id_, None)  # several channels may be at it, each in its thread
        if ended:
            run.report.sent.append(id_)


def _not_now(run: _Run, queued: Queued, error: NotNow) -> None:
    """Sets the next attempt, or gives the message up."""
    now, patience = run.now(), run.patience
    reason = _line(error.reason)
    age = now - queued.created
    if age >= patience.give_up_s and queued.attempts >= patience.least_attempts:
        _give_up(run, queued, f"{queued.channel} did not take it for {age / 3600:.0f} hours: {reason}")
        return
    asked = error.retry_after_s
    if asked is not None and math.isfinite(asked) and asked >= 0:
        wait = min(asked, outbox_rows.LONGEST_REST_S)
    else:
        asked = None
        doubled = patience.first_wait_s * 2.0 ** min(queued.attempts - 1, 30)
        wait = min(doubled, patience.longest_wait_s) * run.rng.uniform(0.5, 1.0)
    with run.store.transaction() as connection:
        outbox_rows.postpone(connection, queued.id, now + min(wait, outbox_rows.LONGEST_WAIT_S), reason)
        run.report.notes[queued.id] = {"channel": queued.channel, "why": reason}
        if asked is not None:  # its limits are the channel's, not the message's
            row = {"channel": queued.channel, "until": now + wait, "since": now}
            run.store.put(connection, tables.resting, ["channel"], [row])
    run.report.postponed.append(queued.id)


def _give_up(run: _Run, queued: Queued, reason: str) -> None:
    """Ends a message, and in the same transaction tells the other channels."""
    now = run.now()
    with run.store.transaction() as connection:
        if not outbox_rows.end(connection, queued.id, State.FAILED, now, reason):
            return
        if queued.message.kind not in {Kind.FAILED, Kind.TEST}:
            for other in run.channels:
                if other != queued.channel:
                    outbox_rows.put(connection, other, _failure(queued.message, reason, now), now)
    run.report.notes[queued.id] = {"channel": queued.channel, "why": reason}
    run.report.failed.append(queued.id)


def _failure(message: Message, reason: str, now: float) -> Message:
    """What the other channels hear: why, and all that the message said."""
    entries = tuple(replace(entry, sentences=(reason, *entry.sentences)) for entry in message.entries)
    return Message(Kind.FAILED, entries, message.blocks, int(now))


def _give_up_orphans(run: _Run) -> None:
    """Gives up messages to channels that are not configured any more, once their day has passed."""
    now = run.now()
    with run.store.transaction(writes=False) as connection:
        those = outbox_rows.orphans(connection, list(run.channels), now - run.patience.give_up_s, now)
    for queued in those:
        _give_up(run, queued, f"{queued.channel} is not configured any more")


def _line(reason: str) -> str:
    """One line of bounded length, whatever a server said."""
    return " ".join("".join(c if c.isprintable() else " " for c in reason).split())[:_LONGEST_LINE]
