"""What the watch sees: the last reading of each chain, and every wallet at a glance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from checker.bands import Band, worst
from checker.config import Config, Wallet
from checker.glance import Glance, glance
from checker.reach import Moves
from checker.snapshot import ChainReading
from checker.watch.telling import Held, foreign
from checker.watch.values import BlockFact
from margin.account import AccountKey
from margin.basics import Address, Unread
from protocols.base import Failed


@dataclass(frozen=True, slots=True)
class Part:
    """How one wallet stands on one chain."""

    band: Band
    relaxed: Band
    lowest_health: float | None
    why: tuple[str, ...] = ()
    """What could not be read, a line each."""
    known: Band = Band.OK
    """The worst band of what could be read."""


@dataclass(frozen=True, slots=True)
class Sight:
    """One chain as it was read."""

    reading: ChainReading
    at: float
    """When that was, seconds since 1970."""
    parts: Mapping[str, Part]
    """By wallet."""
    held: Mapping[str, Held] = field(repr=False)
    """The accounts as they were read, by venue and account."""
    differing: tuple[Held, ...] = ()
    """Those of them whose figures are not the protocol's own."""
    missed: tuple[Failed, ...] = ()
    """Accounts that the node did not let be read."""

    @property
    def block(self) -> BlockFact | None:
        """The block everything here was read at."""
        block = self.reading.block
        return None if block is None else (block.chain, block.number, block.hash, block.timestamp)

    @property
    def unread(self) -> Unread | None:
        """Why the chain as a whole could not be read."""
        return self.reading.unread

    @property
    def whole(self) -> bool:
        """Whether the chain and each of its venues could be read."""
        return self.unread is None and not any(isinstance(one.book, Unread) for one in self.reading.venues)

    @property
    def clear(self) -> bool:
        """Whether the node let all of it be read: the chain, its venues, and every account there."""
        return self.whole and not self.missed


def subject_of(wallet: Wallet) -> str:
    """A wallet's key: its addresses, whatever it is called."""
    return ",".join(wallet.addresses)


def name_of(wallet: Wallet) -> str:
    """Its label, or its full address."""
    return wallet.label or wallet.addresses[0]


def names_of(config: Config) -> dict[Address, list[tuple[str, str]]]:
    """By owner the wallets that hold it: subject and name."""
    found: dict[Address, list[tuple[str, str]]] = {}
    for wallet in config.wallets:
        for address in wallet.addresses:
            found.setdefault(address, []).append((subject_of(wallet), name_of(wallet)))
    return found


def seen(config: Config, reading: ChainReading, at: float) -> Sight:
    """Every wallet on a chain that was read just now."""
    held: dict[str, Held] = {}
    differing: list[Held] = []
    missed: dict[AccountKey, Failed] = {}
    moves = {
        one.place.id: Moves(one.book.venue) for one in reading.venues if not isinstance(one.book, Unread)
    }
    parts = {}
    for wallet in config.wallets:
        parts[subject_of(wallet)] = _part(wallet, reading, held, moves, differing, missed)
    return Sight(reading, at, parts, held, tuple(differing), tuple(missed.values()))


def _part(
    wallet: Wallet,
    reading: ChainReading,
    held: dict[str, Held],
    moves: Mapping[str, Moves],
    differing: list[Held],
    missed: dict[AccountKey, Failed],
) -> Part:
    glances: list[Glance] = []
    why: list[str] = []
    if reading.unread is not None and not reading.venues:
        why.append(f"cannot read {reading.chain}: {foreign(reading.unread)}")
    for venue in reading.venues:
        book = venue.book
        if isinstance(book, Unread):
            why.append(f"cannot read {venue.place.id}: {foreign(book)}")
            continue
        for address in wallet.addresses:
            for account in book.accounts[address]:
                found = glance(book.venue, account, wallet.bands, moves[venue.place.id])
                glances.append(found)
                held[f"{found.key.venue} {found.key.name}"] = book.venue, account
                if found.agrees is False:
                    differing.append((book.venue, account))
                if isinstance(account, Failed) and account.unread.reason.is_of_the_node:
                    missed[found.key] = account
                why += [f"cannot judge {found.key.name} on {venue.place.id}: {one}" for one in found.unread]
    blind = [Band.UNKNOWN] * bool(why)
    healths = [one.health_factor for one in glances if one.health_factor is not None]
    return Part(
        band=worst([one.band for one in glances] + blind),
        relaxed=worst([one.relaxed for one in glances] + blind),
        lowest_health=min(healths, default=None),
        why=tuple(why),
        known=worst(found.known for found in glances),
    )


def together(parts: Iterable[Part]) -> Part:
    """A wallet over all chains."""
    found = list(parts)
    healths = [part.lowest_health for part in found if part.lowest_health is not None]
    return Part(
        band=worst(part.band for part in found),
        relaxed=worst(part.relaxed for part in found),
        lowest_health=min(healths, default=None),
        why=tuple(line for part in found for line in part.why),
        known=worst(part.known for part in found),
    )


def held_of(sights: Sequence[Sight]) -> dict[str, Held]:
    """Every account that was read, by venue and account."""
    found: dict[str, Any] = {}
    for sight in sights:
        found |= sight.held
    return found
