"""`check` on genuine contracts: every figure against the chain's own; the order and shape of the output."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from checker import accounts_frame, check, feeds_frame, legs_frame, load_config
from checker.demo.world import NEWER, OLDER, World
from checker.report_json import to_json
from margin.errors import ConfigError
from tests.checker.conftest import Outcome, Run, schema_of

USD = 10**8


@pytest.fixture
def whole(run: Run, config: Path) -> Outcome:
    return run("check", "--json", "--config", config)


def accounts_of(document: Any) -> list[dict[str, Any]]:
    return [account for wallet in document["wallets"] for account in wallet["accounts"]]


def test_everyone_at_one_block_in_the_order_of_the_file(whole: Outcome, world: World) -> None:
    assert (whole.code, whole.err) == (2, "")
    document = whole.json
    (block,) = document["blocks"]
    head = world.anvil.request("eth_getBlockByNumber", "latest", False)
    assert (block["hash"], block["number"]) == (head["hash"], int(head["number"], 16))
    assert (block["chain"], block["chain_id"], block["timestamp"]) == (
        "local",
        31337,
        int(head["timestamp"], 16),
    )
    assert [wallet["label"] for wallet in document["wallets"]] == list(world.wallets)
    assert [wallet["wallet"] for wallet in document["wallets"]] == list(world.wallets.values())


def test_every_verdict_is_the_contracts_own(whole: Outcome, world: World) -> None:
    venues = {world.venue(version): market for version, market in world.markets.items()}
    accounts = accounts_of(whole.json)
    assert len(accounts) > 30
    for account in accounts:
        market = venues[account["venue"]]
        collateral, debt, _, _, _, health = market.account_data(account["owner"])
        assert account["agrees"] is True
        assert account["reported"]["healthFactor"] == str(health)
        assert account["liquidatable"] is (health < 10**18)
        assert account["insolvent"] is (collateral < debt)
        assert (int(account["support_raw"]) < int(account["requirement_raw"])) is account["liquidatable"]
        if health < 2**256 - 1:
            assert account["health_factor"] == health / 10**18
        else:
            assert account["health_factor"] is None


def test_legs_are_balances_to_the_unit(whole: Outcome, world: World) -> None:
    for wallet in whole.json["wallets"]:
        for account in wallet["accounts"]:
            market = world.markets[NEWER if account["venue"] == world.venue(NEWER) else OLDER]
            for leg in account["collateral"]:
                reserve = market.reserves[leg["symbol"]]
                assert (leg["token"], leg["decimals"]) == (reserve.token, reserve.decimals)
                assert leg["amount_raw"] == str(market.balance(reserve.a_token, account["owner"]))
            for leg in account["debt"]:
                reserve = market.reserves[leg["symbol"]]
                owed = market.balance(reserve.variable_debt_token, account["owner"])
                if reserve.stable_debt_token:
                    owed += market.balance(reserve.stable_debt_token, account["owner"])
                assert leg["amount_raw"] == str(owed)


def test_totals_and_exposures_add_up(whole: Outcome) -> None:
    for wallet in whole.json["wallets"]:
        supplied = sum(leg["value_usd"] for a in wallet["accounts"] for leg in a["collateral"])
        owed = sum(leg["value_usd"] for a in wallet["accounts"] for leg in a["debt"])
        assert wallet["collateral_usd"] == pytest.approx(supplied)
        assert wallet["debt_usd"] == pytest.approx(owed)
        assert wallet["equity_usd"] == pytest.approx(supplied - owed)
        assert wallet["equity_usd"] == pytest.approx(sum(a["equity_usd"] for a in wallet["accounts"]))
        assert sum(e["long_usd"] for e in wallet["exposures"]) == pytest.approx(supplied)
        assert sum(e["short_usd"] for e in wallet["exposures"]) == pytest.approx(owed)
        for exposure in wallet["exposures"]:
            assert exposure["net_usd"] == pytest.approx(exposure["long_usd"] - exposure["short_usd"])
            assert not exposure["factor"].startswith("0x")


def test_factors_net_across_tokens_and_venues(run: Run, config: Path) -> None:
    (wallet,) = run("check", "emode_loop", "--json", "--config", config).json["wallets"]
    assert [exposure["factor"] for exposure in wallet["exposures"]] == ["ETH"]
    assert len(wallet["accounts"]) == 2
    (exposure,) = wallet["exposures"]
    assert exposure["net_usd"] == pytest.approx(wallet["equity_usd"])


def test_a_token_without_a_factor_is_one_of_its_own(run: Run, config: Path, world: World) -> None:
    config.write_text(config.read_text().partition("[factors]")[0])
    (wallet,) = run("check", "edge", "--json", "--config", config).json["wallets"]
    tokens = {m.reserves[s].token for m in world.markets.values() for s in ("WETH", "USDC")}
    assert {exposure["factor"] for exposure in wallet["exposures"]} == tokens


def test_the_edge_is_exact_on_the_contracts(run: Run, config: Path, world: World) -> None:
    document = run("check", "edge", "many_assets", "--json", "--config", config).json
    tried = 0
    for account in accounts_of(document):
        market = world.markets[NEWER if account["venue"] == world.venue(NEWER) else OLDER]
        pair = account["collateral"][0]["symbol"], account["debt"][0]["symbol"], account["owner"]
        for feed in account["liquidation"]["feeds"]:
            if feed["liquidation_price_raw"] is None:
                continue
            edge = int(feed["liquidation_price_raw"])
            safe = edge + 1 if feed["direction"] == "down" else edge - 1
            assert market.health_factor(account["owner"], prices={feed["feed"]: safe}) >= 10**18
            assert market.try_liquidate(*pair, prices={feed["feed"]: safe}) is not None
            assert market.health_factor(account["owner"], prices={feed["feed"]: edge}) < 10**18
            tried += 1
        at = account["liquidation"]["at_constant_prices"]
        if at is not None:
            assert at["seconds"] == at["timestamp"] - document["blocks"][0]["timestamp"]
            assert market.health_factor(account["owner"], at=at["timestamp"] - 1) >= 10**18
            assert market.health_factor(account["owner"], at=at["timestamp"]) < 10**18
            tried += 1
    assert tried >= 10


def test_who_has_no_debt_or_nothing(run: Run, config: Path) -> None:
    outcome = run("check", "no_debt", "no_position", "--json", "--config", config)
    assert outcome.code == 0
    lender, nobody = outcome.json["wallets"]
    for account in lender["accounts"]:
        assert account["health_factor"] is None
        assert account["debt"] == []
        assert account["liquidation"]["at_constant_prices"] is None
        assert all(feed["liquidation_price_raw"] is None for feed in account["liquidation"]["feeds"])
    assert (nobody["band"], nobody["accounts"], nobody["unread"]) == ("ok", [], [])
    assert (nobody["equity_usd"], nobody["exposures"]) == (0.0, [])


def test_a_supply_that_backs_nothing_has_threshold_zero(run: Run, config: Path) -> None:
    (wallet,) = run("check", "unused_supply", "--json", "--config", config).json["wallets"]
    for account in wallet["accounts"]:
        assert {leg["symbol"]: leg["liquidation_threshold"] for leg in account["collateral"]} == {
            "WETH": 0.83,
            "USDC": 0,
        }


def test_blocked_says_why_a_liquidatable_account_is_not_liquidated(
    run: Run, config: Path, world: World
) -> None:
    world.markets[NEWER].pause("LINK")
    (wallet,) = run("check", "liquidatable", "--json", "--config", config).json["wallets"]
    newer, older = wallet["accounts"]
    assert newer["liquidatable"] is older["liquidatable"] is True
    assert isinstance(newer["blocked"], str)
    assert older["blocked"] is None
    assert any("paused" in note for note in newer["notes"])


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (["no_debt"], 0),
        (["comfortable", "no_position"], 0),
        (["emode_loop"], 1),
        (["edge", "comfortable"], 1),
        (["liquidatable", "edge"], 2),
        (["insolvent"], 2),
    ],
)
def test_exit_code_follows_the_worst(run: Run, config: Path, names: list[str], code: int) -> None:
    assert run("check", *names, "--json", "--config", config).code == code


def test_a_wallets_own_bands(run: Run, config: Path, world: World) -> None:
    def band(name: str, bands: str) -> str:
        label = f'label = "{name}"\n'
        config.write_text(world.config_text().replace(label, label + f"bands = {bands}\n"))
        return str(run("check", name, "--json", "--config", config).json["wallets"][0]["band"])

    assert band("comfortable", "{}") == "ok"
    assert band("comfortable", "{ warning = { health_factor = 3 } }") == "warning"
    assert band("emode_loop", "{ danger = { drop = 1 } }") == "danger"
    assert (
        band(
            "edge", "{ warning = { drop = 0, health_factor = 1 }, danger = { drop = 0, health_factor = 1 } }"
        )
        == "ok"
    )
    off = "drop = 0, health_factor = 1"
    assert band("edge", f"{{ warning = {{ {off}, hours = 9000 }}, danger = {{ {off} }} }}") == "warning"


def test_order_and_names_of_the_arguments(run: Run, config: Path, world: World) -> None:
    edge, whale = world.wallets["edge"], world.wallets["whale"]
    outcome = run("check", "whale", edge.lower(), "edge", "whale", edge, "--json", "--config", config)
    shown = [(wallet["label"], wallet["wallet"]) for wallet in outcome.json["wallets"]]
    assert shown == [("whale", whale), ("edge", edge)]  # the address is all of the entry of that label
    upper = "0x" + edge[2:].upper()
    assert run("check", upper, "--json", "--config", config).json["wallets"][0]["wallet"] == edge


def test_a_portfolio_is_one_wallet(run: Run, config: Path, world: World) -> None:
    a, b = world.wallets["no_debt"], world.wallets["edge"]
    text = world.config_text().partition("[[wallets]]")[0]
    config.write_text(text + f'[[wallets]]\nlabel = "fund"\naddresses = ["{a}", "{b.lower()}", "{a}"]\n')
    (wallet,) = run("check", "--json", "--config", config).json["wallets"]
    assert (wallet["wallet"], wallet["addresses"], wallet["band"]) == (a, [a, b], "danger")
    venues = [world.venue(NEWER)] * 2 + [world.venue(OLDER)] * 2
    assert [(x["venue"], x["owner"]) for x in wallet["accounts"]] == list(
        zip(venues, [a, b, a, b], strict=True)
    )


def test_the_same_values_from_python(config: Path, whole: Outcome) -> None:
    report = check(load_config(config))
    assert to_json(report) == whole.json
    schema_of("check").validate(to_json(report))
    accounts = accounts_of(whole.json)
    frame = accounts_frame(report)
    assert list(frame["support_raw"]) == [account["support_raw"] for account in accounts]
    assert list(frame["band"]) == [account["band"] for account in accounts]
    legs = [leg["amount_raw"] for account in accounts for leg in account["collateral"] + account["debt"]]
    assert list(legs_frame(report)["amount_raw"]) == legs
    edges = [
        feed["liquidation_price_raw"] for account in accounts for feed in account["liquidation"]["feeds"]
    ]
    assert [None if pd.isna(cell) else cell for cell in feeds_frame(report)["liquidation_price_raw"]] == edges


def test_the_same_block_gives_the_same_bytes(run: Run, config: Path, world: World) -> None:
    anvil = world.anvil
    anvil.mine(anvil.timestamp() + 12)
    number = anvil.block_number()
    block = anvil.request("eth_getBlockByNumber", "latest", False)
    first = run("check", "--json", "--config", config)
    for _ in range(3):
        anvil.mine(anvil.timestamp() + 3600)
    assert run("check", "--json", "--config", config).json["blocks"][0]["number"] == number + 3
    for spec in (number, block["hash"], f"local={number}", block["hash"].upper().replace("0X", "0x")):
        assert run("check", "--json", "--config", config, "--block", spec).out == first.out
    assert run("check", "--json", "--config", config, "--block", "latest").code == 2
    assert run("check", "--json", "--config", config, "--block", "safe").code in (2, 3)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("99999999", "no block 99999999; the head is"),
        ("0x" + "12" * 32, "no block 0x1212"),
        ("yesterday", "block: 'yesterday' is not latest"),
        ("-5", "block: '-5' is not latest"),
        ("0x12", "block: '0x12' is not latest"),
        ("mainnet=5", "--block: no chain 'mainnet' is configured"),
        ("1", "--block: the node has no state of block 1"),
    ],
)
def test_a_block_that_is_not_there(run: Run, config: Path, spec: str, says: str) -> None:
    assert says in run("check", "--json", "--config", config, f"--block={spec}").complaint


def test_blocks_of_several_chains() -> None:
    from checker.snapshot import BlockChoice

    choice = BlockChoice.parse(["finalized", "b=7"], ["a", "b", "c"])
    assert [choice.of(chain) for chain in "abc"] == ["finalized", "7", "finalized"]
    assert BlockChoice.parse(["7", "a=1"], ["a", "b"]).of("b") == "7"
    for values in (["7"], ["7", "8"], ["0x" + "1" * 64]):
        with pytest.raises(ConfigError, match="CHAIN=N"):
            BlockChoice.parse(values, ["a", "b"])
