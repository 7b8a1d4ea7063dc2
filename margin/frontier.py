"""Where an account dies: the first raw answer, factor move or second at which the verdict turns.

The linear form finds the place in closed form; the exact verdict decides. Because contracts
truncate, an exact margin flickers by units around its zero (and jumps, where a contract truncates
an average threshold), so the first crossing is found by branch and bound: an interval is passed
over only where the adapter's own lower bound proves that nothing in it is liquidatable.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from margin.account import Judge
from margin.errors import Undecided
from margin.prices import Feed, FeedKey, Prices
from margin.units import WAD, mul_div_up
from margin.verdict import Verdict

A = TypeVar("A")

HORIZON_S = 10 * 365 * 86_400
"""How far ahead interest alone is followed: ten years."""
LOWEST_SHOCK_WAD = -WAD
"""A factor cannot fall by 100 % or more …"""
HIGHEST_SHOCK_WAD = 100 * WAD
"""… and is not followed to +10 000 % or beyond."""
BUDGET = 30_000
"""Exact verdicts one search may take before it gives up as `Undecided`: below a second. Some hundreds
are usual; what needs more is an account whose collateral and debt hang on one feed and cancel to
within roundings, so that every tick of a long way could be the first."""


@dataclass(frozen=True, slots=True)
class FeedEdge:
    """The first raw answer of one feed that liquidates the account, all else equal."""

    feed: FeedKey
    direction: str
    """`down` or `up`."""
    liquidation_price_raw: int | None
    """`None` when no positive answer does."""


def first_liquidatable(
    evaluate: Callable[[int], Verdict],
    least_margin: Callable[[Verdict, Verdict], int],
    start: int,
    stop: int,
    cuts: Iterable[int] = (),
    *,
    subject: str = "search",
    budget: int = BUDGET,
) -> int | None:
    """The first integer after `start`, towards `stop` inclusive, at which the verdict is liquidatable.

    `start` itself must be safe. `cuts` are places worth looking at first, in any order: they save
    verdicts, and where the way from `start` to `stop` has a kink, `least_margin` needs one there.
    `None` if there is none up to `stop`. Raises `Undecided` when the budget of verdicts is used up.
    """
    step = 1 if stop >= start else -1
    inside = sorted({c for c in cuts if (c - start) * step > 0 and (stop - c) * step > 0}, reverse=step < 0)
    nodes = [start, *inside, stop] if stop != start else [start]
    spent = len(nodes)
    verdicts = [evaluate(x) for x in nodes]
    if verdicts[0].liquidatable:
        return start
    pending = [(nodes[i], verdicts[i], nodes[i + 1], verdicts[i + 1]) for i in range(len(nodes) - 2, -1, -1)]
    while pending:
        near, near_verdict, far, far_verdict = pending.pop()
        if not far_verdict.liquidatable and least_margin(near_verdict, far_verdict) >= 0:
            continue
        if abs(far - near) == 1:
            if far_verdict.liquidatable:
                return far
            continue
        if spent >= budget:
            raise Undecided(subject, spent)
        middle = (near + far) // 2
        middle_verdict = evaluate(middle)
        spent += 1
        pending.append((middle, middle_verdict, far, far_verdict))
        pending.append((near, near_verdict, middle, middle_verdict))
    return None


def _cuts(guess: float | None, width: float) -> list[int]:
    """Three places around a closed form's guess, `width` apart; none when there is no guess."""
    if guess is None or not math.isfinite(guess) or not math.isfinite(width):
        return []
    reach = math.ceil(abs(width)) + 1
    centre = round(guess)
    return [centre - reach, centre, centre + reach]


def crossing(judge: Judge[A], account: A, feed: FeedKey, stop_raw: int) -> int | None:
    """The first raw answer of `feed`, from today's towards `stop_raw` inclusive, that liquidates.

    The account is safe now; `None` if it survives all of them. Raises `Undecided` beyond the budget.
    """
    form = judge.linear(account)
    slope = form.slope(feed)
    today_raw = judge.prices[feed]
    guess = today_raw - form.margin(judge.prices) / slope if slope else None
    return first_liquidatable(
        lambda answer_raw: judge.verdict(account, judge.prices.moved(feed, answer_raw)),
        judge.least_margin,
        today_raw,
        stop_raw,
        _cuts(guess, 2 * form.bound(judge.prices) / slope if slope else 0.0),
        subject=f"liquidation price of feed {feed}",
    )


def feed_edge(judge: Judge[A], account: A, feed: FeedKey) -> FeedEdge:
    """The first raw answer of `feed` at which the account, safe now, becomes liquidatable.

    Searched in the direction in which the feed hurts (down where the account is net long of it);
    where nothing is found there, in the other one too, since rounding can tip an account that
    stands on the edge. Raises `Undecided` beyond the budget.
    """
    stops = {"down": 1, "up": max(judge.prices[feed], judge.price_limit(account, feed))}
    directions = ("down", "up") if judge.linear(account).slope(feed) >= 0 else ("up", "down")
    for direction in directions:
        found = crossing(judge, account, feed, stops[direction])
        if found is not None:
            return FeedEdge(feed, direction, found)
    return FeedEdge(feed, directions[0], None)


def along(
    judge: Judge[A], account: A, weights_wad: Mapping[str, int], steps: int, *, subject: str = "direction"
) -> int | None:
    """How many steps of 1e-18 along a direction of factors first liquidate the account.

    One step moves each factor by its weight (1e18 is one whole unit of the direction) times 1e-18;
    `steps` is how far to look, negative to look backwards. Feeds move as `Feed.shocked_raw` says.
    Returns the signed number of steps, `None` if the account survives all of them.

    A feed whose base weighs b and whose quote weighs q goes to (1 + b·s) / (1 + q·s) of its answer,
    which is 1 + (b − q)·t where t is s / (1 + q·s). So where all feeds that move have one q, they move
    along a straight line in t, as the bound between two verdicts asks for. Where they have not, it
    raises `Undecided`, as it does beyond the budget.
    """
    moving = moving_feeds(judge, account, weights_wad)
    if not straight(moving):
        raise Undecided(f"{subject}, on feeds that quote in it and feeds that do not", 0)
    quoted_wad = next((feed.quoted_wad for feed in moving), 0)
    form = judge.linear(account)
    direction = {
        feed.key: judge.feeds[feed.key].answer_raw * (feed.based_wad - feed.quoted_wad) / WAD / WAD
        for feed in moving
    }
    guess = form.distance(judge.prices, direction)
    per_step = sum(form.slope(key) * move for key, move in direction.items())
    cuts = _cuts(guess, 2 * form.bound(judge.prices) / per_step if per_step else 0.0)
    # Back from t to s; beyond the pole there is no s.
    cuts = [t * WAD * WAD // (WAD * WAD - quoted_wad * t) for t in cuts if quoted_wad * t < WAD * WAD]
    ticks = [_last_tick(judge.feeds[feed.key].answer_raw, feed) for feed in moving]
    return first_liquidatable(
        lambda step: judge.verdict(account, _moved(judge, moving, weights_wad, step)),
        judge.least_margin,
        0,
        farthest(judge, account, weights_wad, steps),
        [*cuts, *(tick + beside for tick in ticks if tick is not None for beside in (-1, 0, 1))],
        subject=subject,
    )


class Moving(NamedTuple):
    """A feed that a direction moves."""

    key: FeedKey
    based_wad: int
    """What its base weighs in the direction …"""
    quoted_wad: int
    """… and its quote."""


def moving_feeds(judge: Judge[A], account: A, weights_wad: Mapping[str, int]) -> list[Moving]:
    """The account's feeds that the direction moves, in their order."""
    found = []
    for key in judge.feeds_of(account):
        if key in judge.feeds:
            feed = judge.feeds[key]
            quoted_wad = weights_wad.get(feed.quote_factor, 0) if feed.quote_factor else 0
            found.append(Moving(key, weights_wad.get(feed.base_factor, 0), quoted_wad))
    return [feed for feed in found if feed.based_wad != feed.quoted_wad]


def straight(moving: Sequence[Moving]) -> bool:
    """Whether these feeds move together along a straight line (see `along`)."""
    return len({feed.quoted_wad for feed in moving}) <= 1


def farthest(judge: Judge[A], account: A, weights_wad: Mapping[str, int], steps: int) -> int:
    """How far of `steps` the account's answers stay where the protocol's arithmetic does not overflow.

    Only an answer that quotes in what falls to nothing rises so far. Beyond it no liquidation goes through.
    """
    moving = [feed for feed in moving_feeds(judge, account, weights_wad) if feed.quoted_wad]
    limits = {feed.key: judge.price_limit(account, feed.key) for feed in moving}

    def inside(step: int) -> bool:
        prices = _moved(judge, moving, weights_wad, step)
        return all(prices[key] <= limit for key, limit in limits.items())

    if inside(steps):
        return steps
    near, far = 0, steps
    while abs(far - near) > 1:
        middle = (near + far) // 2
        near, far = (middle, far) if inside(middle) else (near, middle)
    return near


def _moved(judge: Judge[A], moving: Sequence[Moving], weights_wad: Mapping[str, int], step: int) -> Prices:
    shocks_wad = {factor: weight * step // WAD for factor, weight in weights_wad.items()}
    return Prices(
        {**judge.prices, **{feed.key: judge.feeds[feed.key].shocked_raw(shocks_wad) for feed in moving}}
    )


def _last_tick(answer_raw: int, feed: Moving) -> int | None:
    """The step at which a falling answer reaches one raw unit, and stays there: a kink in its way."""
    if not feed.quoted_wad:
        return (-(-WAD // answer_raw) - WAD) * WAD // feed.based_wad
    against = feed.quoted_wad - answer_raw * feed.based_wad
    return (answer_raw - 1) * WAD * WAD // against if against else None


def factor_edge(judge: Judge[A], account: A, factor: str) -> int | None:
    """The smallest relative move of a whole factor, by absolute value, that liquidates the account.

    A wad (−2e17 is −20 %), negative for a fall; `None` when none above −100 % and below +10 000 %
    does. The account is safe now. Raises `Undecided` beyond the budget.
    """
    loaded = [key for key in judge.feeds_of(account) if judge.feeds[key].loads_on(factor)]
    search = _one_feed_edge if len(loaded) == 1 else _many_feeds_edge
    limits = (LOWEST_SHOCK_WAD + 1, HIGHEST_SHOCK_WAD - 1)
    edges = [search(judge, account, factor, loaded, limit) for limit in limits]
    return min((edge for edge in edges if edge is not None), key=abs, default=None)


def _many_feeds_edge(
    judge: Judge[A], account: A, factor: str, loaded: Sequence[FeedKey], limit_wad: int
) -> int | None:
    if not loaded:
        return None
    return along(judge, account, {factor: WAD}, limit_wad, subject=f"shock of factor {factor}")


def _one_feed_edge(
    judge: Judge[A], account: A, factor: str, loaded: Sequence[FeedKey], limit_wad: int
) -> int | None:
    """One feed alone moves: its own crossing, taken back to the smallest shock that rounds to it."""
    feed = judge.feeds[loaded[0]]
    found = crossing(judge, account, feed.key, one_feed_stop(judge, account, feed, factor, limit_wad))
    if found is None or found == feed.answer_raw:
        return None
    if feed.base_factor != factor:
        shock_wad = _quote_shock_wad(feed.answer_raw, found)
    elif found < feed.answer_raw:
        shock_wad = ((found + 1) * WAD - 1) // feed.answer_raw - WAD
    else:
        shock_wad = mul_div_up(found, WAD, feed.answer_raw) - WAD
    # Of an answer finer than 1e-18 of itself a step passes over some, and margins flicker.
    if not judge.verdict(
        account, judge.prices.moved(feed.key, feed.shocked_raw({factor: shock_wad}))
    ).liquidatable:
        return _many_feeds_edge(judge, account, factor, loaded, limit_wad)
    return shock_wad


def one_feed_stop(judge: Judge[A], account: A, feed: Feed, factor: str, limit_wad: int) -> int:
    """What one feed, which loads on the factor, answers after the factor has moved as far as the limit.

    A feed that quotes in the factor rises without bound as that falls: it is followed to the protocol's own.
    """
    stop_raw = feed.shocked_raw({factor: limit_wad})
    if feed.base_factor == factor or stop_raw <= feed.answer_raw:
        return stop_raw
    return min(stop_raw, max(feed.answer_raw, judge.price_limit(account, feed.key)))


def _quote_shock_wad(today_raw: int, found_raw: int) -> int:
    """The smallest move of the factor that a feed quotes in by which it answers `found_raw`, or goes beyond.

    The answer is `today · 1 / (1 + shock)`, rounded down: it falls as the factor rises.
    """
    if found_raw < today_raw:
        return today_raw * WAD // (found_raw + 1) + 1 - WAD
    return today_raw * WAD // found_raw - WAD


def time_edge(judge: Judge[A], account: A, horizon_s: int = HORIZON_S) -> int | None:
    """The first reading of the clock at which interest alone, prices held, liquidates the account.

    The account is safe now; `None` if it still is `horizon_s` seconds later.
    """
    return first_liquidatable(
        lambda at: judge.verdict(account, None, at),
        judge.least_margin,
        judge.clock.now,
        judge.clock.after(horizon_s),
        subject="time to liquidation",
    )
