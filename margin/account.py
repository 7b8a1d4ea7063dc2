"""An account: what a protocol liquidates as one, and what an adapter must be able to say of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
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


A_contra = TypeVar("A_contra", contravariant=True)


class Judge(Protocol[A_contra]):
    """The exact arithmetic of a venue at one block, for accounts of its own kind."""

    @property
    def timestamp(self) -> int:
        """Of the block it was read at: "now"."""

    @property
    def prices(self) -> Prices:
        """What the feeds answer at that block."""

    @property
    def feeds(self) -> Mapping[FeedKey, Feed]:
        """Every feed with a usable answer."""

    def feeds_of(self, account: A_contra) -> tuple[FeedKey, ...]:
        """The feeds the account's verdict depends on, in a fixed order."""

    def verdict(self, account: A_contra, prices: Prices | None = None, at: int | None = None) -> Verdict:
        """The exact verdict; at the block's own prices and timestamp unless told otherwise."""

    def linear(self, account: A_contra, at: int | None = None) -> LinearForm:
        """The linear form at a timestamp, with its stated error."""

    def least_margin(self, a: Verdict, b: Verdict) -> int:
        """A lower bound of the exact margin everywhere between two verdicts of one account.

        "Between" means along a straight line of prices (each rounded down to its raw unit) at one
        timestamp, or along time at one price vector. It makes exact searches of a margin that
        flickers with rounding possible: where the bound is not negative, nothing needs a look.
        """

    def price_limit(self, account: A_contra, feed: FeedKey) -> int:
        """The largest raw answer at which the protocol's arithmetic does not overflow."""
