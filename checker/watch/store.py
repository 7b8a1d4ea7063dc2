"""What the watch keeps: bands, what was told, what happened, silences, history; the outbox stands beside.

    with WatchStore.open(store_url(config)) as store:
        store.decide(observations, channels, now, settings)     # remembers, and queues what is to be said

Times are seconds since 1970 and given by the caller. Several watchers may use one store: who decides about
a subject has it to himself until the decision is written, on SQLite the whole store, on PostgreSQL its row.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, delete, select, update

from checker.bands import Band
from checker.store import schema as tables
from checker.watch import memory, outbox_rows
from checker.watch.history import History, pieces
from checker.watch.memory import Footing, Happening, Kept, Settings, Told
from checker.watch.message_json import (
    band_of,
    blocks_of,
    blocks_text,
    facts_of,
    facts_text,
    happening_of,
    happening_text,
)
from checker.watch.outbox_rows import Queued, State
from checker.watch.values import ChannelKey, Kind, Message, Observation


@dataclass
class _Round:
    """A decision being made: what is known, and what is to be written."""

    kept: dict[str, Kept]
    told: dict[tuple[str, str], Told]
    silent: set[str]
    waiting: set[tuple[str, str]]
    happenings: dict[tuple[str, Kind], list[Happening]]
    now: float
    settings: Settings
    new_told: dict[tuple[str, str], Told] = field(default_factory=dict)

    def tell(self, channel: ChannelKey, subject: str, band: Band, seen: Observation | None) -> None:
        before = self.told.get((channel.key, subject))
        facts = seen.told()[1] if seen is not None else before.facts if before is not None else ()
        known = seen.known if seen is not None and band is Band.UNKNOWN else Band.OK
        told = Told(band, self.now, facts, known)
        self.told[channel.key, subject] = self.new_told[channel.key, subject] = told


class WatchStore(History):
    """Memory and outbox of the watch. Raises `StoreError` from every method when the database fails."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.unmarked: dict[int, float] = {}
        """Messages that were acknowledged, and when, but could not be marked as sent yet."""

    # Bands

    def decide(
        self,
        observations: Iterable[Observation],
        channels: Sequence[ChannelKey],
        now: float,
        settings: Settings,
        *,
        happenings: Iterable[Happening] = (),
        footings: Sequence[Footing] = (),
        replaced: Collection[str] = (),
    ) -> list[int]:
        """Remembers how each subject stands and queues what each channel is to be told; the messages' ids.

        All in one transaction. A happening is told once however often it is given, at the end of a
        silence if there is one; give it as often as you like. `footings` are compared with those kept,
        and kept. `replaced`: hashes of blocks that are no longer canonical. The last of several
        observations of one subject counts.
        """
        seen = {one.subject: one for one in observations}
        given = {one.key: one for one in happenings}
        with self.transaction() as connection:
            open_ = _open_happenings(connection)
            others = {one.subject for one in given.values()} | {
                who for one in footings for who, _ in one.told
            }
            subjects = sorted(seen.keys() | {subject for subject, _ in open_} | others)
            kept = self._locked(connection, subjects, now)
            silent = _silent(connection, now)
            behind = {
                key
                for key, one in seen.items()
                if key in kept and memory.is_behind(kept[key], one, now, settings, replaced)
            }
            for key, one in seen.items():
                if key not in behind:
                    kept[key] = memory.remembered(kept.get(key), one, now, settings)
            newer = [one for one in footings if not any(who in behind for who, _ in one.told)]
            moved = self.moved(connection, newer)
            self._add_happenings(connection, [*given.values(), *moved], now)
            keys = [channel.key for channel in channels]
            round_ = _Round(
                kept,
                _told(connection, keys, subjects),
                silent,
                outbox_rows.subjects_waiting(connection, keys),
                # Read again: what another watcher has told while this one waited for the rows is not open.
                {
                    key: those
                    for key, those in _open_happenings(connection).items()
                    if key[0] in subjects and key[0] not in silent
                },
                now,
                settings,
            )
            current = {key: one for key, one in seen.items() if key not in behind}
            ids = [id_ for channel in channels for id_ in _tell(connection, channel, current, round_)]
            self._write(connection, current, round_)
        return ids

    def kept(self, subjects: Iterable[str] | None = None) -> dict[str, Kept]:
        """What is remembered of these subjects, or of all."""
        with self.transaction(writes=False) as connection:
            if subjects is None:
                rows = connection.execute(select(tables.subjects))
                return {row.key: _kept(row) for row in rows}
            return {
                row.key: _kept(row)
                for piece in pieces(sorted(set(subjects)))
                for row in connection.execute(select(tables.subjects).where(tables.subjects.c.key.in_(piece)))
            }

    def told(self, channel: str, subject: str) -> Told | None:
        """What was last queued for a channel about a subject."""
        with self.transaction(writes=False) as connection:
            return _told(connection, [channel], [subject]).get((channel, subject))

    def _locked(self, connection: Connection, subjects: Sequence[str], now: float) -> dict[str, Kept]:
        """What is remembered of them; nobody else decides about them until the transaction ends."""
        table = tables.subjects
        found = {}
        new = [
            {"key": key, "band": None, "seen": None, "unknown_since": None, "at": now, "blocks": "[]"}
            for key in subjects
        ]  # in order, like the locks below: two that wait for each other would wait for ever
        if new:
            connection.execute(self.insert(table).on_conflict_do_nothing(), new)
        for piece in pieces(subjects):
            chosen = select(table).where(table.c.key.in_(piece)).order_by(table.c.key).with_for_update()
            found.update({row.key: _kept(row) for row in connection.execute(chosen)})
        # By identity: the band ok is false.
        return {
            key: one for key, one in found.items() if not (one.seen is None and one.unknown_since is None)
        }

    def _add_happenings(self, connection: Connection, those: Iterable[Happening], now: float) -> None:
        rows = [
            {"key": one.key, "subject": one.subject, "happening": happening_text(one), "at": now}
            for one in sorted(those, key=lambda one: one.key)
        ]
        if rows:
            connection.execute(self.insert(tables.happenings).on_conflict_do_nothing(), rows)

    def _write(self, connection: Connection, seen: Mapping[str, Observation], round_: _Round) -> None:
        rows = [
            {
                "key": key,
                "band": _word(round_.kept[key].band),
                "seen": _word(round_.kept[key].seen),
                "unknown_since": round_.kept[key].unknown_since,
                "at": round_.kept[key].at,
                "blocks": blocks_text(round_.kept[key].blocks),
            }
            for key in sorted(seen)
        ]
        self.put(connection, tables.subjects, ["key"], rows)
        told = [
            {
                "channel": channel,
                "subject": subject,
                "band": one.band.word,
                "at": one.at,
                "facts": facts_text(one.facts),
                "known": one.known.word,
            }
            for (channel, subject), one in sorted(round_.new_told.items(), key=lambda item: item[0])
        ]
        self.put(connection, tables.told, ["channel", "subject"], told)
        done = sorted(one.key for those in round_.happenings.values() for one in those)
        table = tables.happenings
        for piece in pieces(done):
            connection.execute(update(table).where(table.c.key.in_(piece)).values(happening=None))

    # Messages

    def queue(self, message: Message, channels: Iterable[str], now: float) -> list[int]:
        """Queues a message that comes of no band, for these channels; their ids."""
        with self.transaction() as connection:
            return [outbox_rows.put(connection, channel, message, now) for channel in channels]

    def pending(self) -> list[Queued]:
        """What is not delivered yet, the oldest first."""
        with self.transaction(writes=False) as connection:
            return outbox_rows.listed(connection, State.PENDING)

    def recent(self, count: int = 100) -> list[Queued]:
        """The last messages, delivered or not, the newest first."""
        with self.transaction(writes=False) as connection:
            return outbox_rows.latest(connection, count)

    def stuck(self, since: float) -> list[Queued]:
        """What was queued at that time or before and is not delivered yet."""
        with self.transaction(writes=False) as connection:
            return outbox_rows.listed(connection, State.PENDING, tables.outbox.c.created <= since)

    def lost(self, channels: Iterable[str]) -> dict[str, str]:
        """The channels that gave their last message up, and why."""
        with self.transaction(writes=False) as connection:
            return outbox_rows.lost(connection, channels)

    # Silences

    def silence(self, subject: str, until: float) -> None:
        """Nothing is queued about a subject until then; a time that has passed ends a silence."""
        with self.transaction() as connection:
            self.put(connection, tables.silences, ["subject"], [{"subject": subject, "until": until}])

    def silences(self, now: float) -> dict[str, float]:
        """Of whom nothing is said, and until when."""
        table = tables.silences
        with self.transaction(writes=False) as connection:
            rows = connection.execute(select(table.c.subject, table.c.until).where(table.c.until > now))
            return {row.subject: row.until for row in rows}

    # Age

    def prune(self, before: float) -> None:
        """Drops history, ended messages and ended silences older than a time; happenings stay known."""
        box, pending = tables.outbox.c, State.PENDING
        with self.transaction() as connection:
            connection.execute(delete(tables.checks).where(tables.checks.c.at < before))
            connection.execute(delete(tables.outbox).where(box.state != pending, box.ended < before))
            connection.execute(delete(tables.silences).where(tables.silences.c.until < before))


# --- how ------------------------------------------------------------------------------------------------


def _tell(
    connection: Connection, channel: ChannelKey, seen: Mapping[str, Observation], round_: _Round
) -> list[int]:
    """Queues what one channel is to be told, and notes it."""
    said = []
    for (subject, _), those in sorted(round_.happenings.items(), key=_liquidations_first):
        told, kept = round_.told.get((channel.key, subject)), round_.kept.get(subject)
        said.append(memory.happened(those, seen.get(subject), kept, told))
        round_.tell(channel, subject, said[-1].entry.new, seen.get(subject))
    for subject, one in seen.items():
        kept = round_.kept[subject]
        if kept.band is None or subject in round_.silent or one.not_to == channel.key:
            continue
        key = (channel.key, subject)
        told = round_.told.get(key)
        kind = memory.to_say(
            channel,
            kept.band,
            told,
            round_.now,
            round_.settings,
            waits=key in round_.waiting,
            known=one.known,
        )
        if kind is not None:
            said.append(memory.change_of(one, kept, told, kind))
            round_.tell(channel, subject, kept.band, one)
    those_messages = memory.messages(said, round_.now, round_.settings)
    return [outbox_rows.put(connection, channel.key, message, round_.now) for message in those_messages]


def _liquidations_first(item: tuple[tuple[str, Kind], list[Happening]]) -> tuple[bool, Kind, str]:
    (subject, kind), _ = item
    return kind is not Kind.LIQUIDATED, kind, subject


def _word(band: Band | None) -> str | None:
    return None if band is None else band.word


def _kept(row: Any) -> Kept:
    band, seen = (None if word is None else band_of(word) for word in (row.band, row.seen))
    return Kept(band, seen, row.unknown_since, row.at, blocks_of(row.blocks))


def _told(
    connection: Connection, channels: Sequence[str], subjects: Sequence[str]
) -> dict[tuple[str, str], Told]:
    table = tables.told
    found = {}
    for piece in pieces(subjects):
        chosen = select(table).where(table.c.channel.in_(channels), table.c.subject.in_(piece))
        for row in connection.execute(chosen):
            found[row.channel, row.subject] = Told(
                band_of(row.band), row.at, facts_of(row.facts), band_of(row.known)
            )
    return found


def _silent(connection: Connection, now: float) -> set[str]:
    table = tables.silences
    return set(connection.scalars(select(table.c.subject).where(table.c.until > now)))


def _open_happenings(connection: Connection) -> dict[tuple[str, Kind], list[Happening]]:
    """What is not told yet, by subject and kind, in the order of their keys."""
    table = tables.happenings
    found: dict[tuple[str, Kind], list[Happening]] = {}
    for row in connection.execute(select(table).where(table.c.happening.is_not(None)).order_by(table.c.key)):
        one = happening_of(row.key, row.subject, row.happening)
        found.setdefault((one.subject, one.kind), []).append(one)
    return found
