"""What is true of a campaign, read from the chain itself, and whether the watch said that and no more.

The judge reads the node past all troubles and the watch's outbox through a connection of its own. A band
is true of a block when it lies between the band there and the band at the wider bounds of hysteresis.
What happens at a moment is judged in `campaign_happenings`, what the watch says of itself in `campaign_own`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chain.rpc import Rpc, Settings
from checker.bands import Band
from checker.config import Config
from checker.snapshot import read_chain
from checker.watch.memory import WATCH as OWN
from checker.watch.memory import Settings as Patience
from checker.watch.message_json import band_of
from checker.watch.pace import BLIND_AFTER_S
from checker.watch.sight import Part, seen, subject_of
from checker.watch.values import ChannelKey, Entry, Kind, Message
from checker.watch.watcher import Watcher
from margin.units import WAD
from tests.checker.watch.campaign_happenings import Happened, Truth
from tests.checker.watch.campaign_ledger import Ledger, Row
from tests.checker.watch.campaign_node import OLD, WHOLLY, Condition
from tests.checker.watch.campaign_own import Own
from tests.checker.watch.campaign_world import Surroundings

PATIENCE = Patience(repeat_after_s=2 * 3600.0, digest_above=3)
GIVE_UP_S = 2 * 3600.0
GRACE_S = PATIENCE.grace_s
LATEST_S = {False: 30.0 + GRACE_S + 30.0, True: BLIND_AFTER_S + GRACE_S + 61.0}
"""A watch that sees nothing says so by then: the next look, the grace, a long round. If its look hangs
(True): what it read last may count, the grace, two long rounds."""
SHORT_S = 30.0
AFTERMATH = 10
"""Rounds after a trouble in which it may still be felt."""
MEMORY = 60
"""Rounds that are shown of a campaign that failed."""
WATCH = f"{OWN}local"
HEALTH = "0xbf92857c"
"""`getUserAccountData(address)`."""


@dataclass(frozen=True)
class Took:
    """A message that a channel has taken."""

    message_id: str
    process: int
    deaths: int
    """How many processes had died by then."""
    message: Message


@dataclass
class Outcome:
    """What one process did in a round."""

    process: int
    life: int
    condition: Condition
    lived: bool = False
    """At its beginning."""
    alive: bool = False
    """At its end."""
    killed: bool = False
    failed: bool = False
    """The store did not do as it should."""
    minded: bool | None = None
    """Whether it could look after itself; None where it did not come to that, or died in it."""
    compared: bool = False
    """Whether it compared its endpoints …"""
    lacking: bool = False
    """… by a block that a shorter branch has not any more."""
    bug: bool = False
    """Whether a channel failed in a way that none should."""
    broken: set[str] = field(default_factory=set)
    """Jobs that failed."""
    watcher: Watcher | None = None

    @property
    def calm(self) -> bool:
        return self.lived and self.alive and not self.failed and self.condition.clear


class Judge:
    """Follows one campaign, and raises `AssertionError` with its seed when the watch fails."""

    def __init__(
        self,
        config: Config,
        around: Surroundings,
        url: str,
        channels: Sequence[ChannelKey] | Mapping[ChannelKey, object],
        seed: int,
    ) -> None:
        self.config, self.around, self.seed = config, around, seed
        self.channels = list(channels)
        self.counts: Counter[str] = Counter()
        self.troubles: Counter[str] = Counter()
        """Rounds of a process with each trouble of its node."""
        self.rpc = Rpc.open("local", config.chains[0].urls, 31337, Settings())
        self.ledger = Ledger.of(url)
        self.store_is_up = True
        self.subjects = {subject_of(wallet): wallet.label or "" for wallet in config.wallets}
        self.subject_of = {
            address: subject_of(wallet) for wallet in config.wallets for address in wallet.addresses
        }
        self.grace_s, self.give_up_s = GRACE_S, GIVE_UP_S
        self.truths: dict[str, Truth] = {}
        self.heads: list[tuple[int, str]] = []
        """Heads that were judged, on the branch as it is."""
        self.served: dict[str, float] = {}
        """By block: when a watch could last have read it as the newest."""
        self.readable: set[str] = set()
        """Blocks that could be read while they were the newest."""
        self.queued: list[Row] = []
        """The outbox as it was written."""
        self.last: dict[tuple[str, str], Band] = {}
        self.told_at: dict[tuple[str, str], float] = {}
        self.took: Mapping[str, Sequence[Took]] = {}
        """By channel."""
        self.waiting: dict[int, tuple[str, float]] = {}
        """What waited at the beginning of the round: channel and time of writing, by id."""
        self.ready: Mapping[str, bool] = {}
        """Whether each channel takes what it is given."""
        self.trail: list[str] = []
        self.elapsed = self.now = 0.0
        self.conditions: Sequence[tuple[Condition, bool]] = ()
        """Of each process, and whether it lives, at the beginning of the round."""
        self.has_hung = False
        self.new_block, self.newest = False, -1
        self.blind_for: float | None = None
        """How long it has seen nothing; of a round in which it slept, no more than a short one."""
        self.step = 0.0
        self.wrong_since: dict[tuple[str, str], float] = {}
        self.calm_rounds = 0
        """Since something went wrong last; a reorganisation is no such thing."""
        self.clear_at: float | None = None
        """When a new block was last read with nothing going wrong, and the clock has not jumped since."""
        self.outcomes: Sequence[Outcome] = ()
        self.own = Own(self)
        self.happened = Happened(self)

    def note(self, number: int, what: str) -> None:
        self.trail.append(f"{number} {self.elapsed:.0f}s: {what}")

    def must(self, holds: bool, what: str) -> None:
        if not holds:
            trail = "\n".join(self.trail[-MEMORY:])
            raise AssertionError(f"CROSSMARGIN_CAMPAIGN={self.seed}: {what}\n{trail}")

    # The chain

    def reorganised(self, block: int) -> None:
        self.heads = [head for head in self.heads if head[0] <= block]
        self.counts["reorgs"] += 1

    def clock_jumped(self) -> None:
        self.blind_for = self.clear_at = None
        self.wrong_since.clear()
        self.own.clock_jumped()
        self.counts["clock jumps"] += 1

    def older(self) -> list[int]:
        """Heads of earlier on this branch."""
        return [number for number, _ in self.heads[-40:-1]]

    def before(
        self,
        elapsed: float,
        now: float,
        conditions: Sequence[tuple[Condition, bool]],
        took: Mapping[str, Sequence[Took]],
        ready: Mapping[str, bool],
        gone: set[str],
    ) -> None:
        """The truth of the round that comes."""
        self.step = elapsed - self.elapsed
        self.elapsed, self.now, self.conditions = elapsed, now, conditions
        self.took, self.ready, self.happened.gone = took, ready, gone
        hash_ = self._read()
        for condition, _ in conditions:
            if not condition.blind:
                self.readable.add(hash_)
            for trouble, old in () if condition.blind else condition.ends:
                if trouble == OLD:
                    self.served[dict(self.heads)[old or 0]] = elapsed
                elif trouble not in WHOLLY or trouble == "no calls":
                    self.served[hash_] = elapsed
            self.counts[str(condition)] += 1
            self.troubles.update({trouble for trouble, _ in condition.ends if trouble})
            self.troubles.update({"a job hangs"} if condition.hangs else ())
        if self.store_is_up:
            self.waiting = self.ledger.pending()
        self.own.before()
        self.counts["rounds"] += 1

    def _read(self) -> str:
        """The newest block; its hash."""
        head = self.rpc.request("eth_getBlockByNumber", ["latest", False])
        number, hash_ = int(head["number"], 16), str(head["hash"])
        # A branch of the same length is noticed with its next block, or when the interval has passed.
        self.new_block, self.newest = number != self.newest, number
        if not self.heads or self.heads[-1] != (number, hash_):
            self.heads.append((number, hash_))
        if hash_ not in self.truths:
            owners = [address for wallet in self.config.wallets for address in wallet.addresses]
            chain = self.config.chains[0]
            reading = read_chain(self.rpc, chain, self.config, owners, "latest", lambda _: None)
            assert reading.block is not None, reading.unread
            assert reading.unread is None
            assert reading.block.hash == hash_
            sight = seen(self.config, reading, 0.0)
            self._confirm(sight.parts, owners)
            self.truths[hash_] = Truth.of(number, sight, tuple(self.around.takings), self.subject_of)
        return hash_

    def _confirm(self, parts: Mapping[str, Part], owners: Sequence[str]) -> None:
        """Whoever may be liquidated by the protocol's own view is so here, and nobody else."""
        pool = self.around.market.pool.address
        asks = [
            ("eth_call", [{"to": pool, "data": HEALTH + owner[2:].lower().zfill(64)}, "latest"])
            for owner in owners
        ]
        dead = {
            owner: int(answer[-64:], 16) < WAD
            for owner, answer in zip(owners, self.rpc.batch(asks), strict=True)
        }
        for wallet in self.config.wallets:
            band = parts[subject_of(wallet)].band
            assert (band is Band.LIQUIDATABLE) == any(dead[one] for one in wallet.addresses), wallet

    # The watch

    def after(self, outcomes: Sequence[Outcome]) -> None:
        """What was queued in this round, and what should have been by now."""
        self.outcomes = outcomes
        self.happened.round_begins()
        self.own.round_begins(outcomes)
        if self.store_is_up:
            for row in self.ledger.rows(self.queued[-1].id if self.queued else 0):
                self.queued.append(row)
                self._queued(row)
        self.happened.round_ends()
        self.own.round_ends()
        self._blind(outcomes)
        self._repeats(outcomes)
        calm = all(one.calm for one in outcomes)
        self.calm_rounds = self.calm_rounds + 1 if calm else 0
        if not calm:
            self.wrong_since.clear()
        elif self.new_block:
            self.clear_at = self.elapsed
            self._seen_clearly()

    def _blind(self, outcomes: Sequence[Outcome]) -> None:
        """Every process that lives sees nothing: said in time."""
        # A node that shows blocks and answers no call: one that was read before is known all the same.
        no_calls = any(end == "no calls" for one in outcomes for end, _ in one.condition.ends)
        known = no_calls and self.heads[-1][1] in self.readable
        blind = all(one.condition.blind for one in outcomes) and not known
        hangs = any(one.condition.hangs for one in outcomes)
        self.has_hung = hangs or (blind and self.has_hung)
        able = any(one.alive for one in outcomes) and not any(one.failed for one in outcomes)
        if not blind or not able:
            self.blind_for = None
        elif self.blind_for is None:
            self.blind_for = 0.0
        else:
            self.blind_for += min(self.step, SHORT_S)
        if self.blind_for is not None and self.blind_for > LATEST_S[self.has_hung]:
            self.counts["told blind"] += 1
            for one in outcomes:
                well = one.watcher is not None and one.watcher.trouble() is None
                self.must(not well, "it is blind, and says that it is well")
            for channel in self.channels:
                for subject in (*self.subjects, WATCH):
                    told = self.last.get((channel.key, subject))
                    self.must(told is Band.UNKNOWN, f"{channel.key} is told {told} of {subject} while blind")

    def _queued(self, row: Row) -> None:
        message = row.message
        self.counts[f"kind {message.kind}"] += 1
        self.must(message.kind is not Kind.TEST, "a message that nobody asked for")
        digest = len(message.entries)
        self.counts["digests"] += digest > 1
        if message.kind is not Kind.FAILED:
            self.must(digest == 1 or digest > PATIENCE.digest_above, f"a digest of {digest} entries")
        for entry in message.entries:
            said = f"{row.channel} {message.kind} {entry.name}: {entry.old} → {entry.new}"
            self.note(0, said)
            if message.kind is Kind.FAILED:
                continue
            if self.own.is_apart(entry):
                self.own.apart(row, entry, said)
                continue
            self._entry(row, entry, said)
        if message.kind is Kind.FAILED:
            self.happened.failure(row)

    def _entry(self, row: Row, entry: Entry, said: str) -> None:
        kind, key = row.message.kind, (row.channel, entry.subject)
        before = self.last.get(key, Band.OK)
        self.counts[f"{entry.old} to {entry.new}"] += 1
        self.must(entry.old is before, f"{said}, told {before} before")
        if kind in (Kind.LIQUIDATED, Kind.UNDONE, Kind.GROUND):
            self.happened.told(row, entry, said)
        elif kind is Kind.REPEAT:
            self.must(entry.new is before and before is not Band.OK, f"{said}, a repeat")
            self._may_repeat(row, key, said)
        else:
            lowest = next(one.min_band for one in self.channels if one.key == row.channel)
            # Of one that is unknown it is told when what can be read of it falls.
            fell = entry.new is Band.UNKNOWN and "," in entry.subject
            self.must(entry.new is not before or fell, f"{said}, twice")
            self.must(entry.new >= lowest or before is not Band.OK, f"{said}, below its least band")
        self.last[key], self.told_at[key] = entry.new, self.now
        if entry.new is not before:
            self._true(entry, row, said)

    def _true(self, entry: Entry, row: Row, said: str) -> None:
        """An entry is true of a block that the watch can have read just now."""
        if self.own.is_own(entry.subject):
            self.own.told(row, entry, said)
            return
        if entry.new is Band.UNKNOWN:
            sees = all(condition.clear for condition, _ in self.conditions)
            self.must(not sees, f"{said}, and nothing keeps it from seeing")
            early = self.clear_at is not None and self.elapsed - self.clear_at < GRACE_S
            self.must(not early, f"{said}, before the grace has passed")
            return
        hashes = [block[2] for block in row.message.blocks]
        self.must(bool(hashes), f"{said}, as of no block")
        for hash_ in hashes:
            self.must(hash_ in self.truths, f"{said}, as of a block that never was the newest")
            at = self.served.get(hash_, -1e9)
            self.must(self._is_fresh(at), f"{said}, as of what nobody could read since {at:.0f} s")
        if entry.subject not in self.subjects:
            self.must(entry.subject == WATCH, f"{said}, whoever that is")
            return
        truths = [self.truths[hash_] for hash_ in hashes]
        if row.message.kind is not Kind.BAND:  # what happened is of its block, the band of what is kept
            truths = [self.truths[each] for each, at in self.served.items() if self._is_fresh(at)]
        parts = [truth.parts[entry.subject] for truth in truths]
        good = any(part.band <= entry.new <= max(part.band, part.relaxed) for part in parts)
        self.must(good, f"{said}, while it is {parts[0].band}")
        if row.message.kind is Kind.BAND:
            part = parts[0]
            steady = entry.old is Band.UNKNOWN or entry.new > entry.old or entry.new >= part.relaxed
            self.must(steady, f"{said}, while it is {part.relaxed} at the wider bounds")
            self.must(len(hashes) == 1, f"{said}, as of {len(hashes)} blocks")
            self.happened.no_recovery(row.channel, entry.subject, truths[0], said)

    def _is_fresh(self, at: float) -> bool:
        return self.elapsed - at <= BLIND_AFTER_S

    def _seen_clearly(self) -> None:
        """A new block, and nothing that goes wrong: every channel knows by now."""
        truth = self.truths[self.heads[-1][1]]
        for channel in self.channels:
            for subject in self.subjects:
                key, part = (channel.key, subject), truth.parts[subject]
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
        self.happened.all_told(truth, moved=not self._may_lag(self.outcomes))

    def _may_lag(self, outcomes: Sequence[Outcome]) -> bool:
        """Whether what is read is of a lower block than was decided from lately, and so says nothing.

        A branch that is the shorter one looks like a node that lags until it has grown.
        """
        if any(trouble == OLD for one in outcomes for trouble, _ in one.condition.ends):
            return True
        lately = [hash_ for hash_, at in self.served.items() if self.elapsed - at <= GRACE_S]
        return any(self.truths[hash_].number > self.heads[-1][0] for hash_ in lately)

    # Repeats

    def _may_repeat(self, row: Row, key: tuple[str, str], said: str) -> None:
        ago, every = self.now - self.told_at[key], PATIENCE.repeat_after_s
        assert every is not None
        self.must(not 0 <= ago < every, f"{said}, {ago:.0f} s after the last")
        lowest = next(one.min_band for one in self.channels if one.key == row.channel)
        self.must(self.last[key] >= lowest, f"{said}, below its least band")
        earlier = [one for one in self.queued if one.id in self.waiting and key in _keys(one)]
        if len(self.outcomes) > 1:  # the one before may have delivered it, or given it up
            taken = {one.message_id for one in self.took[row.channel]}
            ended = self.happened.failed
            earlier = [one for one in earlier if one.message_id not in taken and one.id not in ended]
        self.must(not earlier, f"{said}, while one waits")
        self.counts["repeats"] += 1

    def _repeats(self, outcomes: Sequence[Outcome]) -> None:
        """Whoever is badly off for long is told so again."""
        if not all(one.lived and one.minded and not one.failed for one in outcomes):
            return
        if self._may_lag(outcomes):
            return
        every = PATIENCE.repeat_after_s
        assert every is not None
        waiting = {key for one in self.queued if one.id in self.waiting for key in _keys(one)}
        for channel in self.channels:
            for subject in (*self.subjects, WATCH):
                key = channel.key, subject
                told = self.last.get(key, Band.OK)
                if told is Band.OK or told < channel.min_band or key in waiting:
                    continue
                ago = self.now - self.told_at[key]
                self.must(0 <= ago < every, f"{channel.key} heard of {subject}, {told}, {ago:.0f} s ago")

    # The messages

    def waits(self, channel: str) -> bool:
        """Whether a message to the channel has not been taken yet."""
        return any(of == channel for of, _ in self.waiting.values())

    def settled(self) -> None:
        """At the end every message has arrived, in order, once; twice only where a process died between."""
        failed = {one.id for one in self.ledger.failed()}
        for channel, took in self.took.items():
            texts = {one.message_id: one.message for one in self.queued if one.channel == channel}
            lost = {one.message_id for one in self.queued if one.id in failed}
            taken = [one for one in took if not self.own.is_last_word(one)]
            ids = {one.message_id for one in taken}
            self.must(ids - lost == set(texts) - lost, f"{channel} did not take each message")
            died: dict[str, int] = {}
            for one in taken:
                self.must(
                    one.message == texts[one.message_id], f"{channel} took other words than were queued"
                )
                if one.message_id in died:
                    self.counts["taken twice"] += 1
                    self.must(
                        one.deaths > died[one.message_id],
                        f"{channel} took {one.message_id} twice, and nobody had died",
                    )
                died[one.message_id] = one.deaths
            for subject in {key[1] for one in self.queued for key in _keys(one)}:
                about = [one.message_id for one in taken if _is_about(one.message, subject)]
                arrived = [id_ for at, id_ in enumerate(about) if at == 0 or about[at - 1] != id_]
                wanted = [id_ for id_, message in texts.items() if _is_about(message, subject)]
                self.must(
                    [one for one in arrived if one not in lost] == [one for one in wanted if one not in lost],
                    f"{channel} took what is said of {subject} in another order",
                )
            self.counts["messages"] += len(texts)
        self.must(not self.ledger.pending(), "not all messages have ended")
        told = {key: band_of(word) for key, word in self.ledger.told().items()}
        self.must(told == self.last, "the store holds something else as told than was queued")
        self.must(not self.wrong_since, "not all was told in the end")


def _keys(row: Row) -> set[tuple[str, str]]:
    return {(row.channel, entry.subject) for entry in row.message.entries}


def _is_about(message: Message, subject: str) -> bool:
    return any(entry.subject == subject for entry in message.entries)
