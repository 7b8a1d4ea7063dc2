"""A listed asset, and the constants its listing shares with the market."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from margin.basics import Address

MAX_UINT256 = 2**256 - 1

LIQUIDATOR = Address("0x11901Da700000000000000000000000000000001")
"""The standing liquidator: holds and has approved a huge amount of every listed token."""


@dataclass(frozen=True, slots=True)
class Reserve:
    """One reserve's addresses."""

    symbol: str
    token: Address
    decimals: int
    feed: Address
    """The price feed it was listed with (`contracts/Feed.sol`), 8 decimals, USD."""
    a_token: Address
    variable_debt_token: Address
    stable_debt_token: Address | None

    @property
    def unit(self) -> int:
        """Raw units in one token."""
        return int(10**self.decimals)

    def to_json(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)
