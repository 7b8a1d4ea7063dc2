"""What was read of a Comet at one block: its settings, its collaterals, and the accounts themselves."""

from __future__ import annotations

from dataclasses import dataclass

from margin.account import AccountKey
from margin.basics import Address, Unread
from margin.prices import FeedKey
from protocols.compound_v3.interest import Curve, Totals

SUPPLY_PAUSED, TRANSFER_PAUSED, WITHDRAW_PAUSED, ABSORB_PAUSED, BUY_PAUSED = (1 << bit for bit in range(5))
"""Bits of the pause flags. Source: CometCore.sol of compound-finance/comet, commit d5a30b0."""


@dataclass(frozen=True, slots=True)
class Base:
    """What is lent and borrowed."""

    token: Address
    symbol: str
    decimals: int
    scale: int
    source: Address
    """Its price feed."""
    feed: FeedKey | Unread
    """The same, or why it gives no price."""
    held_raw: int
    """What the market holds of it."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One collateral."""

    id: int
    """Its place in the market's list."""
    token: Address
    symbol: str
    decimals: int
    scale: int
    source: Address
    feed: FeedKey | Unread
    borrow_wad: int
    """Share of its value that counts when something is borrowed …"""
    liquidate_wad: int
    """… that counts before it is liquidated …"""
    liquidation_wad: int
    """… and that is credited when it is seized."""
    cap_raw: int
    supplied_raw: int
    """By all accounts together."""
    held_raw: int
    """By the market, what it seized included."""

    @property
    def reserves_raw(self) -> int:
        """What the market seized and has not sold."""
        return self.held_raw - self.supplied_raw


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for the whole market."""

    comet: Address
    governor: Address
    guardian: Address
    supply_curve: Curve
    borrow_curve: Curve
    store_front_wad: int
    """Share of the liquidation penalty that a buyer of seized collateral gets."""
    target_reserves_raw: int
    """From there on nothing is sold."""
    pause_flags: int


@dataclass(frozen=True, slots=True)
class Reported:
    """The market's own words on an account."""

    liquidatable: bool
    """`isLiquidatable`: with the debt as it stood at the last accrual."""
    owed_raw: int
    """`borrowBalanceOf`, and …"""
    lent_raw: int
    """… `balanceOf`: with interest up to the block."""


@dataclass(frozen=True, slots=True)
class CometAccount:
    """One user of the market, with everything the verdict needs that is the user's own."""

    key: AccountKey
    principal: int
    """Lent, or where negative owed; see `Totals.balance_raw`."""
    held: tuple[tuple[int, int], ...]
    """Collaterals by their place, and how much of each; none of them zero."""
    reported: Reported | None = None
    """`None` where it was not asked."""
    after: Totals | None = None
    """The market as the owner's own deeds left it (see `changes`); `None`: as it was read."""
    read_at: int = 0
    """Timestamp of the block that the principal was read at."""

    @property
    def owes(self) -> bool:
        """Whether there is anything that could be liquidated."""
        return self.principal < 0
