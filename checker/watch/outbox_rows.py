"""The outbox in the database: each function is a step of the caller's transaction.

A message is `pending` until its channel has acknowledged it (`sent`) or it is given up (`failed`). Who
tries it claims it first, for a time: a claim that has run out is of someone who died. Times that no clock
that is right can have written (too far ahead) do not count, since clocks are set back at times.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, and_, delete, exists, insert, or_, select, update

from checker.store import schema as tables
from checker.watch.message_json import message_of, message_text
from checker.watch.values import Message

CLAIM_S = 120.0
"""How long a claim holds: more than a channel may take to answer."""
LONGEST_REST_S = 6 * 3600.0
"""The longest that a channel is left alone, whatever it asks for."""
LONGEST_WAIT_S = 120.0
"""The longest that a message waits for its next attempt, the rest of its channel aside."""
_CLOCKS_DIFFER_S = 300.0
"""How far two clocks, or one before and after it was set, may be apart without a claim being lost."""

_box = tables.outbox.c
_waiting = tables.waiting.c


class State(StrEnum):
    """Of a message."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Queued:
    """A message in the outbox. Times are seconds since 1970."""

    id: int
    """In the order of their writing."""
    message_id: str
    """The same each time the message is tried, and no other's."""
    channel: str
    message: Message
    created: float
    attempts: int
    next_attempt: float
    state: State
    ended: float | None
    """When it was sent or given up."""
    error: str | None
    """Why the last attempt failed, one line."""


# --- writing ------------------------------------------------------------------------------------------


def put(connection: Connection, channel: str, message: Message, now: float) -> int:
    """Queues a message behind those about the same subjects."""
    row = insert(tables.outbox).values(
        message_id=uuid4().hex,
        channel=channel,
        message=message_text(message),
        created=now,
        attempts=0,
        next_attempt=now,
        state=State.PENDING,
    )
    id_ = int(connection.execute(row.returning(_box.id)).scalar_one())
    subjects = sorted({entry.subject for entry in message.entries})
    if subjects:
        rows = [{"channel": channel, "subject": subject, "message": id_} for subject in subjects]
        connection.execute(insert(tables.waiting), rows)
    return id_


def claim(connection: Connection, id_: int, owner: str, now: float) -> bool:
    """Takes a message for an attempt; False when it is someone else's by now, or done."""
    row = update(tables.outbox).where(_box.id == id_, _box.state == State.PENDING, _is_free(now))
    taken = connection.execute(
        row.values(claimed_by=owner, claimed_until=now + CLAIM_S, attempts=_box.attempts + 1)
    )
    return taken.rowcount == 1


def postpone(connection: Connection, id_: int, until: float, error: str) -> None:
    """The attempt failed: the next one is due then."""
    row = update(tables.outbox).where(_box.id == id_, _box.state == State.PENDING)
    connection.execute(row.values(next_attempt=until, claimed_by=None, claimed_until=None, error=error))


def end(connection: Connection, id_: int, state: State, now: float, error: str | None = None) -> bool:
    """The message was acknowledged, or is given up; False when it had ended before."""
    row = update(tables.outbox).where(_box.id == id_, _box.state == State.PENDING)
    done = connection.execute(
        row.values(state=state, ended=now, error=error, claimed_by=None, claimed_until=None)
    )
    connection.execute(delete(tables.waiting).where(_waiting.message == id_))
    return done.rowcount == 1


# --- reading ------------------------------------------------------------------------------------------


def due(
    connection: Connection, channels: Collection[str], now: float, passed: Collection[int] = ()
) -> Queued | None:
    """The message of these channels that is to be tried next, and nobody has claimed.

    It is the one whose time came first, and no earlier message about its subjects is pending.
    `passed` are left out.
    """
    rests = tables.resting.c
    resting = exists().where(
        rests.channel == _box.channel,
        _is_to_come(rests.until, now, LONGEST_REST_S),
        rests.since <= now + _CLOCKS_DIFFER_S,
    )
    mine, earlier = tables.waiting.alias().c, tables.waiting.alias().c
    blocked = exists().where(
        mine.message == _box.id,
        earlier.channel == mine.channel,
        earlier.subject == mine.subject,
        earlier.message < mine.message,
    )
    chosen = select(tables.outbox).where(
        _box.state == State.PENDING,
        _box.channel.in_(channels),
        _box.id.not_in(passed),
        or_(_box.attempts == 0, ~_is_to_come(_box.next_attempt, now, LONGEST_WAIT_S)),
        _is_free(now),
        ~resting,
        ~blocked,
    )
    row = connection.execute(chosen.order_by(_box.next_attempt, _box.id).limit(1)).first()
    return None if row is None else _queued(row)


def orphans(connection: Connection, channels: Collection[str], before: float, now: float) -> list[Queued]:
    """Pending messages of other channels than these, created before a time, that nobody has claimed."""
    where = and_(_box.channel.not_in(channels), _box.created <= before, _is_free(now))
    return listed(connection, State.PENDING, where)


def listed(connection: Connection, state: State, where: Any = None) -> list[Queued]:
    """All messages in that state, in the order of their writing."""
    chosen = select(tables.outbox).where(_box.state == state).order_by(_box.id)
    return [_queued(row) for row in connection.execute(chosen if where is None else chosen.where(where))]


def latest(connection: Connection, count: int) -> list[Queued]:
    """The last messages whatever their state, the newest first."""
    chosen = select(tables.outbox).order_by(_box.id.desc()).limit(count)
    return [_queued(row) for row in connection.execute(chosen)]


def lost(connection: Connection, channels: Iterable[str]) -> dict[str, str]:
    """The channels that gave up the last message that ended, and why."""
    found = {}
    for channel in channels:
        ended = select(_box.state, _box.error).where(_box.channel == channel, _box.ended.is_not(None))
        last = connection.execute(ended.order_by(_box.ended.desc(), _box.id.desc()).limit(1)).first()
        if last is not None and last.state == State.FAILED:
            found[channel] = str(last.error)
    return found


def subjects_waiting(connection: Connection, channels: Iterable[str]) -> set[tuple[str, str]]:
    """Channel and subject of what is pending."""
    chosen = select(_waiting.channel, _waiting.subject).where(_waiting.channel.in_(list(channels)))
    return {(channel, subject) for channel, subject in connection.execute(chosen)}


def _is_free(now: float) -> Any:
    until = _box.claimed_until
    return or_(until.is_(None), until <= now, until > now + CLAIM_S + _CLOCKS_DIFFER_S)


def _is_to_come(time: Any, now: float, longest_s: float) -> Any:
    return and_(time > now, time <= now + longest_s + _CLOCKS_DIFFER_S)


def _queued(row: Any) -> Queued:
    return Queued(
        row.id,
        row.message_id,
        row.channel,
        message_of(row.message),
        row.created,
        row.attempts,
        row.next_attempt,
        State(row.state),
        row.ended,
        row.error,
    )
