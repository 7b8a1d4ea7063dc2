"""What is true of a campaign, read from the chain itself, and whether the watch said that and no more.

The judge reads the node past all troubles and the watch's outbox through a connection of its own. A band
is true of a block when it lies between the band there and the band at the wider bounds of hysteresis.
"""

from __future__ import annotations

import random
import sqlite3
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from chain.rpc import Rpc, Settings
from checker.bands import Band
from checker.config import Config
from checker.snapshot import read_chain
from checker.watch.message_json import band_of, message_of
from checker.watch.sight import Part, seen, subject_of
from checker.watch.values import ChannelKey, Entry, Kind, Message
from checker.watch.watcher import BLIND_AFTER_S, Watcher
from localnet.aave_v3 import Market
from margin.basics import Address

GRACE_S = 40.0
WHOLLY = {"refused", "429", "503", "truncated", "wrong chain", "errors", "junk", "slow", "no calls"}
"""Troubles of a node that leave nothing to be seen."""
LATEST_S = {False: 30.0 + GRACE_S + 30.0, True: BLIND_AFTER_S + GRACE_S + 61.0}
"""A watch that sees nothing says so by then: the next look, the grace, a long round. If its look hangs
(True): what it read last may count, the grace, two long rounds."""
AFTERMATH = 10
"""Rounds after a trouble in which it may still be felt."""
MEMORY = 60
"""Rounds that are shown of a campaign that failed."""
WATCH = "watch/local"


@dataclass
class Judge:
    """Follows one campaign, and raises `AssertionError` with its seed when the watch fails."""

    config: Config
    market: Market
    names: Sequence[str]
    file: Path
    channels: Sequence[ChannelKey] | Mapping[ChannelKey, object]
    seed: int
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.rpc = Rpc.open("local", self.config.chains[0].urls, 31337, Settings())
        self.subjects = dict(zip([subject_of(one) for one in self.config.wallets], self.names, strict=True))
        self.truths: dict[str, Mapping[str, Part]] = {}
        self.heads: list[tuple[int, str]] = []
        """Heads that were judged, on the branch as it is."""
        self.served: dict[str, float] = {}
        """By block: when the watch could last have read it as the newest."""
        self.queued: list[tuple[int, str, str, Message]] = []
        """Id, message id, channel, message: the outbox as it was written."""
        self.last: dict[tuple[str, str], Band] = {}
        self.trail: deque[str] = deque(maxlen=MEMORY)
        self.elapsed = 0.0
        self.node, self.hangs, self.has_hung = "", False, False
        self.new_block, self.newest = False, -1
        self.blind_since: float | None = None
        self.wrong_since: dict[tuple[str, str], float] = {}
        self.calm_rounds = 0
        """Since something went wrong last; a reorganisation is no such thing."""
        self.clear_at: float | None = None
        """When a new block was last read with nothing going wrong, and the clock has not jumped since."""

    def note(self, number: int, what: str) -> None:
        self.trail.append(f"{number} {self.elapsed:.0f}s: {what}")

    def must(self, holds: bool, what: str) -> None:
        if not holds:
            trail = "\n".join(self.trail)
            raise AssertionError(f"CROSSMARGIN_CAMPAIGN={self.seed}: {what}\n{trail}")

    # The chain

    def reorganised(self, block: int) -> None:
        self.heads = [head for head in self.heads if head[0] <= block]
        self.counts["reorgs"] += 1

    def clock_jumped(self) -> None:
        self.blind_since = self.clear_at = None
        self.wrong_since.clear()
        self.counts["clock jumps"] += 1

    def older(self, chance: random.Random) -> int | None:
        """A head of earlier on this branch."""
        numbers = [number for number, _ in self.heads[-40:-1]]
        return chance.choice(numbers) if numbers else None

    def before(self, elapsed: float, node: str, old: int | None, *, hangs: bool) -> None:
        """The truth of the round that comes."""
        self.elapsed, self.node, self.hangs = elapsed, node, hangs
        reading = read_chain(
            self.rpc, self.config.chains[0], self.config, self._owners(), "latest", lambda _: None
        )
        block = reading.block
        assert block is not None, reading.unread
        assert reading.unread is None
        head = block.number, block.hash
        # A branch of the same length is noticed with its next block, or when the interval has passed.
        self.new_block, self.newest = block.number != self.newest, block.number
        if not self.heads or self.heads[-1] != head:
            self.heads.append(head)
        if block.hash not in self.truths:
            self.truths[block.hash] = seen(self.config, reading, 0.0).parts
            for subject, name in self.subjects.items():
                dead = self.market.health_factor(self.market.cast[name]) < 10**18
                band = self.truths[block.hash][subject].band
                assert (band is Band.LIQUIDATABLE) == dead, (name, band)
        if node == "old head":
            self.served[dict(self.heads)[old or 0]] = elapsed
        elif node not in WHOLLY and not hangs:
            self.served[block.hash] = elapsed
        self.counts["rounds"] += 1
        self.counts[node or "node well"] += 1

    def _owners(self) -> list[Address]:
        return [wallet.addresses[0] for wallet in self.config.wallets]

    # The watch

    def after(self, watcher: Watcher | None, *, looked: bool, failed: bool) -> None:
        """What was queued in this round, and what should have been by now."""
        for row in self._new_rows():
            self.queued.append(row)
            self._queued(*row)
        blind = self.node in WHOLLY or self.hangs
        self.has_hung = self.hangs or (blind and self.has_hung)
        if not blind or watcher is None or failed:
            self.blind_since = None
        elif self.blind_since is None:
            self.blind_since = self.elapsed
        elif self.elapsed - self.blind_since > LATEST_S[self.has_hung]:
            self.counts["told blind"] += 1
            self.must(watcher.trouble() is not None, "it is blind, and says that it is well")
            # What is said of the chain is whether its blocks can be read: not that it answers no call.
            watch = [] if self.node == "no calls" else [WATCH]
            for channel in self.channels:
                for subject in (*self.subjects, *watch):
                    told = self.last.get((channel.key, subject))
                    self.must(told is Band.UNKNOWN, f"{channel.key} is told {told} of {subject} while blind")
        calm = looked and not (failed or self.node or self.hangs)
        self.calm_rounds = self.calm_rounds + 1 if calm else 0
        if not calm:
            self.wrong_since.clear()
        elif self.new_block:
            self.clear_at = self.elapsed
            self._seen_clearly()

    def _new_rows(self) -> list[tuple[int, str, str, Message]]:
        after = self.queued[-1][0] if self.queued else 0
        if not self.file.exists():
            return []
        connection = sqlite3.connect(self.file)
        try:
            found = connection.execute(
                "SELECT id, message_id, channel, message FROM outbox WHERE id > ? ORDER BY id", [after]
            ).fetchall()
        except sqlite3.OperationalError:  # not made yet
            found = []
        finally:
            connection.close()
        return [(id_, message_id, channel, message_of(text)) for id_, message_id, channel, text in found]

    def _queued(self, _id: int, _message_id: str, channel: str, message: Message) -> None:
        self.must(message.kind in (Kind.BAND, Kind.WATCH), f"a message of kind {message.kind}")
        lowest = next(one.min_band for one in self.channels if one.key == channel)
        for entry in message.entries:
            self.counts[f"{entry.old} to {entry.new}"] += 1
            key = channel, entry.subject
            before = self.last.get(key, Band.OK)
            self.note(0, f"{channel} {entry.name}: {entry.old} → {entry.new}")
            said = f"{channel} {entry.name}: {entry.old} → {entry.new}"
            self.must(entry.old is before, f"{said}, told {before} before")
            self.must(entry.new is not before, f"{said}, twice")
            self.must(entry.new >= lowest or before is not Band.OK, f"{said}, below its least band")
            self.last[key] = entry.new
            self._true(entry, message, said)

    def _true(self, entry: Entry, message: Message, said: str) -> None:
        """An entry is true of a block that the watch can have read just now."""
        if entry.new is Band.UNKNOWN:
            self.must(bool(self.node) or self.hangs, f"{said}, and nothing keeps it from seeing")
            early = self.clear_at is not None and self.elapsed - self.clear_at < GRACE_S
            self.must(not early, f"{said}, before the grace has passed")
            return
        hashes = [block[2] for block in message.blocks]
        self.must(bool(hashes), f"{said}, as of no block")
        for hash_ in hashes:
            self.must(hash_ in self.truths, f"{said}, as of a block that never was the newest")
            age = self.elapsed - self.served.get(hash_, -1e9)
            headers = (
                entry.subject == WATCH and self.node == "no calls"
            )  # blocks can be read, and nothing else
            self.must(
                headers or age <= BLIND_AFTER_S, f"{said}, as of what nobody could read for {age:.0f} s"
            )
            if entry.subject in self.subjects:
                part = self.truths[hash_][entry.subject]
                good = part.band <= entry.new <= max(part.band, part.relaxed)
                self.must(good, f"{said}, while it is {part.band}")

    def _seen_clearly(self) -> None:
        """A new block, and nothing that goes wrong: every channel knows by now."""
        truth = self.truths[self.heads[-1][1]]
        for channel in self.channels:
            for subject in self.subjects:
                key, part = (channel.key, subject), truth[subject]
                told, top = self.last.get(key, Band.OK), max(part.band, part.relaxed)
                if part.band <= told <= top or (told is Band.OK and part.band < channel.min_band):
                    self.wrong_since.pop(key, None)
                    continue
                self.counts["late"] += 1
                lag = self.elapsed - self.wrong_since.setdefault(key, self.elapsed)
                # After a trouble an orphaned block of a higher number may count for the time of grace.
                late = lag > GRACE_S or self.calm_rounds > AFTERMATH
                said = f"{channel.key} {self.subjects[subject]}: {told}, is {part.band} for {lag:.0f} s"
                self.must(not late, said)
            self.must(
                self.last.get((channel.key, WATCH), Band.OK) is Band.OK, "the watch sees and does not say so"
            )

    # The messages

    def waits(self, channel: ChannelKey, took: Sequence[tuple[str, int, Message]]) -> bool:
        """Whether a message to the channel has not been taken yet."""
        ids = {id_ for id_, _, _ in took}
        return any(id_ not in ids for _, id_, key, _ in self.queued if key == channel.key)

    def settled(self, taken: Mapping[ChannelKey, Sequence[tuple[str, int, Message]]]) -> None:
        """At the end every message has arrived, in order, once; twice only where a process died between."""
        for channel, took in taken.items():
            texts = {id_: message for _, id_, key, message in self.queued if key == channel.key}
            self.must({id_ for id_, _, _ in took} == set(texts), f"{channel.key} did not take each message")
            died: dict[str, int] = {}
            for id_, deaths, message in took:
                self.must(message == texts[id_], f"{channel.key} took other words than were queued")
                if id_ in died:
                    self.counts["repeats"] += 1
                    self.must(deaths > died[id_], f"{channel.key} took {id_} twice, and nobody had died")
                died[id_] = deaths
            for subject in (*self.subjects, WATCH):
                about = [id_ for id_, _, message in took if _is_about(message, subject)]
                arrived = [id_ for at, id_ in enumerate(about) if at == 0 or about[at - 1] != id_]
                wanted = [id_ for id_, message in texts.items() if _is_about(message, subject)]
                self.must(arrived == wanted, f"{channel.key} took what is said of {subject} in another order")
            self.counts["messages"] += len(texts)
        connection = sqlite3.connect(self.file)
        left = connection.execute("SELECT count(*) FROM outbox WHERE state != 'sent'").fetchone()[0]
        rows = connection.execute("SELECT channel, subject, band FROM told").fetchall()
        connection.close()
        self.must(left == 0, f"{left} messages are not marked as sent")
        self.must(
            {(channel, subject): band_of(band) for channel, subject, band in rows} == self.last,
            "the store holds something else as told than was queued",
        )
        self.must(not self.wrong_since, "not all was told in the end")


def _is_about(message: Message, subject: str) -> bool:
    return any(entry.subject == subject for entry in message.entries)
