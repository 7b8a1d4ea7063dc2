"""A market as one meets it in production: reserves, e-modes, liquidity and interest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from localnet.aave_v3.listing import Curve
from localnet.aave_v3.market import Market
from margin.basics import Address

ETH_EMODE = 1
STABLE_EMODE = 2
STAKED_EMODE = 3
"""Before v3.2 this e-mode has a price source of its own, so its assets have one common price."""
ISOLATED_EMODE = 4
"""v3.7 only, in place of the isolation mode that earlier versions have."""

WHALE_USD = 50_000_000


@dataclass(frozen=True, slots=True)
class Listing:
    """One line of the market's table."""

    symbol: str
    decimals: int
    price_raw: int
    """USD, 8 decimals."""
    used_percent: int
    """How much of the supply the whale borrower takes."""
    terms: dict[str, Any] = field(default_factory=dict)
    """What differs from `list_reserve`'s defaults."""


def _terms(ltv: int, threshold: int, bonus: int, fee: int, **more: object) -> dict[str, Any]:
    names = ("ltv", "liquidation_threshold", "liquidation_bonus", "protocol_fee")
    return dict(zip(names, (ltv, threshold, bonus, fee), strict=True)) | more


_STABLE = Curve(optimal_usage=90_00, slope1=5_50, slope2=60_00)
_VOLATILE = Curve(optimal_usage=45_00, slope1=7_00, slope2=300_00)

LISTINGS = (
    Listing("WETH", 18, 2034_56789012, 62, _terms(80_50, 83_00, 105_00, 10_00, curve=Curve(slope1=2_70))),
    Listing("wstETH", 18, 2361_08642135, 6, _terms(78_50, 81_00, 106_00, 10_00, curve=_VOLATILE)),
    Listing("cbETH", 18, 2180_24680246, 10, _terms(74_50, 77_00, 107_50, 10_00, curve=_VOLATILE)),
    Listing("rETH", 18, 2243_13572468, 12, _terms(74_50, 77_00, 107_50, 10_00, curve=_VOLATILE)),
    Listing("WBTC", 8, 61728_39450617, 15, _terms(73_00, 78_00, 106_25, 10_00, curve=_VOLATILE)),
    Listing("USDC", 6, 99987654, 81, _terms(75_00, 78_00, 104_50, 10_00, curve=_STABLE)),
    Listing("DAI", 18, 1_00012345, 74, _terms(63_00, 77_00, 105_00, 20_00, curve=_STABLE)),
    Listing("LINK", 18, 14_80246913, 9, _terms(66_00, 71_00, 107_00, 10_00, curve=_VOLATILE)),
    Listing("CRV", 18, 61728395, 20, _terms(49_00, 55_00, 108_30, 20_00, curve=_VOLATILE)),
    Listing("SNX", 18, 3_20987654, 25, _terms(49_00, 65_00, 108_50, 20_00, curve=_VOLATILE)),
    Listing("EURS", 2, 1_08024691, 30, _terms(65_00, 70_00, 107_50, 10_00, curve=_STABLE)),
)

SNX_DEBT_CEILING = 5_000_000_00
"""USD, 2 decimals."""


def wallet(name: str) -> Address:
    """The address that belongs to a name: nobody has its key."""
    return Address(to_checksum_address(keccak(text=f"crossmargin localnet wallet {name}")[12:]))


def raw_of(market: Market, symbol: str, usd: float) -> int:
    """About that many dollars' worth of an asset at its feed's price, raw token units."""
    price = int(market.feed(symbol).call("latestAnswer"))
    return round(usd * 10**8) * market.reserves[symbol].unit // price


def list_all(market: Market) -> None:
    """Lists every reserve the version can have, and its e-modes."""
    version = market.core.version
    for line in LISTINGS:
        if line.decimals < 6 and not version.stable_rate:
            continue  # later versions refuse tokens of fewer than 6 decimals
        terms = dict(line.terms)
        if line.symbol == "SNX" and version.isolation_mode:
            terms["debt_ceiling"] = SNX_DEBT_CEILING
        if line.symbol in ("USDC", "DAI"):
            terms["borrowable_in_isolation"] = True
            terms["stable_rate"] = version.stable_rate
        market.list_reserve(line.symbol, line.decimals, line.price_raw, **terms)
    _make_emodes(market)


def _make_emodes(market: Market) -> None:
    version = market.core.version
    source = None
    if not version.liquid_emodes:
        source = wallet("staked ether price")
        market.set_price_source(source, market.new_feed("staked ETH / USD", 2201_23456789))
    eth, stable, staked = ("WETH", "wstETH"), ("USDC", "DAI"), ("cbETH", "rETH")
    for category, label, assets, price, ltv, threshold, bonus in (
        (ETH_EMODE, "ETH correlated", eth, None, 93_00, 95_00, 101_00),
        (STABLE_EMODE, "Stablecoins", stable, None, 90_00, 93_00, 101_00),
        (STAKED_EMODE, "Staked ether", staked, source, 90_00, 93_00, 102_00),
    ):
        market.set_emode(
            category,
            ltv=ltv,
            liquidation_threshold=threshold,
            liquidation_bonus=bonus,
            label=label,
            price_source=price,
            collateral=assets,
            borrowable=assets,
        )
    if not version.isolation_mode:
        market.set_emode(
            ISOLATED_EMODE,
            ltv=49_00,
            liquidation_threshold=65_00,
            liquidation_bonus=108_50,
            label="SNX isolated",
            collateral=["SNX"],
            borrowable=["USDC"],
            isolated=True,
        )


def add_liquidity(market: Market) -> None:
    """A whale supplies every reserve, another borrows from every reserve: interest runs."""
    whale, borrower = wallet("whale"), wallet("whale_borrower")
    market.cast |= {"whale": whale, "whale_borrower": borrower}
    market.supply(borrower, "WETH", raw_of(market, "WETH", 20 * WHALE_USD))
    for line in LISTINGS:
        if line.symbol in market.reserves:
            market.supply(whale, line.symbol, raw_of(market, line.symbol, WHALE_USD))
    for line in LISTINGS:
        if line.symbol in market.reserves:
            share = 21 * line.used_percent if line.symbol == "WETH" else line.used_percent
            market.borrow(borrower, line.symbol, raw_of(market, line.symbol, WHALE_USD * share / 100))
