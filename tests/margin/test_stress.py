"""Many scenarios at once against one after the other, and against what must not be counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from margin import stress as stress_module
from margin.screen import Floats, Screen, at_face, reprice
from margin.stress import StressCounts, stress

ACCOUNTS, TERMS, SCENARIOS = 300, 6, 200
FIGURES = ("liquidatable", "collateral", "debt", "bad_debt", "unknown")


def book_of(seed: int, *, accounts: int = ACCOUNTS, most: int = 9) -> Screen:
    """Accounts of up to `most` entries, near the edge and far from it, a tenth of the entries at the end."""
    rng = np.random.default_rng(seed)
    row = np.repeat(np.arange(accounts), rng.integers(0, most + 1, accounts)).astype(np.int32)
    order = np.arange(row.size)
    late = rng.random(row.size) < 0.1
    order = np.concatenate([order[~late], rng.permutation(order[late])])
    face = rng.lognormal(0, 2, row.size) * rng.choice([-0.6, 1.0, 1.0, 0.0], row.size)
    return Screen(
        rows=accounts,
        row=row[order],
        term=rng.integers(0, TERMS, row.size).astype(np.uint16),
        weight=np.where(face > 0, 0.8 * face, face),
        face=face,
        doubt=np.full(TERMS, 1e-9),
        floor=0.0,
        always_exact=np.zeros(accounts, np.bool_),
    )


def scenarios_of(seed: int, count: int = SCENARIOS, *, common: float = 0.5) -> Floats:
    rng = np.random.default_rng(seed)
    return np.exp(common * rng.normal(size=(count, 1)) + 0.5 * rng.normal(size=(count, TERMS)))


def one_by_one(screen: Screen, unit_values: Floats) -> StressCounts:
    """The same by numpy, a scenario at a time."""
    figures = []
    for values in unit_values:
        repriced = reprice(screen, values)
        margin = repriced.support - repriced.requirement
        collateral, debt = at_face(screen, values)
        fallen = margin < 0
        lost = np.maximum(debt - collateral, 0)
        figures.append([fallen.sum(), collateral[fallen].sum(), debt[fallen].sum(), lost[fallen].sum(), 0])
    counts, *sums, unknown = np.array(figures).reshape(-1, 5).T
    collateral, debt, lost = sums
    return StressCounts(counts.astype(np.int64), collateral, debt, lost, unknown.astype(np.int64))


def assert_same(ours: StressCounts, theirs: StressCounts) -> None:
    for figure in FIGURES:
        np.testing.assert_allclose(
            getattr(ours, figure), getattr(theirs, figure), rtol=1e-11, atol=1e-11, err_msg=figure
        )


@given(
    seed=st.integers(0, 2**32),
    scenarios=st.sampled_from([0, 1, 63, 64, 65, 200]),
    most=st.sampled_from([1, 4, 9]),
    common=st.sampled_from([0.0, 0.1, 0.5]),
)
def test_as_one_scenario_after_the_other(seed: int, scenarios: int, most: int, common: float) -> None:
    screen = book_of(seed, most=most)
    unit_values = scenarios_of(seed, scenarios, common=common)
    assert_same(stress(screen, unit_values), one_by_one(screen, unit_values))


def test_something_falls_and_something_stands() -> None:
    """Else the comparison above would compare nothing."""
    counts = stress(book_of(1), scenarios_of(1))
    assert (counts.liquidatable > 0).all()
    assert (counts.liquidatable < ACCOUNTS).all()
    assert (counts.bad_debt > 0).any()
    assert (counts.bad_debt < counts.debt).all()
    assert np.unique(counts.liquidatable).size > 10


@given(seed=st.integers(0, 2**32))
def test_accounts_that_are_decided(seed: int) -> None:
    screen = book_of(seed)
    unit_values = scenarios_of(seed, 70)
    counts = stress(screen, unit_values)
    for at, values in enumerate(unit_values):
        decided = reprice(screen, values).decided(screen)
        least = np.count_nonzero(decided == -1)
        assert least <= counts.liquidatable[at] <= least + np.count_nonzero(decided == 0)


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_threads_change_nothing(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    screen, unit_values = book_of(2), scenarios_of(2)
    monkeypatch.setattr(stress_module, "threads_for", lambda _entries: threads)
    assert_same(stress(screen, unit_values), one_by_one(screen, unit_values))


def test_a_unit_value_that_is_no_number_leaves_its_accounts_unknown_in_its_scenario() -> None:
    screen, unit_values = book_of(3), scenarios_of(3)
    before = stress(screen, unit_values)
    hang_on_it = np.unique(screen.row[screen.term == 2]).size
    for what in (np.nan, np.inf, -np.inf, 1e305):
        broken = unit_values.copy()
        broken[77, 2] = what
        counts = stress(screen, broken)
        assert counts.unknown[77] == hang_on_it
        assert counts.liquidatable[77] <= before.liquidatable[77]
        assert np.isfinite(counts.debt[77])
        others = np.arange(SCENARIOS) != 77
        assert not counts.unknown[others].any()
        np.testing.assert_array_equal(counts.liquidatable[others], before.liquidatable[others])


def test_accounts_that_floats_cannot_judge_are_unknown_everywhere() -> None:
    screen, unit_values = book_of(4), scenarios_of(4)
    odd = np.zeros(ACCOUNTS, np.bool_)
    odd[::3] = True
    counts = stress(replace(screen, always_exact=odd), unit_values)
    assert (counts.unknown == odd.sum()).all()
    rest = ~odd[screen.row]
    alone = replace(
        screen,
        row=screen.row[rest],
        term=screen.term[rest],
        weight=screen.weight[rest],
        face=screen.face[rest],
    )
    np.testing.assert_array_equal(counts.liquidatable, stress(alone, unit_values).liquidatable)


@pytest.mark.parametrize("column", ["weight", "face"])
@pytest.mark.parametrize("what", [np.nan, np.inf, -np.inf])
def test_an_account_with_a_figure_that_is_no_number_is_unknown(column: str, what: float) -> None:
    screen, unit_values = book_of(5), scenarios_of(5)
    figures = getattr(screen, column).copy()
    figures[10] = what
    counts = stress(replace(screen, **{column: figures}), unit_values)
    assert (counts.unknown == 1).all()
    assert np.isfinite(counts.debt).all()


def test_an_overflow_makes_nobody_healthy() -> None:
    screen = Screen(
        rows=1,
        row=np.zeros(2, np.int32),
        term=np.array([0, 0], np.uint16),
        weight=np.array([1e200, -1.0]),
        face=np.array([1e200, -1.0]),
        doubt=np.zeros(1),
        floor=0.0,
        always_exact=np.zeros(1, np.bool_),
    )
    assert stress(screen, np.array([[1e200]])).unknown.tolist() == [1]


def test_one_account_of_very_many_entries() -> None:
    screen = book_of(6, accounts=2, most=6_000)
    assert screen.most > 1000
    unit_values = scenarios_of(6, 3)
    assert_same(stress(screen, unit_values), one_by_one(screen, unit_values))


def test_nobody() -> None:
    screen = replace(
        book_of(7),
        rows=0,
        row=np.zeros(0, np.int32),
        term=np.zeros(0, np.uint16),
        weight=np.zeros(0),
        face=np.zeros(0),
        always_exact=np.zeros(0, np.bool_),
    )
    assert stress(screen, scenarios_of(7, 5)).liquidatable.tolist() == [0] * 5


@pytest.mark.parametrize(
    "unit_values", [np.zeros(TERMS), np.zeros((1, TERMS + 1)), np.zeros((1, TERMS), np.float32)]
)
def test_unit_values_that_do_not_fit_are_refused(unit_values: Floats) -> None:
    with pytest.raises(ValueError, match="unit_values"):
        stress(book_of(8), unit_values)
