"""Reading accounts of an Aave v3 pool in bulk: flags, e-mode, scaled balances, and the pool's own view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from chain.reader import Call, Reader
from margin.account import AccountKey
from margin.basics import ZERO_ADDRESS, Address, Reason, Unread
from margin.units import RAY
from protocols.aave_common.quotes import Quotes
from protocols.aave_v3 import abi
from protocols.aave_v3.mode_quotes import M, with_mode_prices
from protocols.aave_v3.parts import debt_asked_of_token
from protocols.aave_v3.state import AaveAccount, EMode, Position, Reported, Reserve, StableDebt
from protocols.aave_v3.venue import Market
from protocols.base import Failed

Answer = tuple[Any, ...] | Unread
LAST_EMODE = 255
"""E-modes are numbered by 8 bits."""


def read_accounts(
    market: M, reader: Reader, owners: Sequence[Address], quotes: Quotes
) -> tuple[M, dict[Address, list[AaveAccount | Failed]]]:
    """The account of each owner; none where the owner has neither supply nor debt.

    Three rounds of bulk calls whatever the number of owners: flags and supplies, then debts where a
    flag says there are any, then the e-modes met. The market comes back with those e-modes.
    """
    reserves = list(market.reserves.values())
    heads = _rows(
        reader,
        [
            [
                Call(market.pool, abi.GET_USER_CONFIGURATION, (owner,)),
                Call(market.pool, abi.GET_USER_EMODE, (owner,)),
                Call(market.pool, abi.GET_USER_ACCOUNT_DATA, (owner,)),
                *(Call(r.a_token, abi.SCALED_BALANCE_OF, (owner,)) for r in reserves),
            ]
            for owner in owners
        ],
    )
    flags = {owner: _configuration(head) for owner, head in zip(owners, heads, strict=True)}
    borrowed = {owner: [r for r in reserves if flag >> 2 * r.id & 1] for owner, flag in flags.items()}
    debts = dict(
        zip(
            owners,
            _rows(reader, [[c for r in borrowed[o] for c in _debt_calls(market, r, o)] for o in owners]),
            strict=True,
        )
    )
    modes = sorted({mode for head in heads if 0 < (mode := _emode_id(head)) <= LAST_EMODE})
    market, broken_modes = read_emodes(market, reader, modes, quotes)

    accounts: dict[Address, list[AaveAccount | Failed]] = {}
    for owner, head in zip(owners, heads, strict=True):
        key = AccountKey(market.id, owner, owner)
        built = _account(market, key, head, borrowed[owner], debts[owner])
        if isinstance(built, AaveAccount) and built.positions:
            built = unjudgeable(market, built, broken_modes) or built
        if isinstance(built, Unread):
            accounts[owner] = [Failed(key, built)]
        else:
            accounts[owner] = [built] if built.positions else []
    return market, accounts


def _rows(reader: Reader, rows: Sequence[Sequence[Call]]) -> list[list[Answer]]:
    """All calls of all rows in one go, answers back in rows."""
    answers = iter(reader.read([call for row in rows for call in row]))
    return [[next(answers) for _ in row] for row in rows]


def _configuration(head: Sequence[Answer]) -> int:
    """The flags, or 0 where they could not be read: then no debt is asked for, and the account fails."""
    answer = head[0]
    return 0 if isinstance(answer, Unread) else int(answer[0])


def _emode_id(head: Sequence[Answer]) -> int:
    answer = head[1]
    return 0 if isinstance(answer, Unread) else int(answer[0])


def _debt_calls(market: Market, reserve: Reserve, owner: Address) -> list[Call]:
    calls = [Call(reserve.variable_debt_token, abi.SCALED_BALANCE_OF, (owner,))]
    if debt_asked_of_token(market, reserve):
        calls.append(Call(reserve.variable_debt_token, abi.BALANCE_OF, (owner,)))
    if market.rules.stable_debt:
        calls += [
            Call(reserve.stable_debt_token, abi.PRINCIPAL_BALANCE_OF, (owner,)),
            Call(reserve.stable_debt_token, abi.GET_USER_STABLE_RATE, (owner,)),
            Call(reserve.stable_debt_token, abi.GET_USER_LAST_UPDATED, (owner,)),
        ]
    return calls


def _account(
    market: Market,
    key: AccountKey,
    head: Sequence[Answer],
    borrowed: Sequence[Reserve],
    debts: Sequence[Answer],
) -> AaveAccount | Unread:
    """The account, or why it could not be read: any one missing answer is enough."""
    reserves = market.reserves.values()
    for answer in (*head, *debts):
        if isinstance(answer, Unread):
            return _because(answer)
    read = [answer for answer in (*head, *debts) if not isinstance(answer, Unread)]
    (configuration,), (emode,), reported = read[:3]
    if emode > LAST_EMODE:
        return Unread(Reason.MALFORMED, f"the pool gives {str(emode)[:20]} for an e-mode")
    supplies = {r.id: row[0] for r, row in zip(reserves, read[3 : len(head)], strict=True)}
    owed = iter(read[len(head) :])
    variable: dict[int, int] = {}
    stable: dict[int, StableDebt] = {}
    for reserve in borrowed:
        (variable[reserve.id],) = next(owed)
        if debt_asked_of_token(market, reserve):
            (balance,) = next(owed)
            at_index = market.debt_raw(Position(reserve.id, 0, variable[reserve.id], None), market.timestamp)
            if balance != at_index:
                return Unread(Reason.UNSUPPORTED, f"the {reserve.symbol} debt is discounted by its own token")
        if market.rules.stable_debt:
            (principal,), (rate_ray,), (updated_at,) = next(owed), next(owed), next(owed)
            if principal:
                stable[reserve.id] = StableDebt(principal, rate_ray, updated_at)
    return AaveAccount(
        key=key,
        configuration=configuration,
        emode=emode,
        positions=tuple(
            Position(r.id, supplies[r.id], variable.get(r.id, 0), stable.get(r.id))
            for r in reserves
            if supplies[r.id] or variable.get(r.id) or r.id in stable
        ),
        reported=_reported(reported),
    )


def read_reported(
    market: Market, reader: Reader, accounts: Sequence[AaveAccount]
) -> list[AaveAccount | Failed]:
    """The accounts with the pool's own view of each, in bulk."""
    calls = [Call(market.pool, abi.GET_USER_ACCOUNT_DATA, (account.key.owner,)) for account in accounts]
    found: list[AaveAccount | Failed] = []
    for account, said in zip(accounts, reader.read(calls), strict=True):
        if isinstance(said, Unread):
            found.append(Failed(account.key, _because(said)))
        else:
            found.append(replace(account, reported=_reported(said)))
    return found


def _reported(said: tuple[Any, ...]) -> Reported:
    return Reported(said[0], said[1], said[3], said[5])


def _because(answer: Unread) -> Unread:
    """`getUserAccountData` reverts where an oracle has no price: say that rather than "reverted"."""
    if answer.reason is Reason.REVERTED:
        return Unread(Reason.ORACLE, f"the pool cannot value this account ({answer.detail})")
    return answer


def unjudgeable(market: Market, account: AaveAccount, broken: Mapping[int, Unread]) -> Unread | None:
    """Why the account's verdict cannot be computed; `None` when it can."""
    if account.emode in broken:
        return broken[account.emode]
    if account.emode:
        mode = market.emodes[account.emode].quote
        if isinstance(mode, Unread):
            return mode
    for position in account.positions:
        reserve = market.reserves[position.reserve]
        if account.borrows(reserve.id) or account.uses_as_collateral(reserve.id):
            quote = market.quote(account, reserve)
            if isinstance(quote, Unread):
                return quote
    if any(p.supply_scaled >= RAY * RAY or p.debt_scaled >= RAY * RAY for p in account.positions):
        return Unread(Reason.UNSUPPORTED, "a balance beyond what the pool's own arithmetic can hold")
    return None


def read_emodes(market: M, reader: Reader, ids: Sequence[int], quotes: Quotes) -> tuple[M, dict[int, Unread]]:
    """The market with the e-modes of these ids beside those it knows, and those that could not be read."""
    if not ids:
        return market, {}
    functions = (
        (abi.GET_EMODE_COLLATERAL_CONFIG, abi.GET_EMODE_COLLATERAL_BITMAP, abi.GET_EMODE_LABEL)
        if market.rules.liquid_emodes
        else (abi.GET_EMODE_CATEGORY_DATA,)
    )
    rows = _rows(reader, [[Call(market.pool, f, (i,)) for f in functions] for i in ids])
    emodes: dict[int, EMode] = {}
    broken: dict[int, Unread] = {}
    for id_, row in zip(ids, rows, strict=True):
        failed = next((answer for answer in row if isinstance(answer, Unread)), None)
        if failed is not None:
            broken[id_] = failed
            continue
        answers = [answer for answer in row if not isinstance(answer, Unread)]
        if market.rules.liquid_emodes:
            (ltv_bps, threshold_bps, bonus_bps), (bitmap,), (label,) = answers
            source = ZERO_ADDRESS
        else:
            (ltv_bps, threshold_bps, bonus_bps, raw_source, label) = answers[0][0]
            source, bitmap = raw_source, 0
        emodes[id_] = EMode(id_, _short(label), threshold_bps, bonus_bps, bitmap, source, None, ltv_bps)
    known = {id_: mode for id_, mode in market.emodes.items() if id_ not in broken}
    return with_mode_prices(replace(market, emodes={**known, **emodes}), quotes), broken


def _short(label: str) -> str:
    """An e-mode's label is free text of its deployer: printable and bounded."""
    return "".join(c for c in label if c.isprintable())[:32]
