"""The cast is what it says, by the contracts' own views and by what the contracts allow."""

from __future__ import annotations

import pytest

from localnet import states
from localnet.aave_v3 import Market
from localnet.aave_v3.market import STABLE
from localnet.aave_v3.standard import ETH_EMODE, STABLE_EMODE, STAKED_EMODE
from localnet.cast import WAD
from localnet.evm import Reverted

INFINITE = 2**256 - 1
OPERATION_NOT_SUPPORTED = "80"


def healthy(market: Market) -> str:
    """What the version answers to a liquidation of a healthy account."""
    return "45" if market.core.version.revision < 8 else "HealthFactorNotBelowThreshold"


def test_revision(market: Market) -> None:
    assert market.pool.call("POOL_REVISION") == market.core.version.said_revision


def test_comfortable_and_edge(market: Market) -> None:
    assert market.health_factor(market.cast["comfortable"]) > 150 * WAD // 100
    assert WAD < market.health_factor(market.cast["edge"]) < 105 * WAD // 100


def test_exact_is_healthy_by_one_price_unit_and_one_moment(market: Market) -> None:
    user, feed = market.cast["exact"], market.reserves["WETH"].feed
    assert market.health_factor(user) == WAD
    assert market.try_liquidate("WETH", "DAI", user) == healthy(market)
    with pytest.raises(Reverted) as refusal:
        market.liquidate("WETH", "DAI", user)
    assert refusal.value.reason == healthy(market)
    lower = market.feed("WETH").call("latestAnswer") - 1
    assert market.try_liquidate("WETH", "DAI", user, prices={feed: lower}) is None
    later = market.anvil.timestamp() + 1
    assert market.health_factor(user, at=later) < WAD
    assert market.try_liquidate("WETH", "DAI", user, at=later) is None
    market.liquidate("WETH", "DAI", user, at=later)


def test_liquidatable_is_liquidated(market: Market) -> None:
    user = market.cast["liquidatable"]
    before = market.account_data(user)
    assert 95 * WAD // 100 < before[5] < WAD
    assert market.try_liquidate("LINK", "USDC", user) is None
    event = market.liquidate("LINK", "USDC", user)["LiquidationCall"]
    assert event["user"] == user
    assert event["collateralAsset"] == market.reserves["LINK"].token
    assert event["debtToCover"] > 0
    assert market.account_data(user)[1] < before[1]


@pytest.mark.parametrize("collateral", ["LINK", "CRV"])
@pytest.mark.parametrize("debt", ["WBTC", "DAI"])
def test_liquidatable_many_by_any_pair(market: Market, collateral: str, debt: str) -> None:
    user = market.cast["liquidatable_many"]
    assert market.health_factor(user) < 95 * WAD // 100
    assert market.try_liquidate(collateral, debt, user) is None
    assert market.try_liquidate("WETH", debt, user) is not None


def test_insolvent_owes_more_than_it_has(market: Market) -> None:
    collateral, debt, *_ = market.account_data(market.cast["insolvent"])
    assert 0 < collateral < debt
    market.liquidate("CRV", "USDC", market.cast["insolvent"])


def test_emodes(market: Market) -> None:
    for name, category in (
        ("emode_loop", ETH_EMODE),
        ("emode_stable", STABLE_EMODE),
        ("emode_staked", STAKED_EMODE),
        ("comfortable", 0),
    ):
        assert market.pool.call("getUserEMode", market.cast[name]) == category
    assert market.account_data(market.cast["emode_loop"])[3] == 95_00
    assert WAD < market.health_factor(market.cast["emode_loop"]) < 110 * WAD // 100


def test_emode_price_source_prices_both_sides(market: Market) -> None:
    user = market.cast["emode_staked"]
    doubled: dict[str, int] = {market.reserves["cbETH"].feed: 2 * market.feed("cbETH").call("latestAnswer")}
    moved = market.health_factor(user, prices=doubled) != market.health_factor(user)
    assert moved is market.core.version.liquid_emodes


def test_isolated(market: Market) -> None:
    user = market.cast["isolated"]
    assert market.account_data(user)[1] > 0
    if market.core.version.isolation_mode:
        assert market.data_provider.call("getDebtCeiling", market.reserves["SNX"].token) > 0
    with pytest.raises(Reverted):
        market.borrow(user, "WETH", 10**15)


def test_small_debts(market: Market) -> None:
    assert market.balance(market.reserves["USDC"].variable_debt_token, market.cast["dust_debt"]) in (1, 2)
    assert 0 < market.account_data(market.cast["dust_debt"])[1] < 300
    assert market.balance(market.reserves["DAI"].variable_debt_token, market.cast["wei_debt"]) in (1, 2)
    # v3.5 began to round debts up in the oracle's unit; before, this one is worth nothing.
    assert market.account_data(market.cast["wei_debt"])[1] == (1 if market.core.version.revision >= 9 else 0)


def test_unused_supply_counts_for_nothing(market: Market) -> None:
    user = market.cast["unused_supply"]
    before = market.account_data(user)
    assert market.balance(market.reserves["USDC"].a_token, user) > 0
    market.use_as_collateral(user, "USDC", True)
    assert market.account_data(user)[0] > before[0]


def test_many_assets(market: Market) -> None:
    user = market.cast["many_assets"]
    held = [item.symbol for item in market.reserves.values() if market.balance(item.a_token, user)]
    owed = [
        item.symbol for item in market.reserves.values() if market.balance(item.variable_debt_token, user)
    ]
    assert (held, owed) == (
        ["WETH", "wstETH", "WBTC", "USDC", "DAI", "LINK"],
        ["rETH", "USDC", "DAI", "CRV"],
    )


def test_stable_debt_tokens(market: Market) -> None:
    """v3.1 still deploys them, for show: they refuse all debt, even where it was switched on."""
    version, usdc = market.core.version, market.reserves["USDC"]
    assert (usdc.stable_debt_token is not None) is version.stable_token
    if version.stable_token and not version.stable_rate:
        market.configurator.send("setReserveStableRateBorrowing", usdc.token, True)
        with pytest.raises(Reverted) as refusal:
            market.borrow(market.cast["comfortable"], "USDC", 10**6, STABLE)
        assert refusal.value.reason == OPERATION_NOT_SUPPORTED


def test_stable_borrower(market: Market) -> None:
    if not market.core.version.stable_rate:
        assert "stable_borrower" not in market.cast
        return
    user, usdc = market.cast["stable_borrower"], market.reserves["USDC"]
    assert market.balance(str(usdc.stable_debt_token), user) > 9_000 * usdc.unit
    assert market.account_data(user)[1] > 12_000 * 10**8


def test_no_debt_and_no_position(market: Market) -> None:
    assert market.account_data(market.cast["no_debt"])[1:2] == (0,)
    assert market.health_factor(market.cast["no_debt"]) == INFINITE
    assert market.account_data(market.cast["no_position"]) == (0, 0, 0, 0, 0, INFINITE)


def test_interest_accrues(market: Market) -> None:
    user = market.cast["edge"]
    now = market.anvil.timestamp()
    healths = [market.health_factor(user, at=now + days * 86_400) for days in (0, 1, 30, 365)]
    assert healths == sorted(healths, reverse=True)
    assert healths[0] > WAD > healths[-1]
    assert market.try_liquidate("WETH", "USDC", user, at=now + 365 * 86_400) is None


def test_addresses_are_the_same_on_every_market(market: Market) -> None:
    assert market.cast["comfortable"] == "0x93d5e2Fa2AcFE25767145C9564905D8FA0E6A9Df"


def test_a_saved_state_is_not_made_again(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    if market.core.version.package is None:
        pytest.skip("needs only one version")

    def refuse(*args: object) -> None:
        raise AssertionError("deployed again")

    monkeypatch.setattr(states, "deploy", refuse)
    with states.running(f"aave-v{market.version}") as again:
        assert again.to_json() == market.to_json()
        assert again.account_data(again.cast["exact"]) == market.account_data(market.cast["exact"])
