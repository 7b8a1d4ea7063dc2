"""What was read of a Comptroller at one block: its settings, its markets, and the accounts themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from margin.account import AccountKey
from margin.basics import Address, Unread
from margin.prices import FeedKey

NATIVE = Address("0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE")
"""Stands for the chain's own coin, which is no contract."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the Comptroller says of all its markets and accounts."""

    comptroller: Address
    implementation: Address | None
    """`None` where it does not say."""
    oracle: Address
    close_factor_wad: int
    """Which share of one debt a liquidation may repay."""
    incentive_wad: int
    """Worth of what is seized, to what is repaid: 1.1e18 is 10 % more."""
    vai_controller: Address | None
    """Who minted VAI against collateral; `None` where no such thing exists."""
    vai_interest: bool
    """Interest on minted VAI counts, as this project does not compute it."""
    paused: bool
    """Nothing at all can be done."""
    seize_paused: bool
    """No liquidation can be done. False where the contract does not say."""


@dataclass(frozen=True, slots=True)
class Market:
    """One market, as its last accrual left it."""

    id: int
    """Its place in `getAllMarkets`."""
    address: Address
    token: Address
    """The underlying."""
    symbol: str
    """Of the underlying."""
    decimals: int
    listed: bool
    collateral_factor_wad: int
    reserve_factor_wad: int
    rate_wad: int
    """Interest on debt per block, simple between accruals."""
    rate_model: Address
    cash_raw: int
    borrows_raw: int
    reserves_raw: int
    supply_tokens: int
    """The market's own tokens in circulation."""
    index_wad: int
    """Of debt."""
    accrued_at: int
    """Block of the last accrual."""
    empty_rate_wad: int
    """The exchange rate as stored: it stands where no tokens are in circulation."""
    seize_share_wad: int
    """What the market keeps of seized tokens; 0 where it keeps none, as in Venus."""
    mint_paused: bool
    """False where the contract does not say."""
    feed: FeedKey | Unread
    """The price, or why there is none."""
    stuck: Unread | None = None
    """Why it cannot accrue: every action with it reverts."""


@dataclass(frozen=True, slots=True)
class Debt:
    """A borrowing as it was booked last: it grows with the market's index."""

    principal_raw: int
    index_wad: int
    """The market's, when it was booked."""
    rounded: bool = False
    """Neither could be read (no node tells storage): `principal_raw` is what is owed as stored, rounded
    down at `index_wad`, the market's stored index. What is owed later is then the most it can be."""

    def owed_raw(self, index_wad: int) -> int:
        """What is owed at an index of the market.

        Source: VToken.borrowBalanceStoredInternal of VenusProtocol/venus-protocol 0.7.0.
        """
        if self.rounded:
            return ((self.principal_raw + 1) * index_wad - 1) // self.index_wad
        return self.principal_raw * index_wad // self.index_wad


@dataclass(frozen=True, slots=True)
class Position:
    """What one account has in one market."""

    market: int
    tokens: int
    """The market's own."""
    debt: Debt | None
    entered: bool
    """Counts towards liquidity."""
    added_raw: int = 0
    """Underlying that the account's own deposits since the block would have added to the market's cash …"""
    minted: int = 0
    """… and the tokens that they would have added to its supply."""


@dataclass(frozen=True, slots=True)
class Reported:
    """`Comptroller.getAccountLiquidity` at the block: on balances as stored."""

    liquidity_raw: int
    shortfall_raw: int


@dataclass(frozen=True, slots=True)
class CompoundAccount:
    """One user of the Comptroller, with everything the verdict needs that is the user's own."""

    key: AccountKey
    positions: tuple[Position, ...]
    """By market; only those with tokens, a debt, or entered."""
    minted_vai_raw: int
    reported: Reported | None
    """`None` where it was not asked."""


def by_market(account: CompoundAccount) -> Mapping[int, Position]:
    """The account's positions by market."""
    return {position.market: position for position in account.positions}
