"""The Morpho Blue that tests run on: markets of every kind, lenders, and somebody who uses them."""

from __future__ import annotations

from dataclasses import dataclass

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from localnet.morpho_blue.venue import MorphoBlue
from margin.basics import ZERO_ADDRESS, Address

WAD = 10**18
WHALE_RAW_TOKENS = 50_000_000
"""Whole loan tokens lent in each market."""
DECIMALS = {"WETH": 18, "wstETH": 18, "WBTC": 8, "USDC": 6, "DAI": 18, "LINK": 18, "SHIB": 18, "EURS": 2}


@dataclass(frozen=True, slots=True)
class Line:
    """One market of the table."""

    name: str
    loan: str
    collateral: str
    lltv_wad: int
    price: tuple[int, int]
    """Loan tokens per collateral token, as a fraction."""
    used_percent: int
    """How much of what is lent the whale borrower takes."""
    fee_wad: int = 0
    has_interest: bool = True


LINES = (
    Line("WETH/USDC", "USDC", "WETH", 86 * WAD // 100, (2034_56789012, 10**8), 91),
    Line("WETH/USDC low", "USDC", "WETH", 77 * WAD // 100, (2034_56789012, 10**8), 40, fee_wad=WAD // 10),
    Line("wstETH/WETH", "WETH", "wstETH", 945 * WAD // 1000, (116_123456789, 10**11), 88),
    Line("WBTC/DAI", "DAI", "WBTC", 86 * WAD // 100, (61728_39450617, 10**8), 97, fee_wad=WAD // 4),
    Line("LINK/WETH", "WETH", "LINK", 625 * WAD // 1000, (7_283_401, 10**9), 12),
    Line("SHIB/USDC", "USDC", "SHIB", 625 * WAD // 1000, (1_234, 10**8), 60),
    Line("WETH/DAI no interest", "DAI", "WETH", 80 * WAD // 100, (2034_9, 10), 70, has_interest=False),
)
IDLE = "idle USDC"


def wallet(name: str) -> Address:
    """The address that belongs to a name: nobody has its key."""
    return Address(to_checksum_address(keccak(text=f"crossmargin localnet wallet {name}")[12:]))


def list_all(venue: MorphoBlue) -> None:
    """Every token and market of the table, and one that is idle: without oracle, collateral or interest."""
    for symbol, decimals in DECIMALS.items():
        venue.new_token(symbol, decimals)
    for line in LINES:
        digits = DECIMALS[line.loan], DECIMALS[line.collateral]
        unit = 10 ** (36 + digits[0] - digits[1])
        venue.create(
            line.name,
            line.loan,
            line.collateral,
            lltv_wad=line.lltv_wad,
            price_raw=unit * line.price[0] // line.price[1],
            decimals=digits,
            irm=None if line.has_interest else ZERO_ADDRESS,
        )
        venue.set_fee(line.name, line.fee_wad)
    venue.create(IDLE, "USDC", None, lltv_wad=0, decimals=(6, 0), irm=ZERO_ADDRESS, oracle=ZERO_ADDRESS)


def add_liquidity(venue: MorphoBlue) -> None:
    """A whale lends in every market, another borrows its share of it: interest runs."""
    whale, borrower = wallet("whale"), wallet("whale_borrower")
    venue.cast |= {"whale": whale, "whale_borrower": borrower}
    for line in LINES:
        listed = venue.markets[line.name]
        lent_raw = WHALE_RAW_TOKENS * 10**listed.loan_decimals
        venue.supply(whale, line.name, lent_raw)
        borrowed_raw = lent_raw * line.used_percent // 100
        answer_raw = listed.price_unit * line.price[0] // line.price[1]
        # Enough to outlive whatever a test does to the price.
        venue.supply_collateral(borrower, line.name, borrowed_raw * 10**36 * 1_000_000 // answer_raw)
        venue.borrow(borrower, line.name, borrowed_raw)
    venue.supply(whale, IDLE, 10**12)
