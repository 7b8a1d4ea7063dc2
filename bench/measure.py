"""Ratios: ways of doing one thing, each timed in turn with the others, again and again."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ratio:
    """How many times better, with its spread."""

    median: float
    least: float
    most: float
    count: int
    """Ratios behind it: repetitions, or accounts where the row says so."""

    @classmethod
    def of(cls, values: Sequence[float]) -> Ratio:
        """The ratio that these say, one or more."""
        return cls(statistics.median(values), min(values), max(values), len(values))


@dataclass(frozen=True, slots=True)
class Way:
    """One way of doing the common task."""

    work: Callable[[], object]
    units: int
    """How much of the task one call of `work` does: a slow way may do a sample of it."""
    before: Callable[[], object] = lambda: None
    """What must happen before each call of `work`; not measured."""


@dataclass(frozen=True, slots=True)
class Race:
    """What came of timing a baseline and other ways in turns."""

    baseline: tuple[float, ...]
    """Seconds a unit, by repetition."""
    others: tuple[tuple[float, ...], ...]

    def ratio(self, which: int = 0) -> Ratio:
        """By what the other way beats the baseline: each repetition compared with itself."""
        pairs = zip(self.baseline, self.others[which], strict=True)
        return Ratio.of([slow / fast for slow, fast in pairs])

    def per_second(self, which: int = 0) -> float:
        """Units a second of the other way, median."""
        return 1 / statistics.median(self.others[which])

    @property
    def baseline_per_second(self) -> float:
        """Units a second of the baseline, median."""
        return 1 / statistics.median(self.baseline)


def race(baseline: Way, *others: Way, repeats: int, at_least_s: float = 0.0) -> Race:
    """Runs every way once unmeasured, then `repeats` times in turns, beginning with another each time.

    In its turn a way is run again until `at_least_s` have gone by, so that a short one is not one
    moment's luck; its time is the mean of that turn.
    """
    ways = [baseline, *others]
    for way in ways:
        way.before()
        way.work()
    times: list[list[float]] = [[] for _ in ways]
    for turn in range(repeats):
        for place in range(len(ways)):
            at = (place + turn) % len(ways)
            times[at].append(_seconds(ways[at], at_least_s) / ways[at].units)
    return Race(tuple(times[0]), tuple(tuple(each) for each in times[1:]))


def _seconds(way: Way, at_least_s: float) -> float:
    gc.collect()
    done, spent = 0, 0.0
    while not done or spent < at_least_s:
        way.before()
        start = time.perf_counter()
        result = way.work()
        spent += time.perf_counter() - start
        done += 1
        del result  # freed outside the measured time, for every way alike
    return spent / done
