"""One round of one chain: read, compare with what was remembered, and queue what is to be said."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from checker.bands import Band
from checker.config import Config, Wallet
from checker.snapshot import nothing_of
from checker.wallet_view import wallet_view
from checker.watch import own
from checker.watch.chain_watch import ChainWatch
from checker.watch.memory import Happening, Kept
from checker.watch.memory import Settings as Patience
from checker.watch.sight import Sight, held_of, name_of, seen, subject_of, together
from checker.watch.store import WatchStore
from checker.watch.telling import told_of
from checker.watch.values import ChannelKey, Observation
from margin.basics import Address, Reason, Unread
from margin.errors import ReadError

RECORD_S = 60.0
"""How often how each wallet stands goes into the history."""
WORDS_KEPT_S = 600.0
"""How long what is said of a wallet is used again, while its band stays."""


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

    def again(self, others: Sequence[Observation] = (), happenings: Sequence[Happening] = ()) -> list[int]:
        """Decides without a new look: a chain that nobody has read for too long is told as such.

        `others`: observations of the watch itself.
        """
        now = self.now()
        return self._decide(self.sights(now), now, happenings, frozenset(), others)

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
        others: Sequence[Observation] = (),
    ) -> list[int]:
        wallets = self._wallets(sights, now, replaced)
        observations = [*self._own(sights), *others, *wallets]
        if now - self._recorded >= RECORD_S or now < self._recorded:
            self.store.record(wallets, now, self._figures)
            self._recorded = now
        return self.store.decide(
            observations,
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

    def _own(self, sights: Mapping[str, Sight | None]) -> Iterable[Observation]:
        """The watch of each chain, and how far what it sees can be believed."""
        for name, watch in self.chains.items():
            sight = sights[name]
            if sight is None:
                continue
            upto = sight.block if sight.whole else watch.last
            yield own.sight_of(name, sight, upto, len(self.config.wallets))
            if sight is watch.sight:  # one that is too old says nothing
                yield from watch.doubts
            if watch.differing is not None:
                yield own.endpoints_of(name, watch.differing)

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
