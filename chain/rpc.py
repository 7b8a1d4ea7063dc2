"""A chain behind several endpoints: failover in order, bounded retries, rate limits, chain-id check.

Nothing here waits without end: each post has a time-out, each question a total, and a chain found
dead is not asked again for a few seconds, so that one check of many reads fails once, not many times.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Self, TypeVar

from chain.answers import Again, Throttled, TooBig, chain_id_in
from chain.endpoint import Endpoint, endpoints_of
from chain.node import Node, Turn
from chain.transport import Ask
from margin.basics import Reason, Unread
from margin.errors import ChainUnreadable, ConfigError, EndpointError

T = TypeVar("T")
I = TypeVar("I")  # noqa: E741

_HOPELESS = frozenset({Reason.WRONG_CHAIN, Reason.STALE_HEAD, Reason.UNSUPPORTED})
"""Failures that waiting a moment does not heal: another endpoint may, another round does not."""
_NEVER = Again(Reason.MALFORMED, "never answered")
_DEAD = frozenset({Reason.TIMEOUT, Reason.REFUSED})


@dataclass(frozen=True, slots=True)
class Settings:
    """How patient to be. All times in seconds."""

    timeout_s: float = 10.0
    """For one answer, from connect to last byte."""
    total_s: float = 30.0
    """For one question, over all endpoints and retries."""
    rounds: int = 4
    """Times that every endpoint is tried."""
    backoff_s: float = 0.25
    """Upper end of the first pause; it doubles each round, and the pause is drawn below it."""
    backoff_cap_s: float = 4.0
    retry_after_cap_s: float = 20.0
    """The longest Retry-After that is believed."""
    rest_s: float = 30.0
    """How long an endpoint that failed is asked after the others."""
    dead_s: float = 5.0
    """How long a chain that nobody answered for is not asked again; then it is asked once, not in rounds."""
    max_body_bytes: int = 64 * 1024 * 1024


class Rpc:
    """Asks a chain. Safe for use by several threads."""

    def __init__(
        self,
        chain: str,
        endpoints: Sequence[Endpoint],
        chain_id: int | None = None,
        settings: Settings | None = None,
        *,
        rng: random.Random | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if not endpoints:
            raise ConfigError(f"chains.{chain}.rpc", "no endpoint")
        self.chain = chain
        self.settings = settings or Settings()
        self.requests = 0
        """HTTP posts made so far; a JSON-RPC batch is one."""
        self.chain_proven = False
        """Whether any endpoint was seen to serve the chain that is wanted."""
        self.troubles: Counter[Reason] = Counter()
        """How often an endpoint failed, by reason; what was healed by asking again too."""
        self._chain_id = chain_id
        self._rng = rng or random.Random()  # noqa: S311 - spreads retries, keeps no secret
        self._sleep, self._clock = sleep, clock
        self._lock = threading.Lock()
        self._until: float | None = None
        self._dead: tuple[float, Unread] | None = None
        self.nodes = tuple(Node(e, self.settings.max_body_bytes, self._count) for e in endpoints)

    @classmethod
    def open(
        cls, chain: str, urls: Sequence[str], chain_id: int | None = None, settings: Settings | None = None
    ) -> Self:
        """An `Rpc` over URLs in failover order, labelled `chain[0]`, `chain[1]` and so on."""
        return cls(chain, endpoints_of(chain, urls), chain_id, settings)

    def __repr__(self) -> str:
        return f"Rpc({self.chain}, {len(self.nodes)} endpoints, chain id {self._chain_id})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes all idle connections. The Rpc stays usable."""
        for node in self.nodes:
            node.close()

    @property
    def chain_id(self) -> int:
        """The chain's id: as configured, or as its first endpoint said. Asks when not known yet."""
        if self._chain_id is None:
            self.attempt(lambda _: None)
        assert self._chain_id is not None
        return self._chain_id

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Inside, no question of any thread runs past this many seconds from now."""
        before = self._until
        self._until = self._clock() + seconds
        try:
            yield
        finally:
            self._until = before

    def request(self, method: str, params: Sequence[Any] = ()) -> Any:
        """The JSON result, or `Unread` (`Reverted`) when the node refused the call itself.

        Raises `ChainUnreadable` when no endpoint could answer.
        """
        return self.attempt(lambda turn: turn.request(method, list(params)))

    def batch(self, asks: Sequence[Ask]) -> list[Any]:
        """Per ask its JSON result, or `Unread` with the true reason. Never raises for the outside.

        An ask without a usable answer is asked again, with the others like it, on this endpoint and
        the next; those that were answered are not.
        """
        return self.gather(asks, Turn.batch)

    def gather(self, items: Sequence[I], ask: Callable[[Turn, Sequence[I]], Sequence[object]]) -> list[Any]:
        """As `batch`, for anything that `ask` can ask one endpoint for (`Again`: no usable answer)."""
        answers: list[Any] = [_NEVER] * len(items)
        end = self._clock() + 2 * self.settings.total_s
        while missing := [at for at, answer in enumerate(answers) if isinstance(answer, Again)]:
            unread = Unread(Reason.TIMEOUT, "no time left for the rest of a batch")
            if self._clock() <= end:
                try:
                    self.attempt(partial(_fill, ask=ask, items=items, missing=missing, answers=answers))
                    continue
                except ChainUnreadable as failure:
                    unread = failure.unread
            for at in missing:
                # What an endpoint said about this very ask tells more than the failure of them all,
                # but for a block that is not there: that is true when all of them say so.
                own = answers[at]
                if isinstance(own, Again):
                    of_all = own is _NEVER or own.reason is Reason.BLOCK_NOT_FOUND
                    answers[at] = unread if of_all else Unread(own.reason, own.detail)
        return answers

    def attempt(self, task: Callable[[Turn], T], *, splittable: bool = False) -> T:
        """Runs `task` on the first endpoint that can do it, with retries. `task` may run several times.

        `splittable`: a question too big, or one that makes a living node time out, is raised as
        `TooBig` at once. Otherwise raises `ChainUnreadable`, naming each endpoint's failure.
        """
        start = self._clock()
        if self._dead is not None and start < self._dead[0]:
            raise ChainUnreadable(self.chain, self._dead[1])
        rounds, end = self.settings.rounds, start + self.settings.total_s
        if self._dead is not None:
            rounds, end = 1, start + self.settings.timeout_s  # one look whether it lives again
        if self._until is not None:
            end = min(end, self._until)
        failures: dict[str, Unread] = {}
        for round_ in range(rounds):
            waits: list[float | None] = []
            for node in sorted(self.nodes, key=lambda node: node.rest_until > start):
                if self._clock() >= end:
                    break
                turn = Turn(node, self.settings.timeout_s, end, self._clock)
                try:
                    self._prove_chain(turn)
                    result = task(turn)
                except EndpointError as failure:
                    if splittable and self._is_too_big(turn, failure):
                        blocks = failure.blocks if isinstance(failure, TooBig) else None
                        raise TooBig(node.label, failure.unread, blocks) from None
                    failures[node.label] = failure.unread
                    waits.append(self._note(node, failure))
                else:
                    node.rest_until, self._dead = 0.0, None
                    return result
            pause = self._pause(round_, waits)
            if all(failure.reason in _HOPELESS for failure in failures.values()):
                break
            if round_ + 1 == rounds or self._clock() + pause >= end:
                break
            self._sleep(pause)
        raise self._unreadable(failures)

    def confirm_chain(self, turn: Turn, answer: object) -> None:
        """Checks an answer to `eth_chainId` that came along with others.

        One that is no chain id says nothing of the chain: it is malformed, and asked again.
        """
        found = chain_id_in(answer)
        if found is None:
            raise EndpointError(turn.node.label, Unread(Reason.MALFORMED, "eth_chainId is not a chain id"))
        if found != self._chain_id:
            raise self.distrust(turn, found)

    def distrust(self, turn: Turn, found: int) -> EndpointError:
        """The error for an endpoint seen to serve another chain in mid-run; its id is asked again."""
        turn.node.chain_id = None
        return EndpointError(
            turn.node.label,
            Unread(Reason.WRONG_CHAIN, f"chain id {found}, expected {self._chain_id}"),
        )

    def _count(self) -> None:
        with self._lock:
            self.requests += 1

    def _prove_chain(self, turn: Turn) -> None:
        if turn.node.chain_id is None:
            found = turn.chain_id()
            with self._lock:
                if self._chain_id is None:
                    self._chain_id = found
            turn.node.chain_id = found
        if turn.node.chain_id != self._chain_id:
            raise self.distrust(turn, turn.node.chain_id)
        self.chain_proven = True

    def _is_too_big(self, turn: Turn, failure: EndpointError) -> bool:
        if isinstance(failure, TooBig):
            return True
        if failure.unread.reason is not Reason.TIMEOUT:
            return False
        # A time-out means a heavy question on a living node, or a dead node: a light question tells.
        end = turn.end + 3.0 if self._until is None else min(turn.end + 3.0, self._until)
        try:
            Turn(turn.node, min(3.0, turn.timeout_s), end, self._clock).chain_id()
        except EndpointError:
            return False
        return True

    def _note(self, node: Node, failure: EndpointError) -> float | None:
        """Remembers a failure; the wait the endpoint asked for, if it did."""
        wait = None
        with self._lock:
            self.troubles[failure.unread.reason] += 1
        if isinstance(failure, Throttled) and failure.retry_after_s is not None:
            wait = min(failure.retry_after_s, self.settings.retry_after_cap_s)
        node.rest_until = self._clock() + max(self.settings.rest_s, wait or 0.0)
        return wait

    def _pause(self, round_: int, waits: Sequence[float | None]) -> float:
        asked = [wait for wait in waits if wait is not None]
        backoff = self._rng.uniform(
            0.0, min(self.settings.backoff_cap_s, self.settings.backoff_s * 2**round_)
        )
        if waits and len(asked) == len(waits):
            return min(asked) + backoff  # everyone asked for a pause: the shortest, and some jitter
        return backoff

    def _unreadable(self, failures: dict[str, Unread]) -> ChainUnreadable:
        if not failures:
            return ChainUnreadable(self.chain, Unread(Reason.TIMEOUT, "no time left"))
        for node in self.nodes:
            failures.setdefault(node.label, Unread(Reason.TIMEOUT, "no time left to ask it"))
        # Wrong chain, or no such block, only if all say so: one that is merely silent may know better.
        reasons = [unread.reason for unread in failures.values()]
        of_all = Reason.WRONG_CHAIN if Reason.WRONG_CHAIN in reasons else Reason.BLOCK_NOT_FOUND
        reason = next((r for r in reasons if r not in (Reason.WRONG_CHAIN, Reason.BLOCK_NOT_FOUND)), of_all)
        said = "; ".join(f"{label} {unread}" for label, unread in failures.items())
        unread = Unread(reason, said[:400])
        if self.settings.dead_s > 0 and all(failure.reason in _DEAD for failure in failures.values()):
            self._dead = (self._clock() + self.settings.dead_s, unread)
        return ChainUnreadable(self.chain, unread)


def _fill(
    turn: Turn,
    ask: Callable[[Turn, Sequence[I]], Sequence[object]],
    items: Sequence[I],
    missing: Sequence[int],
    answers: list[Any],
) -> None:
    """Puts what one turn answers into `answers`; fails where it answered nothing."""
    missing = [at for at in missing if isinstance(answers[at], Again)]
    got = ask(turn, [items[at] for at in missing])
    for at, answer in zip(missing, got, strict=True):
        answers[at] = answer
    if got and all(isinstance(answer, Again) for answer in got):
        first = got[0]
        assert isinstance(first, Again)
        raise EndpointError(turn.node.label, Unread(first.reason, first.detail))
