"""One chain that is watched: read at its newest block, with what happened there since the last time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from chain.logs import Log, Mark, hashes_at, scan_logs
from chain.rpc import Rpc, Settings
from checker.bands import Band
from checker.config import Chain, Config
from checker.snapshot import nothing_of
from checker.watch import own
from checker.watch.endpoints import Endpoints
from checker.watch.following import Following
from checker.watch.ground import ground_moved, kept
from checker.watch.memory import Happening
from checker.watch.sight import Sight, seen, subject_of
from checker.watch.telling import liquidation_told
from checker.watch.values import BlockFact, Kind, Observation
from margin.basics import Address, BlockRef, Reason, Unread
from margin.errors import ChainUnreadable, ConfigError
from protocols.base import Failed
from protocols.book import Tracked

MOST_BLOCKS = 50_000
"""Blocks since the last round whose events are looked through; what happened before them is not told."""


@dataclass
class ChainWatch:
    """A chain that is watched: its endpoints, and what was last seen of it."""

    config: Config
    chain: Chain
    patience: Settings
    rpc: Rpc = field(init=False)
    sight: Sight | None = None
    """The last reading, good or bad; `None` before the first."""
    last: BlockFact | None = None
    """The last block that was read and decided from."""
    ground: dict[str, dict[str, str | int]] = field(default_factory=dict)
    """By account what it was last seen to stand on."""
    changed: set[str] = field(default_factory=set)
    """Accounts whose ground is not in the store as it is here."""
    doubts: Sequence[Observation] = ()
    """How far the last reading can be believed: oracles, figures."""
    differing: Sequence[str] | None = None
    """What is wrong with the endpoints, as last compared; `None` while they were not."""

    def __post_init__(self) -> None:
        self.rpc = Rpc.open(self.chain.name, self.chain.urls, self.chain.chain_id, self.patience)
        self.endpoints = Endpoints(self.chain.name, self.chain.urls)
        self.following = Following(self.rpc, self.chain, self.config, _owners(self.config))

    @property
    def subject(self) -> str:
        """The watch of this chain, as the memory knows it."""
        return own.subject_of_chain(self.chain.name)

    def close(self) -> None:
        """Closes all connections."""
        self.rpc.close()
        self.endpoints.close()

    def compare(self, now: float) -> None:
        """Asks each endpoint for the block that was decided from last, where there are several."""
        if self.last is None or len(self.chain.urls) < 2:
            return
        try:
            self.differing = self.endpoints.compare(self.rpc.chain_id, self.last[1], now)
        except ChainUnreadable:  # nobody told the chain's id so far: the look says why
            self.differing = None

    def look(self, now: Callable[[], float], *, first: bool) -> Sight:
        """Reads every wallet on the chain at its newest block.

        Raises `ConfigError` where the configuration is wrong, but only at the `first` look: later it is
        the node that has changed.
        """
        try:
            self.sight = self._read(now)
        except ConfigError as error:
            if first:
                raise
            unread = Unread(Reason.UNSUPPORTED, error.problem)
            self.sight = seen(self.config, nothing_of(self.chain, self.config, unread), now())
        self.doubts = [*own.figures_of(self.sight), *own.oracles_of(self.chain, self.sight)]
        return self.sight

    def _read(self, now: Callable[[], float]) -> Sight:
        """What is told of a wallet was read at the block itself, beside the protocols' own views."""
        bad = set() if self.sight is None else self._unwell(self.sight)
        reading = self.following.read(now(), bad)
        sight = seen(self.config, reading, now())
        fallen = self._unwell(sight) - bad if sight.whole else set()
        if not fallen:
            return sight
        return seen(self.config, self.following.confirmed(reading, fallen), now())

    def _unwell(self, sight: Sight) -> set[Address]:
        """The owners of wallets that are not ok, or would not be if they had stood worse before."""
        return {
            address
            for wallet in self.config.wallets
            if max(sight.parts[subject_of(wallet)].band, sight.parts[subject_of(wallet)].relaxed) > Band.OK
            for address in wallet.addresses
        }

    def replaced(self) -> frozenset[str]:
        """The hash of the last block that was decided from, where a reorganisation replaced it."""
        if self.last is None:
            return frozenset()
        _, number, hash_, _ = self.last
        (found,) = hashes_at(self.rpc, [number])
        return frozenset() if found == hash_ else frozenset({hash_})

    def happened(self, sight: Sight, names: Mapping[Address, tuple[str, str]]) -> list[Happening]:
        """Liquidations since the last round, and what moved under accounts. `names`: by owner."""
        block = sight.reading.block
        if block is None:
            return []
        found: list[Happening] = []
        for venue in sight.reading.venues:
            if isinstance(venue.book, Unread):
                continue
            here = cast("Tracked[Any]", venue.book.venue)
            for what in here.liquidations_in(self._logs(here, block)):
                if what.key.owner not in names:
                    continue
                subject, name = names[what.key.owner]
                found.append(
                    Happening(
                        key=f"{what.key.venue}/{what.transaction}/{what.key.account}/{what.collateral_token}",
                        subject=subject,
                        name=name,
                        kind=Kind.LIQUIDATED,
                        sentences=liquidation_told(what, here.usd_per_unit),
                        blocks=() if sight.block is None else (sight.block,),
                    )
                )
        return found + self._moved(sight, names, block)

    def _logs(self, venue: Tracked[Any], block: BlockRef) -> Iterable[Log]:
        """Events of the venue since the last round."""
        if self.last is None:
            return []
        _, number, hash_, _ = self.last
        wanted = venue.watched()
        after: Mark | None = Mark(number, hash_)
        read = self.following.logs.get(venue.id)
        if read is not None and read[:2] == (after, Mark(block.number, block.hash)):
            return read[2]
        if block.number - number > MOST_BLOCKS:
            number, after = block.number - MOST_BLOCKS, None
        elif hashes_at(self.rpc, [number]) != [hash_]:
            # Replaced: whatever stands there now is looked through from a little before.
            number, after = max(0, number - 64), None
        pieces = scan_logs(self.rpc, wanted, number + 1, block, after=after)
        return [log for piece in pieces for log in piece.logs]

    def _moved(
        self, sight: Sight, names: Mapping[Address, tuple[str, str]], block: BlockRef
    ) -> list[Happening]:
        found = []
        for account_name, (venue, account) in sight.held.items():
            if isinstance(account, Failed):
                continue
            after = dict(venue.ground(account))
            before = self.ground.get(account_name, {})
            sentences = ground_moved(before, after)
            self.ground[account_name] = kept(before, after)
            if self.ground[account_name] != before:
                self.changed.add(account_name)
            owner = venue.key(account).owner
            if not sentences or owner not in names:
                continue
            subject, name = names[owner]
            health_wad = venue.verdict(account).health_factor_wad
            stands = () if health_wad is None else (f"its health there is now {health_wad / 10**18:.4f}",)
            found.append(
                Happening(
                    key=f"{account_name}/ground/{block.hash}",
                    subject=subject,
                    name=name,
                    kind=Kind.GROUND,
                    sentences=(*(f"{account_name}: {one}" for one in sentences), *stands),
                    blocks=() if sight.block is None else (sight.block,),
                )
            )
        return found


def _owners(config: Config) -> list[Address]:
    return list(dict.fromkeys(address for wallet in config.wallets for address in wallet.addresses))
