"""Collateral at risk: what would be liquidatable if prices fell, by factor and for the market as a whole."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from checker.book.risk import factors_of
from checker.book.view import CurvePoint
from checker.factors import is_stable
from checker.reach import shocked
from margin.screen import Screen
from margin.stress import stress
from margin.units import WAD
from protocols.book import Tracked

MARKET = "market"
"""All factors that are no stablecoin, together."""
DROPS = (0.01, 0.02, 0.03, 0.04, *(percent / 100 for percent in range(5, 95, 5)))


def curve(
    venue: Tracked[Any], screen: Screen, usd_per_unit: float | None, unread: Collection[int] = ()
) -> tuple[CurvePoint, ...]:
    """Every direction at every drop, in floats: for pictures and tables, not for verdicts.

    Accounts that floats cannot judge, those that hang on a price that could not be read, and the rows
    `unread` are counted as unknown in every point, and are in none of its figures. A venue of which
    nobody says what a unit of its numeraire is worth in dollars has no curve.
    """
    if usd_per_unit is None:
        return ()
    factors = factors_of(venue)
    moving = [factor for factor in factors if not is_stable(factor)]
    directions: dict[str, list[str]] = {MARKET: moving} | {factor: [factor] for factor in factors}
    scenarios = [(name, drop) for name in directions for drop in DROPS]
    values = np.array(
        [venue.unit_values(shocked(venue, _fall(directions[name], drop))) for name, drop in scenarios]
    )
    left_out = screen.always_exact.copy()
    left_out[list(unread)] = True
    counts = stress(replace(screen, always_exact=left_out), values)
    return tuple(
        CurvePoint(
            direction=_label(venue, name),
            drop=drop,
            accounts=int(counts.liquidatable[at]),
            collateral_usd=float(counts.collateral[at]) * usd_per_unit,
            debt_usd=float(counts.debt[at]) * usd_per_unit,
            bad_debt_usd=float(counts.bad_debt[at]) * usd_per_unit,
            unknown=int(counts.unknown[at]),
        )
        for at, (name, drop) in enumerate(scenarios)
    )


def _fall(factors: list[str], drop: float) -> Mapping[str, int]:
    return dict.fromkeys(factors, -round(drop * WAD))


def _label(venue: Tracked[Any], name: str) -> str:
    """A factor that is a token of its own goes by the asset's symbol too: anyone can call a token ETH."""
    if not name.startswith("0x"):
        return name
    asset = next((feed.asset for feed in venue.feeds.values() if feed.base_factor == name), "")
    return f"{asset} {name[:6]}…{name[-4:]}" if asset else name
