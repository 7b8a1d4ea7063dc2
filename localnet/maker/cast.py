"""Who lives on the standard market, one for each way of holding a vault and each kind of fate.

    safe         ETH-B in the Vat itself, far from liquidation
    edge         ETH-C, within two per cent of it
    managed      ETH-B and LINK-A through the CDP manager
    proxied      ETH-C through a DSProxy and the manager; `proxied_proxy` is the proxy
    unsafe       YFI-A, liquidatable: its price fell and was poked
    stale        LINK-A, liquidatable once somebody pokes: the pip's price fell, the Vat's spot has not
    underwater   ETH-B, collateral worth less than the debt
    old          ETH-A and WBTC-A, which the Dog does not know
    no_debt      ETH-B, collateral alone
    nobody       nothing at all

Weeks pass while they live; fees are booked now and then.
"""

from __future__ import annotations

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from localnet.maker.market import DOG_ILKS, RAD, WAD, Market, word_of
from margin.basics import Address

DAY = 86_400
_ROOM = 10**9 * RAD
"""Debt ceilings and auction limits, so that nobody is turned away by the test chain's small ones."""


def wallet(name: str) -> Address:
    """The address that belongs to a name: nobody has its key."""
    return Address(to_checksum_address(keccak(text=f"crossmargin localnet maker {name}")[12:]))


def make_room(market: Market) -> None:
    """Ceilings and limits far away."""
    market.file(market.vat, "Line", 100 * _ROOM)
    market.file(market.dog, "Hole", _ROOM)
    for ilk in (*DOG_ILKS, "ETH-A", "WBTC-A"):
        market.file(market.vat, ilk, "line", _ROOM)
        market.drip(ilk)
    for ilk in DOG_ILKS:
        market.file(market.dog, ilk, "hole", _ROOM)


def borrowable(market: Market, ilk: str, ink: int) -> int:
    """The most `art` that so much collateral carries, as the Vat stands."""
    _, rate, spot, _, _ = market.vat.call("ilks", word_of(ilk))
    return ink * int(spot) // int(rate)


def play(market: Market) -> dict[str, Address]:
    """Lets the cast live; name → address, also kept in `market.cast`."""
    join = market.cast.setdefault
    for name in ("safe", "edge", "managed", "proxied", "unsafe", "stale", "underwater", "old", "no_debt"):
        join(name, wallet(name))
    join("nobody", wallet("nobody"))
    cast = market.cast
    _direct(market, cast["safe"], "ETH-B", 50 * WAD, 30)
    _direct(market, cast["no_debt"], "ETH-B", 7 * WAD, 0)
    market.warp(6 * DAY)
    market.drip("ETH-B")
    for ilk, ink, percent in (("ETH-B", 40 * WAD, 60), ("LINK-A", 900 * WAD, 70)):
        market.open_vault(ilk, cast["managed"], ink, borrowable(market, ilk, ink) * percent // 100)
    cast["proxied_proxy"] = market.build_proxy(cast["proxied"])
    ink = 12 * WAD
    market.open_vault("ETH-C", cast["proxied_proxy"], ink, borrowable(market, "ETH-C", ink) * 80 // 100)
    market.warp(9 * DAY)
    for ilk in DOG_ILKS:
        market.drip(ilk)
    _direct(market, cast["old"], "ETH-A", 20 * WAD, 50)
    _direct(market, cast["old"], "WBTC-A", 3 * WAD, 50)
    _direct(market, cast["unsafe"], "YFI-A", 2 * WAD, 99)
    _direct(market, cast["stale"], "LINK-A", 1_000 * WAD, 97)
    market.warp(3 * DAY)
    market.set_price("YFI-A", 12_400 * WAD)
    market.set_price("LINK-A", 860 * WAD // 100, poke=False)
    market.set_price("ETH-B", 301 * WAD)
    _direct(market, cast["underwater"], "ETH-B", 9 * WAD, 99)
    market.set_price("ETH-B", 147 * WAD)
    market.poke("ETH-C")
    market.poke("ETH-A")
    _direct(market, cast["edge"], "ETH-C", 25 * WAD, 98)
    market.warp(DAY // 2)
    return cast


def _direct(market: Market, owner: Address, ilk: str, ink: int, percent: int) -> None:
    market.frob(owner, ilk, ink, borrowable(market, ilk, ink) * percent // 100)
