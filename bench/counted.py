"""A judge that counts how often it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

from margin.account import Clock, Judge
from margin.linear import LinearForm
from margin.prices import Feed, FeedKey, Prices
from margin.verdict import Verdict

A = TypeVar("A")


class Counted(Generic[A]):
    """Another judge's answers, and in `verdicts` how many exact ones were given."""

    def __init__(self, judge: Judge[A]) -> None:
        self._judge = judge
        self.verdicts = 0

    @property
    def clock(self) -> Clock:
        """See `Judge`."""
        return self._judge.clock

    @property
    def prices(self) -> Prices:
        """See `Judge`."""
        return self._judge.prices

    @property
    def feeds(self) -> Mapping[FeedKey, Feed]:
        """See `Judge`."""
        return self._judge.feeds

    def feeds_of(self, account: A) -> tuple[FeedKey, ...]:
        """See `Judge`."""
        return self._judge.feeds_of(account)

    def verdict(self, account: A, prices: Prices | None = None, at: int | None = None) -> Verdict:
        """See `Judge`."""
        self.verdicts += 1
        return self._judge.verdict(account, prices, at)

    def linear(self, account: A, at: int | None = None) -> LinearForm:
        """See `Judge`."""
        return self._judge.linear(account, at)

    def least_margin(self, a: Verdict, b: Verdict) -> int:
        """See `Judge`."""
        return self._judge.least_margin(a, b)

    def price_limit(self, account: A, feed: FeedKey) -> int:
        """See `Judge`."""
        return self._judge.price_limit(account, feed)
