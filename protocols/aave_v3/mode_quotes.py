"""Prices of e-modes that have a source of their own (before v3.2)."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from margin.basics import ZERO_ADDRESS, Address
from protocols.aave_common.quotes import Quote, Quotes
from protocols.aave_v3.venue import Market

M = TypeVar("M", bound=Market)


def with_mode_prices(market: M, quotes: Quotes) -> M:
    """Before v3.2 an e-mode may take its price from an asset of its own."""
    sources = {
        mode.price_source: f"e-mode {mode.label}"
        for mode in market.emodes.values()
        if mode.price_source != ZERO_ADDRESS
    }
    if not sources:
        return market
    quoted = quotes.read(sources, _mode_factors(market))
    emodes = {id_: replace(mode, quote=quoted.get(mode.price_source)) for id_, mode in market.emodes.items()}
    return replace(market, emodes=emodes, feeds=dict(quotes.feeds), prices=quotes.prices())


def _mode_factors(market: Market) -> dict[Address, str]:
    """A mode's own price source stands for its assets: it loads on their factor where they share one."""
    found = {}
    for mode in market.emodes.values():
        factors = {
            market.feeds[reserve.quote.feed].base_factor
            for reserve in market.reserves.values()
            if reserve.configuration.emode_category == mode.id
            and isinstance(reserve.quote, Quote)
            and reserve.quote.feed is not None
        }
        if len(factors) == 1:
            found[mode.price_source] = factors.pop()
    return found
