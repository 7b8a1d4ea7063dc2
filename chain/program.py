"""A small program of ours that runs many view calls inside one `eth_call`, and its packed format.

The node is asked to pretend that this code stands at an unused address (a state override), so that
nothing need be deployed. It works on any EVM since Istanbul: no PUSH0.

Question: per call 20 bytes address, 3 bytes length, the call data. No padding, no offsets.
Answer: CHAINID and TIMESTAMP (a word each) as the calls themselves saw them, so that every answer
proves on which chain and at which moment it ran; then per call 1 byte outcome (0 failed, 1 gave an
answer, 2 gave one above 64 KiB), 3 bytes length, the bytes.

- STATICCALL: one call can not change what the next one sees.
- Every call may burn the same gas, a sixteenth of the whole, and none is begun when less than two
  such shares are left: the answer then ends early, and what is missing is asked in another call. So a
  call that burns all it gets can not make its neighbours fail, or answer differently.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chain.abi import AbiError, address_bytes, to_address
from margin.basics import Address

OPCODES = {
    "ADD": 0x01,
    "LT": 0x10,
    "ISZERO": 0x15,
    "AND": 0x16,
    "OR": 0x17,
    "SHL": 0x1B,
    "SHR": 0x1C,
    "CALLDATALOAD": 0x35,
    "CALLDATASIZE": 0x36,
    "CALLDATACOPY": 0x37,
    "RETURNDATASIZE": 0x3D,
    "RETURNDATACOPY": 0x3E,
    "TIMESTAMP": 0x42,
    "CHAINID": 0x46,
    "POP": 0x50,
    "MSTORE": 0x52,
    "JUMP": 0x56,
    "JUMPI": 0x57,
    "GAS": 0x5A,
    "JUMPDEST": 0x5B,
    "RETURN": 0xF3,
    "STATICCALL": 0xFA,
} | {f"{name}{n}": base + n for name, base in (("DUP", 0x7F), ("SWAP", 0x8F)) for n in range(1, 17)}


def assemble(source: str, opcodes: Mapping[str, int] = OPCODES) -> bytes:
    """Bytecode of a listing: opcodes, numbers (the shortest PUSH, never PUSH0), `@label` and `label:`.

    Text after `;` is a comment. A label stands for a JUMPDEST; its address is pushed as two bytes.
    """
    code = bytearray()
    labels: dict[str, int] = {}
    uses: list[tuple[int, str]] = []
    for token in " ".join(line.split(";", 1)[0] for line in source.splitlines()).split():
        if token.endswith(":"):
            labels[token[:-1]] = len(code)
            code.append(opcodes["JUMPDEST"])
        elif token.startswith("@"):
            uses.append((len(code) + 1, token[1:]))
            code += b"\x61\x00\x00"
        elif token in opcodes:
            code.append(opcodes[token])
        else:
            value = int(token, 0)
            size = max(1, (value.bit_length() + 7) // 8)
            code += bytes([0x5F + size]) + value.to_bytes(size, "big")
    for at, label in uses:
        code[at : at + 2] = labels[label].to_bytes(2, "big")
    return bytes(code)


LISTING = """
    CHAINID 0 MSTORE  TIMESTAMP 32 MSTORE
    4 GAS SWAP1 SHR                     ; c        the share of gas that each call may burn
    0 64                                ; c i o    places in the question and in the answer
next:
    CALLDATASIZE DUP3 LT ISZERO @end JUMPI
    DUP3 DUP1 ADD GAS LT @end JUMPI     ;          less than two shares left: end early
    DUP2 CALLDATALOAD                   ; c i o w
    DUP1 96 SHR                         ; c i o w a       address
    SWAP1 72 SHR 0xffffff AND           ; c i o a n       length of the call data
    DUP1 DUP5 23 ADD DUP5 4 ADD         ; c i o a n n i+23 o+4
    CALLDATACOPY                        ; c i o a n
    DUP1 23 ADD DUP5 ADD SWAP4 POP      ; c i o a n       i moved to the next call
    0 0 SWAP2 DUP5 4 ADD                ; c i o a 0 0 n o+4
    DUP5 DUP9 STATICCALL                ; c i o a s
    SWAP1 POP                           ; c i o s
    RETURNDATASIZE                      ; c i o s r
    DUP1 0x10000 LT @long JUMPI         ; c i o s r       65536 < r
    SWAP1 24 SHL DUP2 OR 224 SHL        ; c i o r head    outcome and length, in the top four bytes
    DUP3 MSTORE                         ; c i o r
    DUP1 0 DUP4 4 ADD RETURNDATACOPY    ; c i o r
    ADD 4 ADD                           ; c i o
    @next JUMP
long:
    POP POP 2 248 SHL DUP2 MSTORE       ; c i o
    4 ADD @next JUMP
end:
    0 RETURN                            ;                 memory from 0, o bytes
"""

CODE = assemble(LISTING)
ADDRESS: Address = to_address("0xc5055a461e0000000000000000000000c0ffee01")
"""Where the code is put for the length of a call; nobody holds a key to it."""
LONGEST_CALL = 0xFFFFFF
_HEAD = 64


@dataclass(frozen=True, slots=True)
class Packed:
    """The program's answer, taken apart."""

    chain_id: int
    timestamp: int
    results: tuple[bytes | None, ...]
    """Of the first calls; fewer than asked when gas ran short. None: failed or too long, ask it alone."""


def pack(calls: Sequence[tuple[Address, bytes]]) -> bytes:
    """The question for these (address, call data)."""
    parts = []
    for target, data in calls:
        if len(data) > LONGEST_CALL:
            raise AbiError(f"{len(data)} bytes of call data")
        parts += [address_bytes(target), len(data).to_bytes(3, "big"), data]
    return b"".join(parts)


def unpack(answer: bytes, count: int) -> Packed:
    """The answer to `count` calls. Raises `AbiError` when it is not exactly in the program's format."""
    if len(answer) < _HEAD:
        raise AbiError(f"{len(answer)} bytes are no answer of the program")
    results: list[bytes | None] = []
    at, end = _HEAD, len(answer)
    while at < end:
        start = at + 4
        size = int.from_bytes(answer[at + 1 : start], "big")
        outcome = answer[at]
        at = start + size
        if at > end or start > end or outcome > 2 or len(results) == count:
            raise AbiError("a damaged answer of the program")
        results.append(answer[start:at] if outcome == 1 else None)
    return Packed(int.from_bytes(answer[:32], "big"), int.from_bytes(answer[32:64], "big"), tuple(results))
