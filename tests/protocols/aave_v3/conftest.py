"""One genuine market per version and test file, and a way to read it as the checker does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from chain.block import pin
from chain.reader import Reader
from chain.rpc import Rpc
from localnet import states
from localnet.aave_v3 import Market
from margin.basics import Address
from protocols.aave_v3 import ADAPTER
from protocols.aave_v3.adapter import AaveVenue
from protocols.aave_v3.state import AaveAccount
from protocols.base import Book, VenueConfig
from tests.markets import TESTED, build_of


@dataclass(frozen=True)
class Genuine:
    """A genuine market and our reading of it."""

    market: Market
    rpc: Rpc

    @property
    def config(self) -> VenueConfig:
        """Factors as a user would give them: ether and its derivatives are one."""
        symbols = {"WETH": "ETH", "wstETH": "ETH", "cbETH": "ETH", "rETH": "ETH", "WBTC": "BTC"}
        return VenueConfig(
            id="local/aave-v3/core",
            addresses={"pool_addresses_provider": self.market.addresses_provider.address},
            where="test",
            factors={r.token: symbols.get(s, s) for s, r in self.market.reserves.items()},
        )

    def read(self, *users: Address) -> Book[AaveAccount]:
        """The users' accounts at the newest block."""
        reader = Reader(self.rpc, pin(self.rpc))
        return ADAPTER.open(reader, self.config).read(reader, users)

    def one(self, user: Address) -> tuple[AaveVenue, AaveAccount]:
        """The user's one account, which must be readable."""
        book = self.read(user)
        (account,) = book.accounts[user]
        assert isinstance(book.venue, AaveVenue)
        assert isinstance(account, AaveAccount), account
        return book.venue, account


def _genuine(name: str) -> Iterator[Genuine]:
    version = name.removeprefix("aave-v").removesuffix("-empty")
    with (
        states.running(name, build_of(version)) as market,
        Rpc.open("local", [market.anvil.url], 31337) as rpc,
    ):
        yield Genuine(market, rpc)


@pytest.fixture(scope="module", params=TESTED)
def empty(request: pytest.FixtureRequest) -> Iterator[Genuine]:
    """A standard market with liquidity and no one else on it."""
    yield from _genuine(f"aave-v{request.param}-empty")


@pytest.fixture(scope="module", params=TESTED)
def lived_in(request: pytest.FixtureRequest) -> Iterator[Genuine]:
    """A standard market with the cast living on it."""
    yield from _genuine(f"aave-v{request.param}")
