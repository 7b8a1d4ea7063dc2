"""A whole book under many scenarios at once: how many fall, with how much, and what nobody repays.

Floats only, without an error: for curves and for finding scenarios worth a look. Which account is
liquidatable at one vector of prices is for `margin.screen` and the exact verdict to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from margin.screen import HALF_ULP, Floats, Places, Screen, in_threads, threads_for

LARGEST = 1e300
"""Gross values up to here cannot overflow; beyond it a figure is no number."""


@dataclass(frozen=True, slots=True)
class StressCounts:
    """Per scenario what becomes of the book; values in the screen's own scale."""

    liquidatable: Places
    """Accounts whose margin is below zero."""
    collateral: Floats
    """Of these accounts, at face value."""
    debt: Floats
    """Of these accounts, at face value."""
    bad_debt: Floats
    """Of these accounts, the debt that their own collateral does not cover."""
    unknown: Places
    """Accounts that floats cannot judge, in none of the above: not linear in the terms, or hanging on
    a unit value or weight that is no number."""


def stress(screen: Screen, unit_values: Floats) -> StressCounts:
    """The book at each of these unit values, shape (scenarios, terms).

    Raises `ValueError` for another shape or type.
    """
    from margin.kernels import TILE, by_account, count_stressed, survey

    if unit_values.ndim != 2 or unit_values.shape[1] != screen.terms or unit_values.dtype != np.float64:
        shape = f"{unit_values.shape} of {unit_values.dtype}"
        raise ValueError(f"unit_values: shape {shape}, not (scenarios, {screen.terms}) of float64")
    left_out, importance = screen.always_exact.copy(), np.zeros(screen.terms)
    bounds, debts_from = np.zeros(screen.rows + 1, np.int64), np.zeros(screen.rows, np.int64)
    columns = screen.row, screen.term, screen.weight, screen.face
    largest = survey(*columns, left_out, bounds, importance)
    np.cumsum(bounds, out=bounds)
    term, weight, face = np.empty_like(screen.term), np.empty_like(screen.weight), np.empty_like(screen.face)
    by_account(*columns, bounds, debts_from, (term, weight, face))

    scenarios = unit_values.shape[0]
    # What could make a sum overflow is no number, so that nothing becomes healthy by overflowing.
    limit = LARGEST / max(largest * screen.most, 1.0)
    known = np.where(np.abs(unit_values) <= limit, unit_values, np.nan)
    places = _alike(known, importance, TILE)
    padded = np.concatenate([places, np.repeat(places[-1:], -scenarios % TILE)])
    tiles = np.ascontiguousarray(known[padded].reshape(-1, TILE, screen.terms).transpose(0, 2, 1))
    least, most = tiles.min(axis=2).T, tiles.max(axis=2).T
    # Further out than all roundings of an account's sum go (see `margin.screen.reprice`).
    share = (2 * screen.most + 16) * HALF_ULP
    least, most = least - share * np.abs(least), most + share * np.abs(most)
    least, most = np.ascontiguousarray(least), np.ascontiguousarray(most)

    def part(span: tuple[int, int]) -> Floats:
        sums = np.zeros((tiles.shape[0], 5, TILE))
        count_stressed(bounds, debts_from, term, weight, face, left_out, tiles, least, most, span, sums)
        return sums

    sums = sum(in_threads(part, _spans(screen, scenarios)), np.zeros((tiles.shape[0], 5, TILE)))
    found = np.empty((5, scenarios))
    found[:, places] = sums.transpose(1, 0, 2).reshape(5, -1)[:, :scenarios]
    return StressCounts(
        liquidatable=found[0].astype(np.int64),
        collateral=found[1],
        debt=found[2],
        bad_debt=found[3],
        unknown=found[4].astype(np.int64) + np.count_nonzero(left_out),
    )


def _alike(unit_values: Floats, importance: Floats, size: int) -> Places:
    """An order of the scenarios in which every `size` that follow one another are much alike.

    They are halved again and again, along the term that spreads the book's values most.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # any order is right
        plain = np.nan_to_num(unit_values) * importance
    done: list[Places] = []
    waiting = [np.arange(unit_values.shape[0])]
    while waiting:
        places = waiting.pop()
        if places.size <= size or not importance.size:
            done.append(places)
            continue
        values = plain[places]
        along = int(np.argmax(np.ptp(values, axis=0)))
        half = max(size, places.size // 2 // size * size)
        ordered = places[np.argsort(values[:, along], kind="stable")]
        waiting += [ordered[half:], ordered[:half]]
    return np.concatenate(done)


def _spans(screen: Screen, scenarios: int) -> list[tuple[int, int]]:
    """Parts of the accounts, one a thread."""
    threads = threads_for(screen.row.size * max(1, scenarios // 100))
    cuts = [screen.rows * thread // threads for thread in range(threads + 1)]
    return list(pairwise(cuts))
