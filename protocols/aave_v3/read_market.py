"""Opening an Aave v3 pool at one block: addresses, version, reserves, prices, sentinel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chain.answers import Garbled, Reverted
from chain.erc20 import TokenCache
from chain.oracles import FeedAnswer, read_feeds
from chain.reader import Call, Reader
from margin.basics import ZERO_ADDRESS, Address, Reason, Unread
from margin.errors import ReadError, VenueError
from margin.prices import Feed, FeedKey, Prices
from protocols.aave_v3 import abi
from protocols.aave_v3.rules import RULES_BY_REVISION
from protocols.aave_v3.state import Configuration, Oracle, Quote, Reserve, Sentinel
from protocols.aave_v3.venue import Market
from protocols.base import VenueConfig

PROVIDER = "pool_addresses_provider"


def read_market(reader: Reader, config: VenueConfig) -> Market:
    """The pool behind an addresses provider, as it stands at the reader's block.

    Raises `VenueError` when there is no pool, or one of a revision this project does not know;
    `ReadError` when a value that all accounts depend on could not be read.
    """
    provider = config.addresses[PROVIDER]
    pool, oracle_address, sentinel = _entry_points(reader, config, provider)
    head = _strict(
        reader,
        config,
        [
            Call(pool, abi.POOL_REVISION),
            Call(pool, abi.ADDRESSES_PROVIDER),
            Call(pool, abi.GET_RESERVES_LIST),
            Call(oracle_address, abi.BASE_CURRENCY),
            Call(oracle_address, abi.BASE_CURRENCY_UNIT),
            Call(oracle_address, abi.GET_FALLBACK_ORACLE),
        ],
    )
    (revision,), (own_provider,), (tokens,), (base_currency,), (base_unit,), (fallback,) = head
    if own_provider != provider:
        raise VenueError(config.id, f"the pool {pool} belongs to another addresses provider")
    rules = RULES_BY_REVISION.get(revision)
    if rules is None:
        raise VenueError(config.id, f"pool revision {revision} is not a version of Aave v3 known here")
    assets: list[Address] = list(tokens)
    oracle = Oracle(oracle_address, base_currency, base_unit, fallback)
    quotes = Quotes(reader, oracle, config)
    reserve_data = _strict(reader, config, [Call(pool, abi.GET_RESERVE_DATA, (a,)) for a in assets])
    graces = (
        _strict(reader, config, [Call(pool, abi.GET_LIQUIDATION_GRACE_PERIOD, (a,)) for a in assets])
        if rules.grace_period
        else [(0,)] * len(assets)
    )
    symbols = {token.address: token.symbol for token in TokenCache().read(reader, assets)}
    quoted = quotes.read({asset: symbols[asset] for asset in assets})
    reserves = [
        _reserve(asset, symbols[asset], data, grace_until, quoted[asset])
        for asset, data, (grace_until,) in zip(assets, reserve_data, graces, strict=True)
    ]
    return Market(
        id=config.id,
        block=reader.block,
        pool=pool,
        oracle=oracle,
        revision=revision,
        rules=rules,
        reserves={r.id: r for r in sorted(reserves, key=lambda r: r.id)},
        emodes={},
        feeds=quotes.feeds,
        prices=quotes.prices(),
        sentinel=_sentinel(reader, config, sentinel) if rules.sentinel and sentinel else None,
    )


def _entry_points(
    reader: Reader, config: VenueConfig, provider: Address
) -> tuple[Address, Address, Address | None]:
    """Pool, price oracle and sentinel (`None` when there is none) from the addresses provider."""
    answers = reader.read(
        [
            Call(provider, abi.GET_POOL),
            Call(provider, abi.GET_PRICE_ORACLE),
            Call(provider, abi.GET_PRICE_ORACLE_SENTINEL),
        ]
    )
    found = []
    for answer in answers:
        if isinstance(answer, Unread):
            if answer.reason is Reason.NO_CODE:
                raise VenueError(config.where, f"no contract at {provider} on chain {reader.block.chain}")
            if isinstance(answer, Reverted | Garbled):
                raise VenueError(config.where, f"{provider} is not an Aave v3 addresses provider")
            raise ReadError(config.id, answer)
        found.append(answer[0])
    pool, oracle, sentinel = found
    if ZERO_ADDRESS in (pool, oracle):
        raise VenueError(config.id, "the addresses provider names no pool or no price oracle")
    return pool, oracle, None if sentinel == ZERO_ADDRESS else sentinel


def _strict(reader: Reader, config: VenueConfig, calls: Sequence[Call]) -> list[tuple[Any, ...]]:
    """Answers that every account depends on: one that could not be read makes the venue unreadable."""
    answers = []
    for call, answer in zip(calls, reader.read(calls), strict=True):
        if isinstance(answer, Unread):
            if answer.reason is Reason.NO_CODE or isinstance(answer, Reverted | Garbled):
                name = call.function.signature.partition("(")[0]
                raise VenueError(config.id, f"{call.target} does not answer {name} as an Aave v3 contract")
            raise ReadError(config.id, answer)
        answers.append(answer)
    return answers


def _reserve(
    token: Address, symbol: str, data: tuple[Any, ...], grace_until: int, quote: Quote | Unread
) -> Reserve:
    return Reserve(
        id=data[7],
        token=token,
        symbol=symbol,
        a_token=data[8],
        stable_debt_token=data[9],
        variable_debt_token=data[10],
        configuration=Configuration.decode(data[0]),
        liquidity_index_ray=data[1],
        liquidity_rate_ray=data[2],
        variable_index_ray=data[3],
        variable_rate_ray=data[4],
        updated_at=data[6],
        grace_until=grace_until,
        quote=quote,
    )


def _sentinel(reader: Reader, config: VenueConfig, address: Address) -> Sentinel:
    """The sentinel, and which of its feed's two times it counts from: the one that explains its answer.

    Where both do, the earlier: then a liquidation counts as possible no later than it is.
    """
    (oracle,), (grace_s,), (allowed,) = _strict(
        reader,
        config,
        [
            Call(address, abi.GET_SEQUENCER_ORACLE),
            Call(address, abi.GET_GRACE_PERIOD),
            Call(address, abi.IS_LIQUIDATION_ALLOWED),
        ],
    )
    ((_, answer, started_at, updated_at, _),) = _strict(reader, config, [Call(oracle, abi.LATEST_ROUND_DATA)])
    now, up = reader.block.timestamp, answer == 0
    explaining = [since for since in (started_at, updated_at) if (up and now - since > grace_s) == allowed]
    return Sentinel(address, now, allowed, up, min(explaining, default=None), grace_s)


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
