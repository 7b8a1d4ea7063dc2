"""What was read of an Aave v2 pool at one block: its reserves, and the accounts themselves."""

from __future__ import annotations

from dataclasses import dataclass

from margin.account import AccountKey
from margin.basics import Address, Unread
from protocols.aave_common.quotes import Quote


@dataclass(frozen=True, slots=True)
class Configuration:
    """A reserve's configuration word, decoded.

    Source: protocol/libraries/configuration/ReserveConfiguration.sol of aave/protocol-v2 1.0.1.
    """

    ltv_bps: int
    threshold_bps: int
    bonus_bps: int
    """10_500 is 5 % on top of what was repaid."""
    decimals: int
    active: bool
    frozen: bool

    @classmethod
    def decode(cls, word: int) -> Configuration:
        """From the 256-bit word `getReserveData` gives first."""
        return cls(
            ltv_bps=word & 0xFFFF,
            threshold_bps=word >> 16 & 0xFFFF,
            bonus_bps=word >> 32 & 0xFFFF,
            decimals=word >> 48 & 0xFF,
            active=bool(word >> 56 & 1),
            frozen=bool(word >> 57 & 1),
        )


@dataclass(frozen=True, slots=True)
class Reserve:
    """One asset of the pool, as its last state update left it."""

    id: int
    token: Address
    symbol: str
    a_token: Address
    stable_debt_token: Address
    variable_debt_token: Address
    configuration: Configuration
    liquidity_index_ray: int
    liquidity_rate_ray: int
    """Per year, simple between updates."""
    variable_index_ray: int
    variable_rate_ray: int
    """Per year, compounded each second."""
    updated_at: int
    """Timestamp of the last state update."""
    quote: Quote | Unread

    @property
    def unit(self) -> int:
        """One whole token in raw units."""
        return 10**self.configuration.decimals  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class StableDebt:
    """A stable-rate borrowing."""

    principal: int
    rate_ray: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class Position:
    """What one account has in one reserve, in scaled units (amount over index)."""

    reserve: int
    supply_scaled: int
    debt_scaled: int
    stable: StableDebt | None


@dataclass(frozen=True, slots=True)
class Reported:
    """`LendingPool.getUserAccountData` at the block, in the pool's own words."""

    collateral_raw: int
    debt_raw: int
    available_raw: int
    threshold_bps: int
    ltv_bps: int
    health_factor_wad: int
    """2**256 − 1 without debt."""


@dataclass(frozen=True, slots=True)
class PoolAccount:
    """One user of the pool, with everything the verdict needs that is the user's own."""

    key: AccountKey
    configuration: int
    """Bit 2i: borrows reserve i. Bit 2i+1: reserve i is enabled as collateral."""
    positions: tuple[Position, ...]
    """By reserve id; only reserves with a balance."""
    reported: Reported | None
    """The pool's own view; `None` where it was not asked."""

    def borrows(self, reserve: int) -> bool:
        """Whether the borrowing flag is set: it stays so after a liquidation that repaid all of the debt."""
        return bool(self.configuration >> 2 * reserve & 1)

    def uses_as_collateral(self, reserve: int) -> bool:
        """Whether the collateral flag of the reserve is set."""
        return bool(self.configuration >> 2 * reserve + 1 & 1)
