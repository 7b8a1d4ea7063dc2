"""What a node's own error object means: final for the call, worth another try, or a question too big.

Nodes agree on little: the same failure has another code and other words in geth, reth, erigon,
nethermind, besu, Anvil and at each provider. All of that is told apart here and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chain.endpoint import redact
from margin.basics import Reason, Unread
from margin.errors import EndpointError

_DETAIL_LENGTH = 200
_REVERT_LENGTH = 1 << 16
LONG_TEXT = 1 << 18
"""Characters from which on an answer's digits are worth `chain.digits`, and loading its compiler."""


@dataclass(frozen=True, slots=True)
class Reverted(Unread):
    """The contract refused the call; a final answer."""

    data: bytes = b""
    """What the contract gave back with the refusal; empty when nothing, or when the node hides it."""


@dataclass(frozen=True, slots=True)
class Garbled(Unread):
    """The contract's own answer is not what its function should give; no fault of the node."""


def by_contract(answer: Unread) -> bool:
    """Whether the contract, or that there is none, is why: a final answer, no failure of the node."""
    return isinstance(answer, Reverted | Garbled) or answer.reason is Reason.NO_CODE


@dataclass(frozen=True, slots=True)
class Again(Unread):
    """One answer of a batch that this endpoint could not give now; another, or a moment, may."""


@dataclass(frozen=True, slots=True)
class Heavy(Again):
    """One answer of a batch that this endpoint does not give because it would be too much."""

    blocks: tuple[int, int] | None = None
    """First and last block that the endpoint would take instead, as it says."""


class Throttled(EndpointError):
    """The endpoint asks for a pause."""

    def __init__(self, subject: str, unread: Unread, retry_after_s: float | None) -> None:
        self.retry_after_s = retry_after_s
        """Seconds to wait as the endpoint says; None when it does not say."""
        super().__init__(subject, unread)


class TooBig(EndpointError):
    """The question is too large or too heavy for this endpoint: ask for less at once."""

    def __init__(self, subject: str, unread: Unread, blocks: tuple[int, int] | None = None) -> None:
        self.blocks = blocks
        """First and last block that the endpoint would take instead; None where it does not say."""
        super().__init__(subject, unread)


class Oversized(EndpointError):
    """The endpoint's answer has more bytes than are read."""


class HttpRefused(EndpointError):
    """The endpoint answered with an HTTP error that holds no JSON-RPC answer."""

    def __init__(self, subject: str, unread: Unread, status: int) -> None:
        self.status = status
        super().__init__(subject, unread)


_REVERT = re.compile(
    r"^(execution reverted|reverted?\b|vm exception|evm revert|vm execution error)", re.IGNORECASE
)
_EVM_FAILURE = re.compile(
    r"invalid ?(fe)?opcode|opcode not found|bad instruction|stack ?(under|over)flow|invalid ?jump|evm error"
    r"|write protection|statechangeduringstatic",
    re.IGNORECASE,
)
_OUT_OF_GAS = re.compile(
    r"out ?of ?gas|gas required exceeds|gas uint64 overflow|exceeds block gas limit|intrinsic gas"
    r"|floor data gas",
    re.IGNORECASE,
)
_TOO_BIG = re.compile(
    r"too large|too big|too long|too wide|payload|response size|body (size|limit)"
    r"|more than [\d,]+ (results|logs)|block range|range limit|limited to [^.]{0,20}(range|blocks)"
    r"|ranges? over \d+|must be smaller|max(imum)? (logs|range)|blocks distance|limit .{0,30}blocks"
    r"|range allowed|available for this range"
    r"|exceeds (the )?(max|limit)|batch (size|limit|of)|max(imum)? batch"
    r"|too many (blocks|results|logs|calls)"
    r"|execution (timeout|aborted)|timeout|timed out",
    re.IGNORECASE,
)
_BEYOND_HEAD = re.compile(r"beyond (the )?(current )?(head|chain|latest)", re.IGNORECASE)
"""Of a range of blocks: a smaller one would be refused too."""
_BLOCK = r"(0x[0-9a-f]{1,16}|\d{1,18})"
_OTHER_RANGE = re.compile(
    rf"range[^\[\]\d]{{0,40}}(?:\[\s*{_BLOCK}\s*,\s*{_BLOCK}\s*\]|{_BLOCK}\s*-\s*{_BLOCK})", re.IGNORECASE
)
"""`this block range should work: [0x1, 0x2]`, `retry with the range 1-2`: the words of many providers."""
_BUSY = re.compile(
    r"rate.?limit|too many requests|throttl|request (limit|count)|compute units|quota|capacity|try again"
    r"|overloaded",
    re.IGNORECASE,
)
_NO_BLOCK = re.compile(
    r"header not found|header for hash not found|missing trie node"
    r"|(block|header|state)[^.]{0,80}not (be )?(found|available)"
    r"|unknown block|resource not found|blockoutofrange|block (is )?out of range|pruned|historical state"
    r"|not (currently )?canonical|after last accepted block|proof window|missing block",
    re.IGNORECASE,
)
_BUSY_CODES = (-32005, -32029, 429)
_BLOCK_CODES = (-32001,)
_UNKNOWN_METHOD = (-32601, -32602, -32600, -32004)


def say(text: object, secrets: Sequence[str]) -> str:
    """One bounded, printable line of a text from outside, without URLs or secrets."""
    line = redact(str(text)[:2000], secrets)
    line = "".join(char if char.isprintable() else " " for char in line)
    return " ".join(line.split())[:_DETAIL_LENGTH]


def hex_bytes(value: object) -> bytes | None:
    """The bytes of 0x hex, or None when it is not that."""
    if not isinstance(value, str) or not value.startswith("0x") or len(value) % 2:
        return None
    if len(value) >= LONG_TEXT:
        from chain.digits import unhex

        return unhex(value)
    try:
        raw = bytes.fromhex(value[2:])
    except ValueError:
        return None
    return raw if len(raw) * 2 + 2 == len(value) else None


def quantity(value: object) -> int | None:
    """The integer of a JSON-RPC quantity below 2^256, or None when it is not one."""
    if not isinstance(value, str) or not re.fullmatch(r"0x[0-9a-fA-F]{1,64}", value):
        return None
    return int(value, 16)


def chain_id_in(value: object) -> int | None:
    """The chain id in an answer to `eth_chainId`, or None when it can not be one.

    A whole word, as contracts give, is none: it is the answer to another question.
    """
    found = quantity(value)
    return found if found and found < 1 << 64 and len(str(value)) <= 18 else None


def revert_text(data: bytes) -> str:
    """What revert data says: the text of `Error(string)`, a `Panic` code, or the selector."""
    if data[:4] == bytes.fromhex("08c379a0") and len(data) >= 68:
        length = int.from_bytes(data[36:68], "big")
        return say(data[68 : 68 + min(length, 1000)].decode("utf-8", "replace"), ())
    if data[:4] == bytes.fromhex("4e487b71") and len(data) == 36:
        return f"panic 0x{int.from_bytes(data[4:], 'big'):02x}"
    return f"error 0x{data[:4].hex()}" if len(data) >= 4 else "reverted without a reason"


def reverted(data: bytes) -> Reverted:
    """The refusal whose return data is `data`."""
    return Reverted(Reason.REVERTED, revert_text(data), data[:_REVERT_LENGTH])


def _revert_data(error: Mapping[str, Any]) -> bytes | None:
    data = error.get("data")
    if isinstance(data, Mapping):
        data = data.get("data", data.get("result"))
    if isinstance(data, str) and data.startswith("Reverted 0x"):
        data = data.removeprefix("Reverted ")
    return hex_bytes(data)


def _told_in_data(error: Mapping[str, Any]) -> str:
    """The words that some providers put beside their message; empty when there are none."""
    data = error.get("data")
    texts = list(data.values())[:10] if isinstance(data, Mapping) else [data]
    return " ".join(text[:500] for text in texts if isinstance(text, str) and not text.startswith("0x"))


def _other_range(message: object) -> tuple[int, int] | None:
    """First and last block of the range that a node proposes instead; None when it proposes none."""
    found = _OTHER_RANGE.search(str(message)[:2000])
    if found is None:
        return None
    first, last = (
        int(block, 0 if block.lower().startswith("0x") else 10) for block in found.groups() if block
    )
    return first, last


def judge(label: str, error: object, secrets: Sequence[str]) -> Reverted | EndpointError:
    """What one JSON-RPC error object means: the call's own final failure, or the endpoint's."""
    if not isinstance(error, Mapping):
        return EndpointError(label, Unread(Reason.MALFORMED, "an error that is not an object"))
    code = error.get("code")
    message = say(error.get("message", ""), secrets)
    # A contract chooses its own revert text, so reverts come first: "execution reverted: rate limit".
    data = _revert_data(error)
    if code == 3 or _REVERT.search(message) or (data is not None and "revert" in message.lower()):
        if data:
            return reverted(data)
        if _EVM_FAILURE.search(message) or message:
            return Reverted(Reason.REVERTED, message)
        return reverted(b"")
    if _OUT_OF_GAS.search(message) or _EVM_FAILURE.search(message):
        return Reverted(Reason.REVERTED, message)
    told = f"{message} (code {code})" if isinstance(code, int) else message
    if code == 429 or _BUSY.search(message):
        return Throttled(label, Unread(Reason.RATE_LIMITED, told), None)
    if _BEYOND_HEAD.search(message):
        return EndpointError(label, Unread(Reason.BLOCK_NOT_FOUND, told))
    if _TOO_BIG.search(message) or _TOO_BIG.search(_told_in_data(error)):
        slow = re.search(r"timeout|timed out|aborted", message, re.IGNORECASE)
        unread = Unread(Reason.TIMEOUT if slow else Reason.RPC_ERROR, told)
        return TooBig(label, unread, _other_range(error.get("message")))
    if code in _BUSY_CODES:
        return Throttled(label, Unread(Reason.RATE_LIMITED, told), None)
    if code in _BLOCK_CODES or _NO_BLOCK.search(message):
        return EndpointError(label, Unread(Reason.BLOCK_NOT_FOUND, told))
    if code in _UNKNOWN_METHOD:
        return EndpointError(label, Unread(Reason.UNSUPPORTED, told))
    return EndpointError(label, Unread(Reason.RPC_ERROR, told))
