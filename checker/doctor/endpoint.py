"""One endpoint of a chain, looked at on its own: whether it is right, alive, and what it can do."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from statistics import median

import numpy as np

from chain.answers import Again
from chain.block import pin
from chain.endpoint import Endpoint
from chain.means import Means
from chain.node import Turn
from chain.reader import Reader
from chain.rpc import Rpc, Settings
from chain.slots_asker import StorageMeans
from chain.transport import Ask
from checker.config import Chain
from checker.doctor.findings import Problem, Status, status_of
from margin.basics import ZERO_ADDRESS, Address, BlockRef, Reason, Unread
from margin.errors import ReadError

SLOW_S = 1.0
"""An endpoint that takes longer for the smallest question makes every command slow."""
AHEAD_S = 60
"""A public chain's head further in the future means that this machine's clock is wrong."""
DEPTHS = (1_000, 100_000)
"""Blocks back, at which old states are asked for."""
SPANS = (10_000, 1_000, 100)
"""Blocks whose events are asked for at once; the widest that is answered counts."""
_SAMPLES = 3
_BATCHES_TRIED = 3
_CHAIN_ID: Ask = ("eth_chainId", [])
_PASSING = frozenset({Reason.RATE_LIMITED, Reason.TIMEOUT, Reason.MALFORMED, Reason.REFUSED})
"""Failures that say nothing of what a node can do."""


class Kept(StrEnum):
    """Whether a node keeps the state of an old block."""

    YES = "yes"
    NO = "no"
    NO_SUCH_BLOCK = "n/a"
    """The chain is not as long, or so short that every node would have it."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Ways:
    """How things are read there."""

    calls: Means
    """Many view calls."""
    storage: StorageMeans | None
    """Many words of storage; None: not at all, then by view calls."""
    by_hash: bool
    """Whether a block is named by its hash (EIP-1898), else by its number."""
    batches: bool
    """Whether JSON-RPC batches are taken."""


@dataclass(frozen=True, slots=True)
class Events:
    """The answer to a question for the events of a span of blocks."""

    asked: int
    """Blocks of the widest span that was tried."""
    blocks: int | None
    """Of the widest span that was answered; 0: none was, None: that could not be found out."""
    said: str = ""
    """Why it did not answer the widest."""


@dataclass(frozen=True, slots=True)
class EndpointHealth:
    """What was seen of one endpoint; None where it did not come to that."""

    label: str
    """`chain[0]`."""
    chain_id: int | None = None
    latency_s: float | None = None
    """Of the smallest question, on a connection already open."""
    head: BlockRef | None = None
    head_age_s: int | None = None
    """By this machine's clock."""
    ways: Ways | None = None
    states: dict[int, Kept] | None = None
    """By blocks back; and by block number 1 under 0."""
    events: Events | None = None
    requests: int = 0
    """HTTP requests made."""
    problems: tuple[Problem, ...] = field(default=())

    @property
    def status(self) -> Status:
        """The worst of its problems."""
        return status_of(self.problems)

    def having(self, *problems: Problem) -> EndpointHealth:
        """The same with these problems too."""
        return replace(self, problems=(*self.problems, *problems))


def examine_endpoint(
    endpoint: Endpoint, chain: Chain, contracts: Sequence[Address], settings: Settings | None, seconds: float
) -> EndpointHealth:
    """A look at one endpoint, with none of the chain's others to help it; never raises for the outside.

    `contracts`: some that should have storage and events. `seconds`: how long all of it may take.
    """
    health = EndpointHealth(endpoint.label)
    # Its chain id is compared here, so that a wrong one can be told, too.
    with Rpc(chain.name, [endpoint], None, settings) as rpc, rpc.within(seconds):
        try:
            for step in (_identity, _head, _ways, _states, _events):
                health = step(rpc, chain, contracts, health)
                if health.status is Status.FAIL:
                    break
        except ReadError as failure:
            health = health.having(Problem.of(failure.unread, label=endpoint.label))
        else:
            health = health.having(*_healed(rpc))
        return replace(health, requests=rpc.requests)


def _healed(rpc: Rpc) -> list[Problem]:
    """What went wrong on the way, though an answer came when it was asked again."""
    return [
        Problem(Status.WARN, f"{count} time{'s' * (count != 1)}, then it answered", reason=reason)
        for reason, count in rpc.troubles.items()
        if reason in _PASSING
    ]


def _identity(rpc: Rpc, chain: Chain, _: Sequence[Address], health: EndpointHealth) -> EndpointHealth:
    """Chain id, and how long the smallest question takes."""
    found = rpc.chain_id
    health = replace(health, chain_id=found)
    if chain.chain_id not in (None, found):
        return health.having(wrong_chain(found, f"expected {chain.chain_id}"))
    took = median(rpc.attempt(_timed) for _ in range(_SAMPLES))
    health = replace(health, latency_s=took)
    if took > SLOW_S:
        return health.having(Problem(Status.WARN, f"slow: {took:.1f} s for the smallest question"))
    return health


def wrong_chain(found: int, said: str) -> Problem:
    """An endpoint of another chain."""
    return Problem(Status.FAIL, f"chain id {found}, {said}", reason=Reason.WRONG_CHAIN)


def _timed(turn: Turn) -> float:
    begun = time.monotonic()
    turn.chain_id()
    return time.monotonic() - begun


def _head(rpc: Rpc, chain: Chain, _: Sequence[Address], health: EndpointHealth) -> EndpointHealth:
    head = pin(rpc, max_head_age_s=None)
    age = int(time.time()) - head.timestamp
    health = replace(health, head=head, head_age_s=age)
    limit = chain.head_age_limit_s(head.chain_id)
    if limit is None:
        return health
    if age > limit:
        said = f"head {head.number} is {age} s old, at most {limit} s is accepted"
        return health.having(Problem(Status.FAIL, said, reason=Reason.STALE_HEAD))
    if age < -AHEAD_S:
        said = f"head {head.number} is {-age} s in the future: is this machine's clock right?"
        return health.having(Problem(Status.WARN, said))
    return health


def _ways(rpc: Rpc, _: Chain, contracts: Sequence[Address], health: EndpointHealth) -> EndpointHealth:
    assert health.head is not None
    batches = rpc.attempt(partial(_takes_batches, rpc))  # first: what else there is depends on it
    reader = Reader(rpc, health.head)
    calls = reader.means
    if contracts:
        # Storage that is really there shows whether a way tells it; what it holds does not matter.
        reader.words(contracts, np.arange(len(contracts)), np.zeros((len(contracts), 32), np.uint8))
    storage = reader.storage_means
    (node,) = rpc.nodes
    ways = Ways(calls, storage, node.traits.eip1898 is not False, batches)
    health = replace(health, ways=ways)
    if calls is Means.SINGLE:
        said = "one request a call: it has no state overrides, no Multicall3 and no batches"
        return health.having(Problem(Status.WARN, said))
    return health


def _takes_batches(rpc: Rpc, turn: Turn) -> bool:
    """Whether two questions go in one post; asked until refusals are enough to send single posts."""
    for _ in range(_BATCHES_TRIED):
        before = rpc.requests
        turn.batch([_CHAIN_ID, _CHAIN_ID])
        if rpc.requests == before + 1:
            return True
    return False


def _states(rpc: Rpc, _: Chain, __: Sequence[Address], health: EndpointHealth) -> EndpointHealth:
    """Whether old states are there: by one balance at each depth, in one batch."""
    assert health.head is not None
    head = health.head.number
    # What every node has, however little it keeps, tells nothing.
    numbers = {depth: head - depth for depth in DEPTHS if head >= depth}
    if numbers:
        numbers[0] = 1
    answers = _each(rpc, [("eth_getBalance", [ZERO_ADDRESS, hex(number)]) for number in numbers.values()])
    states = dict.fromkeys((*DEPTHS, 0), Kept.NO_SUCH_BLOCK)
    for depth, answer in zip(numbers, answers, strict=True):
        if isinstance(answer, Unread):
            states[depth] = Kept.UNKNOWN if answer.reason in _PASSING else Kept.NO
        else:
            states[depth] = Kept.YES
    return replace(health, states=states)


def _events(rpc: Rpc, _: Chain, contracts: Sequence[Address], health: EndpointHealth) -> EndpointHealth:
    """How many blocks' events it tells at once; all widths are asked for in one batch."""
    assert health.head is not None
    head = health.head.number
    widths = sorted({min(span, head + 1) for span in SPANS}, reverse=True)
    address = contracts[0] if contracts else ZERO_ADDRESS
    asks: list[Ask] = [
        ("eth_getLogs", [{"fromBlock": hex(head + 1 - width), "toBlock": hex(head), "address": address}])
        for width in widths
    ]
    answers = _each(rpc, asks)
    told = [width for width, answer in zip(widths, answers, strict=True) if isinstance(answer, list)]
    refusals = [answer for answer in answers if isinstance(answer, Unread)]
    said = refusals[0].detail if refusals else ""
    if told or all(refusal.reason in _PASSING for refusal in refusals):
        return replace(health, events=Events(widths[0], max(told, default=None), said))
    health = replace(health, events=Events(widths[0], 0, said))
    return health.having(Problem(Status.WARN, f"no events, which scan needs: {said}"))


def _each(rpc: Rpc, asks: Sequence[Ask]) -> list[object]:
    """Per ask its result or `Unread`, each on its own; asked again only where nothing at all came."""
    task: Callable[[Turn], list[object]] = lambda turn: turn.batch([_CHAIN_ID, *asks])  # noqa: E731
    return [
        Unread(answer.reason, answer.detail) if isinstance(answer, Again) else answer
        for answer in rpc.attempt(task)[1:]
    ]
