"""The node of a campaign as a watch reaches it: two endpoints, and what befalls either or both."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.faults import (
    Delay,
    DropAnswers,
    Fault,
    FaultProxy,
    Junk,
    NodeError,
    OldHead,
    OtherChain,
    Refuse,
    Status,
    Truncate,
)
from tests.faults.exchange import Exchange

SLOW = "slow"
OLD = "old head"
SILENT = {"refused", "429", "503", "truncated", "junk"}
"""An endpoint that answers nothing."""
WHOLLY = SILENT | {"wrong chain", "errors", SLOW, "no calls"}
"""Troubles of an endpoint that leave nothing to be seen through it."""
DIFFERENT = {"wrong chain", "another branch", "behind"}
"""Answers that are not what the other endpoint says."""
SURE = {"", OLD, "no calls", "no logs", SLOW} | SILENT | DIFFERENT
"""What one question for a block certainly comes to."""


@dataclass
class Behind(Fault):
    """Blocks above a number are not known."""

    number: int

    def after(self, exchange: Exchange) -> None:
        for ask, answer in exchange.answers():
            if ask["method"] == "eth_getBlockByNumber" and _number(ask, self.number) > self.number:
                answer["result"] = None


@dataclass
class AnotherBranch(Fault):
    """Every block that is asked for by number is another than it was."""

    def after(self, exchange: Exchange) -> None:
        for ask, answer in exchange.answers():
            block = answer.get("result")
            if ask["method"] == "eth_getBlockByNumber" and block and ask["params"][0] != "latest":
                block["hash"] = "0x" + block["hash"][2:][::-1]


def _number(ask: dict[str, Any], head: int) -> int:
    block = ask["params"][0]
    return int(block, 16) if block.startswith("0x") else head


@dataclass
class End:
    """An endpoint."""

    proxy: FaultProxy
    trouble: str = ""
    left: int = 0
    """Rounds until it is well again."""
    old: int | None = None
    """The block it says is the newest."""

    def heal(self) -> None:
        self.proxy.clear()
        self.trouble, self.left, self.old = "", 0, None

    def suffer(self, trouble: str, fault: Fault, rounds: int) -> None:
        self.proxy.add(fault)
        self.trouble, self.left = trouble, rounds
        self.old = fault.number if isinstance(fault, OldHead) else None


@dataclass
class Condition:
    """What one process can see in a round."""

    ends: tuple[tuple[str, int | None], ...]
    """Of each endpoint its trouble, and the old block that it says is the newest."""
    hangs: bool = False

    @property
    def blind(self) -> bool:
        troubles = {trouble for trouble, _ in self.ends}
        # What one endpoint shows, the other can prove by its calls, whatever it says that its chain is.
        together = troubles == {"no calls", "wrong chain"}
        return self.hangs or (troubles <= WHOLLY and not together)

    @property
    def clear(self) -> bool:
        """Whether an endpoint is well, and none that is asked before it says something else."""
        before = [trouble for trouble, _ in self.ends]
        first = before.index("") if "" in before else None
        return not self.hangs and first is not None and OLD not in before[:first]

    @property
    def well(self) -> bool:
        return not self.hangs and not any(trouble for trouble, _ in self.ends)

    def __str__(self) -> str:
        troubles = [trouble for trouble, _ in self.ends]
        what = troubles[0] if len(set(troubles)) == 1 else " | ".join(one or "well" for one in troubles)
        return (what or "sees") + ", hangs" * self.hangs


@dataclass
class Node:
    """Both endpoints, and whether the job that asks them hangs."""

    chance: random.Random
    ends: Sequence[End]
    hang_left: int = field(default=0)

    def condition(self) -> Condition:
        return Condition(tuple((end.trouble, end.old) for end in self.ends), bool(self.hang_left))

    @property
    def slow(self) -> bool:
        return any(end.trouble == SLOW for end in self.ends)

    def heal(self) -> None:
        for end in self.ends:
            end.heal()
        self.hang_left = 0

    def forget_old(self) -> None:
        """The old heads may be of a branch that is no more."""
        for end in self.ends:
            if end.old is not None:
                end.heal()

    def turn(self, older: Sequence[int]) -> None:
        """A round passes. `older`: blocks that were the newest once."""
        dice = self.chance
        for end in self.ends:
            end.left -= 1
            if end.trouble and end.left <= 0:
                end.heal()
        if not any(end.trouble for end in self.ends) and dice.random() < 0.08:
            self._break(older)
        self.hang_left = max(0, self.hang_left - 1)
        if not self.hang_left and dice.random() < 0.015:
            self.hang_left = dice.choice((dice.randint(1, 8), dice.randint(12, 20)))

    def _break(self, older: Sequence[int]) -> None:
        dice = self.chance
        old = dice.choice(older) if older else None
        rounds = dice.choice((dice.randint(1, 12), dice.randint(1, 12), dice.randint(10, 20)))
        kind = dice.random()
        if kind < 0.45 or len(self.ends) == 1:  # both alike
            trouble = self._drawn(old, alone=False)
            for end in self.ends:
                end.suffer(trouble, self._fault(trouble, old), rounds)
        elif kind < 0.6:  # each its own
            for end in self.ends:
                trouble = self._drawn(old, alone=True)
                end.suffer(trouble, self._fault(trouble, old), rounds)
        else:
            end = dice.choice(self.ends)
            last = end is self.ends[-1]
            trouble = self._drawn(old, alone=True)
            if last and dice.random() < 0.5:
                trouble = dice.choice(["another branch", *(["behind"] if old is not None else [])])
            end.suffer(trouble, self._fault(trouble, old), rounds)

    def _drawn(self, old: int | None, *, alone: bool) -> str:
        """One that is slow costs the time of the other: both are, or none."""
        kinds = [one for one in _KINDS if not (alone and one == SLOW)]
        return self.chance.choice([*kinds, *([OLD] * 4 if old is not None else [])])

    def _fault(self, trouble: str, old: int | None) -> Fault:
        dice = self.chance
        part: dict[str, Any] = {"times": dice.randint(1, 6), "skip": dice.randint(0, 6)}
        whole: dict[str, Any] = {"times": None}
        kinds: dict[str, Fault] = {
            "refused": Refuse(**whole),
            "429": Status(429, **whole),
            "503": Status(503, **whole),
            "truncated": Truncate(dice.randint(0, 30), **whole),
            "wrong chain": OtherChain(1, **whole),
            "errors": NodeError(-32000, "header not found", **whole),
            "junk": Junk(**whole),
            SLOW: Delay(0.15, **whole),
            "refused at times": Refuse(**part),
            "429 at times": Status(429, **part),
            "truncated at times": Truncate(dice.randint(0, 500), **part),
            "junk at times": Junk(**part),
            "errors at times": NodeError(-32000, "missing trie node", **part),
            "no calls": NodeError(-32000, "missing trie node", method="eth_call", **whole),
            "no logs": NodeError(-32000, "no logs", method="eth_getLogs", **whole),
            "wrong chain at times": OtherChain(1, **part),
            "answers missing": DropAnswers(**part),
            OLD: OldHead(old or 0),
            "behind": Behind(old or 0, **whole),
            "another branch": AnotherBranch(**whole),
        }
        return kinds[trouble]


_KINDS = (
    "refused", "429", "503", "truncated", "wrong chain", "errors", "junk", SLOW, "refused at times",
    "429 at times", "truncated at times", "junk at times", "errors at times", "no calls", "no calls",
    "no calls", "no logs", "wrong chain at times", "answers missing",
)  # fmt: skip
