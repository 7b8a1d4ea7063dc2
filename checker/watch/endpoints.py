"""The endpoints of a chain side by side: whether they show the same chain, and whether each still answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from chain.block import pin
from chain.endpoint import Endpoint, endpoints_of
from chain.rpc import Rpc, Settings
from checker import words
from checker.watch.telling import foreign
from margin.basics import Reason, Unread
from margin.errors import ChainUnreadable

PATIENCE = Settings(timeout_s=5.0, total_s=5.0, rounds=1, dead_s=0.0, rest_s=0.0)
MUTE_S = 900.0
"""An endpoint that has not answered for so long is told: it could not stand in for another."""
_DIFFERENT = frozenset({Reason.WRONG_CHAIN, Reason.BLOCK_NOT_FOUND})
"""Answers, and not what the other endpoints say."""


@dataclass
class Endpoints:
    """Each endpoint of a chain on its own, with none of the others to help it."""

    chain: str
    urls: Sequence[str]
    patience: Settings = PATIENCE
    _rpcs: Mapping[Endpoint, Rpc] | None = None
    _mute_since: dict[str, float] = field(default_factory=dict)
    """By label, since when it has not answered."""

    def answering(self) -> dict[str, bool]:
        """By label whether an endpoint answered the last time."""
        return {one.label: one.label not in self._mute_since for one in endpoints_of(self.chain, self.urls)}

    def compare(self, chain_id: int, number: int, now: float) -> tuple[str, ...] | None:
        """What is wrong with them, a sentence each, by their answers for a block that all should have.

        None where there is nothing to compare: nobody answered, or a shorter branch has no such block.
        """
        if self._rpcs is None:
            endpoints = endpoints_of(self.chain, self.urls)
            self._rpcs = {one: Rpc(self.chain, [one], chain_id, self.patience) for one in endpoints}
        with ThreadPoolExecutor(len(self._rpcs)) as pool:
            asked = {one.label: pool.submit(_hash_at, rpc, number) for one, rpc in self._rpcs.items()}
        found = {label: each.result() for label, each in asked.items()}
        mute = {label for label, each in found.items() if _is_mute(each)}
        since = {label: self._mute_since.get(label, now) for label in mute}
        # Since a time to come: the clock was set back.
        self._mute_since = {label: min(at, now) for label, at in since.items()}
        if all(label in mute or _lacks(each) for label, each in found.items()):
            return None
        return (*_different(number, found), *self._mute(found, now))

    def _mute(self, found: Mapping[str, str | Unread], now: float) -> list[str]:
        return [
            f"{label} has not answered for {words.span(int(now - since))}: {_reason(label, found[label])}"
            for label, since in self._mute_since.items()
            if now - since >= MUTE_S
        ]

    def close(self) -> None:
        """Closes all connections."""
        for rpc in (self._rpcs or {}).values():
            rpc.close()


def _hash_at(rpc: Rpc, number: int) -> str | Unread:
    try:
        return pin(rpc, number).hash
    except ChainUnreadable as failure:
        return failure.unread


def _lacks(found: str | Unread) -> bool:
    return isinstance(found, Unread) and found.reason is Reason.BLOCK_NOT_FOUND


def _is_mute(found: str | Unread) -> bool:
    return isinstance(found, Unread) and found.reason not in _DIFFERENT


def _reason(label: str, found: str | Unread) -> str:
    said = found.detail if isinstance(found, Unread) else found
    return foreign(said.removeprefix(f"{label} "))


def _different(number: int, found: Mapping[str, str | Unread]) -> list[str]:
    sentences = [
        f"{label} differs from the others: {_reason(label, each)}"
        for label, each in found.items()
        if isinstance(each, Unread) and each.reason in _DIFFERENT
    ]
    by_hash = defaultdict(list)
    for label, each in found.items():
        if isinstance(each, str):
            by_hash[each].append(label)
    if len(by_hash) > 1:
        shown = "; ".join(f"{words.short(each)} at {', '.join(labels)}" for each, labels in by_hash.items())
        sentences.append(f"they show different blocks {number}: {shown}")
    return sentences
