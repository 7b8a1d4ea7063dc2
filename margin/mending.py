"""What an owner can do for an account, and what an adapter must be able to say of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

from margin.account import Judge
from margin.basics import Address
from margin.legs import CollateralLeg, DebtLeg
from margin.verdict import Verdict

A = TypeVar("A")


class Deed(StrEnum):
    """What an owner can do for an account."""

    REPAY = "repay"
    DEPOSIT = "deposit"


@dataclass(frozen=True, slots=True)
class Change:
    """One deed with one token, in its raw units."""

    deed: Deed
    token: Address
    amount_raw: int


@dataclass(frozen=True, slots=True)
class Refused:
    """A change that the protocol would not let happen now."""

    why: str
    """In a few words, after the token's symbol where it is about one: `WETH is frozen`."""
    most_raw: int = 0
    """The largest amount of it that it would take; 0 where it takes none."""
    too_small: bool = False
    """The amount is less than the protocol can book, and a larger one would do."""


class Mendable(Judge[A], Protocol[A]):
    """A judge that also knows what an account is after its owner has done something for it."""

    def collateral_legs(self, account: A) -> tuple[CollateralLeg, ...]:
        """What the account has supplied."""

    def debt_legs(self, account: A) -> tuple[DebtLeg, ...]:
        """What the account owes."""

    def changed(self, account: A, changes: Sequence[Change]) -> A | Refused:
        """The account after these changes, one after another, at the block's timestamp.

        Exactly as the contract would book them; or why it would not let one of them happen. A
        repayment of more than is owed repays what is owed.
        """

    def worst_between(self, a: Verdict, b: Verdict) -> Verdict:
        """A verdict that none is worse than at any amount between two of them.

        `a` and `b` are of one account at one price vector and timestamp, after two amounts of one
        deed. See `worse_of`, where neither support nor debt ever falls back as the amount grows.
        """


def worse_of(a: Verdict, b: Verdict) -> Verdict:
    """Each part of the worse of two verdicts: `Mendable.worst_between` for arithmetic without steps back."""
    healths = [v.health_factor_wad for v in (a, b) if v.health_factor_wad is not None]
    return Verdict(
        support_raw=min(a.support_raw, b.support_raw),
        requirement_raw=max(a.requirement_raw, b.requirement_raw),
        assets_raw=min(a.assets_raw, b.assets_raw),
        liabilities_raw=max(a.liabilities_raw, b.liabilities_raw),
        health_factor_wad=min(healths, default=None),
    )
