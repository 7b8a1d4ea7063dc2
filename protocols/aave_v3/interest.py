"""Interest between two state updates, exactly as the pool computes it.

Source: MathUtils.sol and ReserveLogic.sol (getNormalizedIncome, getNormalizedDebt) of
aave/aave-v3-core 1.19.3 and aave-dao/aave-v3-origin v3.1.0 … v3.7.
"""

from __future__ import annotations

from margin.units import RAY, ray_mul_half_up

SECONDS_PER_YEAR = 365 * 86_400


def linear_interest_ray(rate_ray: int, elapsed_s: int) -> int:
    """`1 + rate · time`, the product rounded down; a ray."""
    return RAY + rate_ray * elapsed_s // SECONDS_PER_YEAR


def compounded_interest_ray(rate_ray: int, elapsed_s: int) -> int:
    """`(1 + rate/second)^seconds` by three binomial terms, each rounded down (to v3.3); a ray."""
    if elapsed_s == 0:
        return RAY
    minus_one = elapsed_s - 1
    minus_two = elapsed_s - 2 if elapsed_s > 2 else 0
    power_two = ray_mul_half_up(rate_ray, rate_ray) // (SECONDS_PER_YEAR * SECONDS_PER_YEAR)
    power_three = ray_mul_half_up(power_two, rate_ray) // SECONDS_PER_YEAR
    second_term = elapsed_s * minus_one * power_two // 2
    third_term = elapsed_s * minus_one * minus_two * power_three // 6
    return RAY + rate_ray * elapsed_s // SECONDS_PER_YEAR + second_term + third_term


def nested_compounded_interest_ray(rate_ray: int, elapsed_s: int) -> int:
    """`e^(rate · time)` by its first three powers, in Horner's order (from v3.4); a ray."""
    if elapsed_s == 0:
        return RAY
    x = rate_ray * elapsed_s // SECONDS_PER_YEAR
    return RAY + x + ray_mul_half_up(x, x // 2 + ray_mul_half_up(x, x // 6))


def income_index_ray(index_ray: int, rate_ray: int, updated_at: int, at: int) -> int:
    """The supply index at `at`, no earlier than the last update."""
    if at == updated_at:
        return index_ray
    return ray_mul_half_up(linear_interest_ray(rate_ray, at - updated_at), index_ray)


def debt_index_ray(index_ray: int, rate_ray: int, updated_at: int, at: int, *, nested: bool) -> int:
    """The variable debt index at `at`, no earlier than the last update."""
    if at == updated_at:
        return index_ray
    compounded = nested_compounded_interest_ray if nested else compounded_interest_ray
    return ray_mul_half_up(compounded(rate_ray, at - updated_at), index_ray)
