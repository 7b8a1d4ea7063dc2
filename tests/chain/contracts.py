"""Small contracts, written in the assembly of `chain.program`, that behave in one way each."""

from __future__ import annotations

from chain import program
from chain.abi import Function, to_address
from margin.basics import Address

_OPCODES = program.OPCODES | {
    "SUB": 0x03,
    "GT": 0x11,
    "EQ": 0x14,
    "KECCAK": 0x20,
    "SLOAD": 0x54,
    "SSTORE": 0x55,
    "REVERT": 0xFD,
    "INVALID": 0xFE,
}


def assemble(source: str) -> bytes:
    """As the program's own assembler, with a few opcodes more."""
    return program.assemble(source, _OPCODES)


def at(number: int) -> Address:
    """An address of nobody's."""
    return to_address(f"0x{0xC0DE0000 + number:040x}")


ECHO, REFUSES, BURNS, NOTHING, BALANCES = at(1), at(2), at(3), at(4), at(5)
REASON, PANIC, LONG, COUNTS, HEAVY, INVALID = at(6), at(7), at(8), at(9), at(10), at(11)
MOMENT, WANTS_GAS = at(12), at(13)

WORD = Function("word(uint256)", "uint256")
"""ECHO gives its argument plus seven."""
COUNT = Function("count()", "uint256")
MUTATING_COUNT = Function("count()", "uint256", mutates=True)

_ERROR = "0x08c379a0 224 SHL 0 MSTORE 32 4 MSTORE 6 36 MSTORE"
CONTRACTS: dict[Address, bytes] = {
    ECHO: assemble("4 CALLDATALOAD 7 ADD 0 MSTORE 32 0 RETURN"),
    REFUSES: assemble("0 0 REVERT"),
    BURNS: assemble("loop: @loop JUMP"),
    # mapping(address => uint256) at slot 0, plus seven
    BALANCES: assemble("4 CALLDATALOAD 0 MSTORE 0 32 MSTORE 64 0 KECCAK SLOAD 7 ADD 0 MSTORE 32 0 RETURN"),
    # revert with Error("paused")
    REASON: assemble(f"{_ERROR} 0x706175736564 208 SHL 68 MSTORE 100 0 REVERT"),
    PANIC: assemble("0x4e487b71 224 SHL 0 MSTORE 0x11 4 MSTORE 36 0 REVERT"),
    # as many bytes as its argument says
    LONG: assemble("4 CALLDATALOAD 0 RETURN"),
    # counts its own calls, and gives the count
    COUNTS: assemble("0 SLOAD 1 ADD DUP1 0 SSTORE 0 MSTORE 32 0 RETURN"),
    # burns 40 gas as often as its argument says, then gives 9
    HEAVY: assemble(
        "4 CALLDATALOAD loop: DUP1 ISZERO @end JUMPI 1 SWAP1 SUB @loop JUMP end: 9 0 MSTORE 32 0 RETURN"
    ),
    # 1 with half a million gas to run on, else 0: what a contract with try and catch may come to
    WANTS_GAS: assemble("500000 GAS GT 0 MSTORE 32 0 RETURN"),
    INVALID: assemble("INVALID"),
    MOMENT: assemble("TIMESTAMP 0 MSTORE 32 0 RETURN"),
}
