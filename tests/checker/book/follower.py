"""A program that keeps a book current until it is killed.

    python -m tests.checker.book.follower URL STORE PROVIDER

For each line on stdin it starts a process that reads the book and then follows the head for ever. It
prints the process's id, a line for each block the book has come to, and its exit status at the end.
"""

from __future__ import annotations

import os
import sys

from chain.block import pin
from chain.rpc import Rpc
from checker.book.keeper import BookKeeper
from checker.book.store import Store
from checker.venues import Place
from margin.basics import Address
from protocols.base import VenueConfig
from protocols.registry import adapters


def place_of(provider: Address) -> Place:
    """The market behind this addresses provider."""
    config = VenueConfig("local/aave-v3/core", {"pool_addresses_provider": provider}, "test")
    return Place(adapters()["aave-v3"], config, is_users=True)


def follow(url: str, store_url: str, provider: Address) -> None:
    with Store.open(store_url) as store, Rpc.open("local", [url], 31337) as rpc:
        keeper = BookKeeper(rpc, place_of(provider), store)
        while True:
            change = keeper.advance(pin(rpc))
            print(change.how, flush=True)  # noqa: T201


def main(url: str, store_url: str, provider: Address) -> None:
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                follow(url, store_url, provider)
            finally:
                os._exit(1)  # and never back into the loop of the parent
        print(child, flush=True)  # noqa: T201
        print("ended", os.waitpid(child, 0)[1], flush=True)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Address(sys.argv[3]))
