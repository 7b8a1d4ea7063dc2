"""Chainlink-style price feeds in bulk: what a source answers, as it answers it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chain.abi import Function
from chain.answers import by_contract
from chain.reader import Call, Reader
from chain.text import clean
from margin.basics import Address, Reason, Unread

LATEST_ANSWER = Function("latestAnswer()", "int256")
LATEST_ROUND = Function("latestRoundData()", "uint80,int256,uint256,uint256,uint80")
DECIMALS = Function("decimals()", "uint8")
DESCRIPTION = Function("description()", "string")
_PARTS = (LATEST_ANSWER, LATEST_ROUND, DECIMALS, DESCRIPTION)


@dataclass(frozen=True, slots=True)
class FeedAnswer:
    """One source's answer. None: the source does not offer that part (many have only `latestAnswer`)."""

    address: Address
    answer_raw: int
    """As given, zero and negative too: the protocol decides what it makes of that."""
    decimals: int | None
    updated_at: int | None
    """Seconds since 1970. Some answer 0, which says nothing."""
    round_id: int | None
    description: str | None
    """Sanitised, e.g. `ETH / USD`."""


def read_feeds(reader: Reader, addresses: Sequence[Address]) -> list[FeedAnswer | Unread]:
    """Per address its answer, or why there is none: NO_CODE, ORACLE (it refuses), or the node's failure.

    The answer is `latestAnswer()` where the source has it, else that of `latestRoundData()`. Round
    and time are given only where they belong to that same answer.
    """
    parts = reader.read([Call(address, part) for address in addresses for part in _PARTS])
    size = len(_PARTS)
    return [_feed(address, parts[at * size : at * size + size]) for at, address in enumerate(addresses)]


def _feed(address: Address, parts: Sequence[tuple[Any, ...] | Unread]) -> FeedAnswer | Unread:
    for part in parts:
        # A part that the node failed to give is not one that the source lacks.
        if isinstance(part, Unread) and not by_contract(part):
            return part
    answer, round_, decimals, description = (None if isinstance(part, Unread) else part for part in parts)
    if answer is None and round_ is None:
        refusals = [part for part in parts[:2] if isinstance(part, Unread)]
        if all(refusal.reason is Reason.NO_CODE for refusal in refusals):
            return Unread(Reason.NO_CODE, f"price feed {address}: no contract answers there")
        told = next(refusal for refusal in refusals if refusal.reason is not Reason.NO_CODE)
        return Unread(Reason.ORACLE, f"price feed {address} gives no answer: {told.detail}"[:200])
    answer_raw = int(answer[0]) if answer is not None else int(round_[1])  # type: ignore[index]
    if round_ is not None and round_[1] != answer_raw:
        round_ = None
    return FeedAnswer(
        address=address,
        answer_raw=answer_raw,
        decimals=None if decimals is None else int(decimals[0]),
        updated_at=None if round_ is None else int(round_[3]) or None,
        round_id=None if round_ is None else int(round_[0]),
        description=None if description is None else clean(str(description[0])) or None,
    )
