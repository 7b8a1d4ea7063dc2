"""Numbers for people: never rounded into another meaning."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker import words

WAD = 10**18


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "—"), (0.0, "$0.00"), (-0.001, "$0.00"), (1234.567, "$1,234.57"), (-3.0, "−$3.00")],
)
def test_usd(value: float | None, shown: str) -> None:
    assert words.usd(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "—"), (0.0, "$0"), (-0.4, "$0"), (1234.567, "$1,235"), (-3.2, "−$3")]
)
def test_whole_usd(value: float | None, shown: str) -> None:
    assert words.whole_usd(value) == shown


@pytest.mark.parametrize(
    ("percent", "shown"),
    [(100.0, "100.000 %"), (99.99999999, "99.999 %"), (99.9995, "99.999 %"), (0.0, "0.000 %")],
)
def test_a_share_is_never_rounded_up(percent: float, shown: str) -> None:
    assert words.floored_percent(percent) == shown


@pytest.mark.parametrize(
    ("raw", "decimals", "shown"),
    [
        (198031016349, 8, "1,980.31016349"),
        (1, 8, "0.00000001"),
        (100, 0, "100"),
        (201991636800, 8, "2,019.91636800"),
    ],
)
def test_a_price_is_exact(raw: int, decimals: int, shown: str) -> None:
    assert words.price(raw, decimals) == shown


@given(st.integers(0, 2**256), st.integers(0, 77))
def test_a_price_reads_back(raw: int, decimals: int) -> None:
    shown = words.price(raw, decimals).replace(",", "")
    whole, _, fraction = shown.partition(".")
    assert (int(whole + fraction), len(fraction)) == (raw, decimals)


@given(st.integers(1, 2**200), st.integers(0, 30))
def test_an_amount_is_never_a_bare_zero(raw: int, decimals: int) -> None:
    shown = Decimal(words.amount(raw, decimals).replace(",", ""))
    true = Decimal(raw).scaleb(-decimals)
    assert shown > 0
    assert abs(shown - true) <= true * Decimal("0.01")


@pytest.mark.parametrize(
    ("shock_wad", "shown"),
    [
        (-(10**18) + 1, "−99.99… %"),
        (-1, "−<0.0001 %"),
        (1, "+<0.0001 %"),
        (-92 * 10**15, "−9.20 %"),
        (5 * 10**13, "+0.0050 %"),
        (12 * 10**18, "+1,200 %"),
    ],
)
def test_a_shock(shock_wad: int, shown: str) -> None:
    assert words.shock(shock_wad) == shown


@pytest.mark.parametrize(
    ("wad", "shown"),
    [(WAD, "1.0000"), (WAD - 1, "0.9999"), (1_2345_9999 * 10**10, "1.2345"), (10**26, "over 1,000,000")],
)
def test_a_health_factor_never_rounds_up_across_the_edge(wad: int, shown: str) -> None:
    assert words.health(wad) == shown


@given(st.integers(0, WAD - 1))
def test_below_one_never_looks_like_one(wad: int) -> None:
    assert Decimal(words.health(wad)) < 1


def test_moments_and_spans() -> None:
    assert words.moment(1_800_000_000) == "2027-01-15 08:00:00 UTC"
    assert words.moment(2**63) == f"timestamp {2**63}"
    assert [words.span(s) for s in (0, 1, 61, 3600, 41 * 86400 + 3 * 3600 + 5)] == [
        "0 s",
        "1 s",
        "1 m 1 s",
        "1 h",
        "41 d 3 h",
    ]


@given(st.text(max_size=400))
def test_plain_is_one_printable_bounded_line(text: str) -> None:
    shown = words.plain(text)
    assert shown.isprintable()
    assert len(shown) <= 301
