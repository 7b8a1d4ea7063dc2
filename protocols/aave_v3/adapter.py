"""Aave v3 as the rest of the project sees it: an adapter, and a venue at one block."""

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
from margin.units import UINT256_MAX
from margin.verdict import Verdict
from protocols.aave_common.quotes import Quotes
from protocols.aave_common.stored_cells import read_cells
from protocols.aave_v3 import cells as cells_
from protocols.aave_v3 import changes as changes_
from protocols.aave_v3 import events, ground, liquidated, liquidation, parts
from protocols.aave_v3.layout import PoolLayout
from protocols.aave_v3.read_accounts import (
    read_accounts,
    read_emodes,
    read_reported,
    unjudgeable,
)
from protocols.aave_v3.read_market import PROVIDER, read_market, read_prices, read_totals
from protocols.aave_v3.state import AaveAccount
from protocols.aave_v3.venue import Market
from protocols.base import Audit, Book, Failed, Numeraire, VenueConfig, Verified
from protocols.book import Cells, CellsRead, Index, Liquidated, Total, Touched


@dataclass(frozen=True, slots=True)
class AaveVenue(Market):
    """A pool at one block that can read accounts and say what the engine asks of any venue."""

    config: VenueConfig
    broken_modes: Mapping[int, Unread] = field(default_factory=dict)
    """E-modes that accounts are in and that could not be read."""
    layouts: dict[tuple[Address, int], bool] = field(default_factory=dict, compare=False, repr=False)
    """What is known of the contracts' storage (see `stored_cells`); shared with the same venue later."""

    def read(self, reader: Reader, owners: Sequence[Address]) -> Book[AaveAccount]:
        """The account of each owner, in bulk; see `read_accounts`."""
        if reader.block != self.block:
            raise ValueError("accounts are read at the venue's own block")
        quotes = Quotes(reader, self.oracle, self.config, self.feeds)
        venue, accounts = read_accounts(self, reader, owners, quotes)
        return Book(venue, accounts)

    def key(self, account: AaveAccount) -> AccountKey:
        """The user's address is the account."""
        return account.key

    @property
    def numeraire(self) -> Numeraire:
        """The oracle's base currency, or the US dollar where that is no token."""
        return self.oracle.numeraire(self.config)

    def numeraire_of(self, account: AaveAccount) -> Numeraire | None:  # noqa: ARG002 - all have the same
        """The venue's."""
        return self.numeraire

    def audit(self, account: AaveAccount) -> Audit:
        """Ours against `getUserAccountData`: collateral, debt, average threshold and health factor."""
        ours = self.verdict(account)
        said = account.reported
        if said is None:
            return Audit({}, None)
        health = UINT256_MAX if ours.health_factor_wad is None else ours.health_factor_wad
        return Audit(
            reported={
                "healthFactor": str(said.health_factor_wad),
                "totalCollateralBase": str(said.collateral_raw),
                "totalDebtBase": str(said.debt_raw),
                "currentLiquidationThreshold": str(said.threshold_bps),
            },
            agrees=(health, ours.assets_raw, ours.liabilities_raw, self.average_threshold_bps(ours))
            == (said.health_factor_wad, said.collateral_raw, said.debt_raw, said.threshold_bps),
        )

    def reported_liquidatable(self, account: AaveAccount) -> bool:
        """Whether the pool's own view puts the account below the edge; ours where it was not asked."""
        if account.reported is None:
            return self.verdict(account).liquidatable
        return account.reported.health_factor_wad < 10**18

    def blocked(self, account: AaveAccount) -> str | None:
        """See `liquidation.blocked`."""
        return liquidation.blocked(self, account)

    def notes(self, account: AaveAccount) -> Iterator[str]:
        """E-mode, isolation mode, and reserves of the account that are paused, frozen or at zero LTV."""
        if account.emode:
            yield f"e-mode {self.emodes[account.emode].label or account.emode}"
        for position in account.positions:
            reserve = self.reserves[position.reserve]
            configuration = reserve.configuration
            isolating = self.rules.isolation_mode and configuration.debt_ceiling
            if isolating and account.uses_as_collateral(reserve.id):
                yield f"isolation mode on {reserve.symbol}"
            if configuration.paused:
                yield f"{reserve.symbol} is paused"
            elif configuration.frozen:
                yield f"{reserve.symbol} is frozen"
            if not configuration.ltv_bps and account.uses_as_collateral(reserve.id):
                yield f"{reserve.symbol} has zero LTV"

    def gaps(self) -> Iterator[tuple[str, Unread]]:
        """Reserves without a usable price."""
        for reserve in self.reserves.values():
            if isinstance(reserve.quote, Unread):
                yield reserve.symbol, reserve.quote

    def changed(self, account: AaveAccount, changes: Sequence[Change]) -> AaveAccount | Refused:
        """See `changes.changed`."""
        return changes_.changed(self, account, changes)

    def worst_between(self, a: Verdict, b: Verdict) -> Verdict:
        """See `changes.worst_between`."""
        return changes_.worst_between(self, a, b)

    def ground(self, account: AaveAccount) -> Mapping[str, str | int]:
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
        """See `liquidated.liquidations_in`."""
        return liquidated.liquidations_in(self, logs)

    def at_block(self, reader: Reader) -> AaveVenue:
        """Prices and sentinel read again; reserves stand as their last events left them."""
        return read_prices(self, reader, self.config)

    @property
    def common_parts(self) -> tuple[int, ...]:
        """Flags and e-mode."""
        return parts.COMMON

    def silent_since(self, earlier: AaveVenue | None) -> frozenset[int]:  # noqa: ARG002 - events tell of all
        """None."""
        return frozenset()

    @property
    def parts(self) -> frozenset[int]:
        """See `parts.parts_of`."""
        return parts.parts_of(self)

    def read_cells(self, reader: Reader, ids: Sequence[bytes], row: Index, part: Index) -> CellsRead:
        """See `aave_common.stored_cells.read_cells`."""
        return read_cells(PoolLayout(self), reader, ids, row, part, self.layouts)

    def implied(self, cells: Cells) -> tuple[Index, Index]:
        """See `cells.implied`."""
        return cells_.implied(self, cells)

    def key_of(self, id_: bytes) -> AccountKey:
        """The user's address is the account."""
        return cells_.key_of(self, id_)

    def account_of(self, id_: bytes, words: Mapping[int, int]) -> AaveAccount | Failed | None:
        """See `cells.account_of`; one that cannot be judged says why."""
        account = cells_.account_of(self, id_, words)
        if account is None:
            return None
        why = unjudgeable(self, account, self.broken_modes)
        return account if why is None else Failed(account.key, why)

    def with_modes(self, reader: Reader, cells: Cells) -> AaveVenue:
        """The e-modes that the accounts are in, those not known yet read now."""
        wanted = {int(mode) for mode in set(cells_.modes(cells).tolist()) - {0}}
        if wanted <= set(self.emodes):
            return self
        quotes = Quotes(reader, self.oracle, self.config, self.feeds)
        market, broken = read_emodes(self, reader, sorted(wanted), quotes)
        return replace(market, broken_modes=broken)

    def carry(
        self, reader: Reader, accounts: Sequence[AaveAccount]
    ) -> tuple[AaveVenue, list[AaveAccount | Failed]]:
        """The accounts without the pool's view, and the e-modes they are in, those not known yet read now."""
        wanted = {account.emode for account in accounts} - {0} - set(self.emodes)
        quotes = Quotes(reader, self.oracle, self.config, self.feeds)
        venue, broken = read_emodes(self, reader, sorted(wanted), quotes)
        carried: list[AaveAccount | Failed] = []
        for account in accounts:
            why = unjudgeable(venue, account, broken)
            carried.append(replace(account, reported=None) if why is None else Failed(account.key, why))
        return venue, carried

    def with_views(self, reader: Reader, accounts: Sequence[AaveAccount]) -> list[AaveAccount | Failed]:
        """The accounts with `getUserAccountData` beside them."""
        return read_reported(self, reader, accounts)

    def screen(self, cells: Cells) -> Screen:
        """See `cells.screen`."""
        return cells_.screen(self, cells)

    def unit_values(self, prices: Prices | None = None, at: int | None = None) -> Floats:
        """See `cells.Terms.values`."""
        return cells_.Terms(self).values(
            self.prices if prices is None else prices, self.timestamp if at is None else at
        )

    def totals(self, reader: Reader) -> tuple[Total, ...]:
        """See `read_totals`."""
        return read_totals(self, reader, self.config)


class AaveV3:
    """See `protocols.base.Adapter`."""

    protocol = "aave-v3"
    address_keys = (PROVIDER,)
    verified = (
        Verified("genuine contracts", "v3.0.2 and v3.2, as their registries ship them", "2026-11-23"),
        Verified(
            "genuine contracts",
            "v3.1 e627c742, v3.3 5431379f, v3.4 d7a64127, v3.5 6138e1fd, v3.6 5a230ec8, v3.7 fd1fbd91, "
            "built from aave-dao/aave-v3-origin",
            "2026-11-23",
        ),
        Verified(
            "genuine contracts",
            "SparkLend v1.0.0 8120e495 (v3.0), built from marsfoundation/sparklend-v1-core",
            "2026-11-24",
        ),
    )

    def open(self, reader: Reader, config: VenueConfig) -> AaveVenue:
        """The pool behind the addresses provider, at the reader's block."""
        market = read_market(reader, config)
        return AaveVenue(**{f.name: getattr(market, f.name) for f in fields(market)}, config=config)


ADAPTER = AaveV3()
