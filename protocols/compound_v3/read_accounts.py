"""Reading accounts of a Comet in bulk: the base first, then the collaterals that each says it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from chain.reader import Call, Reader
from margin.account import AccountKey
from margin.basics import Address, Reason, Unread
from margin.units import UINT256_MAX, WAD
from protocols.base import Failed
from protocols.compound_v3 import abi
from protocols.compound_v3.state import CometAccount, Reported
from protocols.compound_v3.venue import Market

Answer = tuple[Any, ...] | Unread
_VIEWS = (abi.IS_LIQUIDATABLE, abi.BORROW_BALANCE_OF, abi.BALANCE_OF)
_IN_FIRST_WORD = 16
"""Collaterals that `assetsIn` has a bit for; eight more have theirs in `_reserved`.

Source: CometWithExtendedAssetList.isInAsset of compound-finance/comet, commit d5a30b0.
"""


def read_accounts(
    market: Market, reader: Reader, owners: Sequence[Address]
) -> dict[Address, list[CometAccount | Failed]]:
    """Each owner's account, or none. Two rounds of bulk calls."""
    comet = market.settings.comet
    firsts = (abi.USER_BASIC, *_VIEWS)
    calls = [Call(comet, function, (owner,)) for owner in owners for function in firsts]
    answers = reader.read(calls)
    size = len(firsts)
    rows = {owner: answers[at * size : (at + 1) * size] for at, owner in enumerate(owners)}
    asked = [
        (owner, asset)
        for owner, (basic, *_) in rows.items()
        if not isinstance(basic, Unread)
        for asset in market.assets.values()
        if is_in(basic, asset.id)
    ]
    balances = reader.read([Call(comet, abi.USER_COLLATERAL, (owner, asset.token)) for owner, asset in asked])
    held: dict[Address, dict[int, Answer]] = {owner: {} for owner in owners}
    for (owner, asset), answer in zip(asked, balances, strict=True):
        held[owner][asset.id] = answer
    found: dict[Address, list[CometAccount | Failed]] = {}
    for owner, (basic, *views) in rows.items():
        key = AccountKey(market.id, owner, owner)
        account = _account(market, key, basic, held[owner], views)
        if isinstance(account, Unread):
            found[owner] = [Failed(key, account)]
        else:
            found[owner] = [] if account is None else [account]
    return found


def is_in(basic: tuple[Any, ...], asset: int) -> bool:
    """Whether an account has a balance of this collateral, by its bits in `userBasic`."""
    assets_in, reserved = basic[3], basic[4]
    if asset < _IN_FIRST_WORD:
        return bool(assets_in >> asset & 1)
    return bool(reserved >> (asset - _IN_FIRST_WORD) & 1)


def _account(
    market: Market,
    key: AccountKey,
    basic: Answer,
    held: dict[int, Answer],
    views: Sequence[Answer],
) -> CometAccount | Unread | None:
    """The account, why it could not be read or judged, or `None` when it has nothing."""
    if isinstance(basic, Unread):
        return basic
    amounts = {}
    for asset, answer in held.items():
        if isinstance(answer, Unread):
            return answer
        amounts[asset] = answer[0]
    account = CometAccount(
        key=key,
        principal=basic[0],
        held=tuple((asset, amount_raw) for asset, amount_raw in sorted(amounts.items()) if amount_raw),
        read_at=market.block.timestamp,
    )
    if is_empty(account):
        return None
    why = unjudgeable(market, account)
    if why is not None:
        return why
    reported = _reported(views)
    return reported if isinstance(reported, Unread) else replace(account, reported=reported)


def is_empty(account: CometAccount) -> bool:
    """Nothing lent, owed or held."""
    return not account.principal and not account.held


def _reported(views: Sequence[Answer]) -> Reported | Unread:
    words = []
    for answer in views:
        if isinstance(answer, Unread):
            return answer
        words.append(answer[0])
    return Reported(*words)


def read_reported(
    market: Market, reader: Reader, accounts: Sequence[CometAccount]
) -> list[CometAccount | Failed]:
    """The accounts with the market's own words on each, in bulk."""
    comet = market.settings.comet
    answers = reader.read(
        [Call(comet, view, (account.key.owner,)) for account in accounts for view in _VIEWS]
    )
    found: list[CometAccount | Failed] = []
    for at, account in enumerate(accounts):
        reported = _reported(answers[at * len(_VIEWS) : (at + 1) * len(_VIEWS)])
        if isinstance(reported, Unread):
            found.append(Failed(account.key, reported))
        else:
            found.append(replace(account, reported=reported))
    return found


def read_again(
    market: Market, reader: Reader, accounts: Sequence[CometAccount]
) -> list[CometAccount | Failed]:
    """Accounts of an earlier block with their principals as they are now, without the market's words.

    `transfer` of base can move a debt from one account to another without an event: where neither of them
    lends, there is nothing that its two `Transfer` events could tell. It accrues, though: where nobody
    had the market accrue since the second of the block that an account was read at, its principal is
    as it was.
    """
    stale = [account for account in accounts if account.read_at <= market.booked.accrued_at]
    answers = reader.read(
        [Call(market.settings.comet, abi.USER_BASIC, (account.key.owner,)) for account in stale]
    )
    basics = dict(zip((account.key for account in stale), answers, strict=True))
    found: list[CometAccount | Failed] = []
    for account in accounts:
        basic = basics.get(account.key)
        if isinstance(basic, Unread):
            found.append(Failed(account.key, basic))
            continue
        principal = account.principal if basic is None else basic[0]
        now = replace(account, principal=principal, reported=None, read_at=market.block.timestamp)
        why = unjudgeable(market, now)
        found.append(now if why is None else Failed(now.key, why))
    return found


def unjudgeable(market: Market, account: CometAccount) -> Unread | None:
    """Why the account's verdict cannot be computed; `None` when it can.

    One who owes nothing needs no price. Who does needs the base's and those of all that it holds:
    `absorb` reads every one of them, so that nobody is absorbed while one has no answer. `isLiquidatable`
    alone does without those after the collateral that carries the debt, and so it may still say no then;
    whether the account is safe with the prices to come, nobody knows.
    """
    if market.stuck is not None:
        return market.stuck
    if not account.owes:
        return None
    if isinstance(market.base.feed, Unread):
        return market.base.feed
    for asset, amount_raw in market.held_assets(account):
        if isinstance(asset.feed, Unread):
            return asset.feed
        multiplier = max(WAD, asset.liquidation_wad) * market.base.scale * len(account.held)
        if amount_raw * market.prices[asset.feed] * multiplier // asset.scale > UINT256_MAX // 4:
            return Unread(Reason.UNSUPPORTED, f"the market itself cannot value so much {asset.symbol}")
    return None
