"""One Anvil with small hand-made contracts for all tests of the room, and a proxy before it for each."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest

from chain.endpoint import endpoints_of
from chain.multicall import MULTICALL3
from chain.rpc import Rpc, Settings
from localnet.anvil import Anvil
from localnet.multicall3 import place_multicall3
from margin.basics import BlockRef
from tests.chain.contracts import CONTRACTS
from tests.faults import FaultProxy

MakeRpc = Callable[..., Rpc]


def furnish(anvil: Anvil) -> None:
    # As much gas as a real block has: a call that burns all of it is over in milliseconds.
    anvil.request("evm_setBlockGasLimit", hex(30_000_000))
    for address, code in CONTRACTS.items():
        anvil.set_code(address, code)
    place_multicall3(anvil, MULTICALL3)
    for _ in range(5):
        anvil.mine(anvil.timestamp() + 12)


def head_of(anvil: Anvil) -> BlockRef:
    """The head, read without the code under test."""
    head = anvil.request("eth_getBlockByNumber", "latest", False)
    return BlockRef("local", 31337, int(head["number"], 16), head["hash"], int(head["timestamp"], 16))


@pytest.fixture(scope="session")
def node() -> Iterator[Anvil]:
    with Anvil.start() as anvil:
        furnish(anvil)
        yield anvil


@pytest.fixture
def proxy(node: Anvil) -> Iterator[FaultProxy]:
    with FaultProxy(node.url) as proxy:
        yield proxy


@pytest.fixture
def slept() -> list[float]:
    """The pauses that an `Rpc` of `make_rpc` made; none is really waited for."""
    return []


@pytest.fixture
def make_rpc(slept: list[float]) -> Iterator[MakeRpc]:
    """Makes an `Rpc` over URLs whose pauses take no time, and whose dead chains are asked again at once."""
    made: list[Rpc] = []

    def make(*urls: str, chain_id: int | None = 31337, **settings: float) -> Rpc:
        patience = Settings(**{"timeout_s": 5.0, "dead_s": 0.0, **settings})  # type: ignore[arg-type]
        rpc = Rpc(
            "local", endpoints_of("local", urls), chain_id, patience, rng=random.Random(7), sleep=slept.append
        )
        made.append(rpc)
        return rpc

    yield make
    for rpc in made:
        rpc.close()


@pytest.fixture
def rpc(proxy: FaultProxy, make_rpc: MakeRpc) -> Rpc:
    """An `Rpc` through the proxy."""
    return make_rpc(proxy.url)


@pytest.fixture(scope="session")
def block(node: Anvil) -> BlockRef:
    return head_of(node)
