"""Opening an Aave v2 pool at one block: addresses, numeraire, reserves, prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

from chain.answers import Garbled, Reverted
from chain.erc20 import TokenCache
from chain.reader import Call, Reader
from margin.basics import ZERO_ADDRESS, Address, Unread
from margin.errors import ReadError, VenueError
from protocols.aave_common.quotes import GET_FALLBACK_ORACLE, Oracle, Quote, Quotes
from protocols.aave_v2 import abi, parts
from protocols.aave_v2.state import Configuration, Reserve
from protocols.aave_v2.venue import Market
from protocols.base import VenueConfig
from protocols.book import Total
from protocols.opening import entered, required

PROVIDER = "addresses_provider"
ETHER = 10**18
M = TypeVar("M", bound=Market)


def read_market(reader: Reader, config: VenueConfig) -> Market:
    """The pool behind an addresses provider, as it stands at the reader's block.

    Raises `VenueError` when there is no such pool, `ReadError` when a value that all accounts depend
    on could not be read. A revision is no condition: v2's arithmetic is the same in all that are
    known, and each verdict is compared with the pool's own view.
    """
    provider = config.addresses[PROVIDER]
    pool, oracle_address, configurator, manager = _entry_points(reader, config, provider)
    (own_provider,), (paused,), (tokens,) = _required(
        reader,
        config,
        [
            Call(pool, abi.GET_ADDRESSES_PROVIDER),
            Call(pool, abi.PAUSED),
            Call(pool, abi.GET_RESERVES_LIST),
        ],
    )
    if own_provider != provider:
        raise VenueError(config.id, f"the pool {pool} belongs to another addresses provider")
    assets: list[Address] = list(tokens)
    revision, weth, base, base_unit, fallback = _if_any(
        reader,
        config,
        [
            Call(pool, abi.REVISION),
            Call(oracle_address, abi.WETH),
            Call(oracle_address, abi.BASE_CURRENCY),
            Call(oracle_address, abi.BASE_CURRENCY_UNIT),
            Call(oracle_address, GET_FALLBACK_ORACLE),
        ],
    )
    in_base = base is not None and base_unit is not None
    oracle = Oracle(
        address=oracle_address,
        base_currency=(base if in_base else weth) or ZERO_ADDRESS,
        base_unit=base_unit if in_base else ETHER,
        fallback=fallback or ZERO_ADDRESS,
    )
    reserve_data = _required(reader, config, [Call(pool, abi.GET_RESERVE_DATA, (a,)) for a in assets])
    symbols = {token.address: token.symbol for token in TokenCache().read(reader, assets)}
    quotes = Quotes(reader, oracle, config)
    quoted = quotes.read({asset: symbols[asset] for asset in assets})
    reserves = [
        _reserve(asset, symbols[asset], data, quoted[asset])
        for asset, data in zip(assets, reserve_data, strict=True)
    ]
    return Market(
        id=config.id,
        block=reader.block,
        pool=pool,
        configurator=configurator,
        collateral_manager=manager,
        oracle=oracle,
        revision=revision,
        paused=paused,
        reserves={r.id: r for r in sorted(reserves, key=lambda r: r.id)},
        feeds=quotes.feeds,
        prices=quotes.prices(),
        numeraire_known=in_base or weth not in (None, ZERO_ADDRESS),
    )


def read_prices(market: M, reader: Reader, config: VenueConfig) -> M:
    """The market at the reader's block, where only prices and the clock have changed since its own."""
    quotes = Quotes(reader, market.oracle, config)
    quoted = quotes.read({r.token: r.symbol for r in market.reserves.values()})
    return replace(
        market,
        block=reader.block,
        reserves={id_: replace(r, quote=quoted[r.token]) for id_, r in market.reserves.items()},
        feeds=quotes.feeds,
        prices=quotes.prices(),
    )


def read_totals(market: Market, reader: Reader, config: VenueConfig) -> tuple[Total, ...]:
    """What the tokens say exists of each reserve: scaled supply, scaled debt, stable principal.

    The stable debt token keeps its total at the average rate, and compounds it at every action of
    anyone, while a borrower's principal stands still until their own: so the sum of principals lies
    below it wherever two borrow, and the comparison is not exact (StableDebtToken.sol).
    """
    wanted = [
        (reserve, kind, Call(token, view))
        for reserve in market.reserves.values()
        for kind, token, view in (
            (parts.SUPPLY, reserve.a_token, abi.SCALED_TOTAL_SUPPLY),
            (parts.DEBT, reserve.variable_debt_token, abi.SCALED_TOTAL_SUPPLY),
            (parts.STABLE, reserve.stable_debt_token, abi.GET_SUPPLY_DATA),
        )
    ]
    answers = _required(reader, config, [call for _, _, call in wanted])
    names = {parts.SUPPLY: "supply", parts.DEBT: "debt", parts.STABLE: "stable"}
    return tuple(
        Total(
            token=reserve.token,
            symbol=reserve.symbol,
            kind=names[kind],
            part=parts.part_of(reserve.id, kind),
            chain_raw=answer[0],
            exact=kind != parts.STABLE,
        )
        for (reserve, kind, _), answer in zip(wanted, answers, strict=True)
    )


def _entry_points(
    reader: Reader, config: VenueConfig, provider: Address
) -> tuple[Address, Address, Address, Address]:
    """Pool, price oracle, configurator and collateral manager."""
    asked = (abi.GET_POOL, abi.GET_PRICE_ORACLE, abi.GET_CONFIGURATOR, abi.GET_COLLATERAL_MANAGER)
    what = "an Aave v2 addresses provider"
    pool, oracle, configurator, manager = entered(reader, config, provider, asked, what)
    if ZERO_ADDRESS in (pool, oracle):
        raise VenueError(config.id, "the addresses provider names no pool or no price oracle")
    return pool, oracle, configurator, manager


def _required(reader: Reader, config: VenueConfig, calls: Sequence[Call]) -> list[tuple[Any, ...]]:
    return required(reader, config, calls, "as an Aave v2 contract")


def _if_any(reader: Reader, config: VenueConfig, calls: Sequence[Call]) -> list[Any]:
    """Answers of views that not every deployment has: `None` where the contract lacks one."""
    found = []
    for answer in reader.read(calls):
        if isinstance(answer, Unread) and not isinstance(answer, Reverted | Garbled):
            raise ReadError(config.id, answer)
        found.append(None if isinstance(answer, Unread) else answer[0])
    return found


def _reserve(token: Address, symbol: str, data: tuple[Any, ...], quote: Quote | Unread) -> Reserve:
    return Reserve(
        id=data[11],
        token=token,
        symbol=symbol,
        a_token=data[7],
        stable_debt_token=data[8],
        variable_debt_token=data[9],
        configuration=Configuration.decode(data[0]),
        liquidity_index_ray=data[1],
        liquidity_rate_ray=data[3],
        variable_index_ray=data[2],
        variable_rate_ray=data[4],
        updated_at=data[6],
        quote=quote,
    )
