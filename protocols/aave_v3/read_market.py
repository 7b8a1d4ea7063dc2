"""Opening an Aave v3 pool at one block: addresses, version, reserves, prices, sentinel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from chain.answers import Reverted
from chain.erc20 import TokenCache
from chain.reader import Call, Reader
from margin.basics import ZERO_ADDRESS, Address, Unread
from margin.errors import ReadError, VenueError
from protocols.aave_common.quotes import GET_FALLBACK_ORACLE, Oracle, Quote, Quotes
from protocols.aave_v3 import abi, parts
from protocols.aave_v3.mode_quotes import M, with_mode_prices
from protocols.aave_v3.rules import RULES_BY_REVISION, WITHOUT_GRACE_PERIODS, Rules
from protocols.aave_v3.state import Configuration, Reserve, Sentinel, Supplied
from protocols.aave_v3.venue import Market
from protocols.base import VenueConfig
from protocols.book import Total
from protocols.opening import entered, required

PROVIDER = "pool_addresses_provider"


def read_market(reader: Reader, config: VenueConfig) -> Market:
    """The pool behind an addresses provider, as it stands at the reader's block.

    Raises `VenueError` when there is no pool, or one of a revision this project does not know;
    `ReadError` when a value that all accounts depend on could not be read.
    """
    provider = config.addresses[PROVIDER]
    pool, oracle_address, configurator, sentinel = _entry_points(reader, config, provider)
    head = _required(
        reader,
        config,
        [
            Call(pool, abi.POOL_REVISION),
            Call(pool, abi.ADDRESSES_PROVIDER),
            Call(pool, abi.GET_RESERVES_LIST),
            Call(oracle_address, abi.BASE_CURRENCY),
            Call(oracle_address, abi.BASE_CURRENCY_UNIT),
            Call(oracle_address, GET_FALLBACK_ORACLE),
        ],
    )
    (revision,), (own_provider,), (tokens,), (base_currency,), (base_unit,), (fallback,) = head
    if own_provider != provider:
        raise VenueError(config.id, f"the pool {pool} belongs to another addresses provider")
    rules = _rules(reader, config, pool, revision)
    assets: list[Address] = list(tokens)
    oracle = Oracle(oracle_address, base_currency, base_unit, fallback)
    quotes = Quotes(reader, oracle, config)
    reserve_data = _required(reader, config, [Call(pool, abi.GET_RESERVE_DATA, (a,)) for a in assets])
    graces = (
        _required(reader, config, [Call(pool, abi.GET_LIQUIDATION_GRACE_PERIOD, (a,)) for a in assets])
        if rules.grace_period
        else [(0,)] * len(assets)
    )
    supplied = _supplied(reader, config, dict(zip(assets, reserve_data, strict=True)))
    symbols = {token.address: token.symbol for token in TokenCache().read(reader, assets)}
    quoted = quotes.read({asset: symbols[asset] for asset in assets})
    reserves = [
        _reserve(asset, symbols[asset], data, grace_until, quoted[asset], supplied.get(asset))
        for asset, data, (grace_until,) in zip(assets, reserve_data, graces, strict=True)
    ]
    return Market(
        id=config.id,
        block=reader.block,
        pool=pool,
        configurator=configurator,
        oracle=oracle,
        revision=revision,
        rules=rules,
        reserves={r.id: r for r in sorted(reserves, key=lambda r: r.id)},
        emodes={},
        feeds=quotes.feeds,
        prices=quotes.prices(),
        sentinel=read_sentinel(reader, config, sentinel) if rules.sentinel and sentinel else None,
    )


def read_prices(market: M, reader: Reader, config: VenueConfig) -> M:
    """The market at the reader's block, where only prices and clocks have changed since its own."""
    quotes = Quotes(reader, market.oracle, config)
    quoted = quotes.read({r.token: r.symbol for r in market.reserves.values()})
    reserves = {id_: replace(r, quote=quoted[r.token]) for id_, r in market.reserves.items()}
    sentinel = market.sentinel
    moved = replace(
        market,
        block=reader.block,
        reserves=reserves,
        feeds=quotes.feeds,
        prices=quotes.prices(),
        sentinel=None if sentinel is None else read_sentinel(reader, config, sentinel.address),
    )
    return with_mode_prices(moved, quotes)


def read_totals(market: Market, reader: Reader, config: VenueConfig) -> tuple[Total, ...]:
    """What the tokens say exists of each reserve: scaled supply, scaled debt, stable principal.

    The stable debt token keeps its total at the average rate, and compounds it at every action of
    anyone, while a borrower's principal stands still until their own: so the sum of principals lies
    below it wherever two borrow, and the comparison is not exact (StableDebtToken.sol, v3.0.2).
    """
    wanted = []
    for reserve in market.reserves.values():
        for kind, token, function in (
            ("supply", reserve.a_token, abi.SCALED_TOTAL_SUPPLY),
            ("debt", reserve.variable_debt_token, abi.SCALED_TOTAL_SUPPLY),
            ("stable", reserve.stable_debt_token, abi.GET_SUPPLY_DATA),
        ):
            if kind != "stable" or market.rules.stable_debt:
                wanted.append((reserve, kind, Call(token, function)))
    answers = _required(reader, config, [call for _, _, call in wanted])
    kinds = {"supply": parts.SUPPLY, "debt": parts.DEBT, "stable": parts.STABLE}
    return tuple(
        Total(
            token=reserve.token,
            symbol=reserve.symbol,
            kind=kind,
            part=parts.part_of(reserve.id, kinds[kind]),
            chain_raw=answer[0],
            exact=kind != "stable",
        )
        for (reserve, kind, _), answer in zip(wanted, answers, strict=True)
    )


def _entry_points(
    reader: Reader, config: VenueConfig, provider: Address
) -> tuple[Address, Address, Address, Address | None]:
    """Pool, price oracle, configurator, and sentinel where there is one."""
    views = (
        abi.GET_POOL,
        abi.GET_PRICE_ORACLE,
        abi.GET_POOL_CONFIGURATOR,
        abi.GET_PRICE_ORACLE_SENTINEL,
    )
    what = "an Aave v3 addresses provider"
    pool, oracle, configurator, sentinel = entered(reader, config, provider, views, what)
    if ZERO_ADDRESS in (pool, oracle):
        raise VenueError(config.id, "the addresses provider names no pool or no price oracle")
    return pool, oracle, configurator, None if sentinel == ZERO_ADDRESS else sentinel


def _rules(reader: Reader, config: VenueConfig, pool: Address, revision: int) -> Rules:
    """The version that a pool's revision stands for, and where forks count otherwise, what it can do."""
    rules = RULES_BY_REVISION.get(revision)
    if rules is None:
        raise VenueError(config.id, f"pool revision {revision} is not a version of Aave v3 known here")
    if revision not in WITHOUT_GRACE_PERIODS:
        return rules
    answer = reader.read_one(pool, abi.GET_LIQUIDATION_GRACE_PERIOD, ZERO_ADDRESS)
    if isinstance(answer, Reverted):
        return WITHOUT_GRACE_PERIODS[revision]
    if isinstance(answer, Unread):
        raise ReadError(config.id, answer)
    return rules


def _required(reader: Reader, config: VenueConfig, calls: Sequence[Call]) -> list[tuple[Any, ...]]:
    return required(reader, config, calls, "as an Aave v3 contract")


def _supplied(
    reader: Reader, config: VenueConfig, reserve_data: Mapping[Address, tuple[Any, ...]]
) -> dict[Address, Supplied]:
    """What is supplied of the reserves with a supply cap."""
    capped = {a: data for a, data in reserve_data.items() if Configuration.decode(data[0]).supply_cap}
    tokens = [token for data in capped.values() for token in (data[8], data[10])]
    totals = iter(_required(reader, config, [Call(token, abi.SCALED_TOTAL_SUPPLY) for token in tokens]))
    found = {}
    for asset, data in capped.items():
        (supply_scaled,), (debt_scaled,) = next(totals), next(totals)
        found[asset] = Supplied(supply_scaled, data[12], debt_scaled)
    return found


def _reserve(
    token: Address,
    symbol: str,
    data: tuple[Any, ...],
    grace_until: int,
    quote: Quote | Unread,
    supplied: Supplied | None,
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
        supplied=supplied,
    )


def read_sentinel(reader: Reader, config: VenueConfig, address: Address) -> Sentinel:
    """The sentinel, and which of its feed's two times it counts from: the one that explains its answer.

    Where both do, the earlier: then a liquidation counts as possible no later than it is.
    """
    (oracle,), (grace_s,), (allowed,) = _required(
        reader,
        config,
        [
            Call(address, abi.GET_SEQUENCER_ORACLE),
            Call(address, abi.GET_GRACE_PERIOD),
            Call(address, abi.IS_LIQUIDATION_ALLOWED),
        ],
    )
    ((_, answer, started_at, updated_at, _),) = _required(
        reader, config, [Call(oracle, abi.LATEST_ROUND_DATA)]
    )
    now, up = reader.block.timestamp, answer == 0
    explaining = [since for since in (started_at, updated_at) if (up and now - since > grace_s) == allowed]
    return Sentinel(address, now, allowed, up, min(explaining, default=None), grace_s)
