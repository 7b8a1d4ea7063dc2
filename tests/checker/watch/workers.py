"""A watcher that can be killed between any two steps. A program, and what starts it.

    python -m tests.checker.watch.workers STORE

For each JSON line on stdin it starts a process that does that piece of work and prints its exit status as
`os.waitpid` gives it. With `end_before` the process ends itself by SIGKILL before so many steps: a step
is a statement of its database, a commit, or what a channel does before and after it takes a message.
With `meet`, a directory, it waits at its open store until a second one is there, and goes on slowly.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from checker.bands import Band
from checker.watch.memory import Settings
from checker.watch.message_json import message_of, message_text
from checker.watch.outbox import deliver_due
from checker.watch.store import WatchStore
from checker.watch.values import ChannelKey, Message
from tests.checker.watch.made import block, seen

ROOT = Path(__file__).resolve().parents[3]


@dataclass
class Letterbox:
    """A channel that is a file: a line for each message that it took."""

    path: Path
    step: Callable[[], None] = lambda: None

    def send(self, message: Message, message_id: str) -> None:
        self.step()
        with self.path.open("a") as file:  # one short write at the end: it is there or not
            file.write(json.dumps([message_id, message_text(message)]) + "\n")
        self.step()

    def took(self) -> list[tuple[str, Message]]:
        """Message id and message of each, in the order of their coming."""
        if not self.path.exists():
            return []
        rows = [json.loads(line) for line in self.path.read_text().splitlines()]
        return [(id_, message_of(text)) for id_, text in rows]

    def changes(self, subject: str) -> list[tuple[Band, Band]]:
        """What arrived about a subject, old and new, each message once."""
        return [
            (entry.old, entry.new)
            for message in dict(self.took()).values()
            for entry in message.entries
            if entry.subject == subject
        ]


@dataclass
class Worker:
    """The program, running."""

    process: subprocess.Popen[str]

    def start(self, work: str, **given: object) -> None:
        """`decide` or `deliver`, in a process of its own."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"work": work, **given}) + "\n")
        self.process.stdin.flush()

    def ended(self) -> int:
        """How the piece of work ended: 0, or the signal."""
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())

    def do(self, work: str, **given: object) -> int:
        self.start(work, **given)
        return self.ended()


@contextmanager
def working(url: str) -> Iterator[Worker]:
    """A worker at a store."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-m", "tests.checker.watch.workers", url]
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        yield Worker(process)
        assert process.stdin is not None
        process.stdin.close()


def _decide(store: WatchStore, given: dict[str, Any], _: Callable[[], None]) -> None:
    """Bands by subject, at a block."""
    observations = [
        seen(Band[word], subject, None, block(given["block"])) for subject, word in given["bands"].items()
    ]
    channels = [ChannelKey(key, Band.WARNING) for key in given["channels"]]
    store.decide(observations, channels, given["now"], Settings(repeat_after_s=None))


def _deliver(store: WatchStore, given: dict[str, Any], step: Callable[[], None]) -> None:
    """To letterboxes by channel."""
    boxes = {key: Letterbox(Path(path), step) for key, path in given["boxes"].items()}
    deliver_due(store, boxes, lambda: float(given["now"]), f"worker {os.getpid()}")


def _stepper(end_before: int, chance: random.Random | None) -> Callable[[], None]:
    """Called at each step: ends the process, or holds it up a moment so that others come in between."""
    left = [end_before]

    def step(*_: object) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        if chance is not None:
            time.sleep(chance.uniform(0, 0.004))

    return step


def _meet(place: Path) -> None:
    """Waits until two are there."""
    (place / str(os.getpid())).touch()
    while len(list(place.iterdir())) < 2:
        time.sleep(0.0005)


def main(url: str) -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                given = json.loads(line)
                chance = random.Random(os.getpid()) if "meet" in given else None
                with WatchStore.open(url) as store:
                    step = _stepper(given.get("end_before", 0), chance)
                    if "meet" in given:
                        _meet(Path(given["meet"]))
                    event.listen(Engine, "before_cursor_execute", step)
                    event.listen(Engine, "commit", step)
                    {"decide": _decide, "deliver": _deliver}[given["work"]](store, given, step)
                code = 0
            finally:
                os._exit(code)  # and never back into the loop of the parent
        print(os.waitpid(child, 0)[1], flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1])
