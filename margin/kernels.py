"""The inner loops over a book's columns, compiled; `margin.screen` and `margin.stress` say what they mean.

Compiled at the first call and cached beside the module. None of them holds the interpreter's lock, so
that several threads may each take a part. They trust shapes and ranges, which `Screen` has checked. Entries
are counted without a sign: numba looks at the sign of any other index, a quarter of the time. Products
and sums may be fused ("contract": one rounding fewer); nothing assumes that numbers are numbers.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from margin.screen import Decisions, Flags, Floats, Ints, Places, TermIds

ONE, TWO, THREE, FOUR = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(4)
TILE = 64
"""Scenarios that are judged together."""
BLOCK = 128
"""Accounts that are judged in one tile after the other, while both stay in the nearest cache."""


@njit(nogil=True, cache=True, fastmath={"contract"})
def sweep(
    row: Ints,
    term: TermIds,
    weight: Floats,
    terms: Floats,
    floor: float,
    span: tuple[int, int, int, int],
    positive: Floats,
    negative: Floats,
    error: Floats,
) -> int:
    """Writes the sums of the rows `low` up to `high` from the entries `start` up to `stop`, in one pass.

    `terms` holds four numbers a term: unit value, doubt, slack, nothing. `span` is (start, stop, low,
    high). It ends at the first entry that is not in ascending order within these rows, and gives its
    position: what comes from there on is for `add`. A value that is not a number goes to both sides.
    """
    start, stop, low, high = span
    at, last = np.int32(low), np.int32(high)
    k, end = np.uint64(start), np.uint64(stop)
    plus, minus, off = 0.0, 0.0, floor
    while k < end:
        here = row[k]
        if here != at:
            if here < at or here >= last:
                break
            written = np.uint64(at)
            positive[written], negative[written], error[written] = plus, minus, off
            if here - at > 1:
                for empty in range(at + 1, here):
                    positive[empty], negative[empty], error[empty] = 0.0, 0.0, floor
            at = here
            plus, minus, off = 0.0, 0.0, floor
        t = np.uint64(term[k]) * FOUR
        value = weight[k] * terms[t]
        size = abs(value)
        # Without a branch, and one of the two exactly zero; not `max`, which may drop what is no number.
        part = 0.0 if value < 0.0 else value  # noqa: FURB136
        plus += part
        minus += size - part
        off += size * terms[t + ONE] + terms[t + TWO]
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
    terms: Floats,
    span: tuple[int, int],
    positive: Floats,
    negative: Floats,
    error: Floats,
) -> None:
    """Adds the entries `span` in whatever order they stand to the sums that `sweep` has written."""
    for k in range(span[0], span[1]):
        at, t = row[k], np.uint64(term[k]) * FOUR
        value = weight[k] * terms[t]
        if not value < 0.0:
            positive[at] += value
        if not value > 0.0:
            negative[at] -= value
        error[at] += abs(value) * terms[t + ONE] + terms[t + TWO]


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


@njit(nogil=True, cache=True, fastmath={"contract"})
def lowest_margins(
    term: TermIds,
    weight: Floats,
    first: np.uint64,
    end: np.uint64,
    least: Floats,
    most: Floats,
    lowest: Floats,
) -> None:
    """Per tile what the margin of one account cannot lie below."""
    lowest[:] = 0.0
    k = first
    while k < end:
        w, bound = weight[k], least[term[k]] if weight[k] > 0.0 else most[term[k]]
        for tile in range(lowest.size):
            lowest[tile] += w * bound[tile]
        k += ONE


@njit(nogil=True, cache=True, fastmath={"contract"})
def product(
    term: TermIds, amount: Floats, first: np.uint64, end: np.uint64, values: Floats, found: Floats
) -> None:
    """Writes what the entries `first` up to `end` come to in each scenario of a tile.

    Four entries at a time, so that the sums are loaded and stored a quarter as often.
    """
    for s in range(TILE):
        found[s] = 0.0
    k = first
    while k + FOUR <= end:
        a0, a1, a2, a3 = amount[k], amount[k + ONE], amount[k + TWO], amount[k + THREE]
        t0, t1, t2, t3 = term[k], term[k + ONE], term[k + TWO], term[k + THREE]
        for s in range(TILE):
            so_far = found[s] + a0 * values[t0, s]
            so_far += a1 * values[t1, s]
            so_far += a2 * values[t2, s]
            found[s] = so_far + a3 * values[t3, s]
        k += FOUR
    while k < end:
        a, t = amount[k], term[k]
        for s in range(TILE):
            found[s] += a * values[t, s]
        k += ONE


@njit(nogil=True, cache=True)
def none_falls(margin: Floats) -> bool:
    """Whether every margin is a number and not below zero."""
    found = 0
    for s in range(TILE):
        found += not margin[s] >= 0.0
    return found == 0


@njit(nogil=True, cache=True, fastmath={"contract"})
def count(margin: Floats, collateral: Floats, debt: Floats, sums: Floats) -> None:
    """Adds one account (its debt negative) to the scenarios of a tile in which it has fallen; no branch."""
    for s in range(TILE):
        below = margin[s] < 0.0
        owed = -debt[s]
        lost = owed - collateral[s]
        sums[0, s] += 1.0 if below else 0.0
        sums[1, s] += collateral[s] if below else 0.0
        sums[2, s] += owed if below else 0.0
        sums[3, s] += lost if below and lost > 0.0 else 0.0
        sums[4, s] += 0.0 if below or margin[s] >= 0.0 else 1.0


@njit(nogil=True, cache=True, fastmath={"contract"})
def count_stressed(
    bounds: Places,
    debts_from: Places,
    term: TermIds,
    weight: Floats,
    face: Floats,
    left_out: Flags,
    unit_values: Floats,
    least: Floats,
    most: Floats,
    span: tuple[int, int],
    sums: Floats,
) -> None:
    """Adds up what the accounts `span` come to in every scenario; nothing is kept an account.

    Shapes: `bounds` (accounts + 1) and `debts_from` (accounts) into the entries; `unit_values`
    (tiles, terms, TILE); `least` and `most` (terms, tiles), which no value of that term in that tile
    goes beyond; `sums` (tiles, 5, TILE): accounts below zero, their collateral, debt and bad debt,
    accounts with no number.
    A tile in which the account cannot fall below zero at any of these values is passed over.
    """
    tiles = unit_values.shape[0]
    lowest, margin = np.empty((BLOCK, tiles)), np.empty(TILE)
    collateral, debt = np.empty(TILE), np.empty(TILE)
    for start in range(span[0], span[1], BLOCK):
        stop = min(start + BLOCK, span[1])
        for at in range(start, stop):
            if left_out[at]:
                lowest[at - start] = 0.0
            else:
                first, end = np.uint64(bounds[at]), np.uint64(bounds[at + 1])
                lowest_margins(term, weight, first, end, least, most, lowest[at - start])
        for tile in range(tiles):
            values, found = unit_values[tile], sums[tile]
            for at in range(start, stop):
                if not lowest[at - start, tile] >= 0.0:
                    first, end = np.uint64(bounds[at]), np.uint64(bounds[at + 1])
                    product(term, weight, first, end, values, margin)
                    if none_falls(margin):
                        continue
                    owed_from = np.uint64(debts_from[at])
                    product(term, face, first, owed_from, values, collateral)
                    product(term, face, owed_from, end, values, debt)
                    count(margin, collateral, debt, found)


@njit(nogil=True, cache=True)
def survey(
    row: Ints,
    term: TermIds,
    weight: Floats,
    face: Floats,
    left_out: Flags,
    bounds: Places,
    importance: Floats,
) -> float:
    """The largest weight or face that is a number.

    Counts each account's entries in `bounds` (behind its own place), adds up each term's weights in
    `importance`, and sets `left_out` for accounts with a weight or face that is no number.
    """
    largest = 0.0
    for k in range(row.size):
        bounds[row[k] + 1] += 1
        if np.isfinite(weight[k]) and np.isfinite(face[k]):
            importance[term[k]] += abs(weight[k])
            largest = max(largest, abs(weight[k]), abs(face[k]))
        else:
            left_out[row[k]] = True
    return largest


@njit(nogil=True, cache=True)
def by_account(
    row: Ints,
    term: TermIds,
    weight: Floats,
    face: Floats,
    bounds: Places,
    debts_from: Places,
    ordered: tuple[TermIds, Floats, Floats],
) -> None:
    """Writes the entries in the order of accounts, of each the debts last, and where those begin."""
    behind = bounds[1:].copy()
    debts_from[:] = bounds[:-1]
    for k in range(row.size):
        at = row[k]
        if face[k] < 0.0:
            behind[at] -= 1
            place = behind[at]
        else:
            place = debts_from[at]
            debts_from[at] += 1
        ordered[0][place], ordered[1][place], ordered[2][place] = term[k], weight[k], face[k]
