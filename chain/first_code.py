"""Where a contract begins: the first block that has its code, by halving."""

from __future__ import annotations

from dataclasses import dataclass

from chain.answers import hex_bytes
from chain.rpc import Rpc
from margin.basics import Address, BlockRef, Reason, Unread
from margin.errors import ReadError


@dataclass(frozen=True, slots=True)
class FirstCode:
    """From which block on a contract may have done anything."""

    block: int
    """The first with code, or an earlier one: never a later one."""
    unread: Unread | None
    """Why it may be earlier; None when it is the first."""


def first_code_block(rpc: Rpc, address: Address, head: BlockRef) -> FirstCode:
    """The first block with code at `address`, of those up to `head`.

    A node without the states of old blocks can not tell; then the answer is the earliest block it
    leaves open, mostly 0. So it is for an address without code at `head`.
    """
    without, having = -1, head.number
    try:
        if not _has_code(rpc, address, having):
            return FirstCode(0, Unread(Reason.NO_CODE, f"no code at {address} in block {having}"))
        while having - without > 1:
            middle = (without + having) // 2
            if _has_code(rpc, address, middle):
                having = middle
            else:
                without = middle
    except ReadError as failure:
        return FirstCode(without + 1, failure.unread)
    return FirstCode(having, None)


def _has_code(rpc: Rpc, address: Address, number: int) -> bool:
    answer = rpc.request("eth_getCode", [address, hex(number)])
    if isinstance(answer, Unread):
        raise ReadError(address, answer)
    code = hex_bytes(answer)
    if code is None:
        raise ReadError(address, Unread(Reason.MALFORMED, "code that is no hex"))
    return bool(code)
