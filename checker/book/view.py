"""What `scan` shows of a venue, as values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from checker.bands import EXIT_CODE, Band, worst
from margin.basics import Address, BlockRef, Unread

NEARLY = 99.99999999
"""The largest percentage of a book that is not complete: so much is never rounded up to 100."""
_BELOW_ONE = math.nextafter(1.0, 0.0)


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
    """Everything supplied, as `check` shows it; `None` where a part of it can not be valued."""
    debt_usd: float | None
    agrees: bool | None
    """Whether the protocol's own view at the same block is the same; `None` where it was not asked."""
    blocked: str | None
    """Why nobody can liquidate a liquidatable account now."""
    unread: Unread | None


def health_of(account: ScannedAccount) -> float | None:
    """The health factor; one below the edge is never rounded up to it."""
    value = account.health_factor
    if value is None or account.support_raw is None or account.requirement_raw is None:
        return value
    return min(value, _BELOW_ONE) if account.support_raw < account.requirement_raw else value


def by_risk(account: ScannedAccount) -> tuple[int, float, str]:
    """The order of a book: ascending health factor, then what could not be read, then those without debt."""
    if account.health_factor is not None:
        return 0, account.health_factor, account.account
    return (2 if account.unread is None else 1), 0.0, account.account


@dataclass(frozen=True, slots=True)
class Difference:
    """One kind of holding of one reserve of which the book has not what the chain says exists."""

    token: Address
    symbol: str
    kind: str
    """`supply`, `debt` or `stable debt`."""
    book_raw: int
    chain_raw: int

    @property
    def percent(self) -> float:
        """The share found: below 100 also where the book has too much."""
        low, high = sorted((self.book_raw, self.chain_raw))
        return min(100 * low / high, NEARLY)


@dataclass(frozen=True, slots=True)
class ReserveTotal:
    """What the accounts found add up to, against what the chain says exists: scaled units."""

    token: Address
    symbol: str
    book_supply_raw: int | None
    """`None` where the chain nowhere adds supplies up."""
    chain_supply_raw: int | None
    book_debt_raw: int
    chain_debt_raw: int
    book_stable_raw: int | None
    """Stable-rate principal; `None` where there is no such debt in this version."""
    chain_stable_raw: int | None
    stable_is_exact: bool = True
    """False where the protocol's own total drifts from its accounts' principals: it is not compared then."""
    debt_is_exact: bool = True
    """The same of the debt."""

    @property
    def percent(self) -> float:
        """The smaller share found, 100.0 only where nothing is missing (and nothing is too much)."""
        return min((each.percent for each in self.differences), default=100.0)

    @property
    def differences(self) -> tuple[Difference, ...]:
        """What is missing, or too much; none where the book is complete."""
        return tuple(
            Difference(self.token, self.symbol, kind, book_raw, chain_raw)
            for kind, book_raw, chain_raw in self._compared()
            if book_raw != chain_raw
        )

    def _compared(self) -> Iterator[tuple[str, int, int]]:
        if self.book_supply_raw is not None and self.chain_supply_raw is not None:
            yield "supply", self.book_supply_raw, self.chain_supply_raw
        if self.debt_is_exact:
            yield "debt", self.book_debt_raw, self.chain_debt_raw
        if self.stable_is_exact:
            # A side that is not known is no zero, but nothing has been proven to be there either.
            yield "stable debt", self.book_stable_raw or 0, self.chain_stable_raw or 0


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
        return not self.differences

    @property
    def differences(self) -> tuple[Difference, ...]:
        """What is missing, or too much, over all reserves."""
        return tuple(each for reserve in self.reserves for each in reserve.differences)


@dataclass(frozen=True, slots=True)
class BandTotal:
    """The accounts of one band together."""

    band: Band
    accounts: int
    collateral_usd: float | None
    """`None` where it is not known of one of them."""
    debt_usd: float | None


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) if len(known) == len(values) else None


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
    unknown: int = 0
    """Accounts that could not be judged there, and are in none of the above."""


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
    """The riskiest first, as `by_risk` orders them: without debt last."""
    curve: tuple[CurvePoint, ...]
    effort: Effort
    warnings: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """As `check`: 2 liquidatable, 3 unread or incomplete, 1 warning or danger, 0 ok."""
        band = worst(account.band for account in self.accounts)
        if self.liquidatable:
            band = Band.LIQUIDATABLE
        elif self.unread or not self.completeness.is_complete:
            band = worst((band, Band.UNKNOWN))
        return EXIT_CODE[band]

    @property
    def liquidatable(self) -> int:
        """How many accounts meet the protocol's test, also where nobody can liquidate them now."""
        return sum(account.liquidatable is True for account in self.accounts)

    @property
    def unread(self) -> tuple[ScannedAccount, ...]:
        """The accounts that could not be read or decided."""
        return tuple(account for account in self.accounts if account.unread is not None)

    @property
    def disagreements(self) -> tuple[ScannedAccount, ...]:
        """The accounts of which the protocol's own view says something else; a matter for alarm."""
        return tuple(account for account in self.accounts if account.agrees is False)

    @property
    def bands(self) -> tuple[BandTotal, ...]:
        """The bands that have accounts, the worst first."""
        found: dict[Band, list[ScannedAccount]] = {}
        for account in self.accounts:
            found.setdefault(account.band, []).append(account)
        return tuple(
            BandTotal(
                band,
                len(accounts),
                _sum([account.collateral_usd for account in accounts]),
                _sum([account.debt_usd for account in accounts]),
            )
            for band, accounts in sorted(found.items(), reverse=True)
        )
