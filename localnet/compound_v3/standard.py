"""The standard Comet: dollars lent against six collaterals, in proportions as on a real one."""

from __future__ import annotations

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from localnet.compound_v3.market import Asset, Comet, Terms
from margin.basics import Address

WAD = 10**18
BASE = "USDC"
TOKENS = {
    "USDC": (6, 99_987_012),
    "WETH": (18, 2034_17_000_000),
    "WBTC": (8, 67_123_45_000_000),
    "wstETH": (18, 2381_90_000_000),
    "LINK": (18, 13_71_000_000),
    "COMP": (18, 47_33_000_000),
    "USDT": (6, 1_00_021_000),
    "DAI": (18, 99_990_000),
}
"""Decimals, and what the feed answers at first (8 decimals)."""


def bps(share: int) -> int:
    """A share of 10,000, scaled by 1e18."""
    return share * WAD // 10_000


ASSETS = (
    Asset("COMP", bps(65_00), bps(70_00), bps(93_00)),
    Asset("WBTC", bps(70_00), bps(77_00), bps(95_00)),
    Asset("WETH", bps(82_50), bps(89_50), bps(95_00)),
    Asset("LINK", bps(73_00), bps(79_00), bps(93_00)),
    Asset("wstETH", bps(80_00), bps(85_00), bps(94_00)),
    Asset("USDT", bps(84_00), bps(88_00), bps(97_00), cap_raw=10_000_000 * 10**6),
)
LENT_RAW, BORROWED_RAW = 80_000_000 * 10**6, 60_000_000 * 10**6


def wallet(name: str) -> Address:
    """The address that belongs to a name: nobody has its key."""
    return Address(to_checksum_address(keccak(text=f"crossmargin localnet wallet {name}")[12:]))


def standard(chain: Comet) -> Comet:
    """Every token, the market, and a whale on each side of it: interest runs."""
    for symbol, (decimals, price_raw) in TOKENS.items():
        chain.new_token(symbol, decimals, price_raw)
    market = chain.open_market(
        BASE, ASSETS, Terms(borrow_min_raw=100 * 10**6, target_reserves_raw=5_000_000 * 10**6)
    )
    whale, borrower = wallet("whale"), wallet("whale_borrower")
    market.cast |= {"whale": whale, "whale_borrower": borrower}
    market.supply(whale, BASE, LENT_RAW)
    market.add_reserves(1_000_000 * 10**6)
    # Enough to outlive whatever a test does to the price.
    market.supply(borrower, "WETH", 10**6 * 10**18)
    market.withdraw(borrower, BASE, BORROWED_RAW)
    return market
