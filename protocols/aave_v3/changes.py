"""What an account is after its owner repaid or deposited, as the pool books it; or why it refuses.

Source: BorrowLogic.executeRepay, SupplyLogic.executeSupply, ValidationLogic (validateRepay,
validateSupply, validateAutomaticUseAsCollateral), ReserveLogic._accrueToTreasury and the tokens'
ScaledBalanceTokenBase.sol and StableDebtToken.sol of aave/aave-v3-core 1.19.3 (v3.0.2) and
aave-dao/aave-v3-origin v3.1.0 … v3.7; the roundings that differ stand in `rules`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from margin import units
from margin.basics import Unread
from margin.mending import Change, Deed, Refused
from margin.units import RAY
from margin.verdict import Verdict
from protocols.aave_common.linear import compare
from protocols.aave_v3.parts import BALANCE_BITS
from protocols.aave_v3.state import AaveAccount, Position, Reserve
from protocols.aave_v3.venue import Market


def changed(market: Market, account: AaveAccount, changes: Sequence[Change]) -> AaveAccount | Refused:
    """The account after these changes at the market's timestamp; what the pool itself says of it is gone.

    The owner acts on its own account. Interest rates stay as they are: what a repayment or deposit
    does to them shows in later blocks only. Debt at the variable rate is repaid before debt at the
    stable one (two calls where an account has both).
    """
    account = replace(account, reported=None)
    for change in changes:
        reserve = next((r for r in market.reserves.values() if r.token == change.token), None)
        if reserve is None:
            return Refused(f"{change.token} is no asset of the pool")
        if change.amount_raw <= 0:
            return Refused("an amount of zero", too_small=True)
        configuration = reserve.configuration
        if not configuration.active:
            return Refused(f"{reserve.symbol} is not active")
        if configuration.paused:
            return Refused(f"{reserve.symbol} is paused")
        action = _repaid if change.deed is Deed.REPAY else _deposited
        after = action(market, account, reserve, change.amount_raw)
        if isinstance(after, Refused):
            return after
        account = after
    return account


def worst_between(market: Market, a: Verdict, b: Verdict) -> Verdict:
    """See `margin.mending.Mendable`: along one amount one reserve alone moves, and only one way.

    Each of its balances is a staircase in the amount. The average threshold, before it is truncated,
    goes from that of the other collaterals towards that of this one, and so never leaves its ends.
    """
    truncated = market.rules.truncated_average
    collateral, debt = min(a.assets_raw, b.assets_raw), max(a.liabilities_raw, b.liabilities_raw)
    if truncated:
        weighted = collateral * min(market.average_threshold_bps(v) for v in (a, b))
    else:
        weighted = min(v.terms[0][1] for v in (a, b))
    support, requirement = compare(collateral, weighted, collateral, debt, truncated_average=truncated)
    return Verdict(support, requirement, collateral, debt, market.health_wad(support, debt))


def _repaid(market: Market, account: AaveAccount, reserve: Reserve, amount_raw: int) -> AaveAccount | Refused:
    position = _position(account, reserve)
    rules, at = market.rules, market.timestamp
    variable_raw = market.debt_raw(replace(position, stable=None), at)
    stable_raw = market.debt_raw(position, at) - variable_raw
    if not variable_raw + stable_raw:
        return Refused(f"no {reserve.symbol} is owed")
    paid_variable = min(amount_raw, variable_raw)
    paid_stable = min(amount_raw - paid_variable, stable_raw)
    debt_scaled, stable = position.debt_scaled, position.stable
    if paid_variable:
        burnt = rules.debt_burn_scaled(paid_variable, market.debt_index_ray(reserve, at))
        if not burnt:
            return Refused(f"less {reserve.symbol} than the pool can book", too_small=True)
        debt_scaled -= burnt
    if paid_stable and stable is not None:
        left = stable_raw - paid_stable
        stable = replace(stable, principal=left, updated_at=at) if left else None
    if rules.debt_flag_by_scaled:
        whole = not debt_scaled
    else:
        whole = paid_variable + paid_stable == variable_raw + stable_raw
    flags = account.configuration & ~(1 << 2 * reserve.id) if whole else account.configuration
    return _with(account, replace(position, debt_scaled=debt_scaled, stable=stable), flags)


def _deposited(
    market: Market, account: AaveAccount, reserve: Reserve, amount_raw: int
) -> AaveAccount | Refused:
    position = _position(account, reserve)
    if reserve.configuration.frozen:
        return Refused(f"{reserve.symbol} is frozen")
    minted = market.rules.supply_mint_scaled(amount_raw, market.income_index_ray(reserve, market.timestamp))
    if not minted:
        return Refused(f"less {reserve.symbol} than the pool can book", too_small=True)
    refused = _beyond_room(market, position, reserve, amount_raw)
    if refused is not None:
        return refused
    flags = account.configuration
    if not position.supply_scaled:
        enabled = _enabled_by_first_supply(market, account, reserve)
        if isinstance(enabled, Refused):
            return enabled
        flags |= enabled << 2 * reserve.id + 1
        after = replace(account, configuration=flags)
        if enabled and isinstance(market.quote(after, reserve), Unread):
            return Refused(f"{reserve.symbol} has no usable price")
    return _with(account, replace(position, supply_scaled=position.supply_scaled + minted), flags)


def _position(account: AaveAccount, reserve: Reserve) -> Position:
    return next((p for p in account.positions if p.reserve == reserve.id), Position(reserve.id, 0, 0, None))


def _with(account: AaveAccount, position: Position, flags: int) -> AaveAccount:
    """The account with this position in the place of its own of that reserve, none where it is empty."""
    others = [p for p in account.positions if p.reserve != position.reserve]
    if position.supply_scaled or position.debt_scaled or position.stable:
        others.append(position)
    return replace(account, configuration=flags, positions=tuple(sorted(others, key=lambda p: p.reserve)))


def _beyond_room(market: Market, position: Position, reserve: Reserve, amount_raw: int) -> Refused | None:
    """Whether so much is more than the supply cap leaves room for, or than a balance can be."""
    index_ray = market.income_index_ray(reserve, market.timestamp)
    most_raw = units.ray_mul_down((1 << BALANCE_BITS) - 1 - position.supply_scaled, index_ray)
    why = f"no account can hold so much {reserve.symbol}"
    cap = reserve.configuration.supply_cap
    if cap:
        room_raw = _room_raw(market, reserve, cap * reserve.unit, index_ray)
        if room_raw is None:
            return Refused(f"{reserve.symbol} has a supply cap, and how much room it leaves was not read")
        if room_raw < most_raw:
            most_raw = room_raw
            why = f"the supply cap of {cap:,} {reserve.symbol} " + (
                "is reached" if not room_raw else "leaves room for less"
            )
    return Refused(why, most_raw) if amount_raw > most_raw else None


def _room_raw(market: Market, reserve: Reserve, cap_raw: int, index_ray: int) -> int | None:
    """The largest deposit under a supply cap; what the treasury has earned counts as supplied.

    Short of the treasury's share of stable-rate interest since the last update (to v3.1).
    """
    supplied = reserve.supplied
    if supplied is None:
        return None
    rules = market.rules
    treasury_scaled = supplied.treasury_scaled
    if market.timestamp != reserve.updated_at:
        debt_index_ray = market.debt_index_ray(reserve, market.timestamp)
        if rules.truncated_average:
            now, then = debt_index_ray, reserve.variable_index_ray
            accrued_raw = rules.debt_amount(supplied.debt_scaled, now) - rules.debt_amount(
                supplied.debt_scaled, then
            )
        else:  # v3.5 reckons it from the difference of the indexes
            accrued_raw = units.ray_mul_down(
                supplied.debt_scaled, debt_index_ray - reserve.variable_index_ray
            )
        share_raw = units.percent_mul_half_up(accrued_raw, reserve.configuration.reserve_factor_bps)
        treasury_scaled += rules.supply_mint_scaled(share_raw, index_ray)
    total_scaled = supplied.supply_scaled + treasury_scaled
    if rules.truncated_average:
        return max(0, cap_raw - rules.supply_amount(total_scaled, index_ray))
    # From v3.5 deposit and total are added in scaled units, both rounded down.
    room_scaled = ((cap_raw + 1) * RAY - 1) // index_ray - total_scaled
    return max(0, -(-(room_scaled + 1) * index_ray // RAY) - 1)


def _enabled_by_first_supply(market: Market, account: AaveAccount, reserve: Reserve) -> bool | Refused:
    """Whether a first supply of the reserve also enables it as collateral.

    An isolated collateral is enabled by its owner alone, unless who supplies has a role for it.
    """
    rules, configuration = market.rules, reserve.configuration
    if rules.isolation_mode and configuration.debt_ceiling:
        return False
    if account.emode and rules.zero_threshold_counts:  # from v3.6 the e-mode's own terms
        return Refused(f"whether a first supply of {reserve.symbol} counts in an e-mode is not known here")
    if not configuration.ltv_bps:
        return False
    enabled = [id_ for id_ in market.reserves if account.uses_as_collateral(id_)]
    isolated = len(enabled) == 1 and market.reserves[enabled[0]].configuration.debt_ceiling
    return not (rules.isolation_mode and isolated)
