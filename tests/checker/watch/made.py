"""Observations and channels made by hand for the watch's memory, store and outbox."""

from __future__ import annotations

from dataclasses import dataclass, field

from checker.bands import Band
from checker.watch.sending import Gone, NotNow
from checker.watch.values import BlockFact, ChannelKey, Entry, Kind, Message, Observation

OK, WARNING, DANGER, UNKNOWN, LIQUIDATABLE = Band

DISCORD = ChannelKey("discord:1", WARNING)
MAIL = ChannelKey("email:2", DANGER)


def block(number: int, branch: int = 0, chain: str = "local") -> BlockFact:
    return chain, number, f"0x{branch:032x}{number:032x}", 1_790_000_000 + 12 * number


def seen(
    band: Band, subject: str = "w0", relaxed: Band | None = None, *blocks: BlockFact, say: str = ""
) -> Observation:
    """How a subject stands; at the wider bounds the same unless told otherwise."""
    sentences = (say,) if say else ()
    return Observation(
        subject, subject.upper(), band, band if relaxed is None else relaxed, sentences, (), blocks
    )


def message(subject: str = "w0", new: Band = DANGER, old: Band = OK, kind: Kind = Kind.BAND) -> Message:
    return Message(kind, (Entry(subject, subject.upper(), old, new),), (block(1),), 100)


@dataclass
class Inbox:
    """A channel that takes all, or fails as often as told."""

    took: list[tuple[str, Message]] = field(default_factory=list)
    """What was acknowledged: message id and message."""
    asked: int = 0
    fails: list[NotNow | Gone | BaseException] = field(default_factory=list)
    """What is raised instead, the first one first."""
    refuses: dict[str, NotNow | Gone] = field(default_factory=dict)
    """Subjects that it does not take."""

    def send(self, message: Message, message_id: str) -> None:
        self.asked += 1
        if self.fails:
            raise self.fails.pop(0)
        for entry in message.entries:
            if entry.subject in self.refuses:
                raise self.refuses[entry.subject]
        self.took.append((message_id, message))

    def changes(self, subject: str) -> list[tuple[Band, Band]]:
        """What arrived about a subject, old and new."""
        return [
            (entry.old, entry.new)
            for _, message in self.took
            for entry in message.entries
            if entry.subject == subject
        ]

    @property
    def subjects(self) -> list[str]:
        return [entry.subject for _, message in self.took for entry in message.entries]
