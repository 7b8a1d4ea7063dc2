"""Aave v2 as the rest of the project sees it: an adapter, and a venue at one block."""

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
from margin.units import UINT256_MAX, WAD
from margin.verdict import Verdict
from protocols.aave_common.stored_cells import read_cells
from protocols.aave_v2 import cells as cells_
from protocols.aave_v2 import changes as changes_
from protocols.aave_v2 import events, ground, liquidation, parts
from protocols.aave_v2.read_accounts import read_accounts, read_reported
from protocols.aave_v2.read_market import PROVIDER, read_market, read_prices, read_totals
from protocols.aave_v2.state import PoolAccount, Reported
from protocols.aave_v2.venue import Market
from protocols.base import Audit, Book, Failed, Numeraire, VenueConfig, Verified
from protocols.book import Cells, CellsRead, Index, Liquidated, Total, Touched


@dataclass(frozen=True, slots=True)
class PoolVenue(Market):
    """A pool at one block that can read accounts and say what the engine asks of any venue."""

    config: VenueConfig
    proven: dict[tuple[Address, int], bool] = field(default_factory=dict, compare=False, repr=False)
    """What is known of the contracts' storage (see `stored_cells`); shared with the same venue later."""

    def read(self, reader: Reader, owners: Sequence[Address]) -> Book[PoolAccount]:
        """The account of each owner, in bulk; see `read_accounts`."""
        if reader.block != self.block:
            raise ValueError("accounts are read at the venue's own block")
        return Book(self, read_accounts(self, reader, owners))

    def key(self, account: PoolAccount) -> AccountKey:
        """The user's address is the account."""
        return account.key

    @property
    def numeraire(self) -> Numeraire | None:
        """What the oracle says that its prices are in: ether in most pools; none where it does not say."""
        return self.oracle.numeraire(self.config) if self.numeraire_known else None

    def numeraire_of(self, account: PoolAccount) -> Numeraire | None:  # noqa: ARG002 - all have the same
        """The venue's."""
        return self.numeraire

    def audit(self, account: PoolAccount) -> Audit:
        """Ours against all six figures of `getUserAccountData`."""
        said = account.reported
        if said is None:
            return Audit({}, None)
        figures = {
            "healthFactor": said.health_factor_wad,
            "totalCollateralETH": said.collateral_raw,
            "totalDebtETH": said.debt_raw,
            "availableBorrowsETH": said.available_raw,
            "currentLiquidationThreshold": said.threshold_bps,
            "ltv": said.ltv_bps,
        }
        return Audit({name: str(figure) for name, figure in figures.items()}, self.view(account) == said)

    def view(self, account: PoolAccount, prices: Prices | None = None, at: int | None = None) -> Reported:
        """What `getUserAccountData` would say at these prices and this timestamp, by our arithmetic."""
        verdict = self.verdict(account, prices, at)
        available_raw, ltv_bps = self.borrowing_power(account, prices, at)
        health = UINT256_MAX if verdict.health_factor_wad is None else verdict.health_factor_wad
        return Reported(
            collateral_raw=verdict.assets_raw,
            debt_raw=verdict.liabilities_raw,
            available_raw=available_raw,
            threshold_bps=self.average_threshold_bps(verdict),
            ltv_bps=ltv_bps,
            health_factor_wad=health,
        )

    def reported_liquidatable(self, account: PoolAccount) -> bool:
        """Whether the pool's own view puts the account below the edge; ours where it was not asked."""
        if account.reported is None:
            return self.verdict(account).liquidatable
        return account.reported.health_factor_wad < WAD

    def blocked(self, account: PoolAccount) -> str | None:
        """See `liquidation.blocked`."""
        return liquidation.blocked(self, account)

    def notes(self, account: PoolAccount) -> Iterator[str]:
        """A paused pool, stable debt, and reserves of the account that are frozen or at zero LTV."""
        if self.paused:
            yield "the pool is paused"
        for position in account.positions:
            reserve = self.reserves[position.reserve]
            if reserve.configuration.frozen:
                yield f"{reserve.symbol} is frozen"
            if position.stable:
                yield f"{reserve.symbol} owed at a stable rate"
            if self.counts(account, reserve) and not reserve.configuration.ltv_bps:
                yield f"{reserve.symbol} has zero LTV"

    def gaps(self) -> Iterator[tuple[str, Unread]]:
        """Reserves without a usable price."""
        for reserve in self.reserves.values():
            if isinstance(reserve.quote, Unread):
                yield reserve.symbol, reserve.quote

    def changed(self, account: PoolAccount, changes: Sequence[Change]) -> PoolAccount | Refused:
        """See `changes.changed`."""
        return changes_.changed(self, account, changes)

    def worst_between(self, a: Verdict, b: Verdict) -> Verdict:
        """See `changes.worst_between`."""
        return changes_.worst_between(a, b)

    def ground(self, account: PoolAccount) -> Mapping[str, str | int]:
        """See `ground.ground`."""
        return ground.ground(self, account)

    # The whole book: see `protocols.book.Tracked`

    def history(self) -> LogFilter:
        """See `events.history`."""
        return events.history(self)

    def watched(self) -> LogFilter:
        """See `events.watched`."""
        return events.watched(self, self.config.addresses[PROVIDER])

    def touched(self, logs: Iterable[Log]) -> Touched:
        """See `events.touched`."""
        return events.touched(self, logs)

    def liquidations_in(self, logs: Iterable[Log]) -> tuple[Liquidated, ...]:
        """See `events.liquidations_in`."""
        return events.liquidations_in(self, logs)

    def at_block(self, reader: Reader) -> PoolVenue:
        """Prices read again; reserves stand as their last events left them."""
        return read_prices(self, reader, self.config)

    @property
    def common_parts(self) -> tuple[int, ...]:
        """Flags."""
        return parts.COMMON

    def silent_since(self, earlier: PoolVenue | None) -> frozenset[int]:  # noqa: ARG002 - events tell of all
        """None."""
        return frozenset()

    @property
    def parts(self) -> frozenset[int]:
        """See `parts.parts_of`."""
        return parts.parts_of(self)

    def read_cells(self, reader: Reader, ids: Sequence[bytes], row: Index, part: Index) -> CellsRead:
        """See `aave_common.stored_cells.read_cells`."""
        return read_cells(parts.PoolLayout(self), reader, ids, row, part, self.proven)

    def implied(self, cells: Cells) -> tuple[Index, Index]:
        """See `cells.implied`."""
        return cells_.implied(self, cells)

    def key_of(self, id_: bytes) -> AccountKey:
        """The user's address is the account."""
        return cells_.key_of(self, id_)

    def account_of(self, id_: bytes, words: Mapping[int, int]) -> PoolAccount | Failed | None:
        """See `cells.account_of`; one that cannot be judged says why."""
        account = cells_.account_of(self, id_, words)
        return None if account is None else self._judgeable(account)

    def with_modes(self, reader: Reader, cells: Cells) -> PoolVenue:  # noqa: ARG002 - there are none
        """Accounts share nothing but the reserves."""
        return self

    def carry(
        self,
        reader: Reader,  # noqa: ARG002 - nothing is shared by some accounts only
        accounts: Sequence[PoolAccount],
    ) -> tuple[PoolVenue, list[PoolAccount | Failed]]:
        """The accounts without the pool's view, which was of then."""
        return self, [self._judgeable(replace(account, reported=None)) for account in accounts]

    def with_views(self, reader: Reader, accounts: Sequence[PoolAccount]) -> list[PoolAccount | Failed]:
        """The accounts with `getUserAccountData` beside them."""
        return read_reported(self, reader, accounts)

    def screen(self, cells: Cells) -> Screen:
        """See `cells.screen`."""
        return cells_.screen(self, cells)

    def unit_values(self, prices: Prices | None = None, at: int | None = None) -> Floats:
        """See `cells.unit_values`."""
        prices = self.prices if prices is None else prices
        return cells_.unit_values(self, prices, self.timestamp if at is None else at)

    def totals(self, reader: Reader) -> tuple[Total, ...]:
        """See `read_totals`."""
        return read_totals(self, reader, self.config)

    def _judgeable(self, account: PoolAccount) -> PoolAccount | Failed:
        why = cells_.unjudgeable(self, account)
        return account if why is None else Failed(account.key, why)


class AaveV2:
    """See `protocols.base.Adapter`."""

    protocol = "aave-v2"
    address_keys = (PROVIDER,)
    verified = (Verified("genuine contracts", "v2 (revision 2), as its registry ships it", "2026-11-23"),)

    def open(self, reader: Reader, config: VenueConfig) -> PoolVenue:
        """The pool behind the addresses provider, at the reader's block."""
        market = read_market(reader, config)
        return PoolVenue(**{f.name: getattr(market, f.name) for f in fields(market)}, config=config)


ADAPTER = AaveV2()
