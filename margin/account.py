"""An account: what a protocol liquidates as one, and what an adapter must be able to say of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Protocol, TypeVar

from margin.basics import Address
from margin.linear import LinearForm
from margin.prices import Feed, FeedKey, Prices
from margin.verdict import Verdict


@dataclass(frozen=True, slots=True, order=True)
class AccountKey:
    """Names one account. One owner can have several at one venue."""

    venue: str
    owner: Address
    account: str
    """The protocol's own name for it: the user, a market id, a position key."""

    @property
    def name(self) -> str:
        """No other account of the venue has it: two owners can be in one market."""
        return self.account if self.account == self.owner else f"{self.account} of {self.owner}"


@dataclass(frozen=True, slots=True)
class Clock:
    """What a venue counts time by: seconds, or blocks where its interest accrues per block."""

    now: int
    """The block's own reading: its timestamp, or its number."""
    timestamp: int
    """Of the block, in seconds since 1970."""
    block_s: Fraction | None = None
    """How long a block takes, as measured lately; `None` where seconds are counted."""

    def after(self, seconds: int) -> int:
        """The reading so many seconds from now, rounded down; of blocks an estimate."""
        return self.now + (seconds if self.block_s is None else int(seconds / self.block_s))

    def timestamp_at(self, at: int) -> int:
        """Seconds since 1970 at a reading to come; of blocks an estimate, rounded up."""
        return at if self.block_s is None else self.timestamp + ceil((at - self.now) * self.block_s)


A_contra = TypeVar("A_contra", contravariant=True)


class Judge(Protocol[A_contra]):
    """The exact arithmetic of a venue at one block, for accounts of its own kind."""

    @property
    def clock(self) -> Clock:
        """What it counts time by, and "now": the block it was read at."""

    @property
    def prices(self) -> Prices:
        """What the feeds answer at that block."""

    @property
    def feeds(self) -> Mapping[FeedKey, Feed]:
        """Every feed with a usable answer."""

    def feeds_of(self, account: A_contra) -> tuple[FeedKey, ...]:
        """The feeds the account's verdict depends on, in a fixed order."""

    def verdict(self, account: A_contra, prices: Prices | None = None, at: int | None = None) -> Verdict:
        """The exact verdict; at the block's own prices and time unless told otherwise.

        `at`: a reading of the venue's clock.
        """

    def linear(self, account: A_contra, at: int | None = None) -> LinearForm:
        """The linear form at a reading of the clock, with its stated error."""

    def least_margin(self, a: Verdict, b: Verdict) -> int:
        """A lower bound of the exact margin everywhere between two verdicts of one account.

        "Between" means along a straight line of prices (each rounded down to its raw unit) at one
        time, or along time at one price vector. It makes exact searches of a margin that
        flickers with rounding possible: where the bound is not negative, nothing needs a look.
        """

    def price_limit(self, account: A_contra, feed: FeedKey) -> int:
        """The largest raw answer at which the protocol's arithmetic does not overflow."""
