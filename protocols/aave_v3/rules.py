"""What differs between the deployed versions of Aave v3, as a table.

A pool says its own revision (`POOL_REVISION`); everything that moves a verdict or a liquidation
and changed between versions is one field here. A fork may count its revisions for itself.

Read from the sources of the versions themselves: aave/aave-v3-core 1.19.3 (v3.0.2), and
aave-dao/aave-v3-origin tags v3.1.0 … v3.6.0 and fd1fbd91 (v3.7), files GenericLogic.sol,
LiquidationLogic.sol, ValidationLogic.sol, MathUtils.sol, TokenMath.sol and WadRayMath.sol under
protocol/libraries; and of marsfoundation/sparklend-v1-core v1.0.0 (8120e495), whose libraries are
those of v3.0.2 but for a refusal in FlashLoanLogic.sol.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from margin import units
from protocols.aave_common.linear import MulDiv

RayMul = Callable[[int, int], int]
Percent = Callable[[int, int], int]


@dataclass(frozen=True, slots=True)
class Rules:
    """The arithmetic of one version."""

    name: str
    revisions: tuple[int, ...]

    # The verdict
    supply_amount: RayMul = units.ray_mul_half_up
    """Scaled supply times income index → amount."""
    debt_amount: RayMul = units.ray_mul_half_up
    """Scaled variable debt times debt index → amount."""
    debt_value: MulDiv = units.mul_div_down
    """Debt amount times price over unit → value in the base currency. Collateral is always rounded down."""
    truncated_average: bool = True
    """The average threshold is truncated to whole bps before it weights the total collateral (to v3.4)."""
    nested_compounding: bool = False
    """Compounded interest as `1 + x + x·(x/2 + x·x/6)` (from v3.4) instead of three binomial terms."""
    stable_debt: bool = False
    """Stable-rate debt tokens exist and count."""
    liquid_emodes: bool = True
    """An e-mode names its collaterals by a bitmap; before v3.2 a reserve names its e-mode."""
    zero_threshold_counts: bool = False
    """An e-mode's collateral counts there even if its threshold is 0 outside (from v3.6)."""
    isolation_mode: bool = True
    """Collaterals with a debt ceiling isolate their account (to v3.6); it moves no verdict, only what
    may be borrowed."""
    debt_by_balance_without_virtual: bool = False
    """v3.3 alone: debt of a reserve without virtual accounting is its token's own `balanceOf`."""

    # What an owner does
    supply_mint_scaled: RayMul = units.ray_div_half_up
    """Deposit over income index → scaled supply that it mints; none minted is refused."""
    debt_flag_by_scaled: bool = False
    """The borrowing flag goes when no scaled debt is left (from v3.4); before, when all of the amount
    owed was repaid."""

    # Who may be liquidated
    grace_period: bool = True
    """A reserve can hold liquidations back until a timestamp (from v3.1)."""
    sentinel: bool = True
    """An L2 sequencer sentinel can hold liquidations back while health is 0.95 or more (to v3.6)."""

    # How much
    close_factor_by_total: bool = True
    """From v3.3: half of the *account's* debt value above health 0.95, all of it when either side of
    the pair is below 2,000 units of the base currency, and no small remainders; before: half of the
    pair's own debt."""
    left_by_scaled: bool = False
    """From v3.7 what is left of the collateral is reckoned in scaled units."""
    debt_burn_scaled: RayMul = units.ray_div_half_up
    """Debt amount over debt index → scaled debt that a repayment burns; none burnt is refused."""
    bonus_mul: Percent = units.percent_mul_half_up
    bonus_div_needed: Percent = units.percent_div_half_up
    """Debt needed for all of a collateral, taken back through the bonus."""
    bonus_div_fee: Percent = units.percent_div_half_up
    """Collateral without its bonus, where the protocol fee is computed."""
    fee_mul: Percent = units.percent_mul_half_up


_V30 = Rules(
    "v3.0",
    (1, 2, 3),
    stable_debt=True,
    liquid_emodes=False,
    grace_period=False,
    close_factor_by_total=False,
)
_V31 = replace(_V30, name="v3.1", revisions=(4,), grace_period=True)
_V32 = replace(_V31, name="v3.2", revisions=(5, 6), stable_debt=False, liquid_emodes=True)
_V33 = replace(
    _V32, name="v3.3", revisions=(7,), close_factor_by_total=True, debt_by_balance_without_virtual=True
)
_V34 = replace(
    _V33,
    name="v3.4",
    revisions=(8,),
    nested_compounding=True,
    debt_flag_by_scaled=True,
    debt_by_balance_without_virtual=False,
)
_V35 = replace(
    _V34,
    name="v3.5",
    revisions=(9,),
    supply_amount=units.ray_mul_down,
    debt_amount=units.ray_mul_up,
    debt_value=units.mul_div_up,
    truncated_average=False,
    supply_mint_scaled=units.ray_div_down,
    debt_burn_scaled=units.ray_div_down,
    bonus_div_needed=units.percent_div_up,
)
_V36 = replace(_V35, name="v3.6", revisions=(10,), zero_threshold_counts=True)
_V37 = replace(
    _V36,
    name="v3.7",
    revisions=(11,),
    isolation_mode=False,
    sentinel=False,
    left_by_scaled=True,
    bonus_mul=units.percent_mul_down,
    bonus_div_fee=units.percent_div_down,
    fee_mul=units.percent_mul_up,
)

ALL_RULES = (_V30, _V31, _V32, _V33, _V34, _V35, _V36, _V37)
RULES_BY_REVISION = {revision: rules for rules in ALL_RULES for revision in rules.revisions}
WITHOUT_GRACE_PERIODS = {4: _V30}
"""What a pool of such a revision is if it has no grace periods, which Aave's own would have: SparkLend's
on Ethereum is a v3.0.2, says 4 as the fourth of its deployments, and Aave's v3.1 says 4 too."""
