"""What was read of a Morpho Blue at one block: its markets, and the accounts in them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

from margin.account import AccountKey
from margin.basics import ZERO_ADDRESS, Address, Unread
from margin.prices import FeedKey
from margin.units import WAD
from protocols.morpho_blue.interest import (
    adaptive_curve_wad,
    taylor_compounded_wad,
    to_assets_up,
    to_shares_down,
    utilization_error_wad,
)

MAX_INCENTIVE_WAD = 115 * WAD // 100
INCENTIVE_CURSOR_WAD = 3 * WAD // 10


@dataclass(frozen=True, slots=True)
class Coin:
    """A token of a market; the zero address in a market without collateral."""

    address: Address
    symbol: str
    decimals: int


class Accrual(NamedTuple):
    """What a market's next update would do."""

    state: MarketState
    fee_shares: int
    """Supply shares minted to the fee recipient."""
    rate_wad: int
    """The average rate per second since the last one; today's where no time has passed."""


@dataclass(frozen=True, slots=True)
class MarketState:
    """A market's totals as its last update left them."""

    supply_assets: int
    supply_shares: int
    borrow_assets: int
    borrow_shares: int
    updated_at: int
    fee_wad: int
    """The share of the interest that the fee recipient gets."""
    rate_at_target_wad: int
    """The adaptive curve's, per second; meaningless without an interest-rate model."""

    def accrued(self, at: int, *, has_interest: bool) -> Accrual:
        """The totals after an update at a timestamp no earlier than the last one.

        Source: Morpho._accrueInterest of morpho-org/morpho-blue 1.0.0.
        """
        elapsed_s = at - self.updated_at
        if not has_interest:
            return Accrual(replace(self, updated_at=at), 0, 0)
        error_wad = utilization_error_wad(self.supply_assets, self.borrow_assets)
        rate_wad, end_rate_wad = adaptive_curve_wad(error_wad, self.rate_at_target_wad, elapsed_s)
        if elapsed_s == 0:  # the contract asks the model for nothing then
            return Accrual(self, 0, rate_wad)
        interest = self.borrow_assets * taylor_compounded_wad(rate_wad * elapsed_s) // WAD
        supply_assets = self.supply_assets + interest
        fee_shares = 0
        if self.fee_wad:
            fee = interest * self.fee_wad // WAD
            fee_shares = to_shares_down(fee, supply_assets - fee, self.supply_shares)
        state = replace(
            self,
            supply_assets=supply_assets,
            supply_shares=self.supply_shares + fee_shares,
            borrow_assets=self.borrow_assets + interest,
            updated_at=at,
            rate_at_target_wad=end_rate_wad,
        )
        return Accrual(state, fee_shares, rate_wad)

    @property
    def rate_falls(self) -> bool:
        """Whether the adaptive curve goes down as time passes: the utilization is below its target."""
        return utilization_error_wad(self.supply_assets, self.borrow_assets) < 0

    def debt_raw(self, shares: int) -> int:
        """What these borrow shares owe, rounded up."""
        return to_assets_up(shares, self.borrow_assets, self.borrow_shares)


@dataclass(frozen=True, slots=True)
class Market:
    """One market. What it is never changes; its totals do."""

    id: str
    """0x and 64 hex digits."""
    loan: Coin
    collateral: Coin
    oracle: Address
    irm: Address
    lltv_wad: int
    state: MarketState
    quote: FeedKey | Unread
    """The feed that prices the collateral in the loan token; why there is no answer of it."""
    rate_problem: Unread | None = None
    """Why its interest cannot be computed."""

    @property
    def has_interest(self) -> bool:
        """The zero address stands for no interest-rate model: debts do not grow."""
        return self.irm != ZERO_ADDRESS

    @property
    def is_idle(self) -> bool:
        """Without an oracle nothing can be borrowed."""
        return self.oracle == ZERO_ADDRESS

    @property
    def name(self) -> str:
        """Collateral and loan token, for people."""
        return f"{self.collateral.symbol}/{self.loan.symbol}"

    @property
    def price_decimals(self) -> int:
        """Of the oracle's answer, as loan tokens per collateral token."""
        return 36 + self.loan.decimals - self.collateral.decimals

    @property
    def incentive_wad(self) -> int:
        """Collateral seized per loan token repaid, at the oracle's price; see `incentive_wad`."""
        return incentive_wad(self.lltv_wad)


def incentive_wad(lltv_wad: int) -> int:
    """`min(1.15, 1 / (1 − 0.3 · (1 − lltv)))`, each step rounded down.

    Source: Morpho.liquidate and ConstantsLib of morpho-org/morpho-blue 1.0.0.
    """
    discount_wad = INCENTIVE_CURSOR_WAD * (WAD - lltv_wad) // WAD
    return min(MAX_INCENTIVE_WAD, WAD * WAD // (WAD - discount_wad))


@dataclass(frozen=True, slots=True)
class MorphoAccount:
    """One owner's position in one market."""

    key: AccountKey
    """`account` is the market's id."""
    supply_shares: int
    borrow_shares: int
    collateral_raw: int
    after: MarketState | None = None
    """The market as the owner's own deeds left it (see `changes`); `None`: as it was read."""

    @property
    def market(self) -> str:
        """The market's id."""
        return self.key.account
