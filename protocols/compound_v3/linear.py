"""Comet's terms as lines over prices: the linear form, its error, and a bound between two verdicts.

All figures are of one account, in the numeraire of the market's feeds with 8 decimals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from margin.linear import LinearForm
from margin.prices import FeedKey
from margin.units import WAD
from margin.verdict import Verdict

FLOAT_SHARE = 1e-13
"""Of the gross values: more than the few roundings of 2**-53 in building and summing a float row."""


class Term(NamedTuple):
    """One collateral's worth at one price, or the debt's, and what that hangs on."""

    face: int
    """Without its factor."""
    weighted: int
    price: int
    feed: int
    """The feed's key as a number, to tell feeds apart."""
    tick: int
    """More than the weighted worth of one raw unit of the answer."""


@dataclass(frozen=True, slots=True)
class Line:
    """One collateral of an account, or its debt (with a factor of one), before prices."""

    feed: FeedKey
    amount_raw: int
    scale: int
    factor_wad: int

    @property
    def slope(self) -> float:
        """Weighted worth per raw unit of the answer."""
        return float(self.amount_raw * self.factor_wad) / float(self.scale * WAD)

    def term(self, price_raw: int) -> Term:
        """The line at this answer: times the price and cut off, then times the factor and cut off.

        Source: Comet.isLiquidatable, mulPrice, signedMulPrice and mulFactor of compound-finance/comet, commit
        d5a30b0. The debt is negative there and its division rounds towards zero, so that it is cut off too.
        """
        face = self.amount_raw * price_raw // self.scale
        return Term(
            face=face,
            weighted=face * self.factor_wad // WAD,
            price=price_raw,
            feed=int.from_bytes(self.feed.encode(), "big"),
            tick=self.amount_raw * self.factor_wad // (self.scale * WAD) + 1,
        )


def linear_form(held: Sequence[Line], debt: Line | None) -> LinearForm:
    """The linear form. Each collateral lies less than two units below its line, the debt less than one."""
    support: dict[FeedKey, float] = {}
    requirement: dict[FeedKey, float] = {}
    for line in held:
        support[line.feed] = support.get(line.feed, 0.0) + line.slope
    if debt is not None:
        requirement[debt.feed] = debt.slope
    feeds = tuple(dict.fromkeys((*support, *requirement)))
    return LinearForm(
        feeds=feeds,
        support=tuple(support.get(feed, 0.0) for feed in feeds),
        requirement=tuple(requirement.get(feed, 0.0) for feed in feeds),
        support_constant=0.0,
        requirement_constant=0.0,
        error=tuple(FLOAT_SHARE * (support.get(feed, 0.0) + requirement.get(feed, 0.0)) for feed in feeds),
        error_constant=2.0 * len(held) + 2.0,
    )


def least_margin_raw(a: Verdict, b: Verdict) -> int:
    """A lower bound of the margin between two verdicts of one account (see `margin.account.Judge`).

    At one price vector the collateral stands still and the debt only grows: the ends bound it. Along
    prices every term is a straight line that is cut off: a collateral lies less than two units below the
    chord between its ends (and a tick more where several answers move, each cut to a raw unit), a debt
    at most one above; and none leaves the span of its ends, since each hangs on one price.
    """
    rows = [(Term(*one), Term(*two)) for one, two in zip(a.terms, b.terms, strict=True)]
    moving = {one.feed for one, two in rows if one.price != two.price}
    ends = min(a.margin_raw, b.margin_raw)
    if not moving:
        return ends
    (debt, later_debt), *held = rows
    off = min(1, abs(debt.weighted - later_debt.weighted))
    stepped = -max(debt.weighted, later_debt.weighted)
    for one, two in held:
        below = 2 + (max(one.tick, two.tick) if len(moving) > 1 else 0)
        off += min(below, abs(one.weighted - two.weighted))
        stepped += min(one.weighted, two.weighted)
    return max(ends - off, stepped)


NO_DEBT = Term(0, 0, 0, 0, 0)
"""Stands in a verdict's terms where nothing is owed."""
