"""Readings of one chain, block after block: a quiet block costs its prices and a repricing.

The first reading is whole, and one every few minutes; between them an account is read again when an
event of its venue touched it, when it is not well, or when the caller asks. The others are carried over:
what the chain knows of them has not changed, only prices and the clock have.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from chain.abi import AbiError
from chain.block import pin, still_canonical
from chain.logs import Log, Mark, scan_logs
from chain.reader import Reader
from chain.rpc import Rpc
from checker.config import Chain, Config
from checker.snapshot import ChainReading, VenueReading, disagrees, dollars_of, read_chain
from margin.account import AccountKey
from margin.basics import Address, BlockRef, Unread
from margin.errors import ReadError, VenueError
from protocols.base import Book, Failed
from protocols.book import Tracked

WHOLE_EVERY_S = 300.0
"""Everything is read again, and compared with the protocols' own views, at least so often."""


class _NotSoError(Exception):
    """The last reading is nothing to go on from."""


@dataclass
class Following:
    """The readings of one chain for the same owners."""

    rpc: Rpc
    chain: Chain
    config: Config
    owners: Sequence[Address]
    whole_every_s: float = WHOLE_EVERY_S
    logs: Mapping[str, tuple[Mark, Mark, list[Log]]] = field(default_factory=dict)
    """By venue its events between two blocks (after the first, up to the second), where they were read."""
    _last: ChainReading | None = None
    _whole_at: float = 0.0

    def read(self, now: float, again: Collection[Address]) -> ChainReading:
        """Every owner at the newest block; `again`: owners to be read in any case.

        Raises `ConfigError` as `read_chain`.
        """
        before, self._last, self.logs = self._last, None, {}
        if before is not None and 0 <= now - self._whole_at < self.whole_every_s:
            try:
                self._last = self._gone_on(before, set(again))
            except (ReadError, VenueError, AbiError, _NotSoError):
                self.logs = {}  # the whole reading says what is wrong, if it still is
            else:
                return self._last
        reading = read_chain(self.rpc, self.chain, self.config, self.owners, "latest", lambda _: None)
        if reading.unread is None and not any(_is_missing(one) for one in reading.venues):
            self._last, self._whole_at = reading, now
        return reading

    def confirmed(self, reading: ChainReading, owners: Collection[Address]) -> ChainReading:
        """The reading just made, with these owners read at its block too, beside the protocols' views.

        Where that cannot be had, everything is read again at the newest block.
        """
        block = reading.block
        assert block is not None
        try:
            reader = Reader(self.rpc, block)
            venues = tuple(
                VenueReading(one.place, _reread(reader, _book(one), owners)) for one in reading.venues
            )
            dollars = dollars_of(reader, self.chain, venues)
            self._settled(block, venues)
        except (ReadError, VenueError, AbiError, _NotSoError):
            self._last, self.logs = None, {}
            return read_chain(self.rpc, self.chain, self.config, self.owners, "latest", lambda _: None)
        self._last = replace(reading, block=block, venues=venues, requests=self.rpc.requests, dollars=dollars)
        return self._last

    def _gone_on(self, before: ChainReading, again: set[Address]) -> ChainReading:
        last = before.block
        assert last is not None
        block = pin(self.rpc, max_head_age_s=self.chain.max_head_age_s)
        if block == last:
            return before
        if block.number <= last.number:
            raise _NotSoError
        reader = Reader(self.rpc, block)
        venues = tuple(self._venue(one, reader, last, again) for one in before.venues)
        dollars = dollars_of(reader, self.chain, venues)
        self._settled(block, venues)
        return replace(before, block=block, venues=venues, requests=self.rpc.requests, dollars=dollars)

    def _venue(
        self, before: VenueReading, reader: Reader, last: BlockRef, again: set[Address]
    ) -> VenueReading:
        book = _book(before)
        old = cast("Tracked[Any]", book.venue)
        after = Mark(last.number, last.hash)
        pieces = scan_logs(self.rpc, old.watched(), last.number + 1, reader.block, after=after)
        logs = [log for piece in pieces for log in piece.logs]
        self.logs = {**self.logs, old.id: (after, Mark(reader.block.number, reader.block.hash), logs)}
        touched = old.touched(logs)
        if touched.venue:
            venue = cast("Tracked[Any]", before.place.adapter.open(reader, before.place.config))
            if venue.history() != old.history() or venue.parts != old.parts:
                raise _NotSoError  # what an account holds has other names now
        else:
            venue = old.at_block(reader)
        keys = {venue.key_of(id_) for id_, _ in touched.holdings}
        named = {key.owner for key in keys}
        stale = [
            owner
            for owner, accounts in book.accounts.items()
            if owner in again or owner in named or any(_is_stale(old, each, keys) for each in accounts)
        ]
        left = {owner: those for owner, those in book.accounts.items() if owner not in set(stale)}
        fresh = _reread(reader, _carried(reader, Book(venue, left)), stale)
        in_order = {owner: fresh.accounts[owner] for owner in book.accounts}
        return VenueReading(before.place, Book(fresh.venue, in_order))

    def _settled(self, block: BlockRef, venues: Sequence[VenueReading]) -> None:
        """That all was read, as the protocols say, at a block that still stands: else it is read whole."""
        if any(_is_missing(one) or disagrees(_book(one)) for one in venues):
            raise _NotSoError
        if not still_canonical(self.rpc, block):
            raise _NotSoError


def _is_stale(venue: Tracked[Any], account: Any, touched: Collection[AccountKey]) -> bool:
    """Whether an account could not be read, or an event named it."""
    return isinstance(account, Failed) or venue.key(account) in touched


def _is_missing(reading: VenueReading) -> bool:
    """Whether the node kept back the venue, or an account there."""
    if isinstance(reading.book, Unread):
        return True
    those = (one for accounts in reading.book.accounts.values() for one in accounts)
    return any(isinstance(one, Failed) and one.unread.reason.is_of_the_node for one in those)


def _book(reading: VenueReading) -> Book[Any]:
    if isinstance(reading.book, Unread):
        raise _NotSoError
    return reading.book


def _reread(reader: Reader, book: Book[Any], wanted: Collection[Address]) -> Book[Any]:
    """These owners' accounts afresh, the others as the book has them."""
    if not wanted:
        return book
    read = book.venue.read(reader, list(wanted))
    return Book(read.venue, {**book.accounts, **read.accounts})


def _carried(reader: Reader, book: Book[Any]) -> Book[Any]:
    """All accounts of an earlier block at the venue's own."""
    whose = [owner for owner, accounts in book.accounts.items() for _ in accounts]
    those = [account for accounts in book.accounts.values() for account in accounts]
    venue, carried = cast("Tracked[Any]", book.venue).carry(reader, those)
    accounts: dict[Address, list[Any]] = {owner: [] for owner in book.accounts}
    for owner, account in zip(whose, carried, strict=True):
        accounts[owner].append(account)
    return Book(venue, accounts)
