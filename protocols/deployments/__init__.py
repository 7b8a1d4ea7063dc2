"""The address book: one TOML a chain, each venue with the source of its addresses.

A chain's file is found by its chain id, whatever the user calls the chain. Tokens stand here by
address, with the risk factor behind each: a token that merely calls itself ETH gets no credit.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from chain.abi import BadAddress, to_address
from margin.basics import Address
from margin.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Token:
    """A token known by its address."""

    address: Address
    symbol: str
    factor: str
    """The economic risk behind it: ETH, BTC, and each stablecoin one of its own."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """One venue that needs no configuration."""

    protocol: str
    name: str
    """Empty where the protocol has one venue a chain."""
    addresses: Mapping[str, Address]
    source: str
    """Where the addresses were taken from, and which version of it."""
    start_block: int | None
    """No later than the first event that tells of an account; searched for where it is not known."""
    start_source: str | None
    """Where that block was taken from."""
    where: str
    """File and key, for messages."""

    def id_on(self, chain: str) -> str:
        """The venue's id on a chain that the user calls so: `ethereum/aave-v3/core`, `base/morpho-blue`."""
        return "/".join(part for part in (chain, self.protocol, self.name) if part)


@dataclass(frozen=True, slots=True)
class Reference:
    """A feed that gives a token in US dollars."""

    token: Address
    feed: Address


@dataclass(frozen=True, slots=True)
class ChainBook:
    """What is known of one chain."""

    chain: str
    chain_id: int
    aliases: tuple[str, ...]
    tokens: tuple[Token, ...]
    venues: tuple[Deployment, ...]
    references: tuple[Reference, ...] = ()


def parse(name: str, text: str) -> ChainBook:
    """One file of the address book. Raises `ConfigError` naming the file and key."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(name, f"not valid TOML: {error}") from None
    where = name
    try:
        tokens = []
        for at, entry in enumerate(document.get("tokens", [])):
            where = f"{name}: tokens[{at}]"
            tokens.append(Token(to_address(entry["address"]), entry["symbol"], entry["factor"]))
        venues = []
        for at, entry in enumerate(document.get("venues", [])):
            where = f"{name}: venues[{at}]"
            venues.append(_deployment(entry, where))
        references = []
        for at, entry in enumerate(document.get("references", [])):
            where = f"{name}: references[{at}]"
            references.append(Reference(to_address(entry["token"]), to_address(entry["feed"])))
        where = name
        return ChainBook(
            chain=document["chain"],
            chain_id=document["chain_id"],
            aliases=tuple(document.get("aliases", ())),
            tokens=tuple(tokens),
            venues=tuple(venues),
            references=tuple(references),
        )
    except KeyError as error:
        raise ConfigError(where, f"no key {error.args[0]!r}") from None
    except BadAddress as error:
        raise ConfigError(where, str(error)) from None


def _deployment(entry: Mapping[str, Any], where: str) -> Deployment:
    return Deployment(
        protocol=entry["protocol"],
        name=entry.get("name", ""),
        addresses={key: to_address(value) for key, value in entry["addresses"].items()},
        source=entry["source"],
        start_block=entry.get("start_block"),
        start_source=entry.get("start_source"),
        where=where,
    )


@cache
def books() -> Mapping[int, ChainBook]:
    """Every chain of the address book, by chain id."""
    files = [file for file in resources.files(__name__).iterdir() if file.name.endswith(".toml")]
    found = [
        parse(f"protocols/deployments/{file.name}", file.read_text(encoding="utf-8"))
        for file in sorted(files, key=lambda file: file.name)
    ]
    return {book.chain_id: book for book in found}
