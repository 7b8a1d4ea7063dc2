"""Rounds on genuine markets: what is said when prices move, the node goes, and what happened is done."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from checker.bands import Band
from checker.watch.log import nobody
from checker.watch.values import Kind
from checker.watch.watcher import Watcher
from margin.errors import ConfigError
from tests.checker.watch.scene import IMPATIENT, WALLETS, Scene, changes, entry
from tests.faults import NodeError, Refuse


def test_what_is_bad_at_first_sight_is_told_once(scene: Scene) -> None:
    assert scene.watcher.once() == 2
    assert sorted(changes(scene.channel.taken())) == [
        (Kind.BAND, "edge", "ok", "danger"),
        (Kind.BAND, "liquidatable", "ok", "liquidatable"),
    ]
    scene.market.anvil.mine()
    assert scene.round() == []
    assert scene.round(60) == []


def test_a_price_that_falls_step_by_step_and_comes_back(scene: Scene) -> None:
    scene.watcher.once()
    scene.channel.taken()
    told = []
    for share in (0.999, 0.97, 0.99, 1.0005, 1 / (0.999 * 0.97 * 0.99 * 1.0005), 1.4, 1 / 1.4):
        scene.move("WETH", share)
        told += changes(scene.round())
    edge = [(old, new) for _, name, old, new in told if name == "edge"]
    assert edge == [
        ("danger", "liquidatable"),
        ("liquidatable", "danger"),
        ("danger", "ok"),
        ("ok", "danger"),
    ]
    assert {name for _, name, _, _ in told} == {"edge"}


def test_what_kills_it_and_what_to_do_is_said(scene: Scene) -> None:
    scene.watcher.once()
    said = entry(scene.channel.taken(), "edge")
    text = "\n".join(said.sentences)
    assert "dies when WETH is at 1,980.31016400" in text
    assert "at constant prices dies on 20" in text
    assert "to be back at health 1.25: repay " in text
    words = {"ok", "warning", "danger", "liquidatable", "unknown"}
    assert not words & set(text.replace(",", " ").replace(":", " ").split())
    amount = round(float(text.split("repay ")[1].split(" USDC")[0].replace(",", "")) * 10**6)
    scene.market.repay(scene.market.cast["edge"], "USDC", amount)
    assert scene.market.health_factor(scene.market.cast["edge"]) >= 125 * 10**16


def test_what_changed_since_the_last_message_stands_beside_what_is(scene: Scene) -> None:
    scene.watcher.once()
    first = {fact.name: fact.value for fact in entry(scene.channel.taken(), "edge").facts}
    assert (first["lowest health"], first["price of WETH"]) == ("1.0200", "2,019.91636871")
    scene.move("WETH", 0.97)
    second = {fact.name: fact.value for fact in entry(scene.round(), "edge").facts}
    assert second["lowest health"] == "0.9894 (was 1.0200)"
    assert second["price of WETH"] == "1,959.31887764 (was 2,019.91636871)"
    assert second["price of USDC"] == first["price of USDC"]
    scene.move("WETH", 1 / 0.97)
    third = {fact.name: fact.value for fact in entry(scene.round(), "edge").facts}
    assert third["lowest health"] == "1.0200 (was 0.9894)"


def test_blind_is_said_after_the_grace_and_sight_again_before_any_recovery(scene: Scene) -> None:
    scene.watcher.once()
    scene.channel.taken()
    scene.proxy.add(Refuse(times=None))
    assert scene.round(31) == []
    told = [scene.round(31), scene.round(31)]
    blind = [message for messages in told for message in messages]
    assert {(name, new) for _, name, _, new in changes(blind)} == {
        *((name, "unknown") for name in WALLETS),
        ("the watch of local", "unknown"),
    }
    assert "cannot read local" in entry(blind, "the watch of local").sentences[0]
    assert scene.watcher.trouble() is not None
    assert scene.round(60) == []
    scene.proxy.clear()
    again = scene.round(31)
    assert {(name, new) for _, name, _, new in changes(again)} == {
        ("liquidatable", "liquidatable"),
        ("edge", "danger"),
        ("comfortable", "ok"),
        ("the watch of local", "ok"),
    }
    assert scene.watcher.trouble() is None


def test_a_liquidation_is_told_as_one_and_never_as_a_recovery(scene: Scene) -> None:
    scene.watcher.once()
    scene.channel.taken()
    receipt = scene.market.liquidate("LINK", "USDC", scene.market.cast["liquidatable"])
    messages = scene.round()
    (message,) = [one for one in messages if one.entries[0].name == "liquidatable"]
    assert message.kind is Kind.LIQUIDATED
    text = "\n".join(message.entries[0].sentences)
    assert receipt["transactionHash"] in text
    assert "USDC of its debt repaid" in text
    assert "LINK seized, at a cost of $" in text
    scene.market.anvil.mine()
    assert changes(scene.round()) == []


def test_a_liquidation_while_nobody_looked_is_told_by_the_next_run(scene: Scene) -> None:
    scene.watcher.once()
    scene.channel.taken()
    scene.market.liquidate("LINK", "USDC", scene.market.cast["liquidatable"])
    scene.clock[0] += 3_600
    another_run(scene).once()
    assert Kind.LIQUIDATED in {message.kind for message in scene.channel.taken()}


def test_a_liquidation_in_blocks_whose_venue_could_not_be_read_is_told_by_the_next_look(scene: Scene) -> None:
    scene.watcher.once()
    scene.channel.taken()
    scene.market.liquidate("LINK", "USDC", scene.market.cast["liquidatable"])
    scene.proxy.add(NodeError(-32000, "internal error", times=None, method="eth_call"))
    assert scene.round() == []
    scene.proxy.clear()
    assert Kind.LIQUIDATED in {message.kind for message in scene.round(31)}


def test_a_watch_of_nothing_is_refused(scene: Scene) -> None:
    config = scene.watcher.config
    bare = replace(config, chains=tuple(replace(chain, venues=()) for chain in config.chains))
    watcher = Watcher(bare, scene.watcher.store, {}, nobody)
    with pytest.raises(ConfigError, match="no venue is known"):
        watcher.once()


def test_ground_that_moves_is_told(scene: Scene) -> None:
    scene.watcher.once()
    scene.channel.taken()
    scene.market.configure("WETH", ltv=70_00, liquidation_threshold=78_00, liquidation_bonus=105_00)
    messages = scene.round()
    ground = [message for message in messages if message.kind is Kind.GROUND]
    names = {one.name for message in ground for one in message.entries}
    assert {"edge", "comfortable"} <= names
    assert "WETH: liquidation threshold 83.00 % → 78.00 %" in "\n".join(entry(ground, "edge").sentences)


def test_ground_that_moved_while_nobody_looked_is_told_by_the_next_run(scene: Scene) -> None:
    scene.watcher.once()
    scene.channel.taken()
    scene.market.configure("WETH", ltv=70_00, liquidation_threshold=78_00, liquidation_bonus=105_00)
    another_run(scene).once()
    assert Kind.GROUND in {message.kind for message in scene.channel.taken()}


def test_how_each_wallet_stood_is_kept_when_it_changes_and_once_an_hour(scene: Scene) -> None:
    scene.watcher.once()
    for share, seconds in ((1.0, 61), (1.004, 61), (1.01, 61), (1.0, 61), (1.0, 1800), (1.0, 1801)):
        scene.move("WETH", share)
        scene.round(seconds)
    history = list(scene.watcher.store.history(scene.market.cast["edge"]))
    assert {check.band for check in history} == {Band.DANGER}
    assert [round(check.figures["lowest_health"], 3) for check in history] == [1.02, 1.034, 1.034]
    assert [after.at - before.at for before, after in pairwise(history)] == [183.0, 3662.0]


def another_run(scene: Scene) -> Watcher:
    return Watcher(
        scene.watcher.config, scene.watcher.store, scene.watcher.channels, nobody,
        node_patience=IMPATIENT, now=lambda: scene.clock[0],
    )  # fmt: skip


def test_a_band_of_a_block_that_was_replaced_is_corrected_and_said_to_be(scene: Scene) -> None:
    scene.watcher.once()
    scene.channel.taken()
    snapshot = scene.market.anvil.snapshot()
    scene.move("WETH", 0.9)
    assert ("edge", "liquidatable") in {(name, new) for _, name, _, new in changes(scene.round())}
    scene.market.anvil.revert(snapshot)
    for _ in range(6):
        scene.market.anvil.mine()
    corrected = entry(scene.round(), "edge")
    assert (corrected.old, corrected.new) == (Band.LIQUIDATABLE, Band.DANGER)
    assert "was replaced" in corrected.sentences[0]
