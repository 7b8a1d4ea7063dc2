"""Reading: one pinned block a chain, every venue of it, all owners in one bulk read a venue."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from chain.block import pin, still_canonical
from chain.reader import Reader
from chain.rpc import Rpc, Settings
from checker.config import Chain, Config
from checker.venues import Place, places
from margin.basics import Address, BlockRef, Reason, Unread
from margin.errors import ChainUnreadable, ConfigError, ReadError, VenueError
from protocols.base import Book

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

    def read(chain: Chain) -> ChainReading:
        with Rpc.open(chain.name, chain.urls, chain.chain_id, patience) as rpc:
            return _read_chain(rpc, chain, config, owners, blocks.of(chain.name), say)

    readings = _side_by_side(read, config.chains)
    if not any(reading.venues or reading.unread for reading in readings):
        known = ", ".join(f"{r.chain} (chain id {r.block.chain_id})" for r in readings if r.block)
        raise ConfigError(
            config.source or "configuration", f"the address book knows no venue on {known}: add [[venues]]"
        )
    return readings


def _side_by_side(task: Callable[[Chain], ChainReading], chains: Sequence[Chain]) -> tuple[ChainReading, ...]:
    """The task for every chain at once; raises the first failure in the chains' order.

    Ctrl-C does not wait for a thread that waits for a silent node.
    """
    pool = ThreadPoolExecutor(min(8, len(chains)))
    try:
        futures = [pool.submit(task, chain) for chain in chains]
        return tuple(future.result() for future in futures)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _read_chain(
    rpc: Rpc, chain: Chain, config: Config, owners: Sequence[Address], spec: str, say: Say
) -> ChainReading:
    known = places(chain, chain.chain_id, config)
    with rpc.within(_patience_s(owners)):
        # Once more when the block was replaced while it was read.
        for _ in range(2):
            say(f"{chain.name}: finding block {spec}")
            try:
                block = pin(rpc, spec, max_head_age_s=chain.max_head_age_s)
            except ChainUnreadable as failure:
                _refuse_mistakes(chain, spec, failure.unread)
                return _nothing(chain.name, known, failure.unread, rpc.requests)
            known = places(chain, block.chain_id, config)
            reader = Reader(rpc, block)
            venues = tuple(
                VenueReading(place, _read_venue(place, reader, owners, spec, say)) for place in known
            )
            try:
                if _names_hash(spec) or still_canonical(rpc, block):
                    return ChainReading(chain.name, block, venues, None, rpc.requests)
            except ChainUnreadable as failure:
                return _nothing(chain.name, known, failure.unread, rpc.requests)
        replaced = Unread(Reason.BLOCK_NOT_FOUND, "the pinned block was replaced while it was read, twice")
        return _nothing(chain.name, known, replaced, rpc.requests)


def _patience_s(owners: Sequence[Address]) -> float:
    """How long one chain may take, all in all."""
    return 60.0 + len(owners) / 20


def _names_hash(spec: str) -> bool:
    return spec.startswith("0x")


def _refuse_mistakes(chain: Chain, spec: str, unread: Unread) -> None:
    """Failures of the very first question that are the user's to mend."""
    if unread.reason is Reason.WRONG_CHAIN:
        raise ConfigError(f"{chain.where}.chain_id", unread.detail)
    if unread.reason is Reason.BLOCK_NOT_FOUND and spec != "latest":
        raise ConfigError("--block", unread.detail)


def _read_venue(
    place: Place, reader: Reader, owners: Sequence[Address], spec: str, say: Say
) -> Book[Any] | Unread:
    say(f"{place.id}: reading {len(owners)} owners at block {reader.block.number}")
    try:
        book = place.adapter.open(reader, place.config).read(reader, owners)
    except VenueError as error:
        return _not_there(place, reader, error)
    except ReadError as failure:
        if failure.unread.reason is Reason.BLOCK_NOT_FOUND and spec not in TAGS:
            raise ConfigError("--block", f"the node has no state of block {reader.block.number}") from None
        return failure.unread
    return book


def _not_there(place: Place, reader: Reader, error: VenueError) -> Unread:
    """A venue that is not what it should be: the user's mistake, unless the node itself cannot be trusted.

    A node that garbles its answers makes any contract look wrong, so it is asked something plain first.
    """
    try:
        still_canonical(reader.rpc, reader.block)
    except ChainUnreadable as failure:
        return failure.unread
    if place.is_users:
        raise ConfigError(place.config.where, error.problem) from None
    return Unread(Reason.UNSUPPORTED, error.problem)


def _nothing(chain: str, known: Sequence[Place], unread: Unread, requests: int) -> ChainReading:
    return ChainReading(chain, None, tuple(VenueReading(place, unread) for place in known), unread, requests)
