"""An Aave pool's terms as lines over prices: the linear form, its error, and a bound between two verdicts.

Source: GenericLogic.calculateUserAccountData of aave/protocol-v2 1.0.1, aave/aave-v3-core 1.19.3 and
aave-dao/aave-v3-origin v3.1.0 … v3.7. An average threshold is truncated to whole bps before it weights
the collateral in v2 and up to v3.4; from v3.5 it is not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from margin.linear import LinearForm
from margin.prices import FeedKey
from margin.units import BPS, RAY, WAD, percent_mul_half_up
from margin.verdict import Verdict

MulDiv = Callable[[int, int, int], int]
"""Product of two over a third, rounded as the name of the function says."""
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

    def terms(self, prices: Mapping[FeedKey, int], debt_value: MulDiv) -> Terms:
        """The line at these answers."""
        price = self.price(prices)
        amount_noise = 2 + INDEX_NOISE_RAY * (self.scaled + self.collateral_raw + self.debt_raw) // RAY
        return Terms(
            collateral=self.collateral_raw * price // self.unit,
            debt=debt_value(self.debt_raw, price, self.unit),
            threshold_bps=self.threshold_bps,
            feed=int.from_bytes((self.feed or "").encode(), "big"),
            price=price,
            collateral_tick=self.collateral_raw // self.unit + 1,
            debt_tick=self.debt_raw // self.unit + 1,
            time_noise=amount_noise * price // self.unit + 2,
        )


class Terms(NamedTuple):
    """One line's values in the base currency, and by how much they may lie off a smooth curve.

    Between two price vectors a value leaves its straight line by its own rounding, and where several
    prices move at once by the rounding of its price to a raw unit, which is worth a tick. Along
    time it leaves it by the rounding of the amount and its index.
    """

    collateral: int
    debt: int
    threshold_bps: int
    feed: int
    """The feed's key as a number, to tell feeds apart."""
    price: int
    collateral_tick: int
    """What one raw unit of price is worth, rounded up."""
    debt_tick: int
    time_noise: int


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

    The better of two bounds: `_smooth_bound` where values are large against their roundings,
    `_step_bound` where they are not.
    """
    return max(_smooth_bound(a, b, truncated_average), _step_bound(a, b, truncated_average))


def _smooth_bound(a: Verdict, b: Verdict, truncated_average: bool) -> int:
    """Along prices every value is a straight line, along time collateral is one and debt is convex.

    So, up to rounding, collateral stays above and debt below the chord between the two ends, and
    the margin above the lower end.
    """
    rows = [(Terms(*row_a), Terms(*row_b)) for row_a, row_b in zip(a.terms[1:], b.terms[1:], strict=True)]
    on_collateral, on_debt = _noise(rows, at_one_time=a.terms[0][0] == b.terms[0][0])
    thresholds = [line.threshold_bps for line, _ in rows]
    noise_debt = sum(on_debt)
    if not truncated_average:
        noise_weighted = sum(n * bps for n, bps in zip(on_collateral, thresholds, strict=True))
        return min(a.margin_raw, b.margin_raw) - noise_weighted - BPS * noise_debt - 2
    average_bps = _least_average_bps(a, b, thresholds, on_collateral)
    lower_end = min(v.assets_raw * average_bps // BPS - v.requirement_raw for v in (a, b))
    return lower_end - sum(on_collateral) * average_bps // BPS - noise_debt - 4


def _noise(rows: Sequence[tuple[Terms, Terms]], *, at_one_time: bool) -> tuple[list[int], list[int]]:
    """Per line by how much collateral and debt can lie off the chord between the two ends.

    Where one feed alone moves, its answer is itself the way from one end to the other, and its
    rounding moves nothing off the line. A value only rises or only falls
    between the ends, so one that is the same at both never moved.
    """
    moved = {one.feed for one, two in rows if one.price != two.price}
    on_collateral, on_debt = [], []
    for one, two in rows:
        if not at_one_time:
            off = max(one.time_noise, two.time_noise)
            noise = off, off
        elif len(moved) <= 1:
            noise = 1, 1
        else:
            noise = one.collateral_tick + 1, one.debt_tick + 1
        on_collateral.append(min(noise[0], abs(one.collateral - two.collateral)))
        on_debt.append(min(noise[1], abs(one.debt - two.debt)))
    return on_collateral, on_debt


def _least_average_bps(a: Verdict, b: Verdict, thresholds: Sequence[int], noise: Sequence[int]) -> int:
    """The lowest truncated average threshold between two verdicts.

    The average is a ratio of two straight lines, so without roundings it lies above the lower of
    the two ends, W/C. A value that is off by n moves it by at most n·|threshold − W/C| over the
    total: not at all where all collaterals have the same threshold.
    """
    total = min(a.assets_raw, b.assets_raw) - sum(noise)
    if total <= 0:
        return min(thresholds, default=0)
    ends = [(v.terms[0][1], v.assets_raw) for v in (a, b)]
    weighted, collateral = min(ends, key=lambda end: Fraction(*end))
    off = sum(n * abs(bps * collateral - weighted) for n, bps in zip(noise, thresholds, strict=True))
    return max(0, weighted * total - off) // (collateral * total)


def _step_bound(a: Verdict, b: Verdict, truncated_average: bool) -> int:
    """Every value is a staircase that only rises or only falls between the ends, so none leaves them."""
    least = most = weighted = debt = 0
    for row_a, row_b in zip(a.terms[1:], b.terms[1:], strict=True):
        line_a, line_b = Terms(*row_a), Terms(*row_b)
        low = min(line_a.collateral, line_b.collateral)
        least += low
        weighted += low * line_a.threshold_bps
        most += max(line_a.collateral, line_b.collateral)
        debt += max(line_a.debt, line_b.debt)
    support, requirement = compare(least, weighted, most, debt, truncated_average=truncated_average)
    return support - requirement


def compare(
    collateral: int, weighted: int, divisor: int, debt: int, *, truncated_average: bool
) -> tuple[int, int]:
    """Support and requirement from total collateral, its weighted sum, and debt.

    `divisor` is what the weighted sum is averaged over: the collateral itself, or a higher value
    for a lower bound. The requirement is the smallest support that the division of the health
    factor, which rounds half up, still takes for 1e18.
    """
    if truncated_average:
        average_bps = weighted // divisor if divisor else 0
        return percent_mul_half_up(collateral, average_bps), debt - debt // 2 // WAD
    return weighted, BPS * debt - debt // 2 // WAD
