"""How one node is asked for many words of storage: the ways it has, probed once and put to the proof."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Protocol

from chain import program
from chain.abi import AbiError
from chain.answers import Again, Heavy, TooBig, hex_bytes, quantity
from chain.means import TRANSIENT, Asker
from chain.node import Turn
from chain.slots import (
    PROGRAM_PIECE,
    VALUES_LIMIT,
    Piece,
    program_params,
    values_ask,
    values_words,
)
from chain.transport import Ask
from margin.basics import ZERO_ADDRESS, Address, Reason, Unread
from margin.errors import EndpointError


class StorageMeans(StrEnum):
    """Ways of reading many words of storage, best first."""

    PROGRAM = "sload program"
    """A program of ours by code override (`chain.slots`)."""
    VALUES = "eth_getStorageValues"


Range = tuple[int, int]
Placed = tuple[Range, Piece]
_IMPLEMENTATION = 0x360894A13BA1A3210667C828492DB98DCA3E2076CC3735A920A3CA505D382BBC
_LANDMARKS = b"".join(slot.to_bytes(32, "big") for slot in (_IMPLEMENTATION, *range(8)))
"""Slots of which some are not zero in most contracts; in every proxy of ERC-1967 the first."""
_CONTRACTS_PROBED = 4
_WORDS_CHECKED = 8
_SINGLE_READS = 400
"""Of storage in one batch, with the proof of its chain."""
_ZERO = bytes(32)


class Reading(Protocol):
    """What is read, as places in one long row of keys."""

    def asked(self) -> list[Address]:
        """The contracts that have keys in it."""

    def cut(self, part: Sequence[Range], size: int) -> list[Placed]:
        """Ranges of places in pieces of one contract each, and of up to `size` keys."""

    def put(self, place: Range, words: bytes) -> None:
        """Takes the words of a piece."""


class SlotsAsker:
    """Asks nodes for words at the block of an `Asker`.

    A way is taken for one that works when it gave the same words as `eth_getStorageAt`. Some nodes
    ignore overrides, or wipe the storage of a contract whose code is overridden, and would answer
    zeros: so every answer of the program also carries a *witness*, a slot known not to be zero. While
    none is known, zeros are believed only after each was read singly.
    """

    def __init__(self, asker: Asker, only: StorageMeans | None) -> None:
        self._asker = asker
        self._only = only
        self._probed: set[tuple[str, bool]] = set()

    def means(self, turn: Turn, contracts: Sequence[Address]) -> list[StorageMeans]:
        """What this node can do, best first; probed by one batch, on slots of these contracts."""
        traits = turn.node.traits
        label = turn.node.label
        now = (label, bool(contracts))
        doubtful = traits.witness is None and (traits.storage or ("",))[0] == StorageMeans.PROGRAM
        if (not traits.storage or (contracts and doubtful)) and not {now, (label, True)} & self._probed:
            self._probe(turn, contracts)
            self._probed.add(now)
        able = [StorageMeans(means) for means in traits.storage or ()]
        return [means for means in able if self._only in (None, means)]

    def read(self, turn: Turn, job: Reading, part: Sequence[Range]) -> list[Range]:
        """Reads these places into `job`; gives back those to ask again. Raises when none could be had."""
        for means in self.means(turn, job.asked()):
            by_values = means is StorageMeans.VALUES
            placed = job.cut(part, VALUES_LIMIT if by_values else PROGRAM_PIECE)
            pieces = [piece for _, piece in placed]
            witness = turn.node.traits.witness
            try:
                if by_values:
                    answers = self._by_values(turn, pieces)
                else:
                    answers = self._by_program(turn, pieces, witness)
                self._check(turn, means, pieces, answers, wiped=not by_values and witness is None)
            except EndpointError as failure:
                if failure.unread.reason is not Reason.UNSUPPORTED:
                    raise
                # It went through in the probe: some of the machines behind this endpoint can do less.
                turn.node.traits.storage = tuple(m for m in turn.node.traits.storage or () if m != means)
                continue
            for (place, _), words in zip(placed, answers, strict=True):
                if words is not None:
                    job.put(place, words)
            return [place for (place, _), words in zip(placed, answers, strict=True) if words is None]
        raise EndpointError(turn.node.label, Unread(Reason.UNSUPPORTED, "no bulk reads of storage"))

    def _by_values(self, turn: Turn, pieces: Sequence[Piece]) -> list[bytes | None]:
        block = self._asker.block_parameter(turn)
        groups = _grouped(pieces)
        results = self._asker.proven(turn, [values_ask(group, block) for group in groups])
        self._asker.bare = True
        answers: list[bytes | None] = []
        failure: Unread | None = None
        for group, result in zip(groups, results, strict=True):
            if isinstance(result, Unread):
                words, failure = None, result
            else:
                words = values_words(result, group)
                failure = failure if words else Unread(Reason.MALFORMED, "not the words asked for")
            answers += words or [None] * len(group)
        if failure and not any(answers):
            kind = TooBig if isinstance(failure, Heavy) else EndpointError
            raise kind(turn.node.label, Unread(failure.reason, failure.detail))
        return answers

    def _by_program(self, turn: Turn, pieces: Sequence[Piece], witness: Piece | None) -> list[bytes | None]:
        label = turn.node.label
        every = [witness, *pieces] if witness else list(pieces)
        raw = self._asker.one(turn, program_params(every, self._asker.block_parameter(turn)))
        try:
            packed = program.unpack(raw, len(every))
        except AbiError as error:
            raise EndpointError(label, Unread(Reason.MALFORMED, str(error))) from None
        self._asker.check_moment(turn, packed.chain_id, packed.timestamp)
        answers = [*packed.results, *[None] * (len(every) - len(packed.results))]
        for (_, keys), words in zip(every, answers, strict=True):
            if words is not None and len(words) != len(keys):
                raise EndpointError(label, Unread(Reason.MALFORMED, "not a word for every slot"))
        if witness:
            seen = answers.pop(0)
            if seen == _ZERO:
                # Wiped, or really zero at this block: the next attempt looks for another.
                turn.node.traits.witness = None
                self._probed.discard((label, True))
                raise EndpointError(
                    label, Unread(Reason.MALFORMED, "storage came without what is known in it")
                )
        if all(words is None for words in answers):
            raise TooBig(label, Unread(Reason.RPC_ERROR, "no gas to load the slots"))
        return answers

    def _check(
        self,
        turn: Turn,
        means: StorageMeans,
        pieces: Sequence[Piece],
        answers: Sequence[bytes | None],
        *,
        wiped: bool,
    ) -> None:
        """Compares some words with single reads, the first time at this node.

        `wiped`: the storage may have been; then every time, and all words where all are zero.
        """
        traits = turn.node.traits
        if means in traits.storage_checked and not wiped:
            return
        words = [
            ((address, keys[at : at + 32]), found[at : at + 32])
            for (address, keys), found in zip(pieces, answers, strict=True)
            if found is not None
            for at in range(0, len(found), 32)
        ]
        full = [word for word in words if word[1] != _ZERO]
        zeros = [word for word in words if word[1] == _ZERO]
        if full or not wiped:
            full, zeros = _some(full), _some(zeros)
        singles = self._singles(turn, [piece for piece, _ in [*full, *zeros]])
        for (_, found), single in zip([*full, *zeros], singles, strict=True):
            if isinstance(single, Unread):
                raise EndpointError(turn.node.label, Unread(single.reason, single.detail))
            if single != found:
                raise EndpointError(
                    turn.node.label, Unread(Reason.UNSUPPORTED, f"{means} does not tell what is in storage")
                )
        traits.storage_checked.add(means)
        if wiped and full:
            traits.witness = full[0][0]

    def _singles(self, turn: Turn, slots: Sequence[Piece]) -> list[bytes | Unread]:
        """Words by `eth_getStorageAt`."""
        block = self._asker.block_parameter(turn)
        asks: list[Ask] = [("eth_getStorageAt", [a, "0x" + key.hex(), block]) for a, key in slots]
        found: list[object] = []
        for start in range(0, len(asks), _SINGLE_READS):
            found += self._asker.proven(turn, asks[start : start + _SINGLE_READS])
        return [_word(answer) for answer in found]

    def _probe(self, turn: Turn, contracts: Sequence[Address]) -> None:
        """Tries both ways on the same slots. What an endpoint can not do now, for a moment, is no answer."""
        traits, label = turn.node.traits, turn.node.label
        if traits.eip1898 is None:
            self._asker.means(turn)
        block = self._asker.block_parameter(turn)
        landmarks = dict.fromkeys(contracts[:_CONTRACTS_PROBED], _LANDMARKS)
        pieces = list((landmarks or dict([traits.witness or (ZERO_ADDRESS, _ZERO)])).items())
        slots = [(a, keys[at : at + 32]) for a, keys in pieces for at in range(0, len(keys), 32)]
        asks: list[Ask] = [
            values_ask(pieces, block),
            ("eth_call", program_params(pieces, block)),
            *[("eth_getStorageAt", [address, "0x" + key.hex(), block]) for address, key in slots],
        ]
        by_values, by_program, *answers = self._asker.proven(turn, asks)
        singles = [_word(answer) for answer in answers]
        failed: list[Unread] = [answer for answer in singles if isinstance(answer, Unread)]
        tried = [answer for answer in (by_values, by_program) if isinstance(answer, Again)]
        failed += [answer for answer in tried if answer.reason in TRANSIENT]
        if failed:
            raise EndpointError(label, Unread(failed[0].reason, failed[0].detail))
        truth = b"".join(single for single in singles if isinstance(single, bytes))
        able: list[StorageMeans] = []
        if self._told_by_program(turn, by_program, len(pieces)) == truth:
            able.append(StorageMeans.PROGRAM)
        values = values_words(by_values, pieces)
        if values and b"".join(values) == truth:
            able.append(StorageMeans.VALUES)
        traits.storage = tuple(able)
        full = (slot for slot, word in zip(slots, singles, strict=True) if word != _ZERO)
        traits.witness = next(full, traits.witness)

    def _told_by_program(self, turn: Turn, answer: object, count: int) -> bytes | None:
        raw = hex_bytes(answer)
        try:
            packed = program.unpack(raw or b"", count)
        except AbiError:
            return None
        self._asker.check_moment(turn, packed.chain_id, packed.timestamp)
        return b"".join(words for words in packed.results if words is not None)


def _grouped(pieces: Sequence[Piece]) -> list[list[Piece]]:
    """The pieces in order, in requests below the limit with no contract twice in one."""
    groups: list[list[Piece]] = []
    room = 0
    for address, keys in pieces:
        count = len(keys) // 32
        if count > room or any(address == other for other, _ in groups[-1]):
            groups.append([])
            room = VALUES_LIMIT
        groups[-1].append((address, keys))
        room -= count
    return groups


def _some(words: Sequence[tuple[Piece, bytes]]) -> list[tuple[Piece, bytes]]:
    """A few of them, spread over all."""
    return list(words[:: -(-len(words) // _WORDS_CHECKED) or 1])


def _word(answer: object) -> bytes | Unread:
    if isinstance(answer, Unread):
        return answer
    value = quantity(answer)
    return Again(Reason.MALFORMED, "a word that is none") if value is None else value.to_bytes(32, "big")
