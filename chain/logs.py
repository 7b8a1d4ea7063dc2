"""Event scans: which logs a set of contracts wrote in a range of blocks, in pieces the node accepts."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from chain.answers import Heavy, Oversized, TooBig, hex_bytes, quantity
from chain.log_answers import Log, decoded_logs
from chain.log_span import FIRST_SPAN, Span
from chain.node import Node, Turn
from chain.rpc import Rpc
from chain.transport import Ask
from margin.basics import Address, BlockRef, Reason, Unread
from margin.errors import ChainUnreadable, EndpointError

__all__ = ["Log", "LogFilter", "LogPiece", "Mark", "hashes_at", "scan_logs"]


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which logs are wanted."""

    addresses: tuple[Address, ...]
    topics: tuple[bytes, ...] = ()
    """First topics, any of them; empty for every event of the addresses."""


class Mark(NamedTuple):
    """A block by number and hash: how far a scan has come, and on which branch."""

    number: int
    hash: str
    """0x and 64 lower-case hex digits."""


@dataclass(frozen=True, slots=True)
class LogPiece:
    """All the wanted logs of some blocks in a row."""

    first: int
    last: Mark
    """The last of these blocks. On its branch the logs are complete."""
    logs: list[Log]
    """Ascending by (block, index)."""


@dataclass(slots=True)
class _Range:
    """Some blocks in the line of what is still to be told."""

    first: int
    last: int
    answer: Future[_Answer] | None = None


class _Answer(NamedTuple):
    node: Node
    before: str | None
    """Hash of the block before the first; None before block 0."""
    piece: LogPiece


def scan_logs(
    rpc: Rpc,
    wanted: LogFilter,
    first: int,
    last: BlockRef | Mark,
    *,
    after: Mark | None = None,
    threads: int = 2,
) -> Generator[LogPiece, None, None]:
    """The wanted logs from block `first` to block `last`, both included, in ascending pieces.

    Every piece is asked for in one batch with the chain id and the blocks at its ends, and each
    begins on the block that the one before ended with, so that all are of one branch: that of `last`,
    and of `after`, which is block `first - 1` where it is known. `threads`: pieces asked for at once.

    Raises `ChainUnreadable`: BLOCK_NOT_FOUND when a block was replaced meanwhile, else whatever keeps
    all endpoints from telling a piece. A single block is never cut: one with more logs than any
    endpoint tells is such a failure.
    """
    assert wanted.addresses, "every contract of a chain is never meant"
    # What went through before is where to begin.
    known = next((node.traits.log_blocks for node in rpc.nodes if node.traits.log_blocks), FIRST_SPAN)
    span = Span(known)
    end = Mark(last.number, last.hash)
    line = [_Range(first, end.number)] if first <= end.number else []
    before = after.hash if after is not None else None
    with ThreadPoolExecutor(threads) as pool:
        try:
            while line:
                _begin(line, span, threads, lambda one: pool.submit(_told, rpc, wanted, one, after, end))
                head = line[0]
                assert head.answer is not None
                try:
                    answer = head.answer.result()
                except TooBig as refusal:
                    span.refuse(head.first, head.last, refusal.blocks)
                    head.answer = None
                    continue
                if before is not None and answer.before != before:
                    raise _replaced(rpc, head.first - 1)
                span.accept(head.last - head.first + 1, len(answer.piece.logs))
                answer.node.traits.log_blocks = span.blocks
                before = answer.piece.last.hash
                line.pop(0)
                yield answer.piece
        finally:
            pool.shutdown(cancel_futures=True)


def hashes_at(rpc: Rpc, numbers: Sequence[int]) -> list[str | None]:
    """The hash of each block as the chain is now; None where it has none of that number (yet).

    Raises `ChainUnreadable`.
    """
    return rpc.attempt(partial(_hashes_at, rpc, numbers))


def _hashes_at(rpc: Rpc, numbers: Sequence[int], turn: Turn) -> list[str | None]:
    chain_id, *headers = _asked(turn, [_CHAIN_ID, *(_header(number) for number in numbers)])
    rpc.confirm_chain(turn, chain_id)
    return [
        None if header is None else _hash(turn, header, number)
        for header, number in zip(headers, numbers, strict=True)
    ]


def _replaced(rpc: Rpc, number: int) -> ChainUnreadable:
    said = f"block {number} was replaced while events were read"
    return ChainUnreadable(rpc.chain, Unread(Reason.BLOCK_NOT_FOUND, said))


def _begin(line: list[_Range], span: Span, threads: int, ask: Callable[[_Range], Future[_Answer]]) -> None:
    """Asks for the next ranges, cut to the span, until as many as allowed are under way."""
    at = 0
    while at < min(threads, len(line)):
        here = line[at]
        if here.answer is None:
            while at + 1 < len(line) and line[at + 1].answer is None:
                here.last = line.pop(at + 1).last
            if here.last - here.first >= span.blocks:
                line.insert(at + 1, _Range(here.first + span.blocks, here.last))
                here.last = here.first + span.blocks - 1
            here.answer = ask(here)
        at += 1


def _told(rpc: Rpc, wanted: LogFilter, one: _Range, after: Mark | None, end: Mark) -> _Answer:
    """One range. Raises `TooBig` where fewer blocks may go through, else `ChainUnreadable`."""
    known = {mark.number: mark.hash for mark in (after, end) if mark is not None}
    task = partial(_piece, rpc, wanted, one.first, one.last, known)
    try:
        return rpc.attempt(task, splittable=one.first < one.last)
    except ChainUnreadable as failure:
        unread = failure.unread
        said = f"events of blocks {one.first} to {one.last}: {unread.detail}"
        raise ChainUnreadable(rpc.chain, Unread(unread.reason, said)) from None


def _piece(rpc: Rpc, wanted: LogFilter, first: int, last: int, known: dict[int, str], turn: Turn) -> _Answer:
    asks: list[Ask] = [_CHAIN_ID, _header(last), _get_logs(wanted, first, last)]
    # The last block once more: a branch that changed between the asks would show in it.
    asks += [_header(last), *([_header(first - 1)] if first else [])]
    chain_id, header, logs, again, *parent = _asked(turn, asks)
    rpc.confirm_chain(turn, chain_id)
    hash_ = _hash(turn, header, last)
    before = _hash(turn, parent[0], first - 1) if parent else None
    for number, found in ((last, hash_), (first - 1, before)):
        if found is not None and known.get(number, found) != found:
            raise _gone(turn, f"block {number} was replaced")
    if _hash(turn, again, last) != hash_:
        raise _gone(turn, f"block {last} was replaced meanwhile")
    addresses = {address.lower(): address for address in wanted.addresses}
    found_logs = decoded_logs(turn.node.label, logs, addresses, frozenset(wanted.topics), first, last, hash_)
    return _Answer(turn.node, before, LogPiece(first, Mark(last, hash_), found_logs))


_CHAIN_ID: Ask = ("eth_chainId", [])


def _header(number: int) -> Ask:
    return ("eth_getBlockByNumber", [hex(number), False])


def _get_logs(wanted: LogFilter, first: int, last: int) -> Ask:
    topics = [["0x" + topic.hex() for topic in wanted.topics]] if wanted.topics else []
    where = {"fromBlock": hex(first), "toBlock": hex(last), "address": list(wanted.addresses)}
    return ("eth_getLogs", [{**where, "topics": topics}])


def _asked(turn: Turn, asks: Sequence[Ask]) -> list[object]:
    """All answers; the first that is missing is the failure of the whole."""
    try:
        answers = turn.batch(asks)
    except Oversized as failure:
        raise TooBig(failure.subject, failure.unread) from None
    failed = [answer for answer in answers if isinstance(answer, Unread)]
    for answer in failed:
        # A limit that hits one ask and none of the others is not one of how often we may ask.
        alone = answer.reason is Reason.RATE_LIMITED and len(failed) == 1
        if isinstance(answer, Heavy) or alone:
            blocks = answer.blocks if isinstance(answer, Heavy) else None
            raise TooBig(turn.node.label, Unread(answer.reason, answer.detail), blocks)
    for answer in failed:
        raise EndpointError(turn.node.label, Unread(answer.reason, answer.detail))
    return answers


def _hash(turn: Turn, header: object, number: int) -> str:
    """The hash in a block's header, checked."""
    if header is None:
        raise _gone(turn, f"no block {number}")
    fields = header if isinstance(header, dict) else {}
    raw = hex_bytes(fields.get("hash"))
    if quantity(fields.get("number")) != number or raw is None or len(raw) != 32:
        raise EndpointError(turn.node.label, Unread(Reason.MALFORMED, f"not block {number}"))
    return "0x" + raw.hex()


def _gone(turn: Turn, said: str) -> EndpointError:
    return EndpointError(turn.node.label, Unread(Reason.BLOCK_NOT_FOUND, said))
