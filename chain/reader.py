"""Bulk reads at one pinned block: many calls in, typed values out, whatever the node can do."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from chain.abi import AbiError, Function
from chain.answers import Garbled, Reverted, TooBig
from chain.means import Asker, Left, Means, Outcome, RawCall, call_ask
from chain.rpc import Rpc
from chain.slots_asker import StorageMeans
from chain.storage import Storage, Words
from chain.transport import Ask
from margin.basics import Address, BlockRef, Reason, Unread
from margin.errors import ChainUnreadable

_FIRST_CHUNK = 500
_LARGEST_CHUNK = 2000
_CHUNK_BYTES = 600_000
"""Of call data: 1.2 MB as hex, below the 2 MB of body that Anvil and many providers take."""
_CALL_OVERHEAD = 200
"""Bytes a call costs on top of its data in the widest encoding (Multicall3)."""


@dataclass(frozen=True, slots=True)
class Call:
    """One view call: whom to ask, what, and with which arguments."""

    target: Address
    function: Function
    args: tuple[Any, ...] = ()

    def __str__(self) -> str:
        return f"{self.function.name} at {self.target}"


class Reader:
    """Reads a chain at one block. What can not be read is an `Unread` in its place, never an exception."""

    def __init__(
        self,
        rpc: Rpc,
        block: BlockRef,
        *,
        only: Means | None = None,
        only_storage: StorageMeans | None = None,
        threads: int = 2,
    ) -> None:
        """`only` and `only_storage` force one means (for comparison); `threads`: chunks asked at once."""
        self.rpc = rpc
        self.block = block
        self.has_state = False
        """Whether anything was read: the chain has, or had, the state of the block."""
        self._asker = Asker(rpc, block, only)
        self._storage = Storage(rpc, self._asker, only_storage, threads)
        self._threads = threads
        self._chunk = _FIRST_CHUNK

    @property
    def means(self) -> Means:
        """How bulk calls are made at the endpoint in use. Raises `ChainUnreadable`."""
        return self.rpc.attempt(self._asker.means)

    @property
    def storage_means(self) -> StorageMeans | None:
        """How `words` reads at the endpoint in use; None: not at all. Raises `ChainUnreadable`."""
        return self._storage.means()

    def words(
        self, contracts: Sequence[Address], contract: npt.NDArray[np.integer], keys: npt.NDArray[np.uint8]
    ) -> Words:
        """Storage at `keys` (shape (m, 32)), each of the contract at its place in `contracts`.

        What can not be read is in `unread`, with UNSUPPORTED when the nodes have no way of reading storage
        in bulk: then ask by view calls. Where nothing is deployed, storage is zero, and so are the words:
        whether there is code is the caller's to check. Keys of one contract are best asked together.
        Raises `ValueError` for arrays of other shapes.
        """
        found = self._storage.words(contracts, contract, keys)
        self.has_state = self.has_state or len(found.unread) < len(keys)
        return found

    def read(self, calls: Sequence[Call]) -> list[tuple[Any, ...] | Unread]:
        """Per call its decoded outputs, or why they could not be had.

        A refusal is `Reverted` (with its data), an empty answer where outputs were expected NO_CODE,
        a contract's answer that does not decode `Garbled`; these are the contract's own, anything else
        is the node's failure. Raises `AbiError` for arguments that do not fit.
        """
        raw = self.raw([(call.target, call.function.encode(*call.args)) for call in calls],
                       [call.function.mutates for call in calls])  # fmt: skip
        answers = self.confirmed(calls, raw)
        return [decoded(call, answer) for call, answer in zip(calls, answers, strict=True)]

    def read_one(self, target: Address, function: Function, *args: Any) -> tuple[Any, ...] | Unread:
        """One call; for the few reads that come alone."""
        return self.read([Call(target, function, args)])[0]

    def raw(self, calls: Sequence[RawCall], alone: Sequence[bool] = ()) -> list[bytes | Unread]:
        """Undecoded answers to (target, call data). Those flagged in `alone` are not run beside others."""
        answers: dict[int, bytes | Unread] = {}
        together = [at for at in range(len(calls)) if not (alone and alone[at])]
        singly = [at for at in range(len(calls)) if alone and alone[at]]
        lanes = self._threads if len(together) > _FIRST_CHUNK else 1
        if lanes > 1:
            size = -(-len(together) // lanes)
            parts = [together[start : start + size] for start in range(0, len(together), size)]
            with ThreadPoolExecutor(lanes) as pool:
                for left in pool.map(lambda part: self._together(calls, part, answers), parts):
                    singly += left
        elif together:
            singly += self._together(calls, together, answers)
        singly.sort()
        found = self.rpc.gather([calls[at] for at in singly], self._asker.singly)
        answers.update(zip(singly, found, strict=True))
        return self._noted([answers[at] for at in range(len(calls))])

    def confirmed(self, calls: Sequence[Call], answers: Sequence[bytes | Unread]) -> list[bytes | Unread]:
        """The undecoded answers to `calls`, none of them empty by accident.

        Where something was expected, and nothing came in an answer without proof of its own, the call
        is made once more, with a look at the code of its target; all of them in one batch.
        """
        found = list(answers)
        raw = [(call.target, call.function.encode(*call.args)) for call in calls]
        doubtful = [
            at
            for at, call in enumerate(calls)
            if found[at] == b"" and call.function.expects_output and raw[at] in self._asker.empty
        ]
        if not doubtful:
            return found
        targets = list(dict.fromkeys(calls[at].target for at in doubtful))
        asks: list[Ask] = [("eth_getCode", [target]) for target in targets]
        asks += [call_ask(raw[at]) for at in doubtful]
        again = self.rpc.gather(asks, self._asker.ask)
        codes = dict(zip(targets, again, strict=False))
        for at, second in zip(doubtful, again[len(targets) :], strict=True):
            call = calls[at]
            code = codes[call.target]
            if second != b"":
                found[at] = second
            elif isinstance(code, Unread):
                found[at] = code
            elif code:
                found[at] = Garbled(Reason.MALFORMED, "the contract there gives nothing")
        return found

    @property
    def proven(self) -> bool:
        """Whether every answer so far carried its own proof of chain and moment."""
        return not self._asker.bare

    def code(self, addresses: Sequence[Address]) -> list[bytes | Unread]:
        """The code at each address; empty bytes where there is none."""
        return self._noted(
            self.rpc.gather([("eth_getCode", [address]) for address in addresses], self._asker.ask)
        )

    def _noted(self, answers: list[bytes | Unread]) -> list[bytes | Unread]:
        self.has_state = self.has_state or any(isinstance(answer, bytes) for answer in answers)
        return answers

    def _together(
        self, calls: Sequence[RawCall], which: list[int], answers: dict[int, bytes | Unread]
    ) -> list[int]:
        """Answers `which` by bulk calls into `answers`; gives back those that must be asked alone."""
        alone: list[int] = []
        while which:
            part = self._next_chunk(calls, which)
            try:
                task = partial(self._asker.bulk, calls=[calls[at] for at in part])
                outcomes: list[Outcome] = self.rpc.attempt(task, splittable=True)
            except TooBig:
                self._chunk = max(1, len(part) // 2)
                if len(part) == 1:
                    alone += part
                    which = which[1:]
                continue
            except ChainUnreadable as failure:
                answers.update(dict.fromkeys(which, failure.unread))
                return alone
            later = [at for at, outcome in zip(part, outcomes, strict=True) if outcome is Left.LATER]
            alone += [at for at, outcome in zip(part, outcomes, strict=True) if outcome is Left.ALONE]
            answers.update(
                {at: out for at, out in zip(part, outcomes, strict=True) if not isinstance(out, Left)}
            )
            done = len(part) - len(later)
            which = later + which[len(part) :]
            self._chunk = max(1, done) if later else max(self._chunk, min(_LARGEST_CHUNK, 2 * len(part)))
        return alone

    def _next_chunk(self, calls: Sequence[RawCall], which: Sequence[int]) -> Sequence[int]:
        size = 0
        for count, at in enumerate(which[: self._chunk]):
            size += len(calls[at][1]) + _CALL_OVERHEAD
            if size > _CHUNK_BYTES and count:
                return which[:count]
        return which[: self._chunk]


def decoded(call: Call, answer: bytes | Unread) -> tuple[Any, ...] | Unread:
    """The outputs in an undecoded answer to `call`, or why there are none."""
    if isinstance(answer, Unread):
        told = f"{call}: {answer.detail}"
        of_contract = isinstance(answer, Reverted | Garbled)
        return replace(answer, detail=told) if of_contract else Unread(answer.reason, told)
    if not answer and call.function.expects_output:
        return Unread(Reason.NO_CODE, f"{call}: nothing answers there")
    try:
        return call.function.decode(answer)
    except AbiError as error:
        return Garbled(Reason.MALFORMED, f"{call}: {error}")
