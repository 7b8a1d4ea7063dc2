"""The verdict: the two exact integers a protocol compares to decide."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the protocol decides about one account at one price vector and one timestamp.

    An account is liquidatable exactly when support is below the requirement. Where a protocol
    liquidates at equality its adapter makes the requirement larger by one unit, so that the same
    comparison holds everywhere.
    """

    support_raw: int
    """Weighted collateral, or account value; in the adapter's own scale, the requirement's too."""
    requirement_raw: int
    """The smallest support at which the protocol's own arithmetic still says healthy."""
    assets_raw: int
    """Unweighted collateral that backs the account, in the venue's numeraire."""
    liabilities_raw: int
    """Debt, in the venue's numeraire."""
    health_factor_wad: int | None
    """The protocol's own ratio (1e18 is the edge); `None` without debt. For display and audit only."""
    terms: tuple[tuple[int, ...], ...] = ()
    """Intermediate integers the adapter keeps for its own bounds; no one else reads them."""

    @property
    def margin_raw(self) -> int:
        """Support minus requirement: negative exactly when the account is liquidatable."""
        return self.support_raw - self.requirement_raw

    @property
    def liquidatable(self) -> bool:
        """The protocol's own test for liquidation is met."""
        return self.support_raw < self.requirement_raw

    @property
    def insolvent(self) -> bool:
        """All collateral at face value does not cover the debt: someone will not be repaid."""
        return self.assets_raw < self.liabilities_raw
