"""A whole book in columns, repriced at once in floats; whatever lies within the stated error is left open.

Floats screen, the adapter's integers decide: `Repriced.decided` says for which accounts the exact
verdict must be asked.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T")
R = TypeVar("R")
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]
TermIds = npt.NDArray[np.uint16]
Flags = npt.NDArray[np.bool_]
Decisions = npt.NDArray[np.int8]
Places = npt.NDArray[np.int64]

HALF_ULP = 2.0**-53
"""The largest share by which one float operation is off."""
SMALLEST = 1e-300
"""Above what all the operations of an account lose where numbers are too small for their full digits."""
ENTRIES_PER_THREAD = 100_000
"""Below that a second thread costs more than it does."""


@dataclass(frozen=True, slots=True)
class Screen:
    """Many accounts as one sparse matrix over terms.

    A *term* is what a unit of one kind of holding is worth: a unit of scaled supply of one reserve,
    of scaled debt of another, one raw unit of a feed's answer. Prices and time move the terms'
    values (`unit_values`, one float a term, from the adapter), never the matrix.

    The columns are not to be written to afterwards: they are checked here and nowhere else. Raises
    `ValueError` for shapes or types that do not fit, and for rows or terms that do not exist.
    """

    rows: int
    """Accounts."""
    row: Ints
    """Per entry its account; mostly ascending, but entries added later stand at the end."""
    term: TermIds
    """Per entry its term."""
    weight: Floats
    """Per entry units of the term: positive where they support the account, negative where they are required.
    0 for a cell that is neither."""
    face: Floats
    """The same without thresholds or haircuts: positive collateral, negative debt."""
    doubt: Floats
    """Per term: which share of an entry's value the exact figures may differ by. The roundings of weights
    and unit values to floats are part of it; those of multiplying and adding them are not."""
    floor: float
    """What the exact margin may differ by on top of that, in any account."""
    always_exact: Flags
    """Per account: its figures are not linear in the terms, so that only the exact verdict counts."""
    slack: float = 0.0
    """Units of its term that every entry may be off by: amounts are whole."""
    most: int = field(init=False)
    """The most entries that one account has."""

    def __post_init__(self) -> None:
        entries = self.row.size
        _expect("row", self.row, entries, np.int32)
        _expect("term", self.term, entries, np.uint16)
        _expect("weight", self.weight, entries, np.float64)
        _expect("face", self.face, entries, np.float64)
        _expect("doubt", self.doubt, self.doubt.size, np.float64)
        _expect("always_exact", self.always_exact, self.rows, np.bool_)
        if entries and not 0 <= int(self.row.min()) <= int(self.row.max()) < self.rows:
            raise ValueError(f"row: names an account outside of 0 to {self.rows - 1}")
        if entries and int(self.term.max()) >= self.terms:
            raise ValueError(f"term: names a term outside of 0 to {self.terms - 1}")
        # Written so that what is not a number is refused too.
        if not (self.floor >= 0 and self.slack >= 0 and bool((self.doubt >= 0).all())):
            raise ValueError("doubt, slack, floor: an error is a number that is not negative")
        most = int(np.bincount(self.row, minlength=1).max()) if entries else 0
        object.__setattr__(self, "most", most)

    @property
    def terms(self) -> int:
        """How many there are."""
        return self.doubt.size


@dataclass(frozen=True, slots=True)
class Repriced:
    """Support and requirement of every account at one vector of unit values, and how far off they may be."""

    support: Floats
    requirement: Floats
    error: Floats
    """The exact margin lies within this of support minus requirement, as floats subtract them."""

    def decided(self, screen: Screen) -> Decisions:
        """1 surely healthy, -1 surely liquidatable, 0 to be decided in integers.

        A figure that overflowed, or hangs on a unit value that is no number, is never decided.
        """
        from margin.kernels import decide

        _expect("support", self.support, screen.rows, np.float64)
        decisions = np.empty(screen.rows, np.int8)
        decide(self.support, self.requirement, self.error, screen.always_exact, decisions)
        return decisions


def reprice(screen: Screen, unit_values: Floats, into: Repriced | None = None) -> Repriced:
    """Every account of the book at these unit values, one a term.

    The error is rigorous. With u = 2**-53, an account of n entries is off by less than n·u of its
    gross value in multiplying and adding, and by u of it in the subtraction of `decided`; the doubts
    are themselves summed low by less than (n + 4)·u of their sum. So (2·n + 16)·u of the gross value on top
    of the doubts, and all of it larger by the same share, is more than enough.

    `into` is an earlier answer for a book of as many accounts that nobody needs any more: it is
    written over, which saves a fifth of the time. Raises `ValueError` for columns of another length.
    """
    _expect("unit_values", unit_values, screen.terms, np.float64)
    share = (2 * screen.most + 16) * HALF_ULP
    doubt = (screen.doubt + share) * (1 + share)
    with np.errstate(over="ignore", invalid="ignore"):  # what is no number stays none
        slack = np.abs(unit_values) * (screen.slack * (1 + share))
    floor = screen.floor * (1 + share) + SMALLEST
    into = into or Repriced(*_empty(screen))
    for name in ("support", "requirement", "error"):
        _expect(name, getattr(into, name), screen.rows, np.float64)
    _sum(screen, screen.weight, (unit_values, doubt, slack), floor, into)
    return into


def at_face(screen: Screen, unit_values: Floats) -> tuple[Floats, Floats]:
    """Collateral and debt of every account at face value; no number where a unit value of theirs is none."""
    _expect("unit_values", unit_values, screen.terms, np.float64)
    nothing = np.zeros(screen.terms)
    found = Repriced(*_empty(screen))
    _sum(screen, screen.face, (unit_values, nothing, nothing), 0.0, found)
    return found.support, found.requirement


def in_threads(work: Callable[[T], R], parts: Iterable[T]) -> list[R]:
    """Does the parts at once; for compiled work, which lets go of the interpreter's lock.

    Threads of our own rather than numba's: those end the process when two callers meet in them.
    """
    parts = list(parts)
    if len(parts) <= 1:
        return [work(part) for part in parts]
    with ThreadPoolExecutor(len(parts)) as pool:
        return list(pool.map(work, parts))


def threads_for(entries: int) -> int:
    """How many threads a pass over so many entries pays for."""
    return max(1, min(len(os.sched_getaffinity(0)), entries // ENTRIES_PER_THREAD))


def _empty(screen: Screen) -> tuple[Floats, Floats, Floats]:
    return np.empty(screen.rows), np.empty(screen.rows), np.empty(screen.rows)


def _sum(
    screen: Screen, weight: Floats, of_terms: tuple[Floats, Floats, Floats], floor: float, into: Repriced
) -> None:
    """Per account its positive values, its negative ones, and the floor plus the doubt and slack of all.

    `of_terms` is unit value, doubt (a share of each value) and slack (an amount for each entry).
    """
    from margin.kernels import add, sweep

    # Side by side, so that an entry looks in one place.
    terms = np.stack([*of_terms, np.zeros(screen.terms)], axis=1).ravel()
    row, term = screen.row, screen.term
    sums = into.support, into.requirement, into.error
    spans = _spans(screen)
    ends = in_threads(lambda span: sweep(row, term, weight, terms, floor, span, *sums), spans)
    for (_, stop, _, _), end in zip(spans, ends, strict=True):
        add(row, term, weight, terms, (end, stop), *sums)


def _spans(screen: Screen) -> list[tuple[int, int, int, int]]:
    """Parts of the entries, and for each the rows that it alone may write: all rows are someone's."""
    entries, threads = screen.row.size, threads_for(screen.row.size)
    cuts, lows = [0], [0]
    for thread in range(1, min(threads, entries)):
        cut = entries * thread // threads
        if (low := int(screen.row[cut])) > lows[-1]:
            cuts.append(cut)
            lows.append(low)
    return list(zip(cuts, [*cuts[1:], entries], lows, [*lows[1:], screen.rows], strict=True))


def _expect(name: str, column: npt.NDArray[np.generic], size: int, kind: type[np.generic]) -> None:
    """Raises `ValueError` unless the column has that length and type."""
    if column.shape != (size,):
        raise ValueError(f"{name}: shape {column.shape}, not ({size},)")
    if column.dtype != kind:
        raise ValueError(f"{name}: of type {column.dtype}, not {np.dtype(kind)}")
