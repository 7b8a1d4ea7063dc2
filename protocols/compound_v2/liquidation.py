"""What `liquidateBorrow` would do: how much it repays and seizes, or why it refuses.

Source: VToken.liquidateBorrowFresh and seizeInternal, ComptrollerG5.liquidateBorrowAllowed,
liquidateCalculateSeizeTokens and seizeAllowed of VenusProtocol/venus-protocol 0.7.0. Most refusals do not
revert there: the call returns a number other than 0 and emits `Failure`.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass

from margin.basics import Unread
from margin.prices import Prices
from margin.units import WAD
from protocols.compound_v2 import interest
from protocols.compound_v2.pool import EVERY, Pool
from protocols.compound_v2.state import CompoundAccount, Market, Position, by_market


@dataclass(frozen=True, slots=True)
class Liquidation:
    """One call that goes through: the seized and the borrowed market, and the amounts, to the unit."""

    collateral: int
    debt: int
    repay_raw: int
    seize_tokens: int
    """What the borrower loses, in tokens of the seized market."""
    seize_raw: int
    """What the liquidator's tokens are worth in the underlying, the market's own share taken off."""
    fee_raw: int
    """What the market's share is worth."""
    max_repay_raw: int
    """The most that the close factor allows of this debt."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One pair that cannot be liquidated now, and why."""

    collateral: int
    debt: int
    why: str


def blocked(pool: Pool, account: CompoundAccount) -> str | None:
    """Why nobody can liquidate the account at this block, whatever its health; `None` if one pair could."""
    if pool.settings.paused:
        return "the protocol is paused"
    if pool.settings.seize_paused:
        return "seizing is paused"
    reasons = []
    for outcome in liquidations(pool, account, whatever_health=True):
        if isinstance(outcome, Liquidation):
            return None
        reasons.append(outcome.why)
    if account.minted_vai_raw and any(position.tokens for position in account.positions):
        return None  # VAI has an entry of its own, at its controller
    return reasons[0] if reasons else "no collateral that could be seized"


def liquidations(
    pool: Pool,
    account: CompoundAccount,
    prices: Prices | None = None,
    at: int | None = None,
    *,
    whatever_health: bool = False,
) -> Iterator[Liquidation | Refusal]:
    """For every pair of collateral and debt the largest call, all markets accrued before.

    A supply can be seized whether its market was entered or not.
    """
    for collateral in account.positions:
        for debt in account.positions:
            if collateral.tokens and debt.debt:
                yield largest(
                    pool,
                    account,
                    collateral.market,
                    debt.market,
                    prices=prices,
                    at=at,
                    whatever_health=whatever_health,
                )


def largest(
    pool: Pool,
    account: CompoundAccount,
    collateral: int,
    debt: int,
    *,
    prices: Prices | None = None,
    at: int | None = None,
    accrue: Container[int] = EVERY,
    whatever_health: bool = False,
) -> Liquidation | Refusal:
    """The call that repays the most of one pair: by the close factor, or by what there is to seize."""
    at = pool.clock.now if at is None else at
    positions = by_market(account)
    most_raw = 1
    if debt in positions and collateral in positions:
        owed_raw = pool.debt_raw(positions[debt], at)
        most_raw = pool.settings.close_factor_wad * owed_raw // WAD
        ratio_wad = _seize_ratio_wad(
            pool, positions[collateral], pool.markets[debt], prices or pool.prices, at
        )
        if ratio_wad:
            most_raw = min(most_raw, ((positions[collateral].tokens + 1) * WAD - 1) // ratio_wad)
    return liquidate(
        pool,
        account,
        collateral,
        debt,
        max(1, most_raw),
        prices=prices,
        at=at,
        accrue=accrue,
        whatever_health=whatever_health,
    )


def liquidate(
    pool: Pool,
    account: CompoundAccount,
    collateral: int,
    debt: int,
    repay_raw: int,
    *,
    prices: Prices | None = None,
    at: int | None = None,
    accrue: Container[int] = EVERY,
    whatever_health: bool = False,
) -> Liquidation | Refusal:
    """The outcome of `liquidateBorrow` in block `at` for one pair of markets and one repayment.

    `accrue`: the markets that accrued before; the pair's own always do. The liquidator is someone else
    than the borrower and holds what it repays. `whatever_health`: as if there were a shortfall.
    """
    prices = pool.prices if prices is None else prices
    at = pool.clock.now if at is None else at
    positions = by_market(account)

    def refused(why: str) -> Refusal:
        return Refusal(collateral, debt, why)

    if debt not in positions or collateral not in positions or not positions[debt].debt:
        return refused("no such collateral or debt")
    held, borrowed = pool.markets[collateral], pool.markets[debt]
    if why := _standing_refusal(pool, held, borrowed):
        return refused(why)
    if not whatever_health:
        pair = accrue if accrue is EVERY else _Also(accrue, (collateral, debt))
        if not pool.verdict(account, prices, at, pair).liquidatable:
            return refused("healthy")
    owed_raw = pool.debt_raw(positions[debt], at)
    max_repay_raw = pool.settings.close_factor_wad * owed_raw // WAD
    if repay_raw > max_repay_raw:
        return refused("too little is owed" if not max_repay_raw else "more than the close factor allows")
    if not repay_raw:
        return refused("nothing to repay")
    if repay_raw > interest.accrued(borrowed, at).borrows_raw:
        return refused("more than the market has lent")
    ratio_wad = _seize_ratio_wad(pool, positions[collateral], borrowed, prices, at)
    if ratio_wad is None:
        return refused("the collateral is worth nothing")
    seize_tokens = ratio_wad * repay_raw // WAD
    if seize_tokens > positions[collateral].tokens:
        return refused("too little collateral to seize")
    rate_wad = pool.rate_wad(positions[collateral], at)
    kept_tokens = seize_tokens * held.seize_share_wad // WAD
    return Liquidation(
        collateral,
        debt,
        repay_raw,
        seize_tokens,
        rate_wad * (seize_tokens - kept_tokens) // WAD,
        rate_wad * kept_tokens // WAD,
        max_repay_raw,
    )


@dataclass(frozen=True, slots=True)
class _Also:
    """Some markets, and those of a pair."""

    some: Container[int]
    pair: tuple[int, int]

    def __contains__(self, market: object) -> bool:
        return market in self.pair or market in self.some


def _standing_refusal(pool: Pool, held: Market, borrowed: Market) -> str | None:
    """What holds a pair back whatever the prices say."""
    if pool.settings.paused:
        return "the protocol is paused"
    if pool.settings.seize_paused:
        return "seizing is paused"
    for market in (held, borrowed):
        if not market.listed:
            return f"market {market.symbol} is not listed"
        if market.stuck is not None:
            return f"market {market.symbol} cannot accrue"
        if isinstance(market.feed, Unread):
            return f"{market.symbol} has no price"
    return None


def _seize_ratio_wad(pool: Pool, held: Position, borrowed: Market, prices: Prices, at: int) -> int | None:
    """Tokens seized per raw unit repaid, cut off as the contract does; `None` where it divides by zero."""
    collateral_feed = pool.markets[held.market].feed
    if isinstance(collateral_feed, Unread) or isinstance(borrowed.feed, Unread):
        return None
    numerator = pool.settings.incentive_wad * prices[borrowed.feed] // WAD
    denominator = prices[collateral_feed] * pool.rate_wad(held, at) // WAD
    return numerator * WAD // denominator if denominator else None
