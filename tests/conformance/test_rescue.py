"""Every adapter's way back: after a repayment an account is what was foretold, and less does not do."""

from __future__ import annotations

from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from margin.basics import Address
from margin.mending import Change, Deed, Refused
from margin.prices import Prices
from margin.rescue import Rescue, Target, meets, rescues
from margin.units import WAD
from protocols.base import Venue
from tests.conformance.subject import Subject, read, read_next, read_one
from tests.conformance.test_exact import DAY_S, EDGE_STATES, RANDOM_STATES


@st.composite
def targets(draw: st.DrawFn, health_factor_wad: int) -> Target:
    """A health factor a little or a lot better than now, a drop to bear, or both."""
    better = draw(st.one_of(st.floats(1.000001, 1.1), st.floats(1.0, 4.0)))
    health = max(WAD, int(health_factor_wad * better))
    shock = draw(st.floats(0.001, 0.7).map(lambda share: int(share * WAD)))
    return draw(st.sampled_from((Target(health), Target(health), Target(None, shock), Target(health, shock))))


@EDGE_STATES
@given(data=st.data())
def test_a_rescue_is_enough_and_one_unit_less_is_not(subject: Subject, data: st.DataObject) -> None:
    with subject.node.undone():
        owner = subject.live(data.draw(subject.lives(), label="life"))
        venue, account = read_next(subject, owner)
        if not venue.debt_legs(account):
            assert not rescues(venue, account, Target(2**200, WAD // 2))
            return
        # A debt can be too small to be worth anything, and be worth something after a move.
        health = venue.verdict(account).health_factor_wad
        target = data.draw(targets(WAD if health is None else health), label="target")
        found = rescues(venue, account, target)
        assert bool(found) != meets(venue, account, target)
        for rescue in found:
            event(f"{rescue.deed}: {'an amount' if rescue.amount_raw else rescue.why_not}")
            if rescue.amount_raw is not None:
                assert reached(subject, venue, account, rescue, rescue.amount_raw, target)
                assert not reached(subject, venue, account, rescue, rescue.amount_raw - 1, target)
            elif rescue.deed is Deed.REPAY and rescue.why_not == "repaying all of it is not enough":
                assert not reached(subject, venue, account, rescue, rescue.leg_raw, target)


def reached(
    subject: Subject, venue: Venue[Any], account: Any, rescue: Rescue, amount_raw: int, target: Target
) -> bool:
    """Whether the account is at the target after that much was really repaid or deposited."""
    owner: Address = venue.key(account).owner
    if not amount_raw:
        return meets(venue, account, target)
    with subject.node.undone():
        foretold = as_done(subject, venue, account, Change(rescue.deed, rescue.token, amount_raw))
        if foretold is None:
            return False
        after_venue, after = read_one(subject, owner)
        return meets(after_venue, after, target)


def as_done(subject: Subject, venue: Venue[Any], account: Any, change: Change) -> Any | None:
    """The account after the change as foretold, which it must be; `None` where both refuse."""
    owner = venue.key(account).owner
    foretold = venue.changed(account, [change])
    said = subject.do(owner, change)
    assert (said is None) == (not isinstance(foretold, Refused)), (said, foretold)
    if said is not None:
        return None
    book = read(subject, owner)
    assert book.venue.clock.now == venue.clock.now
    for after in book.accounts[owner]:
        assert book.venue.audit(after).agrees is not False
        assert book.venue.verdict(after) == venue.verdict(foretold)
        assert book.venue.debt_legs(after) == venue.debt_legs(foretold)
        assert book.venue.collateral_legs(after) == venue.collateral_legs(foretold)
    if not book.accounts[owner]:
        assert not venue.debt_legs(foretold)
        assert not venue.collateral_legs(foretold)
    return foretold


@RANDOM_STATES
@given(data=st.data())
def test_a_change_is_what_was_foretold(subject: Subject, data: st.DataObject) -> None:
    """Of any size: a crumb, a part, all of it, more than all; and what is refused is foretold as well."""
    with subject.node.undone():
        owner = subject.live(data.draw(subject.lives(), label="life"))
        venue, account = read_next(subject, owner)
        legs = [(Deed.REPAY, leg.token, leg.amount_raw) for leg in venue.debt_legs(account)]
        legs += [(Deed.DEPOSIT, leg.token, leg.amount_raw) for leg in venue.collateral_legs(account)]
        deed, token, leg_raw = data.draw(st.sampled_from(legs), label="leg")
        size = st.one_of(
            st.integers(1, 9), st.integers(1, leg_raw + 3), st.integers(leg_raw - 3, leg_raw + 3)
        )
        change = Change(deed, token, max(1, data.draw(size, label="size")))
        event(f"{deed}: {'refused' if as_done(subject, venue, account, change) is None else 'done'}")


@EDGE_STATES
@given(data=st.data())
def test_no_verdict_between_two_amounts_is_worse_than_the_bound(
    subject: Subject, data: st.DataObject
) -> None:
    """What the search for the smallest amount leans on; at other prices and later too."""
    with subject.node.undone():
        owner = subject.live(data.draw(subject.lives(), label="life"))
        venue, account = read_one(subject, owner)
    prices = Prices({key: data.draw(st.integers(1, 2 * raw)) for key, raw in venue.prices.items()})
    at = venue.clock.after(data.draw(st.integers(0, 2_000 * DAY_S), label="later"))
    ways = [(Deed.REPAY, leg.token, leg.amount_raw) for leg in venue.debt_legs(account)]
    ways += [(Deed.DEPOSIT, leg.token, 10 * leg.amount_raw + 10) for leg in venue.collateral_legs(account)]
    for deed, token, most in ways:
        amounts = data.draw(st.lists(st.integers(0, most), min_size=3, max_size=3).map(sorted))
        found = []
        for amount_raw in amounts:
            changed = venue.changed(account, [Change(deed, token, amount_raw)])
            if isinstance(changed, Refused):
                assert changed.too_small
                changed = account
            found.append(venue.verdict(changed, prices, at))
        worst, between = venue.worst_between(found[0], found[2]), found[1]
        assert worst.margin_raw <= between.margin_raw
        if between.health_factor_wad is not None:
            assert worst.health_factor_wad is not None
            assert worst.health_factor_wad <= between.health_factor_wad
