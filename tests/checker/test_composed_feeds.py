"""A price source that stands on another: which aggregator that is, and how old what it says."""

from __future__ import annotations

from pathlib import Path

import pytest
from eth_abi.abi import encode

from chain.abi import Function
from chain.oracles import LATEST_ANSWER
from checker.demo.world import World
from margin.basics import Address
from tests.chain.contracts import at
from tests.chain.test_tokens_and_feeds import answering
from tests.checker.conftest import Run

VERSION = "3.2"
CAPPED = at(400)
OLD_S = 3 * 86_400


@pytest.fixture
def root(world: World) -> Address:
    """The aggregator under ether's price, which was written three days ago: the source that stands on it
    says no age of its own, as price caps do."""
    market = world.markets[VERSION]
    feed = market.feed("WETH")
    answer = feed.call("latestAnswer")
    feed.send("setAnswerAt", answer, world.anvil.timestamp() - OLD_S)
    parts = {
        LATEST_ANSWER: encode(["int256"], [answer]),
        Function("BASE_TO_USD_AGGREGATOR()", "address"): encode(["address"], [feed.address]),
    }
    world.anvil.set_code(CAPPED, answering(parts))
    market.oracle.send("setAssetSources", [market.reserves["WETH"].token], [CAPPED])
    return Address(feed.address)


@pytest.fixture
def minded(config: Path) -> Path:
    """The configuration of a chain whose clock is that of the world."""
    config.write_text(config.read_text().replace("chain_id", 'max_head_age = "9000d"\nchain_id', 1))
    return config


def test_the_check_names_it_and_doubts_it(world: World, root: Address, minded: Path, run: Run) -> None:
    document = run("check", "--json", "--config", minded).json
    accounts = [one for wallet in document["wallets"] for one in wallet["accounts"]]
    seen = 0
    for account in accounts:
        feeds = [feed for feed in account["liquidation"]["feeds"] if feed["feed"] == CAPPED]
        doubts = [note for note in account["notes"] if "oracle's answer for WETH is 3 d old" in note]
        assert len(doubts) == len(feeds)
        for feed in feeds:
            seen += 1
            assert feed["root"] == root
            assert "roots" not in feed
            assert OLD_S <= feed["age_seconds"] <= OLD_S + 60
    assert seen
    assert all(
        "root" not in feed
        for account in accounts
        for feed in account["liquidation"]["feeds"]
        if feed["feed"] != CAPPED
    )
    screen = run("check", "--config", minded).out
    assert "note: the oracle's answer for WETH is 3 d old" in screen
    assert f"stands on {root[:6]}" in screen


def test_on_a_chain_of_any_age_nothing_is_doubted(root: Address, config: Path, run: Run) -> None:
    document = run("check", "--json", "--config", config).json
    notes = [note for wallet in document["wallets"] for one in wallet["accounts"] for note in one["notes"]]
    assert not [note for note in notes if "oracle's answer" in note]


def test_the_doctor_names_it(root: Address, config: Path, run: Run) -> None:
    document = run("doctor", "--json", "--config", config).json
    feeds = [feed for chain in document["chains"] for one in chain["venues"] for feed in one["feeds"]]
    (found,) = [feed for feed in feeds if feed["feed"] == CAPPED]
    assert found["roots"] == [root]
    assert found["updated_at"] is None
    assert OLD_S <= found["age_seconds"] <= OLD_S + 60
    assert found["stale"]
    assert all("roots" not in feed for feed in feeds if feed is not found)
