"""The parameters an account of Morpho Blue stands on, and what else a person should know of its market."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from margin.basics import ZERO_ADDRESS
from margin.units import WAD
from protocols.morpho_blue.state import MorphoAccount
from protocols.morpho_blue.venue import Markets

NONE = "none"


def ground(venue: Markets, account: MorphoAccount) -> Mapping[str, str | int]:
    """Of the market and of Morpho itself. A market's own parameters never change; its fee does."""
    market = venue.market_of(account)
    return {
        "Morpho": venue.morpho,
        "owner of Morpho": venue.owner,
        "fee recipient": NONE if venue.fee_recipient == ZERO_ADDRESS else venue.fee_recipient,
        "market": market.id,
        f"price source of {market.name}": NONE if market.is_idle else market.oracle,
        f"interest-rate model of {market.name}": market.irm if market.has_interest else NONE,
        f"{market.name}: liquidation threshold": percent(market.lltv_wad),
        f"{market.name}: liquidation incentive": percent(market.incentive_wad - WAD),
        f"{market.name}: fee on interest": percent(market.state.fee_wad),
    }


def notes(venue: Markets, account: MorphoAccount) -> Iterator[str]:
    """Which market it is, and what is odd about it."""
    market = venue.market_of(account)
    if market.is_idle:
        yield f"idle market of {market.loan.symbol}: nothing can be borrowed there"
        return
    yield f"market {market.name} at {percent(market.lltv_wad)}, priced in {market.loan.symbol}"
    if not market.has_interest:
        yield "no interest is charged there"
    if isinstance(market.quote, str) and venue.prices[market.quote] == 0:
        yield "the oracle answers 0: whoever liquidates takes the collateral for nothing"


def percent(share_wad: int) -> str:
    """A share as a person reads it; two decimals, cut."""
    bps = share_wad * 10_000 // WAD
    return f"{bps // 100}.{bps % 100:02d} %"
