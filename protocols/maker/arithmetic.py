"""Maker's fixed-point arithmetic, exactly as its contracts do it.

A wad has 18 decimals, a ray 27, a rad 45. All of it is checked for overflow of 256 bits, and
refuses rather than wraps.
Source: makerdao/dss master, spot.sol (poke), jug.sol (rpow, drip), vat.sol (fold).
"""

from __future__ import annotations

from margin.units import RAY, UINT256_MAX

BLN = 10**9
RAD = 10**45
_SPARE = 128
"""Roundings of one `rpow` beyond those that grow with the exponent: two for each bit."""


class Overflows(ArithmeticError):
    """The contract reverts: a product does not fit 256 bits."""


def mul(x: int, y: int) -> int:
    """`x · y`; raises `Overflows` where the contract's `mul` reverts."""
    product = x * y
    if product > UINT256_MAX:
        raise Overflows
    return product


def price_ray(answer_wad: int, par_ray: int) -> int:
    """DAI for one whole unit of collateral, a ray, rounded down: the pip's answer over par."""
    return mul(mul(answer_wad, BLN), RAY) // par_ray


def spot_ray(answer_wad: int, par_ray: int, mat_ray: int) -> int:
    """`spot` after `Spotter.poke`: the price over the liquidation ratio, each division rounded down."""
    return mul(price_ray(answer_wad, par_ray), RAY) // mat_ray


def rpow(x_ray: int, n: int) -> int:
    """`x_ray` to the power `n`, a ray; every product rounded half up, squares first (jug.sol)."""
    if x_ray == 0:
        return 0 if n else RAY
    z = x_ray if n % 2 else RAY
    n //= 2
    while n:
        x_ray = _rounded(x_ray * x_ray)
        if n % 2:
            z = _rounded(z * x_ray)
        n //= 2
    return z


def _rounded(product: int) -> int:
    if product + RAY // 2 > UINT256_MAX:
        raise Overflows
    return (product + RAY // 2) // RAY


def rate_after_drip(rate_ray: int, fee_ray: int, elapsed_s: int, total_art: int, vow_dai_rad: int) -> int:
    """The rate that `Jug.drip` books: `rpow(base + duty, elapsed) · rate`, rounded down.

    Raises `Overflows` where drip would revert: in its own products, in the Vat's `fold`, or for a fee
    below one where the system's own DAI (`vow_dai_rad`) does not pay for it.
    """
    after = mul(rpow(fee_ray, elapsed_s), rate_ray) // RAY
    if max(after, rate_ray) >> 255 or abs(total_art * (after - rate_ray)) >> 255:
        raise Overflows
    if total_art * (rate_ray - after) > vow_dai_rad:
        raise Overflows
    return after


def rate_noise_ray(rate_ray: int, after_ray: int, fee_ray: int, elapsed_s: int) -> int:
    """By how much the booked rate can lie off the smooth curve `rate · fee^elapsed`, rounded up.

    Each product rounds by half a unit, a square doubles what was lost before it, and a product of
    two carries the losses of both: after n seconds at most n units and two for each bit, of 1e27 or
    of the power itself where that is larger. A fee of nothing at all is exact.
    """
    if fee_ray == RAY:
        return 0
    lost = elapsed_s + _SPARE
    return lost * max(rate_ray, after_ray) // RAY + lost + 2
