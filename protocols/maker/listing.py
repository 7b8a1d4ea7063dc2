"""Which ilks there are, and which token is behind each: from Maker's registry, or from the Vat's own events.

Source: makerdao/ilk-registry IlkRegistry.sol; makerdao/dss vat.sol and lib.sol (`note`: an anonymous event
with the function's selector as its first topic, and its first three arguments as the others).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chain.abi import Function, to_address
from chain.answers import by_contract
from chain.logs import LogFilter, scan_logs
from chain.reader import Call, Reader
from chain.text import clean
from margin.basics import ZERO_ADDRESS, Address, Unread
from margin.errors import ReadError
from protocols.maker import abi


def note_topic(signature: str) -> bytes:
    """The first topic of the event that a noted function leaves."""
    return Function(signature).selector.ljust(32, b"\0")


INIT = note_topic("init(bytes32)")
RELY = note_topic("rely(address)")


@dataclass(frozen=True, slots=True)
class Listing:
    """The ilks in the order in which they came to be, and their tokens as far as known."""

    words: tuple[bytes, ...]
    gems: Mapping[bytes, tuple[Address, int]]
    """By ilk its token, and the decimals that its adapter takes it to have."""
    dai: Address | None
    """The token, where a contract that may act in the Vat names it (the flash loans do)."""

    @staticmethod
    def name_of(word: bytes) -> str:
        """An ilk's name for people; anyone with the right to add one may call it what they like."""
        return clean(word.rstrip(b"\0").decode(errors="replace")) or "0x" + word.hex()


def word_of(name: str) -> bytes:
    """A name as the contracts hold it: 32 bytes, padded on the right."""
    return name.encode().ljust(32, b"\0")


def read_listing(
    reader: Reader, vat: Address, registry: Address | None, wanted: Sequence[bytes], start_block: int
) -> Listing:
    """All ilks, or those wanted; the Vat's history is read where there is no registry.

    Raises `ReadError`.
    """
    if registry is not None:
        return _from_registry(reader, registry, wanted)
    joins: dict[Address, None] = {}
    words: dict[bytes, None] = {}
    for piece in scan_logs(reader.rpc, LogFilter((vat,), (INIT, RELY)), start_block, reader.block):
        for log in piece.logs:
            if log.topics[0] == INIT:
                words[log.topics[1]] = None
            else:
                joins[to_address(log.topics[1][12:])] = None
    questions = (abi.ILK, abi.GEM, abi.DEC, abi.DAI)
    answers = iter(_own(reader, [Call(join, question) for join in joins for question in questions]))
    gems: dict[bytes, tuple[Address, int]] = {}
    dai = None
    for _ in joins:
        ilk, gem, decimals, coin = (next(answers) for _ in questions)
        if ilk is not None and gem is not None and decimals is not None:
            gems[ilk[0]] = gem[0], decimals[0]
        dai = coin[0] if coin is not None else dai
    return Listing(tuple(wanted or words), gems, dai)


def _from_registry(reader: Reader, registry: Address, wanted: Sequence[bytes]) -> Listing:
    answer = reader.read_one(registry, abi.LIST)
    if isinstance(answer, Unread):
        raise ReadError("registry of ilks", answer)
    words: list[bytes] = list(wanted or answer[0])
    questions = (abi.GEM_OF, abi.DEC_OF)
    told = iter(_own(reader, [Call(registry, question, (word,)) for word in words for question in questions]))
    gems: dict[bytes, tuple[Address, int]] = {}
    for word in words:
        gem, decimals = next(told), next(told)
        if gem is not None and decimals is not None and gem[0] != ZERO_ADDRESS:
            gems[word] = gem[0], decimals[0]
    return Listing(tuple(words), gems, None)


def _own(reader: Reader, calls: Sequence[Call]) -> list[tuple[Any, ...] | None]:
    """Answers of contracts that may have no such function: `None` then. Raises `ReadError`."""
    found: list[tuple[Any, ...] | None] = []
    for answer in reader.read(calls):
        if isinstance(answer, Unread):
            if not by_contract(answer):
                raise ReadError("adapters of collateral", answer)
            found.append(None)
        else:
            found.append(answer)
    return found
