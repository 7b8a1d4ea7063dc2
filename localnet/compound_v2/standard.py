"""A Comptroller as one meets it in production: markets, liquidity, interest, and a few wallets with a past.

comfortable     far from liquidation
edge            an owner with hardly any liquidity left
shortfall       liquidatable by the Comptroller's own view
hidden          no shortfall as stored, and liquidatable once its markets have accrued
unused_supply   a supply in a market that it has not entered, and debt against another
many_assets     four supplies, three debts
dust_debt       one raw unit of a 6-decimals token owed
no_debt         supplies only
whale           the markets' liquidity and its use
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from localnet import packages
from localnet.anvil import Anvil
from localnet.cache import build_directory, cache_dir, sha256_hex
from localnet.compound_v2.market import WAD, Market
from margin.basics import Address

ROOM = Path(__file__).parent.parent
FIRST_BLOCK = 30_000_000
PAST_BLOCKS = 1_200
BLOCK_S = 3
DAY_BLOCKS = 86_400 // BLOCK_S
WHALE_USD = 50_000_000

LISTINGS: tuple[tuple[str, int, int, int, int], ...] = (
    # symbol, decimals, USD (8 places), collateral factor in percent, use in percent
    ("WETH", 18, 2034_56789012, 80, 40),
    ("WBTC", 8, 61728_39450617, 70, 15),
    ("USDC", 6, 99987654, 82, 76),
    ("DAI", 18, 1_00012345, 75, 85),
    ("LINK", 18, 14_80246913, 60, 9),
    ("XVS", 18, 6_17283951, 0, 20),
)


def wallet(name: str) -> Address:
    """The address that belongs to a name: nobody has its key."""
    return Address(to_checksum_address(keccak(text=f"crossmargin localnet wallet {name}")[12:]))


def raw_of(market: Market, symbol: str, usd: float) -> int:
    """About that many dollars' worth at the oracle's price, raw token units."""
    return round(usd * 10**8) * 10**28 // market.price(symbol)


def list_all(market: Market) -> None:
    """Lists every market, with a whale's liquidity and its use in each."""
    whale = market.cast["whale"] = wallet("whale")
    for symbol, decimals, usd, factor, _ in LISTINGS:
        price_raw = usd * 10 ** (28 - decimals)
        market.list_market(symbol, decimals, price_raw, collateral_factor=factor * WAD // 100)
    for symbol, *_ in LISTINGS:
        market.supply(whale, symbol, raw_of(market, symbol, WHALE_USD))
    market.enter(whale, *market.markets)
    for symbol, _, _, _, used in LISTINGS:
        market.borrow(whale, symbol, raw_of(market, symbol, WHALE_USD * used / 100))


def play(market: Market) -> None:
    """Lets the cast live: markets idle for weeks, prices move, someone ends up below the edge."""
    _open(market, "comfortable", {"WETH": 40_000, "WBTC": 25_000}, {"USDC": 18_000})
    _open(market, "edge", {"WETH": 60_000}, {"USDC": 47_500})
    _open(market, "shortfall", {"LINK": 30_000}, {"DAI": 17_000})
    _open(market, "many_assets", {"WETH": 9_000, "WBTC": 8_000, "USDC": 7_000, "LINK": 6_000},
          {"DAI": 6_000, "XVS": 3_000, "USDC": 2_000})  # fmt: skip
    _open(market, "no_debt", {"WBTC": 12_000, "USDC": 3_000}, {})
    user = _open(market, "unused_supply", {"WETH": 5_000}, {"USDC": 2_000})
    market.supply(user, "DAI", raw_of(market, "DAI", 1_500))
    user = _open(market, "dust_debt", {"WETH": 500}, {})
    market.borrow(user, "USDC", 1)
    for symbol in market.markets:
        market.idle(symbol, 20 * DAY_BLOCKS)
        market.accrue(symbol)
    market.set_price("LINK", market.price("LINK") * 94 // 100)
    market.set_price("WETH", market.price("WETH") * 101 // 100)
    user = _open(market, "hidden", {"USDC": 20_000}, {})
    market.borrow(user, "DAI", market.liquidity(user)[1] * WAD // market.price("DAI"))
    for symbol, days in (("WETH", 9), ("USDC", 1), ("DAI", 30), ("WBTC", 2), ("XVS", 4)):
        market.idle(symbol, days * DAY_BLOCKS)
    market.anvil.mine(market.anvil.timestamp() + 3)


def _open(market: Market, name: str, supplies: dict[str, int], borrows: dict[str, int]) -> Address:
    user = market.cast[name] = wallet(name)
    for symbol, usd in supplies.items():
        market.supply(user, symbol, raw_of(market, symbol, usd))
    market.enter(user, *supplies)
    for symbol, usd in borrows.items():
        market.borrow(user, symbol, raw_of(market, symbol, usd))
    return user


@contextmanager
def running(*, cast: bool = True) -> Iterator[Market]:
    """The standard markets on an Anvil that ends with the block, kept in the cache; without the cast if told.

    Kept under the hash of everything that made it, as `localnet.states` does. Raises LocalnetError.
    """
    place = _saved(cast=cast)
    with Anvil.start(state=place / "state.json") as anvil:
        yield Market(anvil, json.loads((place / "market.json").read_text()))


def _saved(*, cast: bool) -> Path:
    name = "compound-v2" if cast else "compound-v2-empty"
    parts = [packages.VENUS_0_7_0.digest, packages.SOLC.digest, packages.ANVIL_VERSION, _recipe_hash(), name]

    def build(work: Path) -> None:
        with Anvil.start(number=FIRST_BLOCK) as anvil:
            # A past, so that the length of a block can be measured.
            started_at = anvil.timestamp()
            for past in range(1, PAST_BLOCKS + 1):
                anvil.mine(started_at + BLOCK_S * past)
            market = Market.deploy(anvil)
            list_all(market)
            if cast:
                play(market)
            anvil.dump_state(work / "state.json")
        (work / "market.json").write_text(json.dumps(market.to_json()))

    return build_directory(
        cache_dir() / "states" / f"{name}-{sha256_hex(chr(10).join(parts).encode())[:24]}", build
    )


@functools.cache
def _recipe_hash() -> str:
    files = sorted([*ROOM.glob("*.py"), *Path(__file__).parent.glob("*.py"), *ROOM.rglob("*.sol")])
    return sha256_hex(b"\0".join(path.read_bytes() for path in files))
