"""What `Dog.bark` would do: how much it takes into auction, or why it refuses.

Source: makerdao/dss master, dog.sol (bark) and clip.sol (kick). A bark repays nothing itself: it moves
collateral and debt out of the vault, and the auction raises the debt with the penalty (`chop`).
"""

from __future__ import annotations

from dataclasses import dataclass

from margin.basics import Unread
from margin.prices import Prices
from margin.units import RAY, WAD
from protocols.maker import arithmetic
from protocols.maker.arithmetic import RAD, Overflows, mul
from protocols.maker.state import Ilk, Vault
from protocols.maker.venue import Market

HEALTHY = "Dog/not-unsafe"
NO_AUCTIONS = "Dog/liquidation-limit-hit: the Dog has no auctions of this ilk"
LIMIT = "Dog/liquidation-limit-hit"
DUSTY = "Dog/dusty-auction-from-partial-liquidation"
STOPPED = "Clipper/stopped-incorrect"


@dataclass(frozen=True, slots=True)
class Liquidation:
    """One bark that goes through, to the unit."""

    ink: int
    """Collateral that goes into the auction, wad."""
    art: int
    """Normalised debt that leaves the vault, wad."""
    due_rad: int
    """The same at its rate: what the vault owes less."""
    tab_rad: int
    """What the auction is to raise: `due` and the penalty."""
    chop_wad: int
    """1.13e18 is a penalty of 13 %."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """No bark, and why: in the contract's own words where it has any."""

    why: str


def bark(
    market: Market,
    account: Vault,
    prices: Prices | None = None,
    at: int | None = None,
    *,
    poke: bool = True,
) -> Liquidation | Refusal:
    """The outcome of `Dog.bark`, after `Spotter.poke`, and where `at` is later after `Jug.drip`.

    Without `poke` the Vat's spot is taken as it stands.
    """
    prices = market.prices if prices is None else prices
    at = market.block.timestamp if at is None else at
    ilk = market.ilk_of(account)
    rate, _ = market.rate_ray(ilk, at)
    try:
        spot = market.spot_ray(ilk, prices) if poke else ilk.spot_ray
        return _barked(market, account, ilk, rate, spot, prices)
    except Overflows:
        return Refusal("overflow")


def _barked(
    market: Market, account: Vault, ilk: Ilk, rate_ray: int, spot_ray: int, prices: Prices
) -> Liquidation | Refusal:
    if not market.system.dog_live:
        return Refusal("Dog/not-live")
    if not (spot_ray > 0 and mul(account.ink, spot_ray) < mul(account.art, rate_ray)):
        return Refusal(HEALTHY)
    if why := _no_room(market, ilk):
        return Refusal(why)
    room_rad = min(market.system.hole_rad - market.system.dirt_rad, ilk.hole_rad - ilk.dirt_rad)
    if not ilk.chop_wad:
        return Refusal("no reason")
    dart = min(account.art, mul(room_rad, WAD) // rate_ray // ilk.chop_wad)
    if account.art > dart:
        if mul(account.art - dart, rate_ray) < ilk.dust_rad:
            dart = account.art
        elif mul(dart, rate_ray) < ilk.dust_rad:
            return Refusal(DUSTY)
    dink = mul(account.ink, dart) // account.art
    if not dink:
        return Refusal("Dog/null-auction")
    if max(dart, dink) > 2**255:
        return Refusal("Dog/overflow")
    due = mul(dart, rate_ray)
    tab = mul(due, ilk.chop_wad) // WAD
    if why := _no_auction(market, ilk, tab, prices):
        return Refusal(why)
    return Liquidation(dink, dart, due, tab, ilk.chop_wad)


def standing(market: Market, ilk: Ilk) -> str | None:
    """What keeps every vault of an ilk from being liquidated now, whatever its health."""
    if not market.system.dog_live:
        return "Dog/not-live"
    try:
        return _no_room(market, ilk) or _no_auction(market, ilk, RAD, market.prices)
    except Overflows:
        return "overflow"


def blocked(market: Market, account: Vault) -> str | None:
    """Why nobody can bark at the vault at this block; `None` where somebody can, or health alone decides."""
    ilk = market.ilk_of(account)
    if why := standing(market, ilk):
        return why
    if not market.verdict(account).liquidatable and not market.as_stored(account).liquidatable:
        return None
    outcomes = [bark(market, account, poke=poke) for poke in (True, False)]
    reasons = [each.why for each in outcomes if isinstance(each, Refusal)]
    if len(reasons) < len(outcomes):
        return None
    return next(
        (why for why in reasons if why != HEALTHY), "the price is zero, and the Dog takes none for safe"
    )


def _no_room(market: Market, ilk: Ilk) -> str | None:
    """Whether the limits on debt in auction, of all ilks and of this one, are reached."""
    if market.system.hole_rad > market.system.dirt_rad and ilk.hole_rad > ilk.dirt_rad:
        return None
    return LIMIT if ilk.clip is not None else NO_AUCTIONS


def _no_auction(market: Market, ilk: Ilk, tab_rad: int, prices: Prices) -> str | None:
    """Why the auction house turns the Dog away."""
    clip = ilk.clip
    if clip is None:
        return "no auction house"
    if not clip.knows_dog:
        return "Clipper/not-authorized"
    if clip.stopped:
        return STOPPED
    if not tab_rad:
        return "Clipper/zero-tab"
    if isinstance(ilk.quote, Unread):
        return f"Clipper/invalid-price: {ilk.quote.detail}"
    top = mul(arithmetic.price_ray(prices[ilk.quote], market.system.par_ray), clip.buf_ray) // RAY
    return None if top else "Clipper/zero-top-price"
