"""Compound's terms as lines over prices: the linear form, its error, and a bound between two verdicts.

All figures are of one account; collateral and debt in US dollars with 18 decimals.
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


@dataclass(frozen=True, slots=True)
class Line:
    """One entered market's part of an account at one block, before prices."""

    market: int
    feed: FeedKey
    tokens: int
    rate_wad: int
    """Underlying per token."""
    weighted_rate_wad: int
    """The same times the collateral factor, rounded down."""
    debt_raw: int
    supply_tokens: int
    """Of the whole market, for the noise of its rate; at least 1."""
    debt_units: int
    """Debt per unit of index, rounded up, for the noise of the index."""

    def terms(self, price_raw: int) -> Terms:
        """The line at this answer, in the contract's own order.

        Source: ComptrollerG5.getHypotheticalAccountLiquidityInternal of VenusProtocol/venus-protocol
        0.7.0: `tokensToDenom = collateralFactor · exchangeRate · price`, cut off after each product,
        then times the tokens and cut off; debt times price, cut off.
        """
        rate_noise = 2 * WAD // self.supply_tokens + 3
        return Terms(
            collateral=self.weighted_rate_wad * price_raw // WAD * self.tokens // WAD,
            debt=price_raw * self.debt_raw // WAD,
            face=self.rate_wad * price_raw // WAD * self.tokens // WAD,
            feed=int.from_bytes(self.feed.encode(), "big"),
            price=price_raw,
            cut=self.tokens // WAD + 2,
            collateral_tick=self.weighted_rate_wad * self.tokens // (WAD * WAD) + 1,
            debt_tick=self.debt_raw // WAD + 1,
            collateral_noise=(rate_noise * price_raw // WAD + 2) * self.tokens // WAD + 2,
            debt_noise=(self.debt_units + 2) * price_raw // WAD + 2,
        )


class Terms(NamedTuple):
    """One line's values, and by how much each may lie off a smooth curve.

    Between two price vectors collateral lies up to `cut` below its straight line (the price times the
    rate is cut off before the tokens multiply it) and debt up to one unit; where several prices move at once
    each is rounded to a raw unit, which is worth a tick. Along time index and totals are straight lines
    that are cut off, which is worth the noise.
    """

    collateral: int
    debt: int
    face: int
    """Collateral without its factor."""
    feed: int
    """The feed's key as a number, to tell feeds apart."""
    price: int
    cut: int
    collateral_tick: int
    debt_tick: int
    collateral_noise: int
    debt_noise: int


def linear_form(lines: Sequence[Line], constant_debt_raw: int) -> LinearForm:
    """The linear form over these lines; `constant_debt_raw` hangs on no price."""
    support: dict[FeedKey, float] = {}
    requirement: dict[FeedKey, float] = {}
    error: dict[FeedKey, float] = {}
    cuts = 4.0 + FLOAT_SHARE * constant_debt_raw
    for line in lines:
        supported = float(line.weighted_rate_wad * line.tokens) / WAD / WAD
        required = float(line.debt_raw) / WAD
        support[line.feed] = support.get(line.feed, 0.0) + supported
        requirement[line.feed] = requirement.get(line.feed, 0.0) + required
        error[line.feed] = error.get(line.feed, 0.0) + FLOAT_SHARE * (supported + required)
        cuts += 3.0 + line.tokens / WAD
    feeds = tuple(support)
    return LinearForm(
        feeds=feeds,
        support=tuple(support[f] for f in feeds),
        requirement=tuple(requirement[f] for f in feeds),
        support_constant=0.0,
        requirement_constant=float(constant_debt_raw),
        error=tuple(error[f] for f in feeds),
        error_constant=cuts,
    )


def rows_of(verdict: Verdict) -> list[Terms]:
    """The lines' terms that `Pool.verdict` keeps; the first row is the block and the debt in VAI."""
    return [Terms(*row) for row in verdict.terms[1:]]


def least_margin_raw(a: Verdict, b: Verdict) -> int:
    """A lower bound of the margin between two verdicts of one account (see `margin.account.Judge`).

    The better of two: along prices and along time every value is a straight line up to what is cut
    off, so the margin lies above the lower end but for that; and every value only rises or only
    falls between the ends, so none leaves them.
    """
    rows = list(zip(rows_of(a), rows_of(b), strict=True))
    at_one_time = a.terms[0][0] == b.terms[0][0]
    one_feed = len({one.feed for one, two in rows if one.price != two.price}) <= 1
    off = 0
    stepped = -a.terms[0][1]
    for one, two in rows:
        if not at_one_time:
            below = max(one.collateral_noise, two.collateral_noise)
            above = max(one.debt_noise, two.debt_noise)
        else:
            below, above = max(one.cut, two.cut), 1
            if not one_feed:
                below += max(one.collateral_tick, two.collateral_tick)
                above += max(one.debt_tick, two.debt_tick)
        off += min(below, abs(one.collateral - two.collateral)) + min(above, abs(one.debt - two.debt))
        stepped += min(one.collateral, two.collateral) - max(one.debt, two.debt)
    return max(min(a.margin_raw, b.margin_raw) - off, stepped)


def worst_between(a: Verdict, b: Verdict) -> Verdict:
    """See `margin.mending.Mendable`: along one amount one market's tokens or debt alone move.

    A repayment only ever lowers the debt. A deposit adds cash and tokens to the market, and both add
    to the account's share of it; but the tokens come whole, so the exchange rate rises and falls by
    its last digit as the amount grows, and that much of the account's collateral may be lost on the way.
    """
    lost = lost_face = 0
    for one, two in zip(rows_of(a), rows_of(b), strict=False):
        if one.collateral != two.collateral or one.face != two.face:
            lost += max(one.collateral_noise, two.collateral_noise)
            lost_face += max(one.collateral_noise, two.collateral_noise)
    support = max(0, min(a.support_raw, b.support_raw) - lost)
    requirement = max(a.requirement_raw, b.requirement_raw)
    return Verdict(
        support_raw=support,
        requirement_raw=requirement,
        assets_raw=max(0, min(a.assets_raw, b.assets_raw) - lost_face),
        liabilities_raw=max(a.liabilities_raw, b.liabilities_raw),
        health_factor_wad=health_wad(support, requirement),
    )


def health_wad(support_raw: int, requirement_raw: int) -> int | None:
    """Collateral over debt, rounded down, 1e18 the edge: no figure of the protocol's. `None` without debt."""
    return support_raw * WAD // requirement_raw if requirement_raw else None
