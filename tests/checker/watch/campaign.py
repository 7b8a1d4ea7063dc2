"""A long watch over a genuine market, with troubles of every kind drawn from a seed.

A round: the chain moves or not, something may break or heal, time passes, and each watcher does its jobs.
What is broken is broken for real: the node behind proxies, the database statement by statement or as a
whole, the channels, the clock. A process that is killed leaves its store behind, and the next one begins
with it. What happens on the chain is in `campaign_world`, what befalls its node in `campaign_node`.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from sqlalchemy import Engine, event
from sqlalchemy.exc import OperationalError

from chain.rpc import Settings
from checker.bands import Band
from checker.config import Config, load_config
from checker.demo.world import World
from checker.watch import outbox
from checker.watch.log import nobody
from checker.watch.sending import Gone, NotNow
from checker.watch.store import WatchStore
from checker.watch.values import ChannelKey, Message
from checker.watch.watcher import Watcher
from margin.errors import ConfigError, StoreError
from tests import postgres
from tests.checker.watch.campaign_node import End, Node
from tests.checker.watch.campaign_world import WALLETS, Surroundings
from tests.checker.watch.judge import GIVE_UP_S, PATIENCE, Judge, Outcome, Took
from tests.faults import FaultProxy

NODE_PATIENCE = Settings(timeout_s=5.0, total_s=5.0, rounds=1, dead_s=0.0, rest_s=0.0)
HASTY = Settings(timeout_s=0.05, total_s=0.1, rounds=1, dead_s=0.0, rest_s=0.0)
"""For a node that is slower than this."""
HOUR = 3600.0
COMPARE_EVERY_S = 30.0


class Killed(BaseException):
    """The process is gone, from one step to the next."""


@dataclass
class Disk:
    """What befalls the database; also the steps after which a process is killed."""

    kill_after: int | None = None
    room: int | None = None
    """Statements that write before the disk is full; None where there is room."""
    acted: bool = False

    def step(self, *_: object) -> None:
        if self.kill_after is not None:
            self.kill_after -= 1
            if self.kill_after < 0:  # and whatever it still tries
                raise Killed

    def statement(self, _c: Any, _k: Any, statement: str, *_: object) -> None:
        self.step()
        if self.room is not None and statement.lstrip().startswith(("INSERT", "UPDATE", "DELETE")):
            self.room -= 1
            if self.room < 0:
                self.acted = True
                raise OperationalError(statement, {}, sqlite3.OperationalError("database or disk is full"))

    @contextmanager
    def felt(self) -> Iterator[None]:
        hooks: list[tuple[str, Callable[..., None]]] = [
            ("before_cursor_execute", self.statement),
            ("commit", self.step),
        ]
        for name, hook in hooks:
            event.listen(Engine, name, hook)
        try:
            yield
        finally:
            for name, hook in hooks:
                event.remove(Engine, name, hook)


@dataclass
class Mouth:
    """A channel that is down, limited, gone or broken at times, and keeps what it took."""

    disk: Disk
    life: Callable[[], tuple[int, int]]
    """Which process is speaking, and how many have died so far."""
    took: list[Took] = field(default_factory=list)
    down_until: float = 0.0
    """In time that has really passed."""
    gone_until: float = 0.0
    answers: list[Exception] = field(default_factory=list)
    """Raised instead of taking, the first one first."""
    elapsed: float = 0.0

    @property
    def ready(self) -> bool:
        return self.elapsed >= max(self.down_until, self.gone_until) and not self.answers

    def send(self, message: Message, message_id: str) -> None:
        self.disk.step()
        if self.elapsed < self.gone_until:
            raise Gone("404")
        if self.elapsed < self.down_until:
            raise NotNow(None, "down")
        if self.answers:
            raise self.answers.pop(0)
        self.took.append(Took(message_id, *self.life(), message))
        self.disk.step()


@dataclass
class Process:
    """A watcher that lives, dies and is started again, and the node as it reaches it."""

    number: int
    config: Config
    node: Node
    watcher: Watcher | None = None
    store: WatchStore | None = None
    kill_after: int | None = None
    life: int = 0
    compared: float = 0.0


@dataclass
class Campaign:
    """The watchers, their surroundings and their judge."""

    world: World
    proxies: Sequence[Sequence[FaultProxy]]
    """For each watcher those of its endpoints."""
    directory: Path
    seed: int
    url: str
    """Of the store."""
    server: postgres.Server | None = None
    """That may be stopped."""
    governed: bool = True
    """Whether the terms of reserves change."""

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.around = Surroundings(self.world, self.chance, self._note)
        self.anvil = self.world.anvil
        self.disk = Disk()
        self.deaths = self.acting = 0
        self.elapsed, self.offset = 0.0, 0.0
        self.channels = {
            ChannelKey(key, band): Mouth(self.disk, lambda: (self.acting, self.deaths))
            for key, band in (("discord:1", Band.WARNING), ("email:2", Band.DANGER))
        }
        self.processes = [
            Process(
                number,
                self._config([one.url for one in proxies]),
                Node(self.chance, [End(one) for one in proxies]),
            )
            for number, proxies in enumerate(self.proxies)
        ]
        self.full_left = self.stopped_left = 0
        self.is_long = False
        self.around.governed = self.governed
        self.number = 0
        self.judge = Judge(self._config([self.anvil.url]), self.around, self.url, self.channels, self.seed)

    def _config(self, urls: Sequence[str]) -> Config:
        quoted = ", ".join(f'"{url}"' for url in urls)
        lines = [f'[chains.local]\nrpc = [{quoted}]\nchain_id = 31337\n\n[[venues]]\nchain = "local"']
        provider = self.around.market.addresses_provider.address
        lines.append(f'protocol = "aave-v3"\npool_addresses_provider = "{provider}"\n')
        for wallet in WALLETS:
            addresses = ", ".join(f'"{one}"' for one in self.around.addresses(wallet))
            lines.append(f'[[wallets]]\nlabel = "{wallet}"\naddresses = [{addresses}]\n')
        path = self.directory / "campaign.toml"
        path.write_text("\n".join(lines))
        return load_config(path)

    def now(self) -> float:
        return 1_800_000_000.0 + self.elapsed + self.offset

    def run(self, rounds: int) -> None:
        """So many rounds; then all heals, and the judge has the last word."""
        jitter = SimpleNamespace(Random=lambda: self.chance)
        patience = partial(outbox.Patience, give_up_s=GIVE_UP_S)
        with (
            self.disk.felt(),
            patch.object(outbox, "random", jitter),
            patch.object(outbox, "Patience", patience),
        ):
            try:
                for _ in range(rounds):
                    self._break_and_heal()
                    self._move()
                    self._round(self._seconds())
                self._settle()
            finally:
                for process in self.processes:
                    self._bury(process)
                if self.server is not None:
                    self.server.go_on()

    # What happens around the watch

    def _seconds(self) -> float:
        chance = self.chance.random()
        return self.chance.uniform(600, 2400) if chance < 0.02 else self.chance.uniform(2, 28)

    def _move(self) -> None:
        broken = any(not one.node.condition().clear or one.watcher is None for one in self.processes)
        back = self.around.move(busy=broken)
        if back is not None:
            self.judge.reorganised(back)
            for process in self.processes:
                process.node.forget_old()

    def _break_and_heal(self) -> None:
        dice = self.chance
        for process in self.processes:
            process.node.turn(self.judge.older())
            if process.watcher is None:
                process.node.hang_left = 0  # a new one begins with a look
            if dice.random() < 0.05:
                process.kill_after = dice.choice((dice.randint(0, 12), dice.randint(0, 60)))
        if self.server is None:
            self._fill_disk()
        else:
            self._stop_server(self.server)
        hangs = any(one.node.hang_left for one in self.processes)
        if not hangs and dice.random() < 0.03:
            self.offset = dice.choice((0.0, dice.uniform(-120, 120), dice.uniform(-3 * HOUR, 3 * HOUR)))
            self.judge.clock_jumped()
            self._note(f"clock off by {self.offset:.0f} s")
        self._shut_and_open()

    def _fill_disk(self) -> None:
        dice = self.chance
        self.full_left -= 1
        if self.full_left <= 0:
            self.disk.room = None
            if dice.random() < 0.03:
                self.is_long = dice.random() < 0.2
                self.full_left = dice.randint(12, 30) if self.is_long else dice.randint(1, 6)
        if self.full_left > 0:
            self.disk.room = 0 if self.is_long else dice.choice((0, 0, 1, 2, 3, 5, 8, 12))

    def _stop_server(self, server: postgres.Server) -> None:
        dice = self.chance
        self.stopped_left -= 1
        if self.stopped_left == 0:
            server.go_on()
            self.judge.store_is_up = True
        elif self.stopped_left < 0 and dice.random() < 0.04:
            server.halt()
            self.judge.store_is_up = False
            self.judge.counts["store down"] += 1
            if len(self.processes) > 1:
                self.deaths += 1  # what one has sent and cannot mark the other sends again
            self.stopped_left = dice.choice((dice.randint(1, 5), dice.randint(12, 20)))

    def _shut_and_open(self) -> None:
        dice = self.chance
        both = dice.random() < 0.006
        for channel, mouth in self.channels.items():
            if mouth.ready and not self.judge.waits(channel.key):
                if both or dice.random() < 0.005:
                    mouth.down_until = self.elapsed + dice.uniform(60, 6 * HOUR)
                    self._note(f"{channel.key} down for {mouth.down_until - self.elapsed:.0f} s")
                elif dice.random() < 0.004:
                    mouth.gone_until = self.elapsed + dice.uniform(60, HOUR)
                    self._note(f"{channel.key} gone for {mouth.gone_until - self.elapsed:.0f} s")
                elif dice.random() < 0.01:
                    wait = dice.choice((0.5, 30.0, 600.0, 2 * HOUR))
                    mouth.answers += [NotNow(wait, "429")] * dice.randint(1, 5)
                    self._note(f"{channel.key} answers 429, {wait:.0f} s")
                elif dice.random() < 0.01:
                    mouth.answers.append(RuntimeError("a bug of this channel"))
                    self._note(f"{channel.key} has a bug")

    # The watch

    def _round(self, seconds: float) -> None:
        self.number += 1
        self.elapsed += seconds
        for mouth in self.channels.values():
            mouth.elapsed = self.elapsed
        open_ = {channel.key: mouth.ready for channel, mouth in self.channels.items()}
        gone = {key.key for key, mouth in self.channels.items() if self.elapsed < mouth.gone_until}
        took = {channel.key: mouth.took for channel, mouth in self.channels.items()}
        conditions = [(process.node.condition(), process.watcher is not None) for process in self.processes]
        self.judge.before(self.elapsed, self.now(), conditions, took, open_, gone)
        self.judge.after([self._act(process) for process in self.processes])

    def _act(self, process: Process) -> Outcome:
        """What one process does in a round."""
        self.acting, self.disk.acted = process.number, False
        self.disk.kill_after, process.kill_after = process.kill_after, None
        outcome = Outcome(process.number, process.life, process.node.condition())
        outcome.lived = process.watcher is not None
        try:
            if process.watcher is None:
                self._start(process, outcome)
            else:
                self._jobs(process, process.watcher, outcome)
        except Killed:
            self._note(f"{process.number} killed")
            self.judge.counts["deaths"] += 1
            outcome.killed = True
            self._bury(process)
        self.disk.kill_after = None
        outcome.alive, outcome.watcher = process.watcher is not None, process.watcher
        outcome.failed |= self.disk.acted or outcome.killed
        full = ", disk full" * self.disk.acted + ", no store" * (not self.judge.store_is_up)
        self._note(f"{process.number} {outcome.condition}{full}")
        return outcome

    def _start(self, process: Process, outcome: Outcome) -> None:
        """A new process on the old store; it ends at once where the configuration seems wrong."""
        process.life += 1
        outcome.life = process.life
        try:
            process.store = WatchStore.open(self.url)
            process.watcher = Watcher(
                process.config, process.store, self.channels, nobody, patience=PATIENCE,
                node_patience=self._node_patience(process), now=self.now,
            )  # fmt: skip
            # As if each were a process of its own.
            process.watcher._owner = f"{process.number}/{process.life}"
            process.watcher.begin()
        except (ConfigError, StoreError):
            self._note(f"{process.number} ends at its start")
            outcome.failed = True
            self._bury(process)
            return
        self._jobs(process, process.watcher, outcome, looks=False)

    def _jobs(self, process: Process, watcher: Watcher, outcome: Outcome, *, looks: bool = True) -> None:
        """Each job on its own, as the scheduler runs them: one that fails is run again."""
        (watch,) = watcher.rounds.chains.values()
        watch.rpc.settings = self._node_patience(process)
        jobs: dict[str, Callable[[], object]] = {}
        marked = watch._marked
        if self.elapsed - process.compared >= COMPARE_EVERY_S:
            process.compared = self.elapsed
            jobs["compare"] = lambda: watcher.compare(watch)
        if looks and not process.node.hang_left:
            jobs["look"] = lambda: watcher.look(watch)
        jobs["mind"], jobs["deliver"] = watcher.mind, watcher.deliver
        for name, job in jobs.items():
            try:
                job()
            except StoreError:
                outcome.failed = True
                outcome.broken.add(name)
            except RuntimeError:
                outcome.bug = True
                outcome.broken.add(name)
            if name == "compare":
                outcome.compared = watch.last is not None
                outcome.lacking = marked is not None and marked[1] > self.judge.newest
        outcome.minded = "mind" not in outcome.broken

    def _node_patience(self, process: Process) -> Settings:
        return HASTY if process.node.slow else NODE_PATIENCE

    def _bury(self, process: Process) -> None:
        """What a process held is given back, and nothing it knew survives."""
        self.deaths += 1
        self.disk.kill_after = None
        if process.watcher is not None:
            for watch in process.watcher.rounds.chains.values():
                watch.close()
        if process.store is not None:
            process.store.close()
        process.watcher = process.store = None
        process.compared = 0.0

    def _settle(self) -> None:
        """All is well again, for as long as anybody may still be waiting."""
        for process in self.processes:
            process.node.heal()
            process.kill_after = None
        self.full_left = 0
        self.disk.room = None
        if self.server is not None and self.stopped_left > 0:
            self.server.go_on()
            self.judge.store_is_up = True
        for mouth in self.channels.values():
            mouth.down_until, mouth.gone_until, mouth.answers = 0.0, 0.0, []
        for seconds in (10.0, 7 * HOUR, *[61.0] * 10):
            self.around.mine()
            self._round(seconds)
        self.judge.settled()

    def _note(self, what: str) -> None:
        self.judge.note(self.number, what)
