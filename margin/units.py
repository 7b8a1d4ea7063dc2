"""Scaled integers: every scale has a name, every rounding is in the verb.

A `_wad` carries 18 decimals, a `_ray` 27, `_bps` four digits (10_000 is 100 %), `_raw` the scale
of whatever it belongs to. All functions take and give non-negative Python integers, never
overflow, and raise `ZeroDivisionError` where the divisor is zero.
"""

from __future__ import annotations

WAD = 10**18
RAY = 10**27
BPS = 10_000

UINT256_MAX = 2**256 - 1


def mul_div_down(a: int, b: int, divisor: int) -> int:
    """`a · b / divisor`, rounded down."""
    return a * b // divisor


def mul_div_up(a: int, b: int, divisor: int) -> int:
    """`a · b / divisor`, rounded up."""
    return -(-a * b // divisor)


def mul_div_half_up(a: int, b: int, divisor: int) -> int:
    """`a · b / divisor`, rounded to the nearest integer, a half upwards."""
    return (a * b + divisor // 2) // divisor


def ray_mul_down(a: int, b_ray: int) -> int:
    """`a · b_ray / 1e27`, rounded down; in the scale of `a`."""
    return a * b_ray // RAY


def ray_mul_up(a: int, b_ray: int) -> int:
    """`a · b_ray / 1e27`, rounded up; in the scale of `a`."""
    return -(-a * b_ray // RAY)


def ray_mul_half_up(a: int, b_ray: int) -> int:
    """`a · b_ray / 1e27`, rounded half up; in the scale of `a`."""
    return (a * b_ray + RAY // 2) // RAY


def ray_div_down(a: int, b_ray: int) -> int:
    """`a · 1e27 / b_ray`, rounded down; in the scale of `a`."""
    return a * RAY // b_ray


def ray_div_up(a: int, b_ray: int) -> int:
    """`a · 1e27 / b_ray`, rounded up; in the scale of `a`."""
    return -(-a * RAY // b_ray)


def ray_div_half_up(a: int, b_ray: int) -> int:
    """`a · 1e27 / b_ray`, rounded half up; in the scale of `a`."""
    return (a * RAY + b_ray // 2) // b_ray


def wad_div_half_up(a: int, b: int) -> int:
    """`a · 1e18 / b`, rounded half up: a ratio of two like amounts, as a wad."""
    return (a * WAD + b // 2) // b


def percent_mul_down(a: int, percent_bps: int) -> int:
    """`a · percent_bps / 10_000`, rounded down."""
    return a * percent_bps // BPS


def percent_mul_up(a: int, percent_bps: int) -> int:
    """`a · percent_bps / 10_000`, rounded up."""
    return -(-a * percent_bps // BPS)


def percent_mul_half_up(a: int, percent_bps: int) -> int:
    """`a · percent_bps / 10_000`, rounded half up."""
    return (a * percent_bps + BPS // 2) // BPS


def percent_div_down(a: int, percent_bps: int) -> int:
    """`a · 10_000 / percent_bps`, rounded down."""
    return a * BPS // percent_bps


def percent_div_up(a: int, percent_bps: int) -> int:
    """`a · 10_000 / percent_bps`, rounded up."""
    return -(-a * BPS // percent_bps)


def percent_div_half_up(a: int, percent_bps: int) -> int:
    """`a · 10_000 / percent_bps`, rounded half up."""
    return (a * BPS + percent_bps // 2) // percent_bps
