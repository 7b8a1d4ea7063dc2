"""Prices as values: what each feed answers, and what it would answer after a move.

A formula never fetches a price. "Now", "if ETH falls 20 %" and "one tick lower" are three
price vectors given to the same function.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NewType

from margin.basics import Address
from margin.units import WAD

FeedKey = NewType("FeedKey", str)
"""Names one raw oracle answer: the feed's address, or `oracle/asset` where one contract serves many."""


@dataclass(frozen=True, slots=True)
class Feed:
    """One oracle price as its own protocol reads it."""

    key: FeedKey
    address: Address
    """The contract whose raw answer is named."""
    asset: str
    """The symbol of what it prices, for people; several joined by `+` where reserves share it."""
    answer_raw: int
    decimals: int
    """Of the answer, in the venue's numeraire."""
    base_factor: str
    """The factor that lifts the answer when it rises."""
    quote_factor: str | None
    """The factor that lowers it; `None` where the feed quotes in the numeraire itself (USD)."""
    updated_at: int | None = None
    """When the source says it was last written, in seconds since 1970; `None` if it does not say."""

    def loads_on(self, factor: str) -> bool:
        """Whether a move of the factor moves this feed: not when it stands on both sides."""
        return (self.base_factor == factor) != (self.quote_factor == factor)

    def shocked_raw(self, shocks_wad: Mapping[str, int]) -> int:
        """The answer after each factor moves by its shock (1e18 is +100 %), rounded down, at least 1.

        A feed quotes a base in a quote, so it moves by (1 + shock of base) / (1 + shock of quote).
        No protocol takes an answer of zero for a price, so a fall to nothing ends at one unit.
        """
        up_wad = WAD + shocks_wad.get(self.base_factor, 0)
        down_wad = WAD + (shocks_wad.get(self.quote_factor, 0) if self.quote_factor else 0)
        return max(1, self.answer_raw * up_wad // down_wad)


class Prices(Mapping[FeedKey, int]):
    """One raw answer per feed, all of one moment. Immutable; a moved price is another value."""

    __slots__ = ("_raw",)

    def __init__(self, raw: Mapping[FeedKey, int]) -> None:
        self._raw = dict(raw)

    def __getitem__(self, key: FeedKey) -> int:
        return self._raw[key]

    def __iter__(self) -> Iterator[FeedKey]:
        return iter(self._raw)

    def __len__(self) -> int:
        return len(self._raw)

    def __repr__(self) -> str:
        return f"Prices({self._raw!r})"

    def moved(self, key: FeedKey, answer_raw: int) -> Prices:
        """The same prices with one feed answering something else."""
        return Prices({**self._raw, key: answer_raw})
