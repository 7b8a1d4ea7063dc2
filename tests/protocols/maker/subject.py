"""Maker for the conformance suite: the contracts of its own test chain."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

from hypothesis import strategies as st

from chain.rpc import Rpc
from localnet.evm import Reverted
from localnet.maker import Market
from localnet.maker.cast import wallet
from localnet.maker.market import RAY, WAD, word_of
from localnet.maker.replay import abi_of
from localnet.maker.states import running
from margin.basics import Address
from margin.mending import Change, Deed
from margin.prices import Prices
from protocols.base import VenueConfig
from protocols.maker import ADAPTER
from protocols.maker.adapter import MakerVenue
from protocols.maker.liquidation import HEALTHY, Liquidation, bark
from protocols.maker.state import Vault
from tests.conformance.subject import Attempt, OnMarket, Subject, answers
from tests.protocols.maker.lives import Life, live, lives

KEYS = {
    "vat": "MCD_VAT",
    "spotter": "MCD_SPOT",
    "jug": "MCD_JUG",
    "dog": "MCD_DOG",
    "cdp_manager": "CDP_MANAGER",
    "proxy_registry": "PROXY_REGISTRY",
}


class Genuine(OnMarket[Market, MakerVenue, Vault]):
    """The genuine system and our reading of it; a `Subject` of the conformance suite."""

    opens = ADAPTER.open
    kinds = MakerVenue, Vault

    def __init__(self, market: Market, rpc: Rpc) -> None:
        super().__init__(market, rpc)
        self.ilks: dict[Address, str] = {}
        """The ilk of each owner that lived."""

    @property
    def config(self) -> VenueConfig:
        """As a user would give it, WETH known for ether."""
        addresses = {key: self.market.addresses[name] for key, name in KEYS.items()}
        return VenueConfig("local/maker", addresses, "test", {self.market.addresses["ETH"]: "ETH"})

    def lives(self) -> st.SearchStrategy[Life]:
        return lives()

    def live(self, life: Life) -> Address:
        owner = live(self.market, life)
        self.ilks[owner] = life.ilk
        return owner

    def crowd(self, count: int) -> Sequence[Address]:
        owners = [wallet(f"crowd {i}") for i in range(count)]
        for at, owner in enumerate(owners):
            self.market.frob(owner, "ETH-B", (at + 1) * WAD, at % 2 and 200 * WAD if at > 10 else 0)
        return owners

    def own_view(self, owner: Address, prices: dict[str, int] | None, at: int | None) -> tuple[int, ...]:
        """The Vat's own products after the Spotter's poke, and at a later moment after the Jug's drip."""
        ink, art, rate, spot = self.market.look(
            self.ilks[owner], owner, drip=self.later(at), at=at, prices=prices
        )
        return ink * spot, art * rate

    def later(self, at: int | None) -> bool:
        """Whether a moment is after the newest block, so that a drip belongs to it."""
        return at is not None and at > self.node.timestamp()

    def our_view(self, venue: Any, account: Vault, prices: Prices | None, at: int | None) -> tuple[int, ...]:
        verdict = venue.verdict(account, prices, at)
        return verdict.support_raw, verdict.requirement_raw

    def attempts(
        self, venue: Any, account: Vault, prices: Prices | None = None, at: int | None = None
    ) -> list[Attempt]:
        """The one bark there is."""
        call = bark(venue, account, prices, at)
        ilk = venue.ilk_of(account).name
        said = self.market.try_bark(
            ilk, account.urn, drip=self.later(at), at=at, prices=answers(venue, prices)
        )
        return [Attempt(said, said == HEALTHY, isinstance(call, Liquidation))]

    def set_answers(self, answers: Mapping[str, int]) -> None:
        for pip, raw in answers.items():
            contract = self.market.evm.at(pip, abi_of("DSValue"), "DSValue")
            contract.send("poke", raw.to_bytes(32, "big"), sender=contract.call("owner"))

    def liquidate(self, venue: Any, account: Vault) -> bool:
        for poke in (True, False):
            if isinstance(bark(venue, account, poke=poke), Liquidation):
                self.market.bark(venue.ilk_of(account).name, account.urn, poke=poke)
                return True
        return False

    def do(self, owner: Address, change: Change) -> str | None:
        """As the proxies' `wipe` does it: as much debt as the amount pays off at the rate that stands."""
        ilk, market = self.ilks[owner], self.market
        try:
            if change.deed is Deed.DEPOSIT:
                market.frob(owner, ilk, change.amount_raw, 0)
                return None
            _, rate, _, _, _ = market.vat.call("ilks", word_of(ilk))
            _, art = market.vat.call("urns", word_of(ilk), owner)
            dart = min(art, change.amount_raw * RAY // rate)
            if not dart:
                return "pays off nothing"
            market.frob(owner, ilk, 0, -dart)
        except Reverted as refusal:
            return refusal.reason or "no reason"
        return None


@contextmanager
def genuine(*, empty: bool = False) -> Iterator[Genuine]:
    """The standard market, with an `Rpc` to it."""
    with running(empty=empty) as market, Rpc.open("local", [market.anvil.url], 31337) as rpc:
        yield Genuine(market, rpc)


SUBJECTS: dict[str, Callable[[], AbstractContextManager[Subject]]] = {
    "maker": partial(genuine, empty=True),
}
