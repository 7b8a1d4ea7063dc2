"""An Aave v2 pool at one block, and its exact verdict over any account, price vector and timestamp.

Source: GenericLogic.calculateUserAccountData (protocol/libraries/logic/GenericLogic.sol) of
aave/protocol-v2 1.0.1: every value rounded down to the numeraire, the average threshold cut to whole
bps, the collateral weighted by it half up, the health factor half up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from margin import units
from margin.account import Clock
from margin.basics import Address, BlockRef, Unread
from margin.legs import CollateralLeg, DebtLeg
from margin.linear import LinearForm
from margin.prices import Feed, FeedKey, Prices
from margin.verdict import Verdict
from protocols.aave_common.linear import Line, compare, least_margin_raw, linear_form
from protocols.aave_common.quotes import Oracle, Quote
from protocols.aave_v2.interest import compounded_interest_ray, debt_index_ray, income_index_ray
from protocols.aave_v2.state import PoolAccount, Position, Reserve

WIDEST_PRODUCT = 10**18 * 2**16
"""What the pool's products of price and amount are multiplied by at the most: one token unit and bps
(LendingPoolCollateralManager.sol), or 1e18 (the health factor)."""


@dataclass(frozen=True, slots=True)
class Market:
    """One pool as it stood at one block: everything but the accounts."""

    id: str
    block: BlockRef
    pool: Address
    configurator: Address
    """Who changes reserves: its events tell of it."""
    collateral_manager: Address
    """Whose code does the liquidations; zero where there is none."""
    oracle: Oracle
    revision: int | None
    """As the pool says; `None` where a fork says none."""
    paused: bool
    reserves: Mapping[int, Reserve]
    """By reserve id."""
    feeds: Mapping[FeedKey, Feed]
    prices: Prices
    """Today's raw answers of those feeds."""
    numeraire_known: bool
    """Whether the oracle says what its prices are in."""

    @property
    def timestamp(self) -> int:
        """Of the block."""
        return self.block.timestamp

    @property
    def clock(self) -> Clock:
        """Interest accrues by the second."""
        return Clock(self.timestamp, self.timestamp)

    def counts(self, account: PoolAccount, reserve: Reserve) -> bool:
        """Whether the pool counts this supply as collateral."""
        return account.uses_as_collateral(reserve.id) and reserve.configuration.threshold_bps != 0

    def income_index_ray(self, reserve: Reserve, at: int) -> int:
        """The supply index of a reserve at a timestamp."""
        elapsed_s = at - reserve.updated_at
        return income_index_ray(reserve.liquidity_index_ray, reserve.liquidity_rate_ray, elapsed_s)

    def debt_index_ray(self, reserve: Reserve, at: int) -> int:
        """The variable debt index of a reserve at a timestamp, as balances are told with."""
        return debt_index_ray(reserve.variable_index_ray, reserve.variable_rate_ray, at - reserve.updated_at)

    def supply_raw(self, position: Position, at: int) -> int:
        """The aToken balance at a timestamp, rounded half up."""
        index_ray = self.income_index_ray(self.reserves[position.reserve], at)
        return units.ray_mul_half_up(position.supply_scaled, index_ray)

    def variable_raw(self, position: Position, at: int) -> int:
        """What is owed at the variable rate at a timestamp, rounded half up."""
        index_ray = self.debt_index_ray(self.reserves[position.reserve], at)
        return units.ray_mul_half_up(position.debt_scaled, index_ray)

    def stable_raw(self, position: Position, at: int) -> int:
        """What is owed at the account's own stable rate at a timestamp, rounded half up."""
        stable = position.stable
        if stable is None:
            return 0
        interest_ray = compounded_interest_ray(stable.rate_ray, at - stable.updated_at)
        return units.ray_mul_half_up(stable.principal, interest_ray)

    def debt_raw(self, position: Position, at: int) -> int:
        """What is owed at a timestamp, at both rates."""
        return self.variable_raw(position, at) + self.stable_raw(position, at)

    def lines(self, account: PoolAccount, at: int) -> list[Line]:
        """The account's terms at a timestamp, one per reserve that the pool looks at, prices apart."""
        lines = []
        for position in account.positions:
            reserve = self.reserves[position.reserve]
            counts, borrows = self.counts(account, reserve), account.borrows(reserve.id)
            if not (counts or borrows):
                continue
            quote = reserve.quote
            assert isinstance(quote, Quote), "accounts with an unread price are never judged"
            lines.append(
                Line(
                    reserve=reserve.id,
                    feed=quote.feed,
                    constant_raw=quote.constant_raw,
                    unit=reserve.unit,
                    collateral_raw=self.supply_raw(position, at) if counts else 0,
                    threshold_bps=reserve.configuration.threshold_bps if counts else 0,
                    debt_raw=self.debt_raw(position, at) if borrows else 0,
                    scaled=max(position.supply_scaled, position.debt_scaled),
                )
            )
        return lines

    def verdict(self, account: PoolAccount, prices: Prices | None = None, at: int | None = None) -> Verdict:
        """The pool's exact decision; support and requirement are in the oracle's own units (mostly wei)."""
        prices = self.prices if prices is None else prices
        at = self.timestamp if at is None else at
        rows = [line.terms(prices, units.mul_div_down) for line in self.lines(account, at)]
        collateral = sum(row.collateral for row in rows)
        weighted = sum(row.collateral * row.threshold_bps for row in rows)
        debt = sum(row.debt for row in rows)
        support, requirement = compare(collateral, weighted, collateral, debt, truncated_average=True)
        return Verdict(
            support_raw=support,
            requirement_raw=requirement,
            assets_raw=collateral,
            liabilities_raw=debt,
            health_factor_wad=units.wad_div_half_up(support, debt) if debt else None,
            terms=((at, weighted), *rows),
        )

    def average_threshold_bps(self, verdict: Verdict) -> int:
        """`currentLiquidationThreshold` as `getUserAccountData` gives it, rounded down."""
        return verdict.terms[0][1] // verdict.assets_raw if verdict.assets_raw else 0

    def borrowing_power(
        self, account: PoolAccount, prices: Prices | None = None, at: int | None = None
    ) -> tuple[int, int]:
        """`availableBorrowsETH` and `ltv` (bps) as `getUserAccountData` gives them.

        Source: GenericLogic.calculateAvailableBorrowsETH of aave/protocol-v2 1.0.1. The average LTV is
        rounded down, the collateral weighted by it half up.
        """
        prices = self.prices if prices is None else prices
        collateral = lent = debt = 0
        for line in self.lines(account, self.timestamp if at is None else at):
            terms = line.terms(prices, units.mul_div_down)
            collateral += terms.collateral
            lent += terms.collateral * self.reserves[line.reserve].configuration.ltv_bps
            debt += terms.debt
        ltv_bps = lent // collateral if collateral else 0
        return max(0, units.percent_mul_half_up(collateral, ltv_bps) - debt), ltv_bps

    def linear(self, account: PoolAccount, at: int | None = None) -> LinearForm:
        """The linear form at a timestamp, in the scale of `verdict`."""
        at = self.timestamp if at is None else at
        return linear_form(self.lines(account, at), truncated_average=True)

    def least_margin(self, a: Verdict, b: Verdict) -> int:
        """See `margin.account.Judge`."""
        return least_margin_raw(a, b, truncated_average=True)

    def feeds_of(self, account: PoolAccount) -> tuple[FeedKey, ...]:
        """The feeds that weighted collateral or debt of the account hangs on, in reserve order."""
        lines = self.lines(account, self.timestamp)
        hung_on = [line.feed for line in lines if line.debt_raw or line.collateral_raw]
        return tuple(dict.fromkeys(feed for feed in hung_on if feed is not None))

    def price_limit(self, account: PoolAccount, feed: FeedKey) -> int:
        """The largest answer that keeps the pool's products within 256 bits."""
        lines = [line for line in self.lines(account, self.timestamp) if line.feed == feed]
        largest = max((max(line.collateral_raw, line.debt_raw) for line in lines), default=0)
        return min(2**255 - 1, units.UINT256_MAX // (max(largest, 1) * WIDEST_PRODUCT))

    def price_raw(self, reserve: Reserve, prices: Prices) -> int | None:
        """What a whole token is worth; `None` where that could not be read."""
        quote = reserve.quote
        if isinstance(quote, Unread):
            return None
        return quote.constant_raw if quote.feed is None else prices[quote.feed]

    def value_raw(self, reserve: Reserve, amount_raw: int) -> int | None:
        """An amount in the numeraire at the block's prices, rounded down as the pool does."""
        price = self.price_raw(reserve, self.prices)
        return None if price is None else amount_raw * price // reserve.unit

    def collateral_legs(self, account: PoolAccount) -> tuple[CollateralLeg, ...]:
        """Every supply, those that back nothing with threshold 0."""
        legs = []
        for position in account.positions:
            reserve = self.reserves[position.reserve]
            amount_raw = self.supply_raw(position, self.timestamp)
            if not amount_raw:
                continue
            legs.append(
                CollateralLeg(
                    token=reserve.token,
                    symbol=reserve.symbol,
                    decimals=reserve.configuration.decimals,
                    amount_raw=amount_raw,
                    value_raw=self.value_raw(reserve, amount_raw),
                    threshold_bps=reserve.configuration.threshold_bps if self.counts(account, reserve) else 0,
                    feed=reserve.quote.feed if isinstance(reserve.quote, Quote) else None,
                )
            )
        return tuple(legs)

    def debt_legs(self, account: PoolAccount) -> tuple[DebtLeg, ...]:
        """Every borrowing, variable and stable debt of one token together."""
        legs = []
        for position in account.positions:
            reserve = self.reserves[position.reserve]
            amount_raw = self.debt_raw(position, self.timestamp)
            value_raw = self.value_raw(reserve, amount_raw)
            if not amount_raw or value_raw is None:
                continue
            feed = reserve.quote.feed if isinstance(reserve.quote, Quote) else None
            decimals = reserve.configuration.decimals
            legs.append(DebtLeg(reserve.token, reserve.symbol, decimals, amount_raw, value_raw, feed))
        return tuple(legs)
