"""The parameters an account of Comet stands on, and what else a person should know of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from margin.basics import Unread
from margin.units import WAD
from protocols.compound_v3.interest import Curve
from protocols.compound_v3.state import ABSORB_PAUSED, BUY_PAUSED, SUPPLY_PAUSED, CometAccount
from protocols.compound_v3.venue import Market

_YEAR_S = 31_536_000
"""As the contract counts one."""


def ground(market: Market, account: CometAccount) -> Mapping[str, str | int]:
    """Of the market, and of each collateral that the account holds."""
    settings, base = market.settings, market.base
    found: dict[str, str | int] = {
        "Comet": settings.comet,
        "governor": settings.governor,
        "pause guardian": settings.guardian,
        "absorbing paused": bool(settings.pause_flags & ABSORB_PAUSED),
        "supplying and repaying paused": bool(settings.pause_flags & SUPPLY_PAUSED),
        "sale of seized collateral paused": bool(settings.pause_flags & BUY_PAUSED),
        f"price source of {base.symbol}": base.source,
        "interest on debt a year": _curve(settings.borrow_curve),
        "interest on what is lent a year": _curve(settings.supply_curve),
    }
    for asset, _ in market.held_assets(account):
        found |= {
            f"{asset.symbol}: liquidation threshold": percent(asset.liquidate_wad),
            f"{asset.symbol}: borrow factor": percent(asset.borrow_wad),
            f"{asset.symbol}: liquidation penalty": percent(WAD - asset.liquidation_wad),
            f"price source of {asset.symbol}": asset.source,
        }
    return found


def notes(market: Market, account: CometAccount) -> Iterator[str]:
    """What the contract's view does not see yet, what backs nothing, and what cannot be done now."""
    if account.owes:
        stored, now = market.verdict(account, stored=True), market.verdict(account)
        if now.liquidatable and not stored.liquidatable:
            yield "isLiquidatable says no until interest is booked, which absorb does"
    if account.principal > 0:
        yield f"{market.base.symbol} is lent: it backs nothing, and is drawn before anything is borrowed"
    for asset, _ in market.held_assets(account):
        if isinstance(asset.feed, Unread):
            yield f"{asset.symbol} has no price: nothing can be borrowed against it"
    if market.settings.pause_flags & SUPPLY_PAUSED:
        yield "supplying is paused: neither repayment nor more collateral is taken"


def percent(share_wad: int) -> str:
    """A share as a person reads it; two decimals, cut."""
    sign, bps = ("-" if share_wad < 0 else ""), abs(share_wad) * 10_000 // WAD
    return f"{sign}{bps // 100}.{bps % 100:02d} %"


def _curve(curve: Curve) -> str:
    """At no use, at the kink and at full use of what is lent."""
    places = (0, curve.kink_wad, WAD)
    return " / ".join(percent(curve.rate_wad(at) * _YEAR_S) for at in places)
