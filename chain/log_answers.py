"""Events as a node tells them, checked one by one and decoded: two hundred thousand in about a second."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

from chain.answers import hex_bytes, quantity
from margin.basics import Address, Reason, Unread
from margin.errors import EndpointError


class Log(NamedTuple):
    """One event, as the node tells it; order is (block, index)."""

    block: int
    index: int  # type: ignore[assignment] # a tuple's own method of that name is not missed
    """Of the log in its block."""
    address: Address
    topics: tuple[bytes, ...]
    data: bytes
    transaction: str = ""
    """Hash of the transaction that wrote it: 0x and 64 lower-case hex digits."""


class _Wrong(Exception):
    """What is wrong with one event."""


def decoded_logs(
    label: str,
    answer: object,
    addresses: Mapping[str, Address],
    topics: frozenset[bytes],
    first: int,
    last: int,
    last_hash: str,
) -> list[Log]:
    """The events in an answer to `eth_getLogs`, ascending by (block, index).

    `addresses`: those asked for, by their lower-case hex; `topics`: empty for any; `first` … `last`: the
    blocks asked for, both included, and the hash of the last. Raises `EndpointError` MALFORMED for the
    whole answer when anything in it was not asked for, stands twice, was removed, or is not an event:
    what is wrong once may also be missing elsewhere.
    """
    if not isinstance(answer, list):
        raise EndpointError(label, Unread(Reason.MALFORMED, "no list of events"))
    try:
        return _decoded(answer, addresses, topics, first, last, last_hash)
    except _Wrong as wrong:
        raise EndpointError(label, Unread(Reason.MALFORMED, f"an event {wrong}")) from None
    except (KeyError, TypeError, ValueError, AttributeError):
        raise EndpointError(label, Unread(Reason.MALFORMED, "not an event")) from None


def _decoded(
    answer: list[object],
    addresses: Mapping[str, Address],
    topics: frozenset[bytes],
    first: int,
    last: int,
    last_hash: str,
) -> list[Log]:
    logs: list[Log] = []
    hashes: dict[int, str] = {last: last_hash}
    numbers: dict[object, int] = {}
    transactions: dict[object, str] = {}
    before = (-1, -1)
    ascending = True
    for item in answer:
        if not isinstance(item, dict):
            raise _Wrong("that is no object")
        if item.get("removed", False) is not False:
            raise _Wrong("of a removed block")
        address = addresses.get(item["address"].lower())
        if address is None:
            raise _Wrong("of another contract")
        block, index = _number(item["blockNumber"], numbers), _number(item["logIndex"], numbers)
        if not first <= block <= last:
            raise _Wrong("outside the blocks asked for")
        # All of one block are of one block: an answer put together from two branches is none.
        if hashes.setdefault(block, item["blockHash"].lower()) != item["blockHash"].lower():
            raise _Wrong("of a replaced block")
        words = item["topics"]
        if not isinstance(words, list) or len(words) > 4:
            raise _Wrong("with no proper topics")
        found = tuple([_word(word) for word in words])
        if topics and (not found or found[0] not in topics):
            raise _Wrong("of another kind")
        ascending = ascending and (block, index) > before
        before = (block, index)
        data = _data(item["data"])
        transaction = _transaction(item["transactionHash"], transactions)
        logs.append(Log(block, index, address, found, data, transaction))
    if not ascending:
        logs.sort(key=_place)
        if any(_place(one) == _place(next_) for one, next_ in pairwise(logs)):
            raise _Wrong("that stands twice")
    return logs


def _place(log: Log) -> tuple[int, int]:
    return log.block, log.index


def _number(text: object, known: dict[object, int]) -> int:
    """A quantity; the same few stand in every event of a block, so they are kept."""
    found = known.get(text)
    if found is None:
        found = quantity(text)
        if found is None:
            raise _Wrong("without its place")
        known[text] = found
    return found


def _transaction(text: object, known: dict[object, str]) -> str:
    """A transaction's hash; a transaction writes several events, so each is looked at once."""
    found = known.get(text)
    if found is None:
        raw = hex_bytes(text)
        if raw is None or len(raw) != 32:
            raise _Wrong("of no transaction")
        known[text] = found = "0x" + raw.hex()
    return found


def _word(text: str) -> bytes:
    word = bytes.fromhex(text[2:])
    # `fromhex` passes over blanks, so both lengths count.
    if len(word) != 32 or len(text) != 66 or text[:2] != "0x":
        raise _Wrong("with a topic that is no word")
    return word


def _data(text: str) -> bytes:
    data = bytes.fromhex(text[2:])
    if 2 * len(data) + 2 != len(text) or text[:2] != "0x":
        raise _Wrong("with data that is no hex")
    return data
