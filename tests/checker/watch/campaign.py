"""A long watch over a genuine market, with troubles of every kind drawn from a seed.

A round: the chain moves or not, something may break or heal, time passes, and the watcher does its jobs.
What is broken is broken for real: the node behind a proxy, the database statement by statement, the
channels, the clock. A process that is killed leaves its file behind, and the next one begins with it.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
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
from checker.watch.memory import Settings as Patience
from checker.watch.sending import NotNow
from checker.watch.store import WatchStore
from checker.watch.values import ChannelKey, Message
from checker.watch.watcher import Watcher
from margin.errors import ConfigError, StoreError
from tests.checker.watch.judge import Judge
from tests.faults import (
    Delay,
    DropAnswers,
    Fault,
    FaultProxy,
    Junk,
    NodeError,
    OldHead,
    OtherChain,
    Refuse,
    Status,
    Truncate,
)

WALLETS = ("edge", "comfortable", "liquidatable")
NODE_PATIENCE = Settings(timeout_s=5.0, total_s=5.0, rounds=1, dead_s=0.0, rest_s=0.0)
HASTY = Settings(timeout_s=0.05, total_s=0.1, rounds=1, dead_s=0.0, rest_s=0.0)
"""For a node that is slower than this."""
PATIENCE = Patience(repeat_after_s=None, digest_above=2)
HOUR = 3600.0
DEEPEST = 10


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
    """A channel that is down, limited or broken at times, and keeps what it took."""

    disk: Disk
    life: Callable[[], int]
    """How many processes have died so far."""
    took: list[tuple[str, int, Message]] = field(default_factory=list)
    """Message id, how many had died by then, and the message."""
    down_until: float = 0.0
    """In time that has really passed."""
    answers: list[Exception] = field(default_factory=list)
    """Raised instead of taking, the first one first."""
    elapsed: float = 0.0

    def send(self, message: Message, message_id: str) -> None:
        self.disk.step()
        if self.elapsed < self.down_until:
            raise NotNow(None, "down")
        if self.answers:
            raise self.answers.pop(0)
        self.took.append((message_id, self.life(), message))
        self.disk.step()


@dataclass
class Campaign:
    """The watch, its surroundings and its judge."""

    world: World
    proxy: FaultProxy
    directory: Path
    seed: int

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)
        self.market = self.world.markets["3.2"]
        self.anvil = self.world.anvil
        self.disk = Disk()
        self.deaths = 0
        self.elapsed, self.offset = 0.0, 0.0
        self.channels = {
            ChannelKey("discord:1", Band.WARNING): Mouth(self.disk, lambda: self.deaths),
            ChannelKey("email:2", Band.DANGER): Mouth(self.disk, lambda: self.deaths),
        }
        self.config = self._config(self.proxy.url)
        self.file = self.directory / "campaign.db"
        self.base = {
            symbol: int(self.market.feed(symbol).call("latestAnswer")) for symbol in ("WETH", "WBTC", "LINK")
        }
        self.level = dict.fromkeys(self.base, 1.0)
        self.watcher: Watcher | None = None
        self.store: WatchStore | None = None
        self.node, self.node_left = "", 0
        self.full_left = self.hang_left = 0
        self.fork: tuple[str, int, int, dict[str, float]] | None = None
        """Snapshot, its block, after how many blocks it is gone back to, and the prices of then."""
        self.number = 0
        self.judge = Judge(
            self._config(self.anvil.url), self.market, list(WALLETS), self.file, self.channels, self.seed
        )

    def _config(self, url: str) -> Config:
        lines = [f'[chains.local]\nrpc = ["{url}"]\nchain_id = 31337\n\n[[venues]]\nchain = "local"']
        provider = self.market.addresses_provider.address
        lines.append(f'protocol = "aave-v3"\npool_addresses_provider = "{provider}"\n')
        lines += [
            f'[[wallets]]\nlabel = "{name}"\naddresses = ["{self.market.cast[name]}"]\n' for name in WALLETS
        ]
        path = self.directory / "campaign.toml"
        path.write_text("\n".join(lines))
        return load_config(path)

    def now(self) -> float:
        return 1_800_000_000.0 + self.elapsed + self.offset

    def run(self, rounds: int) -> None:
        """So many rounds; then all heals, and the judge has the last word."""
        jitter = SimpleNamespace(Random=lambda: self.chance)
        with self.disk.felt(), patch.object(outbox, "random", jitter):
            try:
                for _ in range(rounds):
                    self._break_and_heal()
                    self._move()
                    self._round(self._seconds())
                self._settle()
            finally:
                self._bury()

    # What happens around the watch

    def _seconds(self) -> float:
        chance = self.chance.random()
        return self.chance.uniform(600, 2400) if chance < 0.02 else self.chance.uniform(2, 28)

    def _move(self) -> None:
        """Prices and blocks, and branches that are given up."""
        dice = self.chance
        if self.fork is None and dice.random() < 0.06:
            depth = dice.randint(1, DEEPEST)
            self.fork = self.anvil.snapshot(), self.anvil.block_number(), depth, dict(self.level)
        if dice.random() < 0.3:
            self._price()
        for _ in range(dice.choice((0, 1, 1, 1, 2, 3))):
            self._mine()
        if self.fork is not None and self.anvil.block_number() - self.fork[1] >= self.fork[2]:
            snapshot, block, _, level = self.fork
            self._note(f"reorg of {self.anvil.block_number() - block} blocks")
            self.anvil.revert(snapshot)
            self.fork, self.level = None, level
            self.judge.reorganised(block)
            if self.node == "old head":
                self._heal_node()
            if dice.random() < 0.5:
                self._price()
            for _ in range(dice.randint(1, DEEPEST + 2)):
                self._mine(13)  # never the same blocks again

    def _mine(self, seconds: int = 12) -> None:
        self.anvil.mine(self.anvil.timestamp() + seconds)

    def _price(self) -> None:
        dice = self.chance
        symbol = dice.choice(("WETH", "WETH", "WBTC", "LINK"))
        low, high = {"WETH": (0.85, 1.35), "WBTC": (0.2, 1.3), "LINK": (0.8, 1.6)}[symbol]
        kind = dice.random()
        if kind < 0.3:
            level = self.level[symbol] * dice.uniform(0.997, 1.003)
        elif kind < 0.45 and symbol == "WETH":
            level = dice.uniform(0.2, 0.6)
        else:
            level = dice.uniform(low, high)
        self.level[symbol] = level
        self.market.set_price(symbol, int(self.base[symbol] * level))
        self._note(f"{symbol} at {level:.4f}")

    def _break_and_heal(self) -> None:
        dice = self.chance
        self.node_left -= 1
        if self.node and self.node_left <= 0:
            self._heal_node()
        if not self.node and dice.random() < 0.07:
            self._break_node()
        self.hang_left = self.hang_left - 1 if self.hang_left > 0 else 0
        if not self.hang_left and dice.random() < 0.015:
            self.hang_left = dice.choice((dice.randint(1, 8), dice.randint(12, 20)))
        self.full_left -= 1
        if self.full_left <= 0:
            self.disk.room = None
            if dice.random() < 0.03:
                self.full_left = dice.randint(1, 6)
        if self.full_left > 0:
            self.disk.room = dice.choice((0, 0, 1, 2, 3, 5, 8))
        if dice.random() < 0.05:
            self.disk.kill_after = dice.choice((dice.randint(0, 12), dice.randint(0, 60)))
        if not self.hang_left and dice.random() < 0.03:
            self.offset = dice.choice((0.0, dice.uniform(-120, 120), dice.uniform(-3 * HOUR, 3 * HOUR)))
            self.judge.clock_jumped()
            self._note(f"clock off by {self.offset:.0f} s")
        self._shut_and_open()

    def _shut_and_open(self) -> None:
        dice = self.chance
        both = dice.random() < 0.006
        for channel, mouth in self.channels.items():
            if mouth.elapsed >= mouth.down_until and not self.judge.waits(channel, mouth.took):
                if both or dice.random() < 0.005:
                    mouth.down_until = self.elapsed + dice.uniform(60, 6 * HOUR)
                    self._note(f"{channel.key} down for {mouth.down_until - self.elapsed:.0f} s")
                elif dice.random() < 0.01:
                    wait = dice.choice((0.5, 30.0, 600.0, 2 * HOUR))
                    mouth.answers += [NotNow(wait, "429")] * dice.randint(1, 5)
                    self._note(f"{channel.key} answers 429, {wait:.0f} s")
                elif dice.random() < 0.01:
                    mouth.answers.append(RuntimeError("a bug of this channel"))

    def _break_node(self) -> None:
        dice = self.chance
        part: dict[str, Any] = {"times": dice.randint(1, 6), "skip": dice.randint(0, 6)}
        whole: dict[str, Any] = {"times": None}
        old = self.judge.older(dice)
        kinds: dict[str, Fault] = {
            "refused": Refuse(**whole),
            "429": Status(429, **whole),
            "503": Status(503, **whole),
            "truncated": Truncate(dice.randint(0, 30), **whole),
            "wrong chain": OtherChain(1, **whole),
            "errors": NodeError(-32000, "header not found", **whole),
            "junk": Junk(**whole),
            "slow": Delay(0.15, **whole),
            "refused at times": Refuse(**part),
            "429 at times": Status(429, **part),
            "truncated at times": Truncate(dice.randint(0, 500), **part),
            "junk at times": Junk(**part),
            "errors at times": NodeError(-32000, "missing trie node", **part),
            "no calls": NodeError(-32000, "missing trie node", method="eth_call", **whole),
            "no logs": NodeError(-32000, "no logs", method="eth_getLogs", **whole),
            "wrong chain at times": OtherChain(1, **part),
            "answers missing": DropAnswers(**part),
        }
        if old is not None:
            kinds["old head"] = OldHead(old)
        self.node = dice.choice([*kinds, *(["old head"] * 3 if old is not None else [])])
        self.node_left = dice.choice((dice.randint(1, 12), dice.randint(1, 12), dice.randint(10, 20)))
        self.proxy.add(kinds[self.node])

    def _heal_node(self) -> None:
        self.proxy.clear()
        self.node, self.node_left = "", 0

    # The watch

    def _round(self, seconds: float) -> None:
        self.number += 1
        self.elapsed += seconds
        for mouth in self.channels.values():
            mouth.elapsed = self.elapsed
        old = next((one.number for one in self.proxy.faults if isinstance(one, OldHead)), None)
        self.judge.before(self.elapsed, self.node, old, hangs=bool(self.hang_left))
        self.disk.acted = False
        deaths, lived = self.deaths, self.watcher is not None
        try:
            if self.watcher is None:
                self._start()
            else:
                self._jobs(self.watcher)
        except Killed:
            self._note("killed")
            self.judge.counts["deaths"] += 1
            self._bury()
        self.disk.kill_after = None
        alive = self.watcher is not None
        failed = self.disk.acted or self.deaths > deaths
        self._note(
            f"{self.node or 'sees'}{', hangs' * bool(self.hang_left)}{', disk full' * self.disk.acted}"
        )
        self.judge.after(self.watcher, looked=lived and alive, failed=failed)

    def _start(self) -> None:
        """A new process on the old file; it ends at once where the configuration seems wrong."""
        try:
            self.store = WatchStore.open(f"sqlite:///{self.file}")
            self.watcher = Watcher(
                self.config, self.store, self.channels, nobody, patience=PATIENCE,
                node_patience=self._node_patience(), now=self.now,
            )  # fmt: skip
            self.watcher.begin()
        except (ConfigError, StoreError):
            self._note("ends at its start")
            self._bury()
            return
        self._jobs(self.watcher, looks=False)

    def _jobs(self, watcher: Watcher, *, looks: bool = True) -> None:
        """Each job on its own, as the scheduler runs them: one that fails is run again."""
        (watch,) = watcher.rounds.chains.values()
        watch.rpc.settings = self._node_patience()
        jobs = [watcher.mind, watcher.deliver]
        if looks and not self.hang_left:
            jobs.insert(0, lambda: watcher.look(watch))
        for job in jobs:
            with suppress(StoreError, RuntimeError):
                job()

    def _node_patience(self) -> Settings:
        return HASTY if self.node == "slow" else NODE_PATIENCE

    def _bury(self) -> None:
        """What a process held is given back, and nothing it knew survives."""
        self.deaths += 1
        self.disk.kill_after = None
        if self.watcher is not None:
            for watch in self.watcher.rounds.chains.values():
                watch.close()
        if self.store is not None:
            self.store.close()
        self.watcher = self.store = None
        self.hang_left = 0  # the next one begins with a look

    def _settle(self) -> None:
        """All is well again, for as long as anybody may still be waiting."""
        self._heal_node()
        self.full_left = self.hang_left = 0
        self.disk.room = self.disk.kill_after = None
        for mouth in self.channels.values():
            mouth.down_until, mouth.answers = 0.0, []
        for seconds in (10.0, 7 * HOUR, *[61.0] * 10):
            self._mine()
            self._round(seconds)
        self.judge.settled({channel: mouth.took for channel, mouth in self.channels.items()})

    def _note(self, what: str) -> None:
        self.judge.note(self.number, what)
