"""What was read of an Aave v3 pool at one block: reserves, e-modes, and the accounts themselves."""

from __future__ import annotations

from dataclasses import dataclass

from margin.account import AccountKey
from margin.basics import Address, Unread
from protocols.aave_common.quotes import Quote


@dataclass(frozen=True, slots=True)
class Configuration:
    """A reserve's configuration word, decoded.

    Source: aave/aave-v3-core 1.19.3 and aave-dao/aave-v3-origin v3.1.0 … v3.7,
    ReserveConfiguration.sol (masks and bit positions).
    """

    ltv_bps: int
    threshold_bps: int
    bonus_bps: int
    decimals: int
    active: bool
    frozen: bool
    paused: bool
    protocol_fee_bps: int
    emode_category: int
    """Before v3.2 the one e-mode of the reserve; later unused."""
    debt_ceiling: int
    """Isolation mode's ceiling, two decimals; not 0 makes the asset an isolated collateral (to v3.6)."""
    virtual_accounting: bool
    """v3.1 to v3.3; without meaning elsewhere."""
    reserve_factor_bps: int = 0
    """The treasury's share of the interest."""
    borrow_cap: int = 0
    """In whole tokens, as the next; 0 is none."""
    supply_cap: int = 0

    @classmethod
    def decode(cls, word: int) -> Configuration:
        """From the 256-bit word `getReserveData` gives first."""

        def bits(start: int, count: int) -> int:
            return word >> start & (1 << count) - 1

        return cls(
            ltv_bps=bits(0, 16),
            threshold_bps=bits(16, 16),
            bonus_bps=bits(32, 16),
            decimals=bits(48, 8),
            active=bool(bits(56, 1)),
            frozen=bool(bits(57, 1)),
            paused=bool(bits(60, 1)),
            protocol_fee_bps=bits(152, 16),
            emode_category=bits(168, 8),
            debt_ceiling=bits(212, 40),
            virtual_accounting=bool(bits(252, 1)),
            reserve_factor_bps=bits(64, 16),
            borrow_cap=bits(80, 36),
            supply_cap=bits(116, 36),
        )


@dataclass(frozen=True, slots=True)
class Supplied:
    """What counts towards a reserve's supply cap, in scaled units."""

    supply_scaled: int
    treasury_scaled: int
    """Accrued to the treasury at the last state update, and not yet minted."""
    debt_scaled: int
    """All variable debt: a share of its interest is the treasury's next."""


@dataclass(frozen=True, slots=True)
class Reserve:
    """One asset of the pool, as its last state update left it."""

    id: int
    token: Address
    symbol: str
    a_token: Address
    stable_debt_token: Address
    variable_debt_token: Address
    configuration: Configuration
    liquidity_index_ray: int
    liquidity_rate_ray: int
    """Per year, simple between updates."""
    variable_index_ray: int
    variable_rate_ray: int
    """Per year, compounded each second."""
    updated_at: int
    """Timestamp of the last state update."""
    grace_until: int
    """No liquidation touches the reserve up to and including this timestamp; 0 without a grace period."""
    quote: Quote | Unread
    supplied: Supplied | None = None
    """Read where there is a supply cap."""

    @property
    def unit(self) -> int:
        """One whole token in raw units."""
        return 10**self.configuration.decimals  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class EMode:
    """One efficiency mode."""

    id: int
    label: str
    threshold_bps: int
    bonus_bps: int
    collateral_bitmap: int
    """From v3.2: bit i says that reserve i is a collateral of it; 0 before."""
    price_source: Address
    """Before v3.2: the asset whose oracle price replaces that of every asset in the mode; zero if none."""
    quote: Quote | Unread | None
    """Its price; `None` without a source of its own."""
    ltv_bps: int = 0


@dataclass(frozen=True, slots=True)
class StableDebt:
    """A stable-rate borrowing (to v3.1)."""

    principal: int
    rate_ray: int
    updated_at: int


@dataclass(frozen=True, slots=True)
class Position:
    """What one account has in one reserve, in scaled units (amount over index)."""

    reserve: int
    supply_scaled: int
    debt_scaled: int
    stable: StableDebt | None


@dataclass(frozen=True, slots=True)
class Reported:
    """`Pool.getUserAccountData` at the block, in the pool's own words."""

    collateral_raw: int
    debt_raw: int
    threshold_bps: int
    health_factor_wad: int
    """2**256 − 1 without debt."""


@dataclass(frozen=True, slots=True)
class AaveAccount:
    """One user of the pool, with everything the verdict needs that is the user's own."""

    key: AccountKey
    configuration: int
    """Bit 2i: borrows reserve i. Bit 2i+1: reserve i is enabled as collateral."""
    emode: int
    positions: tuple[Position, ...]
    """By reserve id; only reserves with a balance or a flag."""
    reported: Reported | None
    """The pool's own view; `None` where it was not asked (a whole book is read from storage)."""

    def borrows(self, reserve: int) -> bool:
        """Whether the borrowing flag of the reserve is set."""
        return bool(self.configuration >> 2 * reserve & 1)

    def uses_as_collateral(self, reserve: int) -> bool:
        """Whether the collateral flag of the reserve is set."""
        return bool(self.configuration >> 2 * reserve + 1 & 1)


@dataclass(frozen=True, slots=True)
class Sentinel:
    """The L2 sequencer sentinel: holds liquidations back after the sequencer was down (to v3.6)."""

    address: Address
    read_at: int
    """Timestamp of the block."""
    allowed_then: bool
    """`isLiquidationAllowed()` at that block."""
    sequencer_up: bool
    counts_from: int | None
    """The moment its grace period runs from; `None` if neither time the sequencer's feed gives
    explains what it allowed at the block."""
    grace_s: int

    def allows_liquidation(self, at: int) -> bool:
        """What it says at the block, and what it would say later; allowed where that is not known.

        Source: PriceOracleSentinel._isUpAndGracePeriodPassed. It counts from the feed's `updatedAt`
        in aave-v3-core 1.19.3 and from `startedAt` in aave-v3-origin v3.1.0 … v3.6.0; an upgraded
        pool can keep its old sentinel, so its own answer tells which (see `read_market`).
        """
        if at == self.read_at:
            return self.allowed_then
        if self.counts_from is None:
            return True
        return self.sequencer_up and at - self.counts_from > self.grace_s
