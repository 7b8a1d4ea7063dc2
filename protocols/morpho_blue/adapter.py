"""Morpho Blue as the rest of the project sees it: an adapter, and a venue at one block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from types import MappingProxyType

import numpy as np

from chain.logs import Log, LogFilter
from chain.reader import Reader
from margin.account import AccountKey
from margin.basics import Address, Unread
from margin.mending import Change, Refused
from margin.prices import Prices
from margin.screen import Floats, Screen
from protocols.base import Audit, Book, Failed, ListOf, Numeraire, VenueConfig, Verified
from protocols.book import Cells, CellsRead, Index, Liquidated, Total, Touched
from protocols.morpho_blue import cells as cells_
from protocols.morpho_blue import changes as changes_
from protocols.morpho_blue import events, ground
from protocols.morpho_blue.find_markets import MARKETS, MORPHO
from protocols.morpho_blue.read_accounts import read_accounts, unjudgeable
from protocols.morpho_blue.read_markets import read_totals, read_venue, with_prices
from protocols.morpho_blue.state import MorphoAccount
from protocols.morpho_blue.venue import Markets


@dataclass(frozen=True, slots=True)
class MorphoVenue(Markets):
    """A Morpho Blue at one block that can read accounts and say what the engine asks of any venue."""

    config: VenueConfig

    def read(self, reader: Reader, owners: Sequence[Address]) -> Book[MorphoAccount]:
        """The accounts of each owner, in bulk; see `read_accounts`."""
        if reader.block != self.block:
            raise ValueError("accounts are read at the venue's own block")
        return Book(self, read_accounts(self, reader, owners))

    def key(self, account: MorphoAccount) -> AccountKey:
        """The owner and the market."""
        return account.key

    @property
    def numeraire(self) -> None:
        """Each market has its own."""
        return None

    def numeraire_of(self, account: MorphoAccount) -> Numeraire:
        """The market's loan token."""
        loan = self.market_of(account).loan
        return Numeraire(loan.address, 10**loan.decimals, self.config.factor(loan.address))

    def audit(self, account: MorphoAccount) -> Audit:  # noqa: ARG002 - there is nothing to ask
        """Morpho has no view of an account's health. Its rate model has one of interest: `read_markets`."""
        return Audit({}, None)

    def reported_liquidatable(self, account: MorphoAccount) -> bool:
        """Our verdict's word."""
        return self.verdict(account).liquidatable

    def blocked(self, account: MorphoAccount) -> str | None:  # noqa: ARG002 - nothing holds it back
        """Nothing: Morpho has no pause, and of an unhealthy debt at least one share can be repaid."""
        return None

    def notes(self, account: MorphoAccount) -> Iterator[str]:
        """See `ground.notes`."""
        return ground.notes(self, account)

    def ground(self, account: MorphoAccount) -> Mapping[str, str | int]:
        """See `ground.ground`."""
        return ground.ground(self, account)

    def gaps(self) -> Iterator[tuple[str, Unread]]:
        """Markets in which something is borrowed, and whose accounts cannot be judged."""
        for market in self.markets.values():
            name = f"{market.name} {market.id[:10]}…"
            if not market.state.borrow_shares:
                continue
            if market.rate_problem is not None:
                yield name, market.rate_problem
            elif isinstance(market.quote, Unread):
                yield name, market.quote

    def changed(self, account: MorphoAccount, changes: Sequence[Change]) -> MorphoAccount | Refused:
        """See `changes.changed`."""
        return changes_.changed(self, account, changes)

    # The whole book: see `protocols.book.Tracked`

    def history(self) -> LogFilter:
        """See `events.history`."""
        return events.history(self)

    def watched(self) -> LogFilter:
        """See `events.watched`."""
        return events.watched(self)

    def touched(self, logs: Iterable[Log]) -> Touched:
        """See `events.touched`."""
        return events.touched(self, logs, all_markets=not self.config.options.get(MARKETS))

    def liquidations_in(self, logs: Iterable[Log]) -> tuple[Liquidated, ...]:
        """See `events.liquidations_in`."""
        return tuple(events.liquidations_in(self, logs))

    def at_block(self, reader: Reader) -> MorphoVenue:
        """Prices read again; markets stand as their last events left them."""
        return with_prices(self, reader, self.config)

    @property
    def common_parts(self) -> tuple[int, ...]:
        """None: every part of a position has its events."""
        return ()

    def silent_since(self, earlier: MorphoVenue | None) -> frozenset[int]:  # noqa: ARG002 - events tell of all
        """None."""
        return frozenset()

    @property
    def parts(self) -> frozenset[int]:
        """Supply shares, borrow shares and collateral, of every market."""
        return cells_.PARTS

    def read_cells(self, reader: Reader, ids: Sequence[bytes], row: Index, part: Index) -> CellsRead:
        """See `cells.read_cells`."""
        return cells_.read_cells(self, reader, ids, row, part)

    def implied(self, cells: Cells) -> tuple[Index, Index]:  # noqa: ARG002 - events name everything
        """Nothing more than the events say."""
        return np.zeros(0, np.int32), np.zeros(0, np.int32)

    def key_of(self, id_: bytes) -> AccountKey:
        """See `cells.key_of`."""
        return cells_.key_of(self, id_)

    def account_of(self, id_: bytes, words: Mapping[int, int]) -> MorphoAccount | Failed | None:
        """See `cells.account_of`; one that cannot be judged says why."""
        account = cells_.account_of(self, id_, words)
        return None if account is None else self._judgeable(account)

    def with_modes(self, reader: Reader, cells: Cells) -> MorphoVenue:  # noqa: ARG002 - there are none
        """Itself: accounts share nothing but their markets."""
        return self

    def carry(
        self,
        reader: Reader,  # noqa: ARG002 - nothing is asked
        accounts: Sequence[MorphoAccount],
    ) -> tuple[MorphoVenue, list[MorphoAccount | Failed]]:
        """The accounts as they are, in the markets as they are now."""
        return self, [self._judgeable(account) for account in accounts]

    def with_views(
        self,
        reader: Reader,  # noqa: ARG002 - there is no view
        accounts: Sequence[MorphoAccount],
    ) -> list[MorphoAccount | Failed]:
        """The accounts: Morpho says nothing of them."""
        return list(accounts)

    def screen(self, cells: Cells) -> Screen:
        """See `cells.screen`."""
        return cells_.screen(self, cells)

    def unit_values(self, prices: Prices | None = None, at: int | None = None) -> Floats:
        """See `cells.Terms.values`."""
        return cells_.Terms(self).values(
            self.prices if prices is None else prices, self.block.timestamp if at is None else at
        )

    def totals(self, reader: Reader) -> tuple[Total, ...]:
        """See `read_markets.read_totals`."""
        return read_totals(self, reader, self.config)

    def _judgeable(self, account: MorphoAccount) -> MorphoAccount | Failed:
        why = unjudgeable(self, account)
        return account if why is None else Failed(account.key, why)


class MorphoBlue:
    """See `protocols.base.Adapter`."""

    protocol = "morpho-blue"
    address_keys = (MORPHO,)
    option_keys: Mapping[str, ListOf] = MappingProxyType({MARKETS: ListOf.BYTES32})
    on_request = "which markets it has is told by its events alone, of years"
    verified = (
        Verified(
            "genuine contracts",
            "Morpho Blue 1.0.0 (npm @morpho-org/morpho-blue) with the AdaptiveCurveIrm",
            "2026-11-23",
        ),
    )

    def open(self, reader: Reader, config: VenueConfig) -> MorphoVenue:
        """The venue with its markets, at the reader's block; `find_markets` says what finding them costs."""
        found = read_venue(reader, config)
        return MorphoVenue(**{f.name: getattr(found, f.name) for f in fields(found)}, config=config)


ADAPTER = MorphoBlue()
