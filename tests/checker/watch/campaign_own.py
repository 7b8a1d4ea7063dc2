"""What the watch says of itself: channels that are stuck, endpoints, its clock, its store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from checker.bands import Band
from checker.watch import last_word
from checker.watch.endpoints import MUTE_S
from checker.watch.own import STUCK_AFTER_S
from checker.watch.pace import BLIND_AFTER_S, STOOD_STILL_S
from checker.watch.values import Entry, Kind, Message
from tests.checker.watch.campaign_ledger import Row
from tests.checker.watch.campaign_node import DIFFERENT, SILENT, SURE

if TYPE_CHECKING:
    from tests.checker.watch.judge import Judge, Outcome, Took

DELIVERY = "watch//delivery/"
TIME = "watch//time"
ENDPOINTS = "watch/local/endpoints"


@dataclass
class Trouble:
    """One trouble of the watch, as it must know it by its clock."""

    since: float | None = None
    """When it was there at the earliest, without a break that the watch must have noticed."""
    sure_since: float | None = None
    """When the watch has noticed it, without a jump of the clock since."""

    def there(self, now: float, *, noticed: bool) -> None:
        self.since = now if self.since is None else min(self.since, now)
        if noticed and self.sure_since is None:
            self.sure_since = now

    def gone(self) -> None:
        self.since = self.sure_since = None


@dataclass
class Life:
    """What one process knows of itself."""

    life: int = 0
    minded: float | None = None
    """When it last looked after itself, by its clock."""
    stood: tuple[float, float] | None = None
    """From when to when it did nothing, where that is to be told."""
    failing: float | None = None
    """Since when it cannot write."""
    said: set[str] = field(default_factory=set)
    """Channels that took its last word."""
    mute: dict[int, float] = field(default_factory=dict)
    """Since when endpoints are silent, by their places."""
    differing: bool | None = None
    """Whether its endpoints differ, as it last compared them; None where nobody can say."""
    before: bool | None = False
    """As it had compared them before that, not too long ago."""
    compared: float = 0.0


class Own:
    """The judge of what the watch says of itself."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self.lives: dict[int, Life] = defaultdict(Life)
        self.stuck: dict[str, Trouble] = {one.key: Trouble() for one in judge.channels}
        self.endpoints = Trouble()
        self.read: dict[str, int] = defaultdict(int)
        """By channel, how many messages that it took were looked at."""
        self.last_words: set[str] = set()
        self.told_time: set[tuple[int, int, float]] = set()
        self.open_since: dict[str, float] = {}
        """Since when each channel takes what it is given, in time that has passed."""

    def clock_jumped(self) -> None:
        for trouble in (*self.stuck.values(), self.endpoints):
            trouble.sure_since = None

    def is_own(self, subject: str) -> bool:
        return subject.startswith(DELIVERY) or subject == ENDPOINTS

    def is_apart(self, entry: Entry) -> bool:
        """Whether it is told beside what is remembered of bands."""
        return entry.subject in (TIME, last_word.SUBJECT)

    def is_last_word(self, took: Took) -> bool:
        return took.message_id in self.last_words

    # A round

    def before(self) -> None:
        judge = self.judge
        for key, ready in judge.ready.items():
            if not ready:
                self.open_since.pop(key, None)
            else:
                self.open_since.setdefault(key, judge.elapsed)

    def round_begins(self, outcomes: Sequence[Outcome]) -> None:
        judge, now = self.judge, self.judge.now
        self.outcomes = outcomes
        for one in outcomes:
            life = self.lives[one.process]
            if life.life != one.life:
                life = self.lives[one.process] = Life(one.life)
            self._stands(life, one)
            if one.minded is False:
                life.failing = now if life.failing is None else min(life.failing, now)
            life.before = life.differing if abs(now - life.compared) <= BLIND_AFTER_S else False
            if one.compared:
                life.compared = now
                self._compare(life, one)
        minded = any(one.minded for one in outcomes)
        for channel, trouble in self.stuck.items():
            if self.is_stuck(channel):
                trouble.there(now, noticed=minded)
        if any(life.differing is not False or life.before is not False for life in self.lives.values()):
            self.endpoints.there(now, noticed=minded and self._differ())
        self.times: dict[str, int] = defaultdict(int)
        self.returns: dict[str, int] = defaultdict(int)
        self._last_words()
        judge.counts["stood still"] += sum(self.lives[one.process].stood is not None for one in outcomes)

    def round_ends(self) -> None:
        self._times_told()
        self._returns_told()
        sure = all(one.minded and not one.failed for one in self.outcomes)
        self._deliveries_told(sure)
        self._endpoints_told(sure)
        if not sure:
            for trouble in (*self.stuck.values(), self.endpoints):
                trouble.sure_since = None

    # Told

    def told(self, row: Row, entry: Entry, said: str) -> None:
        """A channel that is stuck, or endpoints that differ, or the end of that."""
        judge = self.judge
        judge.counts[f"{entry.subject} {entry.new}"] += 1
        if entry.subject == ENDPOINTS:
            trouble = self.endpoints
            lives = [self.lives[one.process] for one in self.outcomes]
            there = any(life.differing is not False or life.before is not False for life in lives)
            well = any(not life.differing or not life.before for life in lives)
        else:
            channel = entry.subject.removeprefix(DELIVERY)
            judge.must(channel in self.stuck, f"{said}, whichever that is")
            judge.must(channel != row.channel, f"{said}, told to itself")
            trouble, there = self.stuck[channel], self.is_stuck(channel)
            well = not there or len(self.outcomes) > 1
        if entry.new is Band.UNKNOWN:
            judge.must(there, f"{said}, which is not so")
            lasted = judge.now - (trouble.since if trouble.since is not None else judge.now)
            judge.must(lasted >= judge.grace_s, f"{said}, after {lasted:.0f} s")
        else:
            judge.must(entry.new is Band.OK and well, f"{said}, which is not so")

    def apart(self, row: Row, entry: Entry, said: str) -> None:
        judge = self.judge
        judge.must(row.message.kind is Kind.WATCH, said)
        if entry.subject == TIME:
            judge.must((entry.old, entry.new) == (Band.OK, Band.OK), said)
            judge.last[row.channel, TIME] = Band.OK
            self.times[row.channel] += 1
            judge.counts["time told"] += 1
            return
        judge.must((entry.old, entry.new) == (Band.UNKNOWN, Band.OK), said)
        self.returns[row.channel] += 1

    # Channels that are stuck

    def is_stuck(self, channel: str) -> bool:
        """Whether a message has waited too long at the beginning of the round."""
        those = self.judge.waiting.values()
        return any(of == channel and self.judge.now - at >= STUCK_AFTER_S for of, at in those)

    def _deliveries_told(self, sure: bool) -> None:
        judge = self.judge
        for channel, trouble in self.stuck.items():
            stuck = self.is_stuck(channel)
            for other in judge.channels:
                if other.key == channel or not sure:
                    continue
                told = judge.last.get((other.key, DELIVERY + channel), Band.OK)
                if not stuck:
                    judge.must(told is Band.OK, f"{other.key} is told that {channel} is stuck")
                elif len(self.outcomes) == 1 and trouble.sure_since is not None:
                    lasted = judge.now - trouble.sure_since
                    right = told is Band.UNKNOWN or lasted < judge.grace_s
                    judge.must(right, f"{other.key} is not told that {channel} is stuck for {lasted:.0f} s")
            if not stuck and sure:
                trouble.gone()

    # Endpoints

    def _differ(self) -> bool:
        return any(self.lives[one.process].differing for one in self.outcomes)

    def _compare(self, life: Life, outcome: Outcome) -> None:
        now = self.judge.now
        troubles = [trouble for trouble, _ in outcome.condition.ends]
        if not all(trouble in SURE for trouble in troubles):
            life.mute.clear()
            life.differing = None
            return
        silent = {at for at, trouble in enumerate(troubles) if trouble in SILENT}
        life.mute = {at: min(life.mute.get(at, now), now) for at in silent}
        if len(silent) == len(troubles) or outcome.lacking:
            life.differing = None
            return
        long = any(now - since >= MUTE_S for since in life.mute.values())
        # Behind the others: whether it lacks the block depends on which was decided from.
        different = {one for one in troubles if one in DIFFERENT}
        life.differing = None if different == {"behind"} else bool(different) or long

    def _endpoints_told(self, sure: bool) -> None:
        judge = self.judge
        if not sure:
            return
        states = [self.lives[one.process].differing for one in self.outcomes]
        if any(one is None for one in states):
            self.endpoints.sure_since = None
            return
        for channel in judge.channels:
            told = judge.last.get((channel.key, ENDPOINTS), Band.OK)
            if not any(states):
                judge.must(told is Band.OK, f"{channel.key} is told that endpoints differ")
            elif len(states) == 1 and self.endpoints.sure_since is not None:
                lasted = judge.now - self.endpoints.sure_since
                right = told is Band.UNKNOWN or lasted < judge.grace_s
                judge.must(right, f"{channel.key} is not told that endpoints differ for {lasted:.0f} s")
        if not any(states):
            self.endpoints.gone()

    # Time

    def _stands(self, life: Life, outcome: Outcome) -> None:
        now = self.judge.now
        life.stood = None
        if not outcome.alive and not outcome.killed:
            return
        if life.minded is not None and abs(now - life.minded) >= STOOD_STILL_S:
            life.stood = life.minded, now
        if outcome.minded or (outcome.minded is False and life.stood is None):
            life.minded = now

    def _times_told(self) -> None:
        judge = self.judge
        may = must = 0
        for one in self.outcomes:
            stood = self.lives[one.process].stood
            if stood is None or (one.process, one.life, stood[0]) in self.told_time:
                continue
            may += 1
            must += bool(one.minded)
        for channel in judge.channels:
            told = self.times[channel.key]
            judge.must(must <= told <= may, f"{channel.key} is told {told} times that it stood still")
        if any(self.times.values()):
            for one in self.outcomes:
                stood = self.lives[one.process].stood
                if stood is not None:
                    self.told_time.add((one.process, one.life, stood[0]))

    # The store

    def _last_words(self) -> None:
        """What was said past the outbox, and what should have been."""
        judge = self.judge
        for channel, took in judge.took.items():
            for new in took[self.read[channel] :]:
                if _is_last_word(new.message):
                    self._last_word(channel, new)
            self.read[channel] = len(took)
        for one in self.outcomes:
            life = self.lives[one.process]
            if one.minded is not False or life.failing is None:
                continue
            lasted = judge.now - life.failing
            for key in judge.took:
                open_ = judge.elapsed - self.open_since.get(key, judge.elapsed)
                due = lasted >= last_word.AFTER_S and open_ > last_word.AGAIN_S and judge.ready[key]
                # A channel that fails in a way of its own keeps it from the others, until the next time.
                judge.must(not due or one.bug or key in life.said, f"{key} heard nothing of its store")

    def _last_word(self, channel: str, took: Took) -> None:
        judge, life = self.judge, self.lives[took.process]
        (outcome,) = [one for one in self.outcomes if one.process == took.process]
        said = f"{channel} heard the last word"
        judge.must(outcome.minded is not True and outcome.failed, f"{said}, and nothing failed")
        since = judge.now if life.failing is None else life.failing
        lasted = judge.now - since
        judge.must(lasted >= last_word.AFTER_S, f"{said} after {lasted:.0f} s")
        judge.must(channel not in life.said, f"{said} twice")
        judge.must(took.message_id not in self.last_words, f"{said} twice under one id")
        life.said.add(channel)
        self.last_words.add(took.message_id)
        judge.note(0, said)
        judge.counts["last words"] += 1

    def _returns_told(self) -> None:
        judge = self.judge
        for channel in judge.channels:
            back = [one for one in self.outcomes if channel.key in self.lives[one.process].said]
            must = sum(one.minded is True for one in back)
            may = sum(one.minded is not False or one.killed for one in back)
            told = self.returns[channel.key]
            judge.must(must <= told <= may, f"{channel.key} is told {told} times that the store is back")
            judge.counts["store back"] += told
        for one in self.outcomes:
            if one.minded:
                life = self.lives[one.process]
                life.failing = None
                life.said.clear()


def _is_last_word(message: Message) -> bool:
    return any(one.subject == last_word.SUBJECT and one.new is Band.UNKNOWN for one in message.entries)
