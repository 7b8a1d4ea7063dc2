"""What an account is after its owner repaid or deposited, as Morpho books it; or why it refuses.

Source: Morpho.repay, supplyCollateral and supply of morpho-org/morpho-blue 1.0.0. Each but the supply of
collateral updates the market first. What the market's totals become is kept with the account: shares are
worth what they are by them, and the utilization they give is what later interest follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from margin.mending import Change, Deed, Refused
from protocols.morpho_blue.interest import to_assets_up, to_shares_down
from protocols.morpho_blue.state import MorphoAccount
from protocols.morpho_blue.venue import Markets

MAX_UINT128 = 2**128 - 1


def changed(venue: Markets, account: MorphoAccount, changes: Sequence[Change]) -> MorphoAccount | Refused:
    """The account after these changes at the venue's timestamp.

    A deposit of the collateral token is collateral; one of the loan token is lent.
    """
    market = venue.market_of(account)
    for change in changes:
        if change.amount_raw <= 0:
            return Refused("an amount of zero", too_small=True)
        if change.deed is Deed.REPAY and change.token == market.loan.address:
            after = _repaid(venue, account, change.amount_raw)
        elif change.deed is Deed.DEPOSIT and change.token == market.collateral.address:
            after = _collateral_supplied(venue, account, change.amount_raw)
        elif change.deed is Deed.DEPOSIT and change.token == market.loan.address:
            after = _lent(venue, account, change.amount_raw)
        else:
            return Refused(f"{change.token} is no token of {market.name}")
        if isinstance(after, Refused):
            return after
        account = after
    return account


def _repaid(venue: Markets, account: MorphoAccount, amount_raw: int) -> MorphoAccount | Refused:
    """All of the shares where the amount reaches what is owed, else as many as the amount is worth.

    An amount worth less than a share is taken all the same, and burns none.
    """
    market = venue.market_of(account)
    if not account.borrow_shares:
        return Refused(f"no {market.loan.symbol} is owed")
    state = venue.accrual(account, venue.block.timestamp).state
    totals = state.borrow_assets, state.borrow_shares
    if amount_raw >= to_assets_up(account.borrow_shares, *totals):
        shares, assets = account.borrow_shares, to_assets_up(account.borrow_shares, *totals)
    else:
        shares, assets = to_shares_down(amount_raw, *totals), amount_raw
    left = replace(
        state,
        borrow_assets=max(0, state.borrow_assets - assets),
        borrow_shares=state.borrow_shares - shares,
    )
    return replace(account, borrow_shares=account.borrow_shares - shares, after=left)


def _collateral_supplied(venue: Markets, account: MorphoAccount, amount_raw: int) -> MorphoAccount | Refused:
    room_raw = MAX_UINT128 - account.collateral_raw
    if amount_raw > room_raw:
        symbol = venue.market_of(account).collateral.symbol
        return Refused(f"more {symbol} than 128 bits hold", most_raw=room_raw)
    return replace(account, collateral_raw=account.collateral_raw + amount_raw)


def _lent(venue: Markets, account: MorphoAccount, amount_raw: int) -> MorphoAccount | Refused:
    accrued, fee_shares, _ = venue.accrual(account, venue.block.timestamp)
    shares = to_shares_down(amount_raw, accrued.supply_assets, accrued.supply_shares)
    if accrued.supply_assets + amount_raw > MAX_UINT128 or accrued.supply_shares + shares > MAX_UINT128:
        return Refused(f"more {venue.market_of(account).loan.symbol} than 128 bits hold")
    minted = fee_shares * (account.key.owner == venue.fee_recipient)
    return replace(
        account,
        supply_shares=account.supply_shares + minted + shares,
        after=replace(
            accrued,
            supply_assets=accrued.supply_assets + amount_raw,
            supply_shares=accrued.supply_shares + shares,
        ),
    )
