"""What `absorb` and `buyCollateral` would do: the amounts, or why they refuse.

Source: Comet.absorb, absorbInternal, buyCollateral and quoteCollateral of compound-finance/comet, commit
d5a30b0. A liquidation takes two steps. Whoever absorbs pays and gets nothing: the market takes *all* the
collateral, credits a share of its worth (`liquidationFactor`), clears the debt, and bears what the credit
does not cover; what it covers beyond the debt is lent to the account. What was seized is then sold
for base at a discount, to anybody, while the market's reserves are below their target.
"""

from __future__ import annotations

from dataclasses import dataclass

from margin.prices import Prices
from margin.units import WAD
from protocols.compound_v3.interest import Totals
from protocols.compound_v3.state import ABSORB_PAUSED, BUY_PAUSED, Asset, CometAccount
from protocols.compound_v3.venue import Market

PAUSED = "Paused"
NOT_LIQUIDATABLE = "NotLiquidatable"
TOO_LARGE = ("InvalidUInt104", "InvalidInt104")
"""What the account would be credited fits no principal: of 104 bits, and of those with a sign."""
NOT_FOR_SALE = "NotForSale"
TOO_MUCH_SLIPPAGE = "TooMuchSlippage"
NOT_ENOUGH = "InsufficientReserves"
NO_DISCOUNT = "panic 0x11"
"""A liquidation factor above one leaves no discount to compute."""
MAX_UINT104 = 2**104 - 1
MAX_INT104 = 2**103 - 1


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call that would revert, and the contract's own word for it."""

    why: str


@dataclass(frozen=True, slots=True)
class Seized:
    """One collateral as it is taken."""

    asset: Asset
    amount_raw: int
    value_raw: int
    """In the numeraire, as the event tells it."""


@dataclass(frozen=True, slots=True)
class Absorbed:
    """One account absorbed, with its amounts to the unit."""

    seized: tuple[Seized, ...]
    paid_raw: int
    """Base that the market's reserves paid (`basePaidOut`): the debt, and what is lent back."""
    paid_value_raw: int
    written_off_raw: int
    """The part of it that the collateral's credit does not cover."""
    principal: int
    """Of the account afterwards: zero, or what is lent to it."""
    totals: Totals
    """The market's, afterwards."""


def blocked(market: Market) -> str | None:
    """Why nobody can absorb an account at this block, whatever its health."""
    return "absorbing is paused" if market.settings.pause_flags & ABSORB_PAUSED else None


def absorb(
    market: Market, account: CometAccount, prices: Prices | None = None, at: int | None = None
) -> Absorbed | Refusal:
    """The outcome of `absorb` of this account alone, at a timestamp and prices."""
    if market.settings.pause_flags & ABSORB_PAUSED:
        return Refusal(PAUSED)
    prices = market.prices if prices is None else prices
    at = market.block.timestamp if at is None else at
    if not market.verdict(account, prices, at).liquidatable:
        return Refusal(NOT_LIQUIDATABLE)
    totals, base = market.totals_at(account, at), market.base
    assert isinstance(base.feed, str), "accounts with an unread price are never judged"
    seized, credited_value = [], 0
    for asset, amount_raw in market.held_assets(account):
        assert isinstance(asset.feed, str), "accounts with an unread price are never judged"
        value_raw = amount_raw * prices[asset.feed] // asset.scale
        seized.append(Seized(asset, amount_raw, value_raw))
        credited_value += value_raw * asset.liquidation_wad // WAD
    credited_raw = credited_value * base.scale // prices[base.feed]
    before_raw = totals.balance_raw(account.principal)
    left_raw = max(0, before_raw + credited_raw)
    principal = totals.principal_of(left_raw)
    if principal > MAX_UINT104:
        return Refusal(TOO_LARGE[0])
    if principal > MAX_INT104:
        return Refusal(TOO_LARGE[1])
    paid_raw = left_raw - before_raw
    return Absorbed(
        seized=tuple(seized),
        paid_raw=paid_raw,
        paid_value_raw=paid_raw * prices[base.feed] // base.scale,
        written_off_raw=max(0, -(before_raw + credited_raw)),
        principal=principal,
        totals=Totals(
            supply_index=totals.supply_index,
            borrow_index=totals.borrow_index,
            supplied=totals.supplied + principal,
            borrowed=totals.borrowed + account.principal,
            accrued_at=totals.accrued_at,
        ),
    )


def quote_raw(market: Market, asset: Asset, base_raw: int, prices: Prices | None = None) -> int | Refusal:
    """How much of a collateral so much base buys: at its price less a share of the liquidation penalty."""
    prices = market.prices if prices is None else prices
    base = market.base
    assert isinstance(base.feed, str), "nothing is sold without a price"
    assert isinstance(asset.feed, str), "nothing is sold without a price"
    if asset.liquidation_wad > WAD:
        return Refusal(NO_DISCOUNT)
    discount_wad = market.settings.store_front_wad * (WAD - asset.liquidation_wad) // WAD
    asked = prices[asset.feed] * (WAD - discount_wad) // WAD
    if not asked:
        return Refusal("panic 0x12")
    return prices[base.feed] * base_raw * asset.scale // asked // base.scale


def reserves_raw(market: Market, totals: Totals) -> int:
    """Base that is the market's own, at totals already accrued: held, and not owed to its lenders."""
    return market.base.held_raw - totals.balance_raw(totals.supplied) - totals.balance_raw(-totals.borrowed)


def buy(
    market: Market,
    asset: Asset,
    base_raw: int,
    least_raw: int = 0,
    *,
    after: Absorbed | None = None,
    prices: Prices | None = None,
    at: int | None = None,
) -> int | Refusal:
    """How much `buyCollateral` would give for so much base; `after` an account was absorbed just before."""
    settings = market.settings
    if settings.pause_flags & BUY_PAUSED:
        return Refusal(PAUSED)
    at = market.block.timestamp if at is None else at
    totals = (
        after.totals if after else market.booked.accrued(at, settings.supply_curve, settings.borrow_curve)
    )
    reserves = reserves_raw(market, totals)
    if reserves >= 0 and reserves >= settings.target_reserves_raw:
        return Refusal(NOT_FOR_SALE)
    bought_raw = quote_raw(market, asset, base_raw, prices)
    if isinstance(bought_raw, Refusal):
        return bought_raw
    if bought_raw < least_raw:
        return Refusal(TOO_MUCH_SLIPPAGE)
    freed_raw = sum(one.amount_raw for one in after.seized if one.asset.id == asset.id) if after else 0
    return Refusal(NOT_ENOUGH) if bought_raw > asset.reserves_raw + freed_raw else bought_raw
