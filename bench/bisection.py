"""The edges of an account as one finds them without our arithmetic: by bisection, one `eth_call` a step.

It supposes that an account once beyond an edge stays beyond it. Contracts truncate, so that is not
quite true at the edge itself: our search finds the first crossing, a bisection any one of them.
"""

from __future__ import annotations

from collections.abc import Callable

from bench.contract import health_at
from bench.stage import Stage
from margin.frontier import HIGHEST_SHOCK_WAD, HORIZON_S, LOWEST_SHOCK_WAD
from margin.prices import FeedKey, Prices
from margin.units import WAD
from protocols.aave_v3.adapter import AaveVenue
from protocols.aave_v3.state import AaveAccount

FARTHEST = 2**20
"""Feeds are followed up to this many times their answer."""


class Bisection:
    """The edges of one account, asked of the contract; `calls` counts."""

    def __init__(self, stage: Stage, venue: AaveVenue, account: AaveAccount) -> None:
        self._stage, self._venue, self._account = stage, venue, account
        self.calls = 0

    def feed_edge(self, key: FeedKey) -> int | None:
        """The answer at which it dies, searched only on the side on which the feed hurts."""
        today_raw = self._venue.prices[key]

        def dies(answer_raw: int) -> bool:
            return self._liquidatable(self._venue.prices.moved(key, answer_raw))

        if self._venue.linear(self._account).slope(key) >= 0:
            return _between(dies, today_raw, 1)
        far = 2 * today_raw
        while not dies(far):
            if far > FARTHEST * today_raw:
                return None
            far *= 2
        return _between(dies, far // 2, far, known=True)

    def factor_edge(self, factor: str) -> int | None:
        """The smaller of the moves up and down of a factor, a wad."""

        def dies(shock_wad: int) -> bool:
            feeds = self._venue.feeds.values()
            return self._liquidatable(Prices({f.key: f.shocked_raw({factor: shock_wad}) for f in feeds}))

        edges = [_between(dies, 0, limit) for limit in (LOWEST_SHOCK_WAD + 1, HIGHEST_SHOCK_WAD - 1)]
        return min((edge for edge in edges if edge is not None), key=abs, default=None)

    def time_edge(self) -> int | None:
        """The timestamp at which interest alone kills it, up to our own horizon."""
        now = self._venue.timestamp
        return _between(lambda at: self._liquidatable(None, at), now, now + HORIZON_S)

    def _liquidatable(self, prices: Prices | None, at: int | None = None) -> bool:
        self.calls += 1
        health_wad: int = health_at(self._stage, self._venue, self._account, prices, at)[5]
        return health_wad < WAD


def _between(dies: Callable[[int], bool], safe: int, dead: int, *, known: bool = False) -> int | None:
    """A crossing between a safe place and one that may be dead (`known`: that is); None if it is not."""
    if not known and not dies(dead):
        return None
    while abs(dead - safe) > 1:
        middle = (safe + dead) // 2
        if dies(middle):
            dead = middle
        else:
            safe = middle
    return dead
