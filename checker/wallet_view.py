"""One wallet over all its accounts: sums for exposure and ranking; the verdicts stay per account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from checker.account_view import AccountView, view
from checker.bands import EXIT_CODE, Band, worst
from checker.config import Wallet
from checker.snapshot import ChainReading
from margin.basics import Address, BlockRef, Unread


@dataclass(frozen=True, slots=True)
class UnreadItem:
    """What could not be read of a wallet, and why."""

    venue: str
    """The venue's id, or the chain's name where no venue of it is known."""
    account: str | None
    """`None` when the venue as a whole could not be read."""
    unread: Unread


@dataclass(frozen=True, slots=True)
class Exposure:
    """What a wallet gains when a factor rises, in US dollars; `None` where a part could not be valued."""

    factor: str
    long_usd: float | None
    short_usd: float | None

    @property
    def net_usd(self) -> float | None:
        """Long minus short."""
        if self.long_usd is None or self.short_usd is None:
            return None
        return self.long_usd - self.short_usd


@dataclass(frozen=True, slots=True)
class WalletView:
    """A wallet as a person sees it."""

    wallet: Address
    """The first of its addresses."""
    label: str | None
    addresses: tuple[Address, ...]
    band: Band
    accounts: tuple[AccountView, ...]
    unread: tuple[UnreadItem, ...]
    collateral_usd: float | None
    debt_usd: float | None
    exposures: tuple[Exposure, ...]

    @property
    def equity_usd(self) -> float | None:
        """Everything supplied minus everything owed."""
        if self.collateral_usd is None or self.debt_usd is None:
            return None
        return self.collateral_usd - self.debt_usd


@dataclass(frozen=True, slots=True)
class Report:
    """One check: every wallet asked for, in that order, each chain at one block."""

    blocks: tuple[BlockRef, ...]
    wallets: tuple[WalletView, ...]
    warnings: tuple[str, ...] = ()
    """What a person should know beside it, one line each."""
    requests: int = 0
    """HTTP requests made."""

    @property
    def band(self) -> Band:
        """The worst wallet's."""
        return worst(wallet.band for wallet in self.wallets)

    @property
    def exit_code(self) -> int:
        """2 liquidatable, 3 unknown, 1 warning or danger, 0 ok: the worst wallet's."""
        return EXIT_CODE[self.band]


def wallet_view(wallet: Wallet, readings: Sequence[ChainReading]) -> WalletView:
    """The view of a wallet over everything that was read."""
    accounts: list[AccountView] = []
    unread: list[UnreadItem] = []
    for reading in readings:
        if reading.unread is not None and not reading.venues:
            unread.append(UnreadItem(reading.chain, None, reading.unread))
        for venue in reading.venues:
            place, book = venue.place, venue.book
            if isinstance(book, Unread):
                unread.append(UnreadItem(place.id, None, book))
                continue
            for address in wallet.addresses:
                for account in book.accounts[address]:
                    seen = view(
                        book.venue,
                        place.config,
                        place.adapter.protocol,
                        account,
                        wallet.bands,
                        reading.dollars,
                        reading.sources,
                    )
                    accounts.append(seen)
                    unread += [UnreadItem(place.id, seen.key.account, u) for u in seen.unread]
    complete = not unread and all(account.no_dollars is None for account in accounts)
    return WalletView(
        wallet=wallet.addresses[0],
        label=wallet.label,
        addresses=wallet.addresses,
        band=worst([account.band for account in accounts] + [Band.UNKNOWN] * bool(unread)),
        accounts=tuple(accounts),
        unread=tuple(unread),
        collateral_usd=sum((a.collateral_usd or 0.0 for a in accounts), 0.0) if complete else None,
        debt_usd=sum((a.debt_usd or 0.0 for a in accounts), 0.0) if complete else None,
        exposures=_exposures(accounts, complete=complete),
    )


def _exposures(accounts: Sequence[AccountView], *, complete: bool) -> tuple[Exposure, ...]:
    """By factor, in alphabetical order: collateral is long, debt is short."""
    long: dict[str, float] = {}
    short: dict[str, float] = {}
    for account in accounts:
        for legs, side in ((account.collateral or (), long), (account.debt or (), short)):
            for leg in legs:
                factor = account.factors[leg.token]
                side[factor] = side.get(factor, 0.0) + (account.usd(leg.value_raw) or 0.0)
    factors = sorted({*long, *short})
    if not complete:
        return tuple(Exposure(factor, None, None) for factor in factors)
    return tuple(Exposure(factor, long.get(factor, 0.0), short.get(factor, 0.0)) for factor in factors)
