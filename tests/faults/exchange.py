"""One post on its way through the proxy, and what a fault may do to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

Json = Any


@dataclass
class Seen:
    """One post as it came in."""

    methods: tuple[str, ...]
    batch: bool
    size: int
    """Bytes of its body."""
    at: float
    """On `time.monotonic`."""


@dataclass
class Exchange:
    """One post on its way through; the faults change it."""

    asks: list[dict[str, Json]]
    batch: bool
    upstream: str
    answer: Json = None
    """The node's answer as JSON, once it is there."""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    """Sent instead of the answer; when set before, the node is not asked."""
    cut_at: int | None = None
    """The connection is closed after this many bytes of the body."""
    drip_s: float | None = None
    """Pause after each byte of the body."""
    dead: bool = False
    """The connection is closed without an answer."""

    def answers(self) -> Iterator[tuple[dict[str, Json], dict[str, Json]]]:
        """Each ask with its answer."""
        items = self.answer if isinstance(self.answer, list) else [self.answer]
        by_id = {item["id"]: item for item in items if isinstance(item, dict) and "id" in item}
        for ask in self.asks:
            if ask["id"] in by_id:
                yield ask, by_id[ask["id"]]


@dataclass(kw_only=True)
class Fault:
    """Something that goes wrong; see the module for `times`, `skip` and `method`."""

    times: int | None = 1
    skip: int = 0
    method: str | None = None
    acted: int = field(default=0, init=False)
    """Posts it acted on so far."""

    def matches(self, exchange: Exchange) -> bool:
        """Whether this post is one of those meant."""
        return self.method is None or any(ask.get("method") == self.method for ask in exchange.asks)

    def takes(self, exchange: Exchange) -> bool:
        """As `matches`, and counts down `skip` and `times`."""
        if not self.matches(exchange):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is not None and self.acted >= self.times:
            return False
        self.acted += 1
        return True

    def before(self, exchange: Exchange) -> None:
        """Acts before the node is asked."""

    def after(self, exchange: Exchange) -> None:
        """Acts on the node's answer."""
