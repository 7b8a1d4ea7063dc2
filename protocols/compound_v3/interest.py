"""Indices, rates and balances of a market, exactly as Comet computes them.

Source: Comet.accruedInterestIndices, getUtilization, getSupplyRate and getBorrowRate (the same in
CometWithExtendedAssetList.sol), and CometCore.presentValue…, principalValue… of compound-finance/comet,
commit d5a30b0. Interest is simple between two accruals; each product is rounded down.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from margin.units import WAD

INDEX_SCALE = 10**15
MAX_UINT64 = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Curve:
    """A rate per second by utilization, straight below its kink and above it; all scaled by 1e18."""

    kink_wad: int
    low_wad: int
    high_wad: int
    base_wad: int

    def rate_wad(self, utilization_wad: int) -> int:
        """The rate per second; what the market itself refuses is more than 64 bits."""
        if utilization_wad <= self.kink_wad:
            return self.base_wad + self.low_wad * utilization_wad // WAD
        above_wad = self.high_wad * (utilization_wad - self.kink_wad) // WAD
        return self.base_wad + self.low_wad * self.kink_wad // WAD + above_wad


@dataclass(frozen=True, slots=True)
class Totals:
    """A market's two indices and what is lent and owed at them, as its last accrual left them."""

    supply_index: int
    """Base per principal, scaled by 1e15; never falls, and begins at one."""
    borrow_index: int
    supplied: int
    """Principal lent …"""
    borrowed: int
    """… and borrowed, by all."""
    accrued_at: int
    """Seconds since 1970."""

    @property
    def utilization_wad(self) -> int:
        """What is owed over what is lent, rounded down; 0 where nothing is lent, and it can exceed 1e18."""
        lent_raw = present_raw(self.supplied, self.supply_index)
        owed_raw = present_raw(self.borrowed, self.borrow_index)
        return owed_raw * WAD // lent_raw if lent_raw else 0

    def accrued(self, at: int, supply: Curve, borrow: Curve) -> Totals:
        """After an accrual at a timestamp no earlier than the last one."""
        elapsed_s = at - self.accrued_at
        if elapsed_s == 0:
            return self
        utilization_wad = self.utilization_wad
        return replace(
            self,
            supply_index=_grown(self.supply_index, supply.rate_wad(utilization_wad) * elapsed_s),
            borrow_index=_grown(self.borrow_index, borrow.rate_wad(utilization_wad) * elapsed_s),
            accrued_at=at,
        )

    def balance_raw(self, principal: int) -> int:
        """What a principal is worth in base: negative where it is owed, its magnitude rounded down."""
        if principal >= 0:
            return present_raw(principal, self.supply_index)
        return -present_raw(-principal, self.borrow_index)

    def principal_of(self, balance_raw: int) -> int:
        """The principal of a balance: what is lent rounded down, what is owed rounded up."""
        if balance_raw >= 0:
            return balance_raw * INDEX_SCALE // self.supply_index
        # Rounded towards minus infinity: that is the magnitude rounded up.
        return balance_raw * INDEX_SCALE // self.borrow_index


def present_raw(principal: int, index: int) -> int:
    """A principal's worth in base at an index, rounded down; the principal is not negative."""
    return principal * index // INDEX_SCALE


def _grown(index: int, factor_wad: int) -> int:
    return index + index * factor_wad // WAD
