"""Which venues a chain has: those of the address book, and those the user adds."""

from __future__ import annotations

from dataclasses import dataclass

from checker.config import Chain, Config
from margin.basics import Address
from margin.errors import ConfigError
from protocols.base import Adapter, VenueConfig
from protocols.deployments import ChainBook, books
from protocols.registry import adapters


@dataclass(frozen=True, slots=True)
class Place:
    """A venue to be opened."""

    adapter: Adapter
    config: VenueConfig
    is_users: bool
    """Named by the user, so that a mistake in it is the user's to mend."""

    @property
    def id(self) -> str:
        """`chain/protocol/name`."""
        return self.config.id


def book_of(chain: Chain, chain_id: int | None) -> ChainBook | None:
    """What the address book knows of a chain; `None` when its id is not known, or the user wants none."""
    if chain_id is None or not chain.address_book:
        return None
    return books().get(chain_id)


def places(chain: Chain, chain_id: int | None, config: Config) -> tuple[Place, ...]:
    """The venues of a chain, in a fixed order: the address book's, then the user's as they stand.

    A venue of the user's with the addresses of one in the book stands for it, so that nothing is
    counted twice. Raises `ConfigError` when two different venues have one id.
    """
    book = book_of(chain, chain_id)
    factors = _factors(book, config)
    found = []
    if book is not None:
        own = [(entry.protocol, dict(entry.addresses)) for entry in chain.venues]
        for known in book.venues:
            if known.protocol in adapters() and (known.protocol, dict(known.addresses)) not in own:
                id_ = f"{chain.name}/{known.protocol}/{known.name}"
                venue = VenueConfig(id_, known.addresses, known.where, factors)
                found.append(Place(adapters()[known.protocol], venue, is_users=False))
    for entry in chain.venues:
        id_ = "/".join(part for part in (chain.name, entry.protocol, entry.name) if part)
        if any(place.id == id_ for place in found):
            raise ConfigError(entry.where, f"there is another venue {id_}: give this one a name of its own")
        venue = VenueConfig(id_, entry.addresses, entry.where, factors)
        found.append(Place(adapters()[entry.protocol], venue, is_users=True))
    return tuple(found)


def _factors(book: ChainBook | None, config: Config) -> dict[Address, str]:
    """The factor behind each token: the user's word by address, then by a known symbol, then the book's."""
    tokens = book.tokens if book is not None else ()
    known = {token.address: config.factors_by_symbol.get(token.symbol, token.factor) for token in tokens}
    return {**known, **config.factors_by_address}
