"""A wallet in seven venues of six protocols on one chain: one check, one block, requests within bounds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from localnet.aave_v3 import standard
from localnet.many import ETHER, TREASURY, Many, many_venues
from tests.checker.conftest import Run
from tests.faults import FaultProxy

WITH_A_VIEW = [
    "local/aave-v2",
    "local/aave-v3/v3.0.2",
    "local/aave-v3/v3.2",
    "local/compound-v2",
    "local/compound-v3",
    "local/maker",
]
VENUES = [*WITH_A_VIEW, "local/morpho-blue"]
MOST_REQUESTS = 12 * len(VENUES)


@pytest.fixture(scope="module")
def many() -> Iterator[Many]:
    with many_venues() as found:
        yield found


def test_one_check_shows_them_all_at_one_block(many: Many, run: Run, tmp_path: Path) -> None:
    many.write_config(tmp_path / "c.toml", many.anvil.url, {"treasury": TREASURY})
    document = run("check", "--json", "--config", str(tmp_path / "c.toml")).json
    (block,) = document["blocks"]
    assert block["number"] == many.anvil.block_number()
    (wallet,) = document["wallets"]
    assert wallet["unread"] == []
    assert sorted(account["venue"] for account in wallet["accounts"]) == VENUES
    for account in wallet["accounts"]:
        assert account["agrees"] is (True if account["venue"] in WITH_A_VIEW else None), account
        assert account["owner"] == TREASURY
        assert sum(int(leg["amount_raw"]) for leg in account["collateral"]) >= 10 * ETHER
        assert account["debt"]
        assert account["health_factor"] > 1


def test_a_fall_of_ether_ends_each_of_them(many: Many, run: Run, tmp_path: Path) -> None:
    """Six tokens stand for it, and in one venue it is what all is counted in."""
    many.write_config(tmp_path / "c.toml", many.anvil.url, {"treasury": TREASURY})
    path = str(tmp_path / "c.toml")
    (wallet,) = run("check", "--json", "--config", path).json["wallets"]
    shocks = {
        account["venue"]: factor["shock"]
        for account in wallet["accounts"]
        for factor in account["liquidation"]["factors"]
        if factor["factor"] == "ETH"
    }
    assert sorted(shocks) == VENUES
    assert all(-1 < shock < 0 for shock in shocks.values())


def test_values_are_dollars_where_a_reference_feed_says_so(many: Many, run: Run, tmp_path: Path) -> None:
    path = str(tmp_path / "c.toml")
    many.write_config(tmp_path / "c.toml", many.anvil.url, {"treasury": TREASURY})
    (bare,) = run("check", "--json", "--config", path).json["wallets"]
    assert (bare["equity_usd"], bare["collateral_usd"]) == (None, None)
    lines = " ".join(run("check", "--config", path).out.split())
    assert "no totals: local/aave-v2: it counts in ETH: no reference feed" in lines
    references = many.references()
    many.write_config(tmp_path / "c.toml", many.anvil.url, {"treasury": TREASURY}, references)
    (wallet,) = run("check", "--json", "--config", path).json["wallets"]
    feed = many.aave_v3["3.2"].feed("WETH")
    ether_usd = int(feed.call("latestAnswer")) / 10**8
    (ether,) = [each for each in wallet["exposures"] if each["factor"] == "ETH"]
    # Maker's own chain has a price of its own.
    vault_usd = sum(leg["value_usd"] for leg in wallet["accounts"][5]["collateral"])
    assert ether["long_usd"] - vault_usd == pytest.approx(60 * ether_usd, rel=0.001)
    assert vault_usd == pytest.approx(1500, rel=0.001)
    assert wallet["equity_usd"] == pytest.approx(wallet["collateral_usd"] - wallet["debt_usd"])
    by_venue = {account["venue"]: account.get("usd_reference") for account in wallet["accounts"]}
    assert {venue: said["feed"] for venue, said in by_venue.items() if said} == {
        "local/aave-v2": references[many.aave_v2.reserves["WETH"].token],
        "local/maker": references[many.maker.addresses["MCD_DAI"]],
        "local/morpho-blue": references[many.morpho_blue.tokens["USDC"]],
    }
    # What was judged without a price in dollars is judged the same with one.
    for before, after in zip(bare["accounts"], wallet["accounts"], strict=True):
        assert before["liquidation"] == after["liquidation"]
        assert before["support_raw"] == after["support_raw"]


def test_a_reference_feed_that_says_nothing_is_no_price(many: Many, run: Run, tmp_path: Path) -> None:
    ether, token = many.aave_v2.reserves["WETH"].token, many.morpho_blue.tokens["WETH"]
    references = many.references() | {ether: token}
    many.write_config(tmp_path / "c.toml", many.anvil.url, {"treasury": TREASURY}, references)
    path = str(tmp_path / "c.toml")
    (wallet,) = run("check", "--json", "--config", path).json["wallets"]
    assert (wallet["equity_usd"], wallet["unread"], wallet["band"]) == (None, [], "warning")
    said = " ".join(run("check", "--config", path).out.replace("│", " ").split())
    assert f"it counts in ETH: oracle: price feed {token} gives no answer" in said


def test_requests_do_not_grow_with_the_wallets(many: Many, run: Run, tmp_path: Path) -> None:
    others = {f"other {number}": standard.wallet(f"other {number}") for number in range(60)}
    counts = []
    with FaultProxy(many.anvil.url) as proxy:
        for wallets in ({"treasury": TREASURY}, {"treasury": TREASURY, **others}):
            many.write_config(tmp_path / "c.toml", proxy.url, wallets)
            before = proxy.posts
            assert run("check", "--json", "--config", str(tmp_path / "c.toml")).code == 1
            counts.append(proxy.posts - before)
    assert max(counts) <= MOST_REQUESTS, counts


def test_the_doctor_finds_every_venue_well(many: Many, run: Run, tmp_path: Path) -> None:
    many.write_config(tmp_path / "c.toml", many.anvil.url, {"treasury": TREASURY})
    document = run("doctor", "--json", "--config", str(tmp_path / "c.toml")).json
    (chain,) = document["chains"]
    assert [(venue["venue"], venue["status"]) for venue in chain["venues"]] == [(one, "ok") for one in VENUES]
    assert all(venue["feeds"] for venue in chain["venues"])


def test_the_doctor_looks_at_reference_feeds_too(many: Many, run: Run, tmp_path: Path) -> None:
    path = str(tmp_path / "c.toml")
    many.write_config(tmp_path / "c.toml", many.anvil.url, {"treasury": TREASURY}, many.references())
    assert run("doctor", "--json", "--config", path).json["status"] == "ok"
    token = many.morpho_blue.tokens["WETH"]
    references = many.references() | {many.aave_v2.reserves["WETH"].token: token}
    many.write_config(tmp_path / "c.toml", many.anvil.url, {"treasury": TREASURY}, references)
    outcome = run("doctor", "--config", path)
    assert outcome.code == 3
    assert "reference feed of" in outcome.out
    assert f"price feed {token} gives no answer" in " ".join(outcome.out.split())
