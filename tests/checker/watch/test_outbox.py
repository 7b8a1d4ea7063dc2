"""Delivery: in order, until it is acknowledged, once; whatever channels, clocks, databases and kills do."""

from __future__ import annotations

import random
import signal
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checker.bands import Band
from checker.store import engine as store_engine
from checker.watch import outbox_rows
from checker.watch.memory import Settings
from checker.watch.outbox import Patience, Report, deliver_due
from checker.watch.outbox_rows import CLAIM_S, LONGEST_REST_S, State
from checker.watch.sending import Gone, NotNow, Sender
from checker.watch.store import WatchStore
from checker.watch.values import Entry, Kind, Message
from margin.errors import StoreError
from tests.checker.watch.made import DANGER, DISCORD, MAIL, OK, UNKNOWN, WARNING, Inbox, block, message, seen
from tests.checker.watch.workers import Letterbox, working

D, M = DISCORD.key, MAIL.key
DAY = 24 * 3600.0


def deliver(store: WatchStore, channels: Mapping[str, Sender], now: float, owner: str = "me") -> Report:
    return deliver_due(store, channels, lambda: now, owner, rng=random.Random(1))


def put(store: WatchStore, *subjects: str, channel: str = D, now: float = 0.0) -> list[int]:
    """A message each, in this order."""
    return [store.queue(message(subject), [channel], now)[0] for subject in subjects]


# --- order ----------------------------------------------------------------------------------------------


def test_what_is_due_arrives_once_and_in_order(store: WatchStore) -> None:
    ids = put(store, "a", "b", "a")
    mine = store.queue(message("a"), [M], 0)
    inboxes = {D: Inbox(), M: Inbox()}
    assert deliver(store, inboxes, 5).sent == ids + mine
    assert deliver(store, inboxes, 5) == Report()
    assert (inboxes[D].subjects, inboxes[M].subjects) == (["a", "b", "a"], ["a"])
    assert store.pending() == []
    assert [(one.state, one.ended, one.attempts) for one in store.recent()] == [(State.SENT, 5, 1)] * 4
    assert {one.message_id for one in store.recent()} == {
        id_ for box in inboxes.values() for id_, _ in box.took
    }


def test_a_message_waits_for_the_one_before_it_and_nobody_else_does(store: WatchStore) -> None:
    a1, b, a2, mail = (*put(store, "a", "b", "a"), *put(store, "a", channel=M))
    inbox, mailbox = Inbox(refuses={"a": NotNow(None, "no")}), Inbox()
    report = deliver(store, {D: inbox, M: mailbox}, 0)
    assert (report.postponed, report.sent) == ([a1], [b, mail])
    assert deliver(store, {D: inbox, M: mailbox}, 1) == Report()
    inbox.refuses.clear()
    assert deliver(store, {D: inbox, M: mailbox}, 60).sent == [a1, a2]


def test_a_digest_waits_for_all_that_it_names_and_they_for_it(store: WatchStore) -> None:
    many = Message(Kind.BAND, tuple(Entry(one, one, OK, DANGER) for one in ("a", "b")))
    (a,) = put(store, "a")
    (digest,) = store.queue(many, [D], 0)
    b, c = put(store, "b", "c")
    inbox = Inbox(refuses={"a": NotNow(None, "no")})
    report = deliver(store, {D: inbox}, 0)
    assert (report.postponed, report.sent) == ([a], [c])
    inbox.refuses.clear()
    assert deliver(store, {D: inbox}, 60).sent == [a, digest, b]


@settings(max_examples=max(1, settings().max_examples // 4))
@given(st.data())
def test_whatever_a_channel_does_each_subject_hears_everything_in_order_once(data: st.DataObject) -> None:
    """Two watchers, each of whose attempts may fail, on a clock that may be set."""
    with WatchStore.open("sqlite://") as store:
        sent: dict[str, list[int]] = {}
        inbox, now, number = Inbox(), 0.0, 0
        outcome = st.sampled_from([None, NotNow(None, "down"), NotNow(7, "429"), NotNow(0.3, "429")])
        for _ in range(data.draw(st.integers(1, 12))):
            now += data.draw(st.sampled_from([0, 1, 7, 60, 1000, -5000, 5000]))
            for _ in range(data.draw(st.integers(0, 3))):
                who = data.draw(st.lists(st.sampled_from("abc"), min_size=1, max_size=2, unique=True))
                number += 1
                entries = tuple(Entry(one, str(number), OK, DANGER) for one in who)
                store.queue(Message(Kind.BAND, entries), [D], now)
                for one in who:
                    sent.setdefault(one, []).append(number)
            failure = data.draw(outcome)
            inbox.fails = [] if failure is None else [failure] * data.draw(st.integers(1, 2))
            deliver(store, {D: inbox}, now, data.draw(st.sampled_from(["one", "two"])))
        inbox.fails = []
        for _ in range(3):
            now += LONGEST_REST_S
            deliver(store, {D: inbox}, now)
        heard: dict[str, list[int]] = {}
        for _, found in inbox.took:
            for entry in found.entries:
                heard.setdefault(entry.subject, []).append(int(entry.name))
        assert heard == sent


# --- not now --------------------------------------------------------------------------------------------


def test_attempts_come_ever_later_and_never_stop_within_the_day(url: str) -> None:
    inbox, now, times = Inbox(refuses={"a": NotNow(None, "500\n\x1b[31m  from\tthere")}), 0.0, [0.0]
    with WatchStore.open(url) as store:
        put(store, "a")
        deliver(store, {D: inbox}, now)
    for _ in range(12):  # each time a new process: what is due when is in the store
        with WatchStore.open(url) as store:
            (queued,) = store.pending()
            assert queued.error == "500 [31m from there"
            assert deliver(store, {D: inbox}, queued.next_attempt - 0.001) == Report()
            now = queued.next_attempt
            times.append(now)
            assert deliver(store, {D: inbox}, now).postponed == [queued.id]
    waits = [after - before for before, after in pairwise(times)]
    for number, wait in enumerate(waits):
        full = min(60.0, 5.0 * 2**number)
        assert full / 2 <= wait <= full
    assert inbox.asked == 13


def test_waits_are_spread(store: WatchStore) -> None:
    rng, waits = random.Random(3), set()
    put(store, *"abcdefgh")
    inbox = Inbox(refuses={one: NotNow(None, "no") for one in "abcdefgh"})
    for _ in range(4):
        deliver_due(store, {D: inbox}, lambda: 0.0, "me", rng=rng)
    waits = {queued.next_attempt for queued in store.pending()}
    assert len(waits) == 8


def test_a_channel_that_asks_for_a_pause_gets_it_for_all_its_messages(url: str) -> None:
    inbox, mailbox = Inbox(fails=[NotNow(30, "429")]), Inbox()
    with WatchStore.open(url) as store:
        a, b = put(store, "a", "b")
        (mail,) = put(store, "a", channel=M)
        report = deliver(store, {D: inbox, M: mailbox}, 100)
        assert (report.postponed, report.sent, inbox.asked) == ([a], [mail], 1)
    with WatchStore.open(url) as store:  # also after a new start, and for what is queued later
        (c,) = put(store, "c", now=101)
        assert deliver(store, {D: inbox, M: mailbox}, 129.9) == Report()
        assert deliver(store, {D: inbox, M: mailbox}, 130).sent == [b, c, a]


@pytest.mark.parametrize("asked", [float("nan"), float("inf"), -1.0])
def test_a_pause_that_is_none_is_not_kept(store: WatchStore, asked: float) -> None:
    put(store, "a")
    deliver(store, {D: Inbox(fails=[NotNow(asked, "429")])}, 0)
    (queued,) = store.pending()
    assert 2.5 <= queued.next_attempt <= 5


def test_a_pause_of_years_is_bounded(store: WatchStore) -> None:
    put(store, "a")
    deliver(store, {D: Inbox(fails=[NotNow(1e12, "429")])}, 0)
    inbox = Inbox()
    deliver(store, {D: inbox}, LONGEST_REST_S - 1)
    assert inbox.asked == 0
    deliver(store, {D: inbox}, LONGEST_REST_S)
    assert len(inbox.took) == 1


def test_a_channel_that_is_down_costs_a_run_two_attempts(store: WatchStore) -> None:
    put(store, *"abcdef")
    (mail,) = put(store, "a", channel=M)
    inbox = Inbox(refuses={one: NotNow(None, "timeout") for one in "abcdef"})
    assert deliver(store, {D: inbox, M: Inbox()}, 0).sent == [mail]
    assert inbox.asked == 2
    for _ in range(2):
        deliver(store, {D: inbox, M: Inbox()}, 0)
    assert [queued.attempts for queued in store.pending()] == [1] * 6, "everyone had a turn"


def test_of_some_channels_alone_the_others_are_left_alone(store: WatchStore) -> None:
    (a,), (mail,) = put(store, "a"), put(store, "a", channel=M)
    inboxes = {D: Inbox(), M: Inbox()}
    assert deliver_due(store, inboxes, lambda: 0.0, "me", only=[M]).sent == [mail]
    assert [queued.id for queued in store.pending()] == [a]


def test_what_waits_too_long_is_stuck(store: WatchStore) -> None:
    put(store, "a", now=100)
    put(store, "b", now=200)
    assert [queued.created for queued in store.stuck(150)] == [100]
    deliver(store, {D: Inbox()}, 200)
    assert store.stuck(1000) == []


# --- given up -------------------------------------------------------------------------------------------


def test_given_up_after_a_day_and_the_others_hear_why(store: WatchStore) -> None:
    store.decide([seen(DANGER, "w0", None, block(3), say="ETH falls.")], [DISCORD], 0, Settings())
    inbox, mailbox = Inbox(refuses={"w0": NotNow(None, "500 there")}), Inbox()
    now, third, report = 0.0, Inbox(), Report()
    patience = Patience(longest_wait_s=1800)  # with the usual one it is some two thousand attempts
    boxes = {D: inbox, M: mailbox, "third": third}
    while not report.failed:
        assert now < DAY
        assert (mailbox.took, third.took) == ([], [])
        now = store.pending()[0].next_attempt
        report = deliver_due(store, boxes, lambda: now, "me", patience=patience)  # noqa: B023 - called at once
    assert DAY <= now <= DAY + 1800
    deliver(store, {D: inbox, M: mailbox, "third": third}, now)
    assert store.pending() == []
    for box in (mailbox, third):
        ((_, found),) = box.took
        assert found.kind is Kind.FAILED
        (entry,) = found.entries
        assert (entry.old, entry.new, found.blocks) == (OK, DANGER, (block(3),))
        assert entry.sentences == (f"{D} did not take it for 24 hours: 500 there", "ETH falls.")
    failed = [queued for queued in store.recent() if queued.state is State.FAILED]
    assert [(queued.channel, queued.ended) for queued in failed] == [(D, now)]
    assert inbox.took == []


def test_after_a_day_with_nobody_there_a_message_still_has_its_attempts(store: WatchStore) -> None:
    put(store, "a")
    inbox, now = Inbox(refuses={"a": NotNow(None, "no")}), 3 * DAY
    for _ in range(7):
        assert deliver(store, {D: inbox}, now).postponed
        now += 60
    inbox.refuses.clear()
    assert deliver(store, {D: inbox}, now).sent


def test_gone_is_told_at_once_and_what_comes_behind_goes_on(store: WatchStore) -> None:
    a1, a2 = put(store, "a", "a")
    inbox, mailbox = Inbox(fails=[Gone("404: there is no such webhook")]), Inbox()
    report = deliver(store, {D: inbox, M: mailbox}, 10)
    assert (report.failed, report.sent) == ([a1], [a2, a2 + 1])
    ((_, found),) = mailbox.took
    assert (found.kind, found.entries[0].sentences) == (
        Kind.FAILED,
        (f"{D} does not take it: 404: there is no such webhook",),
    )


def test_a_failure_that_can_not_be_told_makes_no_further_failures(store: WatchStore) -> None:
    put(store, *"abc")
    both = {one: Gone("404") for one in "abc"}
    inboxes = {D: Inbox(refuses=dict(both)), M: Inbox(refuses=dict(both))}
    for _ in range(3):
        deliver(store, inboxes, 0)
    assert store.pending() == []
    kinds = Counter((queued.channel, queued.message.kind) for queued in store.recent())
    assert kinds == {(D, Kind.BAND): 3, (M, Kind.FAILED): 3}


def test_messages_of_a_channel_that_is_not_configured_any_more_are_told_by_others(store: WatchStore) -> None:
    put(store, "a")
    mailbox = Inbox()
    deliver(store, {M: mailbox}, DAY - 1)
    assert len(store.pending()) == 1
    for _ in range(2):
        deliver(store, {M: mailbox}, DAY)
    assert [found.entries[0].sentences for _, found in mailbox.took] == [(f"{D} is not configured any more",)]
    assert store.pending() == []


# --- what must not happen -------------------------------------------------------------------------------


@pytest.mark.parametrize("bug", [RuntimeError("secret"), KeyboardInterrupt(), SystemExit(1)])
def test_a_bug_in_a_channel_is_raised_and_loses_nothing(store: WatchStore, bug: BaseException) -> None:
    a, b = put(store, "a", "b")
    inbox = Inbox(fails=[bug])
    with pytest.raises(type(bug)):
        deliver(store, {D: inbox}, 0)
    assert [(queued.id, queued.attempts) for queued in store.pending()] == [(a, 1), (b, 0)]
    assert store.pending()[0].error == f"{type(bug).__name__} in this program"
    assert deliver(store, {D: inbox}, 0).sent == [b], "and holds nobody else up"
    assert deliver(store, {D: inbox}, 60).sent == [a]


def test_while_a_message_is_being_sent_nobody_else_sends_it(url: str) -> None:
    other = Inbox()

    class Slow(Inbox):
        def send(self, message: Message, message_id: str) -> None:
            with WatchStore.open(url) as theirs:
                assert deliver(theirs, {D: other}, 100 + CLAIM_S - 1, "other") == Report()
            assert store.pending(), "not called sent before it is acknowledged"
            super().send(message, message_id)

    inbox = Slow()
    with WatchStore.open(url) as store:
        put(store, "a", "a")
        assert len(deliver(store, {D: inbox}, 100).sent) == 2
    assert (len(inbox.took), other.asked) == (2, 0)


def test_who_died_while_sending_is_succeeded_when_the_claim_has_run_out(url: str) -> None:
    inbox = Inbox()

    class Dies(Inbox):
        def send(self, message: Message, message_id: str) -> None:
            inbox.send(message, message_id)
            with WatchStore.open(url) as theirs:
                assert deliver(theirs, {D: inbox}, 100 + CLAIM_S - 1, "other") == Report()
                assert deliver(theirs, {D: inbox}, 100 + CLAIM_S, "other").sent

    with WatchStore.open(url) as store:
        put(store, "a")
        deliver(store, {D: Dies()}, 100)
        (first, second) = inbox.took
        assert first == second, "under the same message id"
        assert store.pending() == []


def test_a_clock_set_back_holds_nothing_up(store: WatchStore) -> None:
    """Retries, pauses and claims that were written while the clock was a year ahead."""
    year = 365 * DAY
    put(store, "a", "b", now=year)
    inbox = Inbox(fails=[NotNow(60, "429")])
    deliver(store, {D: inbox}, year)

    (c,) = put(store, "c", now=year)
    with store.transaction() as connection:
        assert outbox_rows.claim(connection, c, "one who died", year)
    assert len(deliver(store, {D: inbox}, 1).sent) == 3


def test_what_was_acknowledged_but_can_not_be_marked_is_not_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_engine, "_BUSY_S", 0.05)
    path = tmp_path / "store.db"
    other = sqlite3.connect(path, isolation_level=None)

    class Locks(Inbox):
        def send(self, message: Message, message_id: str) -> None:
            super().send(message, message_id)
            other.execute("BEGIN IMMEDIATE")

    inbox = Locks()
    with WatchStore.open(f"sqlite:///{path}") as store:
        a, b = put(store, "a", "b")
        with pytest.raises(StoreError, match="locked"):
            deliver(store, {D: inbox}, 0)
        for now in (1, 1000):
            with pytest.raises(StoreError, match="locked"):
                deliver(store, {D: inbox}, now)
        assert len(store.pending()) == 2, "state never says more than is known"
        other.rollback()
        monkeypatch.setattr(Locks, "send", Inbox.send)
        assert deliver(store, {D: inbox}, 2000).sent == [a, b]
        assert [queued.ended for queued in reversed(store.recent())] == [0, 2000]
    other.close()
    assert inbox.subjects == ["a", "b"]


def test_on_a_full_disk_nothing_is_sent_that_could_not_be_marked(tmp_path: Path) -> None:
    with WatchStore.open(f"sqlite:///{tmp_path / 'store.db'}") as store:
        put(store, "a")
        with store.transaction(writes=False) as connection:
            connection.exec_driver_sql("PRAGMA query_only = ON")  # any write fails, as on a full disk
        inbox = Inbox()
        for now in (0, 1000):
            with pytest.raises(StoreError):
                deliver(store, {D: inbox}, now)
        assert inbox.asked == 0
        with store.transaction(writes=False) as connection:
            connection.exec_driver_sql("PRAGMA query_only = OFF")
        assert deliver(store, {D: inbox}, 1000).sent


# --- killed, and two at once ----------------------------------------------------------------------------


def repeats(box: Letterbox) -> int:
    return len(box.took()) - len(dict(box.took()))


def test_killed_between_any_two_steps_of_a_delivery_nothing_is_lost_and_at_most_one_doubled(
    new_url: Callable[[], str], tmp_path: Path
) -> None:
    url, doubled, now = new_url(), 0, 0.0
    with working(url) as worker, WatchStore.open(url) as store:
        for step in range(1, 200):
            box = Letterbox(tmp_path / f"box{step}")
            for old, new in ((OK, DANGER), (DANGER, WARNING)):
                store.queue(message("a", new, old), [D], now)
            store.queue(message("b"), [D], now)
            given = {"boxes": {D: str(box.path)}}
            status = worker.do("deliver", now=now, end_before=step, **given)
            acknowledged = {id_ for id_, _ in box.took()}
            marked = {queued.message_id for queued in store.recent(3) if queued.state is State.SENT}
            assert marked <= acknowledged, "never called sent before it was"
            now += CLAIM_S
            assert worker.do("deliver", now=now, **given) == 0
            assert store.pending() == []
            assert box.changes("a") == [(OK, DANGER), (DANGER, WARNING)]
            assert box.changes("b") == [(OK, DANGER)]
            about_a = [
                entry.new for _, found in box.took() for entry in found.entries if entry.subject == "a"
            ]
            assert about_a == sorted(about_a, reverse=True), "a repeat comes before what follows"
            assert repeats(box) <= 1
            doubled += repeats(box)
            if status == 0:
                break
            assert status == signal.SIGKILL
    assert 20 < step < 199, "every step had its turn"
    assert doubled >= 3, "between the acknowledgement and the mark of each"


def test_two_watchers_deliver_each_message_once(url: str, tmp_path: Path) -> None:
    box = Letterbox(tmp_path / "box")
    with WatchStore.open(url) as store, working(url) as one, working(url) as two:
        for number in range(12):
            store.queue(message(f"w{number % 4}", Band(number // 4), UNKNOWN), [D], 0)
        for run in range(3):
            meet = tmp_path / f"meet{run}"
            meet.mkdir()
            for worker in (one, two):
                worker.start("deliver", now=0, boxes={D: str(box.path)}, meet=str(meet))
            assert (one.ended(), two.ended()) == (0, 0)
        assert store.pending() == []
    assert (len(box.took()), repeats(box)) == (12, 0)
    for number in range(4):
        assert box.changes(f"w{number}") == [(UNKNOWN, OK), (UNKNOWN, WARNING), (UNKNOWN, DANGER)]


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 30))])
def test_a_watch_killed_at_random_tells_what_one_tells_that_lives(
    new_url: Callable[[], str], tmp_path: Path, seed: int
) -> None:
    chance = random.Random(seed)
    url, box, kills, now = new_url(), Letterbox(tmp_path / "box"), 0, 0.0
    subjects = ["a", "b", "c"]
    story = [{who: chance.choice(["OK", "WARNING", "DANGER"]) for who in subjects} for _ in range(12)]
    with working(url) as worker:
        for number, bands in enumerate(story):
            works: list[tuple[str, dict[str, object]]] = [
                ("decide", {"bands": bands, "block": number, "channels": [D]}),
                ("deliver", {"boxes": {D: str(box.path)}}),
            ]
            for work, given in works:
                while worker.do(work, now=now, end_before=chance.randint(1, 30), **given) != 0:
                    kills += 1
                    now += CLAIM_S
        assert worker.do("deliver", now=now + CLAIM_S, boxes={D: str(box.path)}) == 0
    assert kills > 3
    assert repeats(box) <= kills
    for who in subjects:
        stood = [OK, *(Band[bands[who]] for bands in story)]
        assert box.changes(who) == [(old, new) for old, new in pairwise(stood) if old is not new]
