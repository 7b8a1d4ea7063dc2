"""What the campaign has found, each as short as it can be told."""

from __future__ import annotations

from checker.bands import Band
from checker.watch.following import WHOLE_EVERY_S
from checker.watch.memory import Settings
from checker.watch.own import sight_of
from checker.watch.store import WatchStore
from tests.checker.watch.made import DANGER, DISCORD, OK, UNKNOWN, block, seen
from tests.checker.watch.scene import WALLETS, Scene, changes
from tests.faults import NodeError

PATIENCE = Settings(repeat_after_s=None)


def test_what_was_well_is_remembered_when_it_cannot_be_seen(store: WatchStore) -> None:
    store.decide([seen(OK, "w0", None, block(5))], [DISCORD], 100.0, PATIENCE)
    store.decide([seen(UNKNOWN)], [DISCORD], 110.0, PATIENCE)
    (kept,) = store.kept(["w0"]).values()
    assert (kept.band, kept.seen, kept.blocks) == (Band.OK, Band.OK, (block(5),))


def test_an_older_block_says_nothing_new_of_what_was_well(store: WatchStore) -> None:
    store.decide([seen(OK, "w0", None, block(9))], [DISCORD], 100.0, PATIENCE)
    assert store.decide([seen(DANGER, "w0", None, block(7))], [DISCORD], 110.0, PATIENCE) == []
    assert store.decide([seen(DANGER, "w0", None, block(7))], [DISCORD], 141.0, PATIENCE) != []


def test_a_node_that_shows_blocks_and_answers_no_call_is_no_sight(scene: Scene) -> None:
    for _ in range(2):
        scene.round()
    scene.proxy.add(NodeError(-32000, "missing trie node", method="eth_call", times=None))
    said = []
    for _ in range(11):
        scene.market.anvil.mine(scene.market.anvil.timestamp() + 12)
        said += changes(scene.round())
    told = {name: new for _, name, _, new in said}
    assert told == dict.fromkeys([*WALLETS, "the watch of local"], "unknown")
    (watch,) = scene.watcher.rounds.chains.values()
    assert watch.sight is not None
    assert not watch.sight.clear


def test_an_account_that_the_node_keeps_back_is_not_seen(scene: Scene) -> None:
    """The venue can be read, and its accounts can not."""
    (watch,) = scene.watcher.rounds.chains.values()
    missing, skip, ended = [], 0, False
    while not ended:
        scene.market.anvil.mine(scene.market.anvil.timestamp() + 12)
        calls = scene.proxy.count("eth_call")
        scene.proxy.add(NodeError(-32000, "busy", method="eth_call", times=None, skip=skip))
        scene.round(WHOLE_EVERY_S)
        scene.proxy.clear()
        ended, skip = scene.proxy.count("eth_call") - calls < skip, skip + 1
        assert watch.sight is not None
        if watch.sight.whole and not watch.sight.clear:
            missing.append(watch.sight)
    assert missing
    for one in missing:
        said = sight_of("local", one, None, len(WALLETS)).told()[0]
        assert said[0].startswith(f"cannot read {len(one.missed)} account"), said
