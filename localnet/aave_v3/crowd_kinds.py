"""The kinds of accounts in a crowd, how many there are of each, and what they hold.

plain        one to four supplies, one to three debts
supplier     supplies only
recipient    holds aTokens that others sent, and never called the Pool
emptied      repaid everything, withdrew everything, left
eth, stable, staked   in an e-mode
isolated     isolated collateral under a debt ceiling, enabled by hand
unused       one supply not enabled as collateral
stable_rate  a stable-rate debt (v3.0.2; elsewhere plain)
dust         a few raw units supplied, owed or left behind
edge         a health factor barely above 1 at the end
doomed       liquidatable at the end
insolvent    its collateral is worth less than its debt at the end
liquidated   as the doomed, and somebody comes
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from localnet.aave_v3.standard import ETH_EMODE, STABLE_EMODE, STAKED_EMODE

SHARES_PER_MILLE = {
    "supplier": 170,
    "recipient": 30,
    "emptied": 30,
    "eth": 50,
    "stable": 50,
    "staked": 30,
    "isolated": 20,
    "unused": 50,
    "stable_rate": 20,
    "dust": 40,
    "edge": 30,
    "doomed": 4,
    "insolvent": 1,
    "liquidated": 2,
}
"""The rest is plain. There is one of each kind at least, where the crowd has the room."""
LATER_PERCENT = 10
"""How many supplies are taken back in part, debts repaid in part, and the like."""
OWN_SUPPLY_PERCENT = 25
"""How many supplies the account sends itself; the others are sent on its behalf."""

WAVES = 4
"""Times at which accounts act: they join at any but the last. One more price follows."""
MEDIAN_USD, SPREAD, MOST_USD = 3_000, 1.8, 5_000_000
"""What an account supplies: log-normal, its spread that of the natural logarithm."""
LENT = 0.985
"""The part of what the Pool would lend that is asked for at most: interest and rounding need the rest."""

SUPPLIED = {
    "WETH": 28,
    "wstETH": 14,
    "WBTC": 14,
    "USDC": 18,
    "DAI": 8,
    "LINK": 6,
    "cbETH": 4,
    "rETH": 3,
    "CRV": 3,
    "EURS": 1,
    "SNX": 1,
}
BORROWED = {
    "USDC": 42,
    "DAI": 20,
    "WETH": 20,
    "WBTC": 5,
    "LINK": 5,
    "wstETH": 3,
    "CRV": 2,
    "EURS": 2,
    "rETH": 1,
}
ISOLATED_MOST_USD = 8_000
FALLING = {"doomed": ("WETH", "LINK", "CRV"), "liquidated": ("LINK", "CRV"), "insolvent": ("CRV",)}
"""Collateral that falls far enough at the end to take its owner below 1."""


@dataclass(frozen=True, slots=True)
class Category:
    """An e-mode."""

    category: int
    assets: tuple[str, ...]
    ltv_bps: int
    threshold_bps: int


EMODES = {
    "eth": Category(ETH_EMODE, ("WETH", "wstETH"), 93_00, 95_00),
    "stable": Category(STABLE_EMODE, ("USDC", "DAI"), 90_00, 93_00),
    "staked": Category(STAKED_EMODE, ("cbETH", "rETH"), 90_00, 93_00),
}
"""By kind of account, as `standard` makes them."""


@dataclass(frozen=True, slots=True)
class Asset:
    """What the plan knows of a reserve."""

    place: int
    """In the lists given to the crowd's contract."""
    unit: int
    ltv_bps: int
    threshold_bps: int
    prices: Sequence[float]
    """USD per token at each wave, and at last after the fall."""

    def raw(self, usd: float, wave: int) -> int:
        """That many dollars' worth at a wave's price, raw units; at least one."""
        return max(1, int(usd / self.prices[wave] * self.unit))


@dataclass(slots=True)
class Life:
    """One account: what it is, when it joined, and what it should have at the end."""

    number: int
    kind: str
    joined: int
    supplies: dict[str, int] = field(default_factory=dict)
    """Symbol → raw units."""
    debts: dict[str, int] = field(default_factory=dict)
