"""The rate model's arithmetic against the genuine contract, and its shape."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from margin.units import WAD
from protocols.morpho_blue.interest import (
    MAX_RATE_AT_TARGET_WAD,
    MIN_RATE_AT_TARGET_WAD,
    adaptation_speed_wad,
    adaptive_curve_wad,
    exp_wad,
    utilization_error_wad,
)
from protocols.morpho_blue.state import MarketState, incentive_wad
from tests.protocols.morpho_blue.subject import Genuine, word

STATES = settings(suppress_health_check=list(HealthCheck))
YEAR_S = 365 * 86_400
RATES = st.integers(MIN_RATE_AT_TARGET_WAD, MAX_RATE_AT_TARGET_WAD)


@STATES
@given(
    supplied=st.integers(1, 2**100),
    used=st.one_of(st.floats(0, 1), st.floats(0.89, 0.91), st.just(0.9), st.just(1.0), st.just(0.0)),
    rate_wad=st.one_of(st.just(0), RATES),
    elapsed_s=st.one_of(st.integers(0, 100), st.integers(0, 20 * YEAR_S)),
)
def test_the_rate_is_what_the_genuine_model_says(
    empty: Genuine, supplied: int, used: float, rate_wad: int, elapsed_s: int
) -> None:
    """Any utilization, any rate at target, any time since the last update, up to twenty years."""
    market = empty.market
    listed, now = market.markets["WETH/USDC"], 2_000_000_000
    borrowed = int(supplied * used)
    model = market.evm.at(market.irm, empty.irm_abi, "AdaptiveCurveIrm")
    slot = empty.rate_slot(listed.id)
    said = model.call(
        "borrowRateView",
        listed.params,
        (supplied, 0, borrowed, 0, now - elapsed_s, 0),
        at=now,
        state={market.irm: {"stateDiff": {slot: word(rate_wad)}}},
    )
    error_wad = utilization_error_wad(supplied, borrowed)
    event("falls" if error_wad < 0 else "rises")
    assert adaptive_curve_wad(error_wad, rate_wad, elapsed_s)[0] == said


@given(x=st.integers(-50 * WAD, 100 * WAD), step=st.integers(1, WAD))
def test_the_exponential_never_falls(x: int, step: int) -> None:
    """On this leans the bound between two moments."""
    assert exp_wad(x) <= exp_wad(x + step)
    assert exp_wad(x) <= exp_wad(x + 1)


def test_the_exponential_jumps() -> None:
    """Where the power of two changes it is 1.4 % higher at once."""
    half_ln_2 = 693147180559945309 // 2
    assert exp_wad(-half_ln_2 - 2) < exp_wad(-half_ln_2 + 1) * 987 // 1000


@given(
    error_wad=st.integers(-WAD, WAD),
    rate_wad=RATES,
    elapsed_s=st.integers(0, 10 * YEAR_S),
    more_s=st.integers(1, YEAR_S),
)
def test_the_average_rate_moves_one_way(error_wad: int, rate_wad: int, elapsed_s: int, more_s: int) -> None:
    now, later = (adaptive_curve_wad(error_wad, rate_wad, s)[0] for s in (elapsed_s, elapsed_s + more_s))
    assert later <= now if error_wad < 0 else later >= now


def test_interest_can_fall_from_one_second_to_the_next() -> None:
    """The trap: with the utilization below its target a debt is not monotone in time."""
    state = MarketState(10**24, 10**30, 10**23, 10**29, 0, 0, MAX_RATE_AT_TARGET_WAD)
    error_wad = utilization_error_wad(state.supply_assets, state.borrow_assets)
    speed_wad = -adaptation_speed_wad(error_wad)
    # The middle of the trapezoid is half the way, so its power of two changes after twice the time.
    jumps = [2 * (693147180559945309 // 2) // speed_wad + beside for beside in range(-3, 4)]
    debts = [_debt(state, at) for at in jumps]
    assert min(b - a for a, b in pairwise(debts)) < 0 < max(b - a for a, b in pairwise(debts))


def _debt(state: MarketState, at: int) -> int:
    return state.accrued(at, has_interest=True).state.borrow_assets


def test_no_time_and_no_model_charge_nothing() -> None:
    state = MarketState(10**24, 10**30, 9 * 10**23, 9 * 10**29, 1_000, 0, MIN_RATE_AT_TARGET_WAD)
    assert state.accrued(1_000, has_interest=True).state == state
    assert state.accrued(9_000, has_interest=False).state == replace(state, updated_at=9_000)


@pytest.mark.parametrize(
    ("lltv_permille", "factor_wad"),
    [
        (860, 1043841336116910229),
        (800, 1063829787234042553),
        (770, 1074113856068743286),
        (915, 1026167265264238070),
        (945, 1016776817488561260),
        (625, 1126760563380281690),
        (0, 115 * WAD // 100),
    ],
)
def test_incentive_factors(lltv_permille: int, factor_wad: int) -> None:
    assert incentive_wad(lltv_permille * WAD // 1000) == factor_wad
