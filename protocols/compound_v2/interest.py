"""How a market grows between accruals, exactly as it computes it.

Source: VToken.accrueInterest and exchangeRateStoredInternal of VenusProtocol/venus-protocol 0.7.0
(the same as compound-protocol's CToken.sol, from which they come).
"""

from __future__ import annotations

from typing import NamedTuple

from margin.units import WAD
from protocols.compound_v2.state import Market

HIGHEST_RATE_WAD = 5 * 10**12
"""Per block: above it a market refuses to accrue (`borrowRateMaxMantissa`)."""


class Accrued(NamedTuple):
    """A market's totals at a block."""

    borrows_raw: int
    reserves_raw: int
    index_wad: int


def accrued(market: Market, at: int) -> Accrued:
    """The market after an accrual in block `at`, no earlier than its last; each product rounded down."""
    factor_wad = market.rate_wad * (at - market.accrued_at)
    interest_raw = factor_wad * market.borrows_raw // WAD
    return Accrued(
        borrows_raw=market.borrows_raw + interest_raw,
        reserves_raw=market.reserves_raw + market.reserve_factor_wad * interest_raw // WAD,
        index_wad=market.index_wad + factor_wad * market.index_wad // WAD,
    )


def exchange_rate_wad(market: Market, at: int, added_raw: int = 0, minted: int = 0) -> int:
    """Underlying per token of the market after an accrual in block `at`; scaled by 1e18, rounded down.

    `added_raw` and `minted`: cash and tokens that came on top since.
    """
    supply = market.supply_tokens + minted
    if not supply:
        return market.empty_rate_wad
    borrows_raw, reserves_raw, _ = accrued(market, at)
    return (market.cash_raw + added_raw + borrows_raw - reserves_raw) * WAD // supply
