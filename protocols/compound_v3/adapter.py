"""Compound v3 as the rest of the project sees it: an adapter, and a venue at one block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from chain.logs import Log, LogFilter
from chain.reader import Reader
from margin.account import AccountKey
from margin.basics import Address, Unread
from margin.mending import Change, Refused
from margin.prices import Prices
from margin.screen import Floats, Screen
from protocols.base import Audit, Book, Failed, Numeraire, VenueConfig, Verified
from protocols.book import Cells, CellsRead, Index, Liquidated, Total, Touched
from protocols.compound_v3 import cells as cells_
from protocols.compound_v3 import changes as changes_
from protocols.compound_v3 import events, ground, liquidation, parts
from protocols.compound_v3.parts import LENT, OWED
from protocols.compound_v3.read_accounts import read_accounts, read_again, read_reported, unjudgeable
from protocols.compound_v3.read_market import COMET, read_market, read_totals
from protocols.compound_v3.state import CometAccount
from protocols.compound_v3.venue import Market


@dataclass(frozen=True, slots=True)
class CometVenue(Market):
    """A Comet at one block that can read accounts and say what the engine asks of any venue."""

    config: VenueConfig

    def numeraire_of(self, account: CometAccount) -> Numeraire | None:  # noqa: ARG002 - all have the same
        """The venue's."""
        return self.numeraire

    def read(self, reader: Reader, owners: Sequence[Address]) -> Book[CometAccount]:
        """The account of each owner, in bulk; see `read_accounts`."""
        if reader.block != self.block:
            raise ValueError("accounts are read at the venue's own block")
        return Book(self, read_accounts(self, reader, owners))

    def key(self, account: CometAccount) -> AccountKey:
        """The user's address is the account."""
        return account.key

    def audit(self, account: CometAccount) -> Audit:
        """`isLiquidatable` on the debt as stored, as it counts; both balances with interest, to the unit."""
        said = account.reported
        if said is None:
            return Audit({}, None)
        balance_raw = self.balance_raw(account)
        ours = (self.verdict(account, stored=True).liquidatable, max(0, -balance_raw), max(0, balance_raw))
        return Audit(
            reported={
                "isLiquidatable": str(said.liquidatable).lower(),
                "borrowBalanceOf": str(said.owed_raw),
                "balanceOf": str(said.lent_raw),
            },
            agrees=ours == (said.liquidatable, said.owed_raw, said.lent_raw),
        )

    def reported_liquidatable(self, account: CometAccount) -> bool:
        """`isLiquidatable`, which does not accrue; our verdict on the same debt where it was not asked."""
        if account.reported is not None:
            return account.reported.liquidatable
        return self.verdict(account, stored=True).liquidatable

    def blocked(self, account: CometAccount) -> str | None:  # noqa: ARG002 - it holds for all
        """See `liquidation.blocked`."""
        return liquidation.blocked(self)

    def notes(self, account: CometAccount) -> Iterator[str]:
        """See `ground.notes`."""
        return ground.notes(self, account)

    def ground(self, account: CometAccount) -> Mapping[str, str | int]:
        """See `ground.ground`."""
        return ground.ground(self, account)

    def gaps(self) -> Iterator[tuple[str, Unread]]:
        """Tokens without a usable price, and interest that cannot be computed."""
        quotes = [(self.base.symbol, self.base.feed)]
        quotes += [(asset.symbol, asset.feed) for asset in self.assets.values()]
        for symbol, feed in quotes:
            if isinstance(feed, Unread):
                yield symbol, feed
        if self.stuck is not None:
            yield "interest", self.stuck

    def changed(self, account: CometAccount, changes: Sequence[Change]) -> CometAccount | Refused:
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
        return events.touched(self, logs)

    def liquidations_in(self, logs: Iterable[Log]) -> tuple[Liquidated, ...]:
        """See `events.liquidations_in`."""
        return tuple(events.liquidations_in(self, logs))

    def at_block(self, reader: Reader) -> CometVenue:
        """Everything is read again: anybody can have the market accrue, and no event tells of it."""
        return _opened(reader, self.config)

    def silent_since(self, earlier: Market | None) -> frozenset[int]:
        """The base of every account, where the market accrued since: a debt can move without an event.

        Blocks can share a second, so an accrual in that of the earlier block counts as one since.
        """
        if earlier is not None and self.booked.accrued_at < earlier.block.timestamp:
            return frozenset()
        return frozenset({LENT, OWED})

    @property
    def common_parts(self) -> tuple[int, ...]:
        """What is lent and owed: a debt can come without an event that names it."""
        return (LENT, OWED)

    @property
    def parts(self) -> frozenset[int]:
        """What is lent, what is owed, and each collateral."""
        return frozenset({LENT, OWED, *(parts.part_of(asset) for asset in self.assets)})

    def read_cells(self, reader: Reader, ids: Sequence[bytes], row: Index, part: Index) -> CellsRead:
        """See `cells.read_cells`."""
        return cells_.read_cells(self, reader, ids, row, part)

    def implied(self, cells: Cells) -> tuple[Index, Index]:  # noqa: ARG002 - events name everything
        """Nothing more than the events say."""
        return np.zeros(0, np.int32), np.zeros(0, np.int32)

    def key_of(self, id_: bytes) -> AccountKey:
        """The user's address is the account."""
        return cells_.key_of(self, id_)

    def account_of(self, id_: bytes, words: Mapping[int, int]) -> CometAccount | Failed | None:
        """See `cells.account_of`; one that cannot be judged says why."""
        account = cells_.account_of(self, id_, words)
        if account is None:
            return None
        why = unjudgeable(self, account)
        return account if why is None else Failed(account.key, why)

    def with_modes(self, reader: Reader, cells: Cells) -> CometVenue:  # noqa: ARG002 - there are none
        """Itself: accounts share nothing but the market."""
        return self

    def carry(
        self, reader: Reader, accounts: Sequence[CometAccount]
    ) -> tuple[CometVenue, list[CometAccount | Failed]]:
        """See `read_accounts.read_again`."""
        return self, read_again(self, reader, accounts)

    def with_views(self, reader: Reader, accounts: Sequence[CometAccount]) -> list[CometAccount | Failed]:
        """The accounts with the market's own words beside them."""
        return read_reported(self, reader, accounts)

    def screen(self, cells: Cells) -> Screen:
        """See `cells.screen`."""
        return cells_.screen(self, cells)

    def unit_values(self, prices: Prices | None = None, at: int | None = None) -> Floats:
        """See `cells.Terms.values`."""
        return cells_.Terms(self).values(
            self.prices if prices is None else prices, self.block.timestamp if at is None else at
        )

    def totals(self, reader: Reader) -> tuple[Total, ...]:
        """See `read_totals`."""
        return read_totals(self, reader, self.config)


def _opened(reader: Reader, config: VenueConfig) -> CometVenue:
    market = read_market(reader, config)
    return CometVenue(**{f.name: getattr(market, f.name) for f in fields(market)}, config=config)


class CompoundV3:
    """See `protocols.base.Adapter`."""

    protocol = "compound-v3"
    address_keys = (COMET,)
    verified = (
        Verified(
            "stand-in",
            "a Comet of our own with the same functions and arithmetic; all its tests also passed on the "
            "genuine CometWithExtendedAssetList and Comet, built from compound-finance/comet at commit "
            "d5a30b0 of 2026-05-29",
            "2026-11-24",
        ),
    )

    def open(self, reader: Reader, config: VenueConfig) -> CometVenue:
        """The market at the reader's block."""
        return _opened(reader, config)


ADAPTER = CompoundV3()
