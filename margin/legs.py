"""The legs of an account: each collateral and each debt, as a person would list them."""

from __future__ import annotations

from dataclasses import dataclass

from margin.basics import Address
from margin.prices import FeedKey


@dataclass(frozen=True, slots=True)
class CollateralLeg:
    """One supplied token."""

    token: Address
    symbol: str
    decimals: int
    amount_raw: int
    """The full balance in the underlying, at the block's timestamp."""
    value_raw: int | None
    """In the venue's numeraire, rounded down; `None` when its price could not be read."""
    threshold_bps: int
    """Share of the value that supports debt before liquidation; 0 if it backs none."""
    feed: FeedKey | None
    """`None` when the price is a constant of the venue."""
    receipt_amount_raw: int | None = None
    """The protocol's own tokens that stand for it, where these are what it counts (cTokens)."""


@dataclass(frozen=True, slots=True)
class DebtLeg:
    """One borrowed token."""

    token: Address
    symbol: str
    decimals: int
    amount_raw: int
    """What is owed at the block's timestamp, to the unit."""
    value_raw: int
    """In the venue's numeraire, with the protocol's own rounding."""
    feed: FeedKey | None
