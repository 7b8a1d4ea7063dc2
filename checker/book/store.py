"""What discovery has found so far, kept over restarts: in SQLite, or in PostgreSQL by its URL.

    with Store.open(store_url(config)) as store:
        store.add(key, mark, holdings)          # both or neither, whenever the power goes
        store.marks(key), store.holdings(key)

A *mark* says that every event up to a block, on the branch with its hash, was found, and that what those
events named is here. Holdings are only candidates: one that a reorg made void does no harm, since
what it holds is always read from the chain. So several processes may use one store: each can only add.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from hashlib import sha256
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, func, literal, select, update

from chain.abi import address_bytes
from chain.logs import LogFilter, Mark
from checker.store import schema as tables
from checker.store.database import Database
from checker.store.engine import store_url
from margin.basics import Address
from protocols.book import Holding

__all__ = ["Source", "Store", "side_key", "sources_of", "store_url", "superfluous", "venue_key"]

_NEWEST_MARKS = 64
_SIDE = "+"
"""Stands in no key of a venue."""


class Source(NamedTuple):
    """A contract, and which of its events are looked for."""

    address: bytes
    topics: bytes
    """A digest of the topics."""


def sources_of(wanted: LogFilter) -> frozenset[Source]:
    """What a filter covers."""
    digest = sha256(b"".join(sorted(wanted.topics))).digest()[:16]
    return frozenset(Source(address_bytes(address), digest) for address in wanted.addresses)


def venue_key(chain_id: int, protocol: str, addresses: Mapping[str, Address]) -> str:
    """A venue by its chain and contracts, whatever the user calls it."""
    named = ",".join(f"{key}={addresses[key].lower()}" for key in sorted(addresses))
    return f"{chain_id}/{protocol}/{named}"


def side_key(venue: str, sources: Collection[Source]) -> str:
    """Where new sources of a known venue are kept until their events are found as far as the others'."""
    digest = sha256(b"".join(one.address + one.topics for one in sorted(sources))).hexdigest()[:16]
    return f"{venue}{_SIDE}{digest}"


def behind_key(venue: str) -> str:
    """Where is kept what a node tells that has none of the blocks known of the venue."""
    return f"{venue}{_SIDE}behind"


class Store(Database):
    """What discovery has found. Raises `StoreError` from every method when the database fails."""

    # What is known

    def start(self, venue: str) -> int | None:
        """The block that the venue's scan began with; None for a venue not known."""
        with self.transaction(writes=False) as connection:
            return connection.scalar(select(tables.venues.c.start).where(tables.venues.c.key == venue))

    def sources(self, venue: str) -> frozenset[Source]:
        """What every mark of the venue covers."""
        table = tables.sources
        with self.transaction(writes=False) as connection:
            rows = connection.execute(_of(venue, table, table.c.address, table.c.topics))
            return frozenset(Source(bytes(address), bytes(topics)) for address, topics in rows)

    def marks(self, venue: str) -> list[Mark]:
        """Blocks up to which the venue is complete, the newest first: the last 64, and ever fewer before."""
        table = tables.marks
        with self.transaction(writes=False) as connection:
            rows = connection.execute(
                _of(venue, table, table.c.number, table.c.hash).order_by(table.c.number.desc())
            )
            return [Mark(number, hash_) for number, hash_ in rows]

    def holdings(self, venue: str) -> list[Holding]:
        """Everything that was ever named, by account and part; candidates, no more."""
        table = tables.holdings
        with self.transaction(writes=False) as connection:
            rows = connection.execute(
                _of(venue, table, table.c.id, table.c.part).order_by(table.c.id, table.c.part)
            )
            return [(bytes(id_), part) for id_, part in rows]

    # What is done

    def begin(self, venue: str, start: int, sources: Collection[Source]) -> None:
        """A venue without marks is scanned from block `start` for these sources. Not for one with marks."""
        with self.transaction() as connection:
            id_ = self._id(connection, venue)
            if connection.scalar(select(func.count()).where(tables.marks.c.venue == id_)):
                return
            connection.execute(update(tables.venues).where(tables.venues.c.id == id_).values(start=start))
            self._set_sources(connection, id_, sources)

    def add(
        self,
        venue: str,
        mark: Mark,
        holdings: Iterable[Holding],
        *,
        after: Mark | None = None,
        sources: Collection[Source] | None = None,
    ) -> bool:
        """Holdings of a piece and the block it reaches to, both or neither.

        With `after` (the mark that the piece goes on from) or `sources` (what it was searched for):
        False, and nothing written, when that mark is gone or the marks have come to cover more than
        those sources, because another process has been here.
        """
        with self.transaction() as connection:
            id_ = self._id(connection, venue)
            if after is not None and after not in _marks_of(connection, id_):
                return False
            if sources is not None and not _sources_of(connection, id_) <= set(sources):
                return False
            self._add_holdings(connection, id_, holdings)
            row = self.insert(tables.marks).values(venue=id_, number=mark.number, hash=mark.hash)
            key = [tables.marks.c.venue, tables.marks.c.number]
            connection.execute(row.on_conflict_do_update(index_elements=key, set_={"hash": mark.hash}))
            numbers = [found.number for found in _marks_of(connection, id_)]
            _drop_marks(connection, id_, superfluous(numbers))
        return True

    def roll_back(self, venue: str, number: int) -> None:
        """Drops the marks above block `number`. Holdings stay: they are candidates on any branch."""
        with self.transaction() as connection:
            id_ = self._id(connection, venue)
            connection.execute(
                delete(tables.marks).where(tables.marks.c.venue == id_, tables.marks.c.number > number)
            )

    def keep_sources(self, venue: str, sources: Collection[Source]) -> None:
        """From now on the marks count for these sources only; for the others all is to be found anew."""
        with self.transaction() as connection:
            id_ = self._id(connection, venue)
            self._set_sources(connection, id_, _sources_of(connection, id_) & set(sources))

    def absorb(self, venue: str, side: str, sources: Collection[Source], upto: Mark) -> bool:
        """What was found for new sources under the key `side` becomes the venue's own, all at once.

        `upto`: where the side's scan has ended, on a mark of the venue. False, and nothing done, when
        the venue has a later mark by now, which would not cover the new sources.
        """
        with self.transaction() as connection:
            id_, side_id = self._id(connection, venue), self._id(connection, side)
            marks = _marks_of(connection, id_)
            if not marks or max(marks) != upto or upto not in _marks_of(connection, side_id):
                return False
            table = tables.holdings
            found = select(literal(id_), table.c.id, table.c.part).where(table.c.venue == side_id)
            columns = ["venue", "id", "part"]
            connection.execute(self.insert(table).from_select(columns, found).on_conflict_do_nothing())
            self._set_sources(connection, id_, _sources_of(connection, id_) | set(sources))
            connection.execute(delete(tables.venues).where(_sides_of(venue)))
        return True

    def forget(self, venue: str) -> None:
        """Drops everything about the venue."""
        with self.transaction() as connection:
            connection.execute(delete(tables.venues).where((tables.venues.c.key == venue) | _sides_of(venue)))

    # How

    def _id(self, connection: Connection, venue: str) -> int:
        """The venue's number, locked until the transaction ends; made where there is none."""
        row = self.insert(tables.venues).values(key=venue, start=0).on_conflict_do_nothing()
        connection.execute(row)
        chosen = select(tables.venues.c.id).where(tables.venues.c.key == venue).with_for_update()
        return int(connection.execute(chosen).scalar_one())

    def _add_holdings(self, connection: Connection, id_: int, holdings: Iterable[Holding]) -> None:
        rows = [{"venue": id_, "id": one, "part": int(part)} for one, part in dict.fromkeys(holdings)]
        if rows:
            connection.execute(self.insert(tables.holdings).on_conflict_do_nothing(), rows)

    def _set_sources(self, connection: Connection, id_: int, sources: Collection[Source]) -> None:
        connection.execute(delete(tables.sources).where(tables.sources.c.venue == id_))
        rows = [{"venue": id_, "address": one.address, "topics": one.topics} for one in set(sources)]
        if rows:
            connection.execute(self.insert(tables.sources), rows)


def superfluous(numbers: Collection[int]) -> list[int]:
    """Which marks to drop: all but the newest 64 and one each for ever longer distances before them."""
    ordered = sorted(numbers, reverse=True)
    oldest_at = {}
    for number in ordered[_NEWEST_MARKS:]:
        oldest_at[(ordered[0] - number).bit_length()] = number
    kept = set(oldest_at.values())
    return [number for number in ordered[_NEWEST_MARKS:] if number not in kept]


def _of(venue: str, table: Any, *columns: Any) -> Any:
    """A query for columns of the venue's rows."""
    return select(*columns).join(tables.venues, tables.venues.c.id == table.c.venue).where(
        tables.venues.c.key == venue
    )  # fmt: skip


def _sides_of(venue: str) -> Any:
    """Everything that was begun beside the venue."""
    return tables.venues.c.key.startswith(venue + _SIDE, autoescape=True)


def _marks_of(connection: Connection, id_: int) -> list[Mark]:
    table = tables.marks
    rows = connection.execute(select(table.c.number, table.c.hash).where(table.c.venue == id_))
    return [Mark(number, hash_) for number, hash_ in rows]


def _sources_of(connection: Connection, id_: int) -> set[Source]:
    table = tables.sources
    rows = connection.execute(select(table.c.address, table.c.topics).where(table.c.venue == id_))
    return {Source(bytes(address), bytes(topics)) for address, topics in rows}


def _drop_marks(connection: Connection, id_: int, numbers: Collection[int]) -> None:
    if numbers:
        table = tables.marks
        connection.execute(delete(table).where(table.c.venue == id_, table.c.number.in_(numbers)))
