"""What oracle answers stand on, and how old they may be before they are doubted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from chain.composed import Composed, read_composed
from chain.reader import Reader
from margin.basics import Address, Unread
from margin.errors import ReadError
from margin.prices import Feed

STALE_S = 26 * 3600
"""An answer older than this is suspicious: a feed is written once a day or more often."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What the feeds of a chain stand on, at one block."""

    composed: Mapping[Address, Composed] = field(default_factory=dict)
    unread: Unread | None = None
    """Why that is not known."""
    age_says: bool = True
    """Whether an old answer means anything: not on a chain whose head may be of any age."""

    def roots(self, feed: Feed) -> tuple[Address, ...]:
        """The aggregators underneath a composed feed; none where it is none."""
        return self.composed.get(feed.address, _NOTHING).roots

    def age_s(self, feed: Feed, now: int) -> int | None:
        """How old an answer is at a block's time, by its oldest part; `None` where nobody says."""
        said = [self.composed.get(feed.address, _NOTHING).updated_at, feed.updated_at]
        known = [at for at in said if at is not None]
        return now - min(known) if known else None


_NOTHING = Composed()
NO_SOURCES = Sources()


def read_sources(reader: Reader, feeds: Iterable[Feed], *, age_says: bool = True) -> Sources:
    """What these feeds stand on; where the node keeps it back, why."""
    try:
        return Sources(read_composed(reader, [feed.address for feed in feeds]), age_says=age_says)
    except ReadError as failure:
        return Sources(unread=failure.unread, age_says=age_says)


def is_stale(age: int | None) -> bool:
    """Whether an answer is suspiciously old, or claims to be younger than the block."""
    return age is not None and not 0 <= age <= STALE_S
