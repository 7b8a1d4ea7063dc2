"""What the exact searches lean on: the stated bounds hold in every state, at every second of a way."""

from __future__ import annotations

from hypothesis import event, given
from hypothesis import strategies as st

from margin.account import AccountKey
from margin.basics import Address, BlockRef
from margin.frontier import time_edge
from margin.prices import Feed, FeedKey, Prices
from margin.units import WAD
from protocols.morpho_blue.interest import (
    MAX_RATE_AT_TARGET_WAD,
    MIN_RATE_AT_TARGET_WAD,
    adaptation_speed_wad,
    utilization_error_wad,
)
from protocols.morpho_blue.state import Coin, Market, MarketState, MorphoAccount
from protocols.morpho_blue.venue import PRICE_SCALE, Markets

NOW = 1_700_000_000
YEAR_S = 365 * 86_400
KEY = FeedKey("0x03")
LN_2_WAD = 693147180559945309


def address(number: int) -> Address:
    return Address(f"0x{number:040x}")


@st.composite
def states(draw: st.DrawFn) -> tuple[Markets, MorphoAccount]:
    """One market, at, above and below its target, and one account in it, on the edge as often as not."""
    supplied = draw(st.one_of(st.integers(1, 10**4), st.integers(10**6, 2**90)))
    borrowed = int(supplied * draw(st.one_of(st.floats(0, 1), st.floats(0.85, 1.0))))
    shares = draw(st.integers(1, 10**6 * (borrowed + 1)))
    price = draw(st.integers(1, 10**40))
    lltv_wad = draw(st.integers(1, WAD - 1))
    irm = address(4 * draw(st.sampled_from((0, 1, 1, 1))))
    state = MarketState(
        supply_assets=supplied,
        supply_shares=supplied * 10**6,
        borrow_assets=borrowed,
        borrow_shares=draw(st.integers(shares, 10**6 * (borrowed + 1))),
        updated_at=NOW - draw(st.one_of(st.just(0), st.integers(0, YEAR_S))),
        fee_wad=draw(st.sampled_from((0, WAD // 10))),
        rate_at_target_wad=draw(st.integers(MIN_RATE_AT_TARGET_WAD, MAX_RATE_AT_TARGET_WAD)),
    )
    loan, collateral = Coin(address(1), "LOAN", 6), Coin(address(2), "COLL", 18)
    market = Market("0x" + "5" * 64, loan, collateral, address(3), irm, lltv_wad, state, KEY)
    feed = Feed(KEY, address(3), "COLL", price, 24, "COLL", "LOAN")
    venue = Markets(
        id="test/morpho-blue",
        block=BlockRef("test", 1, 1, "0x" + "0" * 64, NOW),
        morpho=address(5),
        owner=address(6),
        fee_recipient=address(7),
        markets={market.id: market},
        feeds={KEY: feed},
        prices=Prices({KEY: price}),
    )
    owed = state.accrued(NOW, has_interest=market.has_interest).state.debt_raw(shares)
    enough = -(-owed * PRICE_SCALE * WAD // (price * lltv_wad))
    room = draw(st.one_of(st.floats(1.0, 1.001), st.floats(1.0, 3.0)))
    account = MorphoAccount(AccountKey(venue.id, address(9), market.id), 0, shares, int(enough * room) + 1)
    return venue, account


@given(state=states(), price=st.integers(0, 10**41), at=st.integers(0, 10 * YEAR_S))
def test_the_linear_form_lies_within_its_bound(
    state: tuple[Markets, MorphoAccount], price: int, at: int
) -> None:
    venue, account = state
    prices = Prices({KEY: price})
    form = venue.linear(account, NOW + at)
    exact = venue.verdict(account, prices, NOW + at).margin_raw
    assert abs(form.margin(prices) - exact) <= form.bound(prices)


@given(state=states(), ends=st.lists(st.integers(0, 10**41), min_size=3, max_size=3).map(sorted))
def test_no_margin_between_two_prices_is_below_the_bound(
    state: tuple[Markets, MorphoAccount], ends: list[int]
) -> None:
    venue, account = state
    a, between, b = (venue.verdict(account, Prices({KEY: price})) for price in ends)
    assert between.margin_raw >= venue.least_margin(a, b) == venue.least_margin(b, a)


@given(
    state=states(),
    first=st.integers(0, 10 * YEAR_S),
    length=st.one_of(st.integers(0, 600), st.integers(0, 10 * YEAR_S)),
    data=st.data(),
)
def test_no_margin_between_two_moments_is_below_the_bound(
    state: tuple[Markets, MorphoAccount], first: int, length: int, data: st.DataObject
) -> None:
    venue, account = state
    a, b = (venue.verdict(account, None, NOW + first + s) for s in (0, length))
    at = NOW + first + data.draw(st.integers(0, length))
    assert venue.verdict(account, None, at).margin_raw >= venue.least_margin(a, b)
    event("falls" if a.terms[0][2] else "rises")


def jumps(venue: Markets, account: MorphoAccount) -> list[int]:
    """Moments at which the model's exponential steps down, halfway through or at the end of its time."""
    state = venue.state_of(account)
    speed_wad = -adaptation_speed_wad(utilization_error_wad(state.supply_assets, state.borrow_assets))
    if speed_wad <= 0:
        return []
    found = [state.updated_at + n * (LN_2_WAD // 2) // speed_wad for n in (1, 2, 3, 6)]
    return [at for at in found if NOW + 200 < at < NOW + 10 * YEAR_S]


@given(state=states(), which=st.integers(0, 3), share=st.floats(0, 1))
def test_the_first_second_is_the_first_where_debts_step_back(
    state: tuple[Markets, MorphoAccount], which: int, share: float
) -> None:
    """Around a step the account is safe, not, and safe again: the search must find the first time."""
    venue, account = state
    places = jumps(venue, account)
    if not places:
        return
    around = places[min(which, len(places) - 1)]
    seconds = range(around - 100, around + 100)
    debts = [venue.verdict(account, None, at).requirement_raw for at in seconds]
    # Collateral that bears just so much as is owed at some second here.
    limit = min(debts) + int((max(debts) - min(debts)) * share)
    (market,) = venue.markets.values()
    price, collateral = venue.prices[KEY], -(-limit * WAD // market.lltv_wad)
    account = MorphoAccount(account.key, 0, account.borrow_shares, -(-collateral * PRICE_SCALE // price))
    if venue.verdict(account).liquidatable:
        return
    found = time_edge(venue, account)
    first_here = next((at for at in seconds if venue.verdict(account, None, at).liquidatable), None)
    event("within" if found in seconds else "elsewhere")
    if first_here is not None:
        assert found is not None
        assert found <= first_here
    if found is not None:
        assert venue.verdict(account, None, found).liquidatable
        assert not venue.verdict(account, None, found - 1).liquidatable
    for at in (seconds[0], seconds[99], seconds[-1]):
        assert found is None or at >= found or not venue.verdict(account, None, at).liquidatable
