"""What a liquidation repays and seizes, and what holds one back, against the genuine contracts."""

from __future__ import annotations

from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from localnet.aave_v3.standard import raw_of, wallet
from margin.basics import Address
from margin.units import UINT256_MAX
from protocols.aave_v3.liquidation import Liquidation, Refusal, blocked, liquidate, liquidations
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


def test_dust_that_no_call_can_touch_is_foretold(empty: Genuine) -> None:
    """A collateral worth less than the debt token's smallest unit buys nothing back."""
    with empty.node.undone():
        market = empty.market
        market.supply(DEBTOR, "WETH", raw_of(market, "WETH", 1_000))
        market.supply(DEBTOR, "DAI", 10**9)
        market.borrow(DEBTOR, "USDC", raw_of(market, "USDC", 700))
        market.warp(30 * DAY_S)
        market.set_price("WETH", 10**10)
        venue, account = empty.one(DEBTOR)
        by_symbol = {r.symbol: r.id for r in venue.reserves.values()}
        outcome = liquidate(venue, account, by_symbol["DAI"], by_symbol["USDC"])
        said = market.try_liquidate("DAI", "USDC", DEBTOR, receive_a_token=True)
        assert isinstance(outcome, Refusal) == (said is not None)
