"""One round of one chain: read, compare with what was remembered, and queue what is to be said."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial

from checker.bands import Band
from checker.config import Config, Wallet
from checker.snapshot import nothing_of
from checker.wallet_view import wallet_view
from checker.watch import own
from checker.watch.chain_watch import ChainWatch, Look
from checker.watch.memory import Footing, Happening, Kept
from checker.watch.memory import Settings as Patience
from checker.watch.sight import Part, Sight, held_of, name_of, seen, subject_of, together
from checker.watch.store import WatchStore
from checker.watch.telling import Held, told_of
from checker.watch.values import BlockFact, ChannelKey, Observation, Words
from margin.basics import Reason, Unread

RECORD_S = 60.0
"""How often how wallets stand goes into the history, where it changed …"""
RECORD_ALL_S = 3600.0
"""… and where it did not."""
MOVED = 0.005
"""By which share a health must have moved to count as changed there."""


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
    _figures: dict[str, dict[str, float]] = field(default_factory=dict)
    _recorded: float = 0.0
    _history: dict[str, tuple[float, Band | None, float | None]] = field(default_factory=dict)
    """By subject when, as what and with which health it was written down last."""

    def __post_init__(self) -> None:
        for watch in self.chains.values():
            watch.upto = partial(self._upto, watch.subject)

    def _upto(self, subject: str) -> Sequence[BlockFact]:
        kept = self.store.kept([subject]).get(subject)
        return () if kept is None else kept.blocks

    def resume(self) -> None:
        """Goes on from the blocks that an earlier run had decided from."""
        known = self.store.kept([watch.subject for watch in self.chains.values()])
        grounds = self.store.grounds()
        for name, watch in self.chains.items():
            ground = {one: of for one, of in grounds.items() if one.startswith(f"{name}/")}
            before = known.get(watch.subject)
            watch.resume(before.blocks[0] if before is not None and before.blocks else None, ground)

    def again(self, others: Sequence[Observation] = (), happenings: Sequence[Happening] = ()) -> list[int]:
        """Decides without a new look: a chain that nobody has read for too long is told as such.

        `others`: observations of the watch itself.
        """
        now = self.now()
        sights = self.sights(now)
        return self._decide(sights, now, happenings, frozenset(), [*self._own(sights, now), *others])

    def after(self, watch: ChainWatch) -> list[int]:
        """Decides after a look at a chain; the messages queued."""
        look, now = watch.fresh, self.now()
        assert look is not None, "look first"
        sights = {**self.sights(now), watch.chain.name: look.sight}
        ids = self._decide(
            sights, now, look.happenings, look.replaced, self._own(sights, now, look), look.footings
        )
        accounts = [one.account for one in look.footings]
        watch.decided(look, self.store.grounds(accounts) if accounts else {})
        return ids

    def _decide(
        self,
        sights: Mapping[str, Sight | None],
        now: float,
        happenings: Sequence[Happening],
        replaced: frozenset[str],
        others: Iterable[Observation],
        footings: Sequence[Footing] = (),
    ) -> list[int]:
        wallets = self._wallets(sights, replaced)
        self._record(wallets, now)
        return self.store.decide(
            [*others, *wallets],
            self.channels,
            now,
            self.patience,
            happenings=happenings,
            footings=footings,
            replaced=replaced,
        )

    def _record(self, wallets: Sequence[Observation], now: float) -> None:
        """Into the history goes who stands otherwise than when it was written last, and each once an hour."""
        if 0 <= now - self._recorded < RECORD_S:
            return
        news = []
        for one in wallets:
            health = self._figures[one.subject].get("lowest_health")
            at, band, then = self._history.get(one.subject, (-RECORD_ALL_S, None, None))
            moved = (health is None) is not (then is None) or abs((health or 1.0) / (then or 1.0) - 1) > MOVED
            if band is not one.band or moved or not 0 <= now - at < RECORD_ALL_S:
                news.append(one)
        self.store.record(news, now, self._figures)
        self._recorded = now
        for one in news:
            self._history[one.subject] = now, one.band, self._figures[one.subject].get("lowest_health")

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

    def _own(
        self, sights: Mapping[str, Sight | None], now: float, look: Look | None = None
    ) -> Iterable[Observation]:
        """The watch of each chain, and how far what it sees can be believed; `look`: not decided from yet."""
        for name, watch in self.chains.items():
            sight = sights[name]
            if sight is None:
                continue
            upto = sight.block if sight.whole else watch.last
            yield own.sight_of(name, sight, upto, len(self.config.wallets))
            if look is not None and sight is look.sight:
                yield from look.doubts
            elif sight is watch.sight:  # one that is too old says nothing
                yield from watch.doubts
            differing = watch.differing(now)
            if differing is not None:
                yield own.endpoints_of(name, differing)

    def _wallets(self, sights: Mapping[str, Sight | None], replaced: frozenset[str]) -> list[Observation]:
        """Every wallet, once each chain was looked at."""
        ready = [sight for sight in sights.values() if sight is not None]
        if len(ready) < len(sights):
            return []
        # Who stands on a block that was replaced is worth a look at the store.
        kept = self.store.kept() if replaced else {}
        blocks = tuple(sight.block for sight in ready if sight.block is not None)
        held = cache(lambda: held_of(ready))
        found = []
        for wallet in self.config.wallets:
            subject = subject_of(wallet)
            part = together(sight.parts[subject] for sight in ready)
            self._figures[subject] = (
                {} if part.lowest_health is None else {"lowest_health": part.lowest_health}
            )
            corrects = subject in kept and _stood_on(kept[subject], replaced)
            told = cache(partial(_told, wallet, part, ready, held, corrects=corrects))
            found.append(
                Observation(
                    subject, name_of(wallet), part.band, part.relaxed, (), (), blocks, None, part.known, told
                )
            )
        return found


def _told(
    wallet: Wallet,
    part: Part,
    sights: Sequence[Sight],
    held: Callable[[], dict[str, Held]],
    *,
    corrects: bool,
) -> Words:
    """What is said of a wallet, worked out for those of whom something is."""
    view = wallet_view(wallet, [sight.reading for sight in sights])
    sentences, facts = told_of(view, held(), wallet.bands)
    if part.band is Band.UNKNOWN and not sentences:
        sentences = part.why
    if corrects:
        sentences = ("the block that the last message was taken from was replaced", *sentences)
    return sentences, facts


def _stood_on(before: Kept, replaced: frozenset[str]) -> bool:
    return any(block[2] in replaced for block in before.blocks)
