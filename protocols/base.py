"""What an adapter is: how one protocol is opened, read and judged, in the same shape for all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

from chain.reader import Reader
from margin.account import AccountKey
from margin.basics import Address, BlockRef, Unread
from margin.mending import Mendable

A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Verified:
    """What an adapter's arithmetic was judged against."""

    kind: str
    """`genuine contracts`, or `stand-in`."""
    versions: str
    on: str
    """ISO date of the last full run."""


class ListOf(StrEnum):
    """What a list is made of that a venue's configuration may hold beside its addresses."""

    ADDRESS = "address"
    BYTES32 = "bytes32"
    """0x and 64 hex digits; made lower-case."""
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class VenueConfig:
    """One venue as the address book or the user names it."""

    id: str
    """`chain/protocol` or `chain/protocol/name`."""
    addresses: Mapping[str, Address]
    """The protocol's entry points by their key, e.g. `pool_addresses_provider`."""
    where: str
    """File and key, for messages."""
    factors: Mapping[Address, str] = field(default_factory=dict)
    """The risk factor behind each token that is known; a token that is not is a factor of its own."""
    start_block: int | None = None
    """Where its history begins; `None` where nobody says."""
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Lists that narrow the venue, such as its markets, by their key; those that were given."""

    @property
    def entry(self) -> Address:
        """The first of its addresses: as old as the venue, or older."""
        return next(iter(self.addresses.values()))

    def factor(self, token: Address) -> str:
        """The factor behind a token: never by its symbol, since anyone can call a token ETH."""
        return self.factors.get(token, token)


@dataclass(frozen=True, slots=True)
class Numeraire:
    """What a venue counts the values of an account in: a token, or the US dollar itself."""

    token: Address | None
    """`None`: the US dollar."""
    unit: int
    """As much of `value_raw` is one of it."""
    factor: str = "USD"
    """The factor behind the token. It is not always worth as much: staked ether is no ether."""


@dataclass(frozen=True, slots=True)
class Audit:
    """The protocol's own word on an account at the same block, beside ours."""

    reported: Mapping[str, str]
    agrees: bool | None
    """`None` where the protocol has no view."""


@dataclass(frozen=True, slots=True)
class Failed:
    """An account whose key is known but which could not be read or judged."""

    key: AccountKey
    unread: Unread


@dataclass(frozen=True, slots=True)
class Book(Generic[A]):
    """The accounts read, and the venue as complete as judging them needs."""

    venue: Venue[A]
    accounts: Mapping[Address, Sequence[A | Failed]]
    """By owner, in the order asked for; no account for an owner who has nothing here."""


class Venue(Mendable[A], Protocol[A]):
    """One deployment at one pinned block: read in bulk, then judged without another request."""

    @property
    def id(self) -> str:
        """`chain/protocol/name`."""

    @property
    def block(self) -> BlockRef:
        """The block everything here was read at."""

    @property
    def numeraire(self) -> Numeraire | None:
        """What all accounts are counted in; `None` where each has its own, or the protocol does not say."""

    def numeraire_of(self, account: A) -> Numeraire | None:
        """What one account is counted in: its own loan token, say; `None` where the protocol does not say."""

    def read(self, reader: Reader, owners: Sequence[Address]) -> Book[A]:
        """Every account of each owner, in bulk, at the reader's block (this venue's own)."""

    def key(self, account: A) -> AccountKey:
        """The account's name."""

    def audit(self, account: A) -> Audit:
        """Our figures against the protocol's own view at the same block, to the last unit."""

    def reported_liquidatable(self, account: A) -> bool:
        """Whether the protocol's own view says liquidatable; our verdict's word where it has no view."""

    def blocked(self, account: A) -> str | None:
        """Why nobody can liquidate the account at this block, whatever its health."""

    def notes(self, account: A) -> Iterable[str]:
        """What else moves the account's fate, in a few words each: its mode, isolation, frozen assets."""

    def ground(self, account: A) -> Mapping[str, str | int]:
        """The parameters the account stands on, by a readable name: `USDC: liquidation threshold`.

        Each value is as a person reads it, a switch is `True` or `False`; all can be kept as JSON.
        Where one changes, the ground has moved (`checker.watch.ground`).
        """

    def gaps(self) -> Iterable[tuple[str, Unread]]:
        """What of the venue itself has no usable answer now, by name, e.g. a token's price.

        Accounts that depend on it are unknown; the others are judged.
        """


class Adapter(Protocol):
    """One protocol."""

    protocol: str
    address_keys: tuple[str, ...]
    """Which addresses `VenueConfig` must hold."""
    verified: tuple[Verified, ...]
    # An adapter may also have `option_keys: Mapping[str, ListOf]`: which lists `VenueConfig.options` may
    # hold. Most have none; `registry.option_keys` tells.
    # And `instead_keys`: addresses that serve in place of all of `address_keys`; `optional_keys`: those
    # that a venue may have beside them. `registry.wanted_keys` and `registry.optional_keys` tell.
    # And `on_request`: why the address book's venues of it are looked at only where the user names them.

    def open(self, reader: Reader, config: VenueConfig) -> Venue[Any]:
        """The venue at the reader's block, its addresses and version checked on chain.

        Raises `VenueError` when the contracts are not there or not a known version, `ReadError`
        when they could not be read.
        """
