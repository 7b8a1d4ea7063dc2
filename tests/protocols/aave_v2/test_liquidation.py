"""What `liquidationCall` would do, against the genuine call: amounts to the unit, and each refusal."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from localnet.aave_v2.market import STABLE
from localnet.aave_v2.standard import raw_of, wallet
from margin.account import AccountKey
from margin.basics import Address
from margin.mending import Change, Deed, Refused
from margin.units import BPS, RAY, UINT256_MAX, WAD, percent_mul_half_up
from protocols.aave_v2.interest import compounded_interest_ray, income_index_ray
from protocols.aave_v2.liquidation import Liquidation, Refusal, blocked, liquidate, liquidations
from protocols.aave_v2.state import PoolAccount, Position
from tests.protocols.aave_v2.lives import DAY_S, Life, live, lives
from tests.protocols.aave_v2.subject import Genuine

STATES = settings(suppress_health_check=list(HealthCheck), max_examples=max(1, settings().max_examples // 2))
DEBTOR = wallet("debtor")


def fallen(empty: Genuine, fall: float = 0.9, *, stable: bool = False) -> Address:
    """A wallet that lent LINK and borrowed dollars, after LINK fell."""
    market = empty.market
    market.supply(DEBTOR, "LINK", raw_of(market, "LINK", 100))
    if stable:
        market.borrow(DEBTOR, "USDC", raw_of(market, "USDC", 50), STABLE)
    market.borrow(DEBTOR, "USDC", raw_of(market, "USDC", 19 if stable else 69))
    market.warp(20 * DAY_S)
    market.set_price("LINK", int(market.price("LINK") * fall))
    return DEBTOR


def pair_of(account: PoolAccount) -> tuple[int, int]:
    collateral = next(p.reserve for p in account.positions if p.supply_scaled)
    return collateral, next(p.reserve for p in account.positions if p.debt_scaled or p.stable)


@STATES
@given(life=lives(), fall=st.floats(0.02, 0.99), percent=st.sampled_from((100, 100, 99, 40, 0)))
def test_every_call_is_foretold_to_the_unit(empty: Genuine, life: Life, fall: float, percent: int) -> None:
    """Largest and smaller ones, aTokens received or the underlying; and with stable debt among them."""
    market = empty.market
    with market.anvil.undone():
        user = live(market, life)
        venue, account = empty.one(user)
        form = venue.linear(account)
        lower = {venue.feeds[k].address: raw for k, raw in venue.prices.items() if form.slope(k) > 0}
        empty.set_answers({feed: max(1, int(raw * fall)) for feed, raw in lower.items()})
        venue, account = empty.one(user)
        for most in liquidations(venue, account):
            pair = most.collateral, most.debt
            symbols = venue.reserves[pair[0]].symbol, venue.reserves[pair[1]].symbol
            full = most.max_repay_raw if isinstance(most, Liquidation) else 1
            for cover in (UINT256_MAX, max(1, full * percent // 100)):
                for receive in (True, False):
                    told = liquidate(venue, account, *pair, cover, receive_a_token=receive)
                    said = market.try_liquidate(*symbols, user, cover, receive_a_token=receive)
                    if said == "45":
                        continue  # the pool cannot pay out so much
                    event(told.why[:4] if isinstance(told, Refusal) else "goes through")
                    assert (said is None) == isinstance(told, Liquidation), (said, told)
                    if isinstance(told, Liquidation):
                        with market.anvil.undone():
                            receipt = market.liquidate(*symbols, user, cover, receive_a_token=receive)
                        happened = receipt["LiquidationCall"]
                        assert happened["debtToCover"] == told.repay_raw
                        assert happened["liquidatedCollateralAmount"] == told.seize_raw
                        assert told.repay_raw <= told.max_repay_raw


@pytest.mark.parametrize("fall", [0.99, 0.9, 0.3, 0.05])
def test_half_of_a_debt_at_the_most_however_ill(empty: Genuine, fall: float) -> None:
    with empty.node.undone():
        venue, account = empty.one(fallen(empty, fall))
        outcome = liquidate(venue, account, *pair_of(account))
        if fall == 0.99:
            assert outcome == Refusal(*pair_of(account), "healthy")
            assert empty.market.try_liquidate("LINK", "USDC", DEBTOR) == "42"
            return
        assert isinstance(outcome, Liquidation)
        (debt,) = venue.debt_legs(account)
        assert outcome.max_repay_raw == percent_mul_half_up(debt.amount_raw, BPS // 2)
        (held,) = venue.collateral_legs(account)
        # With little left, all of the collateral goes, for less than half of the debt.
        assert (outcome.seize_raw == held.amount_raw) == (outcome.repay_raw < outcome.max_repay_raw)
        assert (fall < 0.5) == (outcome.seize_raw == held.amount_raw)


def test_variable_debt_goes_before_stable_debt(empty: Genuine) -> None:
    """Half of both together is more than all of the variable debt: the rest is of the stable one."""
    market = empty.market
    with empty.node.undone():
        venue, account = empty.one(fallen(empty, stable=True))
        (position,) = [p for p in account.positions if p.stable]
        variable_raw, stable_raw = (
            of(position, venue.timestamp) for of in (venue.variable_raw, venue.stable_raw)
        )
        assert 0 < variable_raw < stable_raw
        outcome = liquidate(venue, account, *pair_of(account))
        assert isinstance(outcome, Liquidation)
        market.liquidate("LINK", "USDC", DEBTOR, receive_a_token=True)
        venue, after = empty.one(DEBTOR)
        (left,) = [p for p in after.positions if p.stable]
        assert left.debt_scaled == 0
        assert left.stable is not None
        assert left.stable.principal == variable_raw + stable_raw - outcome.repay_raw
        assert left.stable.updated_at == venue.timestamp


def test_a_frozen_reserve_is_liquidated_and_takes_no_deposit(empty: Genuine) -> None:
    market = empty.market
    with empty.node.undone():
        fallen(empty)
        market.freeze("LINK")
        market.freeze("USDC")
        venue, account = empty.one(DEBTOR)
        assert set(venue.notes(account)) == {"LINK is frozen", "USDC is frozen"}
        assert blocked(venue, account) is None
        assert isinstance(liquidate(venue, account, *pair_of(account)), Liquidation)
        assert market.try_liquidate("LINK", "USDC", DEBTOR) is None
        deposit = Change(Deed.DEPOSIT, market.reserves["LINK"].token, 10**18)
        assert venue.changed(account, [deposit]) == Refused("LINK is frozen")
        assert empty.do(DEBTOR, deposit) == "3"
        repayment = Change(Deed.REPAY, market.reserves["USDC"].token, 10**6)
        assert isinstance(venue.changed(account, [repayment]), PoolAccount)
        assert empty.do(DEBTOR, repayment) is None


def test_a_paused_pool_holds_everything_back(empty: Genuine) -> None:
    market = empty.market
    with empty.node.undone():
        fallen(empty)
        market.pause()
        venue, account = empty.one(DEBTOR)
        assert venue.verdict(account).liquidatable
        assert blocked(venue, account) == "the pool is paused"
        assert "the pool is paused" in venue.notes(account)
        assert venue.ground(account)["pool paused"] is True
        assert liquidate(venue, account, *pair_of(account)) == Refusal(
            *pair_of(account), "the pool is paused"
        )
        assert market.try_liquidate("LINK", "USDC", DEBTOR) == "64"
        for deed, symbol in ((Deed.REPAY, "USDC"), (Deed.DEPOSIT, "LINK")):
            change = Change(deed, market.reserves[symbol].token, 10**6)
            assert venue.changed(account, [change]) == Refused("the pool is paused")
            assert empty.do(DEBTOR, change) == "64"
        market.pause(False)
        assert blocked(*empty.one(DEBTOR)) is None


def test_what_is_not_collateral_or_not_owed_is_refused(empty: Genuine) -> None:
    market = empty.market
    with empty.node.undone():
        fallen(empty)
        market.supply(DEBTOR, "GUSD", 10_000)
        market.supply(DEBTOR, "DAI", 10**18)
        market.use_as_collateral(DEBTOR, "DAI", True)
        venue, account = empty.one(DEBTOR)
        ids = {r.symbol: r.id for r in venue.reserves.values()}
        for pair, why, said in (
            (("GUSD", "USDC"), "not enabled as collateral", "43"),
            (("WBTC", "USDC"), "not enabled as collateral", "43"),
            (("LINK", "DAI"), "no such debt", "44"),
            (("LINK", "WETH"), "no such debt", "44"),
        ):
            numbers = ids[pair[0]], ids[pair[1]]
            assert liquidate(venue, account, *numbers) == Refusal(*numbers, why)
            assert market.try_liquidate(*pair, DEBTOR) == said


def test_interest_that_the_pool_forgets(empty: Genuine) -> None:
    """Where the treasury takes all of the interest the pool moves its clock, but not its debt index."""
    market = empty.market
    with empty.node.undone():
        market.set_reserve_factor("USDC", 100_00)
        fallen(empty)
        venue, account = empty.one(DEBTOR)
        usdc = next(r for r in venue.reserves.values() if r.symbol == "USDC")
        assert usdc.liquidity_rate_ray == 0 < usdc.variable_rate_ray
        assert venue.audit(account).agrees
        outcome = liquidate(venue, account, *pair_of(account))
        assert isinstance(outcome, Liquidation)
        with empty.node.undone():
            happened = market.liquidate("LINK", "USDC", DEBTOR, receive_a_token=True)["LiquidationCall"]
            assert happened["debtToCover"] == outcome.repay_raw
        refused = venue.changed(account, [Change(Deed.REPAY, usdc.token, 10**6)])
        assert isinstance(refused, Refused)
        assert not refused.too_small
        owed = market.balance(usdc.variable_debt_token, DEBTOR)
        market.repay(DEBTOR, "USDC", 10**6)
        assert market.balance(usdc.variable_debt_token, DEBTOR) < owed - 10**6


def test_what_the_pool_has_forgotten_cannot_be_burnt(empty: Genuine) -> None:
    """All of the variable debt as it was told, at the index that stands still: more than there is."""
    with empty.node.undone():
        empty.market.set_reserve_factor("USDC", 100_00)
        fallen(empty, stable=True)
        venue, account = empty.one(DEBTOR)
        ids = {r.symbol: r.id for r in venue.reserves.values()}
        pair = ids["LINK"], ids["USDC"]
        (position,) = [p for p in account.positions if p.stable]
        variable_raw = venue.variable_raw(position, venue.timestamp)
        for cover, goes in ((UINT256_MAX, False), (variable_raw + 1, False), (variable_raw // 2, True)):
            assert isinstance(liquidate(venue, account, *pair, cover), Liquidation) == goes
            said = empty.market.try_liquidate("LINK", "USDC", DEBTOR, cover, receive_a_token=True)
            assert said == (None if goes else "23")


@pytest.mark.parametrize("owed_raw", [1, 2, 3])
def test_dust_can_be_liquidated_whole(empty: Genuine, owed_raw: int) -> None:
    """Half of one unit is rounded up to it; the flag stays behind."""
    market = empty.market
    with empty.node.undone():
        market.supply(DEBTOR, "LINK", raw_of(market, "LINK", 10))
        market.borrow(DEBTOR, "DAI", raw_of(market, "DAI", 6.9))
        market.borrow(DEBTOR, "USDC", owed_raw)
        market.set_price("LINK", market.price("LINK") * 9 // 10)
        venue, account = empty.one(DEBTOR)
        ids = {r.symbol: r.id for r in venue.reserves.values()}
        outcome = liquidate(venue, account, ids["LINK"], ids["USDC"])
        assert isinstance(outcome, Liquidation)
        happened = market.liquidate("LINK", "USDC", DEBTOR)["LiquidationCall"]
        assert happened["debtToCover"] == outcome.repay_raw == (owed_raw + 1) // 2


def test_a_collateral_that_is_worth_less_than_a_unit_of_debt_buys_nothing(empty: Genuine) -> None:
    market = empty.market
    with empty.node.undone():
        fallen(empty)
        market.supply(DEBTOR, "DAI", 10**9)
        venue, account = empty.one(DEBTOR)
        ids = {r.symbol: r.id for r in venue.reserves.values()}
        outcome = liquidate(venue, account, ids["DAI"], ids["USDC"])
        assert outcome == Refusal(ids["DAI"], ids["USDC"], "dust: too little to repay for this collateral")
        assert market.try_liquidate("DAI", "USDC", DEBTOR, receive_a_token=True) == "23"


def test_debt_without_collateral_is_liquidatable_and_blocked(empty: Genuine) -> None:
    with empty.node.undone():
        user = fallen(empty, 0.05)
        empty.market.liquidate("LINK", "USDC", user, receive_a_token=True)
        venue, account = empty.one(user)
        verdict = venue.verdict(account)
        assert verdict.liquidatable
        assert verdict.insolvent
        assert verdict.health_factor_wad == 0
        assert blocked(venue, account) == "no collateral that could be seized"


# --- known numbers ----------------------------------------------------------------------------------------


def test_a_balance_with_simple_interest() -> None:
    index_ray = income_index_ray(
        1001723339432542553527150680, 22461916953455574582370088, 1609675535 - 1609673617
    )
    assert (161316503206059870 * index_ray + RAY // 2) // RAY == 161594727054623229


def test_compounding_cuts_the_rate_to_whole_rays_a_second() -> None:
    """Ten per cent for a year by three terms; the cube of so small a rate is 32 rays rounded up from 31.9."""
    assert compounded_interest_ray(RAY // 10, 0) == RAY
    assert compounded_interest_ray(RAY // 10, 1) == RAY + RAY // 10 // 31_536_000
    year = compounded_interest_ray(RAY // 10, 31_536_000)
    assert year / RAY == pytest.approx(1 + 0.1 + 0.005 + 0.1**3 / 6 * 32 / 31.886, abs=1e-8)
    # A rate below one ray a second earns nothing, as the contract has it.
    assert compounded_interest_ray(31_535_999, 31_536_000) == RAY


def test_a_known_health_factor(empty: Genuine) -> None:
    """10,000 at a threshold of 80 % against 6,000: 1.333."""
    venue, _ = empty.one(empty.market.cast["whale"])
    ids = {r.symbol: r.id for r in venue.reserves.values()}
    dai = venue.reserves[ids["DAI"]]
    assert dai.configuration.threshold_bps == 80_00
    supply = 10_000 * WAD * RAY // venue.income_index_ray(dai, venue.timestamp)
    debt = 6_000 * WAD * RAY // venue.debt_index_ray(dai, venue.timestamp)
    account = PoolAccount(
        AccountKey(venue.id, DEBTOR, DEBTOR), 3 << 2 * dai.id, (Position(dai.id, supply, debt, None),), None
    )
    health = venue.verdict(account).health_factor_wad
    assert health is not None
    assert health / WAD == pytest.approx(4 / 3, abs=1e-12)
