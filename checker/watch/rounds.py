"""One round of one chain: read, compare with what was remembered, and queue what is to be said."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from chain.logs import Log, Mark, hashes_at, scan_logs
from chain.rpc import Rpc, Settings
from checker.bands import Band
from checker.config import Chain, Config, Wallet
from checker.snapshot import nothing_of, read_chain
from checker.wallet_view import wallet_view
from checker.watch.ground import ground_moved, kept
from checker.watch.memory import WATCH, Happening, Kept
from checker.watch.memory import Settings as Patience
from checker.watch.sight import Sight, held_of, name_of, seen, subject_of, together
from checker.watch.store import WatchStore
from checker.watch.telling import foreign, liquidation_told, told_of
from checker.watch.values import BlockFact, ChannelKey, Kind, Observation
from margin.basics import Address, BlockRef, Reason, Unread
from margin.errors import ConfigError, ReadError
from protocols.base import Failed
from protocols.book import Tracked

MOST_BLOCKS = 50_000
"""Blocks since the last round whose events are looked through; what happened before them is not told."""
RECORD_S = 60.0
"""How often how each wallet stands goes into the history."""
WORDS_KEPT_S = 600.0
"""How long what is said of a wallet is used again, while its band stays."""


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

    def __post_init__(self) -> None:
        self.rpc = Rpc.open(self.chain.name, self.chain.urls, self.chain.chain_id, self.patience)

    @property
    def subject(self) -> str:
        """The watch of this chain, as the memory knows it."""
        return f"{WATCH}{self.chain.name}"

    def look(self, now: Callable[[], float], *, first: bool) -> Sight:
        """Reads every wallet on the chain at its newest block.

        Raises `ConfigError` where the configuration is wrong, but only at the `first` look: later it is
        the node that has changed.
        """
        owners = _owners(self.config)
        try:
            reading = read_chain(self.rpc, self.chain, self.config, owners, "latest", lambda _: None)
        except ConfigError as error:
            if first:
                raise
            unread = Unread(Reason.UNSUPPORTED, error.problem)
            reading = nothing_of(self.chain, self.config, unread)
        self.sight = seen(self.config, reading, now())
        return self.sight

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


@dataclass
class Rounds:
    """Every chain, what is remembered, and who is told. Used by one thread at a time."""

    config: Config
    chains: Mapping[str, ChainWatch]
    store: WatchStore
    channels: Sequence[ChannelKey]
    patience: Patience
    now: Callable[[], float]
    oldest_s: float
    """A chain that was not read for so long can not be seen."""
    _words: dict[str, tuple[Band, float, tuple[Any, ...]]] = field(default_factory=dict)
    _figures: dict[str, dict[str, float]] = field(default_factory=dict)
    _recorded: float = 0.0

    def resume(self) -> None:
        """Goes on from the blocks that an earlier run had decided from."""
        known = self.store.kept([watch.subject for watch in self.chains.values()])
        grounds = self.store.grounds()
        for name, watch in self.chains.items():
            watch.ground = {one: of for one, of in grounds.items() if one.startswith(f"{name}/")}
            before = known.get(watch.subject)
            if before is not None and before.blocks:
                watch.last = before.blocks[0]

    def again(self) -> list[int]:
        """Decides without a new look: a chain that nobody has read for too long is told as such."""
        now = self.now()
        sights = self.sights(now)
        return self._decide(sights, now, [], frozenset())

    def after(self, watch: ChainWatch) -> list[int]:
        """Decides after a look at a chain; the messages queued.

        What happened is looked for first: a liquidation is never told as a recovery. Where that cannot
        be read, nothing is decided from the new sight, and it is tried again with the next.
        """
        sight, now = watch.sight, self.now()
        assert sight is not None, "look first"
        happenings: list[Happening] = []
        replaced: frozenset[str] = frozenset()
        if sight.unread is None:
            try:
                replaced = watch.replaced()
                happenings = watch.happened(sight, self._names())
            except ReadError as failure:
                unread = Unread(failure.unread.reason, f"what happened there: {failure.unread.detail}")
                watch.sight = seen(self.config, nothing_of(watch.chain, self.config, unread), now)
                return self.after(watch)
        ids = self._decide(self.sights(now), now, happenings, replaced)
        if sight.block is not None and sight.whole:
            # What happened at a venue that could not be read now is looked for with the next round.
            watch.last = sight.block
        self.store.keep_grounds({account: watch.ground[account] for account in watch.changed})
        watch.changed.clear()
        return ids

    def _decide(
        self,
        sights: Mapping[str, Sight | None],
        now: float,
        happenings: Sequence[Happening],
        replaced: frozenset[str],
    ) -> list[int]:
        watches = [self._watch_of(each, sights[name]) for name, each in self.chains.items()]
        wallets = self._wallets(sights, now, replaced)
        observations = [*watches, *wallets]
        if now - self._recorded >= RECORD_S or now < self._recorded:
            self.store.record(wallets, now, self._figures)
            self._recorded = now
        return self.store.decide(
            [one for one in observations if one is not None],
            self.channels,
            now,
            self.patience,
            happenings=happenings,
            replaced=replaced,
        )

    def sights(self, now: float) -> dict[str, Sight | None]:
        """What counts as seen of each chain now: a reading too old is none; `None` before the first."""
        found: dict[str, Sight | None] = {}
        for name, watch in self.chains.items():
            sight = watch.sight
            # A clock that was set back far makes no sight any younger.
            if sight is not None and abs(now - sight.at) > self.oldest_s:
                unread = Unread(Reason.TIMEOUT, f"not read for {now - sight.at:.0f} s")
                sight = seen(self.config, nothing_of(watch.chain, self.config, unread), sight.at)
            found[name] = sight
        return found

    def bands(self) -> list[Band]:
        """How each wallet stands now."""
        sights = [one for one in self.sights(self.now()).values() if one is not None]
        return [
            together(sight.parts[subject_of(wallet)] for sight in sights).band
            for wallet in self.config.wallets
        ]

    def _names(self) -> dict[Address, tuple[str, str]]:
        return {
            address: (subject_of(wallet), name_of(wallet))
            for wallet in self.config.wallets
            for address in wallet.addresses
        }

    def _watch_of(self, watch: ChainWatch, sight: Sight | None) -> Observation | None:
        """The watch of a chain itself: blind while it cannot be read."""
        if sight is None:
            return None
        name = f"the watch of {watch.chain.name}"
        if sight.unread is None:
            # From here the next run goes on: not past what happened where nothing could be read.
            upto = sight.block if sight.whole else watch.last
            blocks = () if upto is None else (upto,)
            return Observation(watch.subject, name, Band.OK, Band.OK, ("it sees again",), (), blocks)
        count = len(self.config.wallets)
        blind = f"blind for {count} wallet{'s' * (count != 1)}"
        sentence = f"cannot read {watch.chain.name}: {foreign(sight.unread)}; {blind} until it answers"
        return Observation(watch.subject, name, Band.UNKNOWN, Band.UNKNOWN, (sentence,))

    def _wallets(
        self, sights: Mapping[str, Sight | None], now: float, replaced: frozenset[str]
    ) -> list[Observation]:
        """Every wallet, once each chain was looked at."""
        ready = [sight for sight in sights.values() if sight is not None]
        if len(ready) < len(sights):
            return []
        known = self.store.kept()
        blocks = tuple(sight.block for sight in ready if sight.block is not None)
        found = []
        for wallet in self.config.wallets:
            subject = subject_of(wallet)
            part = together(sight.parts[subject] for sight in ready)
            self._figures[subject] = (
                {} if part.lowest_health is None else {"lowest_health": part.lowest_health}
            )
            before = known.get(subject)
            sentences, facts = self._said(wallet, part.band, part.why, before, ready, now)
            if before is not None and part.band < (before.band or Band.OK) and _stood_on(before, replaced):
                sentences = ("the block that the last message was taken from was replaced", *sentences)
            found.append(
                Observation(subject, name_of(wallet), part.band, part.relaxed, sentences, facts, blocks)
            )
        return found

    def _said(
        self,
        wallet: Wallet,
        band: Band,
        why: Sequence[str],
        before: Kept | None,
        sights: Sequence[Sight],
        now: float,
    ) -> tuple[tuple[str, ...], tuple[Any, ...]]:
        """What is said of a wallet: worked out where its band changed or is bad, not for every wallet."""
        changed = before is None or before.band is not band
        if band is Band.OK and (not changed or before is None):
            return (), ()
        subject = subject_of(wallet)
        cached = self._words.get(subject)
        if not changed and cached is not None and cached[0] is band and now - cached[1] < WORDS_KEPT_S:
            sentences, facts = cached[2]
            return sentences, facts
        view = wallet_view(wallet, [sight.reading for sight in sights])
        sentences, facts = told_of(view, held_of(sights), wallet.bands)
        if band is Band.UNKNOWN and not sentences:
            sentences = tuple(why)
        self._words[subject] = band, now, (sentences, facts)
        return sentences, facts


def _stood_on(before: Kept, replaced: frozenset[str]) -> bool:
    return any(block[2] in replaced for block in before.blocks)
