"""What the campaign has found, each as short as it can be told."""

from __future__ import annotations

from checker.bands import Band
from checker.watch.memory import Settings
from checker.watch.store import WatchStore
from tests.checker.watch.made import DANGER, DISCORD, OK, UNKNOWN, block, seen

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
