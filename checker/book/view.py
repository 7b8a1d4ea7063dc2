"""What `scan` shows of a venue, as values."""

from __future__ import annotations

from dataclasses import dataclass

from checker.bands import Band
from margin.basics import Address, BlockRef, Unread


@dataclass(frozen=True, slots=True)
class ScannedAccount:
    """One account of the book. What could not be read or decided is `None`, and `unread` says why."""

    account: str
    """The protocol's own name for it, as `check` shows it."""
    owner: Address
    band: Band
    liquidatable: bool | None
    health_factor: float | None
    """`None` without debt, or where unread."""
    support_raw: int | None
    requirement_raw: int | None
    collateral_usd: float | None
    """At face value; `None` where the numeraire has no US dollar value."""
    debt_usd: float | None
    agrees: bool | None
    """Whether the protocol's own view at the same block is the same; `None` where it was not asked."""
    blocked: str | None
    """Why nobody can liquidate a liquidatable account now."""
    unread: Unread | None


@dataclass(frozen=True, slots=True)
class ReserveTotal:
    """What the accounts found add up to, against what the chain says exists: scaled units."""

    token: Address
    symbol: str
    book_supply_raw: int
    chain_supply_raw: int
    book_debt_raw: int
    chain_debt_raw: int
    book_stable_raw: int | None
    """Stable-rate principal; `None` where there is no such debt in this version."""
    chain_stable_raw: int | None

    @property
    def percent(self) -> float:
        """The smaller share found, 100.0 only where nothing is missing (and nothing is too much)."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Completeness:
    """Whether the book holds everything there is."""

    reserves: tuple[ReserveTotal, ...]

    @property
    def percent(self) -> float:
        """The smallest of the reserves' shares."""
        return min((reserve.percent for reserve in self.reserves), default=100.0)

    @property
    def is_complete(self) -> bool:
        """To the unit, in every reserve."""
        return self.percent == 100.0


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What would be liquidatable if prices fell."""

    direction: str
    """A factor (`ETH`), or `market` for all factors that are no stablecoin."""
    drop: float
    """0.25: a fall by a quarter."""
    accounts: int
    """Liquidatable there."""
    collateral_usd: float
    """Their collateral at the fallen prices."""
    debt_usd: float
    bad_debt_usd: float
    """What their collateral there does not cover."""


@dataclass(frozen=True, slots=True)
class Effort:
    """What the scan took."""

    requests: int
    seconds: float
    storage: str
    """How cells were read: `eth_getStorageValues`, `storage program`, or `view calls`."""
    calls: str
    """How view calls were bundled."""
    bytes_per_account: int
    """Of the book in memory."""
    peak_bytes: int
    """The process's largest resident size."""
    decided_exactly: int
    """Accounts that the float screen left open or that stand listed with exact figures."""


@dataclass(frozen=True, slots=True)
class Scan:
    """A venue's whole book at one block."""

    venue: str
    block: BlockRef
    completeness: Completeness
    accounts: tuple[ScannedAccount, ...]
    """The riskiest first: ascending health factor; then those that could not be read; those without debt last."""
    curve: tuple[CurvePoint, ...]
    effort: Effort
    warnings: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """As `check`: 2 liquidatable, 3 unread or incomplete, 1 warning or danger, 0 ok."""
        raise NotImplementedError
