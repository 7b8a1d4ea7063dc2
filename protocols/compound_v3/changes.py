"""What an account is after its owner repaid or supplied, as Comet books it; or why it refuses.

Source: Comet.supplyInternal, supplyBase and supplyCollateral of compound-finance/comet, commit d5a30b0. A
supply of base accrues, repays what is owed and lends the rest; one of a collateral does not accrue. What the
market's totals become is kept with the account: the utilization they give is what later interest follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from margin.mending import Change, Deed, Refused
from protocols.compound_v3.liquidation import MAX_INT104
from protocols.compound_v3.state import SUPPLY_PAUSED, CometAccount
from protocols.compound_v3.venue import Market


def changed(market: Market, account: CometAccount, changes: Sequence[Change]) -> CometAccount | Refused:
    """The account after these changes at the market's timestamp; its own words on it are gone.

    A repayment of more than is owed repays what is owed (`supply` with 2**256 - 1); a deposit of base
    repays, and lends what is left.
    """
    account = replace(account, reported=None)
    added: dict[int, int] = {}
    for change in changes:
        if change.amount_raw <= 0:
            return Refused("an amount of zero", too_small=True)
        if market.settings.pause_flags & SUPPLY_PAUSED:
            return Refused("supplying is paused")
        if change.token == market.base.token:
            after = _supplied(market, account, change)
        elif change.deed is Deed.DEPOSIT:
            after = _held(market, account, change, added)
        else:
            after = Refused(f"{change.token} is not what is borrowed here")
        if isinstance(after, Refused):
            return after
        account = after
    return account


def _supplied(market: Market, account: CometAccount, change: Change) -> CometAccount | Refused:
    totals = market.totals_at(account, market.block.timestamp)
    before = account.principal
    balance_raw = totals.balance_raw(before)
    amount_raw = change.amount_raw
    if change.deed is Deed.REPAY:
        if before >= 0:
            return Refused(f"no {market.base.symbol} is owed")
        amount_raw = min(amount_raw, -balance_raw)
    principal = totals.principal_of(balance_raw + amount_raw)
    if principal > MAX_INT104:
        return Refused(f"more {market.base.symbol} than 104 bits hold")
    totals = replace(
        totals,
        supplied=totals.supplied + max(0, principal) - max(0, before),
        borrowed=totals.borrowed - max(0, -before) + max(0, -principal),
    )
    return replace(account, principal=principal, after=totals)


def _held(
    market: Market, account: CometAccount, change: Change, added: dict[int, int]
) -> CometAccount | Refused:
    asset = market.asset_of(change.token)
    if asset is None:
        return Refused(f"{change.token} is no collateral here")
    room_raw = max(0, asset.cap_raw - asset.supplied_raw - added.get(asset.id, 0))
    if change.amount_raw > room_raw:
        return Refused(f"{asset.symbol} has reached its supply cap", most_raw=room_raw)
    added[asset.id] = added.get(asset.id, 0) + change.amount_raw
    held = dict(account.held)
    held[asset.id] = held.get(asset.id, 0) + change.amount_raw
    return replace(account, held=tuple(sorted(held.items())))
