"""A whole book to measure on: thousands of accounts on a genuine market, found from their events once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import numpy as np

from bench.naive import Naive
from chain.block import pin
from chain.means import Means
from chain.multicall import MULTICALL3
from chain.reader import Reader
from chain.rpc import Rpc
from chain.slots_asker import StorageMeans
from checker.book.keeper import BookKeeper
from checker.book.store import Store
from checker.book.table import Table
from checker.venues import Place
from localnet import states
from localnet.aave_v3 import Market
from localnet.multicall3 import place_multicall3
from margin.basics import BlockRef
from protocols.aave_v3 import ADAPTER
from protocols.aave_v3.adapter import AaveVenue
from protocols.aave_v3.state import AaveAccount
from protocols.base import VenueConfig
from protocols.book import Index, Words
from protocols.registry import adapters

FACTORS = {"WETH": "ETH", "wstETH": "ETH", "cbETH": "ETH", "rETH": "ETH", "WBTC": "BTC"}
"""As a user would give them: ether and its derivatives are one."""


def config_of(market: Market) -> VenueConfig:
    """The market as a user would name it."""
    return VenueConfig(
        id="local/aave-v3/core",
        addresses={"pool_addresses_provider": market.addresses_provider.address},
        where="bench",
        factors={r.token: FACTORS.get(s, s) for s, r in market.reserves.items()},
    )


class ViewsOnly(Reader):
    """A reader at a node that can tell no storage in bulk."""

    @property
    def storage_means(self) -> StorageMeans | None:
        """None."""
        return None


@dataclass(frozen=True)
class Copies:
    """The cells of a book several times over, for sizes that no local chain is filled to."""

    table: Table
    count: int

    @cached_property
    def ids(self) -> Sequence[bytes]:
        """Of each copy its number, as a byte, and 19 bytes of the account's."""
        return [bytes([copy]) + id_[1:] for copy in range(self.count) for id_ in self.table.ids]

    @cached_property
    def row(self) -> Index:
        """See `Cells`."""
        rows = len(self.table.ids)
        return np.concatenate([self.table.row + np.int32(copy * rows) for copy in range(self.count)])

    @cached_property
    def part(self) -> Index:
        """See `Cells`."""
        return np.tile(self.table.part, self.count)

    @cached_property
    def words(self) -> Words:
        """See `Cells`."""
        return np.tile(self.table.words, (self.count, 1))


class Whole:
    """A market, its book as `keeper` holds it, and ways to the same node."""

    def __init__(self, market: Market, rpc: Rpc, store: Store) -> None:
        self.market = market
        self.rpc = rpc
        self.naive = Naive(market.anvil.url)
        self._store = store
        self.keeper = self.another_keeper()
        self.keeper.advance(pin(rpc))

    @property
    def table(self) -> Table:
        """The book's cells."""
        return self.keeper.table

    @property
    def venue(self) -> AaveVenue:
        """The market at the book's block."""
        return cast("AaveVenue", self.keeper.venue)

    @property
    def block(self) -> BlockRef:
        """The book's."""
        return self.venue.block

    def another_keeper(self) -> BookKeeper:
        """One that has not advanced yet."""
        place = Place(adapters()[ADAPTER.protocol], config_of(self.market), is_users=True)
        return BookKeeper(self.rpc, place, self._store)

    def reader(self, storage: StorageMeans | None = None, calls: Means | None = None) -> Reader:
        """A new reader at the book's block, by these means; by view calls alone where only they are given."""
        if storage is None and calls is not None:
            return ViewsOnly(self.rpc, self.block, only=calls)
        return Reader(self.rpc, self.block, only=calls, only_storage=storage)

    @cached_property
    def accounts(self) -> dict[int, AaveAccount]:
        """By row who holds anything; all of them must be readable."""
        assert not self.table.unread, "an account of the crowd could not be read"
        found = {row: self.venue.account_of(self.table.ids[row], w) for row, w in self.table.accounts()}
        held = {row: account for row, account in found.items() if account is not None}
        readable = {row: a for row, a in held.items() if isinstance(a, AaveAccount)}
        assert len(readable) == len(held), "an account of the crowd could not be judged"
        return readable


@contextmanager
def whole_book(version: str, accounts: int) -> Iterator[Whole]:
    """A crowd's market on a node of its own, its book found and read at the newest block."""
    with (
        states.running(f"aave-v{version}-crowd{accounts}") as market,
        TemporaryDirectory() as folder,
        Store.open(f"sqlite:///{Path(folder) / 'book.db'}") as store,
        Rpc.open("local", [market.anvil.url], 31337) as rpc,
    ):
        place_multicall3(market.anvil, MULTICALL3)
        yield Whole(market, rpc, store)
