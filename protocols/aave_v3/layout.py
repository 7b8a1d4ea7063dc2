"""Where the cells of an Aave v3 book stand in storage, and which views tell of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chain.abi import Function
from margin.basics import Address, Reason, Unread
from protocols.aave_v3 import abi, parts
from protocols.aave_v3.parts import DEBT, EMODE, FLAGS, STABLE, STABLE_AT, SUPPLY
from protocols.aave_v3.state import Position
from protocols.aave_v3.venue import Market

_VIEWS: dict[int, tuple[Function, ...]] = {
    SUPPLY: (abi.SCALED_BALANCE_OF,),
    DEBT: (abi.SCALED_BALANCE_OF,),
    STABLE: (abi.PRINCIPAL_BALANCE_OF, abi.GET_USER_STABLE_RATE),
    STABLE_AT: (abi.GET_USER_LAST_UPDATED,),
}


@dataclass(frozen=True, slots=True)
class PoolLayout:
    """See `protocols.aave_common.stored_cells.Layout`.

    A word is a word of flags, a mode, a scaled balance, a stable debt's rate above its principal, or
    a timestamp.
    """

    market: Market

    def place(self, part: int) -> tuple[Address, int]:
        """Where `parts` says."""
        return parts.contract_of(self.market, part), parts.slot_of(part)

    def by_view_only(self, part: int) -> bool:
        """A debt that its token may discount is not what storage says."""
        return self._asked_of_token(part)

    def bits(self, part: int) -> int:
        """A balance shares its word with other things."""
        if part in parts.POOL_SLOTS or parts.kind_of(part)[1] in (STABLE, STABLE_AT):
            return 256
        return parts.BALANCE_BITS

    def views(self, part: int) -> tuple[Function, ...]:
        """See `Layout.views`."""
        if part == FLAGS:
            return (abi.GET_USER_CONFIGURATION,)
        if part == EMODE:
            return (abi.GET_USER_EMODE,)
        if self._asked_of_token(part):
            return abi.SCALED_BALANCE_OF, abi.BALANCE_OF
        return _VIEWS[parts.kind_of(part)[1]]

    def composed(self, part: int, figures: Sequence[int]) -> bytes | Unread:
        """See `Layout.composed`."""
        if len(figures) == 1:
            return figures[0].to_bytes(32, "big")
        reserve_id, kind = parts.kind_of(part)
        if kind == STABLE:
            principal, rate_ray = figures
            if max(figures) >> 128:
                return Unread(Reason.MALFORMED, "a stable debt beyond 128 bits")
            return (rate_ray << 128 | principal).to_bytes(32, "big")
        scaled, balance = figures
        reserve = self.market.reserves[reserve_id]
        if balance != self.market.debt_raw(Position(reserve_id, 0, scaled, None), self.market.timestamp):
            return Unread(Reason.UNSUPPORTED, f"the {reserve.symbol} debt is discounted by its own token")
        return scaled.to_bytes(32, "big")

    def _asked_of_token(self, part: int) -> bool:
        if part in parts.POOL_SLOTS:
            return False
        reserve, kind = parts.kind_of(part)
        return kind == DEBT and parts.debt_asked_of_token(self.market, self.market.reserves[reserve])
