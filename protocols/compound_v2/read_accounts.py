"""Reading accounts of a Comptroller in bulk: entered markets, balances, debts, and its own view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from chain.answers import Reverted
from chain.reader import Call, Reader
from margin.account import AccountKey
from margin.basics import Address, Reason, Unread
from margin.units import UINT256_MAX
from protocols.base import Failed
from protocols.compound_v2 import abi
from protocols.compound_v2.debts import Asked, read_debts
from protocols.compound_v2.pool import Pool
from protocols.compound_v2.state import CompoundAccount, Debt, Market, Position, Reported

Answer = tuple[Any, ...] | Unread
MOST_RAW = 1 << 160
"""A balance beyond which nothing here is computed: products of the contract's own would not fit."""


def read_accounts(
    pool: Pool, reader: Reader, owners: Sequence[Address], layouts: dict[Address, int]
) -> dict[Address, list[CompoundAccount | Failed]]:
    """The account of each owner; none where the owner has no tokens, no debt and no VAI.

    One round of bulk calls whatever the number of owners, and one of storage for those who owe
    something (a few, at the first look at a market of another layout).
    """
    markets = list(pool.markets.values())
    width = 3 + len(markets)
    answers = reader.read([call for owner in owners for call in _calls(pool, owner)])
    heads = {owner: answers[at * width : (at + 1) * width] for at, owner in enumerate(owners)}
    asked: list[Asked] = []
    for owner, head in heads.items():
        for market, snapshot in zip(markets, head[3:], strict=True):
            if not isinstance(snapshot, Unread) and snapshot[2]:
                asked.append(Asked(market, owner, snapshot[2]))
    debts = {
        (one.borrower, one.market.id): debt
        for one, debt in zip(asked, read_debts(reader, asked, layouts), strict=True)
    }
    accounts: dict[Address, list[CompoundAccount | Failed]] = {}
    for owner, head in heads.items():
        key = AccountKey(pool.id, owner, owner)
        own = {market.id: debts.get((owner, market.id)) for market in markets}
        built = _account(pool, key, markets, head, own)
        if built is not None and isinstance(built, CompoundAccount):
            built = unjudgeable(pool, built) or built
        if isinstance(built, Unread):
            accounts[owner] = [Failed(key, built)]
        else:
            accounts[owner] = [] if built is None else [built]
    return accounts


def _calls(pool: Pool, owner: Address) -> list[Call]:
    """In a fixed order: what `_account` takes apart."""
    comptroller = pool.settings.comptroller
    calls = [
        Call(comptroller, abi.GET_ASSETS_IN, (owner,)),
        Call(comptroller, abi.GET_ACCOUNT_LIQUIDITY, (owner,)),
        # Without VAI its place is held by something as cheap.
        Call(comptroller, abi.MINTED_VAIS, (owner,))
        if pool.settings.vai_controller
        else Call(comptroller, abi.CLOSE_FACTOR),
    ]
    return calls + [Call(m.address, abi.GET_ACCOUNT_SNAPSHOT, (owner,)) for m in pool.markets.values()]


def _account(
    pool: Pool,
    key: AccountKey,
    markets: Sequence[Market],
    head: Sequence[Answer],
    debts: Mapping[int, Debt | Unread | None],
) -> CompoundAccount | Unread | None:
    """The account, why it could not be read (any one missing answer is enough), or `None` when empty."""
    for answer in head:
        if isinstance(answer, Unread):
            return _because(answer)
    (assets,), said, (vai,), *snapshots = (answer for answer in head if not isinstance(answer, Unread))
    entered = set(assets)
    if not entered <= {market.address for market in markets}:
        return Unread(Reason.UNSUPPORTED, "the account is in a market that the Comptroller does not list")
    positions = []
    for market, (error, tokens, _, _) in zip(markets, snapshots, strict=True):
        debt = debts[market.id]
        if isinstance(debt, Unread):
            return debt
        if error:
            return Unread(Reason.UNSUPPORTED, f"the market of {market.symbol} cannot tell balances")
        if tokens or debt or market.address in entered:
            positions.append(Position(market.id, tokens, debt, market.address in entered))
    minted = vai if pool.settings.vai_controller else 0
    account = CompoundAccount(key, tuple(positions), minted, None)
    if is_empty(account):
        return None
    reported = _reported(said)
    return reported if isinstance(reported, Unread) else replace(account, reported=reported)


def is_empty(account: CompoundAccount) -> bool:
    """Nothing held and nothing owed: having entered a market is not enough."""
    return not account.minted_vai_raw and not any(p.tokens or p.debt for p in account.positions)


def read_reported(
    pool: Pool, reader: Reader, accounts: Sequence[CompoundAccount]
) -> list[CompoundAccount | Failed]:
    """The accounts with the Comptroller's own view of each, in bulk."""
    comptroller = pool.settings.comptroller
    calls = [Call(comptroller, abi.GET_ACCOUNT_LIQUIDITY, (account.key.owner,)) for account in accounts]
    found: list[CompoundAccount | Failed] = []
    for account, said in zip(accounts, reader.read(calls), strict=True):
        reported = _because(said) if isinstance(said, Unread) else _reported(said)
        if isinstance(reported, Unread):
            found.append(Failed(account.key, reported))
        else:
            found.append(replace(account, reported=reported))
    return found


def _reported(said: tuple[Any, ...]) -> Reported | Unread:
    error, liquidity_raw, shortfall_raw = said
    if error:
        # 13 is PRICE_ERROR: while it lasts nobody can liquidate the account, and nobody knows its health.
        return Unread(Reason.ORACLE, f"the Comptroller cannot value this account (error {str(error)[:20]})")
    return Reported(liquidity_raw, shortfall_raw)


def _because(answer: Unread) -> Unread:
    if isinstance(answer, Reverted):
        return Unread(Reason.ORACLE, f"the Comptroller cannot value this account ({answer.detail})")
    return answer


def unjudgeable(pool: Pool, account: CompoundAccount) -> Unread | None:
    """Why the account's verdict cannot be computed; `None` when it can.

    One entered market without a price is enough, even an empty one: the Comptroller values none then.
    """
    for position in account.positions:
        market = pool.markets[position.market]
        if position.entered and isinstance(market.feed, Unread):
            return market.feed
        if market.stuck is not None and (position.tokens or position.debt):
            return market.stuck
        if not position.entered and position.debt:
            return Unread(Reason.UNSUPPORTED, f"a debt of {market.symbol} in a market that was not entered")
        if max(position.tokens, position.debt.principal_raw if position.debt else 0) >= MOST_RAW:
            return Unread(Reason.UNSUPPORTED, "a balance beyond what the contracts' own arithmetic can hold")
    if account.minted_vai_raw and pool.settings.vai_interest:
        return Unread(Reason.UNSUPPORTED, "minted VAI with interest on it")
    if account.minted_vai_raw > UINT256_MAX >> 1:
        return Unread(Reason.MALFORMED, "more VAI than there can be")
    return None
