"""How one node is asked many calls at one block: the means it has, probed once, and one bulk call by each."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, StrEnum
from typing import Any

from chain import multicall, program
from chain.abi import AbiError
from chain.answers import Again, Reverted, TooBig, hex_bytes
from chain.node import Turn
from chain.rpc import Rpc
from chain.transport import Ask, Digits
from margin.basics import ZERO_ADDRESS, Address, BlockRef, Reason, Unread
from margin.errors import EndpointError


class Means(StrEnum):
    """Ways of asking many calls, best first."""

    PROGRAM = "program"
    """Our own program by state override (`chain.program`)."""
    MULTICALL = "multicall3"
    BATCH = "batch"
    """A JSON-RPC batch."""
    SINGLE = "single"
    """One post a call."""


class Left(Enum):
    """What a bulk call left undone."""

    ALONE = "alone"
    """Failed among others; only asked alone is its failure its own."""
    LATER = "later"
    """Not reached, or possibly short of gas: ask again with others."""


RawCall = tuple[Address, bytes]
"""Target and call data."""
Outcome = bytes | Unread | Left

TRANSIENT = frozenset(
    {Reason.RATE_LIMITED, Reason.TIMEOUT, Reason.MALFORMED, Reason.BLOCK_NOT_FOUND, Reason.REFUSED}
)
"""Failures in a probe that say nothing of what the node can do."""
_PROOF_EVERY = 400
"""Calls of a JSON-RPC batch that share one `eth_chainId`."""


def call_ask(call: RawCall) -> Ask:
    """The `eth_call` of a call, without its block."""
    target, data = call
    return "eth_call", [{"to": target, "data": "0x" + data.hex()}]


class Asker:
    """Asks nodes at one pinned block, and checks that it is that block of that chain."""

    def __init__(self, rpc: Rpc, block: BlockRef, only: Means | None) -> None:
        self._rpc = rpc
        self._block = block
        self._only = only
        self._probed: set[str] = set()
        self.bare = False
        """Whether any answer was had without the proof of chain and moment that a bulk call carries."""
        self.empty: set[RawCall] = set()
        """Calls that gave nothing in such an answer: a damaged one looks the same."""

    def means(self, turn: Turn) -> Means:
        """The best means of this node; probed by one small batch the first time."""
        traits = turn.node.traits
        known = traits.means is not None and (
            traits.means == Means.PROGRAM or turn.node.label in self._probed
        )
        if not known:
            traits.means = self._probe(turn)
            self._probed.add(turn.node.label)
        best = Means(traits.means or Means.BATCH)
        if self._only is not None:
            best = self._only
        return Means.SINGLE if best is Means.BATCH and not turn.takes_batches else best

    def bulk(self, turn: Turn, calls: Sequence[RawCall]) -> list[Outcome]:
        """One bulk call of all `calls` by the node's best means."""
        means = self.means(turn)
        try:
            if means is Means.PROGRAM:
                return self._by_program(turn, calls)
            if means is Means.MULTICALL:
                return self._by_multicall(turn, calls)
        except EndpointError as failure:
            if failure.unread.reason is not Reason.UNSUPPORTED:
                raise
            # It went through in the probe: some of the machines behind this endpoint can do less.
            turn.node.traits.means = Means.BATCH
        answers = self.singly(turn, calls)
        if all(isinstance(answer, Again) for answer in answers):
            raise EndpointError(turn.node.label, _first_unread(answers))
        return [Left.LATER if isinstance(answer, Again) else answer for answer in answers]

    def singly(self, turn: Turn, calls: Sequence[RawCall]) -> list[bytes | Unread]:
        """Each call on its own, in JSON-RPC batches; `Again` where the node gave no usable answer."""
        answers = self.ask(turn, [call_ask(call) for call in calls])
        self.bare = self.bare or bool(calls)
        self.empty.update(call for call, answer in zip(calls, answers, strict=True) if answer == b"")
        return answers

    def ask(self, turn: Turn, asks: Sequence[Ask]) -> list[bytes | Unread]:
        """Requests whose last parameter is the block (added here) and whose results are bytes."""
        if turn.node.traits.eip1898 is None:
            self.means(turn)
        answers: list[bytes | Unread] = []
        block = self.block_parameter(turn)
        for start in range(0, len(asks), _PROOF_EVERY):
            part = [(method, [*params, block]) for method, params in asks[start : start + _PROOF_EVERY]]
            answers += [_as_bytes(answer) for answer in self.proven(turn, part)]
        return answers

    def block_parameter(self, turn: Turn) -> object:
        """The pinned block as this node takes it: by hash if it can."""
        return (
            hex(self._block.number) if turn.node.traits.eip1898 is False else {"blockHash": self._block.hash}
        )

    def proven(self, turn: Turn, asks: Sequence[Ask]) -> list[object]:
        """A batch with the chain id in it, and, by number, the hash of the block at that number."""
        by_number = turn.node.traits.eip1898 is False
        proof: list[Ask] = [("eth_chainId", [])]
        if by_number:
            proof.append(("eth_getBlockByNumber", [hex(self._block.number), False]))
        every = [*asks, *proof]
        answers = turn.singly(every) if self._only is Means.SINGLE else turn.batch(every)
        chain_id = answers[len(asks)]
        if isinstance(chain_id, Unread):
            raise EndpointError(turn.node.label, Unread(chain_id.reason, chain_id.detail))
        self._rpc.confirm_chain(turn, chain_id)
        if by_number:
            block = answers[-1]
            found = block.get("hash") if isinstance(block, dict) else None
            if found != self._block.hash:
                raise self._other_block(turn, "another block stands at its number")
        return answers[: len(asks)]

    def check_moment(self, turn: Turn, chain_id: int, timestamp: int) -> None:
        """Raises unless these, as the calls themselves saw them, are the chain and time of the block."""
        if chain_id != self._block.chain_id:
            raise self._rpc.distrust(turn, chain_id)
        if timestamp != self._block.timestamp:
            raise self._other_block(
                turn, f"calls ran at time {timestamp}, the block's is {self._block.timestamp}"
            )

    def _other_block(self, turn: Turn, said: str) -> EndpointError:
        return EndpointError(
            turn.node.label, Unread(Reason.BLOCK_NOT_FOUND, f"block {self._block.number}: {said}")
        )

    def one(self, turn: Turn, params: Sequence[Any]) -> bytes:
        """The bytes of one bulk `eth_call`. A failure of the whole means that it was too much."""
        answer = turn.request("eth_call", params) if turn.node.traits.eip1898 is not False else None
        if answer is None:
            answer = self.proven(turn, [("eth_call", params)])[0]
        raw = _as_bytes(answer)
        if isinstance(raw, Reverted):
            raise TooBig(turn.node.label, raw)
        if isinstance(raw, Unread):
            raise EndpointError(turn.node.label, Unread(raw.reason, raw.detail))
        return raw

    def _by_program(self, turn: Turn, calls: Sequence[RawCall]) -> list[Outcome]:
        raw = self.one(turn, self._program_params(turn, calls))
        try:
            packed = program.unpack(raw, len(calls))
        except AbiError as error:
            raise EndpointError(turn.node.label, Unread(Reason.MALFORMED, str(error))) from None
        self.check_moment(turn, packed.chain_id, packed.timestamp)
        if calls and not packed.results:
            raise TooBig(turn.node.label, Unread(Reason.RPC_ERROR, "no gas for a single call"))
        outcomes: list[Outcome] = [Left.ALONE if data is None else data for data in packed.results]
        return outcomes + [Left.LATER] * (len(calls) - len(outcomes))

    def _by_multicall(self, turn: Turn, calls: Sequence[RawCall]) -> list[Outcome]:
        data = "0x" + multicall.pack(calls).hex()
        raw = self.one(turn, [{"to": multicall.MULTICALL3, "data": data}, self.block_parameter(turn)])
        try:
            chain_id, timestamp, results = multicall.unpack(raw, len(calls))
        except AbiError as error:
            raise EndpointError(turn.node.label, Unread(Reason.MALFORMED, str(error))) from None
        self.check_moment(turn, chain_id, timestamp)
        outcomes: list[Outcome] = []
        starved = False
        for result in results:
            if not result.success:
                outcomes.append(Left.ALONE)
                # A failure without a word may have burnt the gas of all that follow.
                starved = starved or not result.data
            else:
                outcomes.append(Left.LATER if starved else result.data)
        return outcomes

    def _program_params(self, turn: Turn, calls: Sequence[RawCall]) -> list[Any]:
        question = {"to": program.ADDRESS, "data": Digits("0x" + program.pack(calls).hex())}
        return [question, self.block_parameter(turn), {program.ADDRESS: {"code": "0x" + program.CODE.hex()}}]

    def _probe(self, turn: Turn) -> Means:
        """Tries each means on no calls. What an endpoint can not do now, for a moment, is no answer."""
        traits = turn.node.traits
        plain: bytes | Unread = b""
        for eip1898 in (True, False):
            traits.eip1898 = eip1898
            block = self.block_parameter(turn)
            asks: list[Ask] = [
                ("eth_call", self._program_params(turn, [])),
                ("eth_call", [{"to": multicall.MULTICALL3, "data": "0x" + multicall.pack([]).hex()}, block]),
                ("eth_call", [{"to": ZERO_ADDRESS, "data": "0x"}, block]),
            ]
            answers = [_as_bytes(answer) for answer in self.proven(turn, asks)]
            for answer in answers:
                if isinstance(answer, Again) and answer.reason in TRANSIENT:
                    traits.eip1898 = None
                    raise EndpointError(turn.node.label, Unread(answer.reason, answer.detail))
            by_program, by_multicall, plain = answers
            if isinstance(by_program, bytes) and len(by_program) == 64:
                packed = program.unpack(by_program, 0)
                self.check_moment(turn, packed.chain_id, packed.timestamp)
                return Means.PROGRAM
            if isinstance(by_multicall, bytes) and _is_multicall(by_multicall):
                return Means.MULTICALL
            if isinstance(plain, bytes):
                return Means.BATCH
        traits.eip1898 = None
        raise EndpointError(turn.node.label, _first_unread([plain]))


def _is_multicall(answer: bytes) -> bool:
    """Whether this is what Multicall3 answers to no calls; another's answer may stand in its place."""
    try:
        multicall.unpack(answer, 0)
    except AbiError:
        return False
    return True


def _as_bytes(answer: object) -> bytes | Unread:
    if isinstance(answer, Unread):
        return answer
    raw = hex_bytes(answer)
    return Again(Reason.MALFORMED, "a result that is not bytes") if raw is None else raw


def _first_unread(answers: Sequence[object]) -> Unread:
    first = next((answer for answer in answers if isinstance(answer, Unread)), None)
    return Unread(first.reason, first.detail) if first else Unread(Reason.MALFORMED, "no usable answer")
