"""The parameters an account of an Aave v3 pool stands on, by name and as a person reads them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from margin.basics import ZERO_ADDRESS, Address
from margin.units import BPS
from protocols.aave_common.quotes import Quote
from protocols.aave_v3.state import AaveAccount, EMode, Reserve
from protocols.aave_v3.venue import Market

NONE = "none"


def ground(market: Market, account: AaveAccount) -> Mapping[str, str | int]:
    """Of the pool, of the account's e-mode, and of every reserve in which it has anything.

    A price source that could not be read is left out.
    """
    found: dict[str, str | int] = dict(_of_pool(market))
    if account.emode:
        found |= _of_mode(market, market.emodes[account.emode])
    names = Counter(reserve.symbol for reserve in market.reserves.values())
    for position in account.positions:
        reserve = market.reserves[position.reserve]
        # Anyone can call a token USDC: two of one name are told apart by their addresses.
        name = reserve.symbol if names[reserve.symbol] == 1 else f"{reserve.symbol} ({reserve.token})"
        found |= _of_reserve(market, reserve, name)
        if account.emode:
            inside = market.in_emode(account, reserve)
            found[f"{name}: collateral of e-mode {account.emode}"] = "yes" if inside else "no"
    return found


def _of_pool(market: Market) -> Iterator[tuple[str, str | int]]:
    yield "pool", market.pool
    yield "pool revision", market.revision
    yield "price oracle", market.oracle.address
    yield "fallback price oracle", _address(market.oracle.fallback)
    yield "sequencer sentinel", _address(market.sentinel.address) if market.sentinel else NONE


def _of_mode(market: Market, mode: EMode) -> dict[str, str | int]:
    name = f"e-mode {mode.id}"
    found: dict[str, str | int] = {
        f"{name}: label": mode.label,
        f"{name}: loan to value": _percent(mode.ltv_bps),
        f"{name}: liquidation threshold": _percent(mode.threshold_bps),
        f"{name}: liquidation bonus": _bonus(mode.bonus_bps),
    }
    if not market.rules.liquid_emodes:
        found[f"asset that prices {name}"] = _address(mode.price_source)
        if isinstance(mode.quote, Quote):
            found[f"price source of {name}"] = _source(market, mode.quote)
    return found


def _of_reserve(market: Market, reserve: Reserve, name: str) -> dict[str, str | int]:
    configuration = reserve.configuration
    found: dict[str, str | int] = {
        f"{name}: loan to value": _percent(configuration.ltv_bps),
        f"{name}: liquidation threshold": _percent(configuration.threshold_bps),
        f"{name}: liquidation bonus": _bonus(configuration.bonus_bps),
        f"{name}: liquidation fee": _percent(configuration.protocol_fee_bps),
        f"{name}: supply cap": _cap(configuration.supply_cap),
        f"{name}: borrow cap": _cap(configuration.borrow_cap),
        f"{name}: active": configuration.active,
        f"{name}: frozen": configuration.frozen,
        f"{name}: paused": configuration.paused,
    }
    if market.rules.isolation_mode:
        ceiling = configuration.debt_ceiling
        found[f"{name}: isolation debt ceiling"] = f"{ceiling / 100:,.2f}" if ceiling else NONE
    if not market.rules.liquid_emodes:
        found[f"{name}: e-mode"] = str(configuration.emode_category or NONE)
    if isinstance(reserve.quote, Quote):
        found[f"price source of {name}"] = _source(market, reserve.quote)
    return found


def _source(market: Market, quote: Quote) -> str:
    return "constant" if quote.feed is None else market.feeds[quote.feed].address


def _percent(bps: int) -> str:
    return f"{bps // 100}.{bps % 100:02d} %"


def _bonus(bps: int) -> str:
    """What a liquidator gets on top of what it repays; 10_500 is 5 %, and 0 is no collateral."""
    return _percent(bps - BPS) if bps >= BPS else NONE


def _cap(tokens: int) -> str:
    return f"{tokens:,}" if tokens else NONE


def _address(address: Address) -> str:
    return NONE if address == ZERO_ADDRESS else address
