"""Pinning: the only place where "latest" becomes a block."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, Literal

from chain.answers import hex_bytes, quantity
from chain.node import Turn
from chain.rpc import Rpc
from chain.transport import Ask
from margin.basics import BlockRef, Reason, Unread
from margin.errors import ConfigError, EndpointError, ReadError

AUTO: Final = "auto"
"""Head age by the chain's table entry."""

MAX_HEAD_AGE_S: Mapping[int, int | None] = {
    31337: None,  # local development chains stand still, or jump
    1337: None,
    1: 180,
    11155111: 180,
    10: 120,
    56: 120,
    100: 180,
    137: 120,
    8453: 120,
    42161: 300,  # makes a block only when there is something in it
    43114: 300,
    59144: 300,
    534352: 300,
}
"""Seconds after which a chain's head is too old to judge by: ten times its pace and more."""
FALLBACK_MAX_HEAD_AGE_S = 600
_TAGS = ("latest", "safe", "finalized")
_HASH = re.compile(r"0x[0-9a-fA-F]{64}")


def max_head_age(chain_id: int) -> int | None:
    """Seconds that this chain's head may be old by default; None where age says nothing."""
    return MAX_HEAD_AGE_S.get(chain_id, FALLBACK_MAX_HEAD_AGE_S)


def pin(
    rpc: Rpc,
    spec: str | int = "latest",
    *,
    max_head_age_s: int | Literal["auto"] | None = AUTO,
    now: Callable[[], float] = time.time,
) -> BlockRef:
    """The block that `spec` names: latest, safe, finalized, a number or a hash.

    With a tag the head must be younger than `max_head_age_s` (None: any age), or the next endpoint
    is asked. Raises `ConfigError` for a spec that is none of these, `ChainUnreadable` with
    BLOCK_NOT_FOUND (naming the number and the head), STALE_HEAD, WRONG_CHAIN and the rest.
    """
    if isinstance(spec, str) and spec.isascii() and spec.isdigit():
        spec = int(spec)
    if isinstance(spec, int):
        if not 0 <= spec < 1 << 64:
            raise ConfigError("block", f"{spec} is no block number")
    elif spec not in _TAGS and not _HASH.fullmatch(spec):
        raise ConfigError("block", f"{spec[:80]!a} is not latest, safe, finalized, a number or a hash")
    limit = max_head_age(rpc.chain_id) if max_head_age_s == AUTO else max_head_age_s
    return rpc.attempt(partial(_pinned, rpc, spec, limit, now))


def still_canonical(rpc: Rpc, block: BlockRef) -> bool:
    """Whether the block is still the one at its number, on the same chain; asked in one batch.

    Raises `ChainUnreadable` when that can not be known.
    """
    try:
        return rpc.attempt(partial(_is_canonical, rpc, block))
    except ReadError as failure:
        if failure.unread.reason is Reason.BLOCK_NOT_FOUND:
            return False
        raise


def _is_canonical(rpc: Rpc, block: BlockRef, turn: Turn) -> bool:
    chain_id, found = _asked(
        turn, [("eth_chainId", []), ("eth_getBlockByNumber", [hex(block.number), False])]
    )
    rpc.confirm_chain(turn, chain_id)
    if found is None:
        raise _missing(turn, f"no block {block.number}")
    return _reference(rpc, turn, found).hash == block.hash


def _pinned(rpc: Rpc, spec: str | int, limit: int | None, now: Callable[[], float], turn: Turn) -> BlockRef:
    if isinstance(spec, int):
        wanted: Ask = ("eth_getBlockByNumber", [hex(spec), False])
    elif spec in _TAGS:
        wanted = ("eth_getBlockByNumber", [spec, False])
    else:
        wanted = ("eth_getBlockByHash", [spec.lower(), False])
    head_ask: Ask = ("eth_getBlockByNumber", ["latest", False])
    chain_ask: Ask = ("eth_chainId", [])
    if spec == "latest":
        chain_id, found = _asked(turn, [chain_ask, wanted])
        head = found
    else:
        chain_id, found, head = _asked(turn, [chain_ask, wanted, head_ask])
    rpc.confirm_chain(turn, chain_id)
    top = _reference(rpc, turn, head)
    age = now() - top.timestamp
    if spec in _TAGS and limit is not None and age > limit:
        said = f"head {top.number} is {age:.0f} s old, at most {limit} s is accepted"
        raise EndpointError(turn.node.label, Unread(Reason.STALE_HEAD, said))
    if found is None:
        raise _missing(turn, f"no block {spec}; the head is {top.number}")
    block = _reference(rpc, turn, found)
    if (isinstance(spec, int) and block.number != spec) or (
        isinstance(spec, str) and spec not in _TAGS and block.hash != spec.lower()
    ):
        raise EndpointError(turn.node.label, Unread(Reason.MALFORMED, f"another block than {spec}"))
    return block


def _asked(turn: Turn, asks: list[Ask]) -> list[object]:
    """All answers of a batch; the first that is missing is the failure of the whole."""
    answers = turn.batch(asks)
    for answer in answers:
        if isinstance(answer, Unread):
            raise EndpointError(turn.node.label, Unread(answer.reason, answer.detail))
    return answers


def _missing(turn: Turn, said: str) -> EndpointError:
    return EndpointError(turn.node.label, Unread(Reason.BLOCK_NOT_FOUND, said))


def _reference(rpc: Rpc, turn: Turn, answer: object) -> BlockRef:
    """A block as the node describes it, checked. A block not mined yet has no hash, and is refused."""
    fields = answer if isinstance(answer, dict) else {}
    number, timestamp = quantity(fields.get("number")), quantity(fields.get("timestamp"))
    raw = hex_bytes(fields.get("hash"))
    if number is None or timestamp is None or raw is None or len(raw) != 32 or max(number, timestamp) >> 64:
        raise EndpointError(turn.node.label, Unread(Reason.MALFORMED, "not a block"))
    return BlockRef(rpc.chain, rpc.chain_id, number, "0x" + raw.hex(), timestamp)
