"""What `LendingPool.liquidationCall` would do: how much it repays and seizes, or why it refuses.

Source: LendingPoolCollateralManager.sol (liquidationCall, _calculateAvailableCollateralToLiquidate),
ValidationLogic.validateLiquidationCall, LendingPool.liquidationCall and the tokens' burns of
aave/protocol-v2 1.0.1. The manager tells a refusal by a return code, which the pool turns into a revert
with its number as text; what reverts inside the manager comes out as '23'.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from margin import units
from margin.prices import Prices
from margin.units import UINT256_MAX
from protocols.aave_v2.state import PoolAccount, Position
from protocols.aave_v2.venue import Market

CLOSE_FACTOR_BPS = 5_000
"""At most half of one debt a call, however ill the account."""


@dataclass(frozen=True, slots=True)
class Liquidation:
    """One call that goes through: collateral and debt reserve, and the amounts, to the unit."""

    collateral: int
    debt: int
    cover_raw: int
    """What to send as `debtToCover`: can be more than is repaid."""
    repay_raw: int
    seize_raw: int
    """What the liquidator receives: v2 takes no fee of it."""
    bonus_bps: int
    """10_500 is 5 % on top of what was repaid."""
    max_repay_raw: int
    """The most the close factor allows of this debt."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One pair that cannot be liquidated now, and why."""

    collateral: int
    debt: int
    why: str


def blocked(market: Market, account: PoolAccount) -> str | None:
    """Why nobody can liquidate the account at this block, whatever its health; `None` if one pair could.

    A frozen reserve holds nothing back: it only takes no new supply or debt.
    """
    if market.paused:
        return "the pool is paused"
    unwell = market.verdict(account).liquidatable
    reasons = []
    for collateral, debt in pairs(market, account):
        why = _inactive(market, collateral, debt)
        if why is None and unwell:
            outcome = liquidate(market, account, collateral, debt)
            why = outcome.why if isinstance(outcome, Refusal) else None
        if why is None:
            return None
        reasons.append(why)
    return reasons[0] if reasons else "no collateral that could be seized"


def pairs(market: Market, account: PoolAccount) -> Iterator[tuple[int, int]]:
    """Reserve ids of each collateral that counts and each debt that is owed."""
    for collateral in account.positions:
        if collateral.supply_scaled and market.counts(account, market.reserves[collateral.reserve]):
            for debt in account.positions:
                if debt.debt_scaled or debt.stable:
                    yield collateral.reserve, debt.reserve


def liquidations(
    market: Market, account: PoolAccount, prices: Prices | None = None, at: int | None = None
) -> Iterator[Liquidation | Refusal]:
    """For every pair of collateral and debt the largest call that could be sent."""
    for collateral, debt in pairs(market, account):
        yield liquidate(market, account, collateral, debt, prices=prices, at=at)


def liquidate(
    market: Market,
    account: PoolAccount,
    collateral: int,
    debt: int,
    debt_to_cover_raw: int = UINT256_MAX,
    *,
    receive_a_token: bool = True,
    prices: Prices | None = None,
    at: int | None = None,
) -> Liquidation | Refusal:
    """The outcome of `liquidationCall` for one pair of reserve ids.

    The liquidator is someone else than the borrower and holds what it repays; that the pool has the
    underlying to pay out, where no aTokens are received, is taken for granted ('45' where it has not).
    """
    prices = market.prices if prices is None else prices
    at = market.timestamp if at is None else at

    def refused(why: str) -> Refusal:
        return Refusal(collateral, debt, why)

    if market.paused:
        return refused("the pool is paused")
    if why := _inactive(market, collateral, debt):
        return refused(why)
    if not market.verdict(account, prices, at).liquidatable:
        return refused("healthy")
    if not market.counts(account, market.reserves[collateral]):
        return refused("not enabled as collateral")
    by_id = {position.reserve: position for position in account.positions}
    owed = by_id.get(debt)
    owed_raw = market.debt_raw(owed, at) if owed else 0
    if owed is None or not owed_raw:
        return refused("no such debt")

    held_raw = market.supply_raw(by_id[collateral], at) if collateral in by_id else 0
    max_repay_raw = units.percent_mul_half_up(owed_raw, CLOSE_FACTOR_BPS)
    cover_raw = min(debt_to_cover_raw, max_repay_raw)
    seize_raw, needed_raw = _seized(market, (collateral, debt), cover_raw, held_raw, prices)
    repay_raw = min(cover_raw, needed_raw)
    if not _burns_debt(market, owed, repay_raw, at):
        return refused("dust: too little to repay for this collateral")
    if not receive_a_token:
        index_ray = market.income_index_ray(market.reserves[collateral], at)
        if not units.ray_div_half_up(seize_raw, index_ray):
            return refused("dust: too little collateral to pay out")
    bonus_bps = market.reserves[collateral].configuration.bonus_bps
    return Liquidation(collateral, debt, debt_to_cover_raw, repay_raw, seize_raw, bonus_bps, max_repay_raw)


def _inactive(market: Market, collateral: int, debt: int) -> str | None:
    for reserve in (market.reserves[collateral], market.reserves[debt]):
        if not reserve.configuration.active:
            return f"reserve {reserve.symbol} is not active"
    return None


def _seized(
    market: Market, pair: tuple[int, int], cover_raw: int, held_raw: int, prices: Prices
) -> tuple[int, int]:
    """Collateral that goes for so much debt, and the debt that goes with it.

    The bonus is put on half up before the division, which rounds down; the other way it is divided
    out half up after it.
    """
    collateral, debt = (market.reserves[id_] for id_ in pair)
    collateral_price, debt_price = market.price_raw(collateral, prices), market.price_raw(debt, prices)
    assert collateral_price, "accounts with an unread price are never judged"
    assert debt_price, "accounts with an unread price are never judged"
    bonus_bps = collateral.configuration.bonus_bps
    worth = debt_price * cover_raw * collateral.unit
    most_raw = units.percent_mul_half_up(worth, bonus_bps) // (collateral_price * debt.unit)
    if most_raw <= held_raw:
        return most_raw, cover_raw
    plain_raw = collateral_price * held_raw * debt.unit // (debt_price * collateral.unit)
    return held_raw, units.percent_div_half_up(plain_raw, bonus_bps)


def _burns_debt(market: Market, owed: Position, repay_raw: int, at: int) -> bool:
    """Whether the debt tokens accept the repayment: a burn of nothing, or of more than there is, reverts.

    Variable debt goes first. Stable debt is burnt unscaled, and takes even nothing.
    """
    variable_raw = market.variable_raw(owed, at)
    burnt_raw = min(repay_raw, variable_raw)
    if repay_raw > variable_raw and not variable_raw:
        return True
    burnt_scaled = units.ray_div_half_up(burnt_raw, burn_index_ray(market, owed.reserve, at))
    return 0 < burnt_scaled <= owed.debt_scaled


def burn_index_ray(market: Market, reserve_id: int, at: int) -> int:
    """The variable debt index that a call at a timestamp leaves behind, and burns with.

    Where suppliers earn nothing the pool moves its clock but not this index: the interest since is
    forgotten. Source: ReserveLogic._updateIndexes of aave/protocol-v2 1.0.1.
    """
    reserve = market.reserves[reserve_id]
    return market.debt_index_ray(reserve, at) if reserve.liquidity_rate_ray else reserve.variable_index_ray
