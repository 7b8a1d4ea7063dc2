"""What the exact search and the screen lean on: the stated bounds hold in every state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st

from margin.account import AccountKey
from margin.basics import ZERO_ADDRESS, Address, BlockRef
from margin.errors import Undecided
from margin.frontier import factor_edge, feed_edge, first_liquidatable, time_edge
from margin.prices import Feed, FeedKey, Prices
from margin.units import BPS, RAY, WAD, wad_div_half_up
from margin.verdict import Verdict
from protocols.aave_common.linear import compare
from protocols.aave_common.quotes import Oracle, Quote
from protocols.aave_v3.rules import ALL_RULES, Rules
from protocols.aave_v3.state import (
    AaveAccount,
    Configuration,
    Position,
    Reported,
    Reserve,
)
from protocols.aave_v3.venue import Market
from tests.protocols.aave_v3.states import FACTORS, NOW, YEAR_S, State, address, states

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


TICKS = st.integers(-40, 40)


@given(state=states(), data=st.data(), alone=st.booleans())
def test_no_margin_between_two_close_prices_is_below_the_bound(
    state: State, data: st.DataObject, alone: bool
) -> None:
    """Every point of a short way, where roundings are all there is; of one feed alone, or of all at once."""
    market, account = state.market, state.account
    ticks = {key: data.draw(TICKS) for key in market.feeds}
    if alone:
        ticks = {key: move if key == min(ticks) else 0 for key, move in ticks.items()}
    steps = max(1, max(abs(move) for move in ticks.values()) if alone else 97)

    def at(step: int) -> Prices:
        return Prices({key: market.prices[key] + move * step // steps for key, move in ticks.items()})

    least = market.least_margin(market.verdict(account, at(0)), market.verdict(account, at(steps)))
    for step in range(steps + 1):
        assert market.verdict(account, at(step)).margin_raw >= least


@given(state=states(), first=st.integers(0, YEAR_S), length=st.integers(1, 90))
def test_no_margin_between_two_close_seconds_is_below_the_bound(
    state: State, first: int, length: int
) -> None:
    market, account = state.market, state.account
    seconds = range(NOW + first, NOW + first + length + 1)
    verdicts = [market.verdict(account, None, at) for at in seconds]
    least = market.least_margin(verdicts[0], verdicts[-1])
    assert min(verdict.margin_raw for verdict in verdicts) >= least


@given(state=states(small=True), data=st.data())
def test_the_first_liquidating_shock_is_the_first(state: State, data: st.DataObject) -> None:
    """Of feeds of a few raw units, where rounding down and the last unit are all there is."""
    market, account = state.market, state.account
    feeds = {
        key: replace(feed, answer_raw=data.draw(st.integers(2, 60)), base_factor="ETH")
        for key, feed in market.feeds.items()
    }
    market = replace(market, feeds=feeds, prices=Prices({k: f.answer_raw for k, f in feeds.items()}))
    assume(not market.verdict(account).liquidatable)
    with whatever_is_decided():
        found = factor_edge(market, account, "ETH")
        # Nothing changes but where some answer changes: at each n units of each feed.
        steps = {
            -(-n * WAD // f.answer_raw) - WAD for f in feeds.values() for n in range(1, 101 * f.answer_raw)
        }
        falls = {step - 1 for step in steps if -WAD < step - 1 < 0}
        brute = [
            step
            for step in sorted({*falls, *(s for s in steps if 0 <= s < 100 * WAD)}, key=abs)
            if market.verdict(
                account, Prices({key: feed.shocked_raw({"ETH": step}) for key, feed in feeds.items()})
            ).liquidatable
        ]
        assert found == (brute[0] if brute else None)


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


@contextmanager
def whatever_is_decided() -> Iterator[None]:
    """An account that cancels to within roundings may exhaust a search; it must say so, and nothing wrong."""
    try:
        yield
    except Undecided:
        event("undecided")


@given(state=states())
def test_one_step_before_a_crossing_is_safe(state: State) -> None:
    market, account = state.market, state.account
    assume(not market.verdict(account).liquidatable)
    with whatever_is_decided():
        at = time_edge(market, account)
        if at is not None:
            assert market.verdict(account, None, at).liquidatable
            assert not market.verdict(account, None, at - 1).liquidatable
    for feed in market.feeds_of(account):
        with whatever_is_decided():
            edge = feed_edge(market, account, feed)
            if edge.liquidation_price_raw is None:
                continue
            back = 1 if edge.direction == "down" else -1
            liquidating, safe = (
                market.verdict(account, market.prices.moved(feed, edge.liquidation_price_raw + step))
                for step in (0, back)
            )
            assert liquidating.liquidatable
            assert not safe.liquidatable


@given(state=states())
def test_one_step_before_a_factors_crossing_is_safe(state: State) -> None:
    market, account = state.market, state.account
    assume(not market.verdict(account).liquidatable)

    def shocked(factor: str, shock_wad: int) -> bool:
        moved = {key: feed.shocked_raw({factor: shock_wad}) for key, feed in market.feeds.items()}
        return market.verdict(account, Prices(moved)).liquidatable

    for factor in sorted({feed.base_factor for feed in market.feeds.values()}):
        with whatever_is_decided():
            shock = factor_edge(market, account, factor)
            if shock is not None:
                assert shocked(factor, shock)
                assert not shocked(factor, shock - (1 if shock > 0 else -1))
                assert -WAD < shock < 100 * WAD


@given(debt=st.integers(1, 10**30), truncated=st.booleans())
def test_the_requirement_is_the_smallest_support_that_is_healthy(debt: int, truncated: bool) -> None:
    """Half-up division lets less than the debt pass, from about 2e18 units of debt on."""
    _, least = compare(0, 0, 0, debt, truncated_average=truncated)
    scale = 1 if truncated else BPS
    assert wad_div_half_up(least, debt) // scale >= WAD
    assert wad_div_half_up(least - 1, debt) // scale < WAD


def far_apart(rules: Rules) -> State:
    """A million tokens on each of two feeds against a debt on a third, balances that no unit divides."""
    reserves = {}
    for i in range(3):
        configuration = Configuration(8_000, 8_000, 10_500, 6, True, False, False, 1_000, 0, 0, True)
        reserves[i] = Reserve(
            id=i,
            token=address(100 + i),
            symbol=f"T{i}",
            a_token=address(200 + i),
            stable_debt_token=address(300 + i),
            variable_debt_token=address(400 + i),
            configuration=configuration,
            liquidity_index_ray=RAY + 12_345,
            liquidity_rate_ray=RAY // 20,
            variable_index_ray=RAY + 67_890,
            variable_rate_ray=RAY // 10,
            updated_at=NOW - 1_000,
            grace_until=0,
            quote=Quote(FeedKey(address(500 + i))),
        )
    keys = [FeedKey(address(500 + i)) for i in range(3)]
    feeds = {key: Feed(key, Address(key), "T", 10**8, 8, FACTORS[i], None) for i, key in enumerate(keys)}
    market = Market(
        id="test/aave-v3",
        block=BlockRef("test", 1, 1, "0x" + "0" * 64, NOW),
        pool=address(1),
        configurator=address(3),
        oracle=Oracle(address(2), ZERO_ADDRESS, 10**8, ZERO_ADDRESS),
        revision=rules.revisions[0],
        rules=rules,
        reserves=reserves,
        emodes={},
        feeds=feeds,
        prices=Prices(dict.fromkeys(keys, 10**8)),
        sentinel=None,
    )
    owner = address(9)
    positions = tuple(
        Position(i, 10**12 + 7 if i < 2 else 0, 10**12 + 7 if i == 2 else 0, None) for i in range(3)
    )
    account = AaveAccount(AccountKey(market.id, owner, owner), 0b011010, 0, positions, Reported(0, 0, 0, 0))
    return State(market, account)


@pytest.mark.parametrize("rules", ALL_RULES, ids=lambda rules: rules.name)
@pytest.mark.parametrize("ticks", [(-10, 40, 0), (40, 0, 10), (-10, 40, -3), (0, 40, 30)])
def test_a_price_that_rounds_down_early_is_allowed_for(rules: Rules, ticks: tuple[int, ...]) -> None:
    """On the way the margin really falls below both ends, by about a tick of a whole balance."""
    market, account = (state := far_apart(rules)).market, state.account

    def at(step: int) -> Verdict:
        moves = zip(market.prices, ticks, strict=True)
        return market.verdict(
            account, Prices({key: market.prices[key] + move * step // 97 for key, move in moves})
        )

    margins = [at(step).margin_raw for step in range(98)]
    assert min(margins) >= market.least_margin(at(0), at(97))
    if ticks == (-10, 40, 0):
        assert min(margins) < min(margins[0], margins[-1]) - 10**5


@pytest.mark.parametrize("rules", ALL_RULES, ids=lambda rules: rules.name)
@pytest.mark.parametrize("length", [2, 3, 60, 61])
def test_a_balance_that_grows_in_jumps_is_allowed_for(rules: Rules, length: int) -> None:
    market, account = (state := far_apart(rules)).market, state.account
    for start in range(NOW, NOW + 40):
        verdicts = [market.verdict(account, None, at) for at in range(start, start + length + 1)]
        assert min(v.margin_raw for v in verdicts) >= market.least_margin(verdicts[0], verdicts[-1])
