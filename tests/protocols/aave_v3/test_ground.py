"""The ground under an account, changed for real on genuine contracts, and told in sentences."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import pytest

from checker.watch.ground import ground_moved, kept
from localnet.aave_v3 import Market
from localnet.aave_v3.standard import ETH_EMODE, STAKED_EMODE, raw_of, wallet
from localnet.solc import own
from margin.basics import ZERO_ADDRESS
from tests.protocols.aave_v3.subject import Genuine

USER = wallet("grounded")
Ground = Mapping[str, str | int]


def ground(empty: Genuine) -> Ground:
    """Of the user, as the store gives it back."""
    venue, account = empty.one(USER)
    found = venue.ground(account)
    again: Ground = json.loads(json.dumps(dict(found)))
    assert again == found
    return again


def settled(market: Market) -> None:
    market.supply(USER, "WETH", raw_of(market, "WETH", 10_000))
    market.borrow(USER, "USDC", raw_of(market, "USDC", 1_000))


SWITCHES: dict[str, tuple[Callable[[Market], None], Callable[[Market], None], str]] = {
    "paused": (lambda m: m.pause("WETH"), lambda m: m.unpause("WETH"), "WETH"),
    "frozen": (lambda m: m.freeze("USDC"), lambda m: m.unfreeze("USDC"), "USDC"),
}


@pytest.mark.parametrize("switch", SWITCHES)
def test_a_switch_is_told_on_and_off(empty: Genuine, switch: str) -> None:
    on, off, symbol = SWITCHES[switch]
    with empty.node.undone():
        settled(empty.market)
        before = ground(empty)
        on(empty.market)
        during = ground(empty)
        off(empty.market)
        after = ground(empty)
        assert f"{symbol} was {switch}" in ground_moved(before, during)
        assert f"{symbol} is no longer {switch}" in ground_moved(during, after)
        # From v3.6 the loan to value that a freeze took does not come back by itself.
        assert all("loan to value" in sentence for sentence in ground_moved(before, after))


def test_terms_caps_and_fees(empty: Genuine) -> None:
    market = empty.market
    with empty.node.undone():
        settled(market)
        before = ground(empty)
        assert before["WETH: liquidation threshold"] == "83.00 %"
        assert before["USDC: supply cap"] == "none"
        market.configure("WETH", ltv=75_25, liquidation_threshold=81_05, liquidation_bonus=107_50)
        market.set_protocol_fee("WETH", 12_34)
        market.configurator.send("setSupplyCap", market.reserves["USDC"].token, 900_000_000)
        market.configurator.send("setBorrowCap", market.reserves["USDC"].token, 800_000_000)
        after = ground(empty)
        assert ground_moved(before, after) == [
            "WETH: loan to value 80.50 % → 75.25 %",
            "WETH: liquidation threshold 83.00 % → 81.05 %",
            "WETH: liquidation bonus 5.00 % → 7.50 %",
            "WETH: liquidation fee 10.00 % → 12.34 %",
            "USDC: supply cap none → 900,000,000",
            "USDC: borrow cap none → 800,000,000",
        ]
        market.configurator.send("setSupplyCap", market.reserves["USDC"].token, 0)
        assert ground_moved(after, ground(empty)) == ["USDC: supply cap 900,000,000 → none"]


def test_what_the_account_does_not_stand_on_is_silent(empty: Genuine) -> None:
    market = empty.market
    with empty.node.undone():
        settled(market)
        before = ground(empty)
        market.configure("WBTC", ltv=60_00, liquidation_threshold=70_00, liquidation_bonus=107_50)
        market.pause("LINK")
        market.set_price("WETH", 10**11)
        market.warp(86_400)
        after = ground(empty)
        assert ground_moved(before, after) == []
        # It enters and leaves a reserve: that is its own doing.
        market.supply(USER, "WBTC", 10**6)
        entered = ground(empty)
        assert ground_moved(after, entered) == []
        assert ground_moved(entered, after) == []
        # What a reserve was like when the account last stood on it is kept for when it comes back.
        assert kept(entered, after)["WBTC: liquidation threshold"] == "70.00 %"
        assert kept(before, {**before, "WETH: paused": True})["WETH: paused"] is True


def test_price_source_oracle_and_sentinel(empty: Genuine) -> None:
    market = empty.market
    with empty.node.undone():
        settled(market)
        before = ground(empty)
        old, new = market.reserves["WETH"].feed, market.new_feed("another ETH / USD", 2_000 * 10**8)
        assert before["price source of WETH"] == old
        market.set_price_source(market.reserves["WETH"].token, new)
        moved = ground(empty)
        assert ground_moved(before, moved) == [f"price source of WETH changed from {old} to {new}"]

        fallback = market.oracle.address  # any contract will do
        market.oracle.send("setFallbackOracle", fallback)
        fell_back = ground(empty)
        assert ground_moved(moved, fell_back) == [f"fallback price oracle changed from none to {fallback}"]
        if market.core.version.sentinel:
            market.set_sentinel(3_600)
            (sentence,) = ground_moved(fell_back, ground(empty))
            sentinel = market.addresses_provider.call("getPriceOracleSentinel")
            assert sentence == f"sequencer sentinel changed from none to {sentinel}"


def test_another_oracle_contract_is_told(empty: Genuine) -> None:
    """The same source behind another oracle: what the pool asks has changed all the same."""
    market = empty.market
    with empty.node.undone():
        settled(market)
        before = ground(empty)
        other = wallet("another oracle")
        code = market.anvil.request("eth_getCode", market.oracle.address, "latest")
        market.anvil.request("anvil_setCode", other, code)
        sources = market.evm.at(other, market.oracle.abi, "Oracle")
        for reserve in market.reserves.values():
            sources.send("setAssetSources", [reserve.token], [reserve.feed])
        market.addresses_provider.send("setPriceOracle", other)
        sentences = ground_moved(before, ground(empty))
        assert f"price oracle changed from {market.oracle.address} to {other}" in sentences


def test_e_mode_terms_and_members(empty: Genuine) -> None:
    market = empty.market
    liquid = market.core.version.liquid_emodes
    with empty.node.undone():
        market.supply(USER, "WETH", raw_of(market, "WETH", 10_000))
        market.enter_emode(USER, ETH_EMODE)
        before = ground(empty)
        assert before["e-mode 1: label"] == "ETH correlated"
        assert before["WETH: collateral of e-mode 1"] == "yes"
        market.set_emode(
            ETH_EMODE, ltv=92_00, liquidation_threshold=94_00, liquidation_bonus=101_50, label="ETH only"
        )
        changed = ground(empty)
        assert ground_moved(before, changed) == [
            "e-mode 1: label ETH correlated → ETH only",
            "e-mode 1: loan to value 93.00 % → 92.00 %",
            "e-mode 1: liquidation threshold 95.00 % → 94.00 %",
            "e-mode 1: liquidation bonus 1.00 % → 1.50 %",
        ]
        weth = market.reserves["WETH"].token
        if liquid:
            market.configurator.send("setAssetCollateralInEMode", weth, ETH_EMODE, False)
        else:
            market.configurator.send("setAssetEModeCategory", weth, 0)
        sentences = ground_moved(changed, ground(empty))
        assert "WETH: collateral of e-mode 1 yes → no" in sentences


def test_an_e_modes_own_price_source(empty: Genuine) -> None:
    """Before v3.2: the asset that prices the mode, and the feed behind that asset."""
    market = empty.market
    if market.core.version.liquid_emodes:
        return
    with empty.node.undone():
        market.supply(USER, "cbETH", raw_of(market, "cbETH", 10_000))
        market.enter_emode(USER, STAKED_EMODE)
        before = ground(empty)
        asset = before["asset that prices e-mode 3"]
        assert asset != ZERO_ADDRESS
        feed = market.new_feed("another", 2_200 * 10**8)
        market.set_price_source(str(asset), feed)
        (sentence,) = ground_moved(before, ground(empty))
        assert (
            sentence
            == f"price source of e-mode 3 changed from {before['price source of e-mode 3']} to {feed}"
        )


def test_a_pools_new_revision(empty: Genuine) -> None:
    before = ground_of_whale(empty)
    assert before["pool revision"] == empty.market.core.version.said_revision
    assert ground_moved(before, {**before, "pool revision": 99}) == [
        f"pool revision {empty.market.core.version.said_revision} → 99"
    ]


def ground_of_whale(empty: Genuine) -> Ground:
    venue, account = empty.one(empty.market.cast["whale"])
    return venue.ground(account)


def test_two_tokens_of_one_name_are_told_apart(empty: Genuine) -> None:
    market = empty.market
    with empty.node.undone():
        settled(market)
        plain = ground(empty)
        other = market.evm.deploy(own("Token"), "Another", "WETH", 18).address
        market.list_reserve("ANOTHER", 18, 10**8, token=other)
        named = ground(empty)
        weth = market.reserves["WETH"].token
        assert named[f"WETH ({weth}): liquidation threshold"] == plain["WETH: liquidation threshold"]
        assert "WETH: liquidation threshold" not in named
