"""Opening a Morpho Blue at one block: its markets, their oracles, and the rate models' own word on them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from chain.answers import Garbled, by_contract
from chain.erc20 import TokenCache
from chain.reader import Call, Reader
from margin.basics import ZERO_ADDRESS, Address, Reason, Unread
from margin.errors import VenueError
from margin.prices import Feed, FeedKey, Prices
from protocols.base import VenueConfig
from protocols.book import Total
from protocols.morpho_blue import abi
from protocols.morpho_blue.cells import DEBT, SUPPLY
from protocols.morpho_blue.find_markets import MORPHO, market_ids
from protocols.morpho_blue.interest import adaptive_curve_wad, utilization_error_wad
from protocols.morpho_blue.state import Coin, Market, MarketState
from protocols.morpho_blue.venue import Markets
from protocols.opening import entered, required

NO_COIN = Coin(ZERO_ADDRESS, "none", 0)
TOO_LARGE = 2**110
"""Borrowed assets beyond which ten years at the highest rate would not fit the contract's 128 bits."""
TRIED_S = 40 * 86_400
"""A rate model is also asked for what it would charge if the last update were this long before the block."""

Answer = tuple[Any, ...] | Unread


def read_venue(reader: Reader, config: VenueConfig) -> Markets:
    """The venue at the reader's block. A few bulk rounds, each of some calls a market.

    Raises `VenueError` when there is no Morpho Blue, or not a market that the configuration names;
    `ReadError` when a value that all accounts depend on could not be read.
    """
    morpho = config.addresses[MORPHO]
    owner, fee_recipient = _entry(reader, config, morpho)
    ids = market_ids(reader, config)
    keys = [bytes.fromhex(id_[2:]) for id_ in ids]
    functions = (abi.ID_TO_MARKET_PARAMS, abi.MARKET)
    answers = required(
        reader, config, [Call(morpho, f, (key,)) for f in functions for key in keys], "as Morpho"
    )
    params, totals = answers[: len(ids)], answers[len(ids) :]
    for id_, terms in zip(ids, params, strict=True):
        if keccak(encode(["address", "address", "address", "address", "uint256"], terms)).hex() != id_[2:]:
            raise VenueError(config.id, f"{morpho} has no market {id_}")
    coins = _coins(reader, params)
    rates = _rates(reader, keys, params)
    markets = []
    for id_, (loan, collateral, oracle, irm, lltv_wad), said, rate in zip(
        ids, params, totals, rates, strict=True
    ):
        problem = next((c for c in (coins[loan], coins[collateral], rate) if isinstance(c, Unread)), None)
        state = MarketState(**_totals(said), rate_at_target_wad=0 if isinstance(rate, Unread) else rate)
        if state.borrow_assets >= TOO_LARGE:
            problem = Unread(Reason.UNSUPPORTED, f"{state.borrow_assets} borrowed: its interest may overflow")
        markets.append(
            Market(
                id=id_,
                loan=_coin(loan, coins),
                collateral=_coin(collateral, coins),
                oracle=oracle,
                irm=irm,
                lltv_wad=lltv_wad,
                state=state,
                quote=Unread(Reason.ORACLE, "an idle market has no oracle"),
                rate_problem=problem,
            )
        )
    checked = _checked_rates(reader, markets)
    venue = Markets(
        id=config.id,
        block=reader.block,
        morpho=morpho,
        owner=owner,
        fee_recipient=fee_recipient,
        markets={market.id: market for market in checked},
        feeds={},
        prices=Prices({}),
    )
    return with_prices(venue, reader, config)


V = TypeVar("V", bound=Markets)


def with_prices(venue: V, reader: Reader, config: VenueConfig) -> V:
    """The venue at the reader's block, its oracles asked anew and all else as it stands."""
    oracles = list(dict.fromkeys(m.oracle for m in venue.markets.values() if not m.is_idle))
    answered = dict(zip(oracles, reader.read([Call(o, abi.PRICE) for o in oracles]), strict=True))
    pairs: defaultdict[Address, set[tuple[Address, Address]]] = defaultdict(set)
    for market in venue.markets.values():
        pairs[market.oracle].add((market.loan.address, market.collateral.address))
    feeds: dict[FeedKey, Feed] = {}
    markets = {}
    for id_, market in venue.markets.items():
        if market.is_idle:
            markets[id_] = market
            continue
        answer = answered[market.oracle]
        if isinstance(answer, Unread):
            markets[id_] = replace(market, quote=_no_answer(market, answer))
            continue
        # An oracle of several pairs (a constant) is a feed of each: its answer moves different things.
        shared = len(pairs[market.oracle]) > 1
        pair = f"/{market.collateral.address}/{market.loan.address}"
        key = FeedKey(market.oracle + (pair if shared else ""))
        feeds[key] = Feed(
            key=key,
            address=market.oracle,
            asset=market.collateral.symbol,
            answer_raw=answer[0],
            decimals=market.price_decimals,
            base_factor=config.factor(market.collateral.address),
            quote_factor=config.factor(market.loan.address),
        )
        markets[id_] = replace(market, quote=key)
    prices = Prices({key: feed.answer_raw for key, feed in feeds.items()})
    return replace(venue, block=reader.block, markets=markets, feeds=feeds, prices=prices)


def read_totals(venue: Markets, reader: Reader, config: VenueConfig) -> tuple[Total, ...]:
    """What Morpho says exists in each market: supply and borrow shares. Of collateral it keeps no total."""
    keys = [bytes.fromhex(id_[2:]) for id_ in venue.markets]
    answers = required(reader, config, [Call(venue.morpho, abi.MARKET, (key,)) for key in keys], "as Morpho")
    found = []
    for key, market, said in zip(keys, venue.markets.values(), answers, strict=True):
        shares = _totals(said)
        for kind, part in (("supply", SUPPLY), ("debt", DEBT)):
            name = "supply_shares" if kind == "supply" else "borrow_shares"
            found.append(Total(market.loan.address, market.name, kind, part, shares[name], of=key))
    return tuple(found)


def _totals(said: tuple[Any, ...]) -> dict[str, int]:
    """The words of `market(id)` by the names they have here."""
    names = ("supply_assets", "supply_shares", "borrow_assets", "borrow_shares", "updated_at", "fee_wad")
    return dict(zip(names, said, strict=True))


def _no_answer(market: Market, answer: Unread) -> Unread:
    if by_contract(answer):
        return Unread(Reason.ORACLE, f"the oracle of {market.name} gives no price ({answer.detail})"[:200])
    return answer


def _entry(reader: Reader, config: VenueConfig, morpho: Address) -> tuple[Address, Address]:
    """The owner and the fee recipient."""
    views = (abi.OWNER, abi.FEE_RECIPIENT, abi.DOMAIN_SEPARATOR)
    owner, recipient, _ = entered(reader, config, morpho, views, "a Morpho Blue")
    return owner, recipient


def _coins(reader: Reader, params: Sequence[tuple[Any, ...]]) -> Mapping[Address, Coin | Unread]:
    """Every token of the markets; without its decimals no amount of it can be shown."""
    wanted = list(dict.fromkeys(token for terms in params for token in terms[:2] if token != ZERO_ADDRESS))
    found: dict[Address, Coin | Unread] = {ZERO_ADDRESS: NO_COIN}
    for token in TokenCache().read(reader, wanted):
        decimals = token.decimals
        found[token.address] = (
            decimals if isinstance(decimals, Unread) else Coin(token.address, token.symbol, decimals)
        )
    return found


def _coin(token: Address, coins: Mapping[Address, Coin | Unread]) -> Coin:
    """A token; where it does not say its decimals the market has a problem, and these are not shown."""
    coin = coins[token]
    return Coin(token, token, 0) if isinstance(coin, Unread) else coin


def _rates(reader: Reader, keys: Sequence[bytes], params: Sequence[tuple[Any, ...]]) -> list[int | Unread]:
    """Per market the adaptive curve's rate at target; 0 without a rate model."""
    asked = [(terms[3], key) for key, terms in zip(keys, params, strict=True)]
    calls = [Call(irm, abi.RATE_AT_TARGET, (key,)) for irm, key in asked if irm != ZERO_ADDRESS]
    answers = iter(reader.read(calls))
    found: list[int | Unread] = []
    for irm, _ in asked:
        answer: Answer = (0,) if irm == ZERO_ADDRESS else next(answers)
        if isinstance(answer, Unread):
            found.append(_other_model(irm, answer))
        elif answer[0] < 0:
            found.append(_other_model(irm, Garbled(Reason.MALFORMED, "a negative rate")))
        else:
            found.append(answer[0])
    return found


def _other_model(irm: Address, answer: Unread) -> Unread:
    if by_contract(answer):
        return Unread(Reason.UNSUPPORTED, f"interest-rate model {irm} is not the adaptive curve known here")
    return answer


def _checked_rates(reader: Reader, markets: Sequence[Market]) -> list[Market]:
    """The markets whose rate model says what is computed here: now, and had nobody come for weeks."""
    now = reader.block.timestamp
    asked = [m for m in markets if m.has_interest and m.state.borrow_assets and m.rate_problem is None]
    moments = [(market, since) for market in asked for since in (market.state.updated_at, now - TRIED_S)]
    calls = []
    for market, since in moments:
        state = market.state
        terms = market.loan.address, market.collateral.address, market.oracle, market.irm, market.lltv_wad
        totals = state.supply_assets, state.supply_shares, state.borrow_assets, state.borrow_shares
        calls.append(Call(market.irm, abi.BORROW_RATE_VIEW, (terms, (*totals, since, state.fee_wad))))
    problems: dict[str, Unread] = {}
    for (market, since), answer in zip(moments, reader.read(calls), strict=True):
        state = market.state
        error_wad = utilization_error_wad(state.supply_assets, state.borrow_assets)
        ours, _ = adaptive_curve_wad(error_wad, state.rate_at_target_wad, now - since)
        if isinstance(answer, Unread):
            problems[market.id] = _other_model(market.irm, answer)
        elif answer[0] != ours:
            said = f"interest-rate model {market.irm} charges {answer[0]}, not the adaptive curve's {ours}"
            problems[market.id] = Unread(Reason.UNSUPPORTED, said)
    return [replace(m, rate_problem=problems.get(m.id, m.rate_problem)) for m in markets]
