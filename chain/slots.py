"""Two formats for many words of storage at once: `eth_getStorageValues`, and a program that loads slots.

The program is tiny: its call data is keys, its answer the words at them. By a code override of
`eth_call` it stands in the place of every contract asked, whose storage a `code` override leaves as
it is, and `chain.program` calls it there, a piece at a time, and proves chain and moment. A load of a
slot costs about 2,900 gas with everything around it, and nodes allow some 50 million in one
`eth_call`: so one call has room for about 15,000.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chain.program import ADDRESS, CODE, OPCODES, assemble, pack
from chain.transport import Ask, Digits
from margin.basics import Address

Piece = tuple[Address, bytes]
"""A contract, and keys of it: 32 bytes each, one after another."""

SLOADS = assemble(
    """
    0
next:
    DUP1 CALLDATALOAD SLOAD DUP2 MSTORE  ; i      the word stands where its key stood
    32 ADD                               ; i
    CALLDATASIZE DUP2 LT @next JUMPI
    CALLDATASIZE 0 RETURN
    """,
    {**OPCODES, "SLOAD": 0x54},
)
PROGRAM_PIECE = 256
"""Keys a call inside the program: each may burn a sixteenth of the gas, and these need 0.6 million."""
VALUES_LIMIT = 1024
"""Slots that `eth_getStorageValues` takes in one request, over all contracts."""


def program_params(pieces: Sequence[Piece], block: object) -> list[Any]:
    """Of the `eth_call` that loads all pieces."""
    code = {"code": "0x" + SLOADS.hex()}
    override = {address: code for address, _ in pieces} | {ADDRESS: {"code": "0x" + CODE.hex()}}
    return [{"to": ADDRESS, "data": Digits("0x" + pack(pieces).hex())}, block, override]


def values_ask(pieces: Sequence[Piece], block: object) -> Ask:
    """One `eth_getStorageValues`; the contracts must differ."""
    return "eth_getStorageValues", [{address: _slots(keys.hex()) for address, keys in pieces}, block]


def _slots(keys: str) -> list[str]:
    return ["0x" + keys[at : at + 64] for at in range(0, len(keys), 64)]


def values_words(result: object, pieces: Sequence[Piece]) -> list[bytes] | None:
    """The words of each piece, in order; None when it is not just that, a whole word for every slot."""
    if not isinstance(result, Mapping) or len(result) != len(pieces):
        return None
    # Nodes write the addresses as they like.
    by_address = {str(address).lower(): words for address, words in result.items()}
    found = []
    for address, keys in pieces:
        words = _joined(by_address.get(address.lower()), len(keys) // 32)
        if words is None:
            return None
        found.append(words)
    return found


def _joined(words: object, count: int) -> bytes | None:
    """The bytes of `count` words, each of 0x and 64 hex digits; all taken together, for speed."""
    if not isinstance(words, list) or len(words) != count:
        return None
    try:
        text = np.frombuffer("".join(words).encode("ascii"), np.uint8).reshape(count, 66)
        raw = bytes.fromhex(text[:, 2:].tobytes().decode("ascii"))
    except (TypeError, ValueError):
        return None
    if (text[:, 0] != ord("0")).any() or (text[:, 1] != ord("x")).any():
        return None
    # Shorter where blanks stood between the digits.
    return raw if len(raw) == 32 * count else None
