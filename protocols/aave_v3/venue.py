"""An Aave v3 pool at one block, and its exact verdict over any account, price vector and timestamp.

Source: GenericLogic.calculateUserAccountData of aave/aave-v3-core 1.19.3 (v3.0.2) and
aave-dao/aave-v3-origin v3.1.0 … v3.7 (protocol/libraries/logic/GenericLogic.sol); what differs
between versions stands in `rules`.
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
from margin.units import BPS
from margin.verdict import Verdict
from protocols.aave_common.linear import Line, compare, least_margin_raw, linear_form
from protocols.aave_common.quotes import Oracle, Quote
from protocols.aave_v3.interest import (
    compounded_interest_ray,
    debt_index_ray,
    income_index_ray,
)
from protocols.aave_v3.rules import Rules
from protocols.aave_v3.state import AaveAccount, EMode, Position, Reserve, Sentinel

PRICE_OVERFLOW_GUARD = 10**18
"""Room for one more token unit in the pool's products of price and amount (LiquidationLogic.sol)."""


@dataclass(frozen=True, slots=True)
class Market:
    """One pool as it stood at one block: everything but the accounts."""

    id: str
    block: BlockRef
    pool: Address
    configurator: Address
    """Who changes reserves and e-modes: its events tell of it."""
    oracle: Oracle
    revision: int
    rules: Rules
    reserves: Mapping[int, Reserve]
    """By reserve id."""
    emodes: Mapping[int, EMode]
    """Those that the accounts read so far are in."""
    feeds: Mapping[FeedKey, Feed]
    prices: Prices
    """Today's raw answers of those feeds."""
    sentinel: Sentinel | None

    @property
    def timestamp(self) -> int:
        """Of the block."""
        return self.block.timestamp

    @property
    def clock(self) -> Clock:
        """Interest accrues by the second."""
        return Clock(self.timestamp, self.timestamp)

    def quote(self, account: AaveAccount, reserve: Reserve) -> Quote | Unread:
        """Where the pool takes the price of a reserve from, for this account.

        Before v3.2 an e-mode's own price source replaces that of every reserve in the mode.
        """
        if account.emode and not self.rules.liquid_emodes:
            mode = self.emodes[account.emode]
            if mode.quote is not None and reserve.configuration.emode_category == account.emode:
                return mode.quote
        return reserve.quote

    def threshold_bps(self, account: AaveAccount, reserve: Reserve) -> int:
        """The liquidation threshold that weights this collateral: the e-mode's where it applies."""
        return (
            self.emodes[account.emode].threshold_bps
            if self.in_emode(account, reserve)
            else reserve.configuration.threshold_bps
        )

    def in_emode(self, account: AaveAccount, reserve: Reserve) -> bool:
        """Whether the reserve is a collateral of the account's e-mode."""
        if not account.emode:
            return False
        if self.rules.liquid_emodes:
            return bool(self.emodes[account.emode].collateral_bitmap >> reserve.id & 1)
        return reserve.configuration.emode_category == account.emode

    def counts(self, account: AaveAccount, reserve: Reserve) -> bool:
        """Whether the pool counts this supply as collateral at all."""
        return account.uses_as_collateral(reserve.id) and (
            self.rules.zero_threshold_counts or reserve.configuration.threshold_bps != 0
        )

    def supply_raw(self, position: Position, at: int) -> int:
        """The aToken balance at a timestamp."""
        index_ray = self.income_index_ray(self.reserves[position.reserve], at)
        return self.rules.supply_amount(position.supply_scaled, index_ray)

    def debt_index_ray(self, reserve: Reserve, at: int) -> int:
        """The variable debt index of a reserve at a timestamp."""
        return debt_index_ray(
            reserve.variable_index_ray,
            reserve.variable_rate_ray,
            reserve.updated_at,
            at,
            nested=self.rules.nested_compounding,
        )

    def income_index_ray(self, reserve: Reserve, at: int) -> int:
        """The supply index of a reserve at a timestamp."""
        return income_index_ray(
            reserve.liquidity_index_ray, reserve.liquidity_rate_ray, reserve.updated_at, at
        )

    def debt_raw(self, position: Position, at: int) -> int:
        """What is owed at a timestamp: variable and stable debt together."""
        total = 0
        if position.debt_scaled:
            total += self.rules.debt_amount(
                position.debt_scaled, self.debt_index_ray(self.reserves[position.reserve], at)
            )
        if position.stable:
            elapsed_s = at - position.stable.updated_at
            total += units.ray_mul_half_up(
                position.stable.principal, compounded_interest_ray(position.stable.rate_ray, elapsed_s)
            )
        return total

    def lines(self, account: AaveAccount, at: int) -> list[Line]:
        """The account's terms at a timestamp, one per reserve that the pool looks at, prices apart."""
        lines = []
        for position in account.positions:
            reserve = self.reserves[position.reserve]
            counts = self.counts(account, reserve)
            borrows = account.borrows(reserve.id)
            if not (counts or borrows):
                continue
            quote = self.quote(account, reserve)
            assert isinstance(quote, Quote), "accounts with an unread price are never judged"
            lines.append(
                Line(
                    reserve=reserve.id,
                    feed=quote.feed,
                    constant_raw=quote.constant_raw,
                    unit=reserve.unit,
                    collateral_raw=self.supply_raw(position, at) if counts else 0,
                    threshold_bps=self.threshold_bps(account, reserve) if counts else 0,
                    debt_raw=self.debt_raw(position, at) if borrows else 0,
                    scaled=max(position.supply_scaled, position.debt_scaled),
                )
            )
        return lines

    def verdict(self, account: AaveAccount, prices: Prices | None = None, at: int | None = None) -> Verdict:
        """The pool's exact decision; support and requirement are in the base currency's units.

        From v3.5 both carry four more decimals, since the weighted sum is no longer divided by
        10_000 before the comparison. Rounding and order are the version's own (see `rules`).
        """
        prices = self.prices if prices is None else prices
        at = self.timestamp if at is None else at
        rows = [line.terms(prices, self.rules.debt_value) for line in self.lines(account, at)]
        collateral = sum(row.collateral for row in rows)
        weighted = sum(row.collateral * row.threshold_bps for row in rows)
        debt = sum(row.debt for row in rows)
        truncated = self.rules.truncated_average
        support, requirement = compare(collateral, weighted, collateral, debt, truncated_average=truncated)
        return Verdict(
            support_raw=support,
            requirement_raw=requirement,
            assets_raw=collateral,
            liabilities_raw=debt,
            health_factor_wad=self.health_wad(support, debt),
            terms=((at, weighted), *rows),
        )

    def health_wad(self, support_raw: int, debt_raw: int) -> int | None:
        """The pool's health factor from support and debt value; `None` without debt."""
        if not debt_raw:
            return None
        health = units.wad_div_half_up(support_raw, debt_raw)
        return health if self.rules.truncated_average else health // BPS

    def average_threshold_bps(self, verdict: Verdict) -> int:
        """`currentLiquidationThreshold` as `getUserAccountData` gives it: truncated in every version."""
        return verdict.terms[0][1] // verdict.assets_raw if verdict.assets_raw else 0

    def linear(self, account: AaveAccount, at: int | None = None) -> LinearForm:
        """The linear form at a timestamp, in the scale of `verdict`."""
        lines = self.lines(account, self.timestamp if at is None else at)
        return linear_form(lines, truncated_average=self.rules.truncated_average)

    def least_margin(self, a: Verdict, b: Verdict) -> int:
        """See `margin.account.Judge`."""
        return least_margin_raw(a, b, truncated_average=self.rules.truncated_average)

    def feeds_of(self, account: AaveAccount) -> tuple[FeedKey, ...]:
        """The feeds that weighted collateral or debt of the account hangs on, in reserve order."""
        found: dict[FeedKey, None] = {}
        for line in self.lines(account, self.timestamp):
            if line.feed is not None and (line.debt_raw or line.collateral_raw * line.threshold_bps):
                found[line.feed] = None
        return tuple(found)

    def price_limit(self, account: AaveAccount, feed: FeedKey) -> int:
        """The largest answer that keeps price times amount times one token unit within 256 bits."""
        largest = max(
            (
                max(line.collateral_raw, line.debt_raw)
                for line in self.lines(account, self.timestamp)
                if line.feed == feed
            ),
            default=0,
        )
        return min(2**255 - 1, units.UINT256_MAX // (max(largest, 1) * PRICE_OVERFLOW_GUARD))

    def collateral_legs(self, account: AaveAccount) -> tuple[CollateralLeg, ...]:
        """Every supply, those not enabled as collateral with threshold 0."""
        legs = []
        for position in account.positions:
            amount_raw = self.supply_raw(position, self.timestamp)
            if not position.supply_scaled:
                continue
            reserve = self.reserves[position.reserve]
            quote = self.quote(account, reserve)
            price = self._price(quote)
            legs.append(
                CollateralLeg(
                    token=reserve.token,
                    symbol=reserve.symbol,
                    decimals=reserve.configuration.decimals,
                    amount_raw=amount_raw,
                    value_raw=None if price is None else amount_raw * price // reserve.unit,
                    threshold_bps=self.threshold_bps(account, reserve)
                    if self.counts(account, reserve)
                    else 0,
                    feed=quote.feed if isinstance(quote, Quote) else None,
                )
            )
        return tuple(legs)

    def debt_legs(self, account: AaveAccount) -> tuple[DebtLeg, ...]:
        """Every borrowing, variable and stable debt of one token together."""
        legs = []
        for position in account.positions:
            amount_raw = self.debt_raw(position, self.timestamp)
            reserve = self.reserves[position.reserve]
            quote = self.quote(account, reserve)
            price = self._price(quote)
            if not amount_raw or price is None:
                continue
            legs.append(
                DebtLeg(
                    token=reserve.token,
                    symbol=reserve.symbol,
                    decimals=reserve.configuration.decimals,
                    amount_raw=amount_raw,
                    value_raw=self.rules.debt_value(amount_raw, price, reserve.unit),
                    feed=quote.feed if isinstance(quote, Quote) else None,
                )
            )
        return tuple(legs)

    def _price(self, quote: Quote | Unread) -> int | None:
        if isinstance(quote, Unread):
            return None
        return quote.constant_raw if quote.feed is None else self.feeds[quote.feed].answer_raw
