"""What `liquidate` repays, seizes and writes off, and what it refuses, against the genuine contract."""

from __future__ import annotations

from typing import TypedDict

import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from localnet.evm import Reverted
from margin.units import WAD
from protocols.morpho_blue.liquidation import (
    HEALTHY,
    NO_PRICE,
    TOO_MUCH_COLLATERAL,
    TOO_MUCH_DEBT,
    Liquidation,
    Refusal,
    after,
    largest,
    liquidate,
)
from tests.protocols.morpho_blue.lives import Life, live, lives, price_of
from tests.protocols.morpho_blue.subject import Genuine

STATES = settings(suppress_health_check=list(HealthCheck), max_examples=max(1, settings().max_examples // 3))


class Asked(TypedDict, total=False):
    """What `liquidate` is told; the contract wants just one of them."""

    seized_raw: int
    repaid_shares: int


@STATES
@given(life=lives(), fall=st.floats(0.05, 0.99), data=st.data())
def test_it_repays_seizes_and_writes_off_what_was_foretold(
    empty: Genuine, life: Life, fall: float, data: st.DataObject
) -> None:
    """Named by the collateral or by the shares, all or a part; the event, and the totals after it."""
    market = empty.market
    with market.anvil.undone():
        user = live(market, life)
        listed = market.markets["random"]
        market.set_price("random", max(1, int(price_of(market, listed) * fall)))
        venue, account = empty.one(user)
        assume(venue.verdict(account).liquidatable)
        best = largest(venue, account)
        assert isinstance(best, Liquidation)
        calls: list[Asked] = [
            {"seized_raw": best.seized_asked_raw, "repaid_shares": best.shares_asked},
            {"seized_raw": data.draw(st.integers(1, account.collateral_raw), label="seized")},
            {"repaid_shares": data.draw(st.integers(1, account.borrow_shares), label="shares")},
        ]
        call = data.draw(st.sampled_from(calls), label="call")
        foretold = liquidate(venue, account, **call)
        refused = market.try_liquidate("random", user, **call)
        assert (refused is None) == isinstance(foretold, Liquidation), (refused, foretold)
        event(type(foretold).__name__)
        if isinstance(foretold, Refusal):
            return
        event("bad debt" if foretold.bad_debt_raw else "no bad debt")
        happened = market.liquidate("random", user, **call)["Liquidate"]
        assert happened["repaidAssets"] == foretold.repay_raw
        assert happened["repaidShares"] == foretold.repaid_shares
        assert happened["seizedAssets"] == foretold.seize_raw
        assert happened["badDebtAssets"] == foretold.bad_debt_raw
        assert happened["badDebtShares"] == foretold.bad_debt_shares
        left = after(venue.accrual(account, venue.block.timestamp).state, foretold)
        assert market.market("random") == (
            left.supply_assets,
            left.supply_shares,
            left.borrow_assets,
            left.borrow_shares,
            left.updated_at,
            left.fee_wad,
        )


def test_what_an_order_gains_is_the_incentive(lived_in: Genuine) -> None:
    """62.5 %: 12.67 % more collateral, at the oracle's price, than is repaid."""
    venue, account = lived_in.one(lived_in.market.cast["liquidatable"])
    call = largest(venue, account)
    assert isinstance(call, Liquidation)
    assert call.incentive_wad == 1126760563380281690
    assert call.shares_asked == account.borrow_shares
    (feed,) = venue.feeds_of(account)
    gained_wad = call.seize_raw * venue.prices[feed] // 10**36 * WAD // call.repay_raw
    assert abs(gained_wad - call.incentive_wad) < 10**6


def test_the_insolvent_leave_bad_debt_to_the_lenders(lived_in: Genuine) -> None:
    """All the collateral is taken, by its amount: naming all the shares would seize more than there is."""
    user = lived_in.market.cast["insolvent"]
    venue, account = lived_in.one(user)
    assert venue.verdict(account).insolvent
    assert liquidate(venue, account, repaid_shares=account.borrow_shares) == Refusal(TOO_MUCH_COLLATERAL)
    assert lived_in.market.try_liquidate("SHIB/USDC", user, repaid_shares=account.borrow_shares)
    call = largest(venue, account)
    assert isinstance(call, Liquidation)
    assert call.seized_asked_raw == account.collateral_raw
    assert call.bad_debt_raw > 0


def test_refusals(lived_in: Genuine) -> None:
    market = lived_in.market
    venue, healthy = lived_in.one(market.cast["comfortable"])
    assert liquidate(venue, healthy, seized_raw=1) == Refusal(HEALTHY)
    assert market.try_liquidate("WETH/USDC", healthy.key.owner, seized_raw=1) == HEALTHY
    venue, account = lived_in.one(market.cast["liquidatable"])
    user = account.key.owner
    neither_or_both: list[Asked] = [{}, {"seized_raw": 1, "repaid_shares": 1}]
    for both in neither_or_both:
        assert liquidate(venue, account, **both) == Refusal("inconsistent input")
        assert market.try_liquidate("LINK/WETH", user, **both) == "inconsistent input"
    too_much: Asked = {"seized_raw": account.collateral_raw}
    assert liquidate(venue, account, **too_much) == Refusal(TOO_MUCH_DEBT)
    assert market.try_liquidate("LINK/WETH", user, **too_much) == "panic 0x11"


def test_an_oracle_that_answers_zero_gives_the_collateral_away(empty: Genuine) -> None:
    """Morpho takes 0 for a price: everyone is liquidatable, and seizing all repays nothing."""
    market = empty.market
    with market.anvil.undone():
        user = live(market, COMMON)
        market.set_price("random", 0)
        venue, account = empty.one(user)
        assert venue.verdict(account).liquidatable
        assert "the oracle answers 0" in " ".join(venue.notes(account))
        assert liquidate(venue, account, repaid_shares=1) == Refusal(NO_PRICE)
        assert market.try_liquidate("random", user, repaid_shares=1) == "panic 0x12"
        call = largest(venue, account)
        assert isinstance(call, Liquidation)
        assert (call.repay_raw, call.seize_raw) == (0, account.collateral_raw)
        happened = market.liquidate("random", user, seized_raw=account.collateral_raw)["Liquidate"]
        assert (happened["repaidAssets"], happened["seizedAssets"]) == (0, account.collateral_raw)
        assert happened["badDebtAssets"] == call.bad_debt_raw


def test_equality_is_healthy_and_one_unit_less_is_not(empty: Genuine) -> None:
    market = empty.market
    with market.anvil.undone():
        user = live(market, COMMON)
        listed = market.markets["random"]
        venue, account = empty.one(user)
        support_raw = venue.verdict(account).support_raw
        market.supply(market.cast["whale"], "random", support_raw)
        market.borrow(user, "random", support_raw - market.debt("random", user))
        venue, account = empty.one(user)
        assert venue.verdict(account).margin_raw == 0
        assert not venue.verdict(account).liquidatable
        assert market.try_liquidate("random", user, repaid_shares=1) == HEALTHY
        answer_raw = price_of(market, listed)
        lower = answer_raw - answer_raw // support_raw - 1  # a unit of loan token less
        market.set_price("random", lower)
        venue, account = empty.one(user)
        assert venue.verdict(account).liquidatable
        assert market.try_liquidate("random", user, repaid_shares=1) is None
        with pytest.raises(Reverted, match="insufficient collateral"):
            market.withdraw_collateral(user, "random", 1)


COMMON = Life(
    loan="USDC",
    collateral="WETH",
    lltv_wad=86 * WAD // 100,
    price=2_000.0,
    fee_wad=WAD // 10,
    has_interest=True,
    lent=1_000_000.0,
    used=0.5,
    visits=(3.0,),
    supplied=5.0,
    odd_units=123_457,
    borrowed=0.7,
    own_lent=0.0,
    days=0.0,
    fall=1.0,
)
