"""Interest of a market between two of its updates, exactly as Morpho Blue and its rate model compute it.

Source: Morpho._accrueInterest, libraries/MathLib and SharesMathLib of morpho-org/morpho-blue 1.0.0;
AdaptiveCurveIrm._borrowRate, libraries/adaptive-curve/ExpLib and ConstantsLib of morpho-org/morpho-blue-irm
(as in npm `sphere-mezo-solidity-files` 1.2.0). Signed divisions round towards zero there.
"""

from __future__ import annotations

from margin.units import WAD, mul_div_down, mul_div_up

VIRTUAL_SHARES = 10**6
VIRTUAL_ASSETS = 1

_YEAR_S = 365 * 86_400
CURVE_STEEPNESS_WAD = 4 * WAD
ADJUSTMENT_SPEED_WAD = 50 * WAD // _YEAR_S
"""Per second."""
TARGET_UTILIZATION_WAD = 9 * WAD // 10
INITIAL_RATE_AT_TARGET_WAD = 4 * WAD // 100 // _YEAR_S
MIN_RATE_AT_TARGET_WAD = WAD // 1000 // _YEAR_S
MAX_RATE_AT_TARGET_WAD = 2 * WAD // _YEAR_S

_LN_2_WAD = 693147180559945309
_LN_WEI_WAD = -41_446531673892822312
_EXP_UPPER_BOUND_WAD = 93_859467695000404319
_EXP_UPPER_VALUE_WAD = 57716089161558943949701069502944508345128_422502756744429568


def to_assets_down(shares: int, total_assets: int, total_shares: int) -> int:
    """What shares are worth in assets, rounded down."""
    return mul_div_down(shares, total_assets + VIRTUAL_ASSETS, total_shares + VIRTUAL_SHARES)


def to_assets_up(shares: int, total_assets: int, total_shares: int) -> int:
    """What shares are worth in assets, rounded up."""
    return mul_div_up(shares, total_assets + VIRTUAL_ASSETS, total_shares + VIRTUAL_SHARES)


def to_shares_down(assets: int, total_assets: int, total_shares: int) -> int:
    """What assets are worth in shares, rounded down."""
    return mul_div_down(assets, total_shares + VIRTUAL_SHARES, total_assets + VIRTUAL_ASSETS)


def to_shares_up(assets: int, total_assets: int, total_shares: int) -> int:
    """What assets are worth in shares, rounded up."""
    return mul_div_up(assets, total_shares + VIRTUAL_SHARES, total_assets + VIRTUAL_ASSETS)


def taylor_compounded_wad(exponent_wad: int) -> int:
    """`e^x − 1` by its first three powers, each rounded down; x is rate times seconds."""
    second_wad = exponent_wad * exponent_wad // (2 * WAD)
    third_wad = second_wad * exponent_wad // (3 * WAD)
    return exponent_wad + second_wad + third_wad


def _div_to_zero(a: int, b: int) -> int:
    """`a / b` rounded towards zero; b is positive."""
    return a // b if a >= 0 else -(-a // b)


def _mul_to_zero_wad(a: int, b_wad: int) -> int:
    return _div_to_zero(a * b_wad, WAD)


def exp_wad(x_wad: int) -> int:
    """`wExp`: 2^q · (1 + r + r²/2), with x = q · ln 2 + r; 0 below ln(1e-18), clipped far above.

    It never falls as x rises, and it jumps up by 1.4 % wherever q changes.
    """
    if x_wad < _LN_WEI_WAD:
        return 0
    if x_wad >= _EXP_UPPER_BOUND_WAD:
        return _EXP_UPPER_VALUE_WAD
    rounding = -(_LN_2_WAD // 2) if x_wad < 0 else _LN_2_WAD // 2
    q = _div_to_zero(x_wad + rounding, _LN_2_WAD)
    r = x_wad - q * _LN_2_WAD
    power_wad = WAD + r + r * r // WAD // 2
    return power_wad << q if q >= 0 else power_wad >> -q


def utilization_error_wad(supply_assets: int, borrow_assets: int) -> int:
    """How far the utilization lies from its target: −1e18 where nothing is borrowed, 1e18 where all is."""
    utilization_wad = borrow_assets * WAD // supply_assets if supply_assets else 0
    above = utilization_wad > TARGET_UTILIZATION_WAD
    norm_wad = WAD - TARGET_UTILIZATION_WAD if above else TARGET_UTILIZATION_WAD
    return _div_to_zero((utilization_wad - TARGET_UTILIZATION_WAD) * WAD, norm_wad)


def adaptive_curve_wad(error_wad: int, rate_at_target_wad: int, elapsed_s: int) -> tuple[int, int]:
    """The average rate per second over the time elapsed, and the rate at target at its end.

    The average never falls with time where the error is not negative, and never rises where it is.
    """
    if rate_at_target_wad == 0:  # the model's first interaction with the market
        average_wad = end_wad = INITIAL_RATE_AT_TARGET_WAD
    else:
        adaptation_wad = adaptation_speed_wad(error_wad) * elapsed_s
        if adaptation_wad == 0:
            average_wad = end_wad = rate_at_target_wad
        else:
            end_wad = _adapted_wad(rate_at_target_wad, adaptation_wad)
            middle_wad = _adapted_wad(rate_at_target_wad, _div_to_zero(adaptation_wad, 2))
            average_wad = (rate_at_target_wad + end_wad + 2 * middle_wad) // 4
    return _curve_wad(average_wad, error_wad), end_wad


def adaptation_speed_wad(error_wad: int) -> int:
    """How fast the rate at target moves: the exponent of a second, negative below the target utilization."""
    return _mul_to_zero_wad(ADJUSTMENT_SPEED_WAD, error_wad)


def _adapted_wad(rate_at_target_wad: int, adaptation_wad: int) -> int:
    adapted_wad = _mul_to_zero_wad(rate_at_target_wad, exp_wad(adaptation_wad))
    return max(min(adapted_wad, MAX_RATE_AT_TARGET_WAD), MIN_RATE_AT_TARGET_WAD)


def _curve_wad(rate_at_target_wad: int, error_wad: int) -> int:
    below_wad, above_wad = WAD - WAD * WAD // CURVE_STEEPNESS_WAD, CURVE_STEEPNESS_WAD - WAD
    coefficient_wad = below_wad if error_wad < 0 else above_wad
    return _mul_to_zero_wad(_mul_to_zero_wad(coefficient_wad, error_wad) + WAD, rate_at_target_wad)
