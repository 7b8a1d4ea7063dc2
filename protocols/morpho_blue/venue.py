"""Morpho Blue's verdict: an account of one market, in that market's loan token.

Source: Morpho._isHealthy of morpho-org/morpho-blue 1.0.0. What can be borrowed is collateral times price
rounded down, then times LLTV rounded down; the debt is its shares rounded up, interest up to the very second
included; an account that owes just what it could borrow is healthy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from margin import mending
from margin.account import Clock
from margin.basics import Address, BlockRef
from margin.legs import CollateralLeg, DebtLeg
from margin.linear import LinearForm
from margin.prices import Feed, FeedKey, Prices
from margin.units import BPS, UINT256_MAX, WAD
from margin.verdict import Verdict
from protocols.morpho_blue.interest import taylor_compounded_wad, to_assets_down, to_assets_up
from protocols.morpho_blue.state import Accrual, Market, MarketState, MorphoAccount

PRICE_SCALE = 10**36
FLOAT_SHARE = 1e-13
"""Of each value: more than the few roundings of 2**-53 in building and summing a float form."""
ROUNDINGS = 4.0
"""Support is rounded down twice, by less than two units; and a float may be a unit off where it is cut."""


@dataclass(frozen=True, slots=True)
class Markets:
    """One Morpho Blue at one block: pure values, and the exact decision on them."""

    id: str
    block: BlockRef
    morpho: Address
    owner: Address
    fee_recipient: Address
    markets: Mapping[str, Market]
    """By market id, in the order of their creation, or of the configuration."""
    feeds: Mapping[FeedKey, Feed]
    prices: Prices
    """Today's raw answers of those feeds."""

    @property
    def clock(self) -> Clock:
        """Interest accrues by the second."""
        return Clock(self.block.timestamp, self.block.timestamp)

    def market_of(self, account: MorphoAccount) -> Market:
        """The market that the account is in."""
        return self.markets[account.market]

    def state_of(self, account: MorphoAccount) -> MarketState:
        """Its totals, as read or as the owner's deeds left them."""
        return account.after or self.market_of(account).state

    def accrual(self, account: MorphoAccount, at: int) -> Accrual:
        """What the market's next update would do at a timestamp."""
        return self.state_of(account).accrued(at, has_interest=self.market_of(account).has_interest)

    def verdict(self, account: MorphoAccount, prices: Prices | None = None, at: int | None = None) -> Verdict:
        """The exact decision; every figure is in raw units of the loan token.

        Support is the most that could be owed, the requirement what is owed. The health factor is
        their ratio, rounded down, as Morpho's own SDK shows it; the contract has none.
        """
        prices = self.prices if prices is None else prices
        at = self.block.timestamp if at is None else at
        market, state = self.market_of(account), self.state_of(account)
        assets_raw = support_raw = 0
        if account.collateral_raw:
            assert isinstance(market.quote, str), "accounts with an unread price are never judged"
            assets_raw = account.collateral_raw * prices[market.quote] // PRICE_SCALE
            support_raw = assets_raw * market.lltv_wad // WAD
        accrued, _, rate_wad = self.accrual(account, at)
        debt_raw = accrued.debt_raw(account.borrow_shares)
        return Verdict(
            support_raw=support_raw,
            requirement_raw=debt_raw,
            assets_raw=assets_raw,
            liabilities_raw=debt_raw,
            health_factor_wad=support_raw * WAD // debt_raw if debt_raw else None,
            terms=(
                (at - state.updated_at, rate_wad, market.has_interest and state.rate_falls),
                (account.borrow_shares, state.borrow_assets, state.borrow_shares),
            ),
        )

    def least_margin(self, a: Verdict, b: Verdict) -> int:
        """See `margin.account.Judge`.

        Support never falls as the price rises, and at one time the debt stands still: so between two
        prices the margin lies between its ends. Along time the debt only grows where the curve does
        not go down; where it does, the rate's steps can make a debt *less* from one second to the
        next. There the earlier rate, which is none of the lower ones, over the later time bounds it.
        """
        early, late = (a, b) if a.terms[0][0] <= b.terms[0][0] else (b, a)
        (first_s, rate_wad, falls), (last_s, _, _) = early.terms[0], late.terms[0]
        ends = min(a.margin_raw, b.margin_raw)
        if first_s == last_s or not falls:
            return ends
        shares, borrow_assets, borrow_shares = early.terms[1]
        most = borrow_assets + borrow_assets * taylor_compounded_wad(rate_wad * last_s) // WAD
        return min(a.support_raw, b.support_raw) - to_assets_up(shares, most, borrow_shares)

    def worst_between(self, a: Verdict, b: Verdict) -> Verdict:
        """See `margin.mending.Mendable`: support and debt never step back as an amount grows.

        Nor does the debt later on: less borrowed or more lent is a lower utilization, and a lower rate.
        """
        return mending.worse_of(a, b)

    def linear(self, account: MorphoAccount, at: int | None = None) -> LinearForm:
        """The linear form at a timestamp: one feed, and the debt as a constant."""
        at = self.block.timestamp if at is None else at
        market = self.market_of(account)
        debt = float(self.accrual(account, at).state.debt_raw(account.borrow_shares))
        slope = account.collateral_raw * market.lltv_wad / (PRICE_SCALE * WAD)
        feeds = self.feeds_of(account)
        return LinearForm(
            feeds=feeds,
            support=(slope,) * len(feeds),
            requirement=(0.0,) * len(feeds),
            support_constant=0.0,
            requirement_constant=debt,
            error=(FLOAT_SHARE * slope,) * len(feeds),
            error_constant=ROUNDINGS + FLOAT_SHARE * debt,
        )

    def feeds_of(self, account: MorphoAccount) -> tuple[FeedKey, ...]:
        """The market's oracle; none for an account without collateral and debt."""
        quote = self.market_of(account).quote
        matters = account.collateral_raw or account.borrow_shares
        return (quote,) if matters and isinstance(quote, str) else ()

    def price_limit(self, account: MorphoAccount, feed: FeedKey) -> int:  # noqa: ARG002 - it has one feed
        """The largest answer that keeps collateral times price, rounded either way, within 256 bits."""
        return (UINT256_MAX - PRICE_SCALE) // max(account.collateral_raw, 1)

    def collateral_legs(self, account: MorphoAccount) -> tuple[CollateralLeg, ...]:
        """The collateral, and what the account lends in the market, which backs nothing."""
        market = self.market_of(account)
        legs = []
        if account.collateral_raw:
            quote = market.quote
            price = self.prices[quote] if isinstance(quote, str) else None
            legs.append(
                CollateralLeg(
                    token=market.collateral.address,
                    symbol=market.collateral.symbol,
                    decimals=market.collateral.decimals,
                    amount_raw=account.collateral_raw,
                    value_raw=None if price is None else account.collateral_raw * price // PRICE_SCALE,
                    threshold_bps=market.lltv_wad * BPS // WAD,
                    feed=quote if isinstance(quote, str) else None,
                )
            )
        if account.supply_shares:
            lent_raw = self.lent_raw(account, self.block.timestamp)
            loan = market.loan
            legs.append(CollateralLeg(loan.address, loan.symbol, loan.decimals, lent_raw, lent_raw, 0, None))
        return tuple(legs)

    def debt_legs(self, account: MorphoAccount) -> tuple[DebtLeg, ...]:
        """What is owed."""
        if not account.borrow_shares:
            return ()
        loan = self.market_of(account).loan
        owed_raw = self.accrual(account, self.block.timestamp).state.debt_raw(account.borrow_shares)
        return (DebtLeg(loan.address, loan.symbol, loan.decimals, owed_raw, owed_raw, None),)

    def lent_raw(self, account: MorphoAccount, at: int) -> int:
        """What the account's supply shares are worth at a timestamp, rounded down.

        The fee recipient's with the shares that the update would mint it.
        """
        state, fee_shares, _ = self.accrual(account, at)
        shares = account.supply_shares + fee_shares * (account.key.owner == self.fee_recipient)
        return to_assets_down(shares, state.supply_assets, state.supply_shares)
