"""Finding every account of a venue: its whole past once, then only what is new.

The past is searched in pieces, and each piece goes into the store together with the block it reached to.
So a run that is killed loses at most the piece it was at, and the next one goes on from there; and a
block that a reorg replaced is a mark that the chain no longer knows, from which nothing goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from chain.abi import address_bytes
from chain.first_code import first_code_block
from chain.logs import LogFilter, Mark, hashes_at, scan_logs
from chain.rpc import Rpc
from checker.book.store import Source, Store, behind_key, side_key, sources_of
from margin.basics import Address, BlockRef, Reason, Unread
from margin.errors import ChainUnreadable
from protocols.book import Holding, Tracked

Say = Callable[[str, int, int], None]
"""What is being done, how far it is, and of how much."""
_ATTEMPTS = 4
"""Times that a search is taken up again after a reorg, or after another process was faster."""
_LONG_SEARCH = 100_000
"""Blocks whose search is worth a word when it could have been shorter."""
_LOOKS = (1, 17, 1000)
"""Marks looked at together: mostly the newest is still there."""


@dataclass(frozen=True, slots=True)
class Discovery:
    """What is known of a venue's accounts at a block."""

    holdings: list[Holding]
    """Every holding that any event up to the block named, by account; some are of later blocks or void."""
    events: int
    """Found this time."""
    blocks: int
    """Searched this time."""
    notices: tuple[str, ...]
    """What a person should know about the search."""

    @property
    def accounts(self) -> int:
        """Different accounts among the holdings."""
        return len({id_ for id_, _ in self.holdings})


def discover(
    rpc: Rpc,
    venue: Tracked[Any],
    key: str,
    store: Store,
    block: BlockRef,
    *,
    start_block: int | None,
    entry: Address,
    say: Say,
) -> Discovery:
    """Every holding of the venue up to `block`, from the store and from the events it does not know yet.

    `key`: the venue in the store (`venue_key`). `start_block`: where its history begins; when None, the
    first block with code at `entry`, or 0 where the node can not tell. Afterwards the store has a
    mark at `block`, or a later one.

    Raises `ChainUnreadable`, with BLOCK_NOT_FOUND when `block` itself was replaced, and `StoreError`.
    What was found until then is kept.
    """
    search = _Search(rpc, venue, key, store, block, venue.history(), say)
    known_start = store.start(key)
    if start_block is not None and known_start is not None and start_block < known_start:
        store.forget(key)  # a search that began too late
    search.run(start_block, entry)
    return Discovery(store.holdings(search.key), search.events, search.blocks, tuple(search.notices))


@dataclass
class _Search:
    rpc: Rpc
    venue: Tracked[Any]
    key: str
    store: Store
    block: BlockRef
    wanted: LogFilter
    say: Say
    events: int = 0
    blocks: int = 0
    notices: list[str] = field(default_factory=list)

    @property
    def sources(self) -> frozenset[Source]:
        return sources_of(self.wanted)

    def run(self, start_block: int | None, entry: Address) -> None:
        failure: ChainUnreadable | None = None
        for _ in range(_ATTEMPTS):
            try:
                if self._attempt(start_block, entry):
                    return
            except ChainUnreadable as error:
                if error.unread.reason is not Reason.BLOCK_NOT_FOUND:
                    raise
                failure = error  # a block that was replaced: ours, or one before it, which heals
        raise failure or self._unread("other processes keep changing the store")

    def _attempt(self, start_block: int | None, entry: Address) -> bool:
        """One go at the whole; False when another process has come between."""
        mark = self._newest(self.key, None)
        if mark is None and self.store.marks(self.key):
            # All that is known is of blocks that this node does not have: it is behind, or its chain was
            # begun anew. Either way nothing of it helps now, and nothing of it is thrown away.
            self.key = behind_key(self.key)
            mark = self._newest(self.key, None)
        if mark is None:
            start = self._start(start_block, entry)
            self.store.begin(self.key, start, self.sources)
            return self._scan(self.key, self.wanted, start, None, Mark(self.block.number, self.block.hash))
        known = self.store.sources(self.key)
        if missing := self.sources - known:
            self.store.roll_back(self.key, mark.number)  # what is above will not cover them
            if not self._catch_up(missing, mark):
                return False
        if mark.number >= self.block.number:
            return True
        if known - self.sources:
            self.store.keep_sources(self.key, self.sources)  # nor will later marks cover these
        end = Mark(self.block.number, self.block.hash)
        return self._scan(self.key, self.wanted, mark.number + 1, mark, end)

    def _newest(self, key: str, upto: int | None) -> Mark | None:
        """The newest mark (not above `upto`) that is on the chain; those that no longer are get dropped."""
        marks = [mark for mark in self.store.marks(key) if upto is None or mark.number <= upto]
        replaced = False
        for begin, end in zip((0, *_LOOKS), _LOOKS, strict=False):
            some = marks[begin:end]
            here, *found = hashes_at(self.rpc, [self.block.number, *(mark.number for mark in some)])
            if here != self.block.hash:
                raise self._unread(f"block {self.block.number} was replaced")
            for mark, hash_ in zip(some, found, strict=True):
                if hash_ == mark.hash:
                    if replaced:
                        self.store.roll_back(key, mark.number)
                    return mark
                # A block that the node does not have yet may still come: then its hash will tell.
                replaced = replaced or hash_ is not None
            if end >= len(marks):
                break
        if replaced:
            self.store.forget(key)
        return None

    def _start(self, start_block: int | None, entry: Address) -> int:
        if start_block is None:
            found = first_code_block(self.rpc, entry, self.block)
            if found.unread is not None and self.block.number - found.block > _LONG_SEARCH:
                said = f"where {entry} begins can not be read ({found.unread.reason.value})"
                self.notices.append(f"{said}: its events are searched from block {found.block}")
            start_block = found.block
        return min(start_block, self.block.number)

    def _catch_up(self, missing: frozenset[Source], mark: Mark) -> bool:
        """Finds the past of contracts that are new, up to where the others' is known: at `mark`."""
        side = side_key(self.key, missing)
        addresses = {source.address for source in missing}
        wanted = LogFilter(
            tuple(one for one in self.wanted.addresses if address_bytes(one) in addresses), self.wanted.topics
        )
        start = self.store.start(self.key) or 0
        done = self._newest(side, mark.number)
        if done is None:
            self.store.begin(side, start, missing)
        if done != mark:
            first = start if done is None else done.number + 1
            if not self._scan(side, wanted, first, done, mark):
                return False
        return self.store.absorb(self.key, side, missing, mark)

    def _scan(self, key: str, wanted: LogFilter, first: int, after: Mark | None, end: Mark) -> bool:
        """Searches from `first` to `end`, piece by piece into the store; False when others changed that."""
        sources = sources_of(wanted)
        said, total = f"events of {self.venue.id}", end.number - first + 1
        self.say(said, 0, total)
        with closing(scan_logs(self.rpc, wanted, first, end, after=after)) as pieces:
            for piece in pieces:
                holdings = self.venue.touched(piece.logs).holdings
                if not self.store.add(key, piece.last, holdings, after=after, sources=sources):
                    return False
                after = piece.last
                self.events += len(piece.logs)
                self.blocks += piece.last.number - piece.first + 1
                self.say(said, piece.last.number - first + 1, total)
        return True

    def _unread(self, said: str) -> ChainUnreadable:
        return ChainUnreadable(self.rpc.chain, Unread(Reason.BLOCK_NOT_FOUND, said))
