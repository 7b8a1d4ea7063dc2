"""Bands with memory: what is said follows from what was told and what is seen, in whatever order."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from checker.bands import Band
from checker.watch.memory import (
    Happening,
    Kept,
    Said,
    Settings,
    Told,
    change_of,
    happened,
    is_behind,
    messages,
    remembered,
    since,
    to_say,
)
from checker.watch.message_json import happening_of, happening_text, message_of, message_text
from checker.watch.values import BlockFact, ChannelKey, Entry, Fact, Kind, Message
from tests.checker.watch.made import DANGER, LIQUIDATABLE, OK, UNKNOWN, WARNING, block, seen

PLAIN = Settings(grace_s=40, repeat_after_s=None)
FIFTY = replace(PLAIN, digest_most=50)
KNOWN = [OK, WARNING, DANGER, LIQUIDATABLE]


class Step(NamedTuple):
    """A round: how long after the one before, and what it saw."""

    wait_s: int
    band: Band
    relaxed: Band


class Line(NamedTuple):
    """What a channel was told."""

    round: int
    kind: Kind
    old: Band
    new: Band


def run(steps: list[Step], min_band: Band, settings: Settings = PLAIN) -> list[Line]:
    """What one channel is told of one subject."""
    channel, kept, told, now = ChannelKey("c", min_band), None, None, 1000
    lines = []
    for number, step in enumerate(steps):
        now += step.wait_s
        one = seen(step.band, "w0", step.relaxed)
        kept = remembered(kept, one, now, settings)
        if kept.band is None:
            continue
        kind = to_say(channel, kept.band, told, now, settings)
        if kind is not None:
            entry = change_of(one, kept, told, kind).entry
            lines.append(Line(number, kind, entry.old, entry.new))
            told = Told(entry.new, now)
    return lines


def plainly(*bands: Band, wait_s: int = 12) -> list[Step]:
    return [Step(wait_s, band, band) for band in bands]


def told(steps: list[Step], min_band: Band = WARNING, settings: Settings = PLAIN) -> list[tuple[Band, Band]]:
    return [(line.old, line.new) for line in run(steps, min_band, settings)]


@st.composite
def steps(draw: st.DrawFn) -> list[Step]:
    found = []
    for _ in range(draw(st.integers(1, 25))):
        band = draw(st.sampled_from(Band))
        wider = [one for one in KNOWN if one >= band] if band is not UNKNOWN else [UNKNOWN]
        found.append(Step(draw(st.sampled_from([1, 12, 39, 40, 100])), band, draw(st.sampled_from(wider))))
    return found


# --- properties -----------------------------------------------------------------------------------------


@given(steps(), st.sampled_from(Band))
def test_what_is_told_chains_up_and_is_never_said_twice(rounds: list[Step], min_band: Band) -> None:
    lines = run(rounds, min_band)
    assert [line.old for line in lines] == [OK, *(line.new for line in lines)][: len(lines)]
    assert all(line.old is not line.new for line in lines)
    event(f"{len(lines)} messages")


@given(steps(), st.sampled_from(Band))
def test_nothing_is_told_that_is_not_so(rounds: list[Step], min_band: Band) -> None:
    for line in run(rounds, min_band):
        now = rounds[line.round]
        if line.new is UNKNOWN:
            first = line.round
            while first > 0 and rounds[first - 1].band is UNKNOWN:
                first -= 1
            assert now.band is UNKNOWN
            assert sum(step.wait_s for step in rounds[first + 1 : line.round + 1]) >= PLAIN.grace_s
        else:
            assert now.band is not UNKNOWN, "a known band is told only when one was seen"
            assert now.band <= line.new <= now.relaxed


@given(steps(), st.sampled_from(Band))
def test_nothing_is_said_while_nothing_changes(rounds: list[Step], min_band: Band) -> None:
    doubled = [one for step in rounds for one in (step, step._replace(wait_s=0))]
    assert all(line.round % 2 == 0 for line in run(doubled, min_band))
    assert [line[1:] for line in run(doubled, min_band)] == [line[1:] for line in run(rounds, min_band)]


@given(steps(), st.sampled_from(Band), st.sampled_from(Band))
def test_what_was_told_last_is_how_it_stands_once_it_has_settled(
    rounds: list[Step], min_band: Band, at_last: Band
) -> None:
    before = run(rounds, min_band)
    settled = [*rounds, Step(1, at_last, at_last), Step(40, at_last, at_last)]
    after = run(settled, min_band)
    last = after[-1].new if after else OK
    was_bad = bool(before) and before[-1].new is not OK
    if at_last >= min_band or at_last is UNKNOWN or was_bad:
        assert last is at_last
    else:
        assert len(after) == len(before), "a fall below the channel's band is none of its business"


@given(steps())
def test_better_counts_only_when_it_is_better_at_the_wider_bounds_too(rounds: list[Step]) -> None:
    """Against a reference that looks at known bands alone."""
    level, kept, now = None, None, 0
    for step in rounds:
        now += step.wait_s
        kept = remembered(kept, seen(step.band, "w0", step.relaxed), now, PLAIN)
        if step.band is UNKNOWN:
            assert kept.seen is level
            continue
        if level is None or step.band >= level:
            level = step.band
        elif step.relaxed < level:
            level = step.relaxed
        assert (kept.seen, kept.band, kept.unknown_since) == (level, level, None)


@given(steps(), st.sampled_from(Band))
def test_a_bad_band_is_repeated_after_the_time_and_not_before(rounds: list[Step], min_band: Band) -> None:
    settings = replace(PLAIN, repeat_after_s=90)
    lines = run(rounds, min_band, settings)
    assert [line[1:] for line in lines if line.kind is Kind.BAND] == [
        line[1:] for line in run(rounds, min_band)
    ]
    at = [sum(step.wait_s for step in rounds[: number + 1]) for number in range(len(rounds))]
    for before, line in pairwise(lines):
        if line.kind is Kind.REPEAT:
            assert line.old is line.new is before.new
            assert line.new is UNKNOWN or line.new >= min_band
            assert line.new is not OK
            assert at[line.round] - at[before.round] >= 90
    for before, line in pairwise([*lines, Line(len(rounds), Kind.BAND, OK, OK)]):
        if before.new is not OK and (before.new is UNKNOWN or before.new >= min_band):
            quiet = [at[number] - at[before.round] for number in range(before.round + 1, line.round)]
            assert all(wait < 90 for wait in quiet), "it should have been repeated"


# --- rules, one by one ----------------------------------------------------------------------------------


def test_bad_at_first_sight_is_told_and_ok_is_not() -> None:
    assert told(plainly(OK, OK)) == []
    assert told(plainly(WARNING, WARNING)) == [(OK, WARNING)]
    assert told(plainly(LIQUIDATABLE)) == [(OK, LIQUIDATABLE)]


@pytest.mark.parametrize(
    ("min_band", "bands", "expected"),
    [
        (DANGER, [WARNING, OK, WARNING], []),
        (DANGER, [WARNING, DANGER, WARNING, OK], [(OK, DANGER), (DANGER, WARNING), (WARNING, OK)]),
        (LIQUIDATABLE, [DANGER, LIQUIDATABLE, DANGER], [(OK, LIQUIDATABLE), (LIQUIDATABLE, DANGER)]),
        (OK, [OK, WARNING, OK], [(OK, WARNING), (WARNING, OK)]),
    ],
)
def test_a_channel_hears_from_its_band_on_and_of_the_way_back(
    min_band: Band, bands: list[Band], expected: list[tuple[Band, Band]]
) -> None:
    assert told(plainly(*bands), min_band) == expected


@pytest.mark.parametrize("min_band", KNOWN)
def test_unknown_is_told_to_all_after_the_grace_and_so_is_the_sight_after_it(min_band: Band) -> None:
    # 20 s apart: the third in a row is 40 s after the first
    steps = plainly(OK, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, WARNING, OK, wait_s=20)
    lines = run(steps, min_band)
    assert [line.round for line in lines] == [3, 5, 6]
    assert [line[2:] for line in lines] == [(OK, UNKNOWN), (UNKNOWN, WARNING), (WARNING, OK)]


def test_blind_for_a_moment_changes_nothing() -> None:
    steps = plainly(DANGER, UNKNOWN, UNKNOWN, DANGER, UNKNOWN, UNKNOWN, OK, wait_s=20)
    assert told(steps) == [(OK, DANGER), (DANGER, OK)]


def test_unknown_from_the_first_is_told_after_the_grace_and_not_called_ok_until_then() -> None:
    first = remembered(None, seen(UNKNOWN), 1000, PLAIN)
    assert first.band is None
    assert told(plainly(UNKNOWN, UNKNOWN, UNKNOWN, wait_s=20)) == [(OK, UNKNOWN)]
    assert told([Step(0, UNKNOWN, UNKNOWN)], settings=replace(PLAIN, grace_s=0)) == [(OK, UNKNOWN)]


def test_after_blindness_a_band_is_compared_with_what_was_seen_before_it() -> None:
    """One that was ok stays ok near the edge; one that was in danger has to be clearly better."""
    blind = [Step(20, UNKNOWN, UNKNOWN)] * 3
    near = Step(20, OK, WARNING)
    assert told([*plainly(OK), *blind, near]) == [(OK, UNKNOWN), (UNKNOWN, OK)]
    assert told([*plainly(WARNING), *blind, near])[-1] == (UNKNOWN, WARNING)


def test_near_the_edge_a_wallet_does_not_flicker() -> None:
    near = Step(12, OK, WARNING)
    assert told([*plainly(WARNING), near, *plainly(WARNING), near, near]) == [(OK, WARNING)]
    assert told([*plainly(LIQUIDATABLE), Step(12, OK, DANGER)])[-1] == (LIQUIDATABLE, DANGER)
    assert told([*plainly(DANGER), Step(12, OK, LIQUIDATABLE)]) == [(OK, DANGER)], "never worse than it was"
    assert told([*plainly(LIQUIDATABLE), Step(12, OK, UNKNOWN)]) == [(OK, LIQUIDATABLE)], "no proof"


def test_a_clock_that_is_set_does_not_hide_anything() -> None:
    blind = remembered(remembered(None, seen(OK), 5000, PLAIN), seen(UNKNOWN), 5001, PLAIN)
    back = remembered(blind, seen(UNKNOWN), 100, PLAIN)
    assert back.band is OK
    assert remembered(back, seen(UNKNOWN), 140, PLAIN).band is UNKNOWN, "the grace counts from there"
    blind = remembered(blind, seen(UNKNOWN), 5041, PLAIN)
    assert blind.band is UNKNOWN
    assert remembered(blind, seen(UNKNOWN), 100, PLAIN).band is UNKNOWN, "and what counted still does"
    hourly = replace(PLAIN, repeat_after_s=3600)
    channel = ChannelKey("c", OK)
    assert to_say(channel, DANGER, Told(DANGER, 9e9), 5000, hourly) is Kind.REPEAT
    assert to_say(channel, DANGER, Told(DANGER, 4000), 5000, hourly) is None


def test_nothing_is_repeated_while_the_first_has_not_arrived() -> None:
    channel, hourly = ChannelKey("c", OK), replace(PLAIN, repeat_after_s=3600)
    assert to_say(channel, DANGER, Told(DANGER, 0), 3600, hourly) is Kind.REPEAT
    assert to_say(channel, DANGER, Told(DANGER, 0), 3600, hourly, waits=True) is None
    assert to_say(channel, LIQUIDATABLE, Told(DANGER, 0), 3600, hourly, waits=True) is Kind.BAND


# --- blocks ---------------------------------------------------------------------------------------------


def kept_at(*blocks: BlockFact, at: float = 1000) -> Kept:
    return remembered(None, seen(DANGER, "w0", None, *blocks), at, PLAIN)


def test_a_band_is_kept_with_its_block_and_blindness_leaves_it() -> None:
    kept = kept_at(block(7))
    assert kept.blocks == (block(7),)
    assert remembered(kept, seen(UNKNOWN), 1010, PLAIN).blocks == (block(7),)
    assert remembered(kept, seen(OK, "w0", None, block(8)), 1010, PLAIN).blocks == (block(8),)


def test_an_older_block_says_nothing_new_for_a_while() -> None:
    kept, behind = kept_at(block(7)), seen(OK, "w0", None, block(6))
    assert is_behind(kept, behind, 1010, PLAIN)
    assert not is_behind(kept, seen(OK, "w0", None, block(7, branch=1)), 1010, PLAIN)
    assert not is_behind(kept, seen(OK, "w0", None, block(6, chain="other")), 1010, PLAIN)
    assert not is_behind(kept, behind, 1010, PLAIN, {block(7)[2]}), "its block was replaced"
    assert not is_behind(kept, behind, 1040, PLAIN), "better than nothing for so long"
    assert not is_behind(kept, behind, 900, PLAIN), "by no clock that was set back"
    assert not is_behind(kept, seen(UNKNOWN, "w0", None, block(6)), 1010, PLAIN), "blind is blind"
    both = kept_at(block(7), block(70, chain="other"))
    assert is_behind(both, seen(OK, "w0", None, block(6), block(70, chain="other")), 1010, PLAIN)
    assert not is_behind(both, seen(OK, "w0", None, block(6), block(71, chain="other")), 1010, PLAIN)


def test_being_blind_does_not_make_an_old_sight_younger() -> None:
    kept = remembered(kept_at(block(7)), seen(UNKNOWN), 1039, PLAIN)
    assert not is_behind(kept, seen(OK, "w0", None, block(6)), 1040, PLAIN)


# --- messages -------------------------------------------------------------------------------------------


def said(number: int, new: Band = DANGER, kind: Kind = Kind.BAND) -> Said:
    return Said(kind, Entry(f"w{number:03}", "W", OK, new), (block(number % 3),))


def test_few_changes_go_one_by_one_and_many_as_one() -> None:
    five = messages([said(number) for number in range(5)], 1000.9, PLAIN)
    assert [len(one.entries) for one in five] == [1] * 5
    assert five[0].at == 1000
    (six,) = messages([said(number) for number in range(6)], 1000, PLAIN)
    assert len(six.entries) == 6
    assert six.blocks == (block(0), block(1), block(2))


def test_a_digest_names_the_worst_first_and_everyone_once() -> None:
    bands = [WARNING, LIQUIDATABLE, DANGER]
    found = messages([said(number, bands[number % 3]) for number in range(120)], 1000, FIFTY)
    assert [len(one.entries) for one in found] == [50, 50, 20]
    entries = [entry for one in found for entry in one.entries]
    assert [entry.new for entry in entries] == sorted((entry.new for entry in entries), reverse=True)
    assert len({entry.subject for entry in entries}) == 120


def test_a_thousand_that_cannot_be_seen_are_one_message_and_so_is_their_return() -> None:
    """Those that come back badly are named, in digests as ever."""

    def change(number: int, old: Band, new: Band) -> Said:
        return Said(Kind.BAND, Entry(f"w{number:04}", "W", old, new), (block(1),))

    (blind,) = messages([change(n, OK, UNKNOWN) for n in range(1000)], 1000, FIFTY)
    assert [entry.subject for entry in blind.entries] == [f"w{n:04}" for n in range(1000)]
    back = [change(n, UNKNOWN, DANGER if n < 60 else OK) for n in range(1000)]
    found = messages(back, 2000, FIFTY)
    assert [len(one.entries) for one in found] == [50, 10, 940]
    assert {entry.new for entry in found[2].entries} == {OK}
    few = messages([change(n, OK, UNKNOWN) for n in range(5)], 1000, FIFTY)
    assert [len(one.entries) for one in few] == [1] * 5


def test_what_is_of_another_kind_is_another_message() -> None:
    found = messages([said(0), *(said(number, kind=Kind.REPEAT) for number in range(6))], 1000, PLAIN)
    assert [(one.kind, len(one.entries)) for one in found] == [(Kind.BAND, 1), (Kind.REPEAT, 6)]


def test_the_watch_speaks_of_itself_in_messages_of_its_own() -> None:
    kept = Kept(UNKNOWN, None, 0, 0)
    assert change_of(seen(UNKNOWN, "watch/local"), kept, None, Kind.BAND).kind is Kind.WATCH
    assert change_of(seen(UNKNOWN, "watch/local"), kept, None, Kind.REPEAT).kind is Kind.REPEAT
    assert change_of(seen(UNKNOWN, "0xwatch/"), kept, None, Kind.BAND).kind is Kind.BAND


def test_figures_stand_beside_those_of_the_last_message() -> None:
    told = Told(DANGER, 0, (Fact("health", "1.02"), Fact("debt", "$5"), Fact("gone", "1")))
    now = (Fact("health", "1.01"), Fact("debt", "$5"), Fact("new", "2"))
    assert since(told, now) == (Fact("health", "1.01 (was 1.02)"), Fact("debt", "$5"), Fact("new", "2"))
    assert since(None, now) == now


def test_a_happening_carries_the_change_that_came_with_it() -> None:
    what = [Happening(key, "w0", "W0", Kind.LIQUIDATED, (key,), (Fact(key, "1"),)) for key in ("a", "b")]
    one = seen(WARNING, "w0", None, block(9), say="and so it stands")
    kept = remembered(None, one, 1000, PLAIN)
    found = happened(what, one, kept, Told(LIQUIDATABLE, 0))
    assert (found.kind, found.entry.old, found.entry.new) == (Kind.LIQUIDATED, LIQUIDATABLE, WARNING)
    assert found.entry.sentences == ("a", "b", "and so it stands")
    assert found.blocks == (block(9),)
    alone = happened(what, None, None, Told(DANGER, 0)).entry
    assert (alone.old, alone.new) == (DANGER, DANGER)


TEXT = st.text(max_size=20)
BLOCKS = st.lists(st.tuples(TEXT, st.integers(0, 2**62), TEXT, st.integers(0, 2**62)), max_size=3).map(tuple)
FACTS = st.lists(st.builds(Fact, TEXT, TEXT), max_size=2).map(tuple)
SENTENCES = st.lists(TEXT, max_size=3).map(tuple)
BANDS, KINDS = st.sampled_from(Band), st.sampled_from(Kind)
ENTRIES = st.lists(st.builds(Entry, TEXT, TEXT, BANDS, BANDS, SENTENCES, FACTS), max_size=3).map(tuple)


@given(st.builds(Message, KINDS, ENTRIES, BLOCKS, st.integers(0, 2**40)))
def test_a_message_is_read_back_as_it_was_written(one: Message) -> None:
    text = message_text(one)
    assert message_of(text) == one
    assert text.isascii()
    assert "\0" not in text


@given(st.builds(Happening, TEXT, TEXT, TEXT, KINDS, SENTENCES, FACTS, BLOCKS))
def test_a_happening_is_read_back_as_it_was_written(one: Happening) -> None:
    assert happening_of(one.key, one.subject, happening_text(one)) == one
