"""Multicall3 as deployed on most chains: its `aggregate3`, encoded and decoded by hand.

Two calls to itself ride along with every chunk, for the same proof of chain and moment as our own
program gives. Unlike our program it uses CALL and hands all gas to each call in turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chain.abi import AbiError, address_bytes, to_address
from margin.basics import Address

MULTICALL3: Address = to_address("0xcA11bde05977b3631167028862bE2a173976CA11")
_AGGREGATE3 = bytes.fromhex("82ad56cb")
GET_CHAIN_ID = bytes.fromhex("3408e470")
GET_TIMESTAMP = bytes.fromhex("0f28c97d")
_TRUE = (1).to_bytes(32, "big")
_PROOF = ((MULTICALL3, GET_CHAIN_ID), (MULTICALL3, GET_TIMESTAMP))


@dataclass(frozen=True, slots=True)
class Result:
    """Of one call: whether it succeeded, and what it gave back (the revert data when it did not)."""

    success: bool
    data: bytes


def _word(value: int) -> bytes:
    return value.to_bytes(32, "big")


def pack(calls: Sequence[tuple[Address, bytes]]) -> bytes:
    """Call data of `aggregate3` for the proof and these (address, call data), failures allowed."""
    every = [*_PROOF, *calls]
    heads, tails, offset = [], [], 32 * len(every)
    for target, data in every:
        padded = data + bytes(-len(data) % 32)
        heads.append(_word(offset))
        tails += [bytes(12), address_bytes(target), _TRUE, _word(96), _word(len(data)), padded]
        offset += 128 + len(padded)
    return b"".join([_AGGREGATE3, _word(32), _word(len(every)), *heads, *tails])


def unpack(answer: bytes, count: int) -> tuple[int, int, list[Result]]:
    """Chain id, timestamp (seconds) and the results of `count` calls. Raises `AbiError`."""

    def word(at: int) -> int:
        if at + 32 > len(answer):
            raise AbiError("an answer of Multicall3 that ends too early")
        return int.from_bytes(answer[at : at + 32], "big")

    if word(0) != 32 or word(32) != count + 2:
        raise AbiError("an answer of Multicall3 to another question")
    results = []
    for index in range(count + 2):
        start = 64 + word(64 + 32 * index)
        success, size = word(start), word(start + 64)
        data = answer[start + 96 : start + 96 + size]
        if success > 1 or word(start + 32) != 64 or len(data) != size:
            raise AbiError("a damaged answer of Multicall3")
        results.append(Result(success == 1, data))
    proof = results[:2]
    if not all(result.success and len(result.data) == 32 for result in proof):
        raise AbiError("Multicall3 does not say its chain and time")
    return int.from_bytes(proof[0].data, "big"), int.from_bytes(proof[1].data, "big"), results[2:]
