"""How much of what the node itself can do is left after our reading and decoding."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence

from bench.measure import Way
from bench.node import LANES, Node, request
from bench.row import Row, same
from bench.stage import Stage
from chain import program
from chain.means import Means
from chain.reader import Call
from margin.basics import Address
from protocols.aave_v3 import abi


def measure(stage: Stage) -> Iterator[Row]:
    """Reading every wallet's view of itself, against posting the same question ready-made."""
    pool = stage.book[0].pool
    calls = [Call(pool, abi.GET_USER_ACCOUNT_DATA, (user,)) for user in stage.wallets]
    raw = [(call.target, call.function.encode(*call.args)) for call in calls]
    size = -(-len(raw) // LANES)
    bodies = [_body(stage, raw[start : start + size]) for start in range(0, len(raw), size)]
    reader = stage.reader(Means.PROGRAM)
    with Node(stage.market.anvil.url) as node:
        same("the node's own answers", reader.raw(raw), _taken_apart(node.post(bodies), size))
        times = stage.race(
            Way(lambda: node.post(bodies), len(calls)),
            Way(lambda: reader.read(calls), len(calls)),
        )
    yield Row(
        what=f"{len(calls):,} × getUserAccountData, read and decoded",
        against="the node alone",
        ratio=times.ratio(),
        figures=f"{times.per_second():,.0f} accounts a second against {times.baseline_per_second:,.0f}",
        meaning=(
            "Our reader against posting the same calls as bytes prepared beforehand and throwing the "
            "answer away: 1 would mean that our own work costs nothing, and what is above 1 is the "
            "machine's noise."
        ),
    )


def _taken_apart(answers: Iterable[bytes], size: int) -> list[bytes | None]:
    """The results in the node's answers: checked once, so that it is no error that is posted so fast."""
    found: list[bytes | None] = []
    for answer in answers:
        packed = bytes.fromhex(str(json.loads(answer)["result"])[2:])
        found += program.unpack(packed, size).results
    return found


def _body(stage: Stage, calls: Sequence[tuple[Address, bytes]]) -> bytes:
    """The whole HTTP body that asks for these calls by our program."""
    question = {"to": program.ADDRESS, "data": "0x" + program.pack(calls).hex()}
    override = {program.ADDRESS: {"code": "0x" + program.CODE.hex()}}
    params = [question, {"blockHash": stage.block.hash}, override]
    return json.dumps(request("eth_call", params)).encode()
