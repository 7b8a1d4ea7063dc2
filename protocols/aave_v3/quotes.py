"""Where an Aave v3 pool takes its prices from, and what they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from chain.oracles import FeedAnswer, read_feeds
from chain.reader import Call, Reader
from margin.basics import ZERO_ADDRESS, Address, Reason, Unread
from margin.prices import Feed, FeedKey, Prices
from protocols.aave_v3 import abi
from protocols.aave_v3.state import Oracle, Quote
from protocols.aave_v3.venue import Market
from protocols.base import VenueConfig

M = TypeVar("M", bound=Market)


class Quotes:
    """Where AaveOracle takes each asset's price from, and what those feeds answer.

    Source: AaveOracle.getAssetPrice (aave-v3-core 1.19.3, misc/AaveOracle.sol): the base currency is
    worth its own unit; else the source's `latestAnswer`, or the fallback oracle's price where there
    is no source or its answer is not positive. Collects the feeds it meets in `feeds`.
    """

    def __init__(
        self,
        reader: Reader,
        oracle: Oracle,
        config: VenueConfig,
        known: Mapping[FeedKey, Feed] | None = None,
    ) -> None:
        self._reader = reader
        self._oracle = oracle
        self._config = config
        self.feeds: dict[FeedKey, Feed] = dict(known or {})

    def prices(self) -> Prices:
        """The raw answers of all feeds met so far."""
        return Prices({key: feed.answer_raw for key, feed in self.feeds.items()})

    def read(
        self, assets: Mapping[Address, str], factors: Mapping[Address, str] | None = None
    ) -> dict[Address, Quote | Unread]:
        """The quote of each asset (address → symbol), in bulk; `factors` where the tokens' own do not say."""
        answers = self._reader.read(
            [Call(self._oracle.address, abi.GET_ASSET_PRICE, (a,)) for a in assets]
            + [Call(self._oracle.address, abi.GET_SOURCE_OF_ASSET, (a,)) for a in assets]
        )
        prices, sources = answers[: len(assets)], answers[len(assets) :]
        addresses = {
            asset: source if isinstance(source, Unread) else source[0]
            for asset, source in zip(assets, sources, strict=True)
        }
        feeds = _distinct(addresses.values())
        answered = dict(zip(feeds, read_feeds(self._reader, feeds), strict=True))
        return {
            asset: self._quote(
                asset,
                symbol,
                price,
                addresses[asset],
                answered,
                (factors or {}).get(asset) or self._config.factor(asset),
            )
            for (asset, symbol), price in zip(assets.items(), prices, strict=True)
        }

    def _quote(
        self,
        asset: Address,
        symbol: str,
        price: tuple[Any, ...] | Unread,
        source: Address | Unread,
        answered: Mapping[Address, FeedAnswer | Unread],
        factor: str,
    ) -> Quote | Unread:
        if asset == self._oracle.base_currency:
            return Quote(None, self._oracle.base_unit)
        if isinstance(price, Unread):
            if price.reason is Reason.REVERTED:
                return Unread(Reason.ORACLE, f"the oracle has no price for {symbol}")
            return price
        if isinstance(source, Unread):
            return source
        (price_raw,) = price
        if price_raw <= 0:
            return Unread(Reason.ORACLE, f"the oracle's price for {symbol} is zero")
        answer = answered.get(source)
        if isinstance(answer, Unread):
            return answer
        if answer is not None and answer.answer_raw > 0:
            if answer.answer_raw != price_raw:
                return Unread(Reason.ORACLE, f"the oracle's price for {symbol} is not its source's answer")
            key, address, updated_at = FeedKey(source), source, answer.updated_at
        else:
            address, updated_at = self._oracle.fallback, None
            key = FeedKey(f"{address}/{asset}")
        known = self.feeds.get(key)
        names = known.asset.split("+") if known else []
        self.feeds[key] = Feed(
            key=key,
            address=address,
            asset="+".join(names if symbol in names else [*names, symbol]),
            answer_raw=price_raw,
            decimals=len(str(self._oracle.base_unit)) - 1,
            # A feed shared by reserves loads on the factor of the first of them.
            base_factor=known.base_factor if known else factor,
            quote_factor=None,
            updated_at=updated_at,
        )
        return Quote(key)


def _distinct(sources: Iterable[Address | Unread]) -> list[Address]:
    found = dict.fromkeys(s for s in sources if not isinstance(s, Unread) and s != ZERO_ADDRESS)
    return list(found)


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
