"""What the watch keeps, on SQLite and on a genuine PostgreSQL: told once, whoever else watches or dies."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import text

from checker.bands import Band
from checker.store import engine as store_engine
from checker.store import schema
from checker.watch.history import Check
from checker.watch.memory import Happening, Settings, Told
from checker.watch.outbox import deliver_due
from checker.watch.outbox_rows import Queued, State
from checker.watch.store import WatchStore
from checker.watch.values import ChannelKey, Fact, Kind, Observation
from margin.errors import StoreError
from tests.checker.watch.made import (
    DANGER,
    DISCORD,
    LIQUIDATABLE,
    MAIL,
    OK,
    UNKNOWN,
    WARNING,
    Inbox,
    block,
    message,
    seen,
)
from tests.checker.watch.workers import working

PLAIN = Settings(grace_s=40, repeat_after_s=None)
BOTH = (DISCORD, MAIL)

Row = tuple[str, Kind, str, Band, Band]


def rows(those: list[Queued]) -> list[Row]:
    """Channel, kind, subject, old and new of every entry in the outbox."""
    return [
        (queued.channel, queued.message.kind, entry.subject, entry.old, entry.new)
        for queued in those
        for entry in queued.message.entries
    ]


def band_row(channel: ChannelKey, old: Band, new: Band, subject: str = "w0") -> Row:
    return channel.key, Kind.BAND, subject, old, new


def test_a_store_of_before_figures_were_kept_goes_on(new_url: Callable[[], str]) -> None:
    url = new_url()
    engine = store_engine.engine_of(store_engine.parsed_url(url))
    with engine.begin() as connection:
        schema.migrate(connection, schema.MIGRATIONS[:2])
        row = "INSERT INTO told (channel, subject, band, at) VALUES ('discord:1', 'w0', 'danger', 100)"
        connection.execute(text(row))
    engine.dispose()
    with WatchStore.open(url) as store:
        assert store.told(DISCORD.key, "w0") == Told(DANGER, 100)
        store.decide([replace(seen(WARNING), facts=(Fact("a", "b"),))], [DISCORD], 200, PLAIN)
        assert store.told(DISCORD.key, "w0") == Told(WARNING, 200, (Fact("a", "b"),))


# --- what is decided ------------------------------------------------------------------------------------


def test_a_change_is_queued_once_for_each_channel_that_it_concerns(store: WatchStore) -> None:
    assert store.decide([seen(OK)], BOTH, 100, PLAIN) == []
    first = store.decide([seen(WARNING)], BOTH, 112, PLAIN)
    assert store.decide([seen(WARNING)], BOTH, 124, PLAIN) == []
    second = store.decide([seen(DANGER)], BOTH, 136, PLAIN)
    store.decide([seen(OK)], BOTH, 148, PLAIN)
    assert rows(store.pending()) == [
        band_row(DISCORD, OK, WARNING),
        band_row(DISCORD, WARNING, DANGER),
        band_row(MAIL, OK, DANGER),
        band_row(DISCORD, DANGER, OK),
        band_row(MAIL, DANGER, OK),
    ]
    pending = store.pending()
    assert [queued.id for queued in pending[:3]] == first + second
    assert {queued.state for queued in pending} == {State.PENDING}
    assert len({queued.message_id for queued in pending}) == 5
    assert [queued.created for queued in pending] == [112, 136, 136, 148, 148]
    assert pending[0].message.at == 112
    assert store.told(MAIL.key, "w0") == Told(OK, 148)
    assert store.told(MAIL.key, "w1") is None


def test_what_is_said_is_what_was_observed(store: WatchStore) -> None:
    facts = (Fact("Health", "1.02"),)
    one = Observation("w0", "treasury", DANGER, DANGER, ("ETH falls.", "\0 odd \ud800"), facts, (block(7),))
    store.decide([one], [DISCORD], 100, PLAIN)
    (queued,) = store.pending()
    (entry,) = queued.message.entries
    assert (entry.name, entry.sentences, entry.facts) == (one.name, one.sentences, one.facts)
    assert queued.message.blocks == (block(7),)


def test_memory_outlives_the_process(url: str) -> None:
    """Each round is a new start, as under cron: the grace goes on, and nothing is told twice."""
    rounds = [(OK, 0), (UNKNOWN, 20), (UNKNOWN, 40), (UNKNOWN, 60), (UNKNOWN, 80), (DANGER, 90), (DANGER, 99)]
    for band, now in rounds:
        with WatchStore.open(url) as store:
            store.decide([seen(band)], [DISCORD], now, PLAIN)
    with WatchStore.open(url) as store:
        assert rows(store.pending()) == [band_row(DISCORD, OK, UNKNOWN), band_row(DISCORD, UNKNOWN, DANGER)]
        assert [queued.created for queued in store.pending()] == [60, 90]


def test_hysteresis_and_blocks_are_kept(store: WatchStore) -> None:
    store.decide([seen(DANGER, "w0", None, block(7))], [DISCORD], 100, PLAIN)
    store.decide([seen(OK, "w0", WARNING, block(8))], [DISCORD], 112, PLAIN)
    store.decide([seen(UNKNOWN)], [DISCORD], 124, PLAIN)
    kept = store.kept()["w0"]
    assert store.kept(["w0", "w1"]) == {"w0": kept}
    assert (kept.band, kept.seen, kept.unknown_since, kept.at) == (WARNING, WARNING, 124, 112)
    assert kept.blocks == (block(8),)


def test_a_new_channel_hears_of_what_is_bad_and_the_old_ones_nothing(store: WatchStore) -> None:
    store.decide([seen(DANGER), seen(OK, "w1")], [DISCORD], 100, PLAIN)
    store.decide([seen(DANGER), seen(OK, "w1")], BOTH, 112, PLAIN)
    assert rows(store.pending()) == [band_row(DISCORD, OK, DANGER), band_row(MAIL, OK, DANGER)]


def test_many_at_once_are_one_message(store: WatchStore) -> None:
    by_fifty = replace(PLAIN, digest_most=50)
    store.decide([seen(DANGER, f"w{number}") for number in range(5)], [DISCORD], 100, PLAIN)
    store.decide([seen(DANGER, f"v{number}") for number in range(60)], [DISCORD], 112, by_fifty)
    assert [len(queued.message.entries) for queued in store.pending()] == [1] * 5 + [50, 10]
    assert store.told(DISCORD.key, "v59") == Told(DANGER, 112)


def test_what_stays_bad_is_said_again_once_the_first_was_delivered(store: WatchStore) -> None:
    hourly = Settings(repeat_after_s=3600)

    def decide(now: float) -> int:
        return len(store.decide([seen(DANGER)], [DISCORD], now, hourly))

    assert decide(0) == 1
    assert decide(4000) == 0, "the first is still on its way"
    deliver_all(store)
    assert [decide(now) for now in (4000, 4100, 7599, 7600)] == [1, 0, 0, 0]
    deliver_all(store)
    assert [decide(now) for now in (7600, 7601)] == [1, 0]
    assert [queued.message.kind for queued in store.recent()] == [Kind.REPEAT, Kind.REPEAT, Kind.BAND]


def deliver_all(store: WatchStore) -> None:
    deliver_due(store, {DISCORD.key: Inbox(), MAIL.key: Inbox()}, lambda: 1e6, "test")
    assert store.pending() == []


# --- silence --------------------------------------------------------------------------------------------


def test_of_a_silenced_wallet_nothing_is_said_until_the_end_and_then_the_difference(
    store: WatchStore,
) -> None:
    store.decide([seen(WARNING)], [DISCORD], 100, PLAIN)
    store.silence("w0", 200)
    assert (store.silences(199), store.silences(200)) == ({"w0": 200}, {})
    for now, band in ((110, DANGER), (120, OK), (130, LIQUIDATABLE), (199, DANGER)):
        assert store.decide([seen(band), seen(DANGER, "w1")], [DISCORD], now, PLAIN) == (
            [2] if now == 110 else []
        )
    store.decide([seen(DANGER)], [DISCORD], 200, PLAIN)
    assert rows(store.pending())[2:] == [band_row(DISCORD, WARNING, DANGER)]


def test_a_silence_ends_without_a_word_when_nothing_is_different(store: WatchStore) -> None:
    store.decide([seen(WARNING)], [DISCORD], 100, PLAIN)
    store.silence("w0", 200)
    for now, band in ((110, DANGER), (120, WARNING), (200, WARNING)):
        store.decide([seen(band)], [DISCORD], now, PLAIN)
    store.silence("w0", 1000)
    store.silence("w0", 210)
    assert len(store.pending()) == 1
    assert len(store.decide([seen(OK)], [DISCORD], 210, PLAIN)) == 1, "a silence may be shortened"


# --- happenings -----------------------------------------------------------------------------------------

LIQUIDATED = Happening("tx/1", "w0", "W0", Kind.LIQUIDATED, ("Liquidated by 0x1.",), (), (block(5),))


def test_a_liquidation_is_told_once_and_instead_of_a_recovery(store: WatchStore) -> None:
    store.decide([seen(LIQUIDATABLE)], BOTH, 100, PLAIN)
    for now in (112, 124):
        store.decide([seen(OK, "w0", None, block(6))], BOTH, now, PLAIN, happenings=[LIQUIDATED])
    told = store.pending()[2:]
    assert rows(told) == [
        (DISCORD.key, Kind.LIQUIDATED, "w0", LIQUIDATABLE, OK),
        (MAIL.key, Kind.LIQUIDATED, "w0", LIQUIDATABLE, OK),
    ]
    assert told[0].message.entries[0].sentences == ("Liquidated by 0x1.",)
    assert told[0].message.blocks == (block(5), block(6))


def test_a_happening_is_told_whatever_the_band_and_without_an_observation(store: WatchStore) -> None:
    ground = Happening("cap/1", "w0", "W0", Kind.GROUND, ("The threshold fell.",))
    store.decide([seen(OK)], [MAIL], 100, PLAIN)
    store.decide([], [MAIL], 112, PLAIN, happenings=[ground, LIQUIDATED])
    store.decide([], [MAIL], 124, PLAIN, happenings=[LIQUIDATED])
    assert rows(store.pending()) == [
        (MAIL.key, Kind.LIQUIDATED, "w0", OK, OK),
        (MAIL.key, Kind.GROUND, "w0", OK, OK),
    ]


def test_a_happening_in_a_silence_is_told_at_its_end(url: str) -> None:
    with WatchStore.open(url) as store:
        store.silence("w0", 200)
        assert store.decide([seen(OK)], [DISCORD], 100, PLAIN, happenings=[LIQUIDATED]) == []
    with WatchStore.open(url) as store:
        assert store.decide([seen(OK)], [DISCORD], 199, PLAIN) == []
        assert len(store.decide([seen(OK)], [DISCORD], 200, PLAIN)) == 1
        assert store.decide([seen(OK)], [DISCORD], 201, PLAIN) == []


# --- reorgs, and others who lag -------------------------------------------------------------------------


def test_a_watcher_whose_node_lags_takes_nothing_back(store: WatchStore) -> None:
    store.decide([seen(OK, "w0", None, block(6))], [DISCORD], 100, PLAIN)
    store.decide([seen(DANGER, "w0", None, block(7))], [DISCORD], 112, PLAIN)
    assert store.decide([seen(OK, "w0", None, block(6))], [DISCORD], 113, PLAIN) == []
    assert store.decide([seen(DANGER, "w0", None, block(7))], [DISCORD], 124, PLAIN) == []
    assert len(store.decide([seen(OK, "w0", None, block(6))], [DISCORD], 164, PLAIN)) == 1, "for long"


def test_a_band_from_a_replaced_block_is_corrected_at_once(store: WatchStore) -> None:
    store.decide([seen(DANGER, "w0", None, block(7))], [DISCORD], 100, PLAIN)
    gone = store.kept(["w0"])["w0"].blocks[0][2]
    corrected = seen(OK, "w0", None, block(6, branch=1), say="The block it was taken from was replaced.")
    store.decide([corrected], [DISCORD], 101, PLAIN, replaced={gone})
    assert rows(store.pending()) == [band_row(DISCORD, OK, DANGER), band_row(DISCORD, DANGER, OK)]
    assert store.pending()[1].message.entries[0].sentences == corrected.sentences


# --- history --------------------------------------------------------------------------------------------


def test_history_is_kept_by_subject_and_in_order_and_dropped_by_age(store: WatchStore) -> None:
    for now, band in ((300, DANGER), (100, OK), (200, WARNING)):
        both = [seen(band, "w0", None, block(now)), seen(OK, "w1")]
        store.record(both, now, {"w0": {"health_factor": now / 100}})
    store.record([seen(UNKNOWN)], 300, {})
    assert list(store.history("w0", since=200)) == [
        Check(200, WARNING, (block(200),), {"health_factor": 2.0}),
        Check(300, UNKNOWN, (), {}),
    ]
    store.prune(200)
    assert [check.at for check in store.history("w0")] == [200, 300]
    assert [check.at for check in store.history("w1")] == [200, 300]


def test_pruning_leaves_what_is_still_to_be_done_or_known(store: WatchStore) -> None:
    store.decide([seen(DANGER)], [DISCORD], 100, PLAIN, happenings=[LIQUIDATED])
    store.queue(message(), [MAIL.key], 100)
    store.silence("w1", 100)
    store.silence("w2", 2e6)
    store.prune(1e6)
    assert len(store.pending()) == 2
    assert store.silences(0) == {"w2": 2e6}
    deliver_all(store)
    store.prune(1e6)
    assert len(store.recent()) == 2
    store.prune(1e6 + 1)
    assert store.recent() == []
    assert store.decide([seen(DANGER)], [DISCORD], 2e6, PLAIN, happenings=[LIQUIDATED]) == []


# --- two watchers, and one that dies --------------------------------------------------------------------


def test_two_watchers_who_see_the_same_tell_it_once(url: str, tmp_path: Path) -> None:
    """From an empty store on, subjects known and new, both at the same moment."""
    told = 0
    words = ["DANGER", "OK", "LIQUIDATABLE", "WARNING"]
    with working(url) as one, working(url) as two:
        for number in range(12):
            bands = {"w0": words[number % 4], "w1": words[(number + 1) % 4]}
            if number % 4 == 0:  # a new row holds the other up by itself
                bands[f"new{number}"] = "DANGER"
            meet = tmp_path / f"meet{number}"
            meet.mkdir()
            for worker in (one, two):
                worker.start(
                    "decide",
                    bands=bands,
                    block=number,
                    now=12 * number,
                    channels=[DISCORD.key, MAIL.key],
                    meet=str(meet),
                )
            assert (one.ended(), two.ended()) == (0, 0)
            told += 2 * (len(bands) - (number == 0))  # w1 is ok at first sight
    with WatchStore.open(url) as store:
        found = rows(store.pending())
        assert len(found) == told
        for channel in (DISCORD, MAIL):
            changes = [
                (old, new) for key, _, subject, old, new in found if (key, subject) == (channel.key, "w0")
            ]
            expected = [OK, *(Band[words[number % 4]] for number in range(12))]
            assert changes == list(pairwise(expected))


def test_a_watcher_killed_before_any_step_of_a_decision_leaves_it_whole(new_url: Callable[[], str]) -> None:
    url = new_url()
    given = {"channels": [DISCORD.key, MAIL.key], "block": 2, "now": 112}
    with working(url) as worker, WatchStore.open(url) as store:
        for step in range(1, 100):
            subject, other = f"w{step}", f"v{step}"
            store.decide([seen(DANGER, subject), seen(OK, other)], BOTH, 100, PLAIN)
            before = rows(store.pending())
            bands = {subject: "OK", other: "DANGER"}
            status = worker.do("decide", bands=bands, end_before=step, **given)
            after = rows(store.pending())
            changed = [
                band_row(channel, *change, subject=who)
                for channel in BOTH
                for who, change in ((subject, (DANGER, OK)), (other, (OK, DANGER)))
            ]
            assert after in (before, before + changed), "all or nothing"
            assert (after == before) == (store.kept([subject])[subject].band is DANGER)
            assert worker.do("decide", bands=bands, **given) == 0
            assert rows(store.pending()) == before + changed
            if status == 0:
                break
            assert status == signal.SIGKILL
    assert 8 < step < 99, "every step had its turn"


# --- a database that fails ------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def test_a_locked_store_says_so_and_the_round_can_be_repeated(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_engine, "_BUSY_S", 0.05)
    with WatchStore.open(f"sqlite:///{path}") as store:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"):
            store.decide([seen(DANGER)], [DISCORD], 100, PLAIN)
        assert store.pending() == [], "reading goes on"
        other.close()
        assert len(store.decide([seen(DANGER)], [DISCORD], 112, PLAIN)) == 1


def test_a_full_disk_says_so_and_no_half_of_a_round_is_kept(path: Path) -> None:
    many = [seen(DANGER, f"w{number}", None, block(1), say="x" * 2000) for number in range(60)]
    with WatchStore.open(f"sqlite:///{path}") as store:
        limit_pages(store, 10)
        with pytest.raises(StoreError, match="full"):
            store.decide(many, [DISCORD], 100, PLAIN)
        assert (store.pending(), store.kept(), store.told(DISCORD.key, "w0")) == ([], {}, None)
        limit_pages(store, 1_000_000)
        store.decide(many, [DISCORD], 112, PLAIN)
        assert len(rows(store.pending())) == 60


def limit_pages(store: WatchStore, more: int) -> None:
    """Lets the file grow by so many pages: then the disk is full, as SQLite sees it."""
    with store.transaction() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + more}")
