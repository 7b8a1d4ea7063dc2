"""What the rows are measured on: one genuine market full of wallets, made when the first row needs it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cached_property
from types import TracebackType
from typing import Any

from bench import crowd
from bench.measure import Race, Way, race
from bench.naive import Naive
from bench.row import Size
from bench.whole import Whole, config_of, whole_book
from chain.block import pin
from chain.means import Means
from chain.multicall import MULTICALL3
from chain.reader import Call, Reader
from chain.rpc import Rpc
from localnet import states
from localnet.aave_v3 import Market
from localnet.multicall3 import place_multicall3
from margin.basics import Address, BlockRef, Unread
from protocols.aave_v3 import ADAPTER
from protocols.aave_v3.adapter import AaveVenue
from protocols.aave_v3.state import AaveAccount
from protocols.base import Book, VenueConfig

VERSION = "3.0.2"


class Stage:
    """An Aave v3 market with a crowd on it, our reader and naive web3.py side by side on one node."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self._open = ExitStack()

    def __enter__(self) -> Stage:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def say(self, what: str) -> None:
        """Tells whoever waits what is being done."""
        print(f"  {what} …", file=sys.stderr, flush=True)

    def race(self, baseline: Way, *others: Way) -> Race:
        """Times them in turns, as long and as often as the size says."""
        return race(baseline, *others, repeats=self.size.repeats, at_least_s=self.size.turn_s)

    @cached_property
    def market(self) -> Market:
        """A genuine market with its liquidity, Multicall3 beside it; the crowd comes with `wallets`."""
        self.say(f"starting a genuine Aave v{VERSION} market")
        market = self._open.enter_context(states.running(f"aave-v{VERSION}-empty"))
        place_multicall3(market.anvil, MULTICALL3)
        return market

    @cached_property
    def wallets(self) -> list[Address]:
        """The crowd."""
        self.say(f"opening {self.size.wallets:,} accounts on it")
        return crowd.gather(self.market, self.size.wallets)

    @cached_property
    def whole(self) -> Whole:
        """A whole book, on a node of its own."""
        self.say(f"finding the book of {self.size.crowd:,} accounts")
        return self._open.enter_context(whole_book(VERSION, self.size.crowd))

    @cached_property
    def rpc(self) -> Rpc:
        """Our way to the node."""
        return self._open.enter_context(Rpc.open("local", [self.market.anvil.url], 31337))

    @cached_property
    def naive(self) -> Naive:
        """web3.py's way to the same node."""
        return Naive(self.market.anvil.url)

    @cached_property
    def block(self) -> BlockRef:
        """The newest block, after the crowd has settled."""
        assert self.wallets
        return pin(self.rpc)

    @property
    def config(self) -> VenueConfig:
        """The market as a user would name it."""
        return config_of(self.market)

    def reader(self, only: Means | None = None) -> Reader:
        """A new reader at the block."""
        return Reader(self.rpc, self.block, only=only)

    def read_book(self, wallets: Sequence[Address], reader: Reader | None = None) -> Book[AaveAccount]:
        """The market opened, and the wallets' accounts read, as a check does it."""
        reader = reader or self.reader()
        return ADAPTER.open(reader, self.config).read(reader, wallets)

    def calls(self, wallets: Sequence[Address]) -> list[Call]:
        """The view calls of `read_book`, without those for the tokens' symbols and decimals."""
        reader = Recording(self.rpc, self.block)
        self.read_book(wallets, reader)
        return reader.calls

    @cached_property
    def book(self) -> tuple[AaveVenue, list[AaveAccount]]:
        """The venue and the crowd's accounts, all of which must be readable."""
        book = self.read_book(self.wallets)
        accounts = [account for wallet in self.wallets for account in book.accounts[wallet]]
        read = [account for account in accounts if isinstance(account, AaveAccount)]
        assert len(read) == len(accounts) == len(self.wallets), "an account of the crowd could not be read"
        assert isinstance(book.venue, AaveVenue)
        return book.venue, read


class Recording(Reader):
    """A reader that remembers what it was asked."""

    def __init__(self, rpc: Rpc, block: BlockRef) -> None:
        super().__init__(rpc, block)
        self.calls: list[Call] = []

    def read(self, calls: Sequence[Call]) -> list[tuple[Any, ...] | Unread]:
        """See `Reader.read`."""
        self.calls += calls
        return super().read(calls)
