"""Which adapters there are: every module of this room that has an `ADAPTER`. No list to edit."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
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


def option_keys(adapter: Adapter) -> Mapping[str, ListOf]:
    """Which lists a venue of this protocol may be given beside its addresses; mostly none."""
    found: Mapping[str, ListOf] = getattr(adapter, "option_keys", {})
    return found
