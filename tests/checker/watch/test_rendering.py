"""The words of a message: what they say, what cannot get through them, and that they are bounded."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.bands import Band
from checker.watch.channels.discord import DESCRIPTION, EMBEDS, Mentions, payload, utf16
from checker.watch.rendering import (
    DIGEST_FITS,
    Line,
    as_html,
    as_text,
    clean,
    cut,
    fitting,
    fitting_digest,
    headline,
    marked_for_discord,
    said,
)
from checker.watch.values import Entry, Fact, Kind, Message
from tests.discord import _errors, _words

HASH = "0x" + "ab" * 32
BLOCK = ("local", 120, HASH, 1_790_000_000)


def entry(name: str = "treasury", old: Band = Band.OK, new: Band = Band.DANGER, *said: str) -> Entry:
    return Entry(f"wallet/{name}", name, old, new, said)


def message(*entries: Entry, kind: Kind = Kind.BAND) -> Message:
    return Message(kind, entries, (BLOCK,), 1_790_000_012)


# --- what is said -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "old", "new", "says"),
    [
        (Kind.BAND, Band.WARNING, Band.DANGER, "treasury: warning → danger"),
        (Kind.BAND, Band.OK, Band.UNKNOWN, "treasury: ok → unknown"),
        (Kind.BAND, Band.DANGER, Band.OK, "treasury: danger → ok (recovered)"),
        (Kind.BAND, Band.DANGER, Band.WARNING, "treasury: danger → warning"),
        (Kind.BAND, Band.UNKNOWN, Band.OK, "treasury: unknown → ok"),
        (Kind.LIQUIDATED, Band.LIQUIDATABLE, Band.OK, "treasury: liquidatable → ok (liquidated)"),
        (Kind.REPEAT, Band.DANGER, Band.DANGER, "treasury: danger → danger (still)"),
        (Kind.GROUND, Band.OK, Band.OK, "treasury: ok → ok (the ground moved)"),
        (Kind.TEST, Band.OK, Band.OK, "treasury: test message"),
    ],
)
def test_the_title(kind: Kind, old: Band, new: Band, says: str) -> None:
    assert said(message(entry("treasury", old, new), kind=kind)).title == says


def test_a_single_message_in_words() -> None:
    one = Entry(
        "k", "treasury", Band.OK, Band.WARNING, ("First.", "Second."), (Fact("Health factor", "1.2"),)
    )
    assert as_text(message(one)) == (
        "treasury: ok → warning\n\nFirst.\nSecond.\n\nHealth factor  1.2\n\n"
        "As of local block 120 (0xabab…abab), 2026-09-21 14:13:20 UTC, 12 s old\n"
    )


def test_a_digest_has_a_line_for_each_the_worst_first() -> None:
    those = [entry("a", Band.OK, Band.WARNING, "Aa.", "not this"), entry("b", Band.OK, Band.LIQUIDATABLE)]
    words = said(message(*those))
    assert words.title == "2 at once: 1 liquidatable, 1 warning"
    assert [str(line) for line in words.lines] == ["b: ok → liquidatable", "a: ok → warning. Aa."]
    assert (words.sentences, words.facts) == ((), ())


def test_our_own_words_use_no_band_for_anything_else() -> None:
    for kind in Kind:
        text = as_text(message(entry("x", Band.WARNING, Band.DANGER), kind=kind))
        bands = re.findall(r"\b(ok|warning|danger|liquidatable|unknown)\b", text)
        assert bands == ([] if kind is Kind.TEST else ["warning", "danger"])


# --- what is hostile --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\r\nBcc: x", "a Bcc: x"),
        ("a\x00b\x1b[31mc", "ab[31mc"),
        ("pay\u202elap\u2066x\u200f", "paylapx"),
        ("u\u200bs\u200dd\ufeffc\u00ad", "usdc"),
        ("\u3164\u2800\u115f", ""),
        ("a\u2028b\u2029c\u00a0d", "a b c d"),
        ("z\u0300\u0301\u0302\u0303\u0304", "z\u0300\u0301"),
        ("see https://evil.example/x", "see https: //evil.example/x"),
        ("\ud800x", "x"),
        ("local/aave-v3/core at 12:30", "local/aave-v3/core at 12:30"),
    ],
)
def test_what_hides_or_breaks_a_line_is_removed(text: str, shown: str) -> None:
    assert clean(text, 100) == shown


@given(st.text(), st.integers(2, 50))
def test_a_clean_line_is_one_bounded_visible_line(text: str, longest: int) -> None:
    line = clean(text, longest)
    assert len(line) <= longest
    assert all(unicodedata.category(char)[0] != "C" for char in line)
    assert line == " ".join(line.split())
    assert "://" not in line


def test_clean_does_not_look_at_more_than_it_must() -> None:
    assert clean("\u200b" * 10**7 + "x", 10) == ""


def test_a_name_cannot_bring_bands_of_its_own() -> None:
    assert headline(Kind.BAND, entry("x: danger → ok\n", Band.OK, Band.DANGER)).count("→") == 1
    assert headline(Kind.BAND, entry("\u200b")) == "(no name): ok → danger"


@pytest.mark.parametrize(
    "text",
    [
        *"\\*_~`|>#[]()<",
        "**bold** __u__ ~~s~~ ||hidden|| `code`",
        "[click](https://evil.example)",
        "<@123> <@&5> <#9> <t:1:R> <:x:1> </cmd:1>",
        "- item",
        "> quote",
        "# head",
        "-# small",
        "1. one",
        "a - b",
    ],
)
def test_markdown_is_escaped(text: str) -> None:
    shown = marked_for_discord(text)
    assert re.sub(r"\\([^0-9A-Za-z\s])", r"\1", shown).replace("＠", "@") == text, "nothing is lost"
    bare = re.sub(r"\\[^0-9A-Za-z\s]", "", shown)
    assert not re.search(r"[\\*_~`|>#\[\]()<@]|^-|^\d+\.\s", bare)


@pytest.mark.parametrize("text", ["@everyone", "@here", "<@1>", "\\@everyone", "a@b.example"])
def test_a_mention_is_inert_by_its_text(text: str) -> None:
    assert "@" not in marked_for_discord(text)


def test_plain_names_are_shown_as_they_are() -> None:
    for name in (
        "desk-7",
        "0x" + "Ab" * 20,
        "local/aave-v3/core",
        "vitalik.eth",
        "a 2027-01-03 04:05:06",
        "1.07",
    ):
        assert marked_for_discord(name) == name


def test_html_is_escaped_and_loads_nothing() -> None:
    hostile = "<img src=x onerror=alert(1)>\"'&"
    one = Entry("k", hostile, Band.OK, Band.DANGER, (hostile,), (Fact(hostile, hostile),))
    for page in (as_html(message(one)), as_html(message(one, entry(hostile, Band.OK, Band.OK, hostile)))):
        assert "<img" not in page
        assert "&lt;img" in page
        assert not re.search(r"(src|href|@import|url\()\s*=?", page.replace("src=x", ""))


# --- what is bounded --------------------------------------------------------------------------------------


@given(st.text(), st.integers(1, 40))
def test_cut_never_ends_inside_an_escape(text: str, longest: int) -> None:
    line = marked_for_discord(clean(text, 60))
    shown = cut(line, longest, utf16)
    assert utf16(shown) <= longest
    if shown != line:
        body = shown.removesuffix("…")
        assert shown.endswith("…")
        assert (len(body) - len(body.rstrip("\\"))) % 2 == 0


@given(st.lists(st.text("ab", min_size=1, max_size=30), max_size=30), st.integers(20, 200))
def test_fitting_counts_what_it_leaves_out(lines: list[str], longest: int) -> None:
    shown = fitting(lines, longest)
    assert len("\n".join(shown)) <= longest
    if len(shown) < len(lines) or shown != lines:
        left = re.fullmatch(r"and (\d+) more", shown[-1])
        kept = shown[:-1] if left else shown
        assert len(kept) + (int(left[1]) if left else 0) == len(lines)


def test_a_digest_cuts_sentences_before_names() -> None:
    lines = [Line(f"wallet {n}: ok → danger", "s" * 300) for n in range(20)]
    shown = fitting_digest(lines, 2000)
    assert len("\n".join(shown)) <= 2000
    assert [f"wallet {n}: ok → danger" in line for n, line in enumerate(shown)] == [True] * 20
    assert all(line.endswith("…") for line in shown)
    shown = fitting_digest(lines, 200)
    assert len("\n".join(shown)) <= 200
    assert shown[-1] == f"and {20 - len(shown) + 1} more"


def test_a_digest_of_the_longest_names_names_each_of_them() -> None:
    for hard in ("*", "😀", "＠", "("):
        those = [
            entry(f"{n:02}" + hard * 98, Band.LIQUIDATABLE, Band.LIQUIDATABLE, "*" * 900)
            for n in range(DIGEST_FITS)
        ]
        body = payload(message(*those, kind=Kind.FAILED))
        assert not _errors(body)
        lines = body["embeds"][0]["description"].split("\n")
        assert [line[:2] for line in lines] == [f"{n:02}" for n in range(DIGEST_FITS)]
        assert all("liquidatable → liquidatable" in line for line in lines)


def test_what_is_true_of_many_is_said_once() -> None:
    those = [entry(f"wallet {n}", Band.OK, Band.UNKNOWN, "cannot read local") for n in range(1000)]
    body = payload(message(*those))
    assert not _errors(body)
    (embed,) = body["embeds"]
    assert embed["title"] == "1,000 at once: 1,000 unknown"
    lines = embed["description"].split("\n")
    assert lines[:2] == ["cannot read local", "wallet 0: ok → unknown"]
    assert lines[-1] == f"and {1000 - len(lines) + 2:,} more"
    others = [*those, entry("last", Band.OK, Band.UNKNOWN, "cannot judge it")]
    assert payload(message(*others))["embeds"][0]["description"].startswith("wallet 0: ok → unknown")


TEXTS = st.one_of(
    st.text(max_size=80),
    st.builds(lambda part, times: part * times, st.text(min_size=1, max_size=8), st.integers(1, 900)),
    st.builds(lambda part, times: part * times, st.sampled_from("*_@<😀\\x\u0301 \n"), st.integers(1, 6000)),
)
BANDS = st.sampled_from(Band)
ENTRIES = st.builds(
    Entry,
    TEXTS,
    TEXTS,
    BANDS,
    BANDS,
    st.lists(TEXTS, max_size=40).map(tuple),
    st.lists(st.builds(Fact, TEXTS, TEXTS), max_size=40).map(tuple),
)
BLOCKS = st.tuples(TEXTS, st.integers(), TEXTS, st.integers())
MESSAGES = st.builds(
    Message,
    st.sampled_from(Kind),
    st.one_of(
        st.lists(ENTRIES, max_size=3), st.builds(lambda e, n: [e] * n, ENTRIES, st.integers(1, 300))
    ).map(tuple),
    st.lists(BLOCKS, max_size=20).map(tuple),
    st.one_of(st.just(0), st.integers(), st.integers(0, 2**31)),
)


@given(MESSAGES)
def test_whatever_a_message_holds_discord_takes_it_and_calls_nobody(held: Message) -> None:
    body = payload(held)
    assert not _errors(body)
    assert body["allowed_mentions"] == {"parse": []}
    assert "content" not in body
    (embed,) = body["embeds"]
    words = _words(body)
    assert sum(map(utf16, words)) <= EMBEDS
    assert utf16(embed.get("description", "")) <= DESCRIPTION
    assert not any("@" in word for word in words)
    as_text(held)
    as_html(held)
    if len(held.entries) == 1 and held.kind is not Kind.TEST:
        (only,) = held.entries
        assert f"{only.old} → {only.new}" in embed["title"]


def test_facts_beyond_the_limit_are_counted() -> None:
    facts = tuple(Fact(f"n{at}", "v") for at in range(40))
    body = payload(message(Entry("k", "x", Band.OK, Band.DANGER, (), facts)))
    fields = body["embeds"][0]["fields"]
    assert len(fields) == 25
    assert fields[-1]["value"] == "and 16 more"
    exact = payload(message(Entry("k", "x", Band.OK, Band.DANGER, (), facts[:25])))
    assert [each["name"] for each in exact["embeds"][0]["fields"]] == [f"n{at}" for at in range(25)]
    long = tuple(Fact(f"n{at}", "v" * 300) for at in range(20))
    fields = payload(message(Entry("k", "x", Band.OK, Band.DANGER, ("s" * 600,) * 9, long)))["embeds"][0][
        "fields"
    ]
    assert fields[-1]["value"] == f"and {20 - len(fields) + 1} more"


def test_who_may_be_called_is_called_by_anything_but_a_recovery() -> None:
    mentions = Mentions(("11",), ("22",))
    body = payload(message(entry()), mentions)
    assert body["content"] == "<@11> <@&22>"
    assert body["allowed_mentions"] == {"parse": [], "users": ["11"], "roles": ["22"]}
    assert "content" not in payload(message(entry("x", Band.DANGER, Band.OK)), mentions)
    assert "content" in payload(message(entry("x", Band.DANGER, Band.OK), kind=Kind.LIQUIDATED), mentions)
