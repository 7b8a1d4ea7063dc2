"""Which venues a chain has: those of the address book, and those the user adds."""

from __future__ import annotations

from dataclasses import dataclass

from checker.config import Chain, Config, VenueEntry
from margin.basics import Address
from margin.errors import ConfigError
from protocols import registry
from protocols.base import Adapter, VenueConfig
from protocols.deployments import ChainBook, Deployment, books
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


def references(chain: Chain, chain_id: int | None) -> dict[Address, Address]:
    """By token the feed that gives it in US dollars: the address book's, then the user's over them."""
    book = book_of(chain, chain_id)
    known = {} if book is None else {one.token: one.feed for one in book.references}
    return {**known, **chain.references}


def places(
    chain: Chain, chain_id: int | None, config: Config, *, on_request: bool = False
) -> tuple[Place, ...]:
    """The venues of a chain, in a fixed order: the address book's, then the user's as they stand.

    A venue of the user's with the addresses of one in the book, or with its id, stands for it, so
    that nothing is counted twice; `refuse_namesakes` says where the latter is a mistake. Those of the
    book that are looked at only where they are named are left out, unless `on_request`.
    """
    book = book_of(chain, chain_id)
    factors = _factors(book, config)
    found = []
    for known in _others(chain, chain_id):
        if on_request or registry.on_request(adapters()[known.protocol]) is None:
            id_ = known.id_on(chain.name)
            venue = VenueConfig(id_, known.addresses, known.where, factors, known.start_block)
            found.append(Place(adapters()[known.protocol], venue, is_users=False))
    starts = {_key_of(one): one.start_block for one in (book.venues if book is not None else ())}
    for entry in chain.venues:
        venue = VenueConfig(
            _id(chain, entry),
            entry.addresses,
            entry.where,
            factors,
            starts.get(_key_of(entry)),
            options=entry.options,
        )
        found.append(Place(adapters()[entry.protocol], venue, is_users=True))
    return tuple(found)


def left_out(chain: Chain, chain_id: int) -> list[tuple[Deployment, str]]:
    """The address book's venues that are not looked at because nobody names them, and why."""
    whys = [(known, registry.on_request(adapters()[known.protocol])) for known in _others(chain, chain_id)]
    return [(known, why) for known, why in whys if why is not None]


def refuse_doubles(chain: Chain) -> None:
    """Raises `ConfigError` where two of the user's venues have one id, or are one and the same."""
    for at, entry in enumerate(chain.venues):
        for other in chain.venues[:at]:
            if (entry.protocol, dict(entry.addresses)) == (other.protocol, dict(other.addresses)):
                first_key = next(iter(entry.addresses), "protocol")
                said = f"the same venue as {_table(other)}: it would be counted twice"
                raise ConfigError(_key(entry, first_key), said)
            if _id(chain, entry) == _id(chain, other):
                raise _namesake(chain, entry)


def refuse_namesakes(chain: Chain, chain_id: int) -> None:
    """Raises `ConfigError` where a venue of the user's has the id of another one in the address book.

    Only for a chain whose id was proven: which book applies is not known before.
    """
    taken = [known.id_on(chain.name) for known in _of_book(chain, chain_id)]
    for entry in chain.venues:
        if _id(chain, entry) in taken:
            raise _namesake(chain, entry)


def _of_book(chain: Chain, chain_id: int | None) -> list[Deployment]:
    """The address book's venues that can be read, without those that the user names too."""
    book = book_of(chain, chain_id)
    own = [_key_of(entry) for entry in chain.venues]
    return [
        known
        for known in (book.venues if book is not None else ())
        if known.protocol in adapters() and _key_of(known) not in own
    ]


def _others(chain: Chain, chain_id: int | None) -> list[Deployment]:
    """The address book's venues for which none of the user's stands."""
    own_ids = [_id(chain, entry) for entry in chain.venues]
    return [known for known in _of_book(chain, chain_id) if known.id_on(chain.name) not in own_ids]


def _key_of(one: Deployment | VenueEntry) -> tuple[str, tuple[tuple[str, Address], ...]]:
    """What makes two venues the same: the protocol and its addresses."""
    return one.protocol, tuple(sorted(one.addresses.items()))


def _id(chain: Chain, entry: VenueEntry) -> str:
    return "/".join(part for part in (chain.name, entry.protocol, entry.name) if part)


def _namesake(chain: Chain, entry: VenueEntry) -> ConfigError:
    said = f"there is another venue {_id(chain, entry)}: give this one a name of its own"
    return ConfigError(_key(entry, "name"), said)


def _table(entry: VenueEntry) -> str:
    """File and table of a venue, whose `where` may name its only address as well."""
    table = entry.where
    for key in entry.addresses:
        table = table.removesuffix(f".{key}")
    return table


def _key(entry: VenueEntry, key: str) -> str:
    return f"{_table(entry)}.{key}"


def _factors(book: ChainBook | None, config: Config) -> dict[Address, str]:
    """The factor behind each token: the user's word by address, then by a known symbol, then the book's."""
    tokens = book.tokens if book is not None else ()
    known = {token.address: config.factors_by_symbol.get(token.symbol, token.factor) for token in tokens}
    return {**known, **config.factors_by_address}
