"""What a liquidation repays and seizes, and what holds one back, against the genuine contracts."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from localnet.aave_v3.standard import raw_of, wallet
from margin.basics import Address
from margin.units import UINT256_MAX
from protocols.aave_v3.liquidation import (
    Liquidation,
    Refusal,
    blocked,
    largest,
    liquidate,
    liquidations,
)
from tests.conformance.subject import read
from tests.protocols.aave_v3.lives import DAY_S, Life, live, lives
from tests.protocols.aave_v3.subject import Genuine

STATES = settings(suppress_health_check=list(HealthCheck), max_examples=max(1, settings().max_examples // 5))
DEBTOR = wallet("debtor")


@STATES
@given(life=lives(), fall=st.floats(0.2, 0.99), data=st.data())
def test_it_repays_and_seizes_what_was_foretold(
    empty: Genuine, life: Life, fall: float, data: st.DataObject
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
        pairs = [(o.collateral, o.debt) for o in liquidations(venue, account) if isinstance(o, Liquidation)]
        assume(pairs)
        pair = data.draw(st.sampled_from(pairs), label="pair")
        most = liquidate(venue, account, *pair)
        assert isinstance(most, Liquidation)
        cover = data.draw(st.sampled_from((UINT256_MAX, max(1, most.repay_raw * 2 // 3))), label="cover")
        predicted = liquidate(venue, account, *pair, cover)
        collateral, debt = (venue.reserves[i].symbol for i in pair)
        refusal = market.try_liquidate(collateral, debt, user, cover, receive_a_token=True)
        assert (refusal is None) == isinstance(predicted, Liquidation), (refusal, predicted)
        event(type(predicted).__name__)
        if isinstance(predicted, Liquidation):
            receipt = market.liquidate(collateral, debt, user, cover, receive_a_token=True)
            happened = receipt["LiquidationCall"]
            assert happened["debtToCover"] == predicted.repay_raw
            assert happened["liquidatedCollateralAmount"] == predicted.seize_raw


def fallen(empty: Genuine, fall: float = 0.85) -> Address:
    """A wallet with ether against dollars, and an ether price at which it is liquidatable."""
    market = empty.market
    market.supply(DEBTOR, "WETH", raw_of(market, "WETH", 10_000))
    market.borrow(DEBTOR, "USDC", raw_of(market, "USDC", 7_900))
    market.set_price("WETH", int(int(market.feed("WETH").call("latestAnswer")) * fall))
    return DEBTOR


def tried(empty: Genuine, user: Address) -> str | None:
    return empty.market.try_liquidate("WETH", "USDC", user, receive_a_token=True)


def test_a_paused_reserve_holds_it_back_and_a_frozen_one_does_not(empty: Genuine) -> None:
    with empty.node.undone():
        user = fallen(empty)
        empty.market.freeze("WETH")
        venue, account = empty.one(user)
        assert venue.verdict(account).liquidatable
        assert blocked(venue, account) is None
        assert "WETH is frozen" in venue.notes(account)
        assert tried(empty, user) is None

        empty.market.pause("USDC")
        venue, account = empty.one(user)
        assert venue.verdict(account).liquidatable
        assert blocked(venue, account) == "reserve USDC is paused"
        assert tried(empty, user) in ("29", "ReservePaused")


def test_a_grace_period_holds_it_back_up_to_its_last_second(empty: Genuine) -> None:
    if empty.market.core.version.revision < 4:
        assert not empty.one(empty.market.cast["whale"])[0].rules.grace_period
        return
    with empty.node.undone():
        user = fallen(empty)
        until = empty.market.anvil.timestamp() + 3_600
        empty.market.set_grace_period("WETH", until)
        venue, account = empty.one(user)
        assert blocked(venue, account) == f"reserve WETH is in its grace period until {until}"
        pair = account.positions[0].reserve, account.positions[1].reserve
        for at in (until, until + 1):
            outcome = liquidate(venue, account, *pair, at=at)
            said = empty.market.try_liquidate("WETH", "USDC", user, receive_a_token=True, at=at)
            assert (said is None) == isinstance(outcome, Liquidation) == (at > until)


def test_the_sequencer_sentinel_holds_back_above_095_and_until_its_grace_is_over(empty: Genuine) -> None:
    if not empty.market.core.version.sentinel:
        assert empty.one(empty.market.cast["whale"])[0].sentinel is None
        return
    market, grace_s = empty.market, 3_600
    with empty.node.undone():
        user = fallen(empty, fall=0.94)
        assert 95 * 10**16 < market.health_factor(user) < 10**18
        sequencer = market.set_sentinel(grace_s)
        since = market.anvil.timestamp()
        sequencer.send("set", 1, since)
        venue, account = empty.one(user)
        assert blocked(venue, account) == "the sequencer sentinel holds liquidations back"
        assert tried(empty, user) in ("59", "PriceOracleSentinelCheckFailed")

        sequencer.send("set", 0, since)
        venue, account = empty.one(user)
        pair = account.positions[0].reserve, account.positions[1].reserve
        for at in (since + grace_s, since + grace_s + 1):
            said = market.try_liquidate("WETH", "USDC", user, receive_a_token=True, at=at)
            outcome = liquidate(venue, account, *pair, at=at)
            assert (said is None) == isinstance(outcome, Liquidation) == (at > since + grace_s)

        sequencer.send("set", 1, since)
        feed = venue.feeds[venue.feeds_of(account)[0]].address
        low = venue.prices.moved(venue.feeds_of(account)[0], 1_500 * 10**8)
        assert market.health_factor(user, prices={feed: 1_500 * 10**8}) < 95 * 10**16
        assert isinstance(liquidate(venue, account, *pair, prices=low), Liquidation)
        said = market.try_liquidate("WETH", "USDC", user, receive_a_token=True, prices={feed: 1_500 * 10**8})
        assert said is None


def test_the_sentinel_counts_from_the_time_its_own_version_counts_from(empty: Genuine) -> None:
    """`updatedAt` in v3.0, `startedAt` from v3.1: a feed whose two times lie apart tells them apart."""
    if not empty.market.core.version.sentinel:
        assert empty.one(empty.market.cast["whale"])[0].sentinel is None
        return
    market, grace_s = empty.market, 3_600
    with empty.node.undone():
        user = fallen(empty, fall=0.94)
        sequencer = market.set_sentinel(grace_s)
        now = market.anvil.timestamp()
        for started_at, updated_at in ((now - 7_200, now - 60), (now - 60, now - 7_200)):
            sequencer.send("setApart", 0, started_at, updated_at)
            venue, account = empty.one(user)
            pair = account.positions[0].reserve, account.positions[1].reserve
            for at in (venue.timestamp, now - 60 + grace_s, now - 60 + grace_s + 1):
                said = market.try_liquidate("WETH", "USDC", user, receive_a_token=True, at=at)
                assert (said is None) == isinstance(liquidate(venue, account, *pair, at=at), Liquidation)


def test_debt_without_collateral_is_liquidatable_and_blocked(empty: Genuine) -> None:
    """All of the collateral goes in one liquidation; from v3.3 the rest of the debt is written off."""
    with empty.node.undone():
        user = fallen(empty, fall=0.4)
        empty.market.liquidate("WETH", "USDC", user, receive_a_token=True)
        if empty.market.core.version.revision >= 7:
            assert not read(empty, user).accounts[user]
            return
        venue, account = empty.one(user)
        verdict = venue.verdict(account)
        assert verdict.liquidatable
        assert verdict.insolvent
        assert verdict.health_factor_wad == 0
        assert blocked(venue, account) == "no collateral that could be seized"


@pytest.mark.parametrize("dust_raw", [10**9, 13 * 10**11, 3 * 10**12])
def test_dust_that_no_call_can_touch_is_foretold(empty: Genuine, dust_raw: int) -> None:
    """A collateral worth less than about one unit of the debt token buys nothing back."""
    with empty.node.undone():
        market = empty.market
        market.supply(DEBTOR, "WETH", raw_of(market, "WETH", 1_000))
        market.supply(DEBTOR, "DAI", dust_raw)
        market.borrow(DEBTOR, "USDC", raw_of(market, "USDC", 700))
        market.warp(30 * DAY_S)
        market.set_price("WETH", 10**10)
        venue, account = empty.one(DEBTOR)
        by_symbol = {r.symbol: r.id for r in venue.reserves.values()}
        for cover in (UINT256_MAX, 1, 2):
            for collateral in ("DAI", "WETH"):
                outcome = liquidate(venue, account, by_symbol[collateral], by_symbol["USDC"], cover)
                said = market.try_liquidate(collateral, "USDC", DEBTOR, cover, receive_a_token=True)
                assert isinstance(outcome, Refusal) == (said is not None), (outcome, said, collateral, cover)


def test_a_smaller_call_goes_through_where_the_largest_leaves_dust(empty: Genuine) -> None:
    """From v3.3: two collaterals, each too small to repay half without leaving less than 1,000."""
    with empty.node.undone():
        market = empty.market
        for symbol in ("WETH", "WBTC"):
            market.configure(symbol, ltv=7_900, liquidation_threshold=8_000, liquidation_bonus=10_500)
            market.supply(DEBTOR, symbol, raw_of(market, symbol, 6_300))
        market.borrow(DEBTOR, "USDC", raw_of(market, "USDC", 9_400))
        for symbol in ("WETH", "WBTC"):
            market.set_price(symbol, int(market.feed(symbol).call("latestAnswer")) * 925 // 1_000)
        venue, account = empty.one(DEBTOR)
        assert venue.verdict(account).liquidatable
        assert blocked(venue, account) is None
        by_symbol = {r.symbol: r.id for r in venue.reserves.values()}
        for symbol in ("WETH", "WBTC"):
            pair = by_symbol[symbol], by_symbol["USDC"]
            most = largest(venue, account, *pair)
            assert isinstance(most, Liquidation)
            whole = market.try_liquidate(symbol, "USDC", DEBTOR, receive_a_token=True)
            assert (whole is None) == (market.core.version.revision < 7)
            for cover, goes in ((most.cover_raw, True), (most.repay_raw + 1, whole is None)):
                said = market.try_liquidate(symbol, "USDC", DEBTOR, cover, receive_a_token=True)
                assert (said is None) == goes
                assert isinstance(liquidate(venue, account, *pair, cover), Liquidation) == goes


@STATES
@given(
    sides=st.tuples(st.integers(900, 4_400), st.integers(900, 4_400)),
    debts=st.tuples(st.integers(1, 100), st.integers(1, 100)),
    fall=st.floats(0.80, 0.995),
    percent=st.sampled_from((100, 98, 50, 31)),
)
def test_around_the_close_factors_and_leftovers(
    empty: Genuine, sides: tuple[int, int], debts: tuple[int, int], fall: float, percent: int
) -> None:
    """Positions of one to four thousand dollars, where v3.3 has its thresholds; either way of receiving."""
    market = empty.market
    with market.anvil.undone():
        for symbol, usd in zip(("WETH", "WBTC"), sides, strict=True):
            market.supply(DEBTOR, symbol, raw_of(market, symbol, usd))
        room = market.account_data(DEBTOR)[2] / 10**8 * 0.995
        for symbol, part in zip(("USDC", "DAI"), debts, strict=True):
            market.borrow(DEBTOR, symbol, raw_of(market, symbol, room * part / sum(debts)))
        for symbol in ("WETH", "WBTC"):
            market.set_price(symbol, int(int(market.feed(symbol).call("latestAnswer")) * fall))
        venue, account = empty.one(DEBTOR)
        symbols = {r.id: r.symbol for r in venue.reserves.values()}
        for most in list(liquidations(venue, account)):
            event(type(most).__name__ + (most.why[:12] if isinstance(most, Refusal) else ""))
            pair = most.collateral, most.debt
            full = most.max_repay_raw if isinstance(most, Liquidation) else UINT256_MAX
            for cover in (UINT256_MAX, max(1, full * percent // 100)):
                outcome = liquidate(venue, account, *pair, cover)
                for receive in (True, False):
                    said = market.try_liquidate(
                        symbols[pair[0]], symbols[pair[1]], DEBTOR, cover, receive_a_token=receive
                    )
                    assert (said is None) == isinstance(outcome, Liquidation), (said, outcome, cover)


def test_an_emodes_price_source_prices_the_seizure_too(empty: Genuine) -> None:
    """v3.0 and v3.1: collateral and debt of the mode at the mode's own price."""
    market = empty.market
    with market.anvil.undone():
        market.supply(DEBTOR, "cbETH", raw_of(market, "cbETH", 10_000))
        market.enter_emode(DEBTOR, 3)
        market.borrow(DEBTOR, "rETH", raw_of(market, "rETH", 8_700))
        market.warp(700 * DAY_S)
        market.set_price("rETH", 2_600 * 10**8)
        market.set_price("cbETH", 2_000 * 10**8)
        venue, account = empty.one(DEBTOR)
        for most in liquidations(venue, account):
            if isinstance(most, Liquidation):
                happened = market.liquidate("cbETH", "rETH", DEBTOR, receive_a_token=True)["LiquidationCall"]
                assert happened["debtToCover"] == most.repay_raw
                assert happened["liquidatedCollateralAmount"] == most.seize_raw
            else:
                assert market.try_liquidate("cbETH", "rETH", DEBTOR, receive_a_token=True) is not None
