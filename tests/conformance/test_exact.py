"""Every adapter against its protocol's own contracts: the last unit, the last tick, the last second."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from hypothesis import HealthCheck, assume, event, given, note, settings
from hypothesis import strategies as st

from checker.reach import factors_of
from margin.errors import Undecided
from margin.frontier import HIGHEST_SHOCK_WAD, HORIZON_S, factor_edge, farthest, feed_edge, time_edge
from margin.prices import Prices
from margin.units import WAD
from protocols.base import Venue
from tests.conformance.subject import SEARCHES, Subject, answers, read_one

RANDOM_STATES = settings(suppress_health_check=list(HealthCheck))
HALF_STATES = settings(RANDOM_STATES, max_examples=max(1, settings().max_examples // 2))
EDGE_STATES = settings(RANDOM_STATES, max_examples=max(1, settings().max_examples // 5))
"""A fifth of the random states also have their edges tried out: 200 in a soak run."""
DAY_S = 86_400
T = TypeVar("T")


@RANDOM_STATES
@given(data=st.data())
def test_verdict_equals_the_protocols_view(subject: Subject, data: st.DataObject) -> None:
    """Now, at other prices, later, and both; and the linear form within its stated bound of each."""
    with subject.node.undone():
        owner = subject.live(data.draw(subject.lives(), label="life"))
        venue, account = read_one(subject, owner)
        assert venue.audit(account).agrees is not False, venue.audit(account)
        moved = Prices({key: data.draw(st.integers(1, 2 * raw)) for key, raw in venue.prices.items()})
        later = venue.clock.after(data.draw(st.integers(0, 2_000 * DAY_S), label="later"))
        for prices, at in ((None, None), (moved, None), (None, later), (moved, later)):
            own = subject.own_view(owner, answers(venue, prices), at)
            assert subject.our_view(venue, account, prices, at) == own
            form, verdict = venue.linear(account, at), venue.verdict(account, prices, at)
            at_prices = prices or venue.prices
            assert abs(form.margin(at_prices) - verdict.margin_raw) <= form.bound(at_prices)


def goes_through(
    subject: Subject, venue: Venue[Any], account: Any, prices: Prices | None = None, at: int | None = None
) -> bool:
    """Whether the protocol takes the account for liquidatable; each call as the adapter foretold it.

    A call can still be refused for what has nothing to do with health (dust that is worth less
    than the smallest unit): then the adapter must have said so.
    """
    attempts = subject.attempts(venue, account, prices, at)
    for attempt in attempts:
        assert attempt.foretold == (attempt.refused_because is None), attempts
    verdicts = {attempt.too_healthy for attempt in attempts}
    assert len(verdicts) <= 1, attempts
    return False in verdicts


def living(subject: Subject, data: st.DataObject) -> tuple[Venue[Any], Any]:
    """A random account that owes something, if only dust, and is safe now."""
    owner = subject.live(data.draw(subject.lives(), label="life"))
    venue, account = read_one(subject, owner)
    assume(venue.debt_legs(account) and not venue.verdict(account).liquidatable)
    event("worth nothing" if not venue.verdict(account).liabilities_raw else "worth something")
    return venue, account


def decided(search: Callable[[], T]) -> T | Undecided:
    """What a search finds. One that gives up says so, and the account is then shown as unknown."""
    SEARCHES["all"] += 1
    try:
        return search()
    except Undecided as gave_up:
        SEARCHES["undecided"] += 1
        return gave_up


@EDGE_STATES
@given(data=st.data())
def test_one_tick_decides(subject: Subject, data: st.DataObject) -> None:
    """At `liquidation_price_raw` it goes through, one unit to the safe side it does not."""
    with subject.node.undone():
        venue, account = living(subject, data)
        assert not goes_through(subject, venue, account)
        for feed in venue.feeds_of(account):
            edge = decided(partial(feed_edge, venue, account, feed))
            note(str(edge))
            if isinstance(edge, Undecided):
                continue
            back = 1 if edge.direction == "down" else -1
            edge_raw = edge.liquidation_price_raw
            event(f"{edge.direction}, {'an edge' if edge_raw else 'none'}")
            if edge_raw is None:
                stop_raw = 1 if edge.direction == "down" else min(2**128, venue.price_limit(account, feed))
                assert not goes_through(subject, venue, account, venue.prices.moved(feed, stop_raw))
            else:
                assert goes_through(subject, venue, account, venue.prices.moved(feed, edge_raw))
                assert not goes_through(subject, venue, account, venue.prices.moved(feed, edge_raw + back))


@EDGE_STATES
@given(data=st.data())
def test_one_second_decides(subject: Subject, data: st.DataObject) -> None:
    """At the predicted timestamp it goes through, one second earlier it does not."""
    with subject.node.undone():
        venue, account = living(subject, data)
        at = decided(partial(time_edge, venue, account))
        if isinstance(at, Undecided):
            return
        event("an edge" if at else "none")
        if at is None:
            assert not goes_through(subject, venue, account, at=venue.clock.after(HORIZON_S))
        else:
            assert goes_through(subject, venue, account, at=at)
            assert not goes_through(subject, venue, account, at=at - 1)


@EDGE_STATES
@given(data=st.data())
def test_one_step_of_a_factor_decides(subject: Subject, data: st.DataObject) -> None:
    """At the shock of a whole factor it goes through, 1e-18 less it does not."""
    with subject.node.undone():
        venue, account = living(subject, data)
        for factor in factors_of(venue, account):
            shock_wad = decided(partial(factor_edge, venue, account, factor))
            if isinstance(shock_wad, Undecided):
                continue
            event("none" if shock_wad is None else "a fall" if shock_wad < 0 else "a rise")
            note(f"{factor} {shock_wad}")
            if shock_wad is None:
                for limit in (1 - WAD, HIGHEST_SHOCK_WAD - 1):
                    utmost = farthest(venue, account, {factor: WAD}, limit)
                    assert not goes_through(subject, venue, account, shocked(venue, factor, utmost))
                continue
            back = 1 if shock_wad < 0 else -1
            assert goes_through(subject, venue, account, shocked(venue, factor, shock_wad))
            assert not goes_through(subject, venue, account, shocked(venue, factor, shock_wad + back))


def shocked(venue: Venue[Any], factor: str, shock_wad: int) -> Prices:
    """All feeds after one factor moved."""
    return Prices({key: feed.shocked_raw({factor: shock_wad}) for key, feed in venue.feeds.items()})
