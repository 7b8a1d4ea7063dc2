"""Maker as the rest of the project sees it: an adapter, and a venue at one block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np

from chain.logs import Log, LogFilter
from chain.reader import Call, Reader
from margin.account import AccountKey
from margin.basics import Address, Unread
from margin.mending import Change, Refused
from margin.prices import Prices
from margin.screen import Floats, Screen
from protocols.base import Audit, Book, Failed, ListOf, Numeraire, VenueConfig, Verified
from protocols.book import Cells, CellsRead, Index, Liquidated, Total, Touched
from protocols.maker import abi, events, ground, liquidation
from protocols.maker import cells as cells_
from protocols.maker import changes as changes_
from protocols.maker.arithmetic import RAD
from protocols.maker.read_accounts import read_accounts, read_stored, unjudgeable
from protocols.maker.read_venue import (
    CHAINLOG,
    ILKS,
    OPTIONAL,
    PARTS,
    Entry,
    read_entry,
    read_market,
    strict,
)
from protocols.maker.state import Vault
from protocols.maker.venue import Market


@dataclass(frozen=True)
class MakerVenue(Market):
    """The system at one block that can read vaults and say what the engine asks of any venue."""

    config: VenueConfig
    entry: Entry
    names: Mapping[tuple[bytes, Address], AccountKey] = field(default_factory=dict, compare=False, repr=False)
    """By ilk and urn the manager's vaults of the owners that were read, the empty ones too."""

    def read(self, reader: Reader, owners: Sequence[Address]) -> Book[Vault]:
        """Every vault of each owner, in bulk; see `read_accounts`."""
        if reader.block != self.block:
            raise ValueError("accounts are read at the venue's own block")
        accounts, named = read_accounts(self, reader, owners, every_ilk=ILKS not in self.config.options)
        return Book(replace(self, names={**self.names, **named}), accounts)

    def key(self, account: Vault) -> AccountKey:
        """Ilk, number and urn, and the proxy it is held through."""
        return account.key

    @property
    def numeraire(self) -> Numeraire:
        """DAI, in rads."""
        dai = self.system.dai.token
        return Numeraire(dai, RAD, self.config.factor(dai))

    def numeraire_of(self, account: Vault) -> Numeraire | None:  # noqa: ARG002 - all have the same
        """The venue's."""
        return self.numeraire

    def audit(self, account: Vault) -> Audit:
        """Collateral, debt, spot and rate as the Vat's own views give them, against what is judged here."""
        said, ilk = account.stored, self.ilk_of(account)
        if said is None:
            return Audit({}, None)
        reported = {"ink": said.ink, "art": said.art, "spot": said.spot_ray, "rate": said.rate_ray}
        ours = self.as_stored(account)
        return Audit(
            {name: str(figure) for name, figure in reported.items()},
            agrees=(account.ink, account.art, ilk.spot_ray, ilk.rate_ray) == tuple(reported.values())
            and (ours.support_raw, ours.requirement_raw)
            == (said.ink * said.spot_ray, said.art * said.rate_ray),
        )

    def reported_liquidatable(self, account: Vault) -> bool:
        """Whether it is unsafe by the Vat's figures as they stand: a bark needs no poke then."""
        return self.as_stored(account).liquidatable

    def blocked(self, account: Vault) -> str | None:
        """See `liquidation.blocked`."""
        return liquidation.blocked(self, account)

    def notes(self, account: Vault) -> Iterator[str]:
        """See `ground.notes`."""
        return ground.notes(self, account)

    def gaps(self) -> Iterator[tuple[str, Unread]]:
        """Ilks whose pip gives no price now, or whose token is not known."""
        for ilk in self.ilks:
            for part in (ilk.gem, ilk.quote):
                if isinstance(part, Unread):
                    yield ilk.name, part
                    break

    def changed(self, account: Vault, changes: Sequence[Change]) -> Vault | Refused:
        """See `changes.changed`."""
        return changes_.changed(self, account, changes)

    def ground(self, account: Vault) -> Mapping[str, str | int]:
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
        """See `events.liquidations_in`."""
        return events.liquidations_in(self, self.names, logs)

    def at_block(self, reader: Reader) -> MakerVenue:
        """Every figure of the same ilks read again."""
        return _venue(read_market(reader, self.config, self.entry), self.config, self.entry, self.names)

    @property
    def common_parts(self) -> tuple[int, ...]:
        """Collateral and debt."""
        return cells_.PARTS

    def silent_since(self, earlier: MakerVenue | None) -> frozenset[int]:  # noqa: ARG002 - events tell of all
        """None."""
        return frozenset()

    @property
    def parts(self) -> frozenset[int]:
        """Collateral and debt."""
        return frozenset(cells_.PARTS)

    def read_cells(self, reader: Reader, ids: Sequence[bytes], row: Index, part: Index) -> CellsRead:
        """See `cells.read_cells`."""
        return cells_.read_cells(self, reader, ids, row, part)

    def implied(self, cells: Cells) -> tuple[Index, Index]:  # noqa: ARG002 - a vault has nothing else
        """No cell tells of another."""
        return np.empty(0, np.int32), np.empty(0, np.int32)

    def key_of(self, id_: bytes) -> AccountKey:
        """See `cells.key_of`."""
        return cells_.key_of(self, id_)

    def account_of(self, id_: bytes, words: Mapping[int, int]) -> Vault | Failed | None:
        """See `cells.account_of`; one that cannot be judged says why."""
        account = cells_.account_of(self, id_, words)
        why = None if account is None else unjudgeable(self, account)
        return account if account is None or why is None else Failed(account.key, why)

    def with_modes(self, reader: Reader, cells: Cells) -> MakerVenue:  # noqa: ARG002 - nothing is shared but ilks
        """The same: all that vaults share is read with the venue."""
        return self

    def carry(self, reader: Reader, accounts: Sequence[Vault]) -> tuple[MakerVenue, list[Vault | Failed]]:  # noqa: ARG002
        """The vaults without the Vat's own figures, which were of then."""
        carried: list[Vault | Failed] = []
        for account in accounts:
            why = unjudgeable(self, account)
            carried.append(replace(account, stored=None) if why is None else Failed(account.key, why))
        named = {(a.ilk, a.urn): a.key for a in accounts}
        return replace(self, names={**self.names, **named}), carried

    def screen(self, cells: Cells) -> Screen:
        """See `cells.screen`."""
        return cells_.screen(self, cells)

    def unit_values(self, prices: Prices | None = None, at: int | None = None) -> Floats:
        """See `cells.unit_values`."""
        now = self.block.timestamp
        return cells_.unit_values(self, self.prices if prices is None else prices, now if at is None else at)

    def with_views(self, reader: Reader, accounts: Sequence[Vault]) -> list[Vault | Failed]:
        """The vaults with the Vat's own figures beside them."""
        return read_stored(self, reader, accounts)

    def totals(self, reader: Reader) -> tuple[Total, ...]:
        """All normalised debt of each ilk. Nowhere does the Vat add up collateral."""
        calls = [Call(self.system.vat, abi.VAT_ILKS, (ilk.word,)) for ilk in self.ilks]
        return tuple(
            Total(self.system.dai.token, ilk.name, "debt", cells_.ART, answer[0], of=ilk.word)
            for ilk, answer in zip(self.ilks, strict(reader, self.config, calls), strict=True)
        )


def _venue(
    market: Market,
    config: VenueConfig,
    entry: Entry,
    names: Mapping[tuple[bytes, Address], AccountKey] | None = None,
) -> MakerVenue:
    known = {f.name: getattr(market, f.name) for f in fields(Market)}
    return MakerVenue(**known, config=config, entry=entry, names=names or {})


class Maker:
    """See `protocols.base.Adapter`."""

    protocol = "maker"
    address_keys = PARTS
    instead_keys = (CHAINLOG,)
    optional_keys = OPTIONAL
    option_keys: Mapping[str, ListOf] = {ILKS: ListOf.TEXT}
    verified = (
        Verified(
            "genuine contracts",
            "Vat, Spotter, Jug, Dog and Clipper of August 2021, as npm @makerdao/testchain 1.1.33-beta5 "
            "ships them; the OSM against a stand-in with its storage",
            "2026-11-23",
        ),
    )

    def open(self, reader: Reader, config: VenueConfig) -> MakerVenue:
        """The system at the reader's block, its parts checked against each other."""
        entry = read_entry(reader, config)
        return _venue(read_market(reader, config, entry), config, entry)


ADAPTER = Maker()
