"""Aave v3's terms as lines over prices: the linear form, its error, and a bound between two verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from margin.linear import LinearForm
from margin.prices import FeedKey
from margin.units import BPS, RAY
from margin.verdict import Verdict

FLOAT_SHARE = 1e-13
"""Of the gross values: more than the few roundings of 2**-53 in building and summing a float row."""
INDEX_NOISE_RAY = 32
"""Ray units by which an accrued index can lie off its smooth curve: a handful of roundings, generously."""


@dataclass(frozen=True, slots=True)
class Line:
    """One reserve's part of an account at one timestamp, before prices."""

    reserve: int
    feed: FeedKey | None
    constant_raw: int
    """The price where there is no feed."""
    unit: int
    collateral_raw: int
    """Amount that counts as collateral; 0 if none does."""
    threshold_bps: int
    debt_raw: int
    scaled: int
    """The larger scaled balance, for the noise of its index."""

    def price(self, prices: Mapping[FeedKey, int]) -> int:
        """The raw price at these answers."""
        return self.constant_raw if self.feed is None else prices[self.feed]

    def flicker(self, amount_raw: int, price_raw: int) -> int:
        """By how much, at most, this line's value can lie off a straight (or smooth) one.

        One raw unit of price, the roundings of the amount and of its index over time, and the
        rounding of the value itself; in units of the base currency.
        """
        amount_noise = 2 + INDEX_NOISE_RAY * (self.scaled + amount_raw) // RAY
        return amount_raw // self.unit + amount_noise * price_raw // self.unit + 4


def linear_form(lines: Sequence[Line], *, truncated_average: bool) -> LinearForm:
    """The linear form over these lines.

    With a truncated average threshold the support lies up to 1 bp of the whole collateral below
    the weighted sum: the form takes the middle, and half a bp is its error.
    """
    scale, lost_bps = (BPS, 0.5) if truncated_average else (1, 0.0)
    support: dict[FeedKey | None, float] = {}
    requirement: dict[FeedKey | None, float] = {}
    error: dict[FeedKey | None, float] = {}
    floors = 4.0
    for line in lines:
        share = (1 if line.feed is not None else line.constant_raw) / line.unit
        supported = line.collateral_raw * share * (line.threshold_bps - lost_bps) / scale
        required = line.debt_raw * share * (BPS / scale)
        doubt = line.collateral_raw * share * lost_bps / scale + FLOAT_SHARE * (abs(supported) + required)
        support[line.feed] = support.get(line.feed, 0.0) + supported
        requirement[line.feed] = requirement.get(line.feed, 0.0) + required
        error[line.feed] = error.get(line.feed, 0.0) + doubt
        # Each value is floored (or ceiled) once; a truncated average can add its bps of that unit.
        floors += (line.threshold_bps + 1) / scale + BPS / scale
    feeds = tuple(feed for feed in support if feed is not None)
    return LinearForm(
        feeds=feeds,
        support=tuple(support[f] for f in feeds),
        requirement=tuple(requirement[f] for f in feeds),
        support_constant=support.get(None, 0.0),
        requirement_constant=requirement.get(None, 0.0),
        error=tuple(error[f] for f in feeds),
        error_constant=error.get(None, 0.0) + floors,
    )


def least_margin_raw(a: Verdict, b: Verdict, *, truncated_average: bool) -> int:
    """A lower bound of the margin between two verdicts of one account (see `margin.account.Judge`).

    Along prices every value is a straight line, along time collateral is one and debt is convex;
    so, up to rounding, collateral stays above and debt below the chord between the two ends, and
    the margin above the lower end. A truncated average threshold is a ratio of two straight
    lines, which is monotone between the ends: it stays above the lower of the two, floored.
    """
    (weighted_a, noise_a, noise_weighted_a, noise_debt_a) = a.terms
    (weighted_b, noise_b, noise_weighted_b, noise_debt_b) = b.terms
    noise = max(noise_a, noise_b)
    noise_weighted = max(noise_weighted_a, noise_weighted_b)
    noise_debt = max(noise_debt_a, noise_debt_b)
    if not truncated_average:
        return min(a.margin_raw, b.margin_raw) - noise_weighted - BPS * noise_debt - 2
    average_bps = min(
        max(0, weighted - noise_weighted) // (collateral + noise) if collateral + noise else 0
        for weighted, collateral in ((weighted_a, a.assets_raw), (weighted_b, b.assets_raw))
    )
    lower_end = min(v.assets_raw * average_bps // BPS - v.requirement_raw for v in (a, b))
    return lower_end - noise * average_bps // BPS - noise_debt - 4
