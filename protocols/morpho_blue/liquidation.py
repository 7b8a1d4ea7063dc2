"""What `Morpho.liquidate` would do: how much it repays and seizes, or why it refuses.

Source: Morpho.liquidate of morpho-org/morpho-blue 1.0.0. The caller names either the collateral to seize or
the borrow shares to repay; there is no close factor. Where no collateral is left, what is still owed
is bad debt, and the market's lenders lose it.
"""

from __future__ import annotations

from dataclasses import dataclass

from margin.prices import Prices
from margin.units import WAD, mul_div_down, mul_div_up
from protocols.morpho_blue.interest import to_assets_down, to_assets_up, to_shares_up
from protocols.morpho_blue.state import MarketState, MorphoAccount
from protocols.morpho_blue.venue import PRICE_SCALE, Markets

HEALTHY = "position is healthy"
"""The contract's own words …"""
TOO_MUCH_DEBT = "more repaid than is owed"
TOO_MUCH_COLLATERAL = "more seized than there is"
NO_PRICE = "the oracle answers 0, by which repaid debt cannot be told in collateral"
"""… and ours, where it panics."""


@dataclass(frozen=True, slots=True)
class Liquidation:
    """One call that goes through, and its amounts to the unit."""

    seized_asked_raw: int
    """What to send as `seizedAssets`, or 0; then …"""
    shares_asked: int
    """… what to send as `repaidShares`."""
    repay_raw: int
    """Loan tokens that the liquidator pays."""
    repaid_shares: int
    seize_raw: int
    """Collateral that the liquidator receives."""
    bad_debt_raw: int
    """Loan tokens that the lenders lose with it."""
    bad_debt_shares: int
    incentive_wad: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call that would revert, and why."""

    why: str


def liquidate(
    venue: Markets,
    account: MorphoAccount,
    *,
    seized_raw: int = 0,
    repaid_shares: int = 0,
    prices: Prices | None = None,
    at: int | None = None,
) -> Liquidation | Refusal:
    """The outcome of `liquidate` with one of the two; the liquidator holds what it repays."""
    if bool(seized_raw) == bool(repaid_shares):
        return Refusal("inconsistent input")
    prices = venue.prices if prices is None else prices
    at = venue.block.timestamp if at is None else at
    if not venue.verdict(account, prices, at).liquidatable:
        return Refusal(HEALTHY)
    market, state = venue.market_of(account), venue.accrual(account, at).state
    assert isinstance(market.quote, str), "accounts with an unread price are never judged"
    price, shares, seize_raw = prices[market.quote], repaid_shares, seized_raw
    totals = state.borrow_assets, state.borrow_shares
    if seized_raw:
        quoted_raw = mul_div_up(seized_raw, price, PRICE_SCALE)
        shares = to_shares_up(mul_div_up(quoted_raw, WAD, market.incentive_wad), *totals)
    elif not price:
        return Refusal(NO_PRICE)
    else:
        seize_raw = _seized_raw(shares, totals, market.incentive_wad, price)
    if shares > account.borrow_shares:
        return Refusal(TOO_MUCH_DEBT)
    if seize_raw > account.collateral_raw:
        return Refusal(TOO_MUCH_COLLATERAL)
    repay_raw = to_assets_up(shares, *totals)
    bad_raw, bad_shares = 0, 0
    if seize_raw == account.collateral_raw:
        left = max(0, state.borrow_assets - repay_raw)
        bad_shares = account.borrow_shares - shares
        bad_raw = min(left, to_assets_up(bad_shares, left, state.borrow_shares - shares))
    return Liquidation(
        seized_raw, repaid_shares, repay_raw, shares, seize_raw, bad_raw, bad_shares, market.incentive_wad
    )


def largest(
    venue: Markets, account: MorphoAccount, *, prices: Prices | None = None, at: int | None = None
) -> Liquidation | Refusal:
    """The call that leaves least behind: all of the debt, or else all of the collateral.

    Where roundings let neither of them be, the most shares that go through: what is seized only
    grows with them.
    """
    whole = liquidate(venue, account, repaid_shares=account.borrow_shares, prices=prices, at=at)
    if isinstance(whole, Liquidation) or whole.why == HEALTHY or not account.collateral_raw:
        return whole
    rest = liquidate(venue, account, seized_raw=account.collateral_raw, prices=prices, at=at)
    if isinstance(rest, Liquidation) or whole.why == NO_PRICE:
        return rest
    found: Liquidation | Refusal = rest
    fits, too_many = 0, account.borrow_shares
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        outcome = liquidate(venue, account, repaid_shares=middle, prices=prices, at=at)
        if isinstance(outcome, Liquidation):
            fits, found = middle, outcome
        else:
            too_many = middle
    return found


def after(state: MarketState, call: Liquidation) -> MarketState:
    """The market's totals, already accrued, after the call."""
    return MarketState(
        supply_assets=state.supply_assets - call.bad_debt_raw,
        supply_shares=state.supply_shares,
        borrow_assets=max(0, state.borrow_assets - call.repay_raw) - call.bad_debt_raw,
        borrow_shares=state.borrow_shares - call.repaid_shares - call.bad_debt_shares,
        updated_at=state.updated_at,
        fee_wad=state.fee_wad,
        rate_at_target_wad=state.rate_at_target_wad,
    )


def _seized_raw(shares: int, totals: tuple[int, int], incentive_wad: int, price: int) -> int:
    repaid_raw = to_assets_down(shares, *totals)
    return mul_div_down(repaid_raw * incentive_wad // WAD, PRICE_SCALE, price)
