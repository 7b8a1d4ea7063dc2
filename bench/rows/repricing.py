"""Repricing a whole book: against the speed at which its columns can be read at all."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from numba import njit

from bench import synthetic
from bench.measure import Way
from bench.row import Row, same
from bench.stage import Stage
from margin.screen import Floats, Screen, in_threads, reprice, threads_for

ACCOUNTS_PER_WALLET = 1_000


def measure(stage: Stage) -> Iterator[Row]:
    """Every account of a dense synthetic book at new prices."""
    screen = synthetic.dense(ACCOUNTS_PER_WALLET * stage.size.wallets)
    unit_values = synthetic.scenarios(1)[0]
    same("repricing", *(_rounded(margins) for margins in _margins(screen, unit_values)))
    columns = [c.view(np.int64) for c in (screen.row, screen.term, screen.weight)]
    size = sum(column.nbytes for column in columns)
    threads = threads_for(screen.row.size)
    before = reprice(screen, unit_values)
    times = stage.race(
        Way(lambda: _read(columns, threads), screen.rows),
        Way(lambda: reprice(screen, unit_values, into=before), screen.rows),
    )
    seconds, reading = 1 / times.per_second(), 1 / times.baseline_per_second
    yield Row(
        what=f"reprice {screen.rows:,} accounts × {synthetic.ASSETS} assets",
        against="reading its columns",
        ratio=times.ratio(),
        figures=(
            f"{screen.rows * seconds * 1e3:.1f} ms against {screen.rows * reading * 1e3:.1f} ms, "
            f"that is {size / (screen.rows * reading) / 1e9:.0f} GB/s, on {threads} threads each"
        ),
        meaning=(
            "Support, requirement and error of every account at new unit values, against adding up the same "
            "bytes and nothing else: 1 would be the memory's own speed. What is missing is 24 bytes an "
            "account written (over the last answer, as a watcher would), and the work of an entry (three "
            "look-ups by term, three sums), which takes a core longer than the memory takes to bring it."
        ),
        aim=0.6,
    )


@njit(nogil=True)
def total(column: npt.NDArray[np.int64], start: int, stop: int) -> int:
    """Adds up a part of a column."""
    found = 0
    for value in column[start:stop]:
        found += value
    return found


def _read(columns: list[npt.NDArray[np.int64]], threads: int) -> int:
    def part(thread: int) -> int:
        return sum(total(c, c.size * thread // threads, c.size * (thread + 1) // threads) for c in columns)

    return sum(in_threads(part, range(threads)))


def _margins(screen: Screen, unit_values: Floats) -> tuple[Floats, Floats]:
    """By the screen, and by numpy."""
    ours = reprice(screen, unit_values)
    values = (screen.weight * unit_values[screen.term]).reshape(screen.rows, -1)
    return ours.support - ours.requirement, values.sum(axis=1)


def _rounded(margins: Floats) -> list[float]:
    return [float(f"{margin:.6g}") for margin in margins[:1000]]
