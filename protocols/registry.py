"""Which adapters there are: every module of this room that has an `ADAPTER`. No list to edit."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Collection, Mapping
from functools import cache

import protocols
from protocols.base import Adapter, ListOf


@cache
def adapters() -> Mapping[str, Adapter]:
    """The adapters by protocol name, in alphabetical order.

    An adapter that cannot be imported raises its own error: a protocol never silently disappears.
    """
    found: dict[str, Adapter] = {}
    for module in pkgutil.iter_modules(protocols.__path__):
        adapter = getattr(importlib.import_module(f"{protocols.__name__}.{module.name}"), "ADAPTER", None)
        if adapter is not None:
            found[adapter.protocol] = adapter
    return dict(sorted(found.items()))


def wanted_keys(adapter: Adapter, given: Collection[str]) -> tuple[str, ...]:
    """Which addresses a venue must have, of which these keys were given.

    A list of addresses on the chain, say, stands for all the addresses that are in it.
    """
    instead: tuple[str, ...] = getattr(adapter, "instead_keys", ())
    return instead if any(key in given for key in instead) else adapter.address_keys


def known_keys(adapter: Adapter) -> tuple[str, ...]:
    """Every key that a venue of this protocol may have in the configuration, addresses first."""
    instead: tuple[str, ...] = getattr(adapter, "instead_keys", ())
    return (*adapter.address_keys, *instead, *optional_keys(adapter), *option_keys(adapter))


def optional_keys(adapter: Adapter) -> tuple[str, ...]:
    """Which addresses a venue of this protocol may have beside those it must; mostly none."""
    found: tuple[str, ...] = getattr(adapter, "optional_keys", ())
    return found


def on_request(adapter: Adapter) -> str | None:
    """Why the book's venues of this protocol are looked at only where they are named; mostly `None`."""
    found: str | None = getattr(adapter, "on_request", None)
    return found


def option_keys(adapter: Adapter) -> Mapping[str, ListOf]:
    """Which lists a venue of this protocol may be given beside its addresses; mostly none."""
    found: Mapping[str, ListOf] = getattr(adapter, "option_keys", {})
    return found
