"""What happened at a moment, and was told once: liquidations, ground that moved, messages given up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from checker.watch.ground import ground_moved
from checker.watch.outbox import Patience
from checker.watch.sight import Part, Sight
from checker.watch.values import Entry, Kind
from margin.basics import Address
from protocols.base import Failed
from tests.checker.watch.campaign_ledger import Row
from tests.checker.watch.campaign_world import Taking

if TYPE_CHECKING:
    from tests.checker.watch.judge import Judge

Ground = Mapping[str, str | int]


@dataclass(frozen=True)
class Truth:
    """How things stood at a block."""

    number: int
    parts: Mapping[str, Part]
    takings: tuple[Taking, ...]
    """Liquidations up to it, on its branch."""
    grounds: Mapping[str, Ground]
    """By account."""
    subject_of: Mapping[str, str]
    """Wallets by account."""

    @classmethod
    def of(
        cls, number: int, sight: Sight, takings: tuple[Taking, ...], owners: Mapping[Address, str]
    ) -> Truth:
        grounds, subjects = {}, {}
        held: Mapping[str, tuple[Any, Any]] = sight.held
        for name, (venue, account) in held.items():
            assert not isinstance(account, Failed)
            grounds[name] = dict(venue.ground(account))
            subjects[name] = owners[venue.key(account).owner]
        return cls(number, sight.parts, takings, grounds, subjects)


class Happened:
    """The judge of what happens at a moment."""

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self.begun: int | None = None
        """The block from which the watch has to know what happened."""
        self.told_takings: dict[str, set[str]] = defaultdict(set)
        """By channel."""
        self.grounds: dict[tuple[str, str], dict[str, str | int]] = {}
        """By channel and account, as it was told."""
        self.failures: dict[str, set[int]] = defaultdict(set)
        """By channel, messages of others that it was told of as given up."""
        self.known_failed: set[int] = set()
        self.gone: set[str] = set()
        """Channels that do not exist in this round."""

    def round_begins(self) -> None:
        judge = self.judge
        if not judge.store_is_up:
            return
        self.failed = {one.id: one for one in judge.ledger.failed()}
        if self.begun is None and (found := judge.ledger.block_of("watch/local")) is not None:
            self.begun = found[0]
            truth = judge.truths[found[1]]
            for channel in judge.channels:
                for account, ground in truth.grounds.items():
                    self.grounds[channel.key, account] = dict(ground)

    # Liquidations and ground

    def told(self, row: Row, entry: Entry, said: str) -> None:
        judge = self.judge
        truths = [judge.truths[block[2]] for block in row.message.blocks if block[2] in judge.truths]
        judge.must(bool(truths), f"{said}, as of no block")
        judge.must(entry.subject in judge.subjects, f"{said}, whoever that is")
        if row.message.kind is Kind.GROUND:
            self._moved(row, entry, truths, said)
            return
        there = {one.transaction for truth in truths for one in truth.takings}
        told = [line.split()[1] for line in entry.sentences if line.startswith("transaction ")]
        judge.must(bool(told), f"{said}, and names no transaction")
        if row.message.kind is Kind.UNDONE:
            self._undone(row, [one.rstrip(":") for one in told], there, said)
            return
        for transaction in told:
            wallet = judge.around.ever.get(transaction)
            judge.must(wallet == judge.subjects[entry.subject], f"{said}: {transaction} was of {wallet}")
            judge.must(transaction in there, f"{said}: {transaction} is not of that branch")
            judge.must(transaction not in self.told_takings[row.channel], f"{said}: {transaction} twice")
            self.told_takings[row.channel].add(transaction)
            judge.counts["liquidations told"] += 1

    def _undone(self, row: Row, told: Sequence[str], there: set[str], said: str) -> None:
        """What was told is not on the branch of now, or stands in another block there."""
        for transaction in told:
            known = self.told_takings[row.channel]
            self.judge.must(transaction in known, f"{said}: {transaction} was not told")
            known.discard(transaction)
            self.judge.counts["taken back"] += 1
            self.judge.counts["taken back, mined again"] += transaction in there

    def no_recovery(self, channel: str, subject: str, truth: Truth, said: str) -> None:
        """What a liquidation left is told after it and not instead."""
        for one in self._due(truth, channel):
            self.judge.must(
                one.wallet != self.judge.subjects[subject], f"{said}, and its liquidation was not told"
            )

    def _due(self, truth: Truth, channel: str) -> list[Taking]:
        if self.begun is None:
            return []
        told = self.told_takings[channel]
        return [one for one in truth.takings if one.block > self.begun and one.transaction not in told]

    def _moved(self, row: Row, entry: Entry, truths: Sequence[Truth], said: str) -> None:
        any_moved = False
        for account, subject in truths[0].subject_of.items():
            lines = [line for line in entry.sentences if line.startswith(f"{account}: ") and "→" in line]
            if subject != entry.subject or not lines:
                continue
            any_moved, key = True, (row.channel, account)
            told = self.grounds.get(key, {})
            wanted = [
                [f"{account}: {one}" for one in ground_moved(told, at.grounds[account])] for at in truths
            ]
            self.judge.must(lines in wanted, f"{said}: {lines}, not {wanted}")
            self.grounds[key] = {**told, **truths[wanted.index(lines)].grounds[account]}
            self.judge.counts["ground told"] += 1
        self.judge.must(any_moved, f"{said}, and no ground that moved")

    def all_told(self, truth: Truth, *, moved: bool) -> None:
        """Nothing has happened that was not told; nothing has `moved`, unless that may be an older block."""
        for channel in self.judge.channels:
            due = self._due(truth, channel.key)
            self.judge.must(not due, f"{channel.key} was not told of {due}")
            for account, ground in truth.grounds.items() if moved else ():
                key = channel.key, account
                untold = ground_moved(self.grounds.get(key, {}), ground)
                self.judge.must(not untold, f"{channel.key} was not told that {account}: {untold}")
                if self.begun is not None:
                    self.grounds[key] = {**self.grounds.get(key, {}), **ground}

    # Messages given up

    def failure(self, row: Row) -> None:
        """A channel is told what another did not take."""
        judge, entries = self.judge, row.message.entries
        by_id = {one.id: one for one in judge.queued}
        for id_, ended in self.failed.items():
            one = by_id.get(id_)
            if one is None or one.channel == row.channel or id_ in self.failures[row.channel]:
                continue
            same = [(each.subject, each.old, each.new, each.sentences[1:]) for each in entries]
            if same == [(each.subject, each.old, each.new, each.sentences) for each in one.message.entries]:
                told = {each.sentences[0] for each in entries}
                judge.must(told == {ended.error}, f"{row.channel} was told {told}, not {ended.error}")
                self.failures[row.channel].add(id_)
                judge.counts["failures told"] += 1
                return
        judge.must(False, f"{row.channel} was told that something failed that did not: {row.message}")

    def round_ends(self) -> None:
        """Whatever was given up in this round was rightly so, and the others know."""
        judge = self.judge
        if not judge.store_is_up:
            return
        by_id = {one.id: one for one in judge.queued}
        for id_, ended in self.failed.items():
            if id_ in self.known_failed:
                continue
            self.known_failed.add(id_)
            one = by_id[id_]
            judge.note(0, f"{one.channel} gives up: {ended.error}")
            if one.channel in self.gone:
                rightly = "404" in ended.error
            else:
                enough = ended.attempts >= Patience().least_attempts
                rightly = enough and ended.ended - ended.created >= judge.give_up_s
            judge.must(rightly, f"{one.channel} gave up at {ended.attempts} attempts: {ended.error}")
            judge.must(one.channel in ended.error, f"{ended.error} does not name {one.channel}")
            judge.counts["given up"] += 1
            for channel in judge.channels:
                if channel.key != one.channel and one.message.kind is not Kind.FAILED:
                    told = id_ in self.failures[channel.key]
                    judge.must(told, f"{channel.key} was not told that {one.channel} gave up {id_}")
