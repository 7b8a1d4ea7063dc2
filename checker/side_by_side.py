"""Several things that wait for nodes, all at once."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from typing import TypeVar

from margin.errors import CrossmarginError

S = TypeVar("S")
T = TypeVar("T")

_MOST_THREADS = 32


def side_by_side(task: Callable[[S], T], subjects: Sequence[S], left_alone: threading.Event) -> tuple[T, ...]:
    """The task for every subject at once; raises the first failure without waiting for the others.

    Neither that nor Ctrl-C waits for a thread that waits for a silent node, not even at the program's
    end: `left_alone` is set then, and what such a thread still does is nobody's concern.
    """
    waiting: queue.SimpleQueue[tuple[S, Future[T]]] = queue.SimpleQueue()
    futures: list[Future[T]] = []
    for subject in subjects:
        futures.append(Future())
        waiting.put((subject, futures[-1]))

    def work() -> None:
        with contextlib.suppress(queue.Empty):
            while not left_alone.is_set():
                subject, future = waiting.get_nowait()
                try:
                    future.set_result(task(subject))
                except CrossmarginError as error:
                    future.set_exception(error)
                except BaseException as error:
                    future.set_exception(error)
                    raise

    try:
        for _ in range(min(_MOST_THREADS, len(subjects))):
            threading.Thread(target=work, daemon=True).start()
        done = wait(futures, return_when=FIRST_EXCEPTION).done
        for future in futures:
            if future in done:
                future.result()
        return tuple(future.result() for future in futures)
    finally:
        left_alone.set()
