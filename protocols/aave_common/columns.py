"""Looking at the cells of a whole book column by column: flags, what is there, and balances as floats."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from margin.screen import Floats
from protocols.book import Cells


def flag_bits(cells: Cells, flags: int) -> npt.NDArray[np.uint8]:
    """Per account the 256 bits of its word of this part, lowest first, as a matrix of zeros and ones."""
    bits = np.zeros((len(cells.ids), 256), np.uint8)
    mine = cells.part == flags
    unpacked = np.unpackbits(cells.words[mine], axis=1, bitorder="big")[:, ::-1]
    bits[cells.row[mine]] = unpacked
    return bits


def known_in(cells: Cells, part: int) -> npt.NDArray[np.bool_]:
    """Which accounts have a cell of this part."""
    known = np.zeros(len(cells.ids), np.bool_)
    known[cells.row[cells.part == part]] = True
    return known


def filled_in(cells: Cells, part: int) -> npt.NDArray[np.bool_]:
    """Which accounts have a cell of this part that is not zero."""
    mine = cells.part == part
    filled = np.zeros(len(cells.ids), np.bool_)
    filled[cells.row[mine]] = cells.words[mine].any(axis=1)
    return filled


def low_128(words: npt.NDArray[np.uint8]) -> Floats:
    """The lower half of each word as a float."""
    quarters = np.ascontiguousarray(words).view(">u8")
    # A column at a time: numpy turns bytes round twice as fast as in pairs.
    found: Floats = quarters[:, 2].astype(np.float64) * 2.0**64 + quarters[:, 3].astype(np.float64)
    return found
