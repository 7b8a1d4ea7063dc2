"""Compound v2 as the rest of the project sees it: an adapter, and a venue at one block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

from chain.logs import Log, LogFilter
from chain.reader import Reader
from margin.account import AccountKey
from margin.basics import Address, Unread
from margin.mending import Change, Refused
from margin.prices import Prices
from margin.screen import Floats, Screen
from margin.verdict import Verdict
from protocols.base import Audit, Book, Failed, Numeraire, VenueConfig, Verified
from protocols.book import Cells, CellsRead, Index, Liquidated, Total, Touched
from protocols.compound_v2 import cells as cells_
from protocols.compound_v2 import changes as changes_
from protocols.compound_v2 import events, ground, linear, liquidated, liquidation, parts
from protocols.compound_v2.pool import USD_DECIMALS, Pool
from protocols.compound_v2.read_accounts import read_accounts, read_reported, unjudgeable
from protocols.compound_v2.read_pool import COMPTROLLER, read_pool, read_totals
from protocols.compound_v2.state import CompoundAccount


@dataclass(frozen=True, slots=True)
class CompoundVenue(Pool):
    """A Comptroller at one block that can read accounts and say what the engine asks of any venue."""

    config: VenueConfig
    layouts: dict[Address, int] = field(default_factory=dict, compare=False, repr=False)
    """What is known of the markets' storage (see `debts`); shared with the same venue later."""

    def read(self, reader: Reader, owners: Sequence[Address]) -> Book[CompoundAccount]:
        """The account of each owner, in bulk; see `read_accounts`."""
        if reader.block != self.block:
            raise ValueError("accounts are read at the venue's own block")
        return Book(self, read_accounts(self, reader, owners, self.layouts))

    def key(self, account: CompoundAccount) -> AccountKey:
        """The user's address is the account."""
        return account.key

    @property
    def numeraire(self) -> Numeraire:
        """The oracle's prices are US dollars, so that values have 18 decimals."""
        return Numeraire(None, 10**USD_DECIMALS)

    def numeraire_of(self, account: CompoundAccount) -> Numeraire | None:  # noqa: ARG002 - all have the same
        """The venue's."""
        return self.numeraire

    def audit(self, account: CompoundAccount) -> Audit:
        """Ours on balances as stored, against `getAccountLiquidity`, which counts them so."""
        said = account.reported
        if said is None:
            return Audit({}, None)
        margin_raw = self.verdict(account, accrue=()).margin_raw
        return Audit(
            reported={"liquidity": str(said.liquidity_raw), "shortfall": str(said.shortfall_raw)},
            agrees=(max(margin_raw, 0), max(-margin_raw, 0)) == (said.liquidity_raw, said.shortfall_raw),
        )

    def reported_liquidatable(self, account: CompoundAccount) -> bool:
        """A shortfall by the Comptroller's own view, or for some pair as `liquidateBorrow` counts it.

        Either can be there before `verdict` has one: where accruing a third market would add more
        to the collateral than to the debt.
        """
        if account.reported is not None and account.reported.shortfall_raw:
            return True
        margin_raw = self.as_it_is(account)
        return margin_raw is not None and margin_raw < 0

    def blocked(self, account: CompoundAccount) -> str | None:
        """See `liquidation.blocked`."""
        return liquidation.blocked(self, account)

    def notes(self, account: CompoundAccount) -> Iterator[str]:
        """Debts that could not be read to the unit, VAI, markets not entered, shortfalls not seen by all."""
        for position in account.positions:
            symbol = self.symbol(position.market)
            if position.debt and position.debt.rounded:
                yield f"the {symbol} debt is rounded up: no node tells how it was booked"
            if position.tokens and not position.entered:
                yield f"{symbol} is supplied and not entered: it backs no debt, and can be seized"
        if account.minted_vai_raw:
            yield "VAI is liquidated at its own controller"
        stored = self.verdict(account, accrue=())
        as_it_is = self.as_it_is(account)
        if self.verdict(account).liquidatable:
            if as_it_is is not None and as_it_is >= 0:
                yield "liquidatable once other markets have accrued"
        elif as_it_is is not None and as_it_is < 0:
            yield "liquidatable until other markets accrue"
        elif stored.liquidatable:
            yield "no shortfall is left once its markets have accrued"

    def gaps(self) -> Iterator[tuple[str, Unread]]:
        """Markets without a usable price, and those that cannot accrue."""
        for market in self.markets.values():
            if isinstance(market.feed, Unread):
                yield market.symbol, market.feed
            if market.stuck is not None:
                yield market.symbol, market.stuck

    def changed(self, account: CompoundAccount, changes: Sequence[Change]) -> CompoundAccount | Refused:
        """See `changes.changed`."""
        return changes_.changed(self, account, changes)

    def worst_between(self, a: Verdict, b: Verdict) -> Verdict:
        """See `linear.worst_between`."""
        return linear.worst_between(a, b)

    def ground(self, account: CompoundAccount) -> Mapping[str, str | int]:
        """See `ground.ground`."""
        return ground.ground(self, account)

    # The whole book: see `protocols.book.Tracked`

    def history(self) -> LogFilter:
        """See `events.history`."""
        return events.history(self)

    def watched(self) -> LogFilter:
        """See `events.watched`."""
        return events.watched(self)

    def touched(self, logs: Iterable[Log]) -> Touched:
        """See `events.touched`."""
        return events.touched(self, logs)

    def liquidations_in(self, logs: Iterable[Log]) -> tuple[Liquidated, ...]:
        """See `liquidated.liquidations_in`."""
        return liquidated.liquidations_in(self, logs)

    def at_block(self, reader: Reader) -> CompoundVenue:
        """Everything is read again: a market's cash can grow without an event of its own."""
        return _opened(reader, self.config, self.layouts)

    @property
    def common_parts(self) -> tuple[int, ...]:
        """See `parts.common`."""
        return parts.common(self)

    def silent_since(self, earlier: CompoundVenue | None) -> frozenset[int]:  # noqa: ARG002 - events tell of all
        """None."""
        return frozenset()

    @property
    def parts(self) -> frozenset[int]:
        """See `parts.parts_of`."""
        return parts.parts_of(self)

    def read_cells(self, reader: Reader, ids: Sequence[bytes], row: Index, part: Index) -> CellsRead:
        """See `cells.read_cells`."""
        return cells_.read_cells(self, reader, ids, row, part, self.layouts)

    def implied(self, cells: Cells) -> tuple[Index, Index]:
        """See `cells.implied`."""
        return cells_.implied(cells)

    def key_of(self, id_: bytes) -> AccountKey:
        """The user's address is the account."""
        return cells_.key_of(self, id_)

    def account_of(self, id_: bytes, words: Mapping[int, int]) -> CompoundAccount | Failed | None:
        """See `cells.account_of`; one that cannot be judged says why."""
        account = cells_.account_of(self, id_, words)
        return None if account is None else self._judgeable(account)

    def with_modes(self, reader: Reader, cells: Cells) -> CompoundVenue:  # noqa: ARG002 - nothing is shared
        """Accounts share nothing but the markets."""
        return self

    def carry(
        self,
        reader: Reader,  # noqa: ARG002 - nothing has to be read
        accounts: Sequence[CompoundAccount],
    ) -> tuple[CompoundVenue, list[CompoundAccount | Failed]]:
        """The accounts without the Comptroller's view: balances and debts stand as they were booked."""
        return self, [self._judgeable(replace(account, reported=None)) for account in accounts]

    def with_views(
        self, reader: Reader, accounts: Sequence[CompoundAccount]
    ) -> list[CompoundAccount | Failed]:
        """The accounts with `getAccountLiquidity` beside them."""
        return read_reported(self, reader, accounts)

    def screen(self, cells: Cells) -> Screen:
        """See `cells.screen`."""
        return cells_.screen(self, cells)

    def unit_values(self, prices: Prices | None = None, at: int | None = None) -> Floats:
        """See `cells.Terms.values`."""
        return cells_.Terms(self).values(
            self.prices if prices is None else prices, self.clock.now if at is None else at
        )

    def totals(self, reader: Reader) -> tuple[Total, ...]:
        """See `read_totals`."""
        return read_totals(self, reader, self.config)

    def _judgeable(self, account: CompoundAccount) -> CompoundAccount | Failed:
        why = unjudgeable(self, account)
        return account if why is None else Failed(account.key, why)


def _opened(reader: Reader, config: VenueConfig, layouts: dict[Address, int]) -> CompoundVenue:
    pool = read_pool(reader, config)
    own = {f.name: getattr(pool, f.name) for f in fields(pool)}
    return CompoundVenue(**own, config=config, layouts=layouts)


class CompoundV2:
    """See `protocols.base.Adapter`."""

    protocol = "compound-v2"
    address_keys = (COMPTROLLER,)
    verified = (
        Verified(
            "genuine contracts",
            "Venus 0.7.0 as its registry ships it: Unitroller, ComptrollerG5, VBep20Immutable; "
            "Compound's own Comptroller has the same shape without VAI, and was not tried",
            "2026-11-23",
        ),
    )

    def open(self, reader: Reader, config: VenueConfig) -> CompoundVenue:
        """The Comptroller and its markets, at the reader's block."""
        return _opened(reader, config, {})


ADAPTER = CompoundV2()
