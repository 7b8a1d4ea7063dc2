"""Interest between two state updates, exactly as the pool computes it.

Source: MathUtils.sol and ReserveLogic.sol (getNormalizedIncome, getNormalizedDebt) under
protocol/libraries of aave/protocol-v2 1.0.1. Unlike v3, the rate is cut to whole rays per second first,
and only then raised to its powers.
"""

from __future__ import annotations

from margin.units import RAY, ray_mul_half_up

SECONDS_PER_YEAR = 365 * 86_400


def compounded_interest_ray(rate_ray: int, elapsed_s: int) -> int:
    """`(1 + rate per second)^seconds` by three binomial terms; a ray.

    The rate per second is rounded down, its powers half up; products of two and three numbers in a row are
    even and divisible by six, so that the terms lose nothing. In time it is therefore convex to the ray.
    """
    if elapsed_s == 0:
        return RAY
    per_second = rate_ray // SECONDS_PER_YEAR
    squared = ray_mul_half_up(per_second, per_second)
    cubed = ray_mul_half_up(squared, per_second)
    pairs = elapsed_s * (elapsed_s - 1)
    triples = pairs * max(elapsed_s - 2, 0)
    return RAY + per_second * elapsed_s + pairs * squared // 2 + triples * cubed // 6


def income_index_ray(index_ray: int, rate_ray: int, elapsed_s: int) -> int:
    """The supply index so long after its last update: simple interest, rounded down, on it; half up."""
    if elapsed_s == 0:
        return index_ray
    return ray_mul_half_up(RAY + rate_ray * elapsed_s // SECONDS_PER_YEAR, index_ray)


def debt_index_ray(index_ray: int, rate_ray: int, elapsed_s: int) -> int:
    """The variable debt index so long after its last update: compounded; rounded half up."""
    return ray_mul_half_up(compounded_interest_ray(rate_ray, elapsed_s), index_ray)
