"""A scan's own figures: completeness not flattered, the worst sets the exit code, unknown not hidden."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker import words
from checker.bands import Band
from checker.book.view import Completeness, Difference, ReserveTotal, Scan, by_risk, health_of
from tests.checker.book.made import LACKING, TIMEOUT, WHOLE, account, address, reserve, scan

RAW = st.integers(0, 2**200)


def totals(supply: tuple[int, int], debt: tuple[int, int] = (7, 7)) -> ReserveTotal:
    return ReserveTotal(address(1), "WETH", *supply, *debt, None, None)


@pytest.mark.parametrize(
    ("supply", "debt", "percent"),
    [
        ((10, 10), (7, 7), 100.0),
        ((0, 0), (0, 0), 100.0),
        ((5, 10), (7, 7), 50.0),
        ((10, 10), (1, 4), 25.0),
        ((5, 10), (1, 4), 25.0),
        ((20, 10), (7, 7), 50.0),  # too much is no completeness either
        ((0, 10), (7, 7), 0.0),
        ((10, 0), (7, 7), 0.0),
        ((10**30 - 1, 10**30), (7, 7), 99.99999999),
        ((10**30 + 1, 10**30), (7, 7), 99.99999999),
    ],
)
def test_percent(supply: tuple[int, int], debt: tuple[int, int], percent: float) -> None:
    assert totals(supply, debt).percent == percent


@given(RAW, RAW, RAW, RAW)
def test_a_hundred_is_to_the_unit_and_nothing_else_looks_like_it(
    book_supply_raw: int, chain_supply_raw: int, book_debt_raw: int, chain_debt_raw: int
) -> None:
    found = totals((book_supply_raw, chain_supply_raw), (book_debt_raw, chain_debt_raw))
    equal = (book_supply_raw, book_debt_raw) == (chain_supply_raw, chain_debt_raw)
    completeness = Completeness((totals((3, 3)), found))
    assert (found.percent == 100.0) is equal
    assert completeness.is_complete is (completeness.percent == 100.0) is equal
    assert (words.floored_percent(completeness.percent) == "100.000 %") is equal
    assert 0 <= found.percent <= 100


@given(st.integers(1, 10**40), st.integers(1, 1000))
def test_one_thing_missing_of_many_is_seen(chain_raw: int, missing_raw: int) -> None:
    found = totals((max(0, chain_raw - missing_raw), chain_raw))
    exact = Fraction(100 * max(0, chain_raw - missing_raw), chain_raw)
    assert found.percent < 100
    assert abs(Fraction(found.percent) - exact) < Fraction(1, 10**7)


def test_stable_debt_counts_where_its_total_is_exact() -> None:
    short = dataclasses.replace(totals((3, 3)), book_stable_raw=3, chain_stable_raw=4)
    assert short.percent == 75.0
    assert short.differences == (Difference(address(1), "WETH", "stable debt", 3, 4),)
    assert dataclasses.replace(short, stable_is_exact=False).percent == 100.0
    assert dataclasses.replace(short, book_stable_raw=None).percent == 0.0


def test_the_differences_name_reserve_and_units() -> None:
    assert [(d.symbol, d.kind, d.chain_raw - d.book_raw) for d in LACKING.differences] == [
        ("USDC", "supply", 5 * 10**20),
        ("USDC", "debt", 1),
        ("DAI", "supply", -3),
    ]
    assert LACKING.percent == min(reserve.percent for reserve in LACKING.reserves)
    assert not LACKING.is_complete
    assert WHOLE.is_complete
    assert WHOLE.differences == ()


FINE, THIN, NEAR, GONE = (account(n, health=h) for n, h in enumerate((2.0, 1.2, 1.05, 0.9)))
LOST = account(8, unread=TIMEOUT)
HELD = account(9, health=0.5, blocked="paused")


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (scan(()), 0),
        (scan((FINE,)), 0),
        (scan((FINE, THIN)), 1),
        (scan((FINE, NEAR)), 1),
        (scan((FINE, LOST)), 3),
        (scan((NEAR, LOST)), 3),
        (scan((FINE,), completeness=LACKING), 3),
        (scan((NEAR,), completeness=LACKING), 3),
        (scan((FINE, GONE)), 2),
        (scan((GONE, LOST), completeness=LACKING), 2),
        (scan((HELD,)), 2),
        (scan((dataclasses.replace(FINE, unread=TIMEOUT),)), 3),
        (scan((dataclasses.replace(FINE, band=Band.LIQUIDATABLE),)), 2),
        (scan((dataclasses.replace(FINE, liquidatable=True),)), 2),
    ],
)
def test_exit_code(found: Scan, code: int) -> None:
    assert found.exit_code == code


def test_the_order_of_risk() -> None:
    lender = account(5, health=None)
    twins = sorted((account(20, health=1.5), account(21, health=1.5)), key=lambda each: each.account)
    book = [lender, LOST, *reversed(twins), FINE, GONE]
    assert sorted(book, key=by_risk) == [GONE, *twins, FINE, LOST, lender]


def test_totals_of_bands_do_not_hide_what_is_unknown() -> None:
    found = scan((FINE, GONE, LOST, account(6), account(7, collateral_usd=None, health=None)))
    bands = {total.band: total for total in found.bands}
    assert [total.band for total in found.bands] == [Band.LIQUIDATABLE, Band.UNKNOWN, Band.OK]
    assert [total.accounts for total in found.bands] == [1, 1, 3]
    assert bands[Band.LIQUIDATABLE].collateral_usd == GONE.collateral_usd
    assert bands[Band.LIQUIDATABLE].debt_usd == GONE.debt_usd
    assert bands[Band.UNKNOWN].collateral_usd is None
    assert bands[Band.OK].collateral_usd is None
    assert bands[Band.OK].debt_usd is not None
    assert (found.liquidatable, found.unread, found.disagreements) == (1, (LOST,), ())


def test_a_health_factor_below_the_edge_is_not_rounded_up_to_it() -> None:
    edge = dataclasses.replace(FINE, health_factor=1.0, support_raw=10**30 - 1, requirement_raw=10**30)
    below = health_of(edge)
    assert below is not None
    assert below < 1.0
    assert health_of(dataclasses.replace(edge, support_raw=10**30)) == 1.0
    assert health_of(LOST) is None


def test_the_made_reserve_is_whole_unless_told() -> None:
    assert reserve(1, "X").percent == 100.0
    assert reserve(1, "X", lacks_debt=1).percent < 100.0
