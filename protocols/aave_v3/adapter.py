"""Aave v3 as the rest of the project sees it: an adapter, and a venue at one block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

from chain.reader import Reader
from margin.account import AccountKey
from margin.basics import Address
from margin.units import UINT256_MAX
from protocols.aave_v3 import liquidation
from protocols.aave_v3.read_accounts import read_accounts
from protocols.aave_v3.read_market import PROVIDER, Quotes, read_market
from protocols.aave_v3.state import AaveAccount
from protocols.aave_v3.venue import Market
from protocols.base import Audit, Book, VenueConfig, Verified


@dataclass(frozen=True, slots=True)
class AaveVenue(Market):
    """A pool at one block that can read accounts and say what the engine asks of any venue."""

    config: VenueConfig

    def read(self, reader: Reader, owners: Sequence[Address]) -> Book[AaveAccount]:
        """The account of each owner, in bulk; see `read_accounts`."""
        if reader.block != self.block:
            raise ValueError("accounts are read at the venue's own block")
        quotes = Quotes(reader, self.oracle, self.config, self.feeds)
        venue, accounts = read_accounts(self, reader, owners, quotes)
        return Book(venue, accounts)

    def key(self, account: AaveAccount) -> AccountKey:
        """The user's address is the account."""
        return account.key

    def audit(self, account: AaveAccount) -> Audit:
        """Ours against `getUserAccountData`: collateral, debt, average threshold and health factor."""
        ours = self.verdict(account)
        said = account.reported
        health = UINT256_MAX if ours.health_factor_wad is None else ours.health_factor_wad
        return Audit(
            reported={
                "healthFactor": str(said.health_factor_wad),
                "totalCollateralBase": str(said.collateral_raw),
                "totalDebtBase": str(said.debt_raw),
                "currentLiquidationThreshold": str(said.threshold_bps),
            },
            agrees=(health, ours.assets_raw, ours.liabilities_raw, self.average_threshold_bps(ours))
            == (said.health_factor_wad, said.collateral_raw, said.debt_raw, said.threshold_bps),
        )

    def reported_liquidatable(self, account: AaveAccount) -> bool:
        """Whether the pool's own view puts the account below the edge."""
        return account.reported.health_factor_wad < 10**18

    def blocked(self, account: AaveAccount) -> str | None:
        """See `liquidation.blocked`."""
        return liquidation.blocked(self, account)

    def notes(self, account: AaveAccount) -> Iterator[str]:
        """E-mode, isolation mode, and reserves of the account that are paused, frozen or at zero LTV."""
        if account.emode:
            yield f"e-mode {self.emodes[account.emode].label or account.emode}"
        for position in account.positions:
            reserve = self.reserves[position.reserve]
            configuration = reserve.configuration
            isolating = self.rules.isolation_mode and configuration.debt_ceiling
            if isolating and account.uses_as_collateral(reserve.id):
                yield f"isolation mode on {reserve.symbol}"
            if configuration.paused:
                yield f"{reserve.symbol} is paused"
            elif configuration.frozen:
                yield f"{reserve.symbol} is frozen"
            if not configuration.ltv_bps and account.uses_as_collateral(reserve.id):
                yield f"{reserve.symbol} has zero LTV"


class AaveV3:
    """See `protocols.base.Adapter`."""

    protocol = "aave-v3"
    address_keys = (PROVIDER,)
    verified = (
        Verified("genuine contracts", "v3.0.2 and v3.2, as their registries ship them", "2026-11-23"),
        Verified(
            "genuine contracts",
            "v3.1 e627c742, v3.3 5431379f, v3.4 d7a64127, v3.5 6138e1fd, v3.6 5a230ec8, v3.7 fd1fbd91, "
            "built from aave-dao/aave-v3-origin",
            "2026-11-23",
        ),
    )

    def open(self, reader: Reader, config: VenueConfig) -> AaveVenue:
        """The pool behind the addresses provider, at the reader's block."""
        market = read_market(reader, config)
        return AaveVenue(**{f.name: getattr(market, f.name) for f in fields(market)}, config=config)


ADAPTER = AaveV3()
