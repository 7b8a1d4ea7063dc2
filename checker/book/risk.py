"""Bands for a whole book: floats where they decide, the exact verdict and search where they do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from checker.bands import Bands
from checker.reach import factors_of as account_factors
from checker.reach import reached, seconds, shocked, shocks_wad
from checker.reach import within_hours as account_within_hours
from margin.errors import Undecided
from margin.prices import Prices
from margin.screen import Floats, Repriced, Screen, reprice
from margin.units import WAD
from margin.verdict import Verdict
from protocols.book import Tracked

A = TypeVar("A")
Mask = npt.NDArray[np.bool_]
HEALTHY, LIQUIDATABLE = 1, -1


@dataclass(frozen=True, slots=True)
class Judged(Generic[A]):
    """A book's accounts with their exact verdicts."""

    venue: Tracked[A]
    screen: Screen
    accounts: Mapping[int, A]
    """By row; those that hold something and could be judged."""
    verdicts: Mapping[int, Verdict]


@dataclass
class Reach:
    """Which accounts a move of one bound's size reaches, and which could not be decided."""

    hit: Mask
    undecided: dict[int, Undecided]
    exact: int = 0
    """How many were decided in integers."""


def factors_of(venue: Tracked[Any]) -> list[str]:
    """Every factor that some feed of the venue loads on, in the feeds' order."""
    found: dict[str, None] = {}
    for feed in venue.feeds.values():
        for factor in (feed.base_factor, feed.quote_factor):
            if factor is not None and feed.loads_on(factor):
                found[factor] = None
    return list(found)


def within_drop(book: Judged[Any], drop: Decimal, skip: Mask) -> Reach:
    """Accounts that some factor's move of at most `drop`, up or down, liquidates; `skip` is not looked at.

    Between today and a factor's move the margin is a straight line up to its error, and to a raw unit
    of each price where several move. So an account that is surely healthy at both ends is so between
    them, and one surely liquidatable at the far end is reached; what lies within is searched exactly.
    """
    screen, venue = book.screen, book.venue
    reach = Reach(np.zeros(screen.rows, np.bool_), {})
    now = reprice(screen, venue.unit_values())
    for factor in factors_of(venue):
        ticks = _ticks(book, factor)
        for shock_wad in shocks_wad(drop):
            prices = shocked(venue, {factor: shock_wad})
            then = reprice(screen, venue.unit_values(prices))
            reach.hit |= (then.decided(screen) == LIQUIDATABLE) & ~skip
            healthy = _surely_healthy(screen, now, ticks) & _surely_healthy(screen, then, ticks)
            for row in np.flatnonzero(~healthy & ~reach.hit & ~skip).tolist():
                _decide_factor(book, row, factor, prices, drop, reach)
    return reach


def _surely_healthy(screen: Screen, priced: Repriced, ticks: Floats) -> Mask:
    # Written so that what is no number is not healthy.
    found: Mask = (priced.support - priced.requirement > priced.error + ticks) & ~screen.always_exact
    return found


def _ticks(book: Judged[Any], factor: str) -> Floats:
    """Per account what a raw unit of every price that moves with the factor is worth; 0 for one price."""
    venue = book.venue
    keys = [key for key, feed in venue.feeds.items() if feed.loads_on(factor)]
    if len(keys) < 2:
        return np.zeros(book.screen.rows)
    higher = Prices({key: raw + (key in keys) for key, raw in venue.prices.items()})
    tick = reprice(book.screen, np.abs(venue.unit_values(higher) - venue.unit_values()))
    found: Floats = tick.support + tick.requirement
    return found


def _decide_factor(
    book: Judged[Any], row: int, factor: str, prices: Prices, drop: Decimal, reach: Reach
) -> None:
    account = book.accounts.get(row)
    if account is None:
        return
    if factor not in account_factors(book.venue, account):
        return
    reach.exact += 1
    form = book.venue.linear(account)
    try:
        # The account's own linear form knows what the book's terms do not (stable rates), and is tighter.
        reach.hit[row] = reached(book.venue, account, form, factor, prices, drop)
    except Undecided as gave_up:
        reach.undecided[row] = gave_up


def within_hours(book: Judged[Any], hours: Decimal, skip: Mask) -> Reach:
    """Accounts that interest alone liquidates within so many hours."""
    reach = Reach(np.zeros(book.screen.rows, np.bool_), {})
    until = book.venue.clock.after(seconds(hours))
    now = reprice(book.screen, book.venue.unit_values()).decided(book.screen)
    then = reprice(book.screen, book.venue.unit_values(at=until)).decided(book.screen)
    reach.hit |= (then == LIQUIDATABLE) & ~skip
    for row in np.flatnonzero(((then == 0) | (now == 0)) & ~reach.hit & ~skip).tolist():
        account = book.accounts.get(row)
        if account is None:
            continue
        reach.exact += 1
        try:
            reach.hit[row] = account_within_hours(book.venue, account, hours)
        except Undecided as gave_up:
            reach.undecided[row] = gave_up
    return reach


def banded(book: Judged[Any], bands: Bands) -> tuple[npt.NDArray[np.int8], dict[int, Undecided], int]:
    """Per row 0, 1 or 2: ok, warning, danger. Then what was left undecided, and how often integers decided.

    Rows that are liquidatable, hold nothing or could not be judged stay 0 and are the caller's.
    """
    rows = book.screen.rows
    found = np.zeros(rows, np.int8)
    owing = np.zeros(rows, np.bool_)
    for row, verdict in book.verdicts.items():
        # A debt too small to be worth a unit today requires nothing, and still dies of a high enough price.
        owes = verdict.requirement_raw > 0 or bool(book.venue.debt_legs(book.accounts[row]))
        owing[row] = owes and not verdict.liquidatable
    undecided: dict[int, Undecided] = {}
    exact = 0
    for level, bounds in ((2, bands.danger), (1, bands.warning)):
        settled = ~owing | (found > 0)
        hit = np.zeros(rows, np.bool_)
        if bounds.health_factor is not None:
            limit = bounds.health_factor * WAD
            for row, verdict in book.verdicts.items():
                health = verdict.health_factor_wad
                hit[row] = not settled[row] and health is not None and health <= limit
        reaches: Sequence[Reach] = [
            *([within_drop(book, bounds.drop, settled | hit)] if bounds.drop is not None else []),
            *([within_hours(book, bounds.hours, settled | hit)] if bounds.hours is not None else []),
        ]
        for reach in reaches:
            hit |= reach.hit
            undecided |= reach.undecided
            exact += reach.exact
        found[hit & ~settled] = level
    return found, undecided, exact
