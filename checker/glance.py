"""An account's band without its edges: what `account_view` says of it, at a hundredth of the cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from checker.account_view import disagreeing
from checker.bands import Band, Bands, Bounds, worst
from checker.reach import Moves, within_drop, within_hours
from margin.account import AccountKey
from margin.basics import Reason, Unread
from margin.errors import Undecided
from margin.units import WAD
from margin.verdict import Verdict
from protocols.base import Failed, Venue

WIDER = Decimal("1.02")
"""By how much a bound is wider for an account that was beyond it: two hundredths of its distance."""
_EDGE_BPS = 5
"""An account that was liquidatable is not so any more when its margin is this share of what is required."""


@dataclass(frozen=True, slots=True)
class Glance:
    """How an account stands, and how it would if it had stood worse before."""

    key: AccountKey
    band: Band
    relaxed: Band
    """At bounds a little wider."""
    health_factor: float | None = None
    agrees: bool | None = None
    unread: tuple[Unread, ...] = field(default=())
    known: Band = Band.OK
    """The band by what could be read and decided."""


def glance(venue: Venue[Any], account: Any, bands: Bands, moves: Moves | None = None) -> Glance:
    """The bands of an account that was read, or of one that could not be.

    `moves`: the venue's own, where many of its accounts are looked at.
    """
    if isinstance(account, Failed):
        return Glance(account.key, Band.UNKNOWN, Band.UNKNOWN, unread=(account.unread,))
    verdict, audit = venue.verdict(account), venue.audit(account)
    health_wad = verdict.health_factor_wad
    health = None if health_wad is None else health_wad / WAD
    key = venue.key(account)
    # A view that agrees can still say more than the verdict: what goes through on balances as stored.
    if verdict.liquidatable or (audit.agrees is not None and venue.reported_liquidatable(account)):
        return Glance(
            key, Band.LIQUIDATABLE, Band.LIQUIDATABLE, health, audit.agrees, known=Band.LIQUIDATABLE
        )
    unread: list[Unread] = []
    legs = venue.collateral_legs(account)
    unread += [Unread(Reason.ORACLE, f"no price of {leg.symbol}") for leg in legs if leg.value_raw is None]
    owes = verdict.requirement_raw > 0 or bool(venue.debt_legs(account))

    moves = moves or Moves(venue)

    def meets(bounds: Bounds) -> bool:
        return _meets(venue, account, verdict, bounds, unread, moves)

    wider = _wider(bands)
    band = relaxed = Band.OK
    # Most accounts are beyond none of the bounds, and one look at the outermost of each shows it.
    if owes and (meets(_outermost(wider)) or unread):
        band = _band(bands, meets)
        relaxed = max(band, _band(wider, meets))
    if owes and verdict.margin_raw * 10_000 < verdict.requirement_raw * _EDGE_BPS:
        relaxed = Band.LIQUIDATABLE
    floor = worst([Band.UNKNOWN] * bool(unread) + [disagreeing(audit, bands)])
    return Glance(key, max(band, floor), max(relaxed, floor), health, audit.agrees, tuple(unread), known=band)


def _band(bands: Bands, meets: Callable[[Bounds], bool]) -> Band:
    for band, bounds in ((Band.DANGER, bands.danger), (Band.WARNING, bands.warning)):
        if meets(bounds):
            return band
    return Band.OK


def _meets(
    venue: Venue[Any], account: Any, verdict: Verdict, bounds: Bounds, unread: list[Unread], moves: Moves
) -> bool:
    if bounds.meets(None, verdict.health_factor_wad, None):
        return True
    asked: list[Callable[[], bool]] = []
    if (drop := bounds.drop) is not None:
        asked.append(lambda: within_drop(venue, account, drop, moves=moves))
    if (hours := bounds.hours) is not None:
        asked.append(lambda: within_hours(venue, account, hours))
    for ask in asked:
        try:
            if ask():
                return True
        except Undecided as gave_up:
            unread.append(Unread(Reason.UNDECIDED, str(gave_up)))
    return False


def _outermost(bands: Bands) -> Bounds:
    """Bounds that are met wherever those of any band are."""

    def most(*given: Decimal | None) -> Decimal | None:
        return max((each for each in given if each is not None), default=None)

    warning, danger = bands.warning, bands.danger
    return Bounds(
        drop=most(warning.drop, danger.drop),
        health_factor=most(warning.health_factor, danger.health_factor),
        hours=most(warning.hours, danger.hours),
    )


def _wider(bands: Bands) -> Bands:
    def wider(bounds: Bounds) -> Bounds:
        health = bounds.health_factor
        return Bounds(
            drop=None if bounds.drop is None else min(Decimal(1), bounds.drop * WIDER),
            health_factor=None if health is None else max(health, 1 + (health - 1) * WIDER),
            hours=None if bounds.hours is None else bounds.hours * WIDER,
        )

    return Bands(wider(bands.warning), wider(bands.danger))
