"""The local Aave v2 market: genuine contracts, and wallets that are what their names say."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from localnet import aave_v2
from localnet.aave_v2 import LIQUIDATOR, Market
from localnet.aave_v2.core import SOURCE
from localnet.evm import Reverted

WAD = 10**18


@pytest.fixture(scope="module")
def shared() -> Iterator[Market]:
    with aave_v2.running() as market:
        yield market


@pytest.fixture
def market(shared: Market) -> Iterator[Market]:
    with shared.anvil.undone():
        yield shared


def test_the_pool_is_the_packages_own(market: Market) -> None:
    assert market.pool.call("LENDINGPOOL_REVISION") == 2
    manager = str(market.core.provider.call("getLendingPoolCollateralManager"))
    code = str(market.anvil.request("eth_getCode", manager, "latest"))
    assert code[2:] in SOURCE.get("LendingPoolCollateralManager").bytecode


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("comfortable", 2.0, 9.0),
        ("edge", 1.019, 1.021),
        ("exact", 1.0, 1.0),
        ("liquidatable", 0.9, 0.99),
        ("insolvent", 0.0, 0.5),
        ("dust_debt", 1e6, 1e30),
    ],
)
def test_the_cast_is_as_healthy_as_it_should_be(market: Market, name: str, least: float, most: float) -> None:
    health = market.health_factor(market.cast[name])
    assert least <= health / WAD <= most
    assert name != "exact" or health == WAD


def test_the_cast_has_what_it_should_have(market: Market) -> None:
    usdc = market.reserves["USDC"]
    user = market.cast["stable_borrower"]
    assert market.balance(usdc.stable_debt_token, user)
    assert market.balance(usdc.variable_debt_token, user)
    collateral, debt, *_ = market.account_data(market.cast["insolvent"])
    assert collateral < debt
    assert market.account_data(market.cast["no_position"])[:2] == (0, 0)
    assert market.account_data(market.cast["no_debt"])[1] == 0


def test_a_liquidation_pays_the_liquidator(market: Market) -> None:
    user = market.cast["liquidatable"]
    assert market.try_liquidate("LINK", "USDC", user) is None
    link = market.reserves["LINK"].token
    before = market.balance(link, LIQUIDATOR)
    happened = market.liquidate("LINK", "USDC", user)["LiquidationCall"]
    assert market.balance(link, LIQUIDATOR) - before == happened["liquidatedCollateralAmount"] > 0


def test_a_refusal_carries_the_pools_own_number(market: Market) -> None:
    assert market.try_liquidate("WETH", "USDC", market.cast["comfortable"]) == "42"
    market.pause()
    with pytest.raises(Reverted, match="64"):
        market.supply(market.cast["comfortable"], "WETH", 1)
