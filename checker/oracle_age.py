"""How old an oracle answer may be before it is doubted."""

from __future__ import annotations

from margin.prices import Feed

STALE_S = 26 * 3600
"""An answer older than this is suspicious: a feed is written once a day or more often."""


def age_s(feed: Feed, now: int) -> int | None:
    """How old the answer is at a block's time; None where its source does not say when it was written."""
    return None if feed.updated_at is None else now - feed.updated_at


def is_stale(age: int | None) -> bool:
    """Whether an answer is suspiciously old, or claims to be younger than the block."""
    return age is not None and not 0 <= age <= STALE_S
