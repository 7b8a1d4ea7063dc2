"""The cells of an Aave v3 account: which words there are, where they stand, and how they are asked for.

Storage: PoolStorage.sol, IncentivizedERC20.sol, StableDebtToken.sol of aave/aave-v3-core 1.19.3 and
aave-dao/aave-v3-origin v3.1.0 … v3.7. Slots 0 to 51 are VersionedInitializable's; a debt token has
EIP712Base and the allowances before its balances. A layout belongs to deployed code, which anyone
may have changed: so each contract's is proven on a sample against its own views (`aave_common.stored_cells`).
"""

from __future__ import annotations

from collections.abc import Mapping

from margin.basics import Address
from protocols.aave_v3.state import Reserve
from protocols.aave_v3.venue import Market

FLAGS = 0
EMODE = 1
_FIRST = 2
_PER_RESERVE = 4
SUPPLY, DEBT, STABLE, STABLE_AT = range(_PER_RESERVE)
"""Scaled supply, scaled variable debt, stable debt (rate and principal in one word), when that was set."""

COMMON = (FLAGS, EMODE)

POOL_SLOTS = {FLAGS: 53, EMODE: 56}
"""`_usersConfig` and `_usersEModeCategory`, mappings by user."""
TOKEN_SLOTS = {SUPPLY: 52, DEBT: 56, STABLE: 56, STABLE_AT: 62}
"""`_userState` and the stable debt token's `_timestamps`, mappings by user."""

BALANCE_BITS = 120
"""Of the user state's word. The next byte tells of delegated votes (all tokens from v3.4, aAAVE before);
where no such byte is, a balance of 2**120 units would be more than any token has."""


def part_of(reserve: int, kind: int) -> int:
    """The number of a reserve's part."""
    return _FIRST + _PER_RESERVE * reserve + kind


def kind_of(part: int) -> tuple[int, int]:
    """Reserve id and kind of a part that belongs to a reserve."""
    return divmod(part - _FIRST, _PER_RESERVE)


def parts_of(market: Market) -> frozenset[int]:
    """Every part of the market as it is."""
    kinds = (SUPPLY, DEBT, STABLE, STABLE_AT) if market.rules.stable_debt else (SUPPLY, DEBT)
    return frozenset(COMMON) | {part_of(reserve, kind) for reserve in market.reserves for kind in kinds}


def with_companions(part: int) -> tuple[int, ...]:
    """The part, and what never changes without it: a stable debt's timestamp."""
    if part not in POOL_SLOTS and kind_of(part)[1] == STABLE:
        return part, part + STABLE_AT - STABLE
    return (part,)


def tokens_of(market: Market, reserve: Reserve) -> Mapping[Address, int]:
    """The tokens whose balances make up the accounts in a reserve, and the part each stands for."""
    found = {
        reserve.a_token: part_of(reserve.id, SUPPLY),
        reserve.variable_debt_token: part_of(reserve.id, DEBT),
    }
    if market.rules.stable_debt:
        found[reserve.stable_debt_token] = part_of(reserve.id, STABLE)
    return found


def contract_of(market: Market, part: int) -> Address:
    """Where a part's word is kept."""
    if part in POOL_SLOTS:
        return market.pool
    reserve_id, kind = kind_of(part)
    reserve = market.reserves[reserve_id]
    return {
        SUPPLY: reserve.a_token,
        DEBT: reserve.variable_debt_token,
        STABLE: reserve.stable_debt_token,
        STABLE_AT: reserve.stable_debt_token,
    }[kind]


def slot_of(part: int) -> int:
    """The mapping's slot there."""
    return POOL_SLOTS[part] if part in POOL_SLOTS else TOKEN_SLOTS[kind_of(part)[1]]


def debt_asked_of_token(market: Market, reserve: Reserve) -> bool:
    """v3.3 takes the debt of a reserve without virtual accounting from its token's own `balanceOf`."""
    return market.rules.debt_by_balance_without_virtual and not reserve.configuration.virtual_accounting
