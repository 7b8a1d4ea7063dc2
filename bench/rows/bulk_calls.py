"""Many view calls at once: the ways a node offers, each against one call after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from eth_abi.abi import decode
from eth_utils.address import to_checksum_address

from bench.measure import Way
from bench.naive import outputs
from bench.row import Row, same
from bench.stage import Stage
from chain.abi import split_types
from chain.means import Means
from chain.multicall import MULTICALL3
from chain.reader import Call
from protocols.aave_v3 import abi

CHUNK = 500
AGGREGATE3 = {
    "type": "function",
    "name": "aggregate3",
    "stateMutability": "payable",
    "inputs": [
        {
            "type": "tuple[]",
            "name": "calls",
            "components": [
                {"type": "address", "name": "target"},
                {"type": "bool", "name": "allowFailure"},
                {"type": "bytes", "name": "callData"},
            ],
        }
    ],
    "outputs": [
        {
            "type": "tuple[]",
            "name": "returnData",
            "components": [{"type": "bool", "name": "success"}, {"type": "bytes", "name": "returnData"}],
        }
    ],
}
Read = Callable[[Sequence[Call]], list[Any]]


@dataclass(frozen=True, slots=True)
class Bulk:
    """One way of asking many calls at once."""

    name: str
    meaning: str
    read: Read


def measure(stage: Stage) -> Iterator[Row]:
    """Flags, one supply and the pool's own view of every wallet, by each of the ways."""
    venue = stage.book[0]
    kinds = (
        (venue.pool, abi.GET_USER_CONFIGURATION),
        (venue.reserves[0].a_token, abi.SCALED_BALANCE_OF),
        (venue.pool, abi.GET_USER_ACCOUNT_DATA),
    )
    calls = [Call(target, function, (user,)) for user in stage.wallets for target, function in kinds]
    sample = calls[: len(kinds) * stage.size.sample]
    expected = stage.reader(Means.SINGLE).read(calls)
    same("calls by naive web3.py", expected[: len(sample)], stage.naive.read(sample))
    bulk = _ways(stage)
    for way in bulk:
        same(f"calls by {way.name}", expected, way.read(calls))

    times = stage.race(
        Way(lambda: stage.naive.read(sample), len(sample)),
        *[Way(partial(way.read, calls), len(calls)) for way in bulk],
    )
    for place, way in enumerate(bulk):
        yield Row(
            what=f"{len(calls):,} view calls: {way.name}",
            against="naive web3.py",
            ratio=times.ratio(place),
            figures=f"{times.per_second(place):,.0f} calls a second against {times.baseline_per_second:,.0f}",
            meaning=f"Three calls a wallet, decoded, against one `call()` after another. {way.meaning}",
        )


def _ways(stage: Stage) -> tuple[Bulk, ...]:
    return (
        Bulk(
            "our program",
            "A small program of ours, injected by the code override of `eth_call`; nothing is deployed.",
            stage.reader(Means.PROGRAM).read,
        ),
        Bulk(
            "Multicall3, our codec",
            "What we fall back on where a node takes no override.",
            stage.reader(Means.MULTICALL).read,
        ),
        Bulk(
            "JSON-RPC batch, our codec",
            "What we fall back on where there is no Multicall3 either.",
            stage.reader(Means.BATCH).read,
        ),
        Bulk(
            "Multicall3 by web3.py and eth_abi",
            "How Multicall3 is mostly used: `aggregate3(…).call()`, answers decoded by eth_abi.",
            _web3_multicall(stage),
        ),
        Bulk(
            "web3.py's batch_requests",
            "web3.py's own JSON-RPC batches of contract functions.",
            _web3_batch(stage),
        ),
    )


def _web3_multicall(stage: Stage) -> Read:
    """`aggregate3` as it is mostly used: encoded by web3.py, every answer decoded by eth_abi."""
    aggregate = stage.naive.w3.eth.contract(
        to_checksum_address(MULTICALL3), abi=[AGGREGATE3]
    ).functions.aggregate3

    def read(calls: Sequence[Call]) -> list[Any]:
        found: list[Any] = []
        for start in range(0, len(calls), CHUNK):
            part = calls[start : start + CHUNK]
            asked = [(call.target, True, call.function.encode(*call.args)) for call in part]
            for call, (success, data) in zip(part, aggregate(asked).call(), strict=True):
                assert success
                found.append(decode(split_types(call.function.outputs), data))
        return found

    return read


def _web3_batch(stage: Stage) -> Read:
    """web3.py's own JSON-RPC batches."""
    naive = stage.naive

    def read(calls: Sequence[Call]) -> list[Any]:
        found: list[Any] = []
        for start in range(0, len(calls), CHUNK):
            part = calls[start : start + CHUNK]
            with naive.w3.batch_requests() as batch:
                for call in part:
                    batch.add(naive.function(call))
                answers = batch.execute()
            found += [outputs(call, answer) for call, answer in zip(part, answers, strict=True)]
        return found

    return read
