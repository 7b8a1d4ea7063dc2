"""What an account is after its owner repaid or deposited, as the pool books it; or why it refuses.

Source: LendingPool.sol (deposit, repay), ValidationLogic (validateDeposit, validateRepay),
VariableDebtToken.sol, StableDebtToken.sol and AToken.sol of aave/protocol-v2 1.0.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from margin import units
from margin.basics import Unread
from margin.mending import Change, Deed, Refused
from margin.verdict import Verdict
from protocols.aave_common.linear import compare
from protocols.aave_v2.liquidation import burn_index_ray
from protocols.aave_v2.state import PoolAccount, Position
from protocols.aave_v2.venue import Market


def changed(market: Market, account: PoolAccount, changes: Sequence[Change]) -> PoolAccount | Refused:
    """The account after these changes at the market's timestamp; what the pool itself says of it is gone.

    Debt at the variable rate is repaid before debt at the stable one (two calls where an account has
    both). Interest rates stay as they are: what a change does to them shows in later blocks only.
    """
    account = replace(account, reported=None)
    for change in changes:
        reserve = next((r for r in market.reserves.values() if r.token == change.token), None)
        if reserve is None:
            return Refused(f"{change.token} is no asset of the pool")
        if change.amount_raw <= 0:
            return Refused("an amount of zero", too_small=True)
        if market.paused:
            return Refused("the pool is paused")
        if not reserve.configuration.active:
            return Refused(f"{reserve.symbol} is not active")
        position = next(
            (p for p in account.positions if p.reserve == reserve.id), Position(reserve.id, 0, 0, None)
        )
        at = market.timestamp
        if position.debt_scaled and burn_index_ray(market, reserve.id, at) != market.debt_index_ray(
            reserve, at
        ):
            # Any call would forget this interest, of the account's debt as of everybody's.
            return Refused(f"what a change does to {reserve.symbol}, which earns nothing, is not known here")
        action = _repaid if change.deed is Deed.REPAY else _deposited
        after = action(market, account, position, change.amount_raw)
        if isinstance(after, Refused):
            return after
        account = after
    return account


def worst_between(a: Verdict, b: Verdict) -> Verdict:
    """See `margin.mending.Mendable`: along one amount one reserve alone moves, and only one way.

    Each of its balances is a staircase in the amount. The average threshold, before it is cut to
    whole bps, goes from that of the other collaterals towards that of this one, and so never leaves
    its ends.
    """
    collateral, debt = min(a.assets_raw, b.assets_raw), max(a.liabilities_raw, b.liabilities_raw)
    averages = [v.terms[0][1] // v.assets_raw if v.assets_raw else 0 for v in (a, b)]
    support, requirement = compare(
        collateral, collateral * min(averages), collateral, debt, truncated_average=True
    )
    health = units.wad_div_half_up(support, debt) if debt else None
    return Verdict(support, requirement, collateral, debt, health)


def _repaid(
    market: Market, account: PoolAccount, position: Position, amount_raw: int
) -> PoolAccount | Refused:
    reserve, at = market.reserves[position.reserve], market.timestamp
    variable_raw, stable_raw = market.variable_raw(position, at), market.stable_raw(position, at)
    if not variable_raw + stable_raw:
        return Refused(f"no {reserve.symbol} is owed")
    paid_variable = min(amount_raw, variable_raw)
    paid_stable = min(amount_raw - paid_variable, stable_raw)
    after = position
    if paid_variable:
        burnt = units.ray_div_half_up(paid_variable, market.debt_index_ray(reserve, at))
        if not burnt:
            return Refused(f"less {reserve.symbol} than the pool can book", too_small=True)
        after = replace(after, debt_scaled=position.debt_scaled - burnt)
    if paid_stable and position.stable is not None:
        left = stable_raw - paid_stable
        after = replace(
            after, stable=replace(position.stable, principal=left, updated_at=at) if left else None
        )
    whole = paid_variable + paid_stable == variable_raw + stable_raw
    flags = account.configuration & ~(1 << 2 * reserve.id) if whole else account.configuration
    return _with(account, after, flags)


def _deposited(
    market: Market, account: PoolAccount, position: Position, amount_raw: int
) -> PoolAccount | Refused:
    """A first deposit is always enabled as collateral, whether it counts or not."""
    reserve = market.reserves[position.reserve]
    if reserve.configuration.frozen:
        return Refused(f"{reserve.symbol} is frozen")
    minted = units.ray_div_half_up(amount_raw, market.income_index_ray(reserve, market.timestamp))
    if not minted:
        return Refused(f"less {reserve.symbol} than the pool can book", too_small=True)
    flags = account.configuration
    if not position.supply_scaled:
        flags |= 1 << 2 * reserve.id + 1
        if isinstance(reserve.quote, Unread):
            return Refused(f"{reserve.symbol} has no usable price")
    return _with(account, replace(position, supply_scaled=position.supply_scaled + minted), flags)


def _with(account: PoolAccount, position: Position, flags: int) -> PoolAccount:
    """The account with this position in the place of its own of that reserve, none where it is empty."""
    kept = {p.reserve: p for p in account.positions}
    kept[position.reserve] = position
    if not (position.supply_scaled or position.debt_scaled or position.stable):
        del kept[position.reserve]
    return replace(account, configuration=flags, positions=tuple(kept[id_] for id_ in sorted(kept)))
