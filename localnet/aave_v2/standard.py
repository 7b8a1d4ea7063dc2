"""An Aave v2 market as one meets it in production: reserves, liquidity and interest."""

from __future__ import annotations

from dataclasses import dataclass

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from localnet.aave_v2.listing import Curve
from localnet.aave_v2.market import Market
from margin.basics import Address

WHALE_ETH = 50_000


@dataclass(frozen=True, slots=True)
class Listing:
    """One line of the market's table; terms in bps."""

    symbol: str
    decimals: int
    price_wei: int
    used_percent: int
    """How much of the supply the whale borrower takes."""
    ltv: int
    threshold: int
    bonus: int
    stable_rate: int = 0
    curve: Curve | None = None


_STABLE = Curve(optimal_usage=90_00, slope1=4_00, slope2=60_00)
_VOLATILE = Curve(optimal_usage=45_00, slope1=7_00, slope2=300_00)

LISTINGS = (
    Listing("WETH", 18, 10**18, 62, 80_00, 82_50, 105_00, 3_00, Curve(optimal_usage=65_00, slope1=8_00)),
    Listing("stETH", 18, 998_765_432_109_876_543, 5, 69_00, 81_00, 107_50, 0, _VOLATILE),
    Listing("WBTC", 8, 30_339_876_543_210_987_654, 15, 70_00, 75_00, 106_50, 3_00, _VOLATILE),
    Listing("USDC", 6, 491_435_678_901_234, 81, 80_00, 85_00, 104_50, 4_00, _STABLE),
    Listing("DAI", 18, 491_567_890_123_456, 74, 75_00, 80_00, 105_00, 4_00, _STABLE),
    Listing("LINK", 18, 7_276_543_210_987_654, 9, 70_00, 75_00, 107_50, 3_00, _VOLATILE),
    Listing("CRV", 18, 303_456_789_012_345, 20, 40_00, 50_00, 108_50, 3_00, _VOLATILE),
    # Borrowed against other assets, never collateral itself, as it was listed.
    Listing("GUSD", 2, 491_234_567_890_123, 40, 0, 0, 0, 0, _STABLE),
)


def wallet(name: str) -> Address:
    """The address that belongs to a name: nobody has its key."""
    return Address(to_checksum_address(keccak(text=f"crossmargin localnet wallet {name}")[12:]))


def raw_of(market: Market, symbol: str, ether: float) -> int:
    """About that much ether's worth of an asset at the oracle's price, raw token units."""
    return round(ether * 10**18) * market.reserves[symbol].unit // market.price(symbol)


def list_all(market: Market) -> None:
    """Lists every reserve."""
    for line in LISTINGS:
        market.list_reserve(
            line.symbol,
            line.decimals,
            line.price_wei,
            ltv=line.ltv,
            liquidation_threshold=line.threshold,
            liquidation_bonus=line.bonus,
            stable_rate=line.stable_rate,
            curve=line.curve,
        )


def add_liquidity(market: Market) -> None:
    """A whale supplies every reserve, another borrows from every reserve: interest runs."""
    whale, borrower = wallet("whale"), wallet("whale_borrower")
    market.cast |= {"whale": whale, "whale_borrower": borrower}
    market.supply(borrower, "WETH", raw_of(market, "WETH", 20 * WHALE_ETH))
    for line in LISTINGS:
        market.supply(whale, line.symbol, raw_of(market, line.symbol, WHALE_ETH))
    for line in LISTINGS:
        share = 21 * line.used_percent if line.symbol == "WETH" else line.used_percent
        market.borrow(borrower, line.symbol, raw_of(market, line.symbol, WHALE_ETH * share / 100))
