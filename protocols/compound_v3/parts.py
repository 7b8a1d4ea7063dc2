"""The parts of an account in a whole book: what it lends, what it owes, and each collateral."""

from __future__ import annotations

LENT, OWED, NOBODYS = range(3)
"""Principal lent or owed, of which one is zero; and what no account has: a debt in a collateral."""
_FIRST = 3


def part_of(asset: int) -> int:
    """The part of a collateral, by its place in the market's list."""
    return _FIRST + asset


def asset_of(part: int) -> int:
    """The place of the collateral that a part is about; negative where it is about none."""
    return part - _FIRST
