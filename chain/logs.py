"""Event scans: which logs a set of contracts wrote in a range of blocks, in pieces the node accepts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from margin.basics import Address


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which logs are wanted."""

    addresses: tuple[Address, ...]
    topics: tuple[bytes, ...] = ()
    """First topics, any of them; empty for every event of the addresses."""


class Log(NamedTuple):
    """One event, as the node tells it; order is (block, index)."""

    block: int
    index: int
    """Of the log in its block."""
    address: Address
    topics: tuple[bytes, ...]
    data: bytes
