"""The administrator's switches do what they do on the real thing."""

from __future__ import annotations

import pytest

from localnet import aave_v3, states
from localnet.aave_v3 import Market
from localnet.anvil import Anvil
from localnet.evm import Reverted
from margin.errors import LocalnetError

HOUR = 3_600


def test_a_market_from_nothing(market: Market) -> None:
    """The steps one by one, beside the ready-made market."""
    assert market.oracle.call("getAssetPrice", market.reserves["WETH"].token) == market.feed("WETH").call(
        "latestAnswer"
    )
    assert [len(market.pool.call("getReservesList"))] == [len(market.reserves)]
    decimals = {reserve.decimals for reserve in market.reserves.values()}
    assert {6, 8, 18} <= decimals
    market.set_price("WETH", 1)
    assert market.oracle.call("getAssetPrice", market.reserves["WETH"].token) == 1


def test_own_market() -> None:
    with Anvil.start() as anvil:
        market = aave_v3.deploy(anvil, "3.0.2")
        market.list_reserve("WETH")
        market.list_reserve("USDC", 6, 10**8, stable_rate=True)
        lender, user = "0x" + "a1" * 20, "0x" + "b2" * 20
        market.supply(lender, "USDC", 100_000 * 10**6)
        market.supply(user, "WETH", 10 * 10**18)
        market.borrow(user, "USDC", 16_000 * 10**6)
        assert market.account_data(user)[5] == 10 * 2000 * 82_50 * 10**18 // (16_000 * 100_00)
        market.repay(user, "USDC")
        market.withdraw(user, "WETH")
        assert market.account_data(user)[:2] == (0, 0)


def test_repay_later_pays_the_interest(market: Market) -> None:
    user = market.cast["comfortable"]
    market.repay(user, "USDC", at=market.anvil.timestamp() + 30 * 86_400)
    assert market.balance(market.reserves["USDC"].variable_debt_token, user) == 0


def test_shared_feed(market: Market) -> None:
    shared = market.list_reserve("WETH2", feed=market.reserves["WETH"].feed)
    market.set_price("WETH", 777)
    assert market.oracle.call("getAssetPrice", shared.token) == 777


def test_price_source_moves_to_another_feed(market: Market) -> None:
    asset = market.reserves["WETH"].token
    market.set_price_source(asset, market.new_feed("other", 4_2))
    assert market.oracle.call("getAssetPrice", asset) == 42
    market.evm.at(market.reserves["WETH"].feed, market.feed("WETH").abi).send("setBroken", True)
    assert market.oracle.call("getAssetPrice", asset) == 42


def test_paused_and_frozen(market: Market) -> None:
    user = market.cast["liquidatable"]
    market.pause("USDC")
    assert market.try_liquidate("LINK", "USDC", user) is not None
    market.unpause("USDC")
    assert market.try_liquidate("LINK", "USDC", user) is None
    market.freeze("USDC")
    assert market.try_liquidate("LINK", "USDC", user) is None
    with pytest.raises(Reverted):
        market.supply(user, "USDC", 10**6)
    market.unfreeze("USDC")
    market.supply(user, "USDC", 10**6)


def test_grace_period(market: Market) -> None:
    user, now = market.cast["liquidatable"], market.anvil.timestamp()
    if market.core.version.revision < 3:
        with pytest.raises(LocalnetError, match="no liquidation grace period"):
            market.set_grace_period("LINK", now + HOUR)
        return
    market.set_grace_period("LINK", now + HOUR)
    assert market.try_liquidate("LINK", "USDC", user, at=now + HOUR - 1) is not None
    assert market.try_liquidate("LINK", "USDC", user, at=now + HOUR + 1) is None


def test_sentinel(market: Market) -> None:
    user, now = market.cast["liquidatable"], market.anvil.timestamp()
    if not market.core.version.sentinel:
        with pytest.raises(LocalnetError, match="no price oracle sentinel"):
            market.set_sentinel(HOUR)
        return
    feed = market.set_sentinel(HOUR)
    assert market.try_liquidate("LINK", "USDC", user) is None
    feed.send("set", 1, now)
    assert market.try_liquidate("LINK", "USDC", user) is not None
    feed.send("set", 0, now)
    assert market.try_liquidate("LINK", "USDC", user, at=now + HOUR) is not None
    assert market.try_liquidate("LINK", "USDC", user, at=now + HOUR + 1) is None


def test_sentinel_counts_from_the_update_or_from_the_beginning(market: Market) -> None:
    version = market.core.version
    if not version.sentinel:
        return
    user, now = market.cast["liquidatable"], market.anvil.timestamp()
    feed = market.set_sentinel(HOUR)
    feed.send("setApart", 0, now - 2 * HOUR, now)
    assert (market.try_liquidate("LINK", "USDC", user) is None) is (version.revision >= 4)
    feed.send("setApart", 0, now, now - 2 * HOUR)
    assert (market.try_liquidate("LINK", "USDC", user) is None) is (version.revision < 4)


def test_configure_and_protocol_fee(market: Market) -> None:
    market.configure("WETH", ltv=50_00, liquidation_threshold=84_00, liquidation_bonus=104_00)
    assert market.account_data(market.cast["edge"])[3:5] == (84_00, 50_00)
    market.set_protocol_fee("WETH", 33_00)
    asset = market.reserves["WETH"].token
    assert market.data_provider.call("getLiquidationProtocolFee", asset) == 33_00


def test_what_a_version_lacks_is_said(market: Market) -> None:
    version = market.core.version
    if not version.stable_rate:
        with pytest.raises(LocalnetError, match="no stable rate"):
            market.list_reserve("X", stable_rate=True)
    if version.liquid_emodes:
        source = market.reserves["WETH"].token
        with pytest.raises(LocalnetError, match="no e-mode price source"):
            market.set_emode(
                9, ltv=1, liquidation_threshold=2, liquidation_bonus=100_01, label="", price_source=source
            )


def test_receive_a_token(market: Market) -> None:
    user = market.cast["liquidatable"]
    a_token = market.reserves["LINK"].a_token
    event = market.liquidate("LINK", "USDC", user, 100 * 10**6, receive_a_token=True)["LiquidationCall"]
    assert event["debtToCover"] == 100 * 10**6
    got = market.balance(a_token, aave_v3.LIQUIDATOR)
    assert abs(got - event["liquidatedCollateralAmount"]) <= 1


def test_asking_changes_nothing(market: Market) -> None:
    block = market.anvil.block_number()
    user = market.cast["liquidatable"]
    for _ in range(2):
        assert market.try_liquidate("LINK", "USDC", user) is None
    assert market.anvil.block_number() == block


def test_every_version_is_tested(versions_left_out: list[str]) -> None:
    if versions_left_out:
        pytest.skip(f"no build of Aave v{', v'.join(versions_left_out)} in CROSSMARGIN_AAVE_BUILDS")


def test_unknown_names() -> None:
    with pytest.raises(LocalnetError, match=r"no Aave v3 version 3\.9; there are 3\.0\.2, "):
        states.saved("aave-v3.9")
    with pytest.raises(LocalnetError, match="no state is called nothing"):
        states.saved("nothing")
    with pytest.raises(LocalnetError, match=r"Aave v3\.6 is in no registry"):
        states.saved("aave-v3.6")
