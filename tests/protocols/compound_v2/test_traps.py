"""What is Compound's own: stored balances, refusals without a revert, prices of zero, VAI."""

from __future__ import annotations

import itertools
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given

from chain.block import pin
from chain.reader import Reader
from chain.slots_asker import StorageMeans
from localnet.compound_v2 import Market, Refused
from localnet.compound_v2.market import WAD
from localnet.compound_v2.standard import DAY_BLOCKS, raw_of, wallet
from localnet.evm import DEPLOYER
from margin.basics import Reason
from margin.mending import Change, Deed
from margin.mending import Refused as Foretold
from margin.prices import Prices
from protocols.base import Failed
from protocols.compound_v2 import interest
from protocols.compound_v2.adapter import CompoundVenue
from protocols.compound_v2.liquidation import Liquidation, Refusal, blocked, largest, liquidate
from protocols.compound_v2.state import NATIVE, CompoundAccount, Debt
from tests.conformance.subject import read
from tests.conformance.test_exact import RANDOM_STATES
from tests.protocols.compound_v2.lives import Life, live, lives
from tests.protocols.compound_v2.subject import INSUFFICIENT_SHORTFALL, Genuine


def of(genuine: Genuine, name: str) -> tuple[CompoundVenue, CompoundAccount]:
    return genuine.one(genuine.market.cast[name])


def goes_through_as_it_is(market: Market, venue: CompoundVenue, account: CompoundAccount) -> bool:
    """Whether the Comptroller finds a shortfall for some pair, nothing accrued but the pair's own."""
    found = set()
    for collateral, debt in itertools.product(account.positions, account.positions):
        if collateral.tokens and debt.debt:
            said = market.try_liquidate(
                venue.symbol(debt.market), venue.symbol(collateral.market), account.key.owner, 1
            )
            found.add(isinstance(said, str) or said[0] != INSUFFICIENT_SHORTFALL)
    return True in found


def test_no_shortfall_as_stored_and_liquidatable_all_the_same(lived_in: Genuine) -> None:
    """The view counts stored balances, the liquidation accrues first: here it goes through, by its code."""
    venue, account = of(lived_in, "hidden")
    assert account.reported is not None
    assert account.reported.shortfall_raw == 0
    assert venue.audit(account).agrees
    assert venue.verdict(account).liquidatable
    assert venue.reported_liquidatable(account)
    call = largest(venue, account, 2, 3)
    assert isinstance(call, Liquidation)
    owner = account.key.owner
    assert lived_in.market.try_liquidate("DAI", "USDC", owner, call.repay_raw) == (0, 0)
    assert lived_in.market.try_liquidate("DAI", "USDC", owner, call.max_repay_raw + 10**18) == (17, 3)


def test_a_refusal_does_not_revert(lived_in: Genuine) -> None:
    """A healthy account: status 1, a return code, and a `Failure` event; nothing has moved."""
    market = lived_in.market
    venue, account = of(lived_in, "comfortable")
    assert market.try_liquidate("USDC", "WETH", account.key.owner, 1) == (INSUFFICIENT_SHORTFALL, 3)
    with pytest.raises(Refused, match=f"error 3, detail {INSUFFICIENT_SHORTFALL}"):
        market.liquidate("USDC", "WETH", account.key.owner, 1)
    outcome = largest(venue, account, 0, 2)
    assert isinstance(outcome, Refusal)
    assert outcome.why == "healthy"


@RANDOM_STATES
@given(life=lives())
def test_what_goes_through_as_it_is(shared: Genuine, life: Life) -> None:
    """For every pair by its return code, nothing accrued before; the worse of it and the verdict counts."""
    with shared.node.undone():
        venue, account = shared.one(live(shared.market, life))
        margin_raw = venue.as_it_is(account)
        goes = goes_through_as_it_is(shared.market, venue, account)
        assert goes == (margin_raw is not None and margin_raw < 0)
        if goes:
            assert venue.reported_liquidatable(account)


def test_a_third_market_can_hide_a_liquidation_from_the_accrued_view(lived_in: Genuine) -> None:
    """Interest of a collateral outside of the pair does not count: liquidatable until it accrues."""
    market, user = lived_in.market, wallet("third")
    for symbol in ("DAI", "WETH"):
        market.supply(user, symbol, raw_of(market, symbol, 10_000))
    market.enter(user, "DAI", "WETH")
    for symbol in market.markets:
        market.accrue(symbol)
    market.borrow(user, "LINK", (market.liquidity(user)[1] - WAD // 1000) * WAD // market.price("LINK"))
    for symbol, days in (("DAI", 300), ("LINK", 1)):
        market.idle(symbol, days * DAY_BLOCKS)
    venue, account = lived_in.one(user)
    assert not venue.verdict(account).liquidatable
    assert venue.reported_liquidatable(account)
    assert "liquidatable until other markets accrue" in list(venue.notes(account))
    # LINK against WETH leaves DAI as stored; LINK against DAI does not.
    assert market.try_liquidate("LINK", "WETH", user, 1) == (0, 0)
    assert market.try_liquidate("LINK", "DAI", user, 1) == (INSUFFICIENT_SHORTFALL, 3)


@RANDOM_STATES
@given(life=lives(vai=True))
def test_minted_vai_is_debt(shared: Genuine, life: Life) -> None:
    with shared.node.undone():
        venue, account = shared.one(live(shared.market, life))
        assert venue.audit(account).agrees
        later = venue.clock.after(90 * 86_400)
        for at in (None, later):
            owner = account.key.owner
            assert shared.own_view(owner, None, at) == shared.our_view(venue, account, None, at)
        if account.minted_vai_raw:
            leg = venue.debt_legs(account)[-1]
            assert (leg.symbol, leg.amount_raw, leg.feed) == ("VAI", account.minted_vai_raw, None)
            refused = venue.changed(account, [Change(Deed.REPAY, leg.token, 1)])
            assert isinstance(refused, Foretold)
            assert "controller" in refused.why


def test_a_price_of_zero_makes_the_account_unknown(lived_in: Genuine) -> None:
    """The Comptroller then values nothing (PRICE_ERROR) and liquidates nobody; an empty market is enough."""
    market = lived_in.market
    owner = market.cast["shortfall"]
    market.enter(owner, "XVS")
    market.set_price("XVS", 0)
    assert market.liquidity(owner) == (13, 0, 0)
    assert market.try_liquidate("DAI", "LINK", owner, 1) == (13, 3)
    book = read(lived_in, owner, market.cast["comfortable"])
    (failed,), (fine,) = book.accounts.values()
    assert isinstance(failed, Failed)
    assert failed.unread.reason is Reason.ORACLE
    assert not isinstance(fine, Failed)
    assert [name for name, _ in book.venue.gaps()] == ["XVS"]


def test_a_supply_that_was_not_entered_backs_nothing_and_can_be_seized(lived_in: Genuine) -> None:
    market = lived_in.market
    venue, account = of(lived_in, "unused_supply")
    legs = {leg.symbol: leg for leg in venue.collateral_legs(account)}
    assert legs["DAI"].threshold_bps == 0
    assert legs["WETH"].threshold_bps == 8_000
    assert legs["DAI"].receipt_amount_raw == market.market("DAI").call("balanceOf", account.key.owner)
    market.set_price("WETH", market.price("WETH") // 3)
    venue, account = of(lived_in, "unused_supply")
    call = largest(venue, account, 3, 2)
    assert isinstance(call, Liquidation)
    assert market.try_liquidate("USDC", "DAI", account.key.owner, call.repay_raw) == (0, 0)


def test_amounts_to_the_unit(lived_in: Genuine) -> None:
    """Repaid and seized as the event tells them, in the block of the liquidation."""
    market = lived_in.market
    with lived_in.node.undone():
        lived_in.node.mine()
        venue, account = of(lived_in, "shortfall")
    call = largest(venue, account, 4, 3)
    assert isinstance(call, Liquidation)
    assert call.repay_raw == call.max_repay_raw
    more = liquidate(venue, account, 4, 3, call.max_repay_raw + 1)
    assert isinstance(more, Refusal)
    assert more.why == "more than the close factor allows"
    event = market.liquidate("DAI", "LINK", account.key.owner, call.repay_raw)
    assert (event["repayAmount"], event["seizeTokens"]) == (call.repay_raw, call.seize_tokens)


def test_a_debt_too_small_for_the_close_factor_is_blocked(lived_in: Genuine) -> None:
    venue, account = of(lived_in, "dust_debt")
    assert blocked(venue, account) == "too little is owed"
    assert lived_in.market.try_liquidate("USDC", "WETH", account.key.owner, 1) == (INSUFFICIENT_SHORTFALL, 3)


def test_paused_is_blocked_and_still_liquidatable(lived_in: Genuine) -> None:
    market = lived_in.market
    market.comptroller.send("_setProtocolPaused", True)
    venue, account = of(lived_in, "shortfall")
    assert venue.verdict(account).liquidatable
    assert venue.blocked(account) == "the protocol is paused"
    assert market.try_liquidate("DAI", "LINK", account.key.owner, 1) == "protocol is paused"
    refused = venue.changed(account, [Change(Deed.DEPOSIT, venue.markets[4].token, 1)])
    assert isinstance(refused, Foretold)


def test_a_debt_is_read_as_it_was_booked_and_rounded_up_where_it_cannot_be(lived_in: Genuine) -> None:
    """Principal and index are in no view: by storage what will be owed, else the most it can be."""

    class ViewsOnly(Reader):
        @property
        def storage_means(self) -> StorageMeans | None:
            return None

    market = lived_in.market
    venue, account = of(lived_in, "many_assets")
    reader = ViewsOnly(lived_in.rpc, pin(lived_in.rpc))
    (rounded,) = lived_in.open(reader).read(reader, [account.key.owner]).accounts[account.key.owner]
    assert isinstance(rounded, CompoundAccount)
    assert venue.audit(rounded).agrees
    later = venue.clock.now + 300 * DAY_BLOCKS
    for exact, other in zip(account.positions, rounded.positions, strict=True):
        owed_raw = venue.debt_raw(exact, later)
        contract = market.market(venue.symbol(exact.market))
        assert owed_raw == contract.call("borrowBalanceCurrent", account.key.owner, number=later)
        if exact.debt:
            assert other.debt is not None
            assert other.debt.rounded
            assert 0 <= venue.debt_raw(other, later) - owed_raw <= 2
    assert any("rounded up" in note for note in venue.notes(rounded))


def test_interest_is_the_markets_own(lived_in: Genuine) -> None:
    """Index, totals and exchange rate after an accrual in a later block, to the unit."""
    venue, _ = of(lived_in, "comfortable")
    for at in (venue.clock.now, venue.clock.now + 1, venue.clock.now + 1_000_000):
        for market in venue.markets.values():
            contract = lived_in.market.market(market.symbol)
            rate_wad = interest.exchange_rate_wad(market, at)
            assert rate_wad == contract.call("exchangeRateCurrent", number=at)
            assert interest.accrued(market, at).borrows_raw == contract.call("totalBorrowsCurrent", number=at)


def test_blocks_are_measured(lived_in: Genuine) -> None:
    venue, _ = of(lived_in, "comfortable")
    assert venue.clock.now == lived_in.node.block_number()
    assert venue.clock.block_s is not None
    assert Fraction(2) < venue.clock.block_s <= 3


def test_the_native_coins_market(lived_in: Genuine) -> None:
    """It has no underlying; the oracle prices it by its symbol."""
    market = lived_in.market
    model = lived_in.market.market("WETH").call("interestRateModel")
    artifact = market.source.get("MockVBNB")
    name, user = "Venus BNB", wallet("native")
    arguments = (market.comptroller.address, model, 2 * 10**26, name, "vBNB", 8, DEPLOYER)
    native = market.evm.deploy(artifact, *arguments)
    market.admin("_supportMarket", native.address)
    market.admin("_setCollateralFactor", native.address, WAD // 2)
    lived_in.node.set_balance(user, 10**21)
    minted = {
        "from": user,
        "to": native.address,
        "value": hex(10**20),
        "data": "0x1249c58b",
        "gas": hex(10**6),
    }
    lived_in.node.request("eth_sendTransactionSync", minted | {"gasPrice": "0x0"})
    market.comptroller.send("enterMarkets", [native.address], sender=user)
    market.borrow(user, "USDC", 10**6)
    venue, account = lived_in.one(user)
    assert venue.audit(account).agrees
    (leg,) = venue.collateral_legs(account)
    assert (leg.token, leg.symbol, leg.amount_raw) == (NATIVE, "BNB", 10**20)
    assert venue.feeds_of(account)[-1].endswith(NATIVE)


def test_two_feeds_share_the_oracles_address(lived_in: Genuine) -> None:
    venue, account = of(lived_in, "comfortable")
    keys = venue.feeds_of(account)
    assert len(keys) == len(set(keys)) == 3
    assert {venue.feeds[key].address for key in keys} == {lived_in.market.oracle.address}
    assert [venue.feeds[key].asset for key in keys] == ["WETH", "WBTC", "USDC"]
    assert [venue.feeds[key].decimals for key in keys] == [18, 28, 30]


def test_worked_by_hand(lived_in: Genuine) -> None:
    """Ten tokens at a rate of 0.02, a factor of 80 % and 2,000 dollars; half of it owed for in another."""
    venue, account = of(lived_in, "comfortable")
    market = replace(
        venue.markets[0],
        cash_raw=1_100, borrows_raw=1_000, reserves_raw=100, supply_tokens=1_000, rate_wad=0,
        collateral_factor_wad=8 * WAD // 10,
    )  # fmt: skip
    other = replace(venue.markets[2], rate_wad=10**9, index_wad=WAD, accrued_at=venue.clock.now - 10**6)
    small = replace(venue, markets={0: market, 2: other})
    holding = replace(account.positions[0], market=0, tokens=10 * WAD, debt=None, entered=True)
    owing = replace(holding, market=2, tokens=0, debt=Debt(5 * WAD, WAD))
    held = replace(account, positions=(holding, owing), minted_vai_raw=7)
    prices = Prices({venue.feeds_of(account)[0]: 2_000 * WAD, venue.feeds_of(account)[2]: WAD})
    verdict = small.verdict(held, prices)
    assert verdict.support_raw == 10 * 2 * 1_600 * WAD
    assert verdict.assets_raw == 10 * 2 * 2_000 * WAD
    assert verdict.requirement_raw == 5 * WAD + 5 * WAD // 1000 + 7
