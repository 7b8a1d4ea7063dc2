"""What an account is after its owner repaid or supplied, as the markets book it; or why they refuse.

Source: VToken.repayBorrowFresh, mintFresh (VBep20.sol above them) and ComptrollerG5.mintAllowed,
repayBorrowAllowed of VenusProtocol/venus-protocol 0.7.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from margin.mending import Change, Deed, Refused
from margin.units import WAD
from protocols.compound_v2 import interest
from protocols.compound_v2.pool import Pool
from protocols.compound_v2.state import CompoundAccount, Debt, Market, Position, by_market

LARGEST_RAW = 2**128
"""Of a deposit: the market multiplies it by 1e36."""


def changed(pool: Pool, account: CompoundAccount, changes: Sequence[Change]) -> CompoundAccount | Refused:
    """The account after these changes in the pool's block; what the Comptroller itself says of it is gone.

    The owner acts on its own account. Interest rates stay as they are: what a repayment or deposit does
    to them shows in later blocks only. A supply to a market that was not entered does not enter it.
    """
    account = replace(account, reported=None)
    for change in changes:
        if change.token == pool.settings.vai_controller:
            return Refused("VAI is repaid at its own controller, which is not computed here")
        market = _market(pool, account, change)
        if market is None:
            return Refused(f"{change.token} is no asset of the markets")
        if change.amount_raw <= 0:
            return Refused("an amount of zero", too_small=True)
        if pool.settings.paused:
            return Refused("the protocol is paused")
        if not market.listed:
            return Refused(f"{market.symbol} is not listed")
        if market.stuck is not None:
            return Refused(f"{market.symbol} cannot accrue interest")
        action = _repaid if change.deed is Deed.REPAY else _deposited
        after = action(pool, account, market, change.amount_raw)
        if isinstance(after, Refused):
            return after
        account = after
    return account


def _market(pool: Pool, account: CompoundAccount, change: Change) -> Market | None:
    """The market of the token; of several the one in which the account has something to change."""
    positions = by_market(account)
    candidates = [market for market in pool.markets.values() if market.token == change.token]

    def has(market: Market) -> bool:
        position = positions.get(market.id)
        if position is None:
            return False
        return bool(position.debt) if change.deed is Deed.REPAY else bool(position.tokens)

    return next((market for market in candidates if has(market)), candidates[0] if candidates else None)


def _repaid(
    pool: Pool, account: CompoundAccount, market: Market, amount_raw: int
) -> CompoundAccount | Refused:
    position = by_market(account).get(market.id)
    if position is None or position.debt is None:
        return Refused(f"no {market.symbol} is owed")
    now = interest.accrued(market, pool.clock.now)
    owed_raw = position.debt.owed_raw(now.index_wad)
    if not owed_raw:
        return Refused(f"no {market.symbol} is owed")
    paid_raw = min(amount_raw, owed_raw)
    if paid_raw > now.borrows_raw:
        # Totals and debts are rounded each for itself: the last borrower can owe more than is lent.
        return Refused(f"the market counts less {market.symbol} as lent", most_raw=now.borrows_raw)
    left_raw = owed_raw - paid_raw
    debt = Debt(left_raw, now.index_wad) if left_raw else None
    return _with(account, replace(position, debt=debt))


def _deposited(
    pool: Pool, account: CompoundAccount, market: Market, amount_raw: int
) -> CompoundAccount | Refused:
    if market.mint_paused:
        return Refused(f"supplying {market.symbol} is paused")
    if amount_raw > LARGEST_RAW:
        return Refused(f"no market can hold so much {market.symbol}", most_raw=LARGEST_RAW)
    position = by_market(account).get(market.id, Position(market.id, 0, None, entered=False))
    minted = amount_raw * WAD * WAD // pool.rate_wad(position, pool.clock.now) // WAD
    return _with(
        account,
        replace(
            position,
            tokens=position.tokens + minted,
            added_raw=position.added_raw + amount_raw,
            minted=position.minted + minted,
        ),
    )


def _with(account: CompoundAccount, position: Position) -> CompoundAccount:
    """The account with this position in the place of its own of that market, none where it is empty."""
    others = [p for p in account.positions if p.market != position.market]
    if position.tokens or position.debt or position.entered:
        others.append(position)
    return replace(account, positions=tuple(sorted(others, key=lambda p: p.market)))
