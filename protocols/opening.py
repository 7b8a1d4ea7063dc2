"""Opening a venue: the answers without which there is none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from chain.abi import Function
from chain.answers import Garbled, Reverted, by_contract
from chain.reader import Call, Reader
from margin.basics import Address, Reason, Unread
from margin.errors import ReadError, VenueError
from protocols.base import VenueConfig


def entered(
    reader: Reader, config: VenueConfig, entry: Address, views: Sequence[Function], what: str
) -> list[Any]:
    """The first output of each view of a venue's first contract.

    Raises `VenueError`, naming the configuration, where nothing stands there or it is not `what` ("an
    Aave v2 addresses provider"), and `ReadError` where the node kept an answer back.
    """
    found = []
    for answer in reader.read([Call(entry, view) for view in views]):
        if isinstance(answer, Unread):
            if answer.reason is Reason.NO_CODE:
                raise VenueError(config.where, f"no contract at {entry} on chain {reader.block.chain}")
            if isinstance(answer, Reverted | Garbled):
                raise VenueError(config.where, f"{entry} is not {what}")
            raise ReadError(config.id, answer)
        found.append(answer[0])
    return found


def required(reader: Reader, config: VenueConfig, calls: Sequence[Call], like: str) -> list[tuple[Any, ...]]:
    """Answers that every account depends on: one that could not be read makes the venue unreadable.

    Raises `VenueError` where a contract does not answer `like` ("as an Aave v2 contract"), `ReadError`
    where the node kept an answer back.
    """
    answers = []
    for call, answer in zip(calls, reader.read(calls), strict=True):
        if isinstance(answer, Unread):
            if by_contract(answer):
                raise VenueError(config.id, f"{call.target} does not answer {call.function.name} {like}")
            raise ReadError(config.id, answer)
        answers.append(answer)
    return answers
