"""Bands with memory: from what was told and how things stand now to what is to be said. Pure functions.

What is remembered of a subject is one `Kept`, of a channel and a subject one `Told`. A round turns
`Kept` and an `Observation` into the next `Kept`, and for each channel the band of that and its `Told`
into a message or none. Bands that were read and the sight itself are kept apart: a subject that can not
be seen for a moment has not changed, and one that is seen again is compared with what was last read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from checker.bands import Band
from checker.watch.values import BlockFact, ChannelKey, Entry, Fact, Kind, Message, Observation

WATCH = "watch/"
"""How the keys of the watch's own subjects begin."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How patient the memory is."""

    grace_s: float = 40.0
    """How long a subject may be unknown, without a break, before it counts."""
    repeat_after_s: float | None = 6 * 3600.0
    """After how long it is said again that a subject is still bad; None for never."""
    digest_above: int = 5
    """When more subjects than these change at once, one channel hears of them in one message."""
    digest_most: int = 15
    """The most entries of one message: so many are named whole wherever messages are bounded."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is remembered of a subject."""

    band: Band | None
    """How it counts; None while it was never seen and the grace has not passed."""
    seen: Band | None
    """How it stood when it was last read, hysteresis applied; never unknown, None when it never was."""
    unknown_since: float | None
    """Since when it is unknown without a break, seconds since 1970."""
    at: float
    """When that was, or when it was first looked for."""
    blocks: tuple[BlockFact, ...] = ()
    """From which blocks `seen` was read."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a channel was last told about a subject."""

    band: Band
    at: float
    facts: tuple[Fact, ...] = ()
    """The figures it was told with."""
    known: Band = Band.OK
    """Where it was unknown: the band of what could be read of it."""


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that happened to a subject and is told once, whatever its band."""

    key: str
    """What makes it one: a transaction and a place in it, a parameter and a block."""
    subject: str
    name: str
    kind: Kind
    sentences: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()
    blocks: tuple[BlockFact, ...] = ()


@dataclass(frozen=True, slots=True)
class Footing:
    """The parameters an account stands on, as they were read: compared with those kept, in one step."""

    account: str
    """By venue and account."""
    parameters: Mapping[str, str | int]
    told: tuple[tuple[str, str], ...]
    """Subject and name of whoever is told when one of them changes."""
    stands: tuple[str, ...]
    """What has become of the account."""
    block: BlockFact


@dataclass(frozen=True, slots=True)
class Said:
    """One entry that is to be said, before it is known whether alone or among others."""

    kind: Kind
    entry: Entry
    blocks: tuple[BlockFact, ...] = ()


# --- a subject -----------------------------------------------------------------------------------------


def is_behind(
    kept: Kept, seen: Observation, now: float, settings: Settings, replaced: Collection[str] = ()
) -> bool:
    """Whether an observation is of older blocks than what is kept, as of a watcher whose node lags.

    Then it says nothing new. Not so when a block of what is kept was replaced (`replaced`: hashes), or
    when nobody has brought anything newer for the time of grace: an old sight is better than none.
    """
    if seen.band is Band.UNKNOWN or not 0 <= now - kept.at < settings.grace_s:
        return False
    if any(block[2] in replaced for block in kept.blocks):
        return False
    numbers = {chain: number for chain, number, *_ in kept.blocks}
    steps = [number - numbers[chain] for chain, number, *_ in seen.blocks if chain in numbers]
    return any(step < 0 for step in steps) and not any(step > 0 for step in steps)


def remembered(kept: Kept | None, seen: Observation, now: float, settings: Settings) -> Kept:
    """What is kept of the subject after an observation.

    Unknown leaves the band as it was until the grace has passed. A known band that is better than the
    last one read counts only as far as it is better at the wider bounds too.
    """
    if seen.band is Band.UNKNOWN:
        since = now if kept is None or kept.unknown_since is None else min(kept.unknown_since, now)
        before = Kept(None, None, None, now) if kept is None else kept
        counts = now - since >= settings.grace_s  # and once it has, it does whatever the clock does next
        return replace(before, band=Band.UNKNOWN if counts else before.band, unknown_since=since)
    band = seen.band if kept is None or kept.seen is None else _steady(kept.seen, seen)
    return Kept(band, band, None, now, seen.blocks)


def _steady(kept: Band, seen: Observation) -> Band:
    """The band after hysteresis."""
    if seen.band >= kept:
        return seen.band
    if seen.relaxed is Band.UNKNOWN:  # nothing shows that it is better
        return kept
    return min(kept, max(seen.band, seen.relaxed))


# --- a channel -----------------------------------------------------------------------------------------


def to_say(
    channel: ChannelKey,
    band: Band,
    told: Told | None,
    now: float,
    settings: Settings,
    *,
    waits: bool = False,
    known: Band = Band.OK,
) -> Kind | None:
    """Whether the channel is to be told of the band now, and as what: BAND, REPEAT or nothing.

    At first sight it counts as told that all is ok. `waits`: an earlier message about the subject is
    not delivered yet; then nothing is repeated. `known`: of a subject that is unknown, the band of what
    could be read of it; that it falls is told as well.
    """
    before = Band.OK if told is None else told.band
    matters = band is Band.UNKNOWN or band >= channel.min_band
    if band is not before:
        return Kind.BAND if matters or before is not Band.OK else None
    if told is not None and band is Band.UNKNOWN and known > told.known and known >= channel.min_band:
        return Kind.BAND
    if told is None or band is Band.OK or not matters or waits or settings.repeat_after_s is None:
        return None
    # A time to come is of a clock that was set back: better said once too often than not for years.
    return Kind.REPEAT if not 0 <= now - told.at < settings.repeat_after_s else None


def change_of(seen: Observation, kept: Kept, told: Told | None, kind: Kind) -> Said:
    """What is said of an observation to a channel that was told `told`."""
    assert kept.band is not None
    old = Band.OK if told is None else told.band
    if kind is Kind.BAND and seen.subject.startswith(WATCH):
        kind = Kind.WATCH
    sentences, facts = seen.told()
    entry = Entry(seen.subject, seen.name, old, kept.band, sentences, since(told, facts))
    return Said(kind, entry, seen.blocks)


def since(told: Told | None, facts: Iterable[Fact]) -> tuple[Fact, ...]:
    """The figures of now, beside each that is another than in the last message what it was there."""
    before = {} if told is None else {fact.name: fact.value for fact in told.facts}
    return tuple(
        Fact(one.name, f"{one.value} (was {before[one.name]})")
        if before.get(one.name, one.value) != one.value
        else one
        for one in facts
    )


def happened(
    happenings: Sequence[Happening], seen: Observation | None, kept: Kept | None, told: Told | None
) -> Said:
    """What is said of happenings of one kind to one subject; its band, if it changed, stands beside them."""
    first = happenings[0]
    old = Band.OK if told is None else told.band
    new = old if kept is None or kept.band is None else kept.band
    sentences = tuple(one for happening in happenings for one in happening.sentences)
    facts = tuple(one for happening in happenings for one in happening.facts)
    if seen is not None:
        more, figures = seen.told()
        sentences, facts = sentences + more, facts + since(told, figures)
    blocks = _all_blocks([*(one.blocks for one in happenings), seen.blocks if seen else ()])
    return Said(first.kind, Entry(first.subject, first.name, old, new, sentences, facts), blocks)


def messages(said: Iterable[Said], now: float, settings: Settings) -> list[Message]:
    """What goes to one channel: a message each, or where many are of one kind digests, the worst first.

    Many who cannot be seen, or are seen again and well, are one message, however many: whose they are is
    told by their number, as far as names do not fit.
    """
    by_kind: dict[tuple[Kind, bool], list[Said]] = {}
    for one in said:
        by_kind.setdefault((one.kind, _is_of_sight(one)), []).append(one)
    found = []
    for (kind, of_sight), those in by_kind.items():
        size = 1
        # What was taken from whom, by which transaction, is nothing to be cut short.
        if len(those) > settings.digest_above and kind is not Kind.LIQUIDATED:
            those.sort(key=lambda one: -one.entry.new)
            size = len(those) if of_sight else settings.digest_most
        for start in range(0, len(those), size):
            part = those[start : start + size]
            entries = tuple(one.entry for one in part)
            found.append(Message(kind, entries, _all_blocks(one.blocks for one in part), int(now)))
    return found


def _is_of_sight(said: Said) -> bool:
    """Whether it is told that something cannot be seen, or that it is seen again, and is well."""
    entry = said.entry
    return said.kind is Kind.BAND and Band.UNKNOWN in (entry.new, entry.old) and entry.new in _OF_SIGHT


_OF_SIGHT = (Band.UNKNOWN, Band.OK)


def _all_blocks(blocks: Iterable[Iterable[BlockFact]]) -> tuple[BlockFact, ...]:
    return tuple(sorted({block for those in blocks for block in those}))
