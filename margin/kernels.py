"""The inner loops over a book's columns, compiled; `margin.screen` and `margin.stress` say what they mean.

Compiled at the first call and cached beside the module. None of them holds the interpreter's lock, so
that several threads may each take a part. They trust shapes and ranges, which `Screen` has checked. Entries
are counted without a sign: numba looks at the sign of any other index, a quarter of the time. Products
and sums may be fused ("contract": one rounding fewer); nothing assumes that numbers are numbers.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from margin.screen import Decisions, Flags, Floats, Ints, TermIds

ONE = np.uint64(1)


@njit(nogil=True, cache=True, fastmath={"contract"})
def sweep(
    row: Ints,
    term: TermIds,
    weight: Floats,
    unit_values: Floats,
    doubt: Floats,
    slack: Floats,
    floor: float,
    span: tuple[int, int, int, int],
    positive: Floats,
    negative: Floats,
    error: Floats,
) -> int:
    """Writes the sums of the rows `low` up to `high` from the entries `start` up to `stop`, in one pass.

    `span` is (start, stop, low, high). It ends at the first entry that is not in ascending order
    within these rows, and gives its position: what comes from there on is for `add`. A value that is
    not a number goes to both sides.
    """
    start, stop, low, high = span
    at, k, end = low, np.uint64(start), np.uint64(stop)
    plus, minus, off = 0.0, 0.0, floor
    while k < end:
        here = row[k]
        if here != at:
            if here < at or here >= high:
                break
            positive[at], negative[at], error[at] = plus, minus, off
            for empty in range(at + 1, here):
                positive[empty], negative[empty], error[empty] = 0.0, 0.0, floor
            at = here
            plus, minus, off = 0.0, 0.0, floor
        t = term[k]
        value = weight[k] * unit_values[t]
        size = abs(value)
        # Without a branch, and one of the two exactly zero; not `max`, which may drop what is no number.
        part = 0.0 if value < 0.0 else value  # noqa: FURB136
        plus += part
        minus += size - part
        off += size * doubt[t] + slack[t]
        k += ONE
    if low < high:
        positive[at], negative[at], error[at] = plus, minus, off
        for empty in range(at + 1, high):
            positive[empty], negative[empty], error[empty] = 0.0, 0.0, floor
    return int(k)


@njit(nogil=True, cache=True)
def add(
    row: Ints,
    term: TermIds,
    weight: Floats,
    unit_values: Floats,
    doubt: Floats,
    slack: Floats,
    span: tuple[int, int],
    positive: Floats,
    negative: Floats,
    error: Floats,
) -> None:
    """Adds the entries `span` in whatever order they stand to the sums that `sweep` has written."""
    for k in range(span[0], span[1]):
        at, t = row[k], term[k]
        value = weight[k] * unit_values[t]
        if not value < 0.0:
            positive[at] += value
        if not value > 0.0:
            negative[at] -= value
        error[at] += abs(value) * doubt[t] + slack[t]


@njit(nogil=True, cache=True)
def decide(
    support: Floats, requirement: Floats, error: Floats, always_exact: Flags, decisions: Decisions
) -> None:
    """Writes 1 above the error, -1 below it, 0 between, for exact figures and for no number."""
    for at in range(support.size):
        margin = support[at] - requirement[at]
        if always_exact[at]:
            decisions[at] = 0
        elif margin > error[at]:
            decisions[at] = 1
        elif margin < -error[at]:
            decisions[at] = -1
        else:
            decisions[at] = 0
