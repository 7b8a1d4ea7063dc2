"""The linear form: an account as two sparse rows over feeds, for screening and closed forms.

Floats screen, the adapter's integers decide. Each form states by how much the exact margin may
differ from its own, and everything within that distance of zero is decided exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from margin.prices import FeedKey


@dataclass(frozen=True, slots=True)
class LinearForm:
    """Support and requirement of one account at one timestamp, linear in the raw answers of its feeds.

    All values are in the scale of the adapter's `Verdict`. The coefficients of a feed stand at the
    same position in `feeds`, `support`, `requirement` and `error`.
    """

    feeds: tuple[FeedKey, ...]
    support: tuple[float, ...]
    requirement: tuple[float, ...]
    support_constant: float
    requirement_constant: float
    error: tuple[float, ...]
    """How far the exact margin may lie from this one, per raw unit of each answer …"""
    error_constant: float
    """… plus this much at any price."""

    def margin(self, prices: Mapping[FeedKey, int]) -> float:
        """Support minus requirement at these prices."""
        total = self.support_constant - self.requirement_constant
        for feed, s, r in zip(self.feeds, self.support, self.requirement, strict=True):
            total += (s - r) * prices[feed]
        return total

    def bound(self, prices: Mapping[FeedKey, int]) -> float:
        """The largest distance between this margin and the exact one at these prices."""
        return self.error_constant + sum(
            e * prices[feed] for feed, e in zip(self.feeds, self.error, strict=True)
        )

    def slope(self, feed: FeedKey) -> float:
        """Margin gained when the feed's raw answer rises by one; 0 for a feed it does not depend on."""
        if feed not in self.feeds:
            return 0.0
        i = self.feeds.index(feed)
        return self.support[i] - self.requirement[i]

    def distance(self, prices: Mapping[FeedKey, int], direction: Mapping[FeedKey, float]) -> float | None:
        """How far along a direction (raw answer per step) the margin reaches zero, in closed form.

        Negative when that lies behind; `None` when the direction leaves the margin unchanged.
        """
        per_step = sum(self.slope(feed) * step for feed, step in direction.items())
        return -self.margin(prices) / per_step if per_step else None
