"""What was read of Maker's system at one block: its ilks, and the vaults themselves."""

from __future__ import annotations

from dataclasses import dataclass, field

from margin.account import AccountKey
from margin.basics import Address, Unread
from margin.prices import FeedKey


@dataclass(frozen=True, slots=True)
class Gem:
    """The token behind an ilk."""

    token: Address
    symbol: str
    decimals: int

    @property
    def scale(self) -> int:
        """Wads of collateral in the Vat to one raw unit of the token."""
        return int(10 ** (18 - self.decimals))


@dataclass(frozen=True, slots=True)
class Clip:
    """The auction house of an ilk, as far as it can turn a `bark` away."""

    address: Address
    stopped: int
    """1 and above: no new auction."""
    knows_dog: bool
    """Whether the Dog may start auctions there."""
    buf_ray: int
    """The first price of an auction over the pip's."""


@dataclass(frozen=True, slots=True)
class Delayed:
    """What an oracle security module holds back."""

    next_raw: int | None
    """The price that comes next, a wad; `None` where that one is void."""
    at: int
    """The first second at which anyone may bring it in."""
    source: Address


@dataclass(frozen=True, slots=True)
class Ilk:
    """One type of collateral with its terms, at the block."""

    word: bytes
    """Its name as the contracts hold it: 32 bytes."""
    name: str
    gem: Gem | Unread
    total_art: int
    rate_ray: int
    spot_ray: int
    line_rad: int
    dust_rad: int
    pip: Address
    mat_ray: int
    duty_ray: int
    rho: int
    chop_wad: int
    hole_rad: int
    dirt_rad: int
    clip: Clip | None
    """`None` where the Dog has no auctions for it (an old ilk, or one being wound down)."""
    quote: FeedKey | Unread
    """The feed; or why the pip gives no price now. Then `Spotter.poke` is not assumed."""
    delayed: Delayed | None = None


@dataclass(frozen=True, slots=True)
class Stored:
    """The Vat's own figures of one vault, as its views gave them."""

    ink: int
    art: int
    spot_ray: int
    rate_ray: int


@dataclass(frozen=True, slots=True)
class Vault:
    """One urn in one ilk."""

    key: AccountKey
    ilk: bytes
    """Its 32 bytes."""
    urn: Address
    ink: int
    """Locked collateral, wad."""
    art: int
    """Normalised debt, wad: owed is `art` times the rate."""
    cdp: int | None = field(default=None, compare=False)
    """Its number at the CDP manager, where that holds it."""
    proxy: Address | None = field(default=None, compare=False)
    """Through which of the owner's proxies."""
    stored: Stored | None = None
    """`None` where the Vat was not asked again."""


@dataclass(frozen=True, slots=True)
class System:
    """Where Maker's contracts stand, and what holds for all ilks."""

    vat: Address
    spotter: Address
    jug: Address
    dog: Address
    manager: Address
    proxy_registry: Address | None
    dai: Gem
    vat_live: bool
    dog_live: bool
    par_ray: int
    base_ray: int
    vow_dai_rad: int
    """What the system itself has, which fees go to."""
    hole_rad: int
    dirt_rad: int
