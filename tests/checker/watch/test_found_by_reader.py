"""What an independent reader found: ways of staying silent, of telling twice, of telling what is not so."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr

from checker.bands import Band
from checker.config import load_config
from checker.watch import memory
from checker.watch.channels.discord import Discord, payload
from checker.watch.log import nobody
from checker.watch.memory import Happening
from checker.watch.outbox import deliver_due
from checker.watch.rendering import as_text
from checker.watch.sending import Gone, NotNow
from checker.watch.store import WatchStore
from checker.watch.values import ChannelKey, Kind, Message
from checker.watch.watcher import Watcher
from checker.watch_command import silence
from localnet.aave_v3 import Market
from margin.errors import ConfigError, StoreError
from tests.checker.watch.made import Inbox, message, seen
from tests.checker.watch.scene import IMPATIENT, Scene, Taken, changes, entry
from tests.checker.watch.test_own import Behind, Shut, broken
from tests.checker.watch.test_rounds import another_run
from tests.discord import Discord as FakeDiscord
from tests.faults import Exchange, Fault

__all__ = ["broken"]
KEY = ChannelKey("taken", Band.WARNING)


@dataclass
class Other:
    """Another watch in the same scene, of other wallets, venues or chains."""

    watcher: Watcher
    taken: Taken
    scene: Scene

    def rounds(self, count: int = 1) -> list[tuple[Kind, str, str, str]]:
        for _ in range(count):
            self.scene.market.anvil.mine()
            self.scene.clock[0] += 31
            for watch in self.watcher.rounds.chains.values():
                self.watcher.look(watch)
            self.watcher.mind()
            self.watcher.deliver()
        return changes(self.taken.taken())


def other(
    scene: Scene,
    folder: Path,
    wallets: dict[str, list[str]],
    venues: dict[str, Market] | None = None,
    chains: tuple[str, ...] = ("local",),
    more: str = "",
) -> Other:
    text = "".join(f'[chains.{name}]\nrpc = ["{scene.proxy.url}"]\nchain_id = 31337\n' for name in chains)
    for at, (name, market) in enumerate((venues or {"v": scene.market}).items()):
        provider = market.addresses_provider.address
        text += f'[[venues]]\nchain = "{chains[at % len(chains)]}"\nprotocol = "aave-v3"\nname = "{name}"\n'
        text += f'pool_addresses_provider = "{provider}"\n'
    for label, addresses in wallets.items():
        text += f'[[wallets]]\nlabel = "{label}"\naddresses = {addresses}\n'.replace("'", '"')
    url = f"sqlite:///{folder / 'other.db'}"
    (folder / "other.toml").write_text(text + more + f'[store]\nurl = "{url}"\n')
    taken = Taken()
    watcher = Watcher(
        load_config(folder / "other.toml"), WatchStore.open(url), {KEY: taken}, nobody,
        node_patience=IMPATIENT, now=lambda: scene.clock[0],
    )  # fmt: skip
    return Other(watcher, taken, scene)


def liquidated(scene: Scene) -> None:
    """And what is left of it is well."""
    scene.market.liquidate("LINK", "USDC", scene.market.cast["liquidatable"])
    scene.move("LINK", 3.0)


def lower(scene: Scene) -> None:
    scene.market.configure("WETH", ltv=70_00, liquidation_threshold=82_00, liquidation_bonus=105_00)


# --- what is seen, and when ------------------------------------------------------------------------------


def test_a_node_that_lags_is_no_reorganisation(scene: Scene) -> None:
    scene.move("WETH", 1.6)
    scene.watcher.once()
    scene.channel.taken()
    old = scene.market.anvil.block_number()
    scene.move("WETH", 1 / 1.65)
    assert [new for *_, new in changes(scene.round())] == ["liquidatable"]
    scene.proxy.add(Behind(times=None, number=old))
    assert changes(scene.round()) == []


def test_another_job_does_not_decide_from_what_has_not_been_looked_through(scene: Scene) -> None:
    scene.watcher.once()
    scene.channel.taken()
    (watch,) = scene.watcher.rounds.chains.values()
    liquidated(scene)
    scene.clock[0] += 5
    watch.look(scene.watcher.now, first=False)
    scene.watcher.mind()  # and here the process dies
    another_run(scene).once()
    told = changes(scene.channel.taken())
    assert Kind.LIQUIDATED in {kind for kind, *_ in told}
    assert Kind.BAND not in {kind for kind, *_ in told}


def test_two_chains_at_once_and_a_liquidation_on_one(scene: Scene, tmp_path: Path) -> None:
    venues = {"a": scene.world.markets["3.0.2"], "b": scene.market}
    both = other(scene, tmp_path, {"liq": [scene.market.cast["liquidatable"]]}, venues, ("alpha", "beta"))
    both.watcher.once()
    both.taken.taken()
    alpha, beta = both.watcher.rounds.chains.values()
    liquidated(scene)
    scene.world.markets["3.0.2"].set_price("LINK", 10**12)
    there = alpha._replaced

    def slowly() -> frozenset[str]:
        time.sleep(0.3)
        return there()

    alpha._replaced = slowly  # type: ignore[method-assign]
    scene.clock[0] += 5
    jobs = [threading.Thread(target=both.watcher.look, args=(one,)) for one in (alpha, beta)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    both.watcher.deliver()
    assert changes(both.taken.taken())[0][0] is Kind.LIQUIDATED


@dataclass
class Mute(Fault):
    """Questions about one contract are not answered."""

    address: str = ""

    def after(self, exchange: Exchange) -> None:
        for ask, answer in exchange.answers():
            if ask["method"] != "eth_getBlockByNumber" and self.address in str(ask["params"]).lower():
                answer.pop("result", None)
                answer["error"] = {"code": -32000, "message": "internal error"}


def test_a_fall_is_told_beside_a_venue_that_cannot_be_read(scene: Scene, tmp_path: Path) -> None:
    older = scene.world.markets["3.0.2"]
    both = other(
        scene, tmp_path, {"treasury": [scene.market.cast["comfortable"]]}, {"a": scene.market, "b": older},
        more="[bands]\nwarning = { drop = 0.2, health_factor = 1.5 }\n",
    )  # fmt: skip
    (watch,) = both.watcher.rounds.chains.values()
    watch.following.whole_every_s = 0.0
    both.watcher.once()
    scene.proxy.add(Mute(times=None, address=older.pool.address[2:].lower()))
    assert [new for *_, new in both.rounds(4)] == ["unknown", "unknown"]  # the watch, the wallet
    scene.move("WETH", 0.12)
    assert scene.market.health_factor(scene.market.cast["comfortable"]) < 1.5 * 10**18
    assert both.rounds(4) == [(Kind.BAND, "treasury", "unknown", "unknown")]
    assert both.rounds(4) == []


# --- signs of life ---------------------------------------------------------------------------------------


def test_a_watch_whose_only_channel_is_gone_is_not_well(scene: Scene) -> None:
    watcher = Watcher(
        scene.watcher.config, scene.watcher.store, {KEY: Shut(Gone("HTTP 404"))}, nobody,
        node_patience=IMPATIENT, now=lambda: scene.clock[0],
    )  # fmt: skip
    watcher.once()
    watcher.mind()
    assert {one.state.value for one in watcher.store.recent()} == {"failed"}
    assert "the last message was lost" in str(watcher.trouble())


def test_a_firewalls_refusal_is_no_deleted_webhook(tmp_path: Path) -> None:
    with FakeDiscord() as fake, WatchStore.open(f"sqlite:///{tmp_path / 'd.db'}") as store:
        fake.fail(403, 1, {"Content-Type": "text/html"}, "<html>error code: 1020</html>")
        store.queue(message(), ["d"], time.time())
        deliver_due(store, {"d": Discord(SecretStr(fake.url))}, time.time, "me")
        assert store.recent()[0].state.value == "pending"


def test_a_watch_of_wallets_that_cannot_be_judged_is_not_well(scene: Scene) -> None:
    scene.watcher.once()
    assert scene.watcher.trouble() is None
    scene.market.set_price("WETH", 0)
    for _ in range(3):
        scene.market.anvil.mine()
        scene.round(31)
    assert "cannot be judged" in str(scene.watcher.trouble())


def test_the_dead_mans_switch_is_not_fed_while_another_chain_is_blind(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fed: list[str] = []
    venues = {"a": scene.world.markets["3.0.2"], "b": scene.market}
    both = other(scene, tmp_path, {"edge": [scene.market.cast["edge"]]}, venues, ("alpha", "beta"))
    both.watcher.ping_url = "http://127.0.0.1:1/"
    monkeypatch.setattr(both.watcher, "_ping", fed.append)
    both.watcher.once()
    assert fed
    fed.clear()
    alpha, beta = both.watcher.rounds.chains.values()
    alpha.following.whole_every_s = 0.0
    pool = scene.world.markets["3.0.2"].pool.address
    scene.proxy.add(Mute(times=None, address=pool[2:].lower()))
    both.rounds(3)
    assert beta.sight is not None
    assert beta.sight.whole
    assert fed == []


# --- the ground ------------------------------------------------------------------------------------------


def test_figures_of_a_message_are_of_its_block(scene: Scene) -> None:
    scene.watcher.once()
    scene.channel.taken()
    lower(scene)
    told = entry(scene.round(31), "edge")
    now = f"{scene.market.health_factor(scene.market.cast['edge']) / 1e18:.4f}"
    assert {fact.name: fact.value for fact in told.facts}["lowest health"].startswith(now)
    assert f"its health there is now {now}, and was 1.0200" in told.sentences


def test_ground_is_told_once_by_two_watchers(scene: Scene) -> None:
    second = another_run(scene)
    scene.watcher.once()
    second.once()
    scene.channel.taken()
    lower(scene)
    for one in (scene.watcher, second):
        scene.clock[0] += 2
        one.look(*one.rounds.chains.values())
        one.deliver()
        scene.market.anvil.mine()
    names = [name for kind, name, *_ in changes(scene.channel.taken()) if kind is Kind.GROUND]
    assert names
    assert len(names) == len(set(names))


def test_ground_is_told_after_a_store_that_failed(scene: Scene, broken: list[bool]) -> None:
    scene.watcher.once()
    scene.channel.taken()
    lower(scene)
    broken[0] = True
    with pytest.raises(StoreError):
        scene.watcher.look(*scene.watcher.rounds.chains.values())
    broken[0] = False
    scene.market.anvil.mine()
    assert Kind.GROUND in {kind for kind, *_ in changes(scene.round(31))}


def test_ground_is_told_once_over_a_kill(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.watcher.once()
    scene.channel.taken()
    lower(scene)
    scene.clock[0] += 5
    (watch,) = scene.watcher.rounds.chains.values()

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(watch, "decided", die)
    with pytest.raises(KeyboardInterrupt):
        scene.watcher.look(watch)
    scene.watcher.deliver()
    assert scene.channel.taken()
    scene.market.anvil.mine()
    another_run(scene).once()
    assert changes(scene.channel.taken()) == []


# --- liquidations ----------------------------------------------------------------------------------------


def test_many_liquidations_at_once_each_name_their_transaction(tmp_path: Path) -> None:
    those = [
        Happening(f"k{i}", f"w{i}", f"W{i}", Kind.LIQUIDATED, ("v: liquidated", f"transaction 0x{i:064x}"))
        for i in range(6)
    ]
    with WatchStore.open(f"sqlite:///{tmp_path / 'd.db'}") as store:
        observed = [seen(Band.OK, f"w{i}") for i in range(6)]
        store.decide(observed, [KEY], 10.0, memory.Settings(), happenings=those)
        told = [queued.message for queued in store.pending()]
    for i in range(6):
        assert [one for one in told if f"{i:064x}" in as_text(one) and f"{i:064x}" in str(payload(one))]


def test_a_digest_of_changed_ground_says_all_that_changed(tmp_path: Path) -> None:
    said = ("loan to value 80 → 70", "liquidation threshold 83 → 78")
    those = [Happening(f"k{i}", f"w{i}", f"W{i}", Kind.GROUND, said) for i in range(6)]
    with WatchStore.open(f"sqlite:///{tmp_path / 'd.db'}") as store:
        store.decide([], [KEY], 10.0, memory.Settings(), happenings=those)
        (digest,) = [queued.message for queued in store.pending()]
    assert as_text(digest).count("liquidation threshold 83 → 78") == 6


def test_a_liquidation_is_told_to_each_wallet_that_holds_the_address(scene: Scene, tmp_path: Path) -> None:
    a, b = scene.market.cast["liquidatable"], scene.market.cast["comfortable"]
    shared = other(scene, tmp_path, {"treasury": [a, b], "hot": [a]})
    shared.watcher.once()
    shared.taken.taken()
    liquidated(scene)
    told = shared.rounds()
    assert {kind for kind, name, *_ in told if name == "treasury"} == {Kind.LIQUIDATED}
    assert {kind for kind, name, *_ in told if name == "hot"} == {Kind.LIQUIDATED}


def test_a_liquidation_that_is_taken_back_and_mined_again_is_no_recovery(scene: Scene) -> None:
    scene.watcher.once()
    snapshot = scene.market.anvil.snapshot()
    receipt = scene.market.liquidate("LINK", "USDC", scene.market.cast["liquidatable"])
    scene.round()
    scene.market.anvil.revert(snapshot)
    for _ in range(3):
        scene.market.anvil.mine()
    back = [m for m in scene.round() if m.kind is Kind.UNDONE]
    assert receipt["transactionHash"] in "\n".join(entry(back, "liquidatable").sentences)
    liquidated(scene)  # by the same transaction
    assert Kind.LIQUIDATED in {kind for kind, *_ in changes(scene.round())}


@dataclass
class OldLogsGone(Fault):
    """A node that tells no event from before a block."""

    first: int = 0

    def after(self, exchange: Exchange) -> None:
        for ask, answer in exchange.answers():
            if ask["method"] == "eth_getLogs" and int(ask["params"][0]["fromBlock"], 16) < self.first:
                answer.pop("result", None)
                answer["error"] = {"code": -32000, "message": "history is pruned"}


def test_blocks_whose_events_are_gone_are_told_as_such(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("checker.watch.chain_watch.MOST_BLOCKS", 10)
    scene.watcher.once()
    scene.channel.taken()
    first = scene.market.anvil.block_number() + 1
    liquidated(scene)
    scene.market.anvil.request("anvil_mine", "0x20")
    scene.proxy.add(OldLogsGone(times=None, first=scene.market.anvil.block_number() - 15))
    another_run(scene).once()
    (said,) = [m for m in scene.channel.taken() if m.kind is Kind.WATCH]
    last = scene.market.anvil.block_number() - 10
    assert f"what happened from block {first} to {last} cannot be read" in said.entries[0].sentences[0]


def test_all_blocks_since_the_last_run_are_looked_through_where_the_node_tells(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("checker.watch.chain_watch.MOST_BLOCKS", 10)
    scene.watcher.once()
    scene.channel.taken()
    liquidated(scene)
    scene.market.anvil.request("anvil_mine", "0x20")
    another_run(scene).once()
    assert {kind for kind, *_ in changes(scene.channel.taken())} == {Kind.LIQUIDATED}


# --- what is said ----------------------------------------------------------------------------------------


def test_a_false_recovery_of_a_block_that_was_replaced_is_said_to_be_one(scene: Scene) -> None:
    scene.watcher.once()
    scene.channel.taken()
    snapshot = scene.market.anvil.snapshot()
    scene.move("WETH", 1.6)
    scene.round()
    scene.market.anvil.revert(snapshot)
    for _ in range(6):
        scene.market.anvil.mine()
    assert "was replaced" in entry(scene.round(), "edge").sentences[0]


def test_a_message_says_which_account(scene: Scene, tmp_path: Path) -> None:
    bad = scene.market.cast["edge"]
    two = other(scene, tmp_path, {"treasury": [scene.market.cast["comfortable"], bad]})
    two.watcher.once()
    assert bad in "\n".join(entry(two.taken.taken(), "treasury").sentences)


def test_a_clock_that_was_set_back_delays_nothing(tmp_path: Path) -> None:
    with WatchStore.open(f"sqlite:///{tmp_path / 'd.db'}") as store:
        fresh, tried, rested = Inbox(), Inbox(fails=[NotNow(None, "x")]), Inbox(fails=[NotNow(60.0, "x")])
        channels, clock = {"fresh": fresh, "tried": tried, "rested": rested}, [1_800_000_000.0]
        store.queue(message(), channels, clock[0])
        deliver_due(store, channels, lambda: clock[0], "me", only=["tried", "rested"])
        clock[0] -= 3600
        for _ in range(10):
            deliver_due(store, channels, lambda: clock[0], "me")
            clock[0] += 1
        assert [len(one.took) for one in channels.values()] == [1, 1, 1]


def test_a_channel_that_hangs_keeps_no_other_waiting(scene: Scene) -> None:
    """The scheduler for real: one channel answers never, the other at once."""
    hangs, taken = Hanging(), Taken()
    watcher = Watcher(
        scene.watcher.config, scene.watcher.store,
        {ChannelKey("mail-1", Band.WARNING): hangs, ChannelKey("chat-1", Band.WARNING): taken}, nobody,
        node_patience=IMPATIENT,
    )  # fmt: skip
    thread = threading.Thread(target=watcher.run, daemon=True)
    thread.start()
    try:
        assert hangs.asked.wait(30)
        end = time.monotonic() + 30
        while len(taken.messages) < 2 and time.monotonic() < end:
            time.sleep(0.05)
        assert len(taken.messages) == 2
    finally:
        watcher.stop()
        hangs.let.set()
        thread.join(30)
    assert not thread.is_alive()


class Hanging:
    """A channel that answers when it is let."""

    def __init__(self) -> None:
        self.asked, self.let = threading.Event(), threading.Event()

    def send(self, *_: object) -> None:
        self.asked.set()
        self.let.wait(60)
        raise NotNow(None, "it hung")


# --- the store -------------------------------------------------------------------------------------------


def test_a_store_that_hangs_is_told_past_it(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    scene.watcher.once()
    scene.channel.taken()
    let = threading.Event()
    monkeypatch.setattr(scene.watcher.rounds, "again", lambda *_: let.wait(60))
    monkeypatch.setattr("checker.watch.watcher.AFTER_S", 0.2)
    monkeypatch.setattr("checker.watch.last_word.AFTER_S", 0.2)
    thread = threading.Thread(target=scene.watcher.mind)
    thread.start()
    told: list[Message] = []
    end = time.monotonic() + 20
    while not told and time.monotonic() < end:
        scene.watcher.guard()
        told = scene.channel.taken()
        time.sleep(0.05)
    let.set()
    thread.join(30)
    assert changes(told) == [(Kind.WATCH, "the store of the watch", "ok", "unknown")]
    scene.watcher.guard()
    assert scene.channel.taken() == []


def test_a_silence_of_a_part_of_a_wallet_is_refused(scene: Scene, tmp_path: Path) -> None:
    bad = scene.market.cast["edge"]
    other(scene, tmp_path, {"treasury": [scene.market.cast["comfortable"], bad]})
    with pytest.raises(ConfigError, match="is watched as part of treasury"):
        silence(tmp_path / "other.toml", bad, "6h", scene.clock[0])
    with pytest.raises(ConfigError, match="is not watched"):
        silence(tmp_path / "other.toml", scene.market.cast["liquidatable"], "6h", scene.clock[0])
