"""The watch watches itself: each trouble of its own is told once it lasts, and so is its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from sqlalchemy import Engine, event
from sqlalchemy.exc import OperationalError

from chain.abi import Function
from chain.oracles import LATEST_ANSWER
from checker.bands import Band
from checker.demo.world import World
from checker.watch import last_word
from checker.watch.endpoints import MUTE_S
from checker.watch.last_word import AFTER_S, LastWord
from checker.watch.log import nobody
from checker.watch.own import STUCK_AFTER_S
from checker.watch.pace import STOOD_STILL_S, Pace
from checker.watch.sending import Gone, NotNow
from checker.watch.store import WatchStore
from checker.watch.values import ChannelKey, Entry, Kind, Message
from checker.watch.watcher import Watcher
from margin.errors import StoreError
from tests.chain.contracts import at
from tests.chain.test_tokens_and_feeds import answering
from tests.checker.test_snapshot import SwapViews
from tests.checker.watch.made import Inbox
from tests.checker.watch.scene import IMPATIENT, Scene, Taken, changes, entry
from tests.faults import Exchange, Fault, FaultProxy, NoOverrides, OldHead, OtherChain, Refuse

GRACE = 41.0


# --- endpoints -----------------------------------------------------------------------------------------


@pytest.fixture
def second(world: World) -> Iterator[FaultProxy]:
    with FaultProxy(world.anvil.url) as proxy:
        yield proxy


@pytest.fixture
def two(scene: Scene, second: FaultProxy) -> Scene:
    """The scene with a second endpoint on the same node."""
    return other_chain(scene, urls=(scene.proxy.url, second.url))


def other_chain(scene: Scene, **changed: Any) -> Scene:
    (chain,) = scene.watcher.config.chains
    config = replace(scene.watcher.config, chains=(replace(chain, **changed),))
    watcher = Watcher(
        config, scene.watcher.store, scene.watcher.channels, nobody,
        node_patience=IMPATIENT, now=lambda: scene.clock[0],
    )  # fmt: skip
    return replace(scene, watcher=watcher)


def compared(scene: Scene, seconds: float = GRACE) -> list[Message]:
    """Looks at all endpoints, each for a block that is older, over the time of grace."""
    found = []
    for wait in (1.0, 1.0, seconds):
        scene.market.anvil.mine()
        (watch,) = scene.watcher.rounds.chains.values()
        scene.watcher.compare(watch)
        found += scene.round(wait)
    return found


def test_an_endpoint_that_fell_behind_is_told_and_so_is_its_return(two: Scene, second: FaultProxy) -> None:
    two.watcher.once()
    two.channel.taken()
    assert compared(two) == []
    behind = two.world.anvil.block_number() - 1
    second.add(Behind(behind))
    message = entry(compared(two), "the endpoints of local")
    assert (message.old, message.new) == (Band.OK, Band.UNKNOWN)
    assert "local[1] differs from the others: " in message.sentences[0]
    assert f"the head is {behind}" in message.sentences[0]
    assert compared(two) == []
    second.clear()
    back = entry(compared(two), "the endpoints of local")
    assert (back.old, back.new) == (Band.UNKNOWN, Band.OK)


def test_a_shorter_branch_is_no_difference(two: Scene) -> None:
    """What was decided from is not there any more, anywhere: nothing shows that the endpoints differ."""
    two.watcher.once()
    with two.world.anvil.undone():
        for _ in range(5):
            two.market.anvil.mine()
        compared(two)
    (watch,) = two.watcher.rounds.chains.values()
    watch.compare(two.clock[0])
    assert watch.differing(two.clock[0]) is None


def test_an_endpoint_of_another_chain_is_told(two: Scene, second: FaultProxy) -> None:
    two.watcher.once()
    two.channel.taken()
    second.add(OtherChain(5))
    (sentence,) = entry(compared(two), "the endpoints of local").sentences
    assert "local[1] differs from the others: wrong_chain: chain id 5, expected 31337" in sentence


def test_endpoints_on_different_branches_are_told_apart(two: Scene, second: FaultProxy) -> None:
    two.watcher.once()
    two.channel.taken()
    second.add(OtherBranch(times=None))
    (sentence,) = entry(compared(two), "the endpoints of local").sentences
    assert sentence.startswith("they show different blocks ")
    assert "at local[0]; 0xabab…abab at local[1]" in sentence


@dataclass
class OtherBranch(Fault):
    """Blocks asked for by number have another hash than at the others."""

    def after(self, exchange: Exchange) -> None:
        for ask, answer in exchange.answers():
            if ask["method"] == "eth_getBlockByNumber" and ask["params"][0] != "latest":
                answer["result"]["hash"] = "0x" + "ab" * 32


@dataclass
class Behind(OldHead):
    """A node that has no block after this one."""

    def after(self, exchange: Exchange) -> None:
        for ask, answer in exchange.answers():
            if ask["method"] == "eth_getBlockByNumber" and int(ask["params"][0], 16) > self.number:
                answer["result"] = None


def test_an_endpoint_that_is_mute_for_long_is_told(two: Scene, second: FaultProxy) -> None:
    two.watcher.once()
    two.channel.taken()
    second.add(Refuse(times=None))
    assert compared(two) == []
    assert two.watcher.rounds.chains["local"].endpoints.answering() == {"local[0]": True, "local[1]": False}
    two.clock[0] += MUTE_S
    (sentence,) = entry(compared(two), "the endpoints of local").sentences
    assert sentence.startswith("local[1] has not answered for 15 m")
    assert second.url not in sentence


# --- oracles and figures -------------------------------------------------------------------------------


def test_an_oracle_that_is_not_written_is_told_and_that_it_is_again(scene: Scene) -> None:
    aged = other_chain(scene, max_head_age_s=10**9)
    aged.watcher.once()
    aged.channel.taken()
    aged.market.warp(27 * 3600)
    for symbol in ("WBTC", "LINK"):
        aged.move(symbol, 1.0)
    messages = [*aged.round(31), *aged.round(GRACE)]
    old = {one.name: one for message in messages if message.kind is Kind.WATCH for one in message.entries}
    assert "the price of WETH at local/aave-v3" in old
    assert not [name for name in old if "LINK" in name], old
    assert "the oracle's answer is 1 d" in old["the price of WETH at local/aave-v3"].sentences[0]
    aged.move("WETH", 1.0)
    again = entry(aged.round(31), "the price of WETH at local/aave-v3")
    assert (again.old, again.new) == (Band.UNKNOWN, Band.OK)


def test_a_source_that_says_no_age_is_as_old_as_what_it_stands_on(scene: Scene) -> None:
    """As Aave's price caps: they answer, and do not say when that was written."""
    aged = other_chain(scene, max_head_age_s=10**9)
    market, feed = aged.market, aged.market.feed("WETH")
    parts = {
        LATEST_ANSWER: encode(["int256"], [feed.call("latestAnswer")]),
        Function("BASE_TO_USD_AGGREGATOR()", "address"): encode(["address"], [feed.address]),
    }
    market.anvil.set_code(at(400), answering(parts))
    market.oracle.send("setAssetSources", [market.reserves["WETH"].token], [at(400)])
    aged.watcher.once()
    aged.channel.taken()
    aged.market.warp(27 * 3600)
    messages = [*aged.round(31), *aged.round(GRACE)]
    old = {one.name for message in messages if message.kind is Kind.WATCH for one in message.entries}
    assert "the price of WETH at local/aave-v3" in old
    aged.watcher.rounds.chains["local"].following.whole_every_s = 0.0
    aged.move("WETH", 1.0)
    again = entry(aged.round(31), "the price of WETH at local/aave-v3")
    assert (again.old, again.new) == (Band.UNKNOWN, Band.OK)


def test_of_a_chain_whose_head_may_be_of_any_age_no_oracle_is_called_old(scene: Scene) -> None:
    scene.watcher.once()
    scene.channel.taken()
    scene.market.warp(27 * 3600)
    messages = [*scene.round(31), *scene.round(GRACE)]
    assert Kind.WATCH not in {message.kind for message in messages}


def test_figures_that_differ_from_the_pools_own_are_told(scene: Scene) -> None:
    scene.watcher.once()
    scene.channel.taken()
    scene.proxy.add(NoOverrides(times=None), SwapViews(times=None))
    scene.watcher.rounds.chains["local"].following.whole_every_s = 0.0
    messages = [*scene.round(31), *scene.round(GRACE)]
    wrong = [one for message in messages for one in message.entries if one.name.startswith("the figures")]
    (figures,) = wrong
    assert "the protocol says healthFactor" in "\n".join(figures.sentences)
    scene.proxy.clear()
    back = [*scene.round(31)]
    assert [one.new for message in back for one in message.entries if one.name.startswith("the figures")] == [
        Band.OK
    ]


# --- the watch itself ----------------------------------------------------------------------------------


@dataclass
class Shut:
    """A channel that does not take anything now."""

    error: Exception = field(default_factory=lambda: NotNow(None, "the server is busy"))
    asked: int = 0

    def send(self, *_: object) -> None:
        self.asked += 1
        raise self.error


def with_channels(scene: Scene, channels: dict[ChannelKey, Any]) -> Watcher:
    return Watcher(
        scene.watcher.config, scene.watcher.store, channels, nobody,
        node_patience=IMPATIENT, now=lambda: scene.clock[0], names={"mail-1": "operations"},
    )  # fmt: skip


def test_a_channel_that_takes_nothing_is_told_by_the_other_and_never_by_itself(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("checker.watch.watcher.DRAIN_S", 1.0)
    shut, taken = Shut(), Taken()
    mail, chat = ChannelKey("mail-1", Band.WARNING), ChannelKey("chat-1", Band.WARNING)
    watcher = with_channels(scene, {mail: shut, chat: taken})
    watcher.once()
    assert len(taken.taken()) == 2
    for wait in (STUCK_AFTER_S, GRACE):
        scene.clock[0] += wait
        scene.market.anvil.mine()
        watcher.look(watcher.rounds.chains["local"])
        watcher.mind()
        watcher.deliver()
    stuck = entry(taken.taken(), "delivery to operations")
    assert stuck.new is Band.UNKNOWN
    assert "2 messages could not be delivered, the oldest for 15 m" in stuck.sentences[0]
    assert "the server is busy" in stuck.sentences[0]
    assert not [one for one in scene.watcher.store.pending() if one.message.kind is Kind.WATCH]
    shut.send = taken.send  # type: ignore[method-assign, assignment]
    scene.clock[0] += 3_600
    watcher.deliver()
    taken.taken()
    watcher.look(watcher.rounds.chains["local"])
    watcher.mind()
    watcher.deliver()
    assert entry(taken.taken(), "delivery to operations").new is Band.OK


def test_a_job_that_fails_and_fails_is_told(scene: Scene) -> None:
    """The scheduler for real: a channel with a bug, and one that works."""
    taken = Taken()
    broken, chat = ChannelKey("mail-1", Band.WARNING), ChannelKey("chat-1", Band.WARNING)
    watcher = with_channels(scene, {broken: Shut(RuntimeError("a bug")), chat: taken})
    watcher.now = watcher.rounds.now = time.time
    watcher.patience = watcher.rounds.patience = replace(watcher.patience, grace_s=0.0)
    watcher.pace = Pace(poll_s=0.1, interval_s=0.2, deliver_s=0.05)
    thread = threading.Thread(target=watcher.run, daemon=True)
    thread.start()
    end = time.monotonic() + 30
    while not any("job" in one.name for m in taken.messages for one in m.entries) and time.monotonic() < end:
        time.sleep(0.05)
    watcher.stop()
    thread.join(30)
    told = next(one for m in taken.messages for one in m.entries if "job" in one.name)
    assert told.name == "the job delivery operations of the watch"
    assert told.sentences == ("job delivery operations failed: RuntimeError",)


def test_a_watch_that_stood_still_says_so_once(scene: Scene) -> None:
    scene.watcher.once()
    scene.round()
    scene.channel.taken()
    messages = scene.round(STOOD_STILL_S + 1)
    (still,) = [one for m in messages for one in m.entries if one.name == "the watch"]
    assert "it did nothing from 2027-01-15 08:00:05 UTC to 2027-01-15 08:03:06 UTC" in still.sentences[0]
    assert not [one for m in scene.round() for one in m.entries if one.name == "the watch"]


# --- the last word -------------------------------------------------------------------------------------


@pytest.fixture
def broken() -> Iterator[list[bool]]:
    """While the one entry is true every statement that writes fails."""
    on = [False]

    def fail(_c: Any, _k: Any, statement: str, *_: object) -> None:
        if on[0] and statement.lstrip().startswith(("INSERT", "UPDATE", "DELETE")):
            raise OperationalError(statement, {}, Exception("disk full"))

    event.listen(Engine, "before_cursor_execute", fail)
    yield on
    event.remove(Engine, "before_cursor_execute", fail)


def test_a_store_that_cannot_be_written_is_told_past_it_and_so_is_its_return(
    scene: Scene, broken: list[bool]
) -> None:
    scene.watcher.once()
    scene.channel.taken()
    broken[0] = True
    for seconds, count in ((0.0, 0), (AFTER_S - 1, 0), (1.0, 1), (60.0, 0), (600.0, 0)):
        scene.clock[0] += seconds
        with pytest.raises(StoreError):
            scene.watcher.mind()
        messages = scene.channel.taken()
        assert len(messages) == count, seconds
        if messages:
            assert changes(messages) == [(Kind.WATCH, "the store of the watch", "ok", "unknown")]
            assert "cannot be written" in messages[0].entries[0].sentences[0]
    broken[0] = False
    back = entry(scene.round(), "the store of the watch")
    assert (back.old, back.new) == (Band.UNKNOWN, Band.OK)
    assert "the store of the watch" not in {one.name for m in scene.round() for one in m.entries}


def test_the_last_word_is_tried_again_where_it_was_not_taken(tmp_path: Path) -> None:
    busy, gone, well = Inbox(fails=[NotNow(None, "busy")]), Inbox(fails=[Gone("404")]), Inbox()
    keys = [ChannelKey(f"{name}-1", Band.DANGER) for name in ("busy", "gone", "well")]
    clock = [0.0]
    with WatchStore.open(f"sqlite:///{tmp_path / 'watch.db'}") as store:
        word = LastWord(store, dict(zip(keys, (busy, gone, well), strict=True)), lambda: clock[0])
        error = StoreError("store", "disk full")
        word.failing(error)
        clock[0] = AFTER_S
        for _ in range(3):
            word.failing(error)
        assert (busy.asked, gone.asked, well.asked) == (1, 1, 1)
        clock[0] += last_word.AGAIN_S
        word.failing(error)
        assert (len(busy.took), len(gone.took), len(well.took)) == (1, 1, 1)
        assert (busy.asked, gone.asked, well.asked) == (2, 2, 1)
        word.well()
        word.well()
        assert [one.channel for one in store.pending()] == ["well-1", "busy-1", "gone-1"]


# --- not only for those who stay -----------------------------------------------------------------------


def test_one_look_of_a_cron_job_waits_out_the_grace_before_it_says_that_it_is_blind(scene: Scene) -> None:
    scene.watcher.patience = scene.watcher.rounds.patience = replace(scene.watcher.patience, grace_s=0.3)
    scene.watcher.pace = Pace(poll_s=0.1)
    scene.watcher.now = scene.watcher.rounds.now = time.time
    scene.proxy.add(Refuse(times=None))
    assert scene.watcher.once() == 3
    told: dict[str, Entry] = {one.name: one for m in scene.channel.taken() for one in m.entries}
    assert {one.new for one in told.values()} == {Band.UNKNOWN}
    assert set(told) == {"the watch of local", "edge", "comfortable", "liquidatable"}


def test_a_node_that_stumbles_is_no_blindness_to_a_cron_job(scene: Scene) -> None:
    scene.watcher.patience = scene.watcher.rounds.patience = replace(scene.watcher.patience, grace_s=20.0)
    scene.watcher.pace = Pace(poll_s=0.1)
    scene.proxy.add(Refuse(times=2))
    assert scene.watcher.once() == 2
    assert {one.name for m in scene.channel.taken() for one in m.entries} == {"edge", "liquidatable"}


def test_a_configuration_of_one_endpoint_has_nothing_to_compare(scene: Scene) -> None:
    scene.watcher.once()
    (watch,) = scene.watcher.rounds.chains.values()
    scene.watcher.compare(watch)
    scene.watcher.compare(watch)
    assert watch.differing(scene.clock[0]) is None
