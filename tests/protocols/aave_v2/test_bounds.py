"""What the exact search and the screen lean on: the stated bounds hold in every state of an Aave v2 pool."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from hypothesis import assume, event, given
from hypothesis import strategies as st

from margin.errors import Undecided
from margin.frontier import along, factor_edge, farthest, time_edge
from margin.prices import Prices
from margin.units import UINT256_MAX, WAD
from tests.protocols.aave_v2.states import NOW, YEAR_S, State, states

SHARES = st.fractions(0, 1)


@given(state=states(), data=st.data())
def test_the_linear_form_lies_within_its_bound(state: State, data: st.DataObject) -> None:
    market, account = state.market, state.account
    prices = Prices({key: data.draw(st.integers(1, 10**20)) for key in market.feeds})
    at = NOW + data.draw(st.integers(0, 2 * YEAR_S))
    form = market.linear(account, at)
    exact = market.verdict(account, prices, at).margin_raw
    assert abs(form.margin(prices) - exact) <= form.bound(prices)


@given(state=states(), data=st.data(), share=SHARES)
def test_no_margin_between_two_prices_is_below_the_bound(
    state: State, data: st.DataObject, share: Fraction
) -> None:
    market, account = state.market, state.account
    ends = [{key: data.draw(st.integers(1, 10**20)) for key in market.feeds} for _ in range(2)]
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


@given(state=states(), first=st.integers(0, YEAR_S), length=st.integers(1, 90))
def test_no_margin_between_two_close_seconds_is_below_the_bound(
    state: State, first: int, length: int
) -> None:
    market, account = state.market, state.account
    seconds = range(NOW + first, NOW + first + length + 1)
    verdicts = [market.verdict(account, None, at) for at in seconds]
    least = market.least_margin(verdicts[0], verdicts[-1])
    assert min(verdict.margin_raw for verdict in verdicts) >= least


@given(state=states(small=True), at=st.integers(0, 1_500))
def test_the_first_liquidating_second_is_the_first(state: State, at: int) -> None:
    market, account = state.market, state.account
    assume(not market.verdict(account).liquidatable)
    seconds = range(NOW, NOW + at + 1)
    brute = next((s for s in seconds if market.verdict(account, None, s).liquidatable), None)
    assert time_edge(market, account, at) == brute


@given(state=states(), factor=st.sampled_from(("ETH", "BTC", "USDC")), share=SHARES, wide=st.booleans())
def test_no_margin_on_the_way_of_a_factor_is_below_the_bound(
    state: State, factor: str, share: Fraction, wide: bool
) -> None:
    """Of a factor that feeds quote in too: the way is a straight line for all of them."""
    market, account = state.market, state.account
    stop = farthest(market, account, {factor: WAD}, 1 - WAD if wide else WAD)

    def shocked(step: int) -> Prices:
        return Prices({key: feed.shocked_raw({factor: step}) for key, feed in market.feeds.items()})

    # Where an answer has come down to one unit and stays there, its way has a kink.
    assume(all(raw > 1 for raw in shocked(stop).values()))
    a, b = (market.verdict(account, shocked(step)) for step in (0, stop))
    between = market.verdict(account, shocked(int(share * stop)))
    assert between.margin_raw >= market.least_margin(a, b)


@given(state=states(small=True), data=st.data())
def test_the_first_liquidating_shock_of_ether_is_the_first(state: State, data: st.DataObject) -> None:
    """Feeds that quote in it, by 1/(1+s), or rise with it, or do not move: every place where one changes."""
    market, account = state.market, state.account
    kinds = st.sampled_from((("BTC", "ETH"), ("USDC", "ETH"), ("ETH", "ETH"), ("ETH", None)))
    drawn = {key: data.draw(kinds) for key in market.feeds}
    feeds = {
        key: replace(feed, base_factor=drawn[key][0], quote_factor=drawn[key][1])
        for key, feed in market.feeds.items()
    }
    market = replace(market, feeds=feeds)
    assume(not market.verdict(account).liquidatable)
    mixed = (
        len({feeds[key].quote_factor for key in market.feeds_of(account) if feeds[key].loads_on("ETH")}) > 1
    )
    try:
        found = factor_edge(market, account, "ETH")
    except Undecided:
        event("undecided")
        return
    assert not mixed
    event("none" if found is None else "a fall" if found < 0 else "a rise")
    falling = [feed for feed in feeds.values() if feed.loads_on("ETH") and feed.quote_factor]
    rising = [feed for feed in feeds.values() if feed.loads_on("ETH") and not feed.quote_factor]
    # The answer is n from the shock at which answer·1e18 // (1e18 + s) is n: s is answer·1e18 // n − 1e18.
    places = {feed.answer_raw * WAD // n - WAD for feed in falling for n in range(1, 4_000)}
    places |= {
        -(-n * WAD // feed.answer_raw) - WAD - 1 for feed in rising for n in range(1, 101 * feed.answer_raw)
    }
    places |= {place + 1 for place in places}
    brute = [
        step
        for step in sorted(places, key=abs)
        if -WAD < step < 100 * WAD
        and market.verdict(
            account, Prices({key: feed.shocked_raw({"ETH": step}) for key, feed in feeds.items()})
        ).liquidatable
    ]
    if found is not None and falling and found < -WAD * 95 // 100:
        assert not brute or abs(brute[0]) >= abs(found)
        return
    assert found == (brute[0] if brute else None)


@given(state=states(), up=st.booleans(), share=SHARES)
def test_two_factors_of_one_quote_go_along_a_line_and_others_say_so(
    state: State, up: bool, share: Fraction
) -> None:
    market, account = state.market, state.account
    assume(not market.verdict(account).liquidatable)
    weights = {"ETH": WAD if up else -WAD, "BTC": int(share * WAD)}
    try:
        step = along(market, account, weights, WAD // 2)
    except Undecided:
        event("undecided")
        return
    if step is None:
        return

    def liquidatable(at: int) -> bool:
        shocks = {factor: weight * at // WAD for factor, weight in weights.items()}
        return market.verdict(
            account, Prices({key: feed.shocked_raw(shocks) for key, feed in market.feeds.items()})
        ).liquidatable

    assert liquidatable(step)
    assert not liquidatable(step - 1)


@given(state=states())
def test_prices_up_to_the_limit_keep_every_product_within_256_bits(state: State) -> None:
    market, account = state.market, state.account
    for key in market.feeds_of(account):
        most = market.price_limit(account, key)
        verdict = market.verdict(account, market.prices.moved(key, most))
        assert verdict.assets_raw * WAD <= UINT256_MAX
        assert verdict.liabilities_raw * 10_000 <= UINT256_MAX
