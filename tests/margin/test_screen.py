"""A screened book against exact fractions: the error holds, and what is decided is decided rightly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from margin import screen as screen_module
from margin.screen import Floats, Screen, at_face, reprice

NUMBERS = st.one_of(
    st.floats(-1e6, 1e6),
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 5e-324, -5e-324, 1e-160, -1e-160, 2.0**53 + 2, -1e140, 1e140]),
    st.floats(-1e140, 1e140),
)
NOT_FINITE = st.sampled_from([float("nan"), float("inf"), float("-inf")])


@dataclass(frozen=True)
class Book:
    """A screen and unit values to reprice it at."""

    screen: Screen
    unit_values: Floats


@st.composite
def books(draw: st.DrawFn, doubts: st.SearchStrategy[float] | None = None) -> Book:
    """Accounts with and without entries, entries in order and after it, the same cell twice, zero weights."""
    rows, terms = draw(st.integers(1, 8)), draw(st.integers(1, 5))
    entry = st.tuples(st.integers(0, rows - 1), st.integers(0, terms - 1), NUMBERS, NUMBERS)
    ordered = sorted(draw(st.lists(entry, max_size=24)), key=lambda each: each[0])
    entries = ordered + draw(st.lists(entry, max_size=8))
    doubts = doubts or st.sampled_from([0.0, 1e-13, 1e-4, 0.5])
    return Book(
        screen_of(
            rows,
            entries,
            doubt=draw(st.lists(doubts, min_size=terms, max_size=terms)),
            floor=draw(st.sampled_from([0.0, 4.0, 1e5])),
            slack=draw(st.sampled_from([0.0, 2.0, 1e4])),
        ),
        np.array(draw(st.lists(NUMBERS, min_size=terms, max_size=terms))),
    )


def screen_of(
    rows: int,
    entries: Sequence[tuple[int, int, float, float]],
    doubt: Sequence[float],
    floor: float = 0.0,
    slack: float = 0.0,
) -> Screen:
    columns = list(zip(*entries, strict=True)) or [(), (), (), ()]
    return Screen(
        rows=rows,
        row=np.array(columns[0], np.int32),
        term=np.array(columns[1], np.uint16),
        weight=np.array(columns[2], np.float64),
        face=np.array(columns[3], np.float64),
        doubt=np.array(doubt, np.float64),
        floor=floor,
        always_exact=np.zeros(rows, np.bool_),
        slack=slack,
    )


def exact(book: Book, weights: Floats) -> list[tuple[Fraction, Fraction, Fraction]]:
    """Per account positive values, negative values, and what the exact margin may be off by, as fractions."""
    screen = book.screen
    found = [[Fraction(0), Fraction(0), Fraction(screen.floor)] for _ in range(screen.rows)]
    for row, term, weight in zip(screen.row, screen.term, weights, strict=True):
        value = Fraction(float(weight)) * Fraction(float(book.unit_values[term]))
        found[row][value < 0] += abs(value)
        found[row][2] += abs(value) * Fraction(float(screen.doubt[term]))
        found[row][2] += Fraction(screen.slack) * abs(Fraction(float(book.unit_values[term])))
    return [(plus, minus, off) for plus, minus, off in found]


def sign(margin: Fraction) -> int:
    return (margin >= 0) - (margin < 0)


@given(books())
def test_exact_margin_within_the_error(book: Book) -> None:
    got = reprice(book.screen, book.unit_values)
    for at, (support, requirement, off) in enumerate(exact(book, book.screen.weight)):
        margin = Fraction(float(got.support[at] - got.requirement[at]))
        assert abs(support - requirement - margin) + off <= Fraction(float(got.error[at]))


@given(books())
def test_error_is_no_larger_than_it_must_be(book: Book) -> None:
    """An error of infinity would be right too, and worth nothing."""
    got = reprice(book.screen, book.unit_values)
    for at, (support, requirement, off) in enumerate(exact(book, book.screen.weight)):
        slack = (support + requirement) / 10**13 + Fraction(1e-299)
        assert Fraction(float(got.error[at])) <= off * (1 + Fraction(1, 10**13)) + slack


@given(books())
def test_what_is_decided_is_right_wherever_the_exact_margin_lies(book: Book) -> None:
    decided = reprice(book.screen, book.unit_values).decided(book.screen)
    for at, (support, requirement, off) in enumerate(exact(book, book.screen.weight)):
        if decided[at]:
            assert sign(support - requirement - off) == sign(support - requirement + off) == decided[at]


@given(books())
def test_face_values(book: Book) -> None:
    collateral, debt = at_face(book.screen, book.unit_values)
    for at, (positive, negative, _) in enumerate(exact(book, book.screen.face)):
        assert float(collateral[at]) == pytest.approx(float(positive), rel=1e-13, abs=1e-300)
        assert float(debt[at]) == pytest.approx(float(negative), rel=1e-13, abs=1e-300)


@given(books(), st.randoms(use_true_random=False))
def test_order_of_the_entries_decides_nothing(book: Book, random: Any) -> None:
    screen = book.screen
    order = list(range(screen.row.size))
    random.shuffle(order)
    shuffled = replace(
        screen,
        row=screen.row[order],
        term=screen.term[order],
        weight=screen.weight[order],
        face=screen.face[order],
    )
    one = reprice(screen, book.unit_values).decided(screen)
    other = reprice(shuffled, book.unit_values).decided(shuffled)
    assert (one * other >= 0).all()


@given(books(), NOT_FINITE, st.integers(0, 4))
def test_no_number_decides_nothing(book: Book, what: float, which: int) -> None:
    screen, unit_values = book.screen, book.unit_values.copy()
    unit_values[which % unit_values.size] = what
    got = reprice(screen, unit_values)
    hangs_on_it = np.zeros(screen.rows, np.bool_)
    hangs_on_it[screen.row[screen.term == which % unit_values.size]] = True
    assert not got.decided(screen)[hangs_on_it].any()
    before = reprice(screen, book.unit_values)
    assert (got.support == before.support)[~hangs_on_it].all()
    assert (got.decided(screen) == before.decided(screen))[~hangs_on_it].all()


def test_face_is_no_number_where_a_unit_value_is_none() -> None:
    screen = screen_of(2, [(0, 0, 1.0, 1.0), (0, 1, -1.0, -1.0), (1, 1, -1.0, -1.0)], [0.0, 0.0])
    collateral, debt = at_face(screen, np.array([float("nan"), 3.0]))
    assert np.isnan(collateral[0])
    assert np.isnan(debt[0])
    assert (collateral[1], debt[1]) == (0.0, 3.0)


@pytest.mark.parametrize("weights", [(1e200, -1.0), (1e200, -1e200), (1.0, -1e200), (1e200, 1e200)])
def test_an_overflow_decides_nothing(weights: tuple[float, float]) -> None:
    screen = screen_of(1, [(0, 0, weights[0], 0.0), (0, 0, weights[1], 0.0)], [0.0])
    assert reprice(screen, np.array([1e200])).decided(screen).tolist() == [0]


def test_decided_at_the_edge_of_the_error() -> None:
    screen = screen_of(
        4, [(0, 0, 6.0, 6.0), (1, 0, 4.0, 4.0), (2, 0, -6.0, -6.0), (3, 0, -4.0, -4.0)], [0.0], 5.0
    )
    assert reprice(screen, np.array([1.0])).decided(screen).tolist() == [1, 0, -1, 0]


def test_an_account_that_is_not_linear_stays_open() -> None:
    screen = replace(
        screen_of(2, [(0, 0, 6.0, 6.0), (1, 0, -6.0, -6.0)], [0.0]), always_exact=np.array([True, True])
    )
    assert reprice(screen, np.array([1.0])).decided(screen).tolist() == [0, 0]


def test_an_account_without_entries_is_open() -> None:
    screen = screen_of(3, [(1, 0, 1.0, 1.0)], [0.0])
    got = reprice(screen, np.array([1.0]))
    assert got.support.tolist() == [0.0, 1.0, 0.0]
    assert got.decided(screen).tolist() == [0, 1, 0]


def test_nobody() -> None:
    screen = screen_of(0, [], [])
    assert reprice(screen, np.zeros(0)).decided(screen).size == 0


@given(books(), st.integers(2, 5))
def test_threads_change_nothing(book: Book, threads: int) -> None:
    one = reprice(book.screen, book.unit_values)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(screen_module, "threads_for", lambda _entries: threads)
        many = reprice(book.screen, book.unit_values)
    assert many.decided(book.screen).tolist() == one.decided(book.screen).tolist()
    assert many.support.tolist() == pytest.approx(one.support.tolist(), rel=1e-14)
    assert many.requirement.tolist() == pytest.approx(one.requirement.tolist(), rel=1e-14)
    assert many.error.tolist() == pytest.approx(one.error.tolist(), rel=1e-14)


def test_one_account_of_very_many_entries() -> None:
    """0.1 in floats, a hundred thousand times: the error must grow with the number of entries."""
    count = 100_000
    entries = [(0, 0, 0.1, 0.1)] * count + [(0, 1, -1.0, -1.0)]
    screen = screen_of(1, entries, [0.0, 0.0])
    assert screen.most == count + 1
    unit_values = np.array([0.1, 0.0])
    got = reprice(screen, unit_values)
    off = Fraction(float(got.support[0])) - count * Fraction(0.1) ** 2
    assert off != 0
    assert abs(off) <= Fraction(float(got.error[0]))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"row": np.array([0, 2], np.int32)}, "row"),
        ({"row": np.array([0, -1], np.int32)}, "row"),
        ({"row": np.array([0, 1], np.int64)}, "row.*int64"),
        ({"term": np.array([0, 1], np.uint16)}, "term"),
        ({"weight": np.zeros(3)}, "weight"),
        ({"face": np.zeros((2, 1))}, "face"),
        ({"doubt": np.zeros((1, 1))}, "doubt"),
        ({"doubt": np.array([-1e-9])}, "doubt"),
        ({"doubt": np.array([float("nan")])}, "doubt"),
        ({"floor": -1.0}, "floor"),
        ({"floor": float("nan")}, "floor"),
        ({"slack": -1.0}, "slack"),
        ({"always_exact": np.zeros(1, np.bool_)}, "always_exact"),
    ],
)
def test_columns_that_do_not_fit_are_refused(change: dict[str, Any], said: str) -> None:
    screen = screen_of(2, [(0, 0, 1.0, 1.0), (1, 0, 1.0, 1.0)], [0.0])
    with pytest.raises(ValueError, match=said):
        replace(screen, **change)


@pytest.mark.parametrize("unit_values", [np.zeros(2), np.zeros((1, 1)), np.zeros(1, np.float32)])
def test_unit_values_that_do_not_fit_are_refused(unit_values: Any) -> None:
    screen = screen_of(1, [(0, 0, 1.0, 1.0)], [0.0])
    for question in (reprice, at_face):
        with pytest.raises(ValueError, match="unit_values"):
            question(screen, unit_values)


@given(books(), st.floats(-2, 2))
def test_written_over_an_earlier_answer(book: Book, move: float) -> None:
    fresh = reprice(book.screen, book.unit_values)
    before = reprice(book.screen, book.unit_values * move + 1)
    again = reprice(book.screen, book.unit_values, into=before)
    assert again is before
    for name in ("support", "requirement", "error"):
        np.testing.assert_array_equal(getattr(again, name), getattr(fresh, name))


def test_figures_of_another_book_are_refused() -> None:
    one, two = screen_of(1, [], [0.0]), screen_of(2, [], [0.0])
    with pytest.raises(ValueError, match="support"):
        reprice(one, np.zeros(1)).decided(two)
    with pytest.raises(ValueError, match="support"):
        reprice(two, np.zeros(1), into=reprice(one, np.zeros(1)))
