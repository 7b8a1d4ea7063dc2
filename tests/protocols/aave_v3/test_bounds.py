"""What the exact search and the screen lean on: the stated bounds hold in every state."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import assume, given
from hypothesis import strategies as st

from margin.frontier import factor_edge, feed_edge, first_liquidatable, time_edge
from margin.prices import Prices
from margin.units import BPS, WAD, wad_div_half_up
from protocols.aave_v3.linear import compare
from tests.protocols.aave_v3.states import NOW, YEAR_S, State, states

SHARES = st.fractions(0, 1)


@given(state=states(), data=st.data())
def test_the_linear_form_lies_within_its_bound(state: State, data: st.DataObject) -> None:
    market, account = state.market, state.account
    prices = Prices({key: data.draw(st.integers(1, 10**13)) for key in market.feeds})
    at = NOW + data.draw(st.integers(0, 2 * YEAR_S))
    form = market.linear(account, at)
    exact = market.verdict(account, prices, at).margin_raw
    assert abs(form.margin(prices) - exact) <= form.bound(prices)


@given(state=states(), data=st.data(), share=SHARES)
def test_no_margin_between_two_prices_is_below_the_bound(
    state: State, data: st.DataObject, share: Fraction
) -> None:
    market, account = state.market, state.account
    ends = [{key: data.draw(st.integers(1, 10**13)) for key in market.feeds} for _ in range(2)]
    between = {key: int(ends[0][key] + share * (ends[1][key] - ends[0][key])) for key in market.feeds}
    a, b = (market.verdict(account, Prices(end)) for end in ends)
    assert market.verdict(account, Prices(between)).margin_raw >= market.least_margin(a, b)


@given(state=states(), first=st.integers(0, 10 * YEAR_S), length=st.integers(0, 10 * YEAR_S), share=SHARES)
def test_no_margin_between_two_moments_is_below_the_bound(
    state: State, first: int, length: int, share: Fraction
) -> None:
    market, account = state.market, state.account
    a = market.verdict(account, None, NOW + first)
    b = market.verdict(account, None, NOW + first + length)
    at = NOW + first + int(share * length)
    assert market.verdict(account, None, at).margin_raw >= market.least_margin(a, b)


@given(state=states(small=True))
def test_the_first_liquidating_answer_is_the_first(state: State) -> None:
    market, account = state.market, state.account
    assume(not market.verdict(account).liquidatable)
    for feed in market.feeds_of(account):
        edge = feed_edge(market, account, feed)
        today = market.prices[feed]
        span = range(today - 1, 0, -1) if edge.direction == "down" else range(today + 1, 6_000)
        brute = next(
            (p for p in span if market.verdict(account, market.prices.moved(feed, p)).liquidatable), None
        )
        if edge.direction == "up" and edge.liquidation_price_raw not in span:
            assert brute is None
        else:
            assert edge.liquidation_price_raw == brute


@given(state=states(small=True), at=st.integers(0, 1_500))
def test_the_first_liquidating_second_is_the_first(state: State, at: int) -> None:
    market, account = state.market, state.account
    assume(not market.verdict(account).liquidatable)
    found = first_liquidatable(lambda t: market.verdict(account, None, t), market.least_margin, NOW, NOW + at)
    brute = next((t for t in range(NOW, NOW + at + 1) if market.verdict(account, None, t).liquidatable), None)
    assert found == brute


@given(state=states())
def test_one_step_before_a_crossing_is_safe(state: State) -> None:
    market, account = state.market, state.account
    assume(not market.verdict(account).liquidatable)
    at = time_edge(market, account)
    if at is not None:
        assert market.verdict(account, None, at).liquidatable
        assert not market.verdict(account, None, at - 1).liquidatable
    for feed in market.feeds_of(account):
        edge = feed_edge(market, account, feed)
        if edge.liquidation_price_raw is not None:
            back = 1 if edge.direction == "down" else -1
            liquidating, safe = (
                market.verdict(account, market.prices.moved(feed, edge.liquidation_price_raw + step))
                for step in (0, back)
            )
            assert liquidating.liquidatable
            assert not safe.liquidatable


@given(state=states())
def test_no_smaller_shock_of_a_factor_liquidates(state: State) -> None:
    market, account = state.market, state.account
    assume(not market.verdict(account).liquidatable)
    for factor in sorted({feed.base_factor for feed in market.feeds.values()}):
        shock = factor_edge(market, account, factor)
        if shock is None:
            continue

        def shocked(shock_wad: int, factor: str = factor) -> bool:
            moved = {key: feed.shocked_raw({factor: shock_wad}) for key, feed in market.feeds.items()}
            return market.verdict(account, Prices(moved)).liquidatable

        assert shocked(shock)
        assert not shocked(shock - (1 if shock > 0 else -1))
        assert -WAD < shock < 100 * WAD


@given(debt=st.integers(1, 10**30), truncated=st.booleans())
def test_the_requirement_is_the_smallest_support_that_is_healthy(debt: int, truncated: bool) -> None:
    """Half-up division lets less than the debt pass, from about 2e18 units of debt on."""
    _, least = compare(0, 0, 0, debt, truncated_average=truncated)
    scale = 1 if truncated else BPS
    assert wad_div_half_up(least, debt) // scale >= WAD
    assert wad_div_half_up(least - 1, debt) // scale < WAD
