"""The scheduler of the watch: looks at chains, delivers, and notices when one of its own jobs does not."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx
from apscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_EXECUTED,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
)
from apscheduler.schedulers.background import BackgroundScheduler

from chain.rpc import Settings
from checker import words
from checker.bands import EXIT_CODE, worst
from checker.config import Config
from checker.surprises import left_unread
from checker.watch import own
from checker.watch.chain_watch import ChainWatch
from checker.watch.health import Guard, trouble_of
from checker.watch.last_word import AFTER_S, LastWord
from checker.watch.log import Say
from checker.watch.memory import WATCH, Happening
from checker.watch.memory import Settings as Patience
from checker.watch.outbox import deliver_due
from checker.watch.pace import DRAIN_S, HANGS_S, KEPT_S, NODE_PATIENCE, PRUNE_EVERY_S, STOOD_STILL_S, Pace
from checker.watch.rounds import Rounds
from checker.watch.sending import Sender
from checker.watch.signs import Signs, Window
from checker.watch.store import WatchStore
from checker.watch.values import ChannelKey, Kind, Observation
from margin.errors import ChainUnreadable, ConfigError, CrossmarginError, StoreError

_TROUBLES = {EVENT_JOB_ERROR: "failed", EVENT_JOB_MISSED: "missed", EVENT_JOB_MAX_INSTANCES: "late"}


@dataclass
class Watcher:
    """All chains of a configuration, watched until told to stop."""

    config: Config
    store: WatchStore
    channels: Mapping[ChannelKey, Sender]
    say: Say
    pace: Pace = field(default_factory=Pace)
    patience: Patience = field(default_factory=Patience)
    node_patience: Settings = NODE_PATIENCE
    ping_url: str | None = None
    now: Callable[[], float] = time.time
    signs: Signs = field(default_factory=Signs)
    window: Window | None = None
    hangs: bool = False
    """Whether a job did not end when the watch was stopped."""
    names: Mapping[str, str] = field(default_factory=dict)
    """What channels are called, by their keys; a key without a name is its own."""

    def __post_init__(self) -> None:
        if not self.config.wallets:
            raise ConfigError(self.config.source or "configuration", "no wallet to watch: add [[wallets]]")
        watches = {one.name: ChainWatch(self.config, one, self.node_patience) for one in self.config.chains}
        if not watches:
            raise ConfigError(self.config.source or "configuration", "no chain: add [chains.NAME]")
        oldest = max(self.pace.blind_after_s, self.pace.interval_s + 2 * self.pace.poll_s)
        self.rounds = Rounds(
            self.config, watches, self.store, list(self.channels), self.patience, self.now, oldest
        )
        self.stopped = threading.Event()
        self._deciding = threading.Lock()
        self._looked: dict[str, float] = {}
        self._shut: set[str] = set()
        self._jobs: tuple[str, ...] = ()
        self._troubles: dict[str, str] = {}
        self._good: dict[str, bool] = {}
        self._pruned = self.now()
        self._minded: float | None = None
        self._minding = Guard()
        self._last_word = LastWord(self.store, self.channels, self.now)
        self._owner = f"{socket.gethostname()}/{os.getpid()}/{threading.get_ident()}"

    # Once

    def once(self) -> int:
        """One round of every chain and the delivery of what is due; the exit code of `check`."""
        self.begin()
        self._wait_for_sight()
        for watch in self.rounds.chains.values():
            watch.compare(self.now())
        self.rounds.again(self._own(self.now()))
        end = time.monotonic() + DRAIN_S
        self.deliver()
        while self.store.pending() and time.monotonic() < end and not self.stopped.wait(0.5):
            self.deliver()
        self.store.prune(self.now() - KEPT_S)
        return EXIT_CODE[worst(self.rounds.bands())]

    def begin(self) -> None:
        """The first look at every chain, side by side. Raises `ConfigError`."""
        self.rounds.resume()
        watches = list(self.rounds.chains.values())
        with ThreadPoolExecutor(len(watches)) as pool:
            looks = [pool.submit(watch.look, self.now, first=True) for watch in watches]
            for look in looks:
                look.result()
        sights = [look.result().sight for look in looks]
        if not any(sight.reading.venues or sight.unread for sight in sights):
            where = self.config.source or "configuration"
            raise ConfigError(where, "no venue is known on these chains, so nothing would be watched")
        for watch, sight in zip(watches, sights, strict=True):
            self._decide(watch)
            block = sight.reading.block
            for line in left_unread(watch.chain, block.chain_id) if block is not None else ():
                self.say("not watched", level=logging.WARNING, what=line)

    # For ever

    def run(self) -> None:
        """Watches until `stop`; then ends what is in hand."""
        with ExitStack() as stack:
            if self.window is not None:
                stack.enter_context(self.window)
            self.begin()
            scheduler = self._scheduler()
            scheduler.start()
            chains = ",".join(self.rounds.chains)
            self.say("watching", wallets=len(self.config.wallets), chains=chains, channels=len(self.channels))
            self.stopped.wait()
            self.say("stopping, what is in hand is finished")
            self.hangs = not _ends(lambda: scheduler.shutdown(wait=True), HANGS_S)
            if self.hangs:
                self.say("stopped, a job hangs", level=logging.ERROR)
                return
            self._drain()
            self.say("stopped", pending=len(self.store.pending()))

    def _drain(self) -> None:
        """What is due is delivered where channels take it; one that did not lately is not waited for."""
        well = [key.key for key in self.channels if key.key not in self._shut]
        end = time.monotonic() + DRAIN_S
        while well and self.deliver(well, lambda: time.monotonic() > end) and time.monotonic() < end:
            well = [key for key in well if key not in self._shut]

    def stop(self, *_: object) -> None:
        """Ends `run`; may be called from a signal handler."""
        self.stopped.set()

    def _scheduler(self) -> BackgroundScheduler:
        # Late runs are made up for once, never dropped in silence; no job runs beside itself.
        defaults = {"misfire_grace_time": None, "coalesce": True, "max_instances": 1}
        count = 2 * len(self.rounds.chains) + len(self.channels) + 3
        workers = {"default": {"type": "threadpool", "max_workers": count}}
        scheduler = BackgroundScheduler(job_defaults=defaults, executors=workers, timezone="UTC")
        for name, watch in self.rounds.chains.items():
            scheduler.add_job(self.look, "interval", [watch], seconds=self.pace.poll_s, id=f"chain {name}")
            scheduler.add_job(
                self.compare, "interval", [watch], seconds=self.pace.interval_s, id=f"endpoints {name}"
            )
        for key in self.channels:  # each alone: one that hangs keeps no other waiting
            scheduler.add_job(
                self.deliver,
                "interval",
                [[key.key], self.stopped.is_set],
                seconds=self.pace.deliver_s,
                id=f"delivery {self.names.get(key.key, key.key)}",
            )
        scheduler.add_job(self.mind, "interval", seconds=self.pace.poll_s, id="self-watch")
        scheduler.add_job(self.guard, "interval", seconds=self.pace.poll_s, id="guard")
        self._jobs = tuple(job.id for job in scheduler.get_jobs())
        scheduler.add_listener(lambda event: self._troubles.pop(event.job_id, None), EVENT_JOB_EXECUTED)
        scheduler.add_listener(self._troubled, EVENT_JOB_ERROR | EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES)
        return scheduler

    # Jobs

    def look(self, watch: ChainWatch) -> None:
        """Looks at a chain if it has a new block, was not all read, or not looked at for the interval."""
        waited = self.now() - self._looked.get(watch.chain.name, 0.0)
        blind = watch.sight is None or not watch.sight.whole
        # By a clock that was set back the last look is yet to come.
        due = blind or not 0 <= waited < self.pace.interval_s
        if due or self._has_new_block(watch):
            watch.look(self.now, first=False)
            self._decide(watch)

    def deliver(self, only: Collection[str] | None = None, stops: Callable[[], bool] = lambda: False) -> int:
        """Tries what is due, of these channels alone if told so; how many messages were taken."""
        senders = {key.key: sender for key, sender in self.channels.items()}
        report = deliver_due(self.store, senders, self.now, self._owner, only=only, stops=stops)
        for outcome in ("sent", "postponed", "failed"):
            those = getattr(report, outcome)
            self.signs.sent.labels(outcome).inc(len(those))
            level = logging.INFO if outcome == "sent" else logging.WARNING
            for id_ in those:
                notes = report.notes.get(id_, {})
                self.say(outcome, level=level, message=id_, **notes)
                (self._shut.add if outcome == "postponed" else self._shut.discard)(notes.get("channel", ""))
        return len(report.sent)

    def compare(self, watch: ChainWatch) -> None:
        """Asks each endpoint of a chain for a block that the others have shown."""
        watch.compare(self.now())
        for label, answers in watch.endpoints.answering().items():
            self.signs.answers.labels(watch.chain.name, label).set(answers)

    def mind(self) -> None:
        """Looks after the watch itself: what cannot be read, written, delivered, or done in time."""
        now = self.now()
        stood = self._stood_still(now)
        if not stood:
            self._minded = now
        try:
            with self._minding:
                with self._deciding:
                    self.rounds.again(self._own(now), stood)
                self._last_word.well()
        except StoreError as error:
            self._last_word.failing(error)
            raise
        self._minded = now
        if now - self._pruned >= PRUNE_EVERY_S or now < self._pruned:
            self.store.prune(now - KEPT_S)
            self._pruned = now
        pending = self.store.pending()
        self.signs.pending.set(len(pending))
        self.signs.oldest.set(max((now - one.created for one in pending), default=0.0))
        for name, sight in self.rounds.sights(now).items():
            self.signs.blind.labels(name).set(sight is None or not sight.clear)
        self.signs.show_bands(self.rounds.bands())

    def guard(self) -> None:
        """Says so where the watch after itself hangs: a store that neither answers nor fails."""
        if self._minding.seconds >= AFTER_S:
            error = StoreError("store", "it does not answer")
            self._last_word.failing(error, self.now() - self._minding.seconds)

    def trouble(self) -> str | None:
        """Why the watch is not well, in one line; `None` while it is."""
        channels = [key.key for key in self.channels]
        return trouble_of(self.rounds, self.store, channels, self._troubles, self.now())

    def _own(self, now: float) -> list[Observation]:
        jobs = [own.job_of(job, self._troubles.get(job)) for job in self._jobs]
        names = {key.key: self.names.get(key.key, key.key) for key in self.channels}
        return [*jobs, *own.deliveries(self.store.pending(), names, now)]

    def _stood_still(self, now: float) -> list[Happening]:
        """Whether this watch did nothing since it did so last, by its clock."""
        if self._minded is None or abs(now - self._minded) < STOOD_STILL_S:
            return []
        spans = f"from {words.moment(int(self._minded))} to {words.moment(int(now))}"
        sentence = f"it did nothing {spans}: the machine slept, or its clock was set"
        key = f"{self._owner}/{self._minded:.3f}"
        return [Happening(key, f"{WATCH}/time", "the watch", Kind.WATCH, (sentence,))]

    def _wait_for_sight(self) -> None:
        """Looks again for the time of grace at what cannot be read, so that this run can say so."""
        end = time.monotonic() + self.patience.grace_s
        while (blind := self._blind()) and time.monotonic() < end:
            self.stopped.wait(min(self.pace.poll_s, max(0.0, end - time.monotonic())))
            for watch in blind:
                watch.look(self.now, first=False)
                self._decide(watch)

    def _blind(self) -> list[ChainWatch]:
        return [one for one in self.rounds.chains.values() if one.sight is None or not one.sight.clear]

    def _has_new_block(self, watch: ChainWatch) -> bool:
        """Whether the newest block is another than the last that was decided from."""
        try:
            block = watch.rpc.request("eth_getBlockByNumber", ["latest", False])
        except ChainUnreadable:
            return True  # the look itself will say what is wrong
        # By its hash: another branch may be as long.
        head = block.get("hash") if isinstance(block, dict) else None
        return watch.last is None or head != watch.last[2]

    def _decide(self, watch: ChainWatch) -> None:
        name = watch.chain.name
        with self._deciding:
            ids = self.rounds.after(watch)
        self._looked[name] = self.now()
        sight = watch.sight
        assert sight is not None
        good = sight.clear
        if good is not self._good.get(name):
            self._good[name] = good
            why = {} if good else {"why": self.trouble() or "not known"}
            block = None if sight.block is None else sight.block[1]
            level = logging.INFO if good else logging.WARNING
            self.say("sees" if good else "blind", level=level, chain=name, block=block, **why)
        self.signs.rounds.labels(name, "good" if good else "blind").inc()
        if good and sight.block is not None:
            self.signs.seen.labels(name).set(sight.at)
            self.signs.block.labels(name).set(sight.block[1])
            if self.ping_url is not None and self.trouble() is None:
                self._ping(self.ping_url)
        if ids:
            self.say("queued", chain=name, messages=",".join(map(str, ids)))

    def _ping(self, url: str) -> None:
        """Tells whoever waits for it that a round went well; that it cannot be told is said, and no more."""
        try:
            answer = httpx.get(url, timeout=5.0, follow_redirects=False)
        except httpx.HTTPError as error:
            self.say("ping failed", level=logging.WARNING, error=type(error).__name__)
        else:
            if answer.status_code >= 400:
                self.say("ping failed", level=logging.WARNING, error=f"HTTP {answer.status_code}")

    def _troubled(self, event: Any) -> None:
        """A job failed, was missed, or is still running when it should begin again."""
        how = _TROUBLES.get(event.code, "troubled")
        self.signs.jobs.labels(event.job_id, how).inc()
        if how == "late":
            return  # a chain that is slow to answer; `mind` tells when it is too slow
        error = getattr(event, "exception", None)
        said = str(error) if isinstance(error, CrossmarginError) else type(error).__name__
        self._troubles[event.job_id] = f"job {event.job_id} {how}: {said}"
        self.say("job troubled", level=logging.ERROR, job=event.job_id, how=how, error=said)


def _ends(task: Callable[[], object], within_s: float) -> bool:
    """Whether it ends in time; if not it is left alone."""
    thread = threading.Thread(target=task, daemon=True)
    thread.start()
    thread.join(within_s)
    return not thread.is_alive()
