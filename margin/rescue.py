"""What to repay or deposit to be back at a target: the smallest amounts, by the exact verdict afterwards.

The linear form finds the place, the exact verdict decides. Where a contract truncates an average
threshold, a larger deposit can be worth less than a smaller one; so the amount that is told is the
smallest one *from which on* every amount will do, proven by the adapter's own bound between amounts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from margin.account import Judge
from margin.basics import Address
from margin.errors import Undecided
from margin.frontier import HIGHEST_SHOCK_WAD, LOWEST_SHOCK_WAD, along, crossing, one_feed_stop, time_edge
from margin.legs import CollateralLeg, DebtLeg
from margin.mending import Change, Deed, Mendable, Refused
from margin.prices import FeedKey, Prices
from margin.units import WAD
from margin.verdict import Verdict

A = TypeVar("A")

BUDGET = 3_000
"""Amounts one search may try before it gives up; a hundred or two are usual."""
LARGEST_RAW = 2**127
"""No token has as much; where the protocol itself stops earlier, its adapter says so."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where an account should be; each part that is not `None` must hold."""

    health_factor_wad: int | None = None
    """The protocol's own ratio is at least this; at least 1e18, or it says nothing of safety."""
    shock_wad: int | None = None
    """No move of any one factor, up or down by as much as this (1e17 is 10 %), makes it liquidatable."""
    seconds: int | None = None
    """Interest at today's rates, prices held, does not within this time."""


@dataclass(frozen=True, slots=True)
class Rescue:
    """One way back to the target."""

    deed: Deed
    token: Address
    symbol: str
    decimals: int
    leg_raw: int
    """What is owed of the token, or held of it, now."""
    amount_raw: int | None
    """The smallest amount that does it; one raw unit less does not. `None` where none does."""
    why_not: str | None = None
    """Why there is no amount."""
    onward: bool = True
    """Every larger amount does it too; else only so much as its own verdict says."""


def meets(judge: Judge[A], account: A, target: Target) -> bool:
    """Whether the account is at the target, exactly. Raises `Undecided` beyond a search's budget."""
    if not _good(judge.verdict(account), target.health_factor_wad):
        return False
    if target.shock_wad is not None:
        for factor in _factors(judge, account):
            if not all(_survives(judge, account, factor, limit) for limit in _limits(target.shock_wad)):
                return False
    return not target.seconds or time_edge(judge, account, target.seconds) is None


def rescues(judge: Mendable[A], account: A, target: Target) -> tuple[Rescue, ...]:
    """For each debt the smallest repayment, for each collateral that backs debt the smallest deposit.

    Each alone brings the account to the target. Nothing where it is there already. A debt or
    collateral with which it can't be done stands there with the reason.
    """
    try:
        if meets(judge, account, target):
            return ()
    except Undecided:
        pass  # then it is not known to be there
    ways: list[tuple[Deed, CollateralLeg | DebtLeg]] = [(Deed.REPAY, leg) for leg in judge.debt_legs(account)]
    ways += [(Deed.DEPOSIT, leg) for leg in judge.collateral_legs(account) if leg.threshold_bps]
    return tuple(_rescue(judge, account, target, deed, leg) for deed, leg in ways)


def _rescue(
    judge: Mendable[A], account: A, target: Target, deed: Deed, leg: CollateralLeg | DebtLeg
) -> Rescue:
    search = _Search(judge, account, target, deed, leg, _corners(judge, account, target))
    try:
        amount_raw, onward = search.smallest()
        why_not = None
    except _Hopeless as hopeless:
        amount_raw, onward, why_not = None, False, str(hopeless)
    except Undecided as undecided:
        amount_raw, onward, why_not = None, False, str(undecided)
    return Rescue(deed, leg.token, leg.symbol, leg.decimals, leg.amount_raw, amount_raw, why_not, onward)


class _Hopeless(Exception):
    """No amount does it, and why."""


@dataclass(slots=True)
class _Search(Generic[A]):
    """For the smallest amount of one deed with one leg."""

    judge: Mendable[A]
    account: A
    target: Target
    deed: Deed
    leg: CollateralLeg | DebtLeg
    corners: list[tuple[Prices | None, int | None]]
    spent: int = 0

    def smallest(self) -> tuple[int, bool]:
        """The amount, and whether every larger one does it too. Raises `_Hopeless`, `Undecided`."""
        most = self.leg.amount_raw if self.deed is Deed.REPAY else LARGEST_RAW
        refused = self.after(most)
        if isinstance(refused, Refused):
            if not refused.most_raw:
                raise _Hopeless(refused.why)
            most = refused.most_raw
        if not self.all_good(self.verdicts(most)):
            if isinstance(refused, Refused):
                raise _Hopeless(refused.why)
            whole = "repaying all of it" if self.deed is Deed.REPAY else "any amount of it"
            raise _Hopeless(f"{whole} is not enough")
        amount_raw = self.last_failing(most) + 1
        if self.exactly(amount_raw):
            return amount_raw, True
        if not self.exactly(most):
            raise _Hopeless("moves smaller than the target's liquidate it all the same")
        fails, holds = amount_raw, most
        while holds - fails > 1:
            middle = (fails + holds) // 2
            fails, holds = (fails, middle) if self.exactly(middle) else (middle, holds)
        return holds, False

    def after(self, amount_raw: int) -> A | Refused:
        """The account with that much repaid or deposited."""
        return self.judge.changed(self.account, [Change(self.deed, self.leg.token, amount_raw)])

    def booked(self, amount_raw: int) -> A:
        """The same; an amount too small to be booked changes nothing."""
        changed = self.after(amount_raw) if amount_raw else self.account
        if isinstance(changed, Refused):
            assert changed.too_small, changed
            return self.account
        return changed

    def exactly(self, amount_raw: int) -> bool:
        """Booked, and at the target, between the corners too."""
        changed = self.after(amount_raw)
        return not isinstance(changed, Refused) and meets(self.judge, changed, self.target)

    def verdicts(self, amount_raw: int) -> list[Verdict]:
        """After that amount, at every corner."""
        self.spent += 1
        if self.spent > BUDGET:
            raise Undecided(f"how much {self.leg.symbol} to {self.deed}", self.spent)
        changed = self.booked(amount_raw)
        return [self.judge.verdict(changed, prices, at) for prices, at in self.corners]

    def all_good(self, verdicts: Sequence[Verdict]) -> bool:
        """At the target at every corner: the first is now, with the health factor asked for."""
        return _good(verdicts[0], self.target.health_factor_wad) and not any(
            verdict.liquidatable for verdict in verdicts[1:]
        )

    def last_failing(self, most: int) -> int:
        """The largest amount below `most`, which is good, that is not good at every corner; 0 if none is."""
        nodes = [0, *sorted({cut for cut in self.cuts(most) if 0 < cut < most}), most]
        found = [self.verdicts(node) for node in nodes]
        pending = [(nodes[i], found[i], nodes[i + 1], found[i + 1]) for i in range(len(nodes) - 1)]
        while pending:
            low, low_found, high, high_found = pending.pop()
            if not self.all_good(high_found):
                return high
            worst = map(self.judge.worst_between, low_found, high_found)
            if high - low == 1 or (self.all_good(low_found) and self.all_good(list(worst))):
                continue
            middle = (low + high) // 2
            middle_found = self.verdicts(middle)
            pending.append((low, low_found, middle, middle_found))
            pending.append((middle, middle_found, high, high_found))
        return 0

    def cuts(self, most: int) -> list[int]:
        """Where the linear form says that the last corner comes good, and as far off as that may be."""
        guess = width = 0.0
        for (here, off), (there, _) in zip(self.distances(0), self.distances(most), strict=True):
            per_unit = (there - here) / most
            if per_unit > 0 and -here / per_unit > guess:
                guess, width = -here / per_unit, 2 * off / per_unit
        if not (math.isfinite(guess) and math.isfinite(width)):
            return []
        return [round(guess) + beside for beside in (-math.ceil(width) - 1, 0, math.ceil(width) + 1)]

    def distances(self, amount_raw: int) -> list[tuple[float, float]]:
        """At every corner by how much the linear form is past the target, and by how much it may be off."""
        changed = self.booked(amount_raw)
        found = []
        ratio = max(self.target.health_factor_wad or WAD, WAD) / WAD
        for prices, at in self.corners:
            form, at_prices = self.judge.linear(changed, at), self.judge.prices if prices is None else prices
            required = form.requirement_constant + sum(
                share * at_prices[feed] for feed, share in zip(form.feeds, form.requirement, strict=True)
            )
            found.append((form.margin(at_prices) - (ratio - 1.0) * required, ratio * form.bound(at_prices)))
            ratio = 1.0  # the health factor is asked for at the first corner only
        return found


def _good(verdict: Verdict, health_factor_wad: int | None) -> bool:
    """Safe, and with the health factor asked for."""
    health = verdict.health_factor_wad
    return not verdict.liquidatable and (
        health_factor_wad is None or health is None or health >= health_factor_wad
    )


def _corners(judge: Judge[A], account: A, target: Target) -> list[tuple[Prices | None, int | None]]:
    """Prices and moments at which the target is tightest: now, each factor moved as far as asked, then."""
    corners: list[tuple[Prices | None, int | None]] = [(None, None)]
    if target.shock_wad is not None:
        keys = [key for key in judge.feeds_of(account) if key in judge.feeds]
        for factor in _factors(judge, account):
            for limit in _limits(target.shock_wad):
                moved = {key: judge.feeds[key].shocked_raw({factor: limit}) for key in keys}
                corners.append((Prices({**judge.prices, **moved}), None))
    if target.seconds:
        corners.append((None, judge.clock.after(target.seconds)))
    return corners


def _factors(judge: Judge[A], account: A) -> list[str]:
    """The factors that move a feed of the account."""
    feeds = [judge.feeds[key] for key in judge.feeds_of(account) if key in judge.feeds]
    named = dict.fromkeys(f for feed in feeds for f in (feed.base_factor, feed.quote_factor) if f is not None)
    return [factor for factor in named if any(feed.loads_on(factor) for feed in feeds)]


def _limits(shock_wad: int) -> tuple[int, int]:
    return max(-shock_wad, LOWEST_SHOCK_WAD + 1), min(shock_wad, HIGHEST_SHOCK_WAD - 1)


def _survives(judge: Judge[A], account: A, factor: str, limit_wad: int) -> bool:
    """Whether no move of the factor towards the limit, inclusive, liquidates: as `frontier.factor_edge`."""
    loaded: list[FeedKey] = [k for k in judge.feeds_of(account) if judge.feeds[k].loads_on(factor)]
    if len(loaded) == 1:
        stop_raw = one_feed_stop(judge, account, judge.feeds[loaded[0]], factor, limit_wad)
        return crossing(judge, account, loaded[0], stop_raw) is None
    return along(judge, account, {factor: WAD}, limit_wad, subject=f"shock of factor {factor}") is None
