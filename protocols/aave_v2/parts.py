"""The cells of an Aave v2 account: which words there are, where they stand, and how they are asked for.

Storage: LendingPoolStorage.sol, IncentivizedERC20.sol and StableDebtToken.sol of aave/protocol-v2
1.0.1. Slots 0 to 51 of pool and aToken are VersionedInitializable's, which in a debt token stands
behind the balances. A layout belongs to deployed code, which anyone may have changed: so each contract's
is proven on a sample against its own views (`aave_common.stored_cells`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chain.abi import Function
from margin.basics import Address, Unread
from protocols.aave_v2 import abi
from protocols.aave_v2.state import Reserve
from protocols.aave_v2.venue import Market

FLAGS = 0
COMMON = (FLAGS,)
_FIRST = 1
_PER_RESERVE = 5
SUPPLY, DEBT, STABLE, STABLE_RATE, STABLE_AT = range(_PER_RESERVE)
"""Scaled supply, scaled variable debt; of a stable debt its principal, its rate, and when that was set."""

_FLAGS_SLOT = 54
_SLOTS = {SUPPLY: 52, DEBT: 0, STABLE: 0, STABLE_RATE: 61, STABLE_AT: 60}
_VIEWS = {
    SUPPLY: abi.SCALED_BALANCE_OF,
    DEBT: abi.SCALED_BALANCE_OF,
    STABLE: abi.PRINCIPAL_BALANCE_OF,
    STABLE_RATE: abi.GET_USER_STABLE_RATE,
    STABLE_AT: abi.GET_USER_LAST_UPDATED,
}


def part_of(reserve: int, kind: int) -> int:
    """The number of a reserve's part."""
    return _FIRST + _PER_RESERVE * reserve + kind


def kind_of(part: int) -> tuple[int, int]:
    """Reserve id and kind of a part that belongs to a reserve."""
    return divmod(part - _FIRST, _PER_RESERVE)


def parts_of(market: Market) -> frozenset[int]:
    """Every part of the market as it is."""
    return frozenset(COMMON) | {part_of(id_, kind) for id_ in market.reserves for kind in _SLOTS}


def with_companions(part: int) -> tuple[int, ...]:
    """The part, and what never changes without it: a stable debt's rate and timestamp."""
    if part != FLAGS and kind_of(part)[1] == STABLE:
        return part, part + STABLE_RATE - STABLE, part + STABLE_AT - STABLE
    return (part,)


def tokens_of(reserve: Reserve) -> Mapping[Address, int]:
    """The tokens whose balances make up the accounts in a reserve, and the part each stands for."""
    return {
        reserve.a_token: part_of(reserve.id, SUPPLY),
        reserve.variable_debt_token: part_of(reserve.id, DEBT),
        reserve.stable_debt_token: part_of(reserve.id, STABLE),
    }


@dataclass(frozen=True, slots=True)
class PoolLayout:
    """See `protocols.aave_common.stored_cells.Layout`."""

    market: Market

    def place(self, part: int) -> tuple[Address, int]:
        """The pool for the flags, else the reserve's token."""
        if part == FLAGS:
            return self.market.pool, _FLAGS_SLOT
        reserve_id, kind = kind_of(part)
        reserve = self.market.reserves[reserve_id]
        token = {SUPPLY: reserve.a_token, DEBT: reserve.variable_debt_token}
        return token.get(kind, reserve.stable_debt_token), _SLOTS[kind]

    def by_view_only(self, part: int) -> bool:  # noqa: ARG002 - none is
        """None is."""
        return False

    def bits(self, part: int) -> int:  # noqa: ARG002 - the same for all
        """Every word is one value alone."""
        return 256

    def views(self, part: int) -> tuple[Function, ...]:
        """One view each."""
        return (abi.GET_USER_CONFIGURATION if part == FLAGS else _VIEWS[kind_of(part)[1]],)

    def composed(self, part: int, figures: Sequence[int]) -> bytes | Unread:  # noqa: ARG002 - see views
        """The view's own word."""
        return figures[0].to_bytes(32, "big")
