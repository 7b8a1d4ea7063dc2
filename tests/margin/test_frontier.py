"""The first crossing is the first: against brute force over margins that flicker."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from margin.errors import Undecided
from margin.frontier import first_liquidatable
from margin.verdict import Verdict

NOISE = st.lists(st.integers(-9, 9), min_size=401, max_size=401)


def verdict(margin: int) -> Verdict:
    return Verdict(max(margin, 0), max(-margin, 0), 0, 0, None, ((margin,),))


def lower_end(noise: int) -> Callable[[Verdict, Verdict], int]:
    """Valid for a straight line that rounding moves by at most `noise` at each place, ends included."""
    return lambda a, b: min(a.terms[0][0], b.terms[0][0]) - 2 * noise


@given(
    noise=NOISE,
    offset=st.integers(-50, 2_000),
    slope=st.integers(-12, 12),
    start=st.integers(0, 400),
    stop=st.integers(0, 400),
    cuts=st.lists(st.integers(-50, 450), max_size=4),
)
def test_equals_brute_force(
    noise: list[int], offset: int, slope: int, start: int, stop: int, cuts: list[int]
) -> None:
    def evaluate(x: int) -> Verdict:
        return verdict(offset + slope * (x - start) + noise[x])

    step = 1 if stop >= start else -1
    brute = next((x for x in range(start, stop + step, step) if evaluate(x).liquidatable), None)
    assert first_liquidatable(evaluate, lower_end(9), start, stop, cuts) == brute


def test_a_distant_crossing_takes_few_verdicts() -> None:
    asked: list[int] = []

    def evaluate(x: int) -> Verdict:
        asked.append(x)
        return verdict(10**60 - 7 * x)

    crossing = 10**60 // 7 + 1
    assert first_liquidatable(evaluate, lower_end(0), 0, 2**255) == crossing
    assert len(asked) < 600
    asked.clear()
    assert first_liquidatable(evaluate, lower_end(0), 0, 2**255, [crossing - 1, crossing]) == crossing
    assert len(asked) == 4


def test_a_search_that_cannot_decide_says_so() -> None:
    with pytest.raises(Undecided, match="edge of x: undecided after"):
        first_liquidatable(lambda _: verdict(1), lower_end(9), 0, 10**9, subject="edge of x", budget=1_000)
