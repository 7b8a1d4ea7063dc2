"""What the watch passes on: how a subject stands, and what is said of it. Plain values, kept as JSON.

A *subject* is whatever has a band of its own: a wallet, or the watch of a chain itself (it is unknown
while it cannot see). The words for bands are those of `checker.bands`, and stand for nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from checker.bands import Band

BlockFact = tuple[str, int, str, int]
"""Chain, number, hash, timestamp."""


class Kind(StrEnum):
    """What a message is about."""

    BAND = "band"
    """A subject's band changed, or it is bad at first sight."""
    REPEAT = "repeat"
    """It is still bad after the time set for repeats."""
    LIQUIDATED = "liquidated"
    """A liquidation happened to it."""
    UNDONE = "undone"
    """A liquidation that was told did not happen after all: its block was replaced."""
    GROUND = "ground"
    """A parameter or price source changed where it stands."""
    WATCH = "watch"
    """The watch itself: blind, late, stuck, disagreeing, or well again."""
    FAILED = "failed"
    """Another channel gave a message up, and why."""
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Fact:
    """One named figure of a message, as a person reads it."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Entry:
    """What is said of one subject."""

    subject: str
    """Its key, stable over restarts and renamings: a wallet's addresses, or `watch/CHAIN`."""
    name: str
    """Label, or full address."""
    old: Band
    """What this channel was told last; ok at first sight."""
    new: Band
    sentences: tuple[str, ...] = ()
    """Plain text: what happened, what kills it, what to do. No markup, no mention, no link."""
    facts: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """One message for one channel; with several entries it is a digest, one line each."""

    kind: Kind
    entries: tuple[Entry, ...]
    blocks: tuple[BlockFact, ...] = ()
    """As of which blocks."""
    at: int = 0
    """When it was decided, seconds since 1970."""

    @property
    def band(self) -> Band:
        """The worst of the new bands."""
        return max((entry.new for entry in self.entries), default=Band.OK)


Words = tuple[tuple[str, ...], tuple[Fact, ...]]
"""Sentences and figures."""


@dataclass(frozen=True, slots=True)
class Observation:
    """How one subject stands after a round, before any memory."""

    subject: str
    name: str
    band: Band
    relaxed: Band
    """The band at bounds a little wider (hysteresis): a subject is only better than before if this is too."""
    sentences: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()
    blocks: tuple[BlockFact, ...] = ()
    not_to: str | None = None
    """The key of a channel that is not told of it: what does not work is that channel itself."""
    known: Band = Band.OK
    """Where it is unknown: the band of what could be read of it."""
    words: Callable[[], Words] | None = field(default=None, repr=False, compare=False)
    """Works out what is said in place of the above, when something is."""

    def told(self) -> Words:
        """What is said of it."""
        return (self.sentences, self.facts) if self.words is None else self.words()


@dataclass(frozen=True, slots=True)
class ChannelKey:
    """A channel as the store knows it: no secret, and the same over restarts."""

    key: str
    """Type and a digest of where it goes."""
    min_band: Band
