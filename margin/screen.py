"""A whole book in columns, repriced at once in floats; whatever lies within the stated error is left open.

Floats screen, the adapter's integers decide: `Repriced.decided` says for which accounts the exact
verdict must be asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Screen:
    """Many accounts as one sparse matrix over terms.

    A *term* is what a unit of one kind of holding is worth: a unit of scaled supply of one reserve,
    of scaled debt of another, one raw unit of a feed's answer. Prices and time move the terms'
    values (`unit_values`, one float a term, from the adapter), never the matrix.
    """

    rows: int
    """Accounts."""
    row: Ints
    """Per entry its account; mostly ascending, but entries added later stand at the end."""
    term: npt.NDArray[np.uint16]
    """Per entry its term."""
    weight: Floats
    """Per entry units of the term: positive where they support the account, negative where they are required.
    0 for a cell that is neither."""
    face: Floats
    """The same without thresholds or haircuts: positive collateral, negative debt."""
    doubt: Floats
    """Per term: which share of an entry's value the exact figures may differ by."""
    floor: float
    """What the exact margin may differ by on top of that, in any account."""
    always_exact: npt.NDArray[np.bool_]
    """Per account: its figures are not linear in the terms, so that only the exact verdict counts."""


@dataclass(frozen=True, slots=True)
class Repriced:
    """Support and requirement of every account at one vector of unit values, and how far off they may be."""

    support: Floats
    requirement: Floats
    error: Floats

    def decided(self, screen: Screen) -> npt.NDArray[np.int8]:
        """1 surely healthy, -1 surely liquidatable, 0 to be decided in integers."""
        raise NotImplementedError


def reprice(screen: Screen, unit_values: Floats) -> Repriced:
    """Every account of the book at these unit values."""
    raise NotImplementedError


def at_face(screen: Screen, unit_values: Floats) -> tuple[Floats, Floats]:
    """Collateral and debt of every account at face value."""
    raise NotImplementedError


def _unused() -> Any:
    return None
