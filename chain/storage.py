"""Bulk reads of storage at a pinned block: many words at once, by the best way that a node has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import numpy.typing as npt

from chain.answers import TooBig
from chain.means import Asker
from chain.node import Turn
from chain.rpc import Rpc
from chain.slots import Piece
from chain.slots_asker import SlotsAsker, StorageMeans
from margin.basics import Address, Reason, Unread
from margin.errors import ChainUnreadable, EndpointError

_FIRST_CHUNK = 4096
_LARGEST_CHUNK = 8192
"""Slots: about 24 million gas of the 50 that nodes allow, 0.6 MB of the 2 that they take as a body. Twice as
many went no faster."""
_ONE_LANE = 2048
"""Slots up to which a second connection gains nothing."""

Bytes = npt.NDArray[np.uint8]
Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Words:
    """Answers to a bulk read of storage."""

    raw: Bytes
    """Shape (m, 32), big-endian, in the order asked; zero where not read: then the place is in `unread`."""
    unread: Mapping[int, Unread]
    """By place, why there is no word."""


class Storage:
    """Storage reads of one reader; see `Reader.words`."""

    def __init__(self, rpc: Rpc, asker: Asker, only: StorageMeans | None, threads: int) -> None:
        self._rpc = rpc
        self._asker = SlotsAsker(asker, only)
        self._threads = threads
        self._chunk = _FIRST_CHUNK

    def means(self) -> StorageMeans | None:
        """See `Reader.storage_means`."""
        try:
            return self._rpc.attempt(partial(self._best, contracts=()))
        except ChainUnreadable as failure:
            if failure.unread.reason is Reason.UNSUPPORTED:
                return None
            raise

    def _best(self, turn: Turn, contracts: Sequence[Address]) -> StorageMeans:
        found = self._asker.means(turn, contracts)
        if not found:
            raise EndpointError(turn.node.label, Unread(Reason.UNSUPPORTED, "no bulk reads of storage"))
        return found[0]

    def words(self, contracts: Sequence[Address], contract: npt.NDArray[np.integer], keys: Bytes) -> Words:
        """See `Reader.words`."""
        job = _Job.of(contracts, contract, keys)
        count = len(job.keys)
        if count:
            try:
                self._rpc.attempt(partial(self._best, contracts=job.asked()))
            except ChainUnreadable as failure:
                job.refuse([(0, count)], failure.unread)
            else:
                lanes = self._threads if count > _ONE_LANE else 1
                ends = [count * lane // lanes for lane in range(lanes + 1)]
                with ThreadPoolExecutor(lanes) as pool:
                    list(pool.map(partial(self._lane, job), ends, ends[1:]))
        return job.words()

    def _lane(self, job: _Job, start: int, end: int) -> None:
        """Reads the places from `start` to `end`, chunk after chunk."""
        left = [(start, end)]
        while left:
            part, rest = _taken(left, self._chunk)
            size = sum(last - first for first, last in part)
            try:
                task = partial(self._asker.read, job=job, part=part)
                again: list[Range] = self._rpc.attempt(task, splittable=True)
            except TooBig as failure:
                if size == 1:
                    job.refuse(left, failure.unread)
                    return
                self._chunk = max(1, min(self._chunk, size) // 2)
                continue
            except ChainUnreadable as failure:
                job.refuse(left, failure.unread)
                return
            done = size - sum(last - first for first, last in again)
            grown = max(self._chunk, min(_LARGEST_CHUNK, 2 * size))
            self._chunk = max(1, done) if again else grown
            left = rest + again  # last, so that what is refused for ever does not keep others from being read


def _taken(left: Sequence[Range], most: int) -> tuple[list[Range], list[Range]]:
    """Ranges of up to `most` places from the front, and what is left."""
    part: list[Range] = []
    for at, (start, end) in enumerate(left):
        cut = min(end, start + most)
        part.append((start, cut))
        most -= cut - start
        if cut < end:
            return part, [(cut, end), *left[at + 1 :]]
        if most == 0:
            return part, list(left[at + 1 :])
    return part, []


@dataclass
class _Job:
    """One bulk read: its keys put together by contract, and what came of them."""

    contracts: Sequence[Address]
    ends: npt.NDArray[np.int64]
    """Per contract the first place after its keys."""
    order: npt.NDArray[np.int64] | None
    """Per place where it stood when asked; None: the same."""
    keys: Bytes
    raw: Bytes
    unread: dict[int, Unread] = field(default_factory=dict)

    @classmethod
    def of(cls, contracts: Sequence[Address], contract: npt.NDArray[np.integer], keys: Bytes) -> _Job:
        """Raises `ValueError` for arrays of other shapes, or a contract that is not in the list."""
        if keys.ndim != 2 or keys.shape[1] != 32 or keys.dtype != np.uint8:
            raise ValueError(f"keys of shape {keys.shape} and type {keys.dtype}")
        if contract.shape != (len(keys),):
            raise ValueError(f"{len(keys)} keys, but contracts of shape {contract.shape}")
        if len(keys) and not 0 <= contract.min() <= contract.max() < len(contracts):
            raise ValueError("a contract that is not in the list")
        order = None
        if (contract[1:] < contract[:-1]).any():
            order = np.argsort(contract, kind="stable")
            keys = keys[order]
        ends = np.cumsum(np.bincount(contract, minlength=len(contracts)))
        return cls(contracts, ends, order, np.ascontiguousarray(keys), np.zeros((len(keys), 32), np.uint8))

    def asked(self) -> list[Address]:
        """The contracts that have keys here."""
        counts = np.diff(self.ends, prepend=0)
        return [self.contracts[at] for at in np.flatnonzero(counts).tolist()]

    def cut(self, part: Sequence[Range], size: int) -> list[tuple[Range, Piece]]:
        """The ranges in pieces of one contract each, and of up to `size` keys."""
        found = []
        for start, end in part:
            at = start
            while at < end:
                contract = int(np.searchsorted(self.ends, at, side="right"))
                stop = min(end, at + size, int(self.ends[contract]))
                found.append(((at, stop), (self.contracts[contract], self.keys[at:stop].tobytes())))
                at = stop
        return found

    def put(self, place: Range, words: bytes) -> None:
        """Keeps the words of a piece."""
        self.raw[place[0] : place[1]] = np.frombuffer(words, np.uint8).reshape(-1, 32)

    def refuse(self, part: Sequence[Range], unread: Unread) -> None:
        """These places can not be read."""
        for start, end in part:
            places = range(start, end) if self.order is None else self.order[start:end].tolist()
            self.unread.update(dict.fromkeys(places, unread))

    def words(self) -> Words:
        """What came of it, in the order asked."""
        if self.order is None:
            return Words(self.raw, self.unread)
        raw = np.empty_like(self.raw)
        raw[self.order] = self.raw
        return Words(raw, self.unread)
