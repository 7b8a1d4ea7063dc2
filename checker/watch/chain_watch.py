"""One chain that is watched: read at its newest block, with what happened there since the last time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from chain.logs import Log, Mark, hashes_at, scan_logs
from chain.rpc import Rpc, Settings
from checker import words
from checker.bands import Band
from checker.config import Chain, Config
from checker.snapshot import nothing_of
from checker.watch import own
from checker.watch.endpoints import Endpoints
from checker.watch.following import Following
from checker.watch.ground import ground_moved, kept
from checker.watch.memory import Footing, Happening
from checker.watch.sight import Sight, names_of, seen, subject_of
from checker.watch.telling import liquidation_told
from checker.watch.values import BlockFact, Kind, Observation
from margin.basics import Address, BlockRef, Reason, Unread
from margin.errors import ChainUnreadable, ConfigError, ReadError
from protocols.base import Failed, Venue
from protocols.book import Liquidated, Tracked

MOST_BLOCKS = 50_000
"""Where a node does not tell the events of all blocks since the last round, of so many it must."""
COMPARED_S = 120.0
"""How long a comparison of the endpoints says how they are."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of a chain, and what happened there since it was last decided from."""

    sight: Sight
    doubts: Sequence[Observation] = ()
    """How far it can be believed: oracles, figures."""
    replaced: frozenset[str] = frozenset()
    """Hashes of blocks that were decided from, and are not canonical any more."""
    happenings: Sequence[Happening] = ()
    footings: Sequence[Footing] = ()


@dataclass
class ChainWatch:
    """A chain that is watched: its endpoints, and what was last seen of it."""

    config: Config
    chain: Chain
    patience: Settings
    rpc: Rpc = field(init=False)
    sight: Sight | None = None
    """The last reading that was decided from, good or bad; `None` before the first."""
    fresh: Look | None = None
    """The newest look."""
    last: BlockFact | None = None
    """The last block that was read and decided from."""
    ground: dict[str, dict[str, str | int]] = field(default_factory=dict)
    """By account what it was last seen to stand on."""
    doubts: Sequence[Observation] = ()
    """How far the last reading can be believed: oracles, figures."""
    upto: Callable[[], Sequence[BlockFact]] = tuple
    """The last block that was decided from, by whichever watcher of the same store."""
    decisions: deque[BlockFact] = field(default_factory=lambda: deque(maxlen=64))
    """Blocks that were decided from before the last."""
    liquidations: dict[str, tuple[Mark, Liquidated, str, str]] = field(default_factory=dict)
    """Those found by this process: block, what, subject and name."""
    _differing: tuple[float, Sequence[str]] | None = None
    """What was wrong with the endpoints, and when they were compared."""
    _marked: BlockFact | None = None
    """What had been decided from when they were compared last: every endpoint should have it by now."""

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
        """Asks each endpoint for a block that all should have by now, where there are several."""
        block, self._marked = self._marked, self.last
        self._differing = None
        if block is None or len(self.chain.urls) < 2:
            return
        try:
            found = self.endpoints.compare(self.rpc.chain_id, block[1], now)
        except ChainUnreadable:  # nobody told the chain's id so far: the look says why
            return
        if found is not None:
            self._differing = now, found

    def differing(self, now: float) -> Sequence[str] | None:
        """What is wrong with the endpoints; `None` where they were not compared lately."""
        if self._differing is None or abs(now - self._differing[0]) > COMPARED_S:
            return None
        return self._differing[1]

    def resume(self, last: BlockFact | None, ground: dict[str, dict[str, str | int]]) -> None:
        """Goes on from where an earlier run had come to."""
        self.last = self._marked = last
        self.ground = ground

    def look(self, now: Callable[[], float], *, first: bool) -> Look:
        """Reads every wallet on the chain at its newest block, and what happened there since the last.

        Nobody else sees it before it was decided from. Raises `ConfigError` where the configuration is
        wrong, but only at the `first` look: later it is the node that has changed.
        """
        try:
            sight = self._read(now)
        except ConfigError as error:
            if first:
                raise
            sight = self._blind(Unread(Reason.UNSUPPORTED, error.problem), now)
        self.fresh = self._looked(sight, now)
        return self.fresh

    def _looked(self, sight: Sight, now: Callable[[], float]) -> Look:
        """What happened is looked for first: a liquidation is never told as a recovery.

        Where that cannot be read, nothing is decided from the new sight, and it is tried again.
        """
        if sight.unread is not None:
            return Look(sight)
        try:
            replaced = self._replaced()
            happenings = [*self._happened(sight), *self._undone(replaced)]
        except ReadError as failure:
            why = Unread(failure.unread.reason, f"what happened there: {failure.unread.detail}")
            return Look(self._blind(why, now))
        doubts = (*own.figures_of(sight), *own.oracles_of(self.chain, sight))
        return Look(sight, doubts, replaced, tuple(happenings), tuple(self._footings(sight)))

    def _blind(self, why: Unread, now: Callable[[], float]) -> Sight:
        return seen(self.config, nothing_of(self.chain, self.config, why), now())

    def decided(self, look: Look, grounds: Mapping[str, dict[str, str | int]]) -> None:
        """A look was decided from, and that is written down; `grounds` as they are kept now."""
        self.sight, self.doubts = look.sight, look.doubts
        self.ground.update(grounds)
        if look.sight.block is not None and look.sight.whole:
            # What happened at a venue that could not be read now is looked for with the next round.
            if self.last is not None and self.last != look.sight.block:
                self.decisions.append(self.last)
            self.last = look.sight.block

    def _read(self, now: Callable[[], float]) -> Sight:
        """What is told of a wallet was read at the block itself, beside the protocols' own views."""
        bad = set() if self.sight is None else self._unwell(self.sight)
        reading = self.following.read(now(), bad)
        sight = seen(self.config, reading, now())
        fallen = self._unwell(sight) - bad if sight.clear else set()
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

    def _replaced(self) -> frozenset[str]:
        """Hashes of blocks that were decided from, where a reorganisation replaced the last of them."""
        newest = sorted({block for block in (self.last, *self.upto()) if block is not None})
        if not newest or hashes_at(self.rpc, [each[1] for each in newest]) == [each[2] for each in newest]:
            return frozenset()
        # A node that has no such block lags behind, unless what came before it was replaced as well.
        blocks = [*self.decisions, *newest]
        hashes = hashes_at(self.rpc, [each[1] for each in blocks])
        gone = [each[2] for each, now in zip(blocks, hashes, strict=True) if now != each[2]]
        is_reorg = any(now not in (None, each[2]) for each, now in zip(blocks, hashes, strict=True))
        return frozenset(gone) if is_reorg else frozenset()

    def _happened(self, sight: Sight) -> Iterable[Happening]:
        """Liquidations since the last round, for each wallet that holds the account."""
        assert sight.reading.block is not None
        names = names_of(self.config)
        for venue in sight.reading.venues:
            if isinstance(venue.book, Unread):
                continue
            here = cast("Tracked[Any]", venue.book.venue)
            logs, skipped = self._logs(here, sight.reading.block)
            if skipped is not None:
                yield self._skipped(here.id, skipped, sight)
            those = [one for one in here.liquidations_in(logs) if one.key.owner in names]
            hashes = hashes_at(self.rpc, [one.block for one in those]) if those else []
            for what, hash_ in zip(those, hashes, strict=True):
                if hash_ is None:  # a node that lags: asked again with the next look
                    lacks = Unread(Reason.BLOCK_NOT_FOUND, f"block {what.block} is not there any more")
                    raise ChainUnreadable(self.chain.name, lacks)
                for subject, name in names[what.key.owner]:
                    yield self._liquidation(what, hash_, subject, name, here, sight)

    def _liquidation(
        self, what: Liquidated, hash_: str, subject: str, name: str, venue: Tracked[Any], sight: Sight
    ) -> Happening:
        mark = Mark(what.block, hash_)
        self.liquidations[f"{subject}/{what.transaction}"] = mark, what, subject, name
        return Happening(
            # Mined again in another block it is another one: the first was taken back.
            key=f"{what.key.venue}/{what.transaction}/{what.key.name}/{what.collateral_token}/{hash_}/{subject}",
            subject=subject,
            name=name,
            kind=Kind.LIQUIDATED,
            sentences=liquidation_told(what, sight.reading.dollars.per_unit(venue.numeraire)),
            blocks=() if sight.block is None else (sight.block,),
        )

    def _undone(self, replaced: Collection[str]) -> Iterable[Happening]:
        """Liquidations that were told from blocks that a reorganisation has replaced."""
        those = list(self.liquidations.items()) if replaced else []
        hashes = hashes_at(self.rpc, [mark.number for _, (mark, *_) in those]) if those else []
        for (key, (mark, what, subject, name)), found in zip(those, hashes, strict=True):
            if found in (None, mark.hash):
                continue
            del self.liquidations[key]
            said = (
                f"{what.key.venue}: a liquidation of {what.key.name} was taken back",
                f"transaction {what.transaction}: a reorganisation replaced block {mark.number}",
            )
            yield Happening(f"undone/{key}/{mark.hash}", subject, name, Kind.UNDONE, said)

    def _skipped(self, venue: str, blocks: tuple[int, int], sight: Sight) -> Happening:
        first, last = blocks
        said = f"{venue}: what happened from block {first} to {last} cannot be read: liquidations there are"
        said += " not told, and may be behind what looks like a recovery"
        return Happening(
            key=f"skipped/{venue}/{first}/{last}",
            subject=f"{self.subject}/past",
            name=f"the watch of {self.chain.name}",
            kind=Kind.WATCH,
            sentences=(said,),
            blocks=() if sight.block is None else (sight.block,),
        )

    def _logs(self, venue: Tracked[Any], block: BlockRef) -> tuple[Iterable[Log], tuple[int, int] | None]:
        """Events of the venue since the last round, and blocks that are too long ago to be read."""
        if self.last is None:
            return [], None
        _, number, hash_, _ = self.last
        after: Mark | None = Mark(number, hash_)
        read = self.following.logs.get(venue.id)
        if read is not None and read[:2] == (after, Mark(block.number, block.hash)):
            return read[2], None
        if hashes_at(self.rpc, [number]) != [hash_]:
            # Replaced: whatever stands there now is looked through from a little before.
            number, after = max(0, number - 64), None
        try:
            return self._scanned(venue, number, block, after), None
        except ChainUnreadable:
            late = block.number - MOST_BLOCKS
            if late <= number:
                raise
            return self._scanned(venue, late, block, None), (number + 1, late)

    def _scanned(self, venue: Tracked[Any], number: int, block: BlockRef, after: Mark | None) -> list[Log]:
        pieces = scan_logs(self.rpc, venue.watched(), number + 1, block, after=after)
        return [log for piece in pieces for log in piece.logs]

    def _footings(self, sight: Sight) -> Iterable[Footing]:
        """Accounts that stand on other parameters than when they were seen last."""
        names = names_of(self.config)
        assert sight.block is not None
        for account_name, (venue, account) in sight.held.items():
            if isinstance(account, Failed):
                continue
            after = dict(venue.ground(account))
            before = self.ground.get(account_name, {})
            if kept(before, after) == before:
                continue
            told = tuple(names.get(venue.key(account).owner, ()))
            stands = self._stands(account_name, venue, account) if ground_moved(before, after) else ()
            yield Footing(account_name, after, told, stands, sight.block)

    def _stands(self, name: str, venue: Venue[Any], account: Any) -> tuple[str, ...]:
        """The verdict before and after."""
        health_wad = venue.verdict(account).health_factor_wad
        if health_wad is None:
            return ()
        now = f"its health there is now {words.health(health_wad)}"
        before = self.sight.held.get(name) if self.sight is not None else None
        if before is None or isinstance(before[1], Failed):
            return (now,)
        was_wad = before[0].verdict(before[1]).health_factor_wad
        return (now,) if was_wad is None else (f"{now}, and was {words.health(was_wad)}",)


def _owners(config: Config) -> list[Address]:
    return list(dict.fromkeys(address for wallet in config.wallets for address in wallet.addresses))
