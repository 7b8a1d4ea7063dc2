"""A venue's book, found once and kept current: a new block re-reads only what its events touched."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

import numpy as np

from chain.logs import Mark, hashes_at, scan_logs
from chain.reader import Reader
from chain.rpc import Rpc
from checker.book.discovery import Discovery, discover
from checker.book.store import Store, sources_of, venue_key
from checker.book.table import Table
from checker.venues import Place
from margin.basics import BlockRef, Reason
from margin.errors import ChainUnreadable
from margin.screen import Screen
from protocols.book import Holding, Touched, Tracked

Say = Callable[[str, int, int], None]
ReaderAt = Callable[[BlockRef], Reader]
STEPS_KEPT = 256
"""Updates that can be taken back; a reorganisation beyond them reads the book afresh."""
_CHUNK = 200_000
"""Cells read at once, so that progress is shown and memory bounded."""


class How(StrEnum):
    """How the book came to its present block."""

    AFRESH = "afresh"
    QUIET = "quiet"
    """No event of the venue: prices and the clock alone."""
    TOUCHED = "touched"
    REORGANISED = "reorganised"
    """Rolled back to a common ancestor, and on from there."""


@dataclass(frozen=True, slots=True)
class Change:
    """One step of the book."""

    how: How
    block: BlockRef
    reread: int
    """Accounts read again."""
    reopened: bool
    """Whether the venue itself was read again."""


@dataclass(frozen=True, slots=True)
class _Step:
    mark: Mark
    touched: frozenset[bytes]
    """Accounts whose cells this step changed."""


class BookKeeper:
    """The book of one venue. After any sequence of blocks it equals one read afresh."""

    def __init__(
        self,
        rpc: Rpc,
        place: Place,
        store: Store,
        *,
        reader_at: ReaderAt | None = None,
        say: Say = lambda _text, _done, _total: None,
    ) -> None:
        """`reader_at`: readers of a kind (for comparison of means); usual ones otherwise."""
        self.rpc = rpc
        self.place = place
        self.table = Table()
        self.found: Discovery | None = None
        """What discovery said when the book was last found; `None` before."""
        self.went_on = False
        """Whether the last search went on from what an earlier one had stored."""
        self._store = store
        self._say = say
        self._reader_at = reader_at or (lambda block: Reader(rpc, block))
        self._venue: Tracked[Any] | None = None
        self._reader: Reader | None = None
        self._steps: list[_Step] = []
        self._stored: Mark | None = None
        """The last block that this keeper brought the store to."""
        self._screen: Screen | None = None

    @property
    def venue(self) -> Tracked[Any]:
        """The venue at the book's block. Only after an `advance` that came to its end."""
        assert self._venue is not None, "advance first"
        return self._venue

    @property
    def reader(self) -> Reader:
        """A reader at the book's block."""
        assert self._reader is not None, "advance first"
        return self._reader

    @property
    def screen(self) -> Screen:
        """The book in floats; made when first asked for after a change."""
        if self._screen is None:
            self._screen = self.venue.screen(self.table)
        return self._screen

    def advance(self, block: BlockRef) -> Change:
        """Brings the book to this block.

        Raises `ReadError` where something that all accounts depend on could not be read, or the
        block was replaced meanwhile, and `VenueError`: then there may be no book until the next one,
        which is read afresh. What could not be read of one account is in `table.unread`.
        """
        before = self._steps[-1].mark if self._steps else None
        if self._venue is None or before is None:
            return self._afresh(block)
        if before == Mark(block.number, block.hash):
            return Change(How.QUIET, block, 0, reopened=False)
        if before.number < block.number:
            try:
                return self._follow(block, len(self._steps) - 1, set(), reorganised=False)
            except ChainUnreadable as failure:
                if failure.unread.reason is not Reason.BLOCK_NOT_FOUND:
                    raise
        ancestor = self._ancestor(block)
        if ancestor is None:
            return self._afresh(block)
        reorganised = self._steps[ancestor].mark != before
        undone = {id_ for step in self._steps[ancestor + 1 :] for id_ in step.touched}
        return self._follow(block, ancestor, undone, reorganised=reorganised)

    def forget(self) -> None:
        """Drops the book, and what the store knows of the venue: the next one is searched from the start."""
        assert self._reader is not None, "advance first"
        self._store.forget(self._key(self._reader.block))
        self._venue, self._steps = None, []

    def _ancestor(self, block: BlockRef) -> int | None:
        """The newest step that is an ancestor of this block; `None` when none of those kept is."""
        older = [at for at, step in enumerate(self._steps) if step.mark.number < block.number]
        hashes = hashes_at(self.rpc, [self._steps[at].mark.number for at in older]) if older else []
        canonical = [
            at for at, found in zip(older, hashes, strict=True) if found == self._steps[at].mark.hash
        ]
        return canonical[-1] if canonical else None

    def _afresh(self, block: BlockRef) -> Change:
        """Finds every account, and reads every cell."""
        reader = self._reader_at(block)
        venue = self._open(reader)
        found = self._discover(venue, block)
        table = Table()
        table.add(_present(venue, found.holdings), venue.common_parts)
        self._read(venue, reader, table, np.arange(len(table.part)))
        venue = venue.with_modes(reader, table)
        self.found, self.table = found, table
        self._stand(venue, reader, [], table.ids)
        return Change(How.AFRESH, block, len(table.ids), reopened=True)

    def _follow(self, block: BlockRef, ancestor: int, undone: set[bytes], *, reorganised: bool) -> Change:
        before, mark = self.venue, self._steps[ancestor].mark
        touched = self._touched(block, mark)
        reopened = touched.venue or reorganised
        reader = self._reader_at(block)
        venue = self._open(reader) if reopened else before.at_block(reader)
        if venue.history() != before.history() or venue.parts != before.parts:
            # Other contracts: what they did before they were known here has to be found, and what a part
            # was may be something else now.
            return self._afresh(block)
        self._keep(venue, block, ancestor, touched.holdings)
        table, steps = self.table, self._steps
        goes_on = ancestor == len(steps) - 1
        # What was not read last time is tried again with every block.
        again = {table.ids[row] for row in table.unread}
        # Should what follows be cut short, the book is no book: the next one is read afresh.
        self._venue, self._steps = None, []
        ids = {id_ for id_, _ in touched.holdings} | undone
        table.add(touched.holdings, venue.common_parts)
        rows = table.rows_of(ids | again)
        places = table.cells_of(rows) if rows else np.zeros(0, np.int64)
        silent = venue.silent_since(before if goes_on else None)
        silent_places = np.flatnonzero(np.isin(table.part, list(silent)))
        places = np.union1d(places, silent_places)
        if len(places):
            self._read(venue, reader, table, places)
        moded = venue.with_modes(reader, table)
        stands = not len(places) and not reopened and moded is venue
        self._stand(moded, reader, steps[: ancestor + 1], ids, screen_stands=stands)
        quiet = not rows and not reopened
        how = How.REORGANISED if reorganised else How.QUIET if quiet else How.TOUCHED
        return Change(how, block, len(rows), reopened)

    def _touched(self, block: BlockRef, after: Mark) -> Touched:
        """What the blocks after a mark did, up to this one."""
        holdings: set[Holding] = set()
        venue = False
        for piece in scan_logs(self.rpc, self.venue.watched(), after.number + 1, block, after=after):
            found = self.venue.touched(piece.logs)
            holdings |= found.holdings
            venue = venue or found.venue
        return Touched(frozenset(holdings), venue)

    def _stand(
        self,
        venue: Tracked[Any],
        reader: Reader,
        steps: list[_Step],
        touched: Collection[bytes],
        *,
        screen_stands: bool = False,
    ) -> None:
        self._venue, self._reader = venue, reader
        if not screen_stands:
            self._screen = None
        changed = frozenset(touched) if steps else frozenset()
        self._steps = [*steps, _Step(Mark(reader.block.number, reader.block.hash), changed)][-STEPS_KEPT:]

    def _read(self, venue: Tracked[Any], reader: Reader, table: Table, places: np.ndarray) -> None:
        """Reads the cells at these places, and those that what was read says there must be."""
        rows = np.unique(table.row[places])
        while len(places):
            for start in range(0, len(places), _CHUNK):
                part = places[start : start + _CHUNK]
                self._say(f"{venue.id}: reading {len(places):,} cells", start, len(places))
                ids, row = _only(table, table.row[part])
                table.put(part, venue.read_cells(reader, ids, row, table.part[part]))
            row, part_ = venue.implied(table)
            mine = np.isin(row, rows)
            row, part_ = row[mine], part_[mine]
            known = table.has(row, part_)
            row, part_ = row[~known], part_[~known]
            table.add_cells(row, part_)
            places = np.unique(table.places_of(row, part_))

    def _open(self, reader: Reader) -> Tracked[Any]:
        return cast("Tracked[Any]", self.place.adapter.open(reader, self.place.config))

    def _key(self, block: BlockRef) -> str:
        config = self.place.config
        return venue_key(block.chain_id, self.place.adapter.protocol, config.addresses)

    def _discover(self, venue: Tracked[Any], block: BlockRef) -> Discovery:
        config = self.place.config
        self.went_on = bool(self._store.marks(self._key(block)))
        found = discover(
            self.rpc,
            venue,
            self._key(block),
            self._store,
            block,
            start_block=config.start_block,
            entry=config.entry,
            say=self._say,
        )
        self._stored = Mark(block.number, block.hash)
        return found

    def _keep(
        self, venue: Tracked[Any], block: BlockRef, ancestor: int, holdings: Collection[Holding]
    ) -> None:
        """What these blocks brought goes into the store, so that the next run need not look for it."""
        if not holdings or self._stored == Mark(block.number, block.hash):
            return
        mark = Mark(block.number, block.hash)
        # Blocks without an event are not stored: what comes after them goes on from before them.
        if self._stored in {step.mark for step in self._steps[: ancestor + 1]} and self._store.add(
            self._key(block), mark, holdings, after=self._stored, sources=sources_of(venue.history())
        ):
            self._stored = mark
        else:
            self._discover(venue, block)


def _present(venue: Tracked[Any], holdings: Iterable[Holding]) -> Iterator[Holding]:
    """Those of parts that the venue has at its block: the store keeps what was named at any time."""
    parts = venue.parts
    return ((id_, part) for id_, part in holdings if part in parts)


def _only(table: Table, row: Any) -> tuple[list[bytes], Any]:
    """The ids of these rows alone, and the rows as places among them."""
    unique, inverse = np.unique(row, return_inverse=True)
    return [table.ids[at] for at in unique.tolist()], inverse.astype(np.int32)
