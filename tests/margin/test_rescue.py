"""The search for the smallest amount, on a toy protocol whose every amount can be tried."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import margin.rescue
from margin.account import Clock
from margin.basics import Address
from margin.legs import CollateralLeg, DebtLeg
from margin.linear import LinearForm
from margin.mending import Change, Deed, Refused, worse_of
from margin.prices import Feed, FeedKey, Prices
from margin.rescue import Target, meets, rescues
from margin.units import WAD
from margin.verdict import Verdict

FEED = FeedKey("F")
GOLD, CASH = Address("gold"), Address("cash")


@dataclass(frozen=True)
class Account:
    gold: int
    cash: int


@dataclass(frozen=True)
class Toy:
    """Half of the gold's value supports the debt; a cap on gold; nothing below `crumb` is booked."""

    cap: int = 10**6
    crumb: int = 1
    hole: int | None = None
    """An answer at which less than a thousand gold is liquidatable whatever its worth."""
    step: int = 0
    """From a thousand gold on, all of it is worth that much less: more gold can be worth less."""
    refuses: str | None = None
    clock: Clock = field(default=Clock(0, 0))

    @property
    def prices(self) -> Prices:
        return Prices({FEED: 100})

    @property
    def feeds(self) -> Mapping[FeedKey, Feed]:
        return {FEED: Feed(FEED, Address("f"), "GOLD", 100, 0, "GOLD", None)}

    def feeds_of(self, _account: Account) -> tuple[FeedKey, ...]:
        return (FEED,)

    def verdict(self, account: Account, prices: Prices | None = None, at: int | None = None) -> Verdict:
        price = (prices or self.prices)[FEED]
        value = account.gold * price - (self.step if account.gold >= 1_000 else 0)
        if price == self.hole and account.gold < 1_000:
            value = 0
        debt = account.cash + (at or 0) * account.cash // 100
        support, requirement = max(0, value), 2 * debt
        health = support * WAD // requirement if requirement else None
        return Verdict(support, requirement, value, debt, health, ((account.gold, price),))

    def linear(self, account: Account, at: int | None = None) -> LinearForm:
        debt = 2.0 * (account.cash + (at or 0) * account.cash // 100)
        return LinearForm((FEED,), (float(account.gold),), (0.0,), 0.0, debt, (0.0,), float(self.step + 2))

    def least_margin(self, a: Verdict, b: Verdict) -> int:
        return -1 if self.hole else min(a.margin_raw, b.margin_raw)

    def price_limit(self, _account: Account, _feed: FeedKey) -> int:
        return 2**128

    def collateral_legs(self, account: Account) -> tuple[CollateralLeg, ...]:
        return (CollateralLeg(GOLD, "GOLD", 0, account.gold, account.gold * 100, 5_000, FEED),)

    def debt_legs(self, account: Account) -> tuple[DebtLeg, ...]:
        return (DebtLeg(CASH, "CASH", 0, account.cash, account.cash, None),) if account.cash else ()

    def changed(self, account: Account, changes: Sequence[Change]) -> Account | Refused:
        for change in changes:
            if self.refuses:
                return Refused(self.refuses)
            if change.amount_raw < self.crumb:
                return Refused("a crumb", too_small=True)
            if change.deed is Deed.REPAY:
                account = replace(account, cash=max(0, account.cash - change.amount_raw))
            elif account.gold + change.amount_raw > self.cap:
                return Refused("the cap", self.cap - account.gold)
            else:
                account = replace(account, gold=account.gold + change.amount_raw)
        return account

    def worst_between(self, a: Verdict, b: Verdict) -> Verdict:
        worst = worse_of(a, b)
        (low, price), (high, _) = a.terms[0], b.terms[0]
        if not low < 1_000 <= high:
            return worst
        support = max(0, min(worst.support_raw, 1_000 * price - self.step))
        health = support * WAD // worst.requirement_raw if worst.requirement_raw else None
        return replace(worst, support_raw=support, health_factor_wad=health)


def by_hand(toy: Toy, account: Account, deed: Deed, target: Target, limit: int) -> int | None:
    """The smallest amount from which on all up to the limit do."""
    token = CASH if deed is Deed.REPAY else GOLD
    good = []
    for amount_raw in range(limit + 1):
        changed = toy.changed(account, [Change(deed, token, amount_raw)])
        good.append(not isinstance(changed, Refused) and meets(toy, changed, target))
    return max(at for at, one in enumerate(good) if not one) + 1 if good[-1] else None


@given(
    account=st.builds(Account, gold=st.integers(1, 300), cash=st.integers(1, 20_000)),
    health=st.one_of(st.none(), st.integers(WAD, 3 * WAD)),
    shock=st.one_of(st.none(), st.integers(0, WAD)),
    seconds=st.one_of(st.none(), st.integers(0, 200)),
    toy=st.builds(
        Toy,
        cap=st.integers(301, 3_000),
        crumb=st.integers(1, 9),
        step=st.sampled_from((0, 3_000, 20_000, 60_000)),
    ),
)
def test_equals_brute_force(
    account: Account, health: int | None, shock: int | None, seconds: int | None, toy: Toy
) -> None:
    target = Target(health, shock, seconds)
    found = rescues(toy, account, target)
    assert bool(found) != meets(toy, account, target)
    for rescue in found:
        limit = account.cash if rescue.deed is Deed.REPAY else toy.cap - account.gold
        assert rescue.amount_raw == by_hand(toy, account, rescue.deed, target, limit)
        assert (rescue.why_not is None) == (rescue.amount_raw is not None)
        assert rescue.leg_raw == (account.cash if rescue.deed is Deed.REPAY else account.gold)


@pytest.mark.parametrize("name", ["margin", "health", "shock"])
def test_what_is_at_the_target_needs_nothing(name: str) -> None:
    """A health factor of exactly the target, a drop of exactly what it bears."""
    account = Account(gold=20, cash=800)
    targets = {"margin": Target(), "health": Target(125 * WAD // 100), "shock": Target(None, WAD // 5)}
    beyond = {
        "margin": Target(2 * WAD),
        "health": Target(125 * WAD // 100 + 1),
        "shock": Target(None, WAD // 4),
    }
    assert rescues(Toy(), account, targets[name]) == ()
    assert rescues(Toy(), account, beyond[name])
    assert rescues(Toy(), Account(20, 0), Target(2**200, WAD, 10**6)) == ()


def test_a_larger_amount_that_does_less_is_not_overlooked() -> None:
    """From 800 more gold on it would do, not at 900 to 999 more, and again from 1000 on."""
    account = Account(gold=100, cash=45_000)
    (_, deposit) = rescues(Toy(step=20_000), account, Target(WAD))
    assert (deposit.amount_raw, deposit.onward) == (1_000, True)
    assert by_hand(Toy(step=20_000), account, Deed.DEPOSIT, Target(WAD), 2_000) == 1_000


def test_why_there_is_no_amount() -> None:
    account = Account(gold=20, cash=900)
    (_, capped) = rescues(Toy(cap=21), account, Target(3 * WAD))
    assert (capped.amount_raw, capped.why_not) == (None, "the cap")
    for refused in rescues(Toy(refuses="GOLD is frozen"), account, Target(3 * WAD)):
        assert (refused.amount_raw, refused.why_not) == (None, "GOLD is frozen")
    (repay, _) = rescues(Toy(step=10**7), Account(gold=1_000, cash=900), Target(WAD))
    assert repay.amount_raw == 900, "without debt nothing is asked of the gold"


def test_what_lies_between_now_and_the_drop_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ends of the move are good long before what lies between them is."""
    account = Account(gold=20, cash=700)
    (repay, deposit) = rescues(Toy(hole=95), account, Target(None, WAD // 10 * 3))
    assert (deposit.amount_raw, deposit.onward) == (980, False)
    assert repay.amount_raw == 700, "only without debt does the hole not matter"
    (_, never) = rescues(Toy(hole=95, cap=500), account, Target(None, WAD // 10 * 3))
    assert never.amount_raw is None
    assert never.why_not
    monkeypatch.setattr(margin.rescue, "BUDGET", 3)
    undecided: Any = rescues(Toy(), account, Target(3 * WAD))
    assert [one.why_not for one in undecided] == [
        "how much CASH to repay: undecided after 4 steps",
        "how much GOLD to deposit: undecided after 4 steps",
    ]


def test_a_large_book_of_amounts_takes_few_verdicts() -> None:
    """The linear form finds the place: 128 bits of amounts in a few steps."""
    asked: list[Account] = []

    @dataclass(frozen=True)
    class Counted(Toy):
        def verdict(self, account: Account, prices: Prices | None = None, at: int | None = None) -> Verdict:
            asked.append(account)
            return super().verdict(account, prices, at)

    (_, deposit) = rescues(Counted(cap=2**127), Account(gold=10**20, cash=10**22), Target(2 * WAD))
    assert deposit.amount_raw == 3 * 10**20
    assert len(asked) < 250
