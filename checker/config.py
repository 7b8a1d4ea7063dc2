"""The configuration: found, read, checked, and given out as plain frozen values.

Every mistake in it is one `ConfigError` that names the file and the key.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import typer
from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from chain.abi import BadAddress, to_address
from chain.block import AUTO, max_head_age
from checker.bands import DEFAULT_BANDS, Bands
from checker.config_environment import Expanded, Place, expanded
from checker.config_model import ChainTable, Document, VenueTable
from checker.config_types import LOOKS_LIKE_ADDRESS, REPEATS_VALUE, address, list_of
from checker.secrecy import keep_secret
from margin.basics import Address
from margin.errors import ConfigError
from protocols.registry import adapters, option_keys, optional_keys, wanted_keys

FILE_NAME = "crossmargin.toml"
Rpcs = Mapping[str, Sequence[str]]
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]{1,80}")


@dataclass(frozen=True, slots=True)
class Wallet:
    """One owner, or several under one label."""

    label: str | None
    addresses: tuple[Address, ...]
    bands: Bands


@dataclass(frozen=True, slots=True)
class VenueEntry:
    """A venue that the user names; its id and factors follow when the chain is known."""

    protocol: str
    name: str | None
    addresses: Mapping[str, Address]
    where: str
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain, how to reach it, and the user's own venues on it."""

    name: str
    urls: tuple[str, ...]
    chain_id: int | None
    address_book: bool
    max_head_age_s: int | Literal["auto"] | None
    references: Mapping[Address, Address]
    """By token a feed of the user's that gives it in US dollars."""
    venues: tuple[VenueEntry, ...]
    where: str

    def __repr__(self) -> str:
        return f"Chain({self.name}, {len(self.urls)} endpoints)"

    def head_age_limit_s(self, chain_id: int) -> int | None:
        """How old the chain's head may be; None where age says nothing."""
        return max_head_age(chain_id) if self.max_head_age_s == AUTO else self.max_head_age_s


@dataclass(frozen=True, slots=True)
class Config:
    """Everything the checker is told."""

    source: str
    """The file, as the user named it; empty when there is none."""
    chains: tuple[Chain, ...]
    wallets: tuple[Wallet, ...]
    bands: Bands
    factors_by_address: Mapping[Address, str]
    factors_by_symbol: Mapping[str, str]
    document: Document
    """The tables that other commands read: alerts, store, watch."""

    def select(self, names: Sequence[str]) -> tuple[Wallet, ...]:
        """The wallets with these labels or addresses, in that order; all of the file's for none.

        An address that is all that one entry of the file holds is that entry, with its label and bands.
        Raises `ConfigError` for a name that is neither.
        """
        labelled = {wallet.label: wallet for wallet in self.wallets if wallet.label}
        chosen = [labelled[n] if n in labelled else self._single(n) for n in names] if names else self.wallets
        return tuple(dict.fromkeys(chosen))

    def _single(self, name: str) -> Wallet:
        if not LOOKS_LIKE_ADDRESS.fullmatch(name):
            raise ConfigError(
                f"wallet {name[:80]!a}", f"no address, and no label in {self.source or 'a config file'}"
            )
        try:
            addresses = (to_address(name),)
        except BadAddress as error:
            raise ConfigError("wallet", str(error)) from None
        entries = [wallet for wallet in self.wallets if wallet.addresses == addresses]
        return entries[0] if len(entries) == 1 else Wallet(None, addresses, self.bands)


def find_config() -> Path | None:
    """`crossmargin.toml` here, else in the user's configuration directory, else none."""
    for path in (Path(FILE_NAME), Path(typer.get_app_dir("crossmargin")) / FILE_NAME):
        if path.is_file():
            return path
    return None


def load_config(
    path: str | Path | None = None,
    *,
    rpc: Rpcs | None = None,
    environment: Mapping[str, str] | None = None,
) -> Config:
    """The configuration of a file, or of the one `find_config` finds, or of `rpc` alone.

    `rpc`: chain name → endpoint URLs, instead of the file's. Raises `ConfigError`.
    """
    found = Path(path) if path is not None else find_config()
    source = "" if found is None else str(found)
    raw = {} if found is None else _read(found)
    rpc = rpc or {}
    for chain, urls in rpc.items():
        table = raw.setdefault("chains", {})
        if isinstance(table, dict) and isinstance(table.setdefault(chain, {}), dict):
            table[chain]["rpc"] = list(urls)
    environment = os.environ if environment is None else environment
    given = expanded(raw, environment)
    try:
        document = Document.model_validate(given.document)
    except ValidationError as error:
        raise _first_problem(error, given, source, rpc) from None
    for place, name in given.missing.items():
        raise _problem(place, _not_set(name), source, rpc)
    keep_secret(document)
    return _config(document, given, source)


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode(), parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(str(path), f"not valid TOML: {_one_line(str(error))}") from None
    except UnicodeDecodeError:
        raise ConfigError(str(path), "not valid TOML: not UTF-8 text") from None
    except OSError as error:
        raise ConfigError(str(path), f"cannot be read: {error.strerror}") from None


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text[:300]).split())


def _first_problem(error: ValidationError, given: Expanded, source: str, rpc: Rpcs) -> ConfigError:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = tuple(part for part in first["loc"] if part != "[key]")
    if len(place) > 3 and place[:2] == ("alerts", "channels") and isinstance(place[3], str):
        place = place[:3] + place[4:]  # the name of the channel's type, which pydantic puts there
    messages = {
        "extra_forbidden": "unknown key",
        "missing": "missing",
        "union_tag_invalid": "unknown type; there are discord, email and apprise",
        "union_tag_not_found": "missing key: type",
        "model_type": "expected a table",
        "dict_type": "expected a table",
        "tuple_type": "expected a list",
        "too_short": "expected at least one",
    }
    said = messages.get(first["type"]) or first["msg"].replace("Input should be", "should be")
    if first["type"] not in ("extra_forbidden", "missing") and given.missing:
        place, name = next(iter(given.missing.items()))
        said = _not_set(name)
    elif first["type"] == REPEATS_VALUE:
        said = _told(given, place, said)
    return _problem(place, said, source, rpc)


def _not_set(name: str) -> str:
    return f"the environment variable {name} is not set"


def _told(given: Expanded, place: Place, problem: str) -> str:
    """The problem with an address, without the address where it came from the environment."""
    names = given.names(place) or given.names(place[:-1])  # a lone text may stand for a list of one
    return f"what {names} holds is no address, or its checksum is wrong" if names else problem


def _problem(place: Place, said: str, source: str, rpc: Rpcs) -> ConfigError:
    if place[:1] == ("chains",) and place[2:3] == ("rpc",) and place[1] in rpc:
        return ConfigError(f"--rpc {place[1]}", said)
    return ConfigError(_where(source, *place), _one_line(said))


def _where(source: str, *place: str | int) -> str:
    """File and key: `crossmargin.toml: venues[0].name`."""
    key = ""
    for part in place:
        if isinstance(part, int):
            key += f"[{part}]"
        else:
            shown = part if _BARE_KEY.fullmatch(part) else f'"{_one_line(part)[:80]}"'
            key += f".{shown}" if key else shown
    return ": ".join(part for part in (source, key) if part) or "configuration"


def _config(document: Document, given: Expanded, source: str) -> Config:
    bands = document.bands.value().over(DEFAULT_BANDS)
    wallets = [
        Wallet(w.label, tuple(dict.fromkeys(w.addresses)), w.bands.value().over(bands))
        for w in document.wallets
    ]
    labels = [wallet.label for wallet in wallets]
    for at, label in enumerate(labels):
        if label is not None and label in labels[:at]:
            shown = given.shown(("wallets", at, "label"), label)
            raise ConfigError(
                _where(source, "wallets", at, "label"), f'"{shown}" is the label of another wallet'
            )
    entries = [_venue(entry, at, document, given, source) for at, entry in enumerate(document.venues)]
    by_address, by_symbol = _factors(document.factors, source)
    chains = tuple(
        _chain(name, table, _where(source, "chains", name), [e for c, e in entries if c == name])
        for name, table in document.chains.items()
    )
    return Config(source, chains, tuple(wallets), bands, by_address, by_symbol, document)


def _chain(name: str, table: ChainTable, where: str, venues: Sequence[VenueEntry]) -> Chain:
    return Chain(
        name=name,
        urls=tuple(url.get_secret_value() for url in table.rpc),
        chain_id=table.chain_id,
        address_book=table.address_book,
        max_head_age_s=None if table.any_head_age else table.max_head_age or "auto",
        references=dict(table.references),
        venues=tuple(venues),
        where=where,
    )


def _venue(
    entry: VenueTable, at: int, document: Document, given: Expanded, source: str
) -> tuple[str, VenueEntry]:
    """The chain's name and the venue, its protocol and addresses checked against the adapters."""

    def where(key: str) -> str:
        return _where(source, "venues", at, key)

    def shown(key: str, value: str) -> str:
        return repr(_one_line(given.shown(("venues", at, key), value))[:80])

    if entry.chain not in document.chains:
        raise ConfigError(where("chain"), f"no chain {shown('chain', entry.chain)} is configured")
    adapter = adapters().get(entry.protocol)
    if adapter is None:
        named = shown("protocol", entry.protocol)
        raise ConfigError(where("protocol"), f"no protocol {named}; there are {', '.join(adapters())}")
    values = entry.model_extra or {}
    lists = option_keys(adapter)
    wanted = wanted_keys(adapter, values)
    others = [key for key in optional_keys(adapter) if key in values]
    for key in values:
        if key not in (*wanted, *others) and key not in lists:
            raise ConfigError(where(key), "unknown key")
    addresses: dict[str, Address] = {}
    options: dict[str, tuple[str, ...]] = {}
    for key in (*wanted, *others):
        if key not in values:
            raise ConfigError(where(key), f"missing: {entry.protocol} needs this address")
        try:
            addresses[key] = address(values[key])
        except PydanticCustomError as error:
            raise ConfigError(where(key), _told(given, ("venues", at, key), error.message())) from None
    for key, kind in lists.items():
        if key in values:
            try:
                options[key] = list_of(kind, values[key])
            except PydanticCustomError as error:
                raise ConfigError(where(key), error.message()) from None
    place = where(wanted[0]) if len(wanted) == 1 else _where(source, "venues", at)
    return entry.chain, VenueEntry(entry.protocol, entry.name, addresses, place, options)


def _factors(factors: Mapping[str, str], source: str) -> tuple[dict[Address, str], dict[str, str]]:
    """Those given by address, and those by symbol."""
    by_address: dict[Address, str] = {}
    by_symbol: dict[str, str] = {}
    for key, factor in factors.items():
        if not key.lower().startswith("0x"):
            by_symbol[key] = factor
            continue
        try:
            by_address[to_address(key)] = factor
        except BadAddress as error:
            raise ConfigError(_where(source, "factors", key), str(error)) from None
    return by_address, by_symbol
