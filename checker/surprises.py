"""What in a configuration is no mistake, but would surprise."""

from __future__ import annotations

from collections.abc import Sequence

from checker.config import Chain, Config
from checker.venues import book_of, left_out
from protocols.deployments import books

Seen = tuple[Chain, int, bool]
"""A chain, the id it really has, and whether any venue is known there."""


def surprises(config: Config, seen: Sequence[Seen]) -> list[str]:
    """One line each: a chain without venues or under another's name, a factor that names no token."""
    said = []
    symbols: set[str] = set()
    for chain, chain_id, has_venues in seen:
        book = book_of(chain, chain_id)
        symbols |= {token.symbol for token in book.tokens} if book else set()
        if not has_venues:
            said.append(f"chain {chain.name}: no venue is known there, so nothing of it was read")
        namesakes = [known for known in books().values() if chain.name in (known.chain, *known.aliases)]
        if namesakes and chain_id not in [known.chain_id for known in namesakes]:
            said.append(f"chain {chain.name} has chain id {chain_id}, not that name's own")
    said += [
        f"factors.{symbol}: no known token of these chains has that symbol; give its address"
        for symbol in config.factors_by_symbol
        if symbol not in symbols
    ]
    return said


def left_unread(chain: Chain, chain_id: int) -> list[str]:
    """One line for each venue of the address book that a check leaves out, with what would include it."""
    said = []
    for known, why in left_out(chain, chain_id):
        (key, address), *_ = known.addresses.items()
        table = f'[[venues]] with chain = "{chain.name}", protocol = "{known.protocol}", {key} = "{address}"'
        said.append(f"{known.id_on(chain.name)} was not looked at, since {why}; to include it add {table}")
    return said
