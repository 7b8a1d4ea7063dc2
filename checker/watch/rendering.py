"""The words of a message, for any channel: title, sentences, figures, blocks; safe and bounded.

Names, symbols and error texts come from outside. Here they become plain lines without anything that
hides, reorders or breaks text; each channel then escapes them for where they are shown. What does not
fit is cut with "…", and what is left out is counted.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from checker.bands import Band
from checker.watch.values import BlockFact, Entry, Fact, Kind, Message
from checker.words import moment, short, span

Mark = Callable[[str], str]
"""Escapes a clean line for one channel."""

LONGEST_NAME = 100
LONGEST_SENTENCE = 600
LONGEST_VALUE = 300
_SHORTEST_SENTENCE = 20
MOST_BLOCKS = 8
DIGEST_FITS = 15
"""A digest of so many subjects names each of them on every channel, whatever their names are."""

_NOTES = {
    Kind.REPEAT: "still",
    Kind.LIQUIDATED: "liquidated",
    Kind.UNDONE: "liquidation taken back",
    Kind.GROUND: "the ground moved",
    Kind.FAILED: "not delivered by another channel",
}
_TOLD_WHOLE = frozenset({Kind.LIQUIDATED, Kind.UNDONE, Kind.GROUND, Kind.FAILED})
"""Where the first sentence of an entry is not all of what happened."""
_BLANKS = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0]")
"""Printable to Unicode, nothing to the eye; besides all of category C."""
_LINK = re.compile(r"(?<=[A-Za-z0-9+.-]):(?=//)")
_DISCORD = re.compile(r"[\\*_~`|>#\[\]()<]|(?<![0-9A-Za-z])-|-(?![0-9A-Za-z])|:(?=[^\s\d])")
_ORDERED = re.compile(r"^(\d+)\.(?=\s|$)")


def clean(text: str, longest: int) -> str:
    """One line of at most `longest` characters without control, bidi, zero-width or hiding characters.

    Line breaks become spaces, and a web address is broken so that no program makes a link of it.
    """
    kept: list[str] = []
    marks = 0
    for char in text[: 4 * longest + 100]:  # what hides is dropped, so more is looked at than is kept
        kind = unicodedata.category(char)
        marks = marks + 1 if kind in ("Mn", "Me") else 0
        if kind[0] == "Z" or char in "\t\n\v\f\r\x85":
            kept.append(" ")
        elif kind[0] != "C" and marks <= 2 and not _BLANKS.match(char):
            kept.append(char)
    line = _LINK.sub(": ", " ".join("".join(kept).split()))
    return cut(line, longest)


def cut(line: str, longest: int, size: Callable[[str], int] = len) -> str:
    """The line itself, or its beginning and "…"; never ends inside a backslash escape."""
    if size(line) <= longest:
        return line
    end = min(len(line), longest - 1)
    while size(line[:end]) > longest - 1:
        end -= 1
    kept = line[:end]
    if (len(kept) - len(kept.rstrip("\\"))) % 2:
        kept = kept[:-1]
    return kept.rstrip(" ") + "…"


def marked_for_discord(line: str) -> str:
    """A clean line whose markdown, links and mentions Discord shows as they are written."""
    line = _ORDERED.sub(r"\1\\.", _DISCORD.sub(r"\\\g<0>", line))
    return line.replace("@", "＠")  # a mention is found before any escape is looked at


def as_it_is(line: str) -> str:
    """For a channel that knows no markup."""
    return line


@dataclass(frozen=True, slots=True)
class Line:
    """One subject of a digest."""

    head: str
    """Its name and bands."""
    sentence: str

    def __str__(self) -> str:
        return f"{self.head}. {self.sentence}" if self.sentence else self.head


@dataclass(frozen=True, slots=True)
class Said:
    """A message in words: clean, bounded, not yet escaped for a channel."""

    band: Band
    title: str
    """The subject and its bands; for a digest how many there are of each."""
    lines: tuple[Line, ...]
    """A digest: one line a subject, the worst first."""
    sentences: tuple[str, ...]
    facts: tuple[Fact, ...]
    blocks: tuple[str, ...]
    """As of which blocks, and how old they were when it was decided."""


def said(message: Message, mark: Mark = as_it_is) -> Said:
    """The message in words, with everything from outside passed through `mark`."""
    entries = sorted(message.entries, key=lambda entry: -entry.new)
    alone = entries[0] if len(entries) == 1 else None
    return Said(
        band=message.band,
        title=headline(message.kind, alone, mark) if alone else _digest_title(message.kind, entries),
        lines=() if alone else _lines(message.kind, entries, mark),
        sentences=_sentences(alone, mark) if alone else (),
        facts=_facts(alone, mark) if alone else (),
        blocks=_blocks(message, mark),
    )


def headline(kind: Kind, entry: Entry, mark: Mark = as_it_is) -> str:
    """`treasury: danger → ok (recovered)`."""
    name = mark(clean(entry.name.replace("→", "->"), LONGEST_NAME)) or "(no name)"
    if kind is Kind.TEST:
        return f"{name}: test message"
    note = _NOTES.get(kind)
    if kind in (Kind.BAND, Kind.WATCH) and entry.new is Band.OK and entry.old not in (Band.OK, Band.UNKNOWN):
        note = "recovered"
    bands = f"{entry.old} → {entry.new}"
    return f"{name}: {bands} ({note})" if note else f"{name}: {bands}"


def and_more(count: int) -> str:
    """`and 12 more`."""
    return f"and {count:,} more"


def fitting(lines: Sequence[str], longest: int, size: Callable[[str], int] = len) -> list[str]:
    """As many of the lines as fit, joined by line breaks, into `longest`; then how many were left out."""
    if not lines:
        return []
    total = sum(size(line) + 1 for line in lines) - 1
    if total <= longest:
        return list(lines)
    kept: list[str] = []
    room = longest - len(and_more(len(lines)))
    for line in lines:
        if kept and size(line) + 1 > room:
            break
        kept.append(cut(line, room - 1, size))
        room -= size(kept[-1]) + 1
    left = len(lines) - len(kept)
    return [*kept, and_more(left)] if left else kept


def fitting_digest(lines: Sequence[Line], longest: int, size: Callable[[str], int] = len) -> list[str]:
    """The lines of a digest: where room is short, sentences are cut before a name is left out."""
    whole = [str(line) for line in lines]
    room = longest - sum(size(line.head) + 1 for line in lines)
    if not lines or sum(size(line) + 1 for line in whole) <= longest + 1:
        return whole
    share = room // len(lines) - 2
    if share < _SHORTEST_SENTENCE:
        return fitting([line.head for line in lines], longest, size)
    return [str(Line(line.head, cut(line.sentence, share, size))) for line in lines]


def _digest_title(kind: Kind, entries: Sequence[Entry]) -> str:
    """`12 at once: 3 liquidatable, 9 danger`."""
    counts = Counter(entry.new for entry in entries)
    bands = ", ".join(f"{counts[band]:,} {band}" for band in sorted(counts, reverse=True))
    note = _NOTES.get(kind)
    return f"{len(entries):,} at once: {bands or 'nothing'}" + (f" ({note})" if note else "")


def _lines(kind: Kind, entries: Sequence[Entry], mark: Mark) -> tuple[Line, ...]:
    """One a subject; where they are too many to be named each, what is true of all stands before them."""
    lines = tuple(_line(kind, entry, mark) for entry in entries)
    if len(lines) <= DIGEST_FITS:
        return lines
    common = lines[0].sentence
    if not common or any(line.sentence != common for line in lines):
        return lines
    return (Line(common, ""), *(Line(line.head, "") for line in lines))


def _line(kind: Kind, entry: Entry, mark: Mark) -> Line:
    shown = entry.sentences if kind in _TOLD_WHOLE else entry.sentences[:1]
    sentence = mark(clean("; ".join(shown), LONGEST_SENTENCE)) if shown else ""
    return Line(headline(kind, entry, mark), sentence)


def _sentences(entry: Entry, mark: Mark) -> tuple[str, ...]:
    lines = (mark(clean(sentence, LONGEST_SENTENCE)) for sentence in entry.sentences)
    return tuple(line for line in lines if line)


def _facts(entry: Entry, mark: Mark) -> tuple[Fact, ...]:
    """Each with a name and a value; Discord takes no empty one."""
    facts = []
    for fact in entry.facts:
        name, value = mark(clean(fact.name, LONGEST_NAME)), mark(clean(fact.value, LONGEST_VALUE))
        if name or value:
            facts.append(Fact(name or "—", value or "—"))
    return tuple(facts)


def _blocks(message: Message, mark: Mark) -> tuple[str, ...]:
    shown = [_block(block, message.at, mark) for block in message.blocks]
    left = len(shown) - MOST_BLOCKS
    return (*shown[:MOST_BLOCKS], and_more(left)) if left > 0 else tuple(shown)


def _block(block: BlockFact, at: int, mark: Mark) -> str:
    """`local block 120 (0x1234…cdef), 2027-01-03 04:05:06 UTC, 12 s old`."""
    chain, number, block_hash, timestamp = block
    age = at - timestamp
    aged = f"{span(age)} old" if age >= 0 else f"{span(-age)} ahead of this clock"
    shown = mark(clean(short(block_hash), 40))
    return f"{mark(clean(chain, 64))} block {number} ({shown}), {moment(timestamp)}" + (
        f", {aged}" if at else ""
    )


# --- whole texts, for mail and other services --------------------------------------------------------------

MOST_LINES, MOST_SENTENCES, MOST_FACTS = 1000, 100, 100
COLOURS = {
    Band.OK: 0x2E7D32,
    Band.WARNING: 0xF9A825,
    Band.DANGER: 0xE65100,
    Band.UNKNOWN: 0x6A1B9A,
    Band.LIQUIDATABLE: 0xB71C1C,
}
"""One colour a band, 0xRRGGBB."""


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("checker.watch"),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def as_text(message: Message, mark: Mark = as_it_is) -> str:
    """The whole message as plain text."""
    return _filled("mail.txt.j2", message, mark)


def as_html(message: Message) -> str:
    """The whole message as an HTML page that loads nothing."""
    return _filled("mail.html.j2", message, as_it_is)


def _filled(template: str, message: Message, mark: Mark) -> str:
    words = said(message, mark)
    left_out = len(words.lines[MOST_LINES:]) + len(words.sentences[MOST_SENTENCES:])
    more_facts = len(words.facts[MOST_FACTS:])
    shown = replace(
        words,
        lines=words.lines[:MOST_LINES],
        sentences=words.sentences[:MOST_SENTENCES],
        facts=words.facts[:MOST_FACTS],
    )
    return (
        _templates()
        .get_template(template)
        .render(
            said=shown,
            width=min(max((len(fact.name) for fact in shown.facts), default=0), 34),
            left_out=and_more(left_out) if left_out else "",
            more_facts=and_more(more_facts) if more_facts else "",
            colour=f"#{COLOURS[words.band]:06x}",
        )
    )
