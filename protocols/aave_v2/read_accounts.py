"""Reading accounts of an Aave v2 pool in bulk: flags, balances, and the pool's own view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from chain.reader import Call, Reader
from margin.account import AccountKey
from margin.basics import Address, Reason, Unread
from protocols.aave_v2 import abi
from protocols.aave_v2.cells import unjudgeable
from protocols.aave_v2.state import PoolAccount, Position, Reported, Reserve, StableDebt
from protocols.aave_v2.venue import Market
from protocols.base import Failed

Answers = Sequence[tuple[Any, ...] | Unread]


def read_accounts(
    market: Market, reader: Reader, owners: Sequence[Address]
) -> dict[Address, list[PoolAccount | Failed]]:
    """The account of each owner; none where the owner has neither supply nor debt.

    Two rounds of bulk calls whatever the number of owners: flags, view and supplies; then debts where
    a flag says there may be any.
    """
    reserves = list(market.reserves.values())
    heads = _rows(
        reader,
        [
            [
                Call(market.pool, abi.GET_USER_CONFIGURATION, (owner,)),
                Call(market.pool, abi.GET_USER_ACCOUNT_DATA, (owner,)),
                *(Call(r.a_token, abi.SCALED_BALANCE_OF, (owner,)) for r in reserves),
            ]
            for owner in owners
        ],
    )
    borrowed = [[r for r in reserves if _flags(head) >> 2 * r.id & 1] for head in heads]
    debts = _rows(
        reader,
        [
            [call for reserve in own for call in _debt_calls(reserve, owner)]
            for owner, own in zip(owners, borrowed, strict=True)
        ],
    )
    accounts: dict[Address, list[PoolAccount | Failed]] = {}
    for owner, head, own, owed in zip(owners, heads, borrowed, debts, strict=True):
        key = AccountKey(market.id, owner, owner)
        built = _account(market, key, head, own, owed)
        if isinstance(built, PoolAccount):
            accounts[owner] = [built] if built.positions else []
        else:
            accounts[owner] = [Failed(key, built)]
    return accounts


def read_reported(
    market: Market, reader: Reader, accounts: Sequence[PoolAccount]
) -> list[PoolAccount | Failed]:
    """The accounts with the pool's own view of each, in bulk."""
    calls = [Call(market.pool, abi.GET_USER_ACCOUNT_DATA, (account.key.owner,)) for account in accounts]
    return [
        Failed(account.key, _because(said))
        if isinstance(said, Unread)
        else replace(account, reported=Reported(*said))
        for account, said in zip(accounts, reader.read(calls), strict=True)
    ]


def _rows(reader: Reader, rows: Sequence[Sequence[Call]]) -> list[Answers]:
    """All calls of all rows in one go, answers back in rows."""
    answers = iter(reader.read([call for row in rows for call in row]))
    return [[next(answers) for _ in row] for row in rows]


def _flags(head: Answers) -> int:
    """The flags, or 0 where they could not be read: then no debt is asked for, and the account fails."""
    return 0 if isinstance(head[0], Unread) else int(head[0][0])


def _debt_calls(reserve: Reserve, owner: Address) -> tuple[Call, ...]:
    return (
        Call(reserve.variable_debt_token, abi.SCALED_BALANCE_OF, (owner,)),
        Call(reserve.stable_debt_token, abi.PRINCIPAL_BALANCE_OF, (owner,)),
        Call(reserve.stable_debt_token, abi.GET_USER_STABLE_RATE, (owner,)),
        Call(reserve.stable_debt_token, abi.GET_USER_LAST_UPDATED, (owner,)),
    )


def _account(
    market: Market, key: AccountKey, head: Answers, borrowed: Sequence[Reserve], owed: Answers
) -> PoolAccount | Unread:
    """The account, or why it could not be read or judged: any one missing answer is enough."""
    answers = []
    for answer in (*head, *owed):
        if isinstance(answer, Unread):
            return _because(answer)
        answers.append(answer)
    (configuration,), said = answers[:2]
    supplies = {id_: row[0] for id_, row in zip(market.reserves, answers[2 : len(head)], strict=True)}
    rest = iter(answers[len(head) :])
    debts: Mapping[int, list[int]] = {r.id: [next(rest)[0] for _ in range(4)] for r in borrowed}
    positions = []
    for id_, supply in supplies.items():
        debt, principal, rate_ray, updated_at = debts.get(id_, [0, 0, 0, 0])
        stable = StableDebt(principal, rate_ray, updated_at) if principal else None
        if supply or debt or stable:
            positions.append(Position(id_, supply, debt, stable))
    account = PoolAccount(key, configuration, tuple(positions), Reported(*said))
    return (unjudgeable(market, account) if positions else None) or account


def _because(answer: Unread) -> Unread:
    """`getUserAccountData` reverts where an oracle has no price: say that rather than "reverted"."""
    if answer.reason is Reason.REVERTED:
        return Unread(Reason.ORACLE, f"the pool cannot value this account ({answer.detail})")
    return answer
