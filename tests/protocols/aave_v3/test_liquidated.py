"""Liquidations that happened, from their events, against genuine balances before and after."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from chain.block import pin
from chain.logs import Log, scan_logs
from chain.reader import Reader
from localnet.aave_v3 import LIQUIDATOR
from localnet.aave_v3.core import TREASURY
from localnet.aave_v3.standard import raw_of, wallet
from margin.basics import Address
from margin.units import RAY, UINT256_MAX
from protocols.aave_v3.adapter import AaveVenue
from protocols.aave_v3.events import TRANSFER
from protocols.aave_v3.liquidation import Liquidation, liquidations
from protocols.book import Liquidated
from tests.protocols.aave_v3.lives import DAY_S, Life, live, lives
from tests.protocols.aave_v3.subject import Genuine

STATES = settings(suppress_health_check=list(HealthCheck), max_examples=max(1, settings().max_examples // 5))
DEBTOR = wallet("debtor")


@dataclass(frozen=True)
class Balances:
    """Of the tokens that a liquidation moves."""

    held: int
    owed: int
    liquidator_collateral: int
    liquidator_a_token: int
    liquidator_debt_token: int
    treasury: int

    @classmethod
    def of(cls, empty: Genuine, collateral: str, debt: str, user: Address) -> Balances:
        market = empty.market
        seized, repaid = market.reserves[collateral], market.reserves[debt]
        debts = [token for token in (repaid.variable_debt_token, repaid.stable_debt_token) if token]
        return cls(
            held=market.balance(seized.a_token, user),
            owed=sum(market.balance(token, user) for token in debts),
            liquidator_collateral=market.balance(seized.token, LIQUIDATOR),
            liquidator_a_token=market.balance(seized.a_token, LIQUIDATOR),
            liquidator_debt_token=market.balance(repaid.token, LIQUIDATOR),
            treasury=market.balance(seized.a_token, TREASURY),
        )


def since(empty: Genuine, venue: AaveVenue) -> list[Log]:
    """Every event of the watched contracts in the blocks after the venue's."""
    head = pin(empty.rpc)
    pieces = scan_logs(empty.rpc, venue.watched(), venue.block.number + 1, head)
    return [log for piece in pieces for log in piece.logs]


def value(empty: Genuine, symbol: str, amount_raw: int) -> int:
    reserve = empty.market.reserves[symbol]
    return amount_raw * int(empty.market.oracle.call("getAssetPrice", reserve.token)) // reserve.unit


@STATES
@given(life=lives(), fall=st.floats(0.2, 0.99), as_receipt=st.booleans(), data=st.data())
def test_what_is_told_is_what_moved(
    empty: Genuine, life: Life, fall: float, as_receipt: bool, data: st.DataObject
) -> None:
    market = empty.market
    with market.anvil.undone():
        user = live(market, life)
        venue, account = empty.one(user)
        for key, raw in venue.prices.items():
            if venue.linear(account).slope(key) > 0:
                feed = market.evm.at(venue.feeds[key].address, market.feed("WETH").abi, "Feed")
                feed.send("setAnswer", max(1, int(raw * fall)))
        venue, account = empty.one(user)
        calls = [call for call in liquidations(venue, account) if isinstance(call, Liquidation)]
        assume(calls)
        call = data.draw(st.sampled_from(calls), label="call")
        collateral, debt = (venue.reserves[i].symbol for i in (call.collateral, call.debt))
        if market.try_liquidate(collateral, debt, user, call.cover_raw, receive_a_token=as_receipt):
            assume(False)  # no such liquidity to pay out
        before = Balances.of(empty, collateral, debt, user)
        market.liquidate(collateral, debt, user, call.cover_raw, receive_a_token=as_receipt)
        after = Balances.of(empty, collateral, debt, user)
        logs = since(empty, venue)
        (told,) = venue.liquidations_in(logs)

        assert told.key == account.key
        assert told.block == pin(empty.rpc).number
        block = market.anvil.request("eth_getBlockByNumber", hex(told.block), False)
        assert [told.transaction] == block["transactions"]
        assert told.liquidator == LIQUIDATOR
        assert (told.debt_symbol, told.collateral_symbol) == (debt, collateral)
        assert told.debt_decimals == market.reserves[debt].decimals
        assert told.collateral_token == market.reserves[collateral].token
        assert told.as_receipt == as_receipt
        assert (told.repaid_raw, told.seized_raw) == (call.repay_raw, call.seize_raw)
        paid = before.liquidator_debt_token - after.liquidator_debt_token
        got = after.liquidator_collateral - before.liquidator_collateral
        # Balances are scaled: each transfer and burn rounds by a scaled unit, which is worth an index.
        at, (seized, owed) = venue.timestamp, (venue.reserves[i] for i in (call.collateral, call.debt))
        rounded = 3 * (1 + venue.income_index_ray(seized, at) // RAY)
        rounded_debt = 3 * (1 + venue.debt_index_ray(owed, at) // RAY)
        if as_receipt:
            assert paid == told.repaid_raw
            got = after.liquidator_a_token - before.liquidator_a_token
            assert abs(got - told.seized_raw) <= rounded
        elif collateral == debt:
            assert paid == told.repaid_raw - told.seized_raw
        else:
            assert (paid, got) == (told.repaid_raw, told.seized_raw)
        assert abs(after.treasury - before.treasury - told.fee_raw) <= rounded
        event("with a fee" if told.fee_raw else "without a fee")
        assert abs(before.held - after.held - told.seized_raw - told.fee_raw) <= rounded
        gone = dict(told.written_off).get(told.debt_token, 0)
        event("written off" if told.written_off else "nothing written off")
        assert abs(before.owed - after.owed - told.repaid_raw - gone) <= rounded_debt
        lost = value(empty, collateral, told.seized_raw + told.fee_raw) - value(empty, debt, told.repaid_raw)
        assert told.cost_raw == lost


def fallen(empty: Genuine) -> Address:
    market = empty.market
    market.supply(DEBTOR, "WETH", raw_of(market, "WETH", 100_000))
    market.borrow(DEBTOR, "USDC", raw_of(market, "USDC", 40_000))
    market.borrow(DEBTOR, "DAI", raw_of(market, "DAI", 39_000))
    market.warp(20 * DAY_S)
    market.set_price("WETH", int(int(market.feed("WETH").call("latestAnswer")) * 0.9))
    return DEBTOR


@pytest.mark.parametrize("as_receipt", [False, True])
def test_two_in_one_transaction_and_a_transfer_before_them_are_told_apart(
    empty: Genuine, as_receipt: bool
) -> None:
    """Genuine events, put into one transaction: each liquidation has its own fee, and the gift is none."""
    market = empty.market
    with market.anvil.undone():
        venue, _ = empty.one(market.cast["whale"])
        market.supply(DEBTOR, "WETH", 10**12)
        a_token = market.evm.at(market.reserves["WETH"].a_token, market.token("WETH").abi, "aToken")
        a_token.send("transfer", market.cast["whale"], 10**9, sender=DEBTOR)
        user = fallen(empty)
        for debt in ("USDC", "DAI"):
            covered = raw_of(market, debt, 5_000)
            market.liquidate("WETH", debt, user, covered, receive_a_token=as_receipt)
        logs = since(empty, venue)
        apart = venue.liquidations_in(logs)
        assert [one.debt_symbol for one in apart] == ["USDC", "DAI"]
        assert all(0 < one.fee_raw < one.seized_raw // 20 for one in apart)
        assert apart[0].transaction != apart[1].transaction
        together = venue.liquidations_in(log._replace(transaction="0x" + "11" * 32) for log in logs)
        assert together == tuple(replace(one, transaction="0x" + "11" * 32) for one in apart)


def test_without_a_fee_none_is_told(empty: Genuine) -> None:
    market = empty.market
    with market.anvil.undone():
        user = fallen(empty)
        market.set_protocol_fee("WETH", 0)
        venue, _ = empty.one(user)
        market.liquidate("WETH", "USDC", user, raw_of(market, "USDC", 5_000), receive_a_token=True)
        (told,) = venue.liquidations_in(since(empty, venue))
        assert told.fee_raw == 0
        assert told.cost_raw


def test_a_price_that_cannot_be_read_leaves_the_cost_open(empty: Genuine) -> None:
    market = empty.market
    with market.anvil.undone():
        user = fallen(empty)
        before, _ = empty.one(user)
        market.liquidate("WETH", "USDC", user, UINT256_MAX, receive_a_token=True)
        logs = since(empty, before)
        market.set_price("USDC", 0)
        (told,) = empty.open(Reader(empty.rpc, pin(empty.rpc))).liquidations_in(logs)
        assert told.cost_raw is None
        assert told.repaid_raw > 0


def test_other_events_are_no_liquidation(empty: Genuine) -> None:
    market = empty.market
    with market.anvil.undone():
        venue, _ = empty.one(market.cast["whale"])
        user = fallen(empty)
        market.repay(user, "USDC", 10**6)
        logs = since(empty, venue)
        assert any(log.topics[0] == TRANSFER for log in logs)
        assert venue.liquidations_in(logs) == ()
        assert isinstance(venue.liquidations_in([]), tuple)
        market.liquidate("WETH", "USDC", user, 10**6, receive_a_token=True)
        (told,) = venue.liquidations_in(since(empty, venue))
        assert isinstance(told, Liquidated)
        foreign = [log._replace(address=market.reserves["WETH"].token) for log in since(empty, venue)]
        assert venue.liquidations_in(foreign) == ()
