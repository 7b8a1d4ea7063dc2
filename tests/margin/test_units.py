"""Every rounding does what its name says, against exact fractions."""

from collections.abc import Callable
from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from margin import units

AMOUNT = st.integers(0, 2**128)
DIVISOR = st.integers(1, 2**128)


def half_up(x: Fraction, divisor: int) -> int:
    """The contracts add half the divisor, floored: for odd divisors an exact half does not exist."""
    return floor(x + Fraction(divisor // 2, divisor))


ROUNDINGS: list[tuple[Callable[[Fraction, int], int], str]] = [
    (lambda x, _: floor(x), "down"),
    (lambda x, _: ceil(x), "up"),
    (half_up, "half_up"),
]


@pytest.mark.parametrize(("rounded", "verb"), ROUNDINGS)
@given(a=AMOUNT, b=AMOUNT, divisor=DIVISOR)
def test_mul_div(rounded: Callable[[Fraction, int], int], verb: str, a: int, b: int, divisor: int) -> None:
    assert getattr(units, f"mul_div_{verb}")(a, b, divisor) == rounded(Fraction(a * b, divisor), divisor)


@pytest.mark.parametrize(("rounded", "verb"), ROUNDINGS)
@given(a=AMOUNT, b=AMOUNT)
def test_ray_mul(rounded: Callable[[Fraction, int], int], verb: str, a: int, b: int) -> None:
    assert getattr(units, f"ray_mul_{verb}")(a, b) == rounded(Fraction(a * b, units.RAY), units.RAY)
    if b:
        assert getattr(units, f"ray_div_{verb}")(a, b) == rounded(Fraction(a * units.RAY, b), b)


@pytest.mark.parametrize(("rounded", "verb"), ROUNDINGS)
@given(a=AMOUNT, bps=st.integers(1, 65_535))
def test_percent(rounded: Callable[[Fraction, int], int], verb: str, a: int, bps: int) -> None:
    assert getattr(units, f"percent_mul_{verb}")(a, bps) == rounded(Fraction(a * bps, units.BPS), units.BPS)
    assert getattr(units, f"percent_div_{verb}")(a, bps) == rounded(Fraction(a * units.BPS, bps), bps)


@given(a=AMOUNT, b=DIVISOR)
def test_wad_div_half_up(a: int, b: int) -> None:
    assert units.wad_div_half_up(a, b) == half_up(Fraction(a * units.WAD, b), b)
