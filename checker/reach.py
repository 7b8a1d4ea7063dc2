"""Whether a move of a given size liquidates an account: in floats where they decide, else exactly.

Much cheaper than the edges themselves (`margin.frontier`), and never another answer than theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from margin.account import Judge
from margin.frontier import HORIZON_S, factor_edge, moving_feeds, straight, time_edge
from margin.linear import LinearForm
from margin.prices import Prices
from margin.units import WAD


def shocked(venue: Judge[Any], shocks_wad: Mapping[str, int]) -> Prices:
    """All feeds after each factor moved by its shock."""
    return Prices({key: feed.shocked_raw(shocks_wad) for key, feed in venue.feeds.items()})


class Moves:
    """All feeds of a venue after a move of one factor, worked out once a move for all its accounts."""

    def __init__(self, venue: Judge[Any]) -> None:
        self._venue = venue
        self._known: dict[tuple[str, int], Prices] = {}

    def __call__(self, factor: str, shock_wad: int) -> Prices:
        """The prices after this move."""
        found = self._known.get((factor, shock_wad))
        if found is None:
            found = self._known[factor, shock_wad] = shocked(self._venue, {factor: shock_wad})
        return found


def shocks_wad(drop: Decimal) -> tuple[int, int]:
    """A factor's move down and up by so much; it never loses quite everything."""
    size = int(drop * WAD)
    return max(-size, 1 - WAD), size


def factors_of(venue: Judge[Any], account: Any) -> list[str]:
    """The factors that move the account, in its feeds' order."""
    found: dict[str, None] = {}
    for key in venue.feeds_of(account):
        feed = venue.feeds[key]
        for factor in (feed.base_factor, feed.quote_factor):
            if factor is not None and feed.loads_on(factor):
                found[factor] = None
    return list(found)


def within_drop(
    venue: Judge[Any],
    account: Any,
    drop: Decimal,
    factors: Iterable[str] | None = None,
    moves: Moves | None = None,
) -> bool:
    """Whether some factor's move of at most `drop`, up or down, liquidates an account that is safe now.

    `factors`: only these; `moves`: the venue's own. Raises `Undecided` where an exact search gave up.
    """
    form, moves = venue.linear(account), moves or Moves(venue)
    return any(
        reached(venue, account, form, factor, moves(factor, shock), drop)
        for factor in (factors_of(venue, account) if factors is None else factors)
        for shock in shocks_wad(drop)
    )


def reached(
    venue: Judge[Any], account: Any, form: LinearForm, factor: str, prices: Prices, drop: Decimal
) -> bool:
    """Whether the factor liquidates the account on its way to `prices`, where it has moved by `drop`.

    Where all feeds that move do so along one line, the margin is a straight line too up to its error: an
    account that is surely healthy at both ends is so between them. Raises `Undecided`.
    """
    # Where several feeds move together each is rounded to its raw unit on the way, and leaves the line.
    moved = [key for key in form.feeds if prices[key] != venue.prices[key]]
    ticks = sum(
        s + r
        for key, s, r in zip(form.feeds, form.support, form.requirement, strict=True)
        if len(moved) > 1 and key in moved
    )
    sure = all(form.margin(at) > form.bound(at) + ticks for at in (venue.prices, prices))
    if sure and straight(moving_feeds(venue, account, {factor: WAD})):
        return False
    if form.margin(prices) < -form.bound(prices) or venue.verdict(account, prices).liquidatable:
        return True
    edge_wad = factor_edge(venue, account, factor)
    return edge_wad is not None and abs(edge_wad) <= drop * WAD


def seconds(hours: Decimal) -> int:
    """As many seconds; no more than interest is followed."""
    return min(int(hours * 3600), HORIZON_S)


def within_hours(venue: Judge[Any], account: Any, hours: Decimal) -> bool:
    """Whether interest alone liquidates the account within so many hours. Raises `Undecided`."""
    until = venue.clock.after(seconds(hours))
    then = venue.verdict(account, at=until)
    if then.liquidatable:
        return True
    now = venue.verdict(account)
    # Safe at both ends is not yet safe between them: an accrual that overflows, say, is not booked any more.
    if not now.liquidatable and venue.least_margin(now, then) >= 0:
        return False
    at = time_edge(venue, account)
    return at is not None and at <= until
