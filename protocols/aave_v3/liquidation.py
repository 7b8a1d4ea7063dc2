"""What `Pool.liquidationCall` would do: how much it repays and seizes, or why it refuses.

Source: LiquidationLogic.executeLiquidationCall and ValidationLogic.validateLiquidationCall of
aave/aave-v3-core 1.19.3 (v3.0.2) and aave-dao/aave-v3-origin v3.1.0 … v3.7; the roundings that
differ stand in `rules`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from margin import units
from margin.prices import Prices
from margin.units import BPS, UINT256_MAX, WAD
from margin.verdict import Verdict
from protocols.aave_common.quotes import Quote
from protocols.aave_v3.state import AaveAccount, Position, Reserve
from protocols.aave_v3.venue import Market

CLOSE_FACTOR_BPS = 5_000
CLOSE_FACTOR_HEALTH_WAD = 95 * WAD // 100
"""Above this health factor at most half is liquidated; sentinels give way below it."""
FULL_LIQUIDATION_BELOW_RAW = 2_000 * 10**8
"""From v3.3: either side of a pair below this base value may be liquidated whole …"""
LEAST_LEFTOVER_RAW = FULL_LIQUIDATION_BELOW_RAW // 2
"""… and a partial liquidation must leave at least this much on both sides."""


LEAVES_DUST = "would leave dust"


@dataclass(frozen=True, slots=True)
class Liquidation:
    """One call that goes through: collateral and debt reserve, and the amounts, to the unit."""

    collateral: int
    debt: int
    cover_raw: int
    """What to send as `debtToCover`: can be more than is repaid, so that no crumb of collateral stays."""
    repay_raw: int
    seize_raw: int
    """What the liquidator receives, the protocol fee already taken off."""
    fee_raw: int
    """Collateral that goes to the protocol's treasury."""
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


def blocked(market: Market, account: AaveAccount) -> str | None:
    """Why nobody can liquidate the account at this block, whatever its health; `None` if one pair could."""
    verdict = market.verdict(account)
    reasons = []
    for collateral, debt in _pairs(market, account):
        why = _standing_refusal(market, verdict, collateral, debt, market.timestamp)
        if why is None and verdict.liquidatable:
            outcome = largest(market, account, collateral.reserve, debt.reserve)
            why = outcome.why if isinstance(outcome, Refusal) else None
        if why is None:
            return None
        reasons.append(why)
    return reasons[0] if reasons else "no collateral that could be seized"


def liquidations(
    market: Market, account: AaveAccount, prices: Prices | None = None, at: int | None = None
) -> Iterator[Liquidation | Refusal]:
    """For every pair of collateral and debt the largest call that could be sent."""
    for collateral, debt in _pairs(market, account):
        yield largest(market, account, collateral.reserve, debt.reserve, prices=prices, at=at)


def largest(
    market: Market,
    account: AaveAccount,
    collateral: int,
    debt: int,
    *,
    prices: Prices | None = None,
    at: int | None = None,
) -> Liquidation | Refusal:
    """The call that repays the most of one pair of reserve ids.

    From v3.3 a call may not leave dust, and the most the close factor allows can be just such a
    call: then a smaller one goes through, which leaves enough on both sides. What a call leaves
    only shrinks as it grows, so the largest is found by bisection.
    """

    def attempt(cover_raw: int) -> Liquidation | Refusal:
        return liquidate(market, account, collateral, debt, cover_raw, prices=prices, at=at)

    whole = attempt(UINT256_MAX)
    if not (isinstance(whole, Refusal) and whole.why == LEAVES_DUST):
        return whole
    position = next(p for p in account.positions if p.reserve == debt)
    fits, too_much = 0, market.debt_raw(position, market.timestamp if at is None else at)
    found: Liquidation | Refusal = whole
    while too_much - fits > 1:
        middle = (fits + too_much) // 2
        outcome = attempt(middle)
        if isinstance(outcome, Refusal) and outcome.why == LEAVES_DUST:
            too_much = middle
        else:
            fits, found = middle, outcome
    return found


def liquidate(
    market: Market,
    account: AaveAccount,
    collateral: int,
    debt: int,
    debt_to_cover_raw: int = UINT256_MAX,
    *,
    prices: Prices | None = None,
    at: int | None = None,
) -> Liquidation | Refusal:
    """The outcome of `liquidationCall` for one pair of reserve ids, receiving aTokens or the underlying.

    The liquidator is someone else than the borrower and holds what it repays.
    """
    prices = market.prices if prices is None else prices
    at = market.timestamp if at is None else at
    rules = market.rules
    verdict = market.verdict(account, prices, at)
    by_id = {p.reserve: p for p in account.positions}
    if debt not in by_id or collateral not in by_id or not market.debt_raw(by_id[debt], at):
        return Refusal(collateral, debt, "no such collateral or debt")
    if why := _standing_refusal(market, verdict, by_id[collateral], by_id[debt], at):
        return Refusal(collateral, debt, why)
    if not verdict.liquidatable or verdict.health_factor_wad is None:
        return Refusal(collateral, debt, "healthy")
    if not market.counts(account, market.reserves[collateral]):
        return Refusal(collateral, debt, "not enabled as collateral")

    collateral_reserve, debt_reserve = market.reserves[collateral], market.reserves[debt]
    collateral_price, debt_price = _prices(market, account, collateral_reserve, debt_reserve, prices)
    held_raw = market.supply_raw(by_id[collateral], at)
    owed_raw = market.debt_raw(by_id[debt], at)
    bonus_bps = (
        market.emodes[account.emode].bonus_bps
        if market.in_emode(account, collateral_reserve)
        else collateral_reserve.configuration.bonus_bps
    )
    pair = _Pair(collateral_reserve.unit, debt_reserve.unit, collateral_price, debt_price)
    max_repay_raw = _max_repay_raw(market, verdict, pair, held_raw, owed_raw)
    repay_raw = min(debt_to_cover_raw, max_repay_raw)

    base_raw = debt_price * repay_raw * pair.collateral_unit // (collateral_price * pair.debt_unit)
    gross_raw = rules.bonus_mul(base_raw, bonus_bps)
    if gross_raw > held_raw:
        gross_raw = held_raw
        repay_raw = rules.bonus_div_needed(
            collateral_price * held_raw * pair.debt_unit // (debt_price * pair.collateral_unit), bonus_bps
        )
    fee_bps = collateral_reserve.configuration.protocol_fee_bps
    fee_raw = rules.fee_mul(gross_raw - rules.bonus_div_fee(gross_raw, bonus_bps), fee_bps) if fee_bps else 0
    if rules.close_factor_by_total and repay_raw < owed_raw and gross_raw < held_raw:
        debt_left = rules.debt_value(owed_raw - repay_raw, debt_price, pair.debt_unit)
        collateral_left = (held_raw - gross_raw) * collateral_price // pair.collateral_unit
        if min(debt_left, collateral_left) < LEAST_LEFTOVER_RAW:
            return Refusal(collateral, debt, LEAVES_DUST)
    wiped = rules.close_factor_by_total and _takes_all(
        market, verdict, by_id[collateral], collateral_price, gross_raw, fee_raw, at
    )
    if not _burns_debt(market, by_id[debt], owed_raw if wiped else repay_raw, at):
        return Refusal(collateral, debt, "dust: too little to repay for this collateral")
    return Liquidation(
        collateral, debt, debt_to_cover_raw, repay_raw, gross_raw - fee_raw, fee_raw, bonus_bps, max_repay_raw
    )


@dataclass(frozen=True, slots=True)
class _Pair:
    collateral_unit: int
    debt_unit: int
    collateral_price: int
    debt_price: int


def _pairs(market: Market, account: AaveAccount) -> Iterator[tuple[Position, Position]]:
    for collateral in account.positions:
        if collateral.supply_scaled and market.counts(account, market.reserves[collateral.reserve]):
            for debt in account.positions:
                if account.borrows(debt.reserve):
                    yield collateral, debt


def _standing_refusal(
    market: Market, verdict: Verdict, collateral: Position, debt: Position, at: int
) -> str | None:
    """What holds a pair back whatever the prices say: pauses, grace periods, the sequencer's sentinel."""
    for reserve in (market.reserves[collateral.reserve], market.reserves[debt.reserve]):
        if not reserve.configuration.active:
            return f"reserve {reserve.symbol} is not active"
        if reserve.configuration.paused:
            return f"reserve {reserve.symbol} is paused"
    below_sentinel = (
        verdict.health_factor_wad is not None and verdict.health_factor_wad < CLOSE_FACTOR_HEALTH_WAD
    )
    if market.sentinel and not below_sentinel and not market.sentinel.allows_liquidation(at):
        return "the sequencer sentinel holds liquidations back"
    for reserve in (market.reserves[collateral.reserve], market.reserves[debt.reserve]):
        if reserve.grace_until >= at:
            return f"reserve {reserve.symbol} is in its grace period until {reserve.grace_until}"
    return None


def _prices(
    market: Market, account: AaveAccount, collateral: Reserve, debt: Reserve, prices: Prices
) -> tuple[int, int]:
    """Collateral and debt price as the liquidation takes them.

    Before v3.2 an e-mode's price source stands for the debt even outside the category's assets
    (the pool lets only such assets be borrowed in the mode).
    """
    collateral_quote = market.quote(account, collateral)
    debt_quote = market.quote(account, debt)
    if account.emode and not market.rules.liquid_emodes:
        mode = market.emodes[account.emode]
        debt_quote = debt_quote if mode.quote is None else mode.quote
    found = []
    for quote in (collateral_quote, debt_quote):
        assert isinstance(quote, Quote), "accounts with an unread price are never judged"
        found.append(quote.constant_raw if quote.feed is None else prices[quote.feed])
    return found[0], found[1]


def _burns_debt(market: Market, position: Position, burnt_raw: int, at: int) -> bool:
    """Whether the debt tokens accept the repayment: a burn that rounds to nothing reverts.

    Stable debt (to v3.1) is only touched by what exceeds the variable debt, unscaled.
    """
    index_ray = market.debt_index_ray(market.reserves[position.reserve], at)
    variable_raw = market.rules.debt_amount(position.debt_scaled, index_ray)
    if position.stable and burnt_raw > variable_raw:
        return variable_raw == 0 or market.rules.debt_burn_scaled(variable_raw, index_ray) > 0
    return market.rules.debt_burn_scaled(burnt_raw, index_ray) > 0


def _takes_all(
    market: Market,
    verdict: Verdict,
    position: Position,
    price: int,
    gross_raw: int,
    fee_raw: int,
    at: int,
) -> bool:
    """From v3.3: whether no collateral is left at all, so that all debt is written off with it."""
    unit = market.reserves[position.reserve].unit
    if not market.rules.left_by_scaled:
        return gross_raw * price // unit == verdict.assets_raw
    index_ray = market.income_index_ray(market.reserves[position.reserve], at)
    taken = units.ray_div_up(gross_raw - fee_raw, index_ray) + units.ray_div_up(fee_raw, index_ray)
    taken = min(taken, position.supply_scaled)
    return units.ray_mul_down(taken, index_ray) * price // unit == verdict.assets_raw


def _max_repay_raw(market: Market, verdict: Verdict, pair: _Pair, held_raw: int, owed_raw: int) -> int:
    """How much of one debt the close factor lets a single call repay."""
    assert verdict.health_factor_wad is not None
    halved = verdict.health_factor_wad > CLOSE_FACTOR_HEALTH_WAD
    if not market.rules.close_factor_by_total:
        return units.percent_mul_half_up(owed_raw, CLOSE_FACTOR_BPS if halved else BPS)
    owed_value = market.rules.debt_value(owed_raw, pair.debt_price, pair.debt_unit)
    held_value = held_raw * pair.collateral_price // pair.collateral_unit
    if halved and min(owed_value, held_value) >= FULL_LIQUIDATION_BELOW_RAW:
        half_of_all = units.percent_mul_half_up(verdict.liabilities_raw, CLOSE_FACTOR_BPS)
        if owed_value > half_of_all:
            return half_of_all * pair.debt_unit // pair.debt_price
    return owed_raw
