"""The parameters a vault stands on: what governance sets, not what prices and time do."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from margin.basics import Unread
from margin.units import RAY, WAD
from protocols.maker.arithmetic import RAD
from protocols.maker.state import Vault
from protocols.maker.venue import Market

_YEAR_S = 365 * 86_400


def ground(market: Market, account: Vault) -> Mapping[str, str | int]:
    """By a readable name."""
    ilk, system = market.ilk_of(account), market.system
    name = ilk.name
    return {
        "Vat live": system.vat_live,
        "Dog live": system.dog_live,
        "Dog": system.dog,
        "target price of DAI": _ray(system.par_ray),
        "liquidation limit of all": _dai(system.hole_rad),
        "base fee a year": _fee(system.base_ray + RAY),
        f"{name}: liquidation ratio": _ray(ilk.mat_ray),
        f"{name}: stability fee a year": _fee(ilk.duty_ray),
        f"{name}: least debt": _dai(ilk.dust_rad),
        f"{name}: debt ceiling": _dai(ilk.line_rad),
        f"{name}: liquidation penalty": _share(ilk.chop_wad - WAD) if ilk.chop_wad else "none",
        f"{name}: liquidation limit": _dai(ilk.hole_rad),
        f"{name}: auctions": ilk.clip.address if ilk.clip else "none",
        f"{name}: auctions stopped at level": ilk.clip.stopped if ilk.clip else 0,
        f"{name}: price source": ilk.pip,
        f"{name}: delayed price": ilk.delayed is not None,
    }


def notes(market: Market, account: Vault) -> Iterator[str]:
    """How it is held, which price comes next, and what anybody may call that changes its fate."""
    ilk, now = market.ilk_of(account), market.block.timestamp
    if account.cdp is not None:
        yield f"vault #{account.cdp} of the CDP manager"
    if account.proxy is not None:
        yield f"held by the proxy {account.proxy}"
    if ilk.clip is None:
        yield f"{ilk.name} has no auctions at the Dog; an older Cat may liquidate it"
    if isinstance(ilk.quote, Unread):
        yield f"{ilk.quote.detail}; the last spot stands"
    elif market.spot_ray(ilk, market.prices) != ilk.spot_ray:
        yield "the Vat's spot is stale until somebody calls Spotter.poke"
    if ilk.delayed is not None:
        told = "void" if ilk.delayed.next_raw is None else _wad(ilk.delayed.next_raw)
        when = "any moment" if ilk.delayed.at <= now else f"from {ilk.delayed.at} on"
        yield f"the next price of {ilk.name} is {told}, {when}{_doom(market, account)}"
    verdict = market.verdict(account)
    if not verdict.liquidatable and market.verdict(account, at=now + 1).liquidatable:
        yield "unsafe as soon as somebody calls Jug.drip"


def _doom(market: Market, account: Vault) -> str:
    """Whether the next price liquidates it."""
    ilk = market.ilk_of(account)
    if isinstance(ilk.quote, Unread) or ilk.delayed is None or ilk.delayed.next_raw is None:
        return ""
    after = market.verdict(account, market.prices.moved(ilk.quote, ilk.delayed.next_raw))
    return "; it liquidates the vault" if after.liquidatable else ""


def _ray(value_ray: int) -> str:
    return f"{value_ray / RAY:.6f}"


def _wad(value_wad: int) -> str:
    return f"{value_wad / WAD:,.6f}"


def _dai(value_rad: int) -> str:
    return f"{value_rad // RAD:,} DAI"


def _share(value_wad: int) -> str:
    return f"{value_wad / WAD * 100:.4f} %"


def _fee(fee_ray: int) -> str:
    """A fee a second, as a person knows it."""
    try:
        return f"{math.expm1(_YEAR_S * math.log1p((fee_ray - RAY) / RAY)) * 100:.4f} %"
    except (ValueError, OverflowError):  # nothing at all, or beyond any number
        return f"{fee_ray} ray a second"
