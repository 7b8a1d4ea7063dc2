"""The first crossing is the first: against brute force over margins that flicker."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from margin.account import Clock
from margin.basics import Address
from margin.errors import Undecided
from margin.frontier import HIGHEST_SHOCK_WAD, LOWEST_SHOCK_WAD, factor_edge, first_liquidatable
from margin.linear import LinearForm
from margin.prices import Feed, FeedKey, Prices
from margin.verdict import Verdict


class OneFeed:
    """Dies of one feed: below an answer where it is long of it, above one where it is short."""

    def __init__(self, answer: int, long: bool) -> None:
        self.answer, self.long, self.edge = answer, long, 0
        key = FeedKey("f")
        self.feeds = {key: Feed(key, Address("0x00"), "X", answer, 8, "BASE", "QUOTE")}
        self.prices = Prices({key: answer})
        self.clock = Clock(0, 0)

    def feeds_of(self, account: None) -> tuple[FeedKey, ...]:  # noqa: ARG002
        return tuple(self.feeds)

    def verdict(self, account: None, prices: Prices | None = None, at: int | None = None) -> Verdict:  # noqa: ARG002
        answer = (prices or self.prices)[FeedKey("f")]
        margin = answer - self.edge if self.long else self.edge - answer
        return Verdict(max(margin, 0), max(-margin, 0), 0, 0, None)

    def linear(self, account: None, at: int | None = None) -> LinearForm:  # noqa: ARG002
        slope, constant = (1.0, float(-self.edge)) if self.long else (-1.0, float(self.edge))
        bound = 1e-12 * abs(self.edge) + 1
        return LinearForm(tuple(self.feeds), (slope,), (0.0,), constant, 0.0, (1e-12,), bound)

    def least_margin(self, a: Verdict, b: Verdict) -> int:
        return min(a.margin_raw, b.margin_raw)

    def price_limit(self, account: None, feed: FeedKey) -> int:  # noqa: ARG002
        return 5 * self.answer


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


@st.composite
def quoted_judges(draw: st.DrawFn) -> tuple[OneFeed, int]:
    """A feed that quotes in a factor of its own, coarse or finer than 1e-18 of itself, and its edge."""
    answer = draw(st.one_of(st.integers(1, 500), st.integers(10**17, 10**40)))
    return OneFeed(answer, draw(st.booleans())), draw(st.integers(1, 3 * answer))


@given(made=quoted_judges())
def test_a_factor_that_the_feed_quotes_in_has_its_first_step(made: tuple[OneFeed, int]) -> None:
    """At the step the account dies, one step of 1e-18 before it does not; the feed moves the other way."""
    judge, edge = made
    edge = min(edge, judge.answer) if judge.long else max(edge, judge.answer)
    judge.edge = edge
    if judge.verdict(None).liquidatable:
        return
    shock_wad = factor_edge(judge, None, "QUOTE")
    (feed,) = judge.feeds.values()

    def dies(shock: int) -> bool:
        return judge.verdict(None, Prices({feed.key: feed.shocked_raw({"QUOTE": shock})})).liquidatable

    if shock_wad is None:
        limit = HIGHEST_SHOCK_WAD - 1 if judge.long else LOWEST_SHOCK_WAD + 1
        assert not dies(limit) or feed.shocked_raw({"QUOTE": limit}) > judge.price_limit(None, feed.key)
        return
    assert (shock_wad > 0) == judge.long
    assert dies(shock_wad)
    assert not dies(shock_wad - 1 if judge.long else shock_wad + 1)
