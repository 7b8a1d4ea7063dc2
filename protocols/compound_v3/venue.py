"""A Comet at one block, and its exact verdict over any account, price vector and second.

Source: Comet.isLiquidatable and absorb (the same in CometWithExtendedAssetList.sol) of
compound-finance/comet, commit d5a30b0.

**What the verdict stands for.** `absorb` accrues first and asks `isLiquidatable` then; the view alone counts
the debt as the last accrual left it. So the verdict is on the accrued debt, and the comparison with the
view on the stored one. Support is the weighted collateral, the requirement the debt's worth: both cut off,
and equal ones are healthy. The loop of the view ends as soon as the collateral so far carries the
debt, which saves it the other prices and changes nothing else: each worth is at least zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from margin import mending
from margin.account import Clock
from margin.basics import BlockRef, Unread
from margin.legs import CollateralLeg, DebtLeg
from margin.linear import LinearForm
from margin.prices import Feed, FeedKey, Prices
from margin.units import BPS, UINT256_MAX, WAD
from margin.verdict import Verdict
from protocols.base import Numeraire
from protocols.compound_v3.interest import INDEX_SCALE, MAX_UINT64, Totals
from protocols.compound_v3.linear import NO_DEBT, Line, least_margin_raw, linear_form
from protocols.compound_v3.state import Asset, Base, CometAccount, Settings

PRICE_DECIMALS = 8
"""Of every feed: the market refuses to list another."""
ROOM = 64
"""Left between a product and 256 bits, for a sum over all collaterals and a sign."""


@dataclass(frozen=True, slots=True)
class Market:
    """One Comet as it stood at one block: everything but the accounts."""

    id: str
    block: BlockRef
    settings: Settings
    base: Base
    assets: Mapping[int, Asset]
    """By their place in the market's list."""
    booked: Totals
    """As the last accrual left them."""
    feeds: Mapping[FeedKey, Feed]
    prices: Prices
    """What the feeds answer today."""
    numeraire: Numeraire | None
    """What its feeds quote in, by their own words; `None` where they do not tell."""
    stuck: Unread | None
    """Why its interest cannot be computed."""

    @property
    def clock(self) -> Clock:
        """Interest accrues by the second."""
        return Clock(self.block.timestamp, self.block.timestamp)

    def totals_at(self, account: CometAccount, at: int) -> Totals:
        """The market after an accrual at a timestamp, the owner's own deeds counted."""
        settings = self.settings
        return (account.after or self.booked).accrued(at, settings.supply_curve, settings.borrow_curve)

    def verdict(
        self,
        account: CometAccount,
        prices: Prices | None = None,
        at: int | None = None,
        *,
        stored: bool = False,
    ) -> Verdict:
        """The decision of `absorb` at a timestamp; or as `stored` that of the view, which does not accrue.

        In the feeds' numeraire with 8 decimals. Collateral without a price supports nothing: that
        occurs without a debt only, since otherwise such an account is not judged.
        """
        prices = self.prices if prices is None else prices
        terms = [line.term(prices[line.feed]) for line in self.held_lines(account)]
        debt = self.debt_line(account, at, stored=stored)
        owed = NO_DEBT if debt is None else debt.term(prices[debt.feed])
        support_raw = sum(term.weighted for term in terms)
        return Verdict(
            support_raw=support_raw,
            requirement_raw=owed.weighted,
            assets_raw=sum(term.face for term in terms),
            liabilities_raw=owed.face,
            health_factor_wad=support_raw * WAD // owed.weighted if owed.weighted else None,
            terms=(owed, *terms),
        )

    def held_lines(self, account: CometAccount) -> list[Line]:
        """The account's collaterals that have a price, in the market's order."""
        return [
            Line(asset.feed, amount_raw, asset.scale, asset.liquidate_wad)
            for asset, amount_raw in self.held_assets(account)
            if not isinstance(asset.feed, Unread)
        ]

    def debt_line(self, account: CometAccount, at: int | None = None, *, stored: bool = False) -> Line | None:
        """What the account owes, accrued at a timestamp or as stored; `None` where it owes nothing."""
        if not account.owes:
            return None
        assert not isinstance(self.base.feed, Unread), "accounts with an unread price are never judged"
        owed_raw = -self.balance_raw(account, at, stored=stored)
        return Line(self.base.feed, owed_raw, self.base.scale, WAD)

    def balance_raw(self, account: CometAccount, at: int | None = None, *, stored: bool = False) -> int:
        """Base lent, or where negative owed, accrued at a timestamp or as stored; magnitude cut off."""
        totals = account.after or self.booked
        if not stored:
            totals = self.totals_at(account, self.block.timestamp if at is None else at)
        return totals.balance_raw(account.principal)

    def held_assets(self, account: CometAccount) -> list[tuple[Asset, int]]:
        """The account's collaterals with their amounts, in the market's order."""
        return [(self.assets[id_], amount_raw) for id_, amount_raw in account.held]

    def linear(self, account: CometAccount, at: int | None = None) -> LinearForm:
        """The linear form at a timestamp, in the scale of `verdict`."""
        return linear_form(self.held_lines(account), self.debt_line(account, at))

    def least_margin(self, a: Verdict, b: Verdict) -> int:
        """See `margin.account.Judge`."""
        return least_margin_raw(a, b)

    def worst_between(self, a: Verdict, b: Verdict) -> Verdict:
        """See `margin.mending.Mendable`: neither support nor debt ever steps back as an amount grows.

        Nor does the debt later on: less owed or more lent is a lower utilization, and no higher rate.
        """
        return mending.worse_of(a, b)

    def feeds_of(self, account: CometAccount) -> tuple[FeedKey, ...]:
        """The prices of what it holds, in the market's order, and that of the base where it owes."""
        return self.linear(account).feeds

    def price_limit(self, account: CometAccount, feed: FeedKey) -> int:
        """The largest answer that keeps every product of `isLiquidatable` and `absorb` within its bits."""
        limits = [UINT256_MAX // 2]
        base = self.base
        if account.owes and base.feed == feed:
            limits.append(UINT256_MAX // max(1, -account.principal * MAX_UINT64 // INDEX_SCALE))
        for asset, amount_raw in self.held_assets(account):
            if asset.feed == feed:
                # Times the price; then over the scale, times a factor; then what it all credits, in base.
                multiplier = max(WAD, asset.liquidation_wad) * base.scale
                limits.append(UINT256_MAX // amount_raw)
                limits.append(UINT256_MAX // multiplier * asset.scale // amount_raw)
        return max(1, min(limits) // ROOM)

    def collateral_legs(self, account: CometAccount) -> tuple[CollateralLeg, ...]:
        """What is supplied, in the market's order; and what is lent, which backs nothing."""
        legs = [self._leg(asset, amount_raw) for asset, amount_raw in self.held_assets(account)]
        lent_raw = self.balance_raw(account)
        if account.principal > 0:
            base = self.base
            feed = None if isinstance(base.feed, Unread) else base.feed
            value_raw = None if feed is None else lent_raw * self.prices[feed] // base.scale
            legs.append(CollateralLeg(base.token, base.symbol, base.decimals, lent_raw, value_raw, 0, feed))
        return tuple(legs)

    def _leg(self, asset: Asset, amount_raw: int) -> CollateralLeg:
        feed = None if isinstance(asset.feed, Unread) else asset.feed
        return CollateralLeg(
            token=asset.token,
            symbol=asset.symbol,
            decimals=asset.decimals,
            amount_raw=amount_raw,
            value_raw=None if feed is None else amount_raw * self.prices[feed] // asset.scale,
            threshold_bps=asset.liquidate_wad * BPS // WAD,
            feed=feed,
        )

    def debt_legs(self, account: CometAccount) -> tuple[DebtLeg, ...]:
        """What is owed, interest up to the block included."""
        debt = self.debt_line(account)
        if debt is None:
            return ()
        base, term = self.base, debt.term(self.prices[debt.feed])
        return (DebtLeg(base.token, base.symbol, base.decimals, debt.amount_raw, term.face, debt.feed),)

    def asset_of(self, token: str) -> Asset | None:
        """The collateral of this token."""
        return next((asset for asset in self.assets.values() if asset.token == token), None)
