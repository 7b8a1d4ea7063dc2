"""The parameters an account of an Aave v2 pool stands on, by name and as a person reads them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from margin.basics import ZERO_ADDRESS, Address
from margin.units import BPS
from protocols.aave_common.quotes import Quote
from protocols.aave_v2.state import PoolAccount
from protocols.aave_v2.venue import Market

NONE = "none"


def ground(market: Market, account: PoolAccount) -> Mapping[str, str | int]:
    """Of the pool, and of every reserve in which the account has anything.

    A price source that could not be read is left out.
    """
    found: dict[str, str | int] = {
        "pool": market.pool,
        "pool revision": NONE if market.revision is None else market.revision,
        "pool paused": market.paused,
        "collateral manager": _address(market.collateral_manager),
        "price oracle": market.oracle.address,
        "fallback price oracle": _address(market.oracle.fallback),
    }
    names = Counter(reserve.symbol for reserve in market.reserves.values())
    for position in account.positions:
        reserve = market.reserves[position.reserve]
        configuration, quote = reserve.configuration, reserve.quote
        # Anyone can call a token USDC: two of one name are told apart by their addresses.
        name = reserve.symbol if names[reserve.symbol] == 1 else f"{reserve.symbol} ({reserve.token})"
        bonus_bps = configuration.bonus_bps
        found |= {
            f"{name}: loan to value": _percent(configuration.ltv_bps),
            f"{name}: liquidation threshold": _percent(configuration.threshold_bps),
            f"{name}: liquidation bonus": _percent(bonus_bps - BPS) if bonus_bps >= BPS else NONE,
            f"{name}: active": configuration.active,
            f"{name}: frozen": configuration.frozen,
        }
        if isinstance(quote, Quote):
            source = "constant" if quote.feed is None else market.feeds[quote.feed].address
            found[f"price source of {name}"] = source
    return found


def _percent(bps: int) -> str:
    return f"{bps // 100}.{bps % 100:02d} %"


def _address(address: Address) -> str:
    return NONE if address == ZERO_ADDRESS else address
