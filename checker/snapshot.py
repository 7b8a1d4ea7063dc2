"""Reading: one pinned block a chain, every venue of it, all owners in one bulk read a venue."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from chain.abi import AbiError
from chain.block import pin, still_canonical
from chain.reader import Reader
from chain.rpc import Rpc, Settings
from checker.config import Chain, Config
from checker.dollars import NO_DOLLARS, Dollars, read_dollars
from checker.oracle_age import NO_SOURCES, Sources, read_sources
from checker.side_by_side import side_by_side
from checker.surprises import left_unread
from checker.venues import Place, places, references, refuse_doubles, refuse_namesakes
from margin.basics import Address, BlockRef, Reason, Unread
from margin.errors import ChainUnreadable, ConfigError, ReadError, VenueError
from protocols.base import Book, Failed, Venue

_MOST_PATIENCE_S = 70.0
"""A node that does not answer is told within 75 seconds, whatever is to be read."""
TAGS = ("latest", "safe", "finalized")
Say = Callable[[str], None]
"""Told what is being done, for a person who waits."""


@dataclass(frozen=True, slots=True)
class VenueReading:
    """The accounts of all owners at one venue, or why it could not be read."""

    place: Place
    book: Book[Any] | Unread


@dataclass(frozen=True, slots=True)
class ChainReading:
    """Everything of one chain, at one block."""

    chain: str
    block: BlockRef | None
    """`None` when no block could be pinned and kept."""
    venues: tuple[VenueReading, ...]
    unread: Unread | None
    """Why nothing of the chain could be read; its venues then say the same."""
    requests: int
    """HTTP requests made."""
    dollars: Dollars = NO_DOLLARS
    """What venues count in, in US dollars at that block, where it is something else."""
    sources: Sources = NO_SOURCES
    """What the feeds of the accounts stand on."""


@dataclass(frozen=True, slots=True)
class BlockChoice:
    """What `--block` says: one word for every chain, or one a chain."""

    every: str = "latest"
    by_chain: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, values: Sequence[str], chains: Sequence[str]) -> BlockChoice:
        """From `N`, `HASH`, `latest`, `safe`, `finalized` or `CHAIN=…`. Raises `ConfigError`."""
        every: list[str] = []
        by_chain: dict[str, str] = {}
        for value in values:
            chain, equals, spec = value.rpartition("=")
            if not equals:
                every.append(spec)
            elif chain not in chains:
                raise ConfigError("--block", f"no chain {chain[:80]!a} is configured")
            else:
                by_chain[chain] = spec
        if len(every) > 1:
            raise ConfigError("--block", "given twice: with several chains say CHAIN=N")
        if every and every[0] not in TAGS and len(set(chains) - set(by_chain)) > 1:
            raise ConfigError("--block", "there are several chains: say CHAIN=N")
        return cls(every[0] if every else "latest", by_chain)

    def of(self, chain: str) -> str:
        """What was chosen for a chain."""
        return self.by_chain.get(chain, self.every)


def read_chains(
    config: Config,
    owners: Sequence[Address],
    blocks: BlockChoice,
    say: Say,
    patience: Settings | None = None,
) -> tuple[ChainReading, ...]:
    """Every configured chain, side by side, in the order of the configuration.

    Raises `ConfigError` for what is the user's to mend: a wrong chain id, a venue that is not there,
    a block that does not exist, no venue at all. What else could not be read is an `Unread` inside.
    """
    if not config.chains:
        raise ConfigError(config.source or "configuration", "no chain: add [chains.NAME] or --rpc CHAIN=URL")

    for chain in config.chains:
        refuse_doubles(chain)
    end = time.monotonic() + _patience_s(owners)
    left_alone = threading.Event()

    def tell(text: str) -> None:
        if not left_alone.is_set():
            say(text)

    def read(chain: Chain) -> ChainReading:
        with (
            Rpc.open(chain.name, chain.urls, chain.chain_id, patience) as rpc,
            rpc.within(end - time.monotonic()),
        ):
            return read_chain(rpc, chain, config, owners, blocks.of(chain.name), tell)

    readings = side_by_side(read, config.chains, left_alone)
    if not any(reading.venues or reading.unread for reading in readings):
        known = ", ".join(f"{r.chain} (chain id {r.block.chain_id})" for r in readings if r.block)
        said = f"the address book knows no venue on {known}: add [[venues]]"
        left = [
            line
            for chain, reading in zip(config.chains, readings, strict=True)
            if reading.block is not None
            for line in left_unread(chain, reading.block.chain_id)
        ]
        raise ConfigError(config.source or "configuration", "; ".join(left) or said)
    return readings


def read_chain(
    rpc: Rpc, chain: Chain, config: Config, owners: Sequence[Address], spec: str, say: Say
) -> ChainReading:
    """One chain's venues at one block, through an `Rpc` that may have read it before; see `read_chains`."""
    known = places(chain, chain.chain_id, config)
    # Once more when the block was replaced while it was read.
    for is_first in (True, False):
        say(f"{chain.name}: finding block {spec}")
        try:
            block = pin(rpc, spec, max_head_age_s=chain.max_head_age_s)
        except ChainUnreadable as failure:
            if is_first:
                _refuse_mistakes(rpc, chain, spec, failure.unread)
            return _nothing(chain.name, known, failure.unread, rpc.requests)
        refuse_namesakes(chain, block.chain_id)
        known = places(chain, block.chain_id, config)
        reader = Reader(rpc, block)
        venues = tuple(
            VenueReading(place, _read_venue(place, reader, owners, say, blame=is_first and spec not in TAGS))
            for place in known
        )
        dollars, sources = dollars_of(reader, chain, venues), sources_of(reader, chain, venues)
        try:
            if _names_hash(spec) or still_canonical(rpc, block):
                return ChainReading(chain.name, block, venues, None, rpc.requests, dollars, sources)
        except ChainUnreadable as failure:
            return _nothing(chain.name, known, failure.unread, rpc.requests)
    replaced = Unread(Reason.BLOCK_NOT_FOUND, "the pinned block was replaced while it was read, twice")
    return _nothing(chain.name, known, replaced, rpc.requests)


def dollars_of(reader: Reader, chain: Chain, venues: Sequence[VenueReading]) -> Dollars:
    """The reference feeds that the accounts just read are valued by."""
    numeraires = {venue.numeraire_of(account) for venue, account in _accounts(venues)}
    return read_dollars(reader, references(chain, reader.block.chain_id), numeraires)


def sources_of(reader: Reader, chain: Chain, venues: Sequence[VenueReading]) -> Sources:
    """What the feeds that the accounts just read depend on are composed of."""
    used = [venue.feeds[key] for venue, account in _accounts(venues) for key in venue.feeds_of(account)]
    age_says = chain.head_age_limit_s(reader.block.chain_id) is not None
    return read_sources(reader, used, age_says=age_says)


def _accounts(venues: Sequence[VenueReading]) -> Iterator[tuple[Venue[Any], Any]]:
    """Every account that was read, with its venue."""
    for one in venues:
        if not isinstance(one.book, Unread):
            for accounts in one.book.accounts.values():
                for account in accounts:
                    if not isinstance(account, Failed):
                        yield one.book.venue, account


def _patience_s(owners: Sequence[Address]) -> float:
    """How long all chains together may take."""
    return min(60.0 + len(owners) / 20, _MOST_PATIENCE_S)


def _names_hash(spec: str) -> bool:
    return spec.startswith("0x")


def _refuse_mistakes(rpc: Rpc, chain: Chain, spec: str, unread: Unread) -> None:
    """Failures of the very first question that are the user's to mend.

    A chain that was right once, at any endpoint, is configured as it should be: the line is at fault.
    """
    if unread.reason is Reason.WRONG_CHAIN and not rpc.chain_proven:
        raise ConfigError(f"{chain.where}.chain_id", unread.detail)
    if unread.reason is Reason.BLOCK_NOT_FOUND and spec != "latest":
        raise ConfigError("--block", unread.detail)


def _read_venue(
    place: Place, reader: Reader, owners: Sequence[Address], say: Say, *, blame: bool
) -> Book[Any] | Unread:
    """`blame`: that the node never had the block's state is the user's to mend, who named the block."""
    say(f"{place.id}: reading {len(owners)} owners at block {reader.block.number}")
    try:
        book = _opened_and_read(place, reader, owners)
        if isinstance(book, VenueError):
            return _second_opinion(place, reader, owners, book)
        if not reader.proven and disagrees(book):
            # Two answers may have come under each other's name: our figures and the protocol's own
            # are believed to differ when they do so twice.
            again = _opened_and_read(place, reader, owners)
            return _doubted(again) if isinstance(again, VenueError) else again
    except ReadError as failure:
        if blame and failure.unread.reason is Reason.BLOCK_NOT_FOUND and not reader.has_state:
            raise ConfigError("--block", f"the node has no state of block {reader.block.number}") from None
        return failure.unread
    return book


def _opened_and_read(place: Place, reader: Reader, owners: Sequence[Address]) -> Book[Any] | VenueError:
    try:
        return place.adapter.open(reader, place.config).read(reader, owners)
    except VenueError as error:
        return error
    except AbiError as error:
        # What one contract said is no argument for the next call.
        return VenueError(place.config.where, f"its contracts' answers do not fit each other: {error}")


def _second_opinion(
    place: Place, reader: Reader, owners: Sequence[Address], first: VenueError
) -> Book[Any] | Unread:
    """A venue that is not what it should be: the user's mistake, if it looks exactly so once more.

    A node that garbles its answers makes any contract look wrong, so it is asked something plain
    first, and then for everything again. Raises `ConfigError`, and `ReadError` as any reading.
    """
    still_canonical(reader.rpc, reader.block)
    codes = reader.code(list(place.config.addresses.values()))
    for code in codes:
        if isinstance(code, Unread):
            return code
    second = _opened_and_read(place, reader, owners)
    if not isinstance(second, VenueError):
        return second
    if second.problem != first.problem:
        return _doubted(first)
    if place.is_users:
        raise ConfigError(place.config.where, first.problem)
    return Unread(Reason.UNSUPPORTED, first.problem)


def _doubted(error: VenueError) -> Unread:
    return Unread(Reason.MALFORMED, f"{error.problem}; asked once more, the node told something else")


def disagrees(book: Book[Any]) -> bool:
    """Whether our figures and the protocol's own view differ anywhere."""
    return any(
        book.venue.audit(account).agrees is False
        for accounts in book.accounts.values()
        for account in accounts
        if not isinstance(account, Failed)
    )


def nothing_of(chain: Chain, config: Config, unread: Unread) -> ChainReading:
    """A chain of which nothing could be read, and why."""
    return _nothing(chain.name, places(chain, chain.chain_id, config), unread, 0)


def _nothing(chain: str, known: Sequence[Place], unread: Unread, requests: int) -> ChainReading:
    return ChainReading(chain, None, tuple(VenueReading(place, unread) for place in known), unread, requests)
