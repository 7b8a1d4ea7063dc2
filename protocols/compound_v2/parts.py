"""The cells of an account: which words there are, and how they are asked for."""

from __future__ import annotations

from protocols.compound_v2.pool import Pool

VAI = 0
"""Minted VAI."""
_FIRST = 1
_PER_MARKET = 4
TOKENS, PRINCIPAL, INDEX, ENTERED = range(_PER_MARKET)
"""The market's tokens, a debt as it was booked, the index it was booked at, and whether the market counts."""
ROUNDED = 1 << 255
"""Set in an index: principal and index are the market's stored view of the debt (see `state.Debt`)."""


def part_of(market: int, kind: int) -> int:
    """The number of a market's part."""
    return _FIRST + _PER_MARKET * market + kind


def kind_of(part: int) -> tuple[int, int]:
    """Market and kind of a part that belongs to a market."""
    return divmod(part - _FIRST, _PER_MARKET)


def common(pool: Pool) -> tuple[int, ...]:
    """Parts that are read of every account."""
    return (VAI,) if pool.settings.vai_controller else ()


def parts_of(pool: Pool) -> frozenset[int]:
    """Every part of the pool as it is."""
    of_markets = {part_of(id_, kind) for id_ in pool.markets for kind in range(_PER_MARKET)}
    return frozenset(common(pool)) | of_markets
