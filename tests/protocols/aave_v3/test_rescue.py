"""A rescue under the pool's own rules: truncated averages, caps, flags, frozen and paused reserves."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from localnet.aave_v3.standard import raw_of, wallet
from margin.mending import Change, Deed, Refused
from margin.prices import Prices
from margin.rescue import Rescue, Target, meets, rescues
from margin.units import WAD
from margin.verdict import Verdict
from protocols.aave_v3.adapter import AaveVenue
from protocols.aave_v3.state import AaveAccount
from protocols.aave_v3.venue import Market
from protocols.base import VenueConfig
from tests.protocols.aave_v3.lives import DAY_S, Life, live, lives
from tests.protocols.aave_v3.states import State, states
from tests.protocols.aave_v3.subject import Genuine

USER = wallet("rescued")
FEW = settings(suppress_health_check=list(HealthCheck), max_examples=max(1, settings().max_examples // 5))
DEEDS = st.sampled_from(Deed)


def venue_of(market: Market) -> AaveVenue:
    config = VenueConfig(market.id, {}, "test")
    return AaveVenue(**{f.name: getattr(market, f.name) for f in fields(market)}, config=config)


def owing(empty: Genuine, *, supplied: str = "WETH", owed: str = "USDC") -> None:
    market = empty.market
    market.supply(USER, supplied, raw_of(market, supplied, 10_000) + 7)
    market.borrow(USER, owed, raw_of(market, owed, 6_000) + 7)
    market.warp(40 * DAY_S)


@FEW
@given(life=lives(), better=st.floats(1.0001, 2.5))
def test_the_contracts_own_health_factor_is_reached_and_not_with_one_unit_less(
    empty: Genuine, life: Life, better: float
) -> None:
    market = empty.market
    with market.anvil.undone():
        user = live(market, life)
        venue, account = empty.one(user)
        health = venue.verdict(account).health_factor_wad
        assume(health is not None)
        assert health is not None
        target = max(WAD, int(health * better))
        for rescue in rescues(venue, account, Target(target)):
            if rescue.amount_raw is None:
                event(f"{rescue.deed}: {rescue.why_not}")
                continue
            for amount_raw, enough in ((rescue.amount_raw, True), (rescue.amount_raw - 1, False)):
                with market.anvil.undone():
                    at = market.anvil.timestamp()
                    if amount_raw:
                        empty.do(user, Change(rescue.deed, rescue.token, amount_raw))
                    assert market.anvil.timestamp() == at
                    assert (market.health_factor(user, at=at) >= target) == enough


def spread(state: State, deed: Deed) -> list[Change]:
    """One change of each leg, amounts to be set."""
    market, account = venue_of(state.market), state.account
    legs = market.debt_legs(account) if deed is Deed.REPAY else market.collateral_legs(account)
    return [Change(deed, leg.token, leg.amount_raw) for leg in legs]


@given(state=states(), deed=DEEDS, data=st.data())
def test_no_verdict_between_two_amounts_is_worse_than_the_bound(
    state: State, deed: Deed, data: st.DataObject
) -> None:
    venue, account = venue_of(state.market), state.account
    prices = Prices({key: data.draw(st.integers(1, 2 * raw)) for key, raw in venue.prices.items()})
    later = venue.timestamp + data.draw(st.integers(0, 10**8))
    # An average loses a basis point between two amounts that lie close together.
    closeness = data.draw(st.integers(1, 10**5))
    for change in spread(state, deed):
        most = (change.amount_raw if deed is Deed.REPAY else 10 * change.amount_raw) // closeness + 2
        amounts = sorted(data.draw(st.lists(st.integers(0, most), min_size=3, max_size=3)))
        found: list[Verdict] = []
        for amount_raw in amounts:
            changed = venue.changed(account, [replace(change, amount_raw=amount_raw)])
            if isinstance(changed, Refused):
                assert changed.too_small
                changed = account
            found.append(venue.verdict(changed, prices, later))
        worst, between = venue.worst_between(found[0], found[2]), found[1]
        assert worst.margin_raw <= between.margin_raw
        if between.health_factor_wad is not None:
            assert worst.health_factor_wad is not None
            assert worst.health_factor_wad <= between.health_factor_wad


@given(state=states(), ahead=st.integers(1, 5), behind=st.integers(0, 5))
def test_the_bound_holds_where_the_average_loses_a_basis_point(state: State, ahead: int, behind: int) -> None:
    """There a deposit of one unit more is worth less."""
    venue, account = venue_of(state.market), state.account
    for change in spread(state, Deed.DEPOSIT):

        def after(amount_raw: int, change: Change = change) -> Verdict:
            changed = venue.changed(account, [replace(change, amount_raw=amount_raw)])
            return venue.verdict(account if isinstance(changed, Refused) else changed)

        average = venue.average_threshold_bps(after(0))
        same, less = 0, 10 * change.amount_raw + 10
        if venue.average_threshold_bps(after(less)) >= average:
            continue
        while less - same > 1:
            middle = (same + less) // 2
            falls = venue.average_threshold_bps(after(middle)) < average
            same, less = (same, middle) if falls else (middle, less)
        event("steps back" if after(less).margin_raw < after(same).margin_raw else "does not step back")
        worst = venue.worst_between(after(max(0, same - behind)), after(less + ahead))
        for amount_raw in (same, less):
            assert worst.margin_raw <= after(amount_raw).margin_raw
            if worst.health_factor_wad is not None:
                assert worst.health_factor_wad <= (after(amount_raw).health_factor_wad or 0)


@given(
    state=states(small=True),
    better=st.one_of(st.floats(1.0, 1.2), st.floats(1.0, 3.0)),
    shock=st.one_of(st.none(), st.floats(0.01, 0.5)),
)
def test_the_amount_is_that_of_brute_force(state: State, better: float, shock: float | None) -> None:
    """The smallest amount from which on all do, though with a truncated average some smaller ones do too."""
    venue, account = venue_of(state.market), state.account
    health = venue.verdict(account).health_factor_wad
    assume(health)
    assert health is not None
    target = Target(max(WAD, int(health * better)), None if shock is None else int(shock * WAD))
    for rescue in rescues(venue, account, target):
        limit = min(rescue.leg_raw, 500) if rescue.deed is Deed.REPAY else 500
        good = [at_target(venue, account, rescue, amount_raw, target) for amount_raw in range(limit + 1)]
        last_bad = max(at for at, one in enumerate(good) if not one)
        if rescue.amount_raw is None:
            assert not any(good), rescue
        elif rescue.amount_raw <= limit and rescue.onward:
            assert rescue.amount_raw == last_bad + 1
            event("steps back" if any(good[:last_bad]) else "straight")
        elif rescue.amount_raw <= limit:
            assert good[rescue.amount_raw]
            assert not good[rescue.amount_raw - 1]
        else:
            assert not good[-1] or last_bad < rescue.amount_raw


def at_target(
    venue: AaveVenue, account: AaveAccount, rescue: Rescue, amount_raw: int, target: Target
) -> bool:
    changed = venue.changed(account, [Change(rescue.deed, rescue.token, amount_raw)])
    return not isinstance(changed, Refused) and meets(venue, changed, target)


def test_time_is_a_target_too(lived_in: Genuine) -> None:
    """At today's rates: one unit less, and interest gets there a moment too early."""
    venue, account = lived_in.one(lived_in.market.cast["exact"])
    target = Target(seconds=90 * DAY_S)
    found = rescues(venue, account, target)
    assert found
    for rescue in found:
        assert rescue.amount_raw
        assert at_target(venue, account, rescue, rescue.amount_raw, target)
        assert not at_target(venue, account, rescue, rescue.amount_raw - 1, target)
    assert not rescues(venue, account, Target(seconds=0))


def test_what_cannot_be_done_is_said(empty: Genuine) -> None:
    market = empty.market
    with market.anvil.undone():
        owing(empty)
        market.freeze("WETH")
        venue, account = empty.one(USER)
        repay, deposit = rescues(venue, account, Target(3 * WAD))
        assert repay.amount_raw
        assert (deposit.amount_raw, deposit.why_not) == (None, "WETH is frozen")

        market.pause("USDC")
        market.unfreeze("WETH")
        venue, account = empty.one(USER)
        repay, deposit = rescues(venue, account, Target(3 * WAD))
        assert (repay.amount_raw, repay.why_not) == (None, "USDC is paused")
        assert deposit.amount_raw
        assert empty.do(USER, Change(Deed.REPAY, repay.token, 5)) in ("29", "ReservePaused")


def test_one_debt_of_two_may_not_be_enough(empty: Genuine) -> None:
    market = empty.market
    with market.anvil.undone():
        owing(empty)
        market.borrow(USER, "DAI", raw_of(market, "DAI", 500))
        venue, account = empty.one(USER)
        found = {(r.deed, r.symbol): r for r in rescues(venue, account, Target(10 * WAD))}
        assert found[Deed.REPAY, "DAI"].why_not == "repaying all of it is not enough"
        assert found[Deed.REPAY, "USDC"].amount_raw
        assert found[Deed.DEPOSIT, "WETH"].amount_raw


def test_a_supply_cap_leaves_the_room_that_is_told(empty: Genuine) -> None:
    market = empty.market
    with market.anvil.undone():
        owing(empty, supplied="USDC", owed="WETH")
        supplied = market.balance(market.reserves["USDC"].a_token, market.cast["whale"])
        cap = supplied // market.reserves["USDC"].unit + 600_000
        market.configurator.send("setSupplyCap", market.reserves["USDC"].token, cap)
        venue, account = empty.one(USER)
        token = market.reserves["USDC"].token
        refused = venue.changed(account, [Change(Deed.DEPOSIT, token, 10**15)])
        assert isinstance(refused, Refused)
        assert refused.why == f"the supply cap of {cap:,} USDC leaves room for less"
        assert refused.most_raw > 10**6
        for amount_raw, said in (
            (refused.most_raw, (None,)),
            (refused.most_raw + 1, ("51", "SupplyCapExceeded")),
        ):
            with market.anvil.undone():
                assert empty.do(USER, Change(Deed.DEPOSIT, token, amount_raw)) in said
        _, deposit = rescues(venue, account, Target(10**6 * WAD))
        assert (deposit.amount_raw, deposit.why_not) == (None, refused.why)
        assert rescues(venue, account, Target(3 * WAD))[1].amount_raw

        assert empty.do(USER, Change(Deed.DEPOSIT, token, refused.most_raw)) is None
        market.configurator.send("setSupplyCap", token, cap - 1)
        venue, account = empty.one(USER)
        again = venue.changed(account, [Change(Deed.DEPOSIT, token, 10)])
        assert again == Refused(f"the supply cap of {cap - 1:,} USDC is reached")
        assert empty.do(USER, Change(Deed.DEPOSIT, token, 10)) in ("51", "SupplyCapExceeded")


@pytest.mark.parametrize("first", [None, "WETH", "SNX"])
def test_a_first_supply_counts_as_the_pool_lets_it(empty: Genuine, first: str | None) -> None:
    """No collateral yet, one, or one that isolates; and SNX itself, which isolates up to v3.6."""
    market = empty.market
    for symbol in ("USDC", "SNX", "WETH", "LINK"):
        with market.anvil.undone():
            market.supply(USER, "CRV", raw_of(market, "CRV", 100))
            market.use_as_collateral(USER, "CRV", False)
            market.configure("LINK", ltv=0, liquidation_threshold=7_100, liquidation_bonus=10_700)
            if first:
                market.supply(USER, first, raw_of(market, first, 1_000))
                market.use_as_collateral(USER, first, True)
            token = market.reserves[symbol].token
            venue, account = empty.one(USER)
            change = Change(Deed.DEPOSIT, token, raw_of(market, symbol, 50))
            foretold = venue.changed(account, [change])
            assert empty.do(USER, change) is None
            assert isinstance(foretold, AaveAccount)
            assert replace(empty.one(USER)[1], reported=None) == foretold


def test_an_e_mode_that_may_forbid_a_first_supply_is_not_guessed(empty: Genuine) -> None:
    if not empty.one(empty.market.cast["whale"])[0].rules.zero_threshold_counts:
        return
    market = empty.market
    with market.anvil.undone():
        market.supply(USER, "WETH", 10**18)
        market.enter_emode(USER, 1)
        venue, account = empty.one(USER)
        refused = venue.changed(account, [Change(Deed.DEPOSIT, market.reserves["LINK"].token, 10**18)])
        assert isinstance(refused, Refused)
        assert "e-mode" in refused.why


def test_all_repaid_clears_the_flag_and_more_is_not_taken(empty: Genuine) -> None:
    market = empty.market
    with market.anvil.undone():
        owing(empty)
        venue, account = empty.one(USER)
        (owed,) = venue.debt_legs(account)
        change = Change(Deed.REPAY, owed.token, owed.amount_raw)
        whole = venue.changed(account, [change])
        assert isinstance(whole, AaveAccount)
        assert venue.changed(account, [Change(Deed.REPAY, owed.token, 2**120)]) == whole
        assert venue.verdict(whole).health_factor_wad is None
        assert not any(whole.borrows(id_) for id_ in venue.reserves)
        part = replace(change, amount_raw=owed.amount_raw // 2)
        assert venue.changed(account, [part, change]) == whole
        again = venue.changed(whole, [Change(Deed.REPAY, owed.token, 1)])
        assert again == Refused("no USDC is owed")
        assert empty.do(USER, change) is None
        assert replace(empty.one(USER)[1], reported=None) == whole


def test_stable_and_variable_debt_are_one_leg(empty: Genuine) -> None:
    """v3.0 alone: the variable debt goes first, and a stable one repaid in part compounds anew."""
    market = empty.market
    if not market.core.version.stable_rate:
        return
    with market.anvil.undone():
        market.supply(USER, "WETH", raw_of(market, "WETH", 10_000))
        market.borrow(USER, "USDC", 1_000 * 10**6, mode=1)
        market.borrow(USER, "USDC", 2_000 * 10**6)
        market.warp(100 * DAY_S)
        venue, account = empty.one(USER)
        (owed,) = venue.debt_legs(account)
        variable = market.balance(market.reserves["USDC"].variable_debt_token, USER)
        assert 1_000 * 10**6 < owed.amount_raw - variable < 1_100 * 10**6
        for amount_raw in (variable - 1, variable, variable + 500, owed.amount_raw - 1, owed.amount_raw):
            with market.anvil.undone():
                change = Change(Deed.REPAY, owed.token, amount_raw)
                foretold = venue.changed(account, [change])
                assert isinstance(foretold, AaveAccount)
                assert empty.do(USER, change) is None
                assert replace(empty.one(USER)[1], reported=None) == foretold
        (repay, _) = rescues(venue, account, Target(16 * WAD))
        assert repay.amount_raw
        assert repay.amount_raw > variable
        assert at_target(venue, account, repay, repay.amount_raw, Target(16 * WAD))
        assert not at_target(venue, account, repay, repay.amount_raw - 1, Target(16 * WAD))


def test_an_unknown_token_is_refused(lived_in: Genuine) -> None:
    venue, account = lived_in.one(lived_in.market.cast["exact"])
    for deed in Deed:
        refused = venue.changed(account, [Change(deed, USER, 1)])
        assert isinstance(refused, Refused)
        assert refused.why == f"{USER} is no asset of the pool"
        assert not refused.too_small
