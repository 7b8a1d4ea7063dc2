"""What a vault is after its owner repaid or deposited, as the Vat books it; or why it refuses.

Source: makerdao/dss vat.sol (frob), join.sol; makerdao/dss-proxy-actions DssProxyActions.sol (wipe: how much
`art` an amount of DAI pays off). Nothing is dripped: the owner is free not to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from margin.basics import Unread
from margin.mending import Change, Deed, Refused
from margin.units import RAY, UINT256_MAX, mul_div_up
from protocols.maker.state import Gem, Ilk, Vault
from protocols.maker.venue import Market

_MOST = 2**127
"""Wads of collateral: more than there is of anything."""


def changed(market: Market, account: Vault, changes: Sequence[Change]) -> Vault | Refused:
    """The vault after these changes at the market's timestamp; the Vat's own figures of it are gone."""
    ilk = market.ilk_of(account)
    account = replace(account, stored=None)
    for change in changes:
        if not market.system.vat_live:
            return Refused("the Vat is shut down")
        if change.deed is Deed.REPAY:
            after = _repaid(market.system.dai, account, ilk, change)
        else:
            after = _deposited(account, ilk, change)
        if isinstance(after, Refused):
            return after
        account = after
    return account


def _repaid(dai: Gem, account: Vault, ilk: Ilk, change: Change) -> Vault | Refused:
    if change.token != dai.token:
        return Refused(f"{change.token} is not what the vault owes")
    if not account.art:
        return Refused("no DAI is owed")
    dart = min(account.art, change.amount_raw * RAY // ilk.rate_ray)
    if dart <= 0:
        return Refused("less than one unit of normalised debt", too_small=True)
    after = replace(account, art=account.art - dart)
    if not _dusty(after, ilk):
        return after
    if _dusty(account, ilk):
        return Refused("DAI debt is below the least the Vat keeps: only all of it can be repaid")
    least_art = mul_div_up(ilk.dust_rad, 1, ilk.rate_ray)
    most_raw = _exactly_below(account.art - least_art, ilk.rate_ray)
    return Refused("DAI debt would be left below the least the Vat keeps", most_raw=most_raw)


def _exactly_below(dart: int, rate_ray: int) -> int:
    """The largest amount of DAI that still pays off no more than so much normalised debt."""
    return ((dart + 1) * rate_ray - 1) // RAY if dart > 0 else 0


def _deposited(account: Vault, ilk: Ilk, change: Change) -> Vault | Refused:
    gem = ilk.gem
    if isinstance(gem, Unread) or change.token != gem.token:
        return Refused(f"{change.token} is not the vault's collateral")
    if change.amount_raw <= 0:
        return Refused("an amount of zero", too_small=True)
    if _dusty(account, ilk):
        return Refused("DAI debt is below the least the Vat keeps: nothing but repaying all of it is taken")
    after = replace(account, ink=account.ink + change.amount_raw * gem.scale)
    most = min(_MOST, UINT256_MAX // max(1, ilk.spot_ray))
    if after.ink > most:
        return Refused(
            "more collateral than the Vat can value", most_raw=max(0, most - account.ink) // gem.scale
        )
    return after


def _dusty(account: Vault, ilk: Ilk) -> bool:
    """Whether it owes something, and less than the Vat lets anybody owe."""
    return 0 < account.art * ilk.rate_ray < ilk.dust_rad
