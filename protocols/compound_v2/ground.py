"""The parameters an account stands on, by name and as a person reads them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from margin.basics import Unread
from margin.units import WAD
from protocols.compound_v2.pool import Pool
from protocols.compound_v2.state import CompoundAccount, Market

NONE = "none"


def ground(pool: Pool, account: CompoundAccount) -> Mapping[str, str | int]:
    """Of the Comptroller, and of every market in which the account has anything."""
    found: dict[str, str | int] = dict(_of_comptroller(pool))
    names = Counter(market.symbol for market in pool.markets.values())
    for position in account.positions:
        market = pool.markets[position.market]
        # Anyone can call a token USDC: two of one name are told apart by their markets.
        name = market.symbol if names[market.symbol] == 1 else f"{market.symbol} ({market.address})"
        found |= _of_market(market, name)
    return found


def _of_comptroller(pool: Pool) -> Iterator[tuple[str, str | int]]:
    settings = pool.settings
    yield "comptroller implementation", settings.implementation or NONE
    yield "price oracle", settings.oracle
    yield "close factor", _percent(settings.close_factor_wad)
    yield "liquidation bonus", _percent(settings.incentive_wad - WAD)
    yield "VAI controller", settings.vai_controller or NONE
    yield "protocol paused", settings.paused
    yield "seizing paused", settings.seize_paused


def _of_market(market: Market, name: str) -> dict[str, str | int]:
    return {
        f"{name}: collateral factor": _percent(market.collateral_factor_wad),
        f"{name}: reserve factor": _percent(market.reserve_factor_wad),
        f"{name}: interest rate model": market.rate_model,
        f"{name}: share of seized collateral kept": _percent(market.seize_share_wad),
        f"{name}: listed": market.listed,
        f"{name}: supplying paused": market.mint_paused,
        f"{name}: has a price": not isinstance(market.feed, Unread),
    }


def _percent(share_wad: int) -> str:
    bps = share_wad * 10_000 // WAD
    return f"{bps // 100}.{bps % 100:02d} %"
