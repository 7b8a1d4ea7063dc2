"""The smallest shared values: addresses, a pinned block, and what could not be read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

Address = NewType("Address", str)
"""An EIP-55 checksummed address. Made by `chain.abi.to_address`; compared as text."""

ZERO_ADDRESS = Address("0x" + "0" * 40)


@dataclass(frozen=True, slots=True)
class BlockRef:
    """The one block that everything of a chain was read at in one check."""

    chain: str
    """The user's name of the chain, e.g. `ethereum` or `local`."""
    chain_id: int
    number: int
    hash: str
    """0x and 64 hex digits."""
    timestamp: int
    """Seconds since 1970, as the block says."""


class Reason(StrEnum):
    """Why something could not be read or decided. Closed: a new cause gets a new word."""

    REFUSED = "refused"
    """No connection, or the connection was cut."""
    TIMEOUT = "timeout"
    RATE_LIMITED = "rate_limited"
    MALFORMED = "malformed"
    """An answer that is truncated, oversized, or not what was asked for."""
    RPC_ERROR = "rpc_error"
    """The node answered with an error of its own."""
    WRONG_CHAIN = "wrong_chain"
    STALE_HEAD = "stale_head"
    BLOCK_NOT_FOUND = "block_not_found"
    """In the future, pruned, or orphaned since it was pinned."""
    REVERTED = "reverted"
    """The contract itself refused the call."""
    NO_CODE = "no_code"
    """Nothing is deployed at an address that should hold a contract."""
    ORACLE = "oracle"
    """A price feed the account depends on gives no usable answer."""
    UNSUPPORTED = "unsupported"
    """A state this project cannot compute exactly, and so does not guess."""
    UNDECIDED = "undecided"
    """An exact search used up its budget."""

    @property
    def is_of_the_node(self) -> bool:
        """Whether the endpoint is at fault: asked again, or elsewhere, the same may be answered."""
        return self in _OF_THE_NODE


_OF_THE_NODE = frozenset(
    {
        Reason.REFUSED,
        Reason.TIMEOUT,
        Reason.RATE_LIMITED,
        Reason.MALFORMED,
        Reason.RPC_ERROR,
        Reason.WRONG_CHAIN,
        Reason.STALE_HEAD,
        Reason.BLOCK_NOT_FOUND,
    }
)


@dataclass(frozen=True, slots=True)
class Unread:
    """A value that could not be had. It is never a zero, and never dropped."""

    reason: Reason
    detail: str
    """One line for a person; no secret, no URL, bounded in length."""

    def __str__(self) -> str:
        return f"{self.reason.value}: {self.detail}" if self.detail else self.reason.value
