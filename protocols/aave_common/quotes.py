"""Where an Aave pool takes its prices from, and what they are.

Source: AaveOracle.getAssetPrice (misc/AaveOracle.sol) of aave/protocol-v2 1.0.1 and
aave/aave-v3-core 1.19.3: the base currency is worth its own unit; any other asset its source's
`latestAnswer`, or the fallback oracle's price where there is no source or its answer is not positive.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from chain.abi import Function
from chain.answers import Garbled, Reverted
from chain.oracles import FeedAnswer, read_feeds
from chain.reader import Call, Reader
from margin.basics import ZERO_ADDRESS, Address, Reason, Unread
from margin.prices import Feed, FeedKey, Prices
from protocols.base import Numeraire, VenueConfig

GET_FALLBACK_ORACLE = Function("getFallbackOracle()", "address")
GET_SOURCE_OF_ASSET = Function("getSourceOfAsset(address)", "address")
GET_ASSET_PRICE = Function("getAssetPrice(address)", "uint256")


@dataclass(frozen=True, slots=True)
class Quote:
    """Where a price comes from: a feed, or a constant of the oracle (its own base currency)."""

    feed: FeedKey | None
    constant_raw: int = 0
    """The price when there is no feed."""


@dataclass(frozen=True, slots=True)
class Oracle:
    """The pool's AaveOracle and what never changes with prices."""

    address: Address
    base_currency: Address
    """Zero for the US dollar."""
    base_unit: int
    """One unit of the base currency: 1e8 for markets in USD."""
    fallback: Address
    """Asked where a source has no positive answer; zero where there is none."""

    def numeraire(self, config: VenueConfig) -> Numeraire:
        """What its prices are in."""
        base = self.base_currency
        if base == ZERO_ADDRESS:
            return Numeraire(None, self.base_unit)
        return Numeraire(base, self.base_unit, config.factor(base))


class Quotes:
    """Where AaveOracle takes each asset's price from, and what those feeds answer.

    Collects the feeds it meets in `feeds`.
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
        base = oracle.base_currency
        self._quote_factor = None if base == ZERO_ADDRESS else config.factor(base)
        self.feeds: dict[FeedKey, Feed] = dict(known or {})

    def prices(self) -> Prices:
        """The raw answers of all feeds met so far."""
        return Prices({key: feed.answer_raw for key, feed in self.feeds.items()})

    def read(
        self, assets: Mapping[Address, str], factors: Mapping[Address, str] | None = None
    ) -> dict[Address, Quote | Unread]:
        """The quote of each asset (address → symbol), in bulk; `factors` where the tokens' own do not say."""
        answers = self._reader.read(
            [Call(self._oracle.address, GET_ASSET_PRICE, (a,)) for a in assets]
            + [Call(self._oracle.address, GET_SOURCE_OF_ASSET, (a,)) for a in assets]
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
        if isinstance(source, Unread) and not isinstance(source, Reverted | Garbled):
            return source
        (price_raw,) = price
        if price_raw <= 0:
            return Unread(Reason.ORACLE, f"the oracle's price for {symbol} is zero")
        answer = None if isinstance(source, Unread) else answered.get(source)
        if isinstance(answer, Unread):
            return answer
        if isinstance(source, Unread):
            # An oracle that names no sources is its own: a fork's, which sets or composes its prices.
            address, updated_at = self._oracle.address, None
            key = FeedKey(f"{address}/{asset}")
        elif answer is not None and answer.answer_raw > 0:
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
            quote_factor=self._quote_factor,
            updated_at=updated_at,
        )
        return Quote(key)


def _distinct(sources: Iterable[Address | Unread]) -> list[Address]:
    found = dict.fromkeys(s for s in sources if not isinstance(s, Unread) and s != ZERO_ADDRESS)
    return list(found)
