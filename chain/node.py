"""One endpoint at work: a turn at asking it, with answers matched by id and its limits remembered."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from chain.answers import (
    Again,
    Heavy,
    HttpRefused,
    Oversized,
    Reverted,
    Throttled,
    TooBig,
    chain_id_in,
    judge,
)
from chain.endpoint import Endpoint
from chain.transport import Ask, Connection
from margin.basics import Address, Reason, Unread
from margin.errors import EndpointError

_BATCH_LIMIT = 500
_BATCH_BYTES = 1_500_000
"""Anvil and many providers take 2 MB of body."""
_REFUSALS = 3
"""Batches refused in a row before an endpoint is taken for one that takes none."""
_NO_BATCH_S = 600.0
"""How long such an endpoint is asked singly, before a batch is tried again."""
_ONE_QUESTION = frozenset({Reason.UNSUPPORTED, Reason.RPC_ERROR, Reason.BLOCK_NOT_FOUND})
"""Errors that may be about the one question; others are the endpoint's, and would hit the next one too."""
_IN_A_ROW = 5
_NO_BATCH_STATUS = (400, 404, 405, 415, 500, 501)


@dataclass
class Traits:
    """What has been learnt about a node; shared by all readers, so that it is learnt once."""

    batch_limit: int = _BATCH_LIMIT
    batch_refusals: int = 0
    singly_until: float = 0.0
    """No batch is sent until then, on the clock of the turns."""
    eip1898: bool | None = None
    """Whether `eth_call` takes a block by hash; None until tried."""
    means: str | None = None
    """How bulk calls are made (see `chain.reader`); None until probed."""
    chunk: int = 0
    """Calls that went through in one bulk call lately; 0 until known."""
    storage: tuple[str, ...] | None = None
    """Ways of bulk storage reads that it has, best first (see `chain.storage`); None until probed."""
    storage_checked: set[str] = field(default_factory=set)
    """Of these, those whose words were compared with single reads."""
    witness: tuple[Address, bytes] | None = None
    """A contract and a slot that is not zero there: it proves that storage was really seen."""
    log_blocks: int = 0
    """Blocks to ask for the events of at once; 0 until known."""


class Node:
    """One endpoint of a chain: its connections, and what is known about it."""

    def __init__(self, endpoint: Endpoint, max_body_bytes: int, count: Callable[[], None]) -> None:
        self.endpoint = endpoint
        self.label = endpoint.label
        self.traits = Traits()
        self.chain_id: int | None = None
        """The chain id it was seen to serve; None until asked."""
        self.rest_until = 0.0
        """Asked after the other endpoints until then (clock of the `Rpc`)."""
        self._max_body_bytes = max_body_bytes
        self._count = count
        self._idle: list[Connection] = []
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Node({self.label})"

    def post(self, asks: Sequence[Ask], *, batch: bool, timeout_s: float) -> tuple[object, int]:
        """One HTTP post on a connection of its own; see `Connection.post`."""
        with self._lock:
            connection = self._idle.pop() if self._idle else Connection(self.endpoint, self._max_body_bytes)
        self._count()
        try:
            return connection.post(asks, batch=batch, timeout_s=timeout_s)
        finally:
            with self._lock:
                self._idle.append(connection)

    def close(self) -> None:
        """Closes the connections that are not in use."""
        with self._lock:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()


@dataclass(frozen=True)
class Turn:
    """One attempt at one node, with a time limit. Everything it raises is an `EndpointError`."""

    node: Node
    timeout_s: float
    """Of each post."""
    end: float
    """No post begins after this, on `clock`."""
    clock: Callable[[], float] = field(repr=False)

    def _post(self, asks: Sequence[Ask], *, batch: bool) -> tuple[object, int]:
        left = self.end - self.clock()
        if left <= 0:
            raise EndpointError(self.node.label, Unread(Reason.TIMEOUT, "no time left"))
        return self.node.post(asks, batch=batch, timeout_s=min(self.timeout_s, left))

    def request(self, method: str, params: Sequence[Any]) -> object:
        """The result, or an `Unread` when the call itself was refused (`Reverted`)."""
        answer, expected_id = self._post([(method, params)], batch=False)
        label = self.node.label
        if not isinstance(answer, dict):
            raise EndpointError(label, Unread(Reason.MALFORMED, "a list in answer to one request"))
        # An error about the request as a whole may come without an id; a result may not.
        if "error" in answer and answer["error"] is not None:
            if answer.get("id") not in (expected_id, None):
                raise EndpointError(label, Unread(Reason.MALFORMED, "an answer to another request"))
            return self._refusal(answer["error"])
        if answer.get("id") != expected_id or "result" not in answer:
            raise EndpointError(
                label, Unread(Reason.MALFORMED, "an answer without result, or to another request")
            )
        return answer["result"]

    def _refusal(self, error: object) -> Unread:
        verdict = judge(self.node.label, error, self.node.endpoint.secrets)
        if isinstance(verdict, Reverted):
            return verdict
        raise verdict

    def batch(self, asks: Sequence[Ask]) -> list[object]:
        """Per ask its result, its final `Unread`, or `Again` where this node gave no usable answer.

        Raises when the first part of the batch brought nothing at all.
        """
        answers: list[object] = []
        while len(answers) < len(asks):
            part = self._slice(asks, len(answers))
            try:
                answers += self._part(part)
            except EndpointError as failure:
                if not any(not isinstance(answer, Again) for answer in answers):
                    raise
                answers += [_left(failure)] * (len(asks) - len(answers))
        return answers

    @property
    def takes_batches(self) -> bool:
        """False for a while after the node has refused several batches in a row."""
        return self.clock() >= self.node.traits.singly_until

    def _slice(self, asks: Sequence[Ask], start: int) -> Sequence[Ask]:
        size, end = 0, start
        while end < len(asks) and end - start < self.node.traits.batch_limit:
            size += 80 + _json_size(asks[end][1])
            if size > _BATCH_BYTES and end > start:
                break
            end += 1
        return asks[start:end]

    def _part(self, asks: Sequence[Ask]) -> list[object]:
        """A batch of one post, or single posts where the node refuses batches."""
        traits = self.node.traits
        if len(asks) == 1 or not self.takes_batches:
            return self.singly(asks)
        try:
            answer, first = self._post(asks, batch=True)
            if isinstance(answer, list):
                traits.batch_refusals = 0
                if len(asks) == traits.batch_limit:
                    traits.batch_limit = min(_BATCH_LIMIT, 2 * traits.batch_limit)
                return self._matched(answer, first, len(asks))
            error = answer.get("error") if isinstance(answer, dict) else None
            if error is None:
                raise EndpointError(self.node.label, Unread(Reason.MALFORMED, "no list in answer to a batch"))
            verdict = judge(self.node.label, error, self.node.endpoint.secrets)
            if isinstance(verdict, Throttled | TooBig):
                raise verdict
            traits.batch_refusals += 1
        except TooBig:
            if len(asks) > 2:
                traits.batch_limit = len(asks) // 2
                return self.batch(asks)
        except HttpRefused as refusal:
            if refusal.status not in _NO_BATCH_STATUS:
                raise
            traits.batch_refusals += 1
        except EndpointError as failure:
            if failure.unread.reason is Reason.TIMEOUT:
                # Heavy calls, or a dead node: the next attempt asks for much less at once.
                traits.batch_limit = max(2, len(asks) // 8)
            raise
        if traits.batch_refusals >= _REFUSALS:
            traits.singly_until, traits.batch_refusals = self.clock() + _NO_BATCH_S, 0
        return self.singly(asks)

    def singly(self, asks: Sequence[Ask]) -> list[object]:
        """As `batch`, with one post an ask."""
        answers: list[object] = []
        in_a_row = 0
        for ask in asks:
            try:
                answers.append(self.request(*ask))
                in_a_row = 0
            except EndpointError as failure:
                left = _left(failure)
                in_a_row += 1
                of_endpoint = left.reason not in _ONE_QUESTION or isinstance(failure, HttpRefused)
                if of_endpoint or in_a_row == _IN_A_ROW:
                    if not any(not isinstance(answer, Again) for answer in answers):
                        raise
                    return answers + [left] * (len(asks) - len(answers))
                answers.append(left)
        return answers

    def _matched(self, answer: list[Any], first: int, count: int) -> list[object]:
        """A batch's answers in the order of its asks.

        A foreign or doubled id spoils the whole list: nothing then says which answers belong to us.
        """
        by_id = {item["id"]: item for item in answer}
        if len(by_id) != len(answer) or not all(first <= at < first + count for at in by_id):
            raise EndpointError(
                self.node.label, Unread(Reason.MALFORMED, "a batch answer with foreign or doubled ids")
            )
        answers: list[object] = []
        for at in range(first, first + count):
            item = by_id.get(at)
            if item is None:
                answers.append(Again(Reason.MALFORMED, "missing from the batch's answer"))
            elif item.get("error") is not None:
                try:
                    answers.append(self._refusal(item["error"]))
                except EndpointError as failure:
                    answers.append(_left(failure))
            elif "result" in item:
                answers.append(item["result"])
            else:
                answers.append(Again(Reason.MALFORMED, "an answer without result"))
        return answers

    def chain_id(self) -> int:
        """The chain id the node says now."""
        answer = chain_id_in(self.request("eth_chainId", []))
        if answer is None:
            raise EndpointError(self.node.label, Unread(Reason.MALFORMED, "eth_chainId is not a chain id"))
        return answer


def _left(failure: EndpointError) -> Again:
    """What stands for the one answer of a batch that failed so."""
    if isinstance(failure, TooBig):
        return Heavy(failure.unread.reason, failure.unread.detail, failure.blocks)
    if isinstance(failure, Oversized):
        return Heavy(failure.unread.reason, failure.unread.detail)
    return Again(failure.unread.reason, failure.unread.detail)


def _json_size(value: object) -> int:
    """Bytes of a value as JSON, about: it is only to stay below a limit, and must cost little."""
    if isinstance(value, str):
        return len(value) + 4
    if isinstance(value, dict):
        return sum(len(key) + 6 + _json_size(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        try:
            return len("".join(value)) + 4 * len(value) + 4  # long lists of words are short work so
        except TypeError:
            return 4 + sum(map(_json_size, value))
    return 24
