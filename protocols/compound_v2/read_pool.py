"""Opening a Comptroller at one block: addresses, settings, markets, prices, and its clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

from chain.answers import Garbled, Reverted
from chain.block import pin
from chain.erc20 import Token, TokenCache
from chain.reader import Call, Reader
from chain.text import clean
from margin.account import Clock
from margin.basics import ZERO_ADDRESS, Address, Reason, Unread
from margin.errors import ReadError, VenueError
from margin.prices import Feed, FeedKey, Prices
from protocols.base import VenueConfig
from protocols.book import Total
from protocols.compound_v2 import abi, parts
from protocols.compound_v2.interest import HIGHEST_RATE_WAD
from protocols.compound_v2.pool import Pool
from protocols.compound_v2.state import NATIVE, Market, Settings

COMPTROLLER = "comptroller"
MEASURED_BLOCKS = 1_000
"""Over how many blocks the length of one is measured."""
USUAL_BLOCK_S = Fraction(12)
"""Where it cannot be measured: a chain without a past, or one on which no time passes."""
PRICE_DECIMALS = 36
"""Of the oracle's answer and the underlying's decimals together."""


def read_pool(reader: Reader, config: VenueConfig) -> Pool:
    """The Comptroller and all its markets, as they stand at the reader's block.

    Raises `VenueError` when there is none, or one of another shape; `ReadError` when a value that all
    accounts depend on could not be read.
    """
    settings, addresses = _settings(reader, config)
    rows = _market_rows(reader, config, settings, addresses)
    tokens = _tokens(reader, rows)
    markets = {
        id_: _market(id_, address, row, token)
        for id_, (address, row, token) in enumerate(zip(addresses, rows, tokens, strict=True))
    }
    markets, feeds = _priced(markets, settings, config, [row["price"] for row in rows])
    return Pool(
        id=config.id,
        block=reader.block,
        clock=_clock(reader),
        settings=settings,
        markets=markets,
        feeds=feeds,
        prices=Prices({key: feed.answer_raw for key, feed in feeds.items()}),
    )


def read_totals(pool: Pool, reader: Reader, config: VenueConfig) -> tuple[Total, ...]:
    """What the markets say exists: their tokens, and all debt.

    A market's total debt and its borrowers' debts are cut off each for itself at every accrual, and a
    debt is kept at the index of its last change: the two cannot be compared to the unit.
    """
    markets = list(pool.markets.values())
    asked = [(m.address, f) for m in markets for f in (abi.TOTAL_SUPPLY, abi.TOTAL_BORROWS)]
    answers = [_strict(config, call, a) for call, a in _asked(reader, asked)]
    found = []
    for at, market in enumerate(markets):
        (supply,), (borrows,) = answers[2 * at : 2 * at + 2]
        for kind, part, chain_raw in (
            ("supply", parts.TOKENS, supply),
            ("debt", parts.PRINCIPAL, borrows),
        ):
            found.append(
                Total(
                    token=market.token,
                    symbol=market.symbol,
                    kind=kind,
                    part=parts.part_of(market.id, part),
                    chain_raw=chain_raw,
                    exact=kind == "supply",
                )
            )
    return tuple(found)


def _asked(reader: Reader, asked: Sequence[tuple[Address, Any]]) -> list[tuple[Call, Any]]:
    calls = [Call(target, function) for target, function in asked]
    return list(zip(calls, reader.read(calls), strict=True))


def _settings(reader: Reader, config: VenueConfig) -> tuple[Settings, list[Address]]:
    comptroller = config.addresses[COMPTROLLER]
    functions = (
        abi.IS_COMPTROLLER,
        abi.ORACLE,
        abi.CLOSE_FACTOR,
        abi.LIQUIDATION_INCENTIVE,
        abi.GET_ALL_MARKETS,
        abi.GET_BLOCK_NUMBER,
        abi.IMPLEMENTATION,
        abi.VAI_CONTROLLER,
        abi.COMPTROLLER_LENS,
        abi.PROTOCOL_PAUSED,
        abi.SEIZE_PAUSED,
    )
    head = _asked(reader, [(comptroller, function) for function in functions])
    if isinstance(head[0][1], Reverted | Garbled) or _is(head[0][1], Reason.NO_CODE):
        raise VenueError(config.id, f"there is no Comptroller at {comptroller}")
    (is_one,), (oracle,), (close_factor,), (incentive,), (markets,) = (
        _strict(config, call, answer) for call, answer in head[:5]
    )
    if not is_one:
        raise VenueError(config.id, f"{comptroller} says that it is no Comptroller")
    block, implementation, vai, lens, paused, seize_paused = (
        _optional(config, call, answer) for call, answer in head[5:]
    )
    if block is not None and block != reader.block.number:
        raise VenueError(config.id, f"the Comptroller counts blocks otherwise: {str(block)[:30]}")
    settings = Settings(
        comptroller=comptroller,
        implementation=implementation,
        oracle=oracle,
        close_factor_wad=close_factor,
        incentive_wad=incentive,
        vai_controller=vai if vai != ZERO_ADDRESS else None,
        vai_interest=lens not in (None, ZERO_ADDRESS),
        paused=bool(paused),
        seize_paused=bool(seize_paused),
    )
    return settings, list(markets)


_OF_MARKET = {
    "comptroller": abi.COMPTROLLER,
    "symbol": abi.SYMBOL,
    "cash": abi.GET_CASH,
    "borrows": abi.TOTAL_BORROWS,
    "reserves": abi.TOTAL_RESERVES,
    "supply": abi.TOTAL_SUPPLY,
    "index": abi.BORROW_INDEX,
    "accrued_at": abi.ACCRUAL_BLOCK_NUMBER,
    "reserve_factor": abi.RESERVE_FACTOR,
    "empty_rate": abi.EXCHANGE_RATE_STORED,
    "rate_model": abi.RATE_MODEL,
}
_MAYBE_OF_MARKET = {"rate": abi.BORROW_RATE, "underlying": abi.UNDERLYING, "seize_share": abi.SEIZE_SHARE}


def _market_rows(
    reader: Reader, config: VenueConfig, settings: Settings, addresses: Sequence[Address]
) -> list[dict[str, Any]]:
    """Per market its answers by name; what may be refused is `None` then, a price an `Unread`."""
    comptroller = settings.comptroller
    calls: list[tuple[int, str, Call]] = []
    for at, address in enumerate(addresses):
        calls += [(at, n, Call(address, f)) for n, f in (_OF_MARKET | _MAYBE_OF_MARKET).items()]
        calls.append((at, "listing", Call(comptroller, abi.MARKETS, (address,))))
        calls.append((at, "mint_paused", Call(comptroller, abi.MINT_PAUSED, (address,))))
        calls.append((at, "price", _price_call(settings, address)))
    rows: list[dict[str, Any]] = [{} for _ in addresses]
    for (at, name, call), answer in zip(calls, reader.read([c for _, _, c in calls]), strict=True):
        if name == "price":
            rows[at][name] = answer
        elif name in _MAYBE_OF_MARKET or name == "mint_paused":
            rows[at][name] = _optional(config, call, answer)
        elif name == "listing":
            if isinstance(answer, Garbled):
                said = f"markets of another shape than Compound v2's: {answer.detail}"
                raise VenueError(config.id, said)
            rows[at][name] = _strict(config, call, answer)
        else:
            (rows[at][name],) = _strict(config, call, answer)
    for address, row in zip(addresses, rows, strict=True):
        if row["comptroller"] != comptroller:
            raise VenueError(config.id, f"the market {address} belongs to another Comptroller")
    return rows


def _tokens(reader: Reader, rows: Sequence[dict[str, Any]]) -> list[Token]:
    """Per market its underlying; the native coin has the market's symbol without its first letter."""
    underlying = [row["underlying"] for row in rows if row["underlying"] is not None]
    known = {token.address: token for token in TokenCache().read(reader, underlying)}
    return [
        Token(NATIVE, clean(row["symbol"])[1:] or "native", 18)
        if row["underlying"] is None
        else known[row["underlying"]]
        for row in rows
    ]


def _market(id_: int, address: Address, row: dict[str, Any], token: Token) -> Market:
    listed, factor_wad, _ = row["listing"]
    rate_wad, stuck = row["rate"], None
    if rate_wad is None:
        stuck = Unread(Reason.REVERTED, f"the market of {token.symbol} gives no interest rate")
    elif rate_wad > HIGHEST_RATE_WAD:
        stuck = Unread(Reason.REVERTED, f"interest on {token.symbol} is above what its market accepts")
    return Market(
        id=id_,
        address=address,
        token=token.address,
        symbol=token.symbol,
        decimals=0 if isinstance(token.decimals, Unread) else token.decimals,
        listed=listed,
        collateral_factor_wad=factor_wad,
        reserve_factor_wad=row["reserve_factor"],
        rate_wad=rate_wad or 0,
        rate_model=row["rate_model"],
        cash_raw=row["cash"],
        borrows_raw=row["borrows"],
        reserves_raw=row["reserves"],
        supply_tokens=row["supply"],
        index_wad=row["index"],
        accrued_at=row["accrued_at"],
        empty_rate_wad=row["empty_rate"],
        seize_share_wad=row["seize_share"] or 0,
        mint_paused=bool(row["mint_paused"]),
        feed=token.decimals
        if isinstance(token.decimals, Unread)
        else Unread(Reason.ORACLE, "not asked for yet"),
        stuck=stuck,
    )


def _price_call(settings: Settings, market: Address) -> Call:
    return Call(settings.oracle, abi.GET_UNDERLYING_PRICE, (market,))


def _priced(
    markets: dict[int, Market], settings: Settings, config: VenueConfig, answers: Sequence[Any]
) -> tuple[dict[int, Market], dict[FeedKey, Feed]]:
    """The markets with their feeds. A price of 0 is the oracle's way to say that it has none.

    The feed is the oracle with the underlying; a second market of one underlying has one of its own
    where its price differs.
    """
    priced: dict[int, Market] = {}
    feeds: dict[FeedKey, Feed] = {}
    for market, answer in zip(markets.values(), answers, strict=True):
        feed = _feed(market, settings, config, answer, feeds)
        if isinstance(feed, Feed):
            feeds.setdefault(feed.key, feed)
            priced[market.id] = replace(market, feed=feed.key)
        else:
            priced[market.id] = replace(market, feed=feed)
    return priced, feeds


def _feed(
    market: Market,
    settings: Settings,
    config: VenueConfig,
    answer: tuple[Any, ...] | Unread,
    others: dict[FeedKey, Feed],
) -> Feed | Unread:
    if isinstance(market.feed, Unread) and market.feed.reason is not Reason.ORACLE:
        return market.feed  # nothing of it can be told without its decimals
    if isinstance(answer, Reverted):
        return Unread(Reason.ORACLE, f"the oracle has no price for {market.symbol}")
    if isinstance(answer, Unread):
        return answer
    (price_raw,) = answer
    if not price_raw:
        return Unread(Reason.ORACLE, f"the oracle's price for {market.symbol} is zero")
    key = FeedKey(f"{settings.oracle}/{market.token}")
    if key in others and others[key].answer_raw != price_raw:
        key = FeedKey(f"{settings.oracle}/{market.address}")
    return Feed(
        key=key,
        address=settings.oracle,
        asset=market.symbol,
        answer_raw=price_raw,
        decimals=max(0, PRICE_DECIMALS - market.decimals),
        base_factor=config.factor(market.token),
        quote_factor=None,
    )


def _clock(reader: Reader) -> Clock:
    """Blocks, and how long one took lately."""
    block = reader.block
    block_s = USUAL_BLOCK_S
    if block.number > MEASURED_BLOCKS:
        try:
            before = pin(reader.rpc, block.number - MEASURED_BLOCKS)
        except ReadError as error:
            if error.unread.reason is not Reason.BLOCK_NOT_FOUND:
                raise
            return Clock(block.number, block.timestamp, block_s)  # it has not come so far, or was pruned
        if block.timestamp > before.timestamp:
            block_s = Fraction(block.timestamp - before.timestamp, MEASURED_BLOCKS)
    return Clock(block.number, block.timestamp, block_s)


def _is(answer: Any, reason: Reason) -> bool:
    return isinstance(answer, Unread) and answer.reason is reason


def _strict(config: VenueConfig, call: Call, answer: tuple[Any, ...] | Unread) -> tuple[Any, ...]:
    if isinstance(answer, Reverted | Garbled):
        raise VenueError(config.id, f"{call} answers as no Compound v2 does: {answer}")
    if isinstance(answer, Unread):
        raise ReadError(f"{config.id}: {call}", answer)
    return answer


def _optional(config: VenueConfig, call: Call, answer: tuple[Any, ...] | Unread) -> Any | None:
    """`None` where the contract has no such function. Raises `ReadError` where that could not be known."""
    if isinstance(answer, Reverted | Garbled) or _is(answer, Reason.NO_CODE):
        return None
    if isinstance(answer, Unread):
        raise ReadError(f"{config.id}: {call}", answer)
    return answer[0]
