"""One row of the results, how large the rows are measured, and when a run must not be believed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.measure import Ratio
from margin.errors import CrossmarginError


@dataclass(frozen=True, slots=True)
class Row:
    """A ratio above 1 says that the first does better than the second."""

    what: str
    against: str
    ratio: Ratio
    figures: str
    """The numbers behind it: rates, requests, how large a sample the slow way did."""
    meaning: str
    """One line for someone who does not know the code."""
    aim: float | None = None
    """The ratio we want; None where nothing was set."""


@dataclass(frozen=True, slots=True)
class Size:
    """How much is measured."""

    wallets: int
    """That have an account on the market."""
    crowd: int
    """Accounts of the whole book, on a market of their own."""
    sample: int
    """Wallets that naive web3.py reads in one repetition."""
    edges: int
    """Accounts whose frontier naive web3.py bisects in one repetition."""
    answers: int
    """Answers of six words to decode."""
    repeats: int
    turn_s: float
    """Seconds that a way's turn lasts at least."""

    def __str__(self) -> str:
        return (
            f"{self.wallets:,} wallets ({self.sample} a repetition for naive web3.py, "
            f"{self.edges} for its bisection), a book of {self.crowd:,} accounts, "
            f"{self.answers:,} answers to decode, "
            f"{self.repeats} repetitions in turns of at least {self.turn_s:g} s"
        )


FULL = Size(wallets=1_000, crowd=20_000, sample=25, edges=8, answers=20_000, repeats=5, turn_s=0.5)
TINY = Size(wallets=6, crowd=300, sample=2, edges=1, answers=20, repeats=2, turn_s=0.0)


class Different(CrossmarginError):
    """Two ways gave different answers: then a ratio of their speeds means nothing."""

    def __init__(self, what: str, first: object, second: object) -> None:
        self.what = what
        super().__init__(f"{what}: {first!r:.300} is not {second!r:.300}")


def same(what: str, ours: Sequence[object], theirs: Sequence[object]) -> None:
    """Raises `Different`, naming the first place, unless both give the same and as much."""
    if len(ours) != len(theirs):
        raise Different(f"{what}, how many", len(ours), len(theirs))
    for at, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        if one != other:
            raise Different(f"{what}, number {at}", one, other)
