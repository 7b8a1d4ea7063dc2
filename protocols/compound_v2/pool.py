"""A Comptroller and its markets at one block, and its exact verdict over any account, price vector and block.

Source: ComptrollerG5.getHypotheticalAccountLiquidityInternal of VenusProtocol/venus-protocol 0.7.0.

**What the verdict stands for.** Support is the collateral that counts and requirement the debt, with
*all* the account's markets accrued in block `at`: their difference is liquidity minus shortfall. The
Comptroller's own view counts balances as stored, and `liquidateBorrow` accrues the borrowed and the
seized market alone; but anybody can have any market accrue first, so this is what a keeper who does
so gets. What goes through without, for some pair, is `as_it_is`; it can be the worse of the two, where
the collateral of a third market has interest coming.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass

from margin.account import Clock
from margin.basics import Address, BlockRef, Unread
from margin.legs import CollateralLeg, DebtLeg
from margin.linear import LinearForm
from margin.prices import Feed, FeedKey, Prices
from margin.units import BPS, UINT256_MAX, WAD
from margin.verdict import Verdict
from protocols.compound_v2 import interest
from protocols.compound_v2.linear import Line, health_wad, least_margin_raw, linear_form
from protocols.compound_v2.state import CompoundAccount, Market, Position, Settings

EVERY = range(1 << 32)
"""All markets, whatever their number."""
ROOM = 16
"""Left between a product and 256 bits, for a sum of several."""
USD_DECIMALS = 18


@dataclass(frozen=True, slots=True)
class Pool:
    """One Comptroller as it stood at one block: everything but the accounts."""

    id: str
    block: BlockRef
    clock: Clock
    """Interest accrues by the block."""
    settings: Settings
    markets: Mapping[int, Market]
    """By their place in `getAllMarkets`."""
    feeds: Mapping[FeedKey, Feed]
    prices: Prices
    """What the oracle answers today."""

    def debt_raw(self, position: Position, at: int) -> int:
        """What is owed in one market, accrued in block `at`."""
        if position.debt is None:
            return 0
        market = self.markets[position.market]
        return position.debt.owed_raw(interest.accrued(market, at).index_wad)

    def rate_wad(self, position: Position, at: int) -> int:
        """Underlying per token of the position's market, accrued in block `at`."""
        market = self.markets[position.market]
        return interest.exchange_rate_wad(market, at, position.added_raw, position.minted)

    def lines(self, account: CompoundAccount, at: int, accrue: Container[int] = EVERY) -> list[Line]:
        """The account's terms at a block, one per entered market; others than `accrue` as stored."""
        lines = []
        for position in account.positions:
            market = self.markets[position.market]
            if not position.entered:
                continue
            assert not isinstance(market.feed, Unread), "accounts with an unread price are never judged"
            then = at if market.id in accrue else market.accrued_at
            rate_wad = self.rate_wad(position, then)
            debt = position.debt
            lines.append(
                Line(
                    market=market.id,
                    feed=market.feed,
                    tokens=position.tokens,
                    rate_wad=rate_wad,
                    weighted_rate_wad=market.collateral_factor_wad * rate_wad // WAD,
                    debt_raw=self.debt_raw(position, then),
                    supply_tokens=max(1, market.supply_tokens + position.minted),
                    debt_units=-(-(debt.principal_raw + 1) // debt.index_wad) if debt else 0,
                )
            )
        return lines

    def verdict(
        self,
        account: CompoundAccount,
        prices: Prices | None = None,
        at: int | None = None,
        accrue: Container[int] = EVERY,
    ) -> Verdict:
        """The Comptroller's decision in block `at`, with all markets accrued, or only those told.

        US dollars with 18 decimals. Liquidatable where there is a shortfall: at equality there is none.
        """
        prices = self.prices if prices is None else prices
        at = self.clock.now if at is None else at
        rows = [line.terms(prices[line.feed]) for line in self.lines(account, at, accrue)]
        support = sum(row.collateral for row in rows)
        debt = sum(row.debt for row in rows) + account.minted_vai_raw
        return Verdict(
            support_raw=support,
            requirement_raw=debt,
            assets_raw=sum(row.face for row in rows),
            liabilities_raw=debt,
            health_factor_wad=health_wad(support, debt),
            terms=((at, account.minted_vai_raw), *rows),
        )

    def as_it_is(
        self, account: CompoundAccount, prices: Prices | None = None, at: int | None = None
    ) -> int | None:
        """Collateral minus debt for the pair with which a liquidation sent as it is comes closest.

        `liquidateBorrow` accrues the borrowed and the seized market, and counts all others as stored:
        negative exactly where it finds a shortfall for some pair. `None` where there is no pair.
        """
        at = self.clock.now if at is None else at
        prices = self.prices if prices is None else prices
        stored = self.verdict(account, prices, at, ())
        if stored.terms == self.verdict(account, prices, at).terms:
            gains = dict.fromkeys(self.markets, 0)
        else:
            gains = self._gains(account, prices, at)
        held = [p.market for p in account.positions if p.tokens]
        owing = [p.market for p in account.positions if p.debt]
        found = [
            stored.margin_raw + gains.get(debt, 0) + (gains.get(collateral, 0) if collateral != debt else 0)
            for debt in owing
            for collateral in held
        ]
        return min(found, default=None)

    def _gains(self, account: CompoundAccount, prices: Prices, at: int) -> dict[int, int]:
        """By market what its accrual adds to collateral minus debt; nothing where it is not entered."""
        gains = {}
        both = zip(self.lines(account, at), self.lines(account, at, ()), strict=True)
        for after, before in both:
            now, then = (line.terms(prices[line.feed]) for line in (after, before))
            gains[after.market] = now.collateral - then.collateral - now.debt + then.debt
        return gains

    def linear(self, account: CompoundAccount, at: int | None = None) -> LinearForm:
        """The linear form at a block, in the scale of `verdict`."""
        at = self.clock.now if at is None else at
        return linear_form(self.lines(account, at), account.minted_vai_raw)

    def least_margin(self, a: Verdict, b: Verdict) -> int:
        """See `margin.account.Judge`."""
        return least_margin_raw(a, b)

    def feeds_of(self, account: CompoundAccount) -> tuple[FeedKey, ...]:
        """The prices that weighted collateral or debt of the account hangs on, by market."""
        lines = self.lines(account, self.clock.now)
        return tuple(
            dict.fromkeys(ln.feed for ln in lines if ln.debt_raw or ln.weighted_rate_wad * ln.tokens)
        )

    def price_limit(self, account: CompoundAccount, feed: FeedKey) -> int:
        """The largest answer that keeps every product of a verdict and of a liquidation within 256 bits.

        Price times rate, then times tokens; price times debt; and what is seized for a repayment: the
        price times the incentive over the collateral's value of a token, times what is repaid.
        """
        incentive_wad = self.settings.incentive_wad
        limits = [UINT256_MAX // max(WAD, incentive_wad)]
        worths = [
            self.prices[market.feed] * self.rate_wad(position, self.clock.now) // WAD
            for position in account.positions
            if not isinstance((market := self.markets[position.market]).feed, Unread) and position.tokens
        ]
        for line in self.lines(account, self.clock.now):
            if line.feed == feed:
                limits.append(UINT256_MAX // max(1, line.rate_wad, line.debt_raw))
                limits.append(UINT256_MAX * WAD // max(1, line.rate_wad * line.tokens))
                least_worth = max(1, min(worths, default=1))
                limits.append(UINT256_MAX * least_worth // max(1, line.debt_raw * incentive_wad))
        return max(1, min(limits) // ROOM)

    def collateral_legs(self, account: CompoundAccount) -> tuple[CollateralLeg, ...]:
        """Every supply, with its interest; those of markets not entered with threshold 0."""
        legs = []
        for position in account.positions:
            if not position.tokens:
                continue
            market = self.markets[position.market]
            amount_raw = self.rate_wad(position, self.clock.now) * position.tokens // WAD
            feed = None if isinstance(market.feed, Unread) else market.feed
            factor_wad = market.collateral_factor_wad if position.entered else 0
            legs.append(
                CollateralLeg(
                    token=market.token,
                    symbol=market.symbol,
                    decimals=market.decimals,
                    amount_raw=amount_raw,
                    value_raw=None if feed is None else self.prices[feed] * amount_raw // WAD,
                    threshold_bps=factor_wad * BPS // WAD,
                    feed=feed,
                    receipt_amount_raw=position.tokens,
                )
            )
        return tuple(legs)

    def debt_legs(self, account: CompoundAccount) -> tuple[DebtLeg, ...]:
        """Every borrowing, with its interest, and VAI minted."""
        legs = []
        for position in account.positions:
            market = self.markets[position.market]
            if position.debt is None or isinstance(market.feed, Unread):
                continue
            amount_raw = self.debt_raw(position, self.clock.now)
            value_raw = self.prices[market.feed] * amount_raw // WAD
            legs.append(
                DebtLeg(market.token, market.symbol, market.decimals, amount_raw, value_raw, market.feed)
            )
        if account.minted_vai_raw:
            controller = self.settings.vai_controller
            assert controller is not None, "no VAI without its controller"
            owed_raw = account.minted_vai_raw
            legs.append(DebtLeg(controller, "VAI", 18, owed_raw, owed_raw, None))
        return tuple(legs)

    def symbol(self, market: int) -> str:
        """The symbol of a market's underlying."""
        return self.markets[market].symbol

    def market_of(self, token: Address) -> Market | None:
        """The first market of an underlying."""
        return next((m for m in self.markets.values() if m.token == token), None)
