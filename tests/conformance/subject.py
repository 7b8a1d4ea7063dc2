"""What an adapter brings to be tested by the conformance suite: its contracts, and lives on them.

A package or module `tests.protocols.<protocol>.subject` with a mapping `SUBJECTS` (name → a context
manager that gives a `Subject`) is found by itself; nothing else is registered anywhere.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from hypothesis import strategies as st

import tests.protocols
from chain.block import pin
from chain.reader import Reader
from chain.rpc import Rpc
from localnet.anvil import Anvil
from margin.basics import Address
from margin.mending import Change
from margin.prices import Prices
from protocols.base import Book, Failed, Venue, VenueConfig

V = TypeVar("V", bound=Venue[Any])
A = TypeVar("A")
M = TypeVar("M", bound="Marketed")
SEARCHES: Counter[str] = Counter()
"""Exact searches of the subject under test, and how many of them gave up `undecided`."""


@dataclass(frozen=True)
class Attempt:
    """One way to liquidate an account, and what became of it."""

    refused_because: str | None
    """The contract's own word; `None` when the call went through."""
    too_healthy: bool
    """It refused because the account is not liquidatable, rather than for anything else."""
    foretold: bool
    """Whether the adapter said that this call would go through."""


class Subject(Protocol):
    """One version of one protocol, deployed on a chain that can be put back."""

    node: Anvil
    rpc: Rpc

    def lives(self) -> st.SearchStrategy[Any]:
        """Random states of the protocol with one wallet in them."""

    def live(self, life: Any) -> Address:
        """Makes one of them happen; the wallet."""

    def crowd(self, count: int) -> Sequence[Address]:
        """Makes that many wallets with an account each."""

    def open(self, reader: Reader) -> Venue[Any]:
        """The venue at the reader's block, by the adapter."""

    def own_view(self, owner: Address, prices: dict[str, int] | None, at: int | None) -> tuple[int, ...]:
        """The protocol's own figures, feeds (by key) answering other prices, at another clock."""

    def our_view(
        self, venue: Venue[Any], account: Any, prices: Prices | None, at: int | None
    ) -> tuple[int, ...]:
        """The same figures by the adapter."""

    def attempts(
        self, venue: Venue[Any], account: Any, prices: Prices | None = None, at: int | None = None
    ) -> list[Attempt]:
        """Every sensible liquidation of the account, tried by `eth_call` in that state."""

    def set_answers(self, answers: Mapping[str, int]) -> None:
        """Makes these feeds (by key) answer so from now on."""

    def liquidate(self, venue: Venue[Any], account: Any) -> bool:
        """Mines one liquidation of the account, in the next block; whether any goes through.

        The venue is as `read_next` gives it.
        """

    def do(self, owner: Address, change: Change) -> str | None:
        """Makes it happen in the next block, at its parent's time; the protocol's own refusal, or `None`."""


class Marketed(Protocol):
    """A market on a chain."""

    anvil: Anvil


class OnMarket(Generic[M, V, A]):
    """What subjects have in common that stand on one market: how it is opened, and how read."""

    opens: Callable[[Reader, VenueConfig], V]
    """The adapter's own."""
    kinds: tuple[type[V], type[A]]
    """Of the venue, and of an account there."""

    def __init__(self, market: M, rpc: Rpc) -> None:
        self.market = market
        self.rpc = rpc
        self.node = market.anvil

    @property
    def config(self) -> VenueConfig:
        """The venue as a user would give it."""
        raise NotImplementedError

    def open(self, reader: Reader) -> V:
        """See `Subject`."""
        return self.opens(reader, self.config)

    def one(self, owner: Address) -> tuple[V, A]:
        """The owner's one account at the newest block, which must be readable."""
        reader = Reader(self.rpc, pin(self.rpc))
        book = self.open(reader).read(reader, [owner])
        (account,) = book.accounts[owner]
        assert isinstance(book.venue, self.kinds[0])
        assert isinstance(account, self.kinds[1]), account
        return book.venue, account


def subjects() -> dict[str, Callable[[], AbstractContextManager[Subject]]]:
    """All subjects of all protocols, by name."""
    found: dict[str, Callable[[], AbstractContextManager[Subject]]] = {}
    for protocol in pkgutil.iter_modules(tests.protocols.__path__):
        if protocol.ispkg:
            module = importlib.import_module(f"tests.protocols.{protocol.name}.subject")
            found |= module.SUBJECTS
    return found


def read_one(subject: Subject, owner: Address) -> tuple[Venue[Any], Any]:
    """The owner's one account at the newest block, which must be readable."""
    book = read(subject, owner)
    (account,) = book.accounts[owner]
    assert not isinstance(account, Failed), account
    return book.venue, account


def read_next(subject: Subject, owner: Address) -> tuple[Venue[Any], Any]:
    """The owner's one account as the next block finds it: where interest accrues per block, that is later."""
    with subject.node.undone():
        subject.node.mine()
        return read_one(subject, owner)


def read(subject: Subject, *owners: Address) -> Book[Any]:
    """The owners' accounts at the newest block."""
    reader = Reader(subject.rpc, pin(subject.rpc))
    return subject.open(reader).read(reader, owners)


def first_block(subject: Subject) -> int:
    """Where the subject's chain begins: at 0, unless it says otherwise by an attribute of that name."""
    found: int = getattr(subject, "first_block", 0)
    return found


def answers(venue: Venue[Any], prices: Prices | None) -> dict[str, int] | None:
    """Raw answers by feed, as the protocol's side of a test takes them: feeds can share an address."""
    return None if prices is None else {venue.feeds[key].key: raw for key, raw in prices.items()}
