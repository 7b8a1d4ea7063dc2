"""The smallest venue that discovery can search: who ever held an aToken. A program, too, that can be killed.

    python -m tests.checker.book.holders URL STORE TOKEN,TOKEN,…

For each number on stdin it starts a process that searches up to the head, prints its id, and when it has
ended its exit status as `os.waitpid` gives it. A number above 0: the process ends itself by SIGKILL
before that statement of its database (a commit is one).
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from eth_utils.crypto import keccak
from sqlalchemy import Engine, event

from chain.block import pin
from chain.logs import Log, LogFilter
from chain.rpc import Rpc
from checker.book.discovery import Discovery, discover
from checker.book.store import Store
from margin.basics import Address, BlockRef
from protocols.book import Holding, Touched, Tracked

TRANSFER = keccak(text="Transfer(address,address,uint256)")
KEY = "31337/holders/test"


@dataclass(frozen=True)
class Holders:
    """Those who were named in a transfer of one of the tokens; its place among `every` is the part."""

    tokens: tuple[Address, ...]
    topics: tuple[bytes, ...] = (TRANSFER,)
    every: tuple[Address, ...] = ()
    """All tokens there are; `tokens` when empty."""
    id: str = "local/holders"

    def history(self) -> LogFilter:
        return LogFilter(self.tokens, self.topics)

    def touched(self, logs: Iterable[Log]) -> Touched:
        found = set()
        for log in logs:
            assert log.topics[0] in self.topics
            if log.topics[0] == TRANSFER:
                assert log.address in self.tokens
                found |= holdings_of(log, self.every or self.tokens)
        return Touched(frozenset(found))


def holdings_of(log: Log, tokens: tuple[Address, ...]) -> set[Holding]:
    part = tokens.index(log.address)
    return {(topic[12:], part) for topic in log.topics[1:3]}


def search(
    rpc: Rpc, tokens: tuple[Address, ...], store: Store, block: BlockRef | None = None, **changes: Any
) -> Discovery:
    """Discovery of the holders up to a block (the head)."""
    venue = cast("Tracked[Any]", changes.pop("venue", None) or Holders(tokens))
    given: dict[str, Any] = {"start_block": 0, "entry": tokens[0], "say": lambda *_: None, **changes}
    return discover(rpc, venue, KEY, store, block or pin(rpc), **given)


def end_before(statement: int) -> None:
    """From now on this process ends before that many statements."""
    left = [statement]

    def count(*_: object) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    event.listen(Engine, "before_cursor_execute", count)
    event.listen(Engine, "commit", count)


def main(url: str, store_url: str, tokens: tuple[Address, ...]) -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                if int(line):
                    end_before(int(line))
                with Store.open(store_url) as store:
                    search(Rpc.open("local", [url], 31337), tokens, store)
                code = 0
            finally:
                os._exit(code)  # and never back into the loop of the parent
        print(child, flush=True)  # noqa: T201
        print(os.waitpid(child, 0)[1], flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], tuple(Address(one) for one in sys.argv[3].split(",")))
