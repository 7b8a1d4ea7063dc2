"""Random lives on a genuine market: reserves, prices and wallets as no one would think of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st

from localnet.aave_v3 import Market
from localnet.aave_v3.standard import raw_of, wallet
from localnet.evm import Reverted
from margin.basics import Address

SYMBOLS = ("WETH", "wstETH", "cbETH", "rETH", "WBTC", "USDC", "DAI", "LINK", "CRV")
EMODES = {1: ("WETH", "wstETH"), 2: ("USDC", "DAI"), 3: ("cbETH", "rETH")}
USER = wallet("random")
DAY_S = 86_400
GIANT = 10**6


@dataclass(frozen=True)
class Life:
    """What happens to one wallet and the market around it, before anyone looks."""

    supplies: dict[str, float]
    """Symbol → US dollars."""
    unused: set[str]
    """Supplies switched off as collateral, where the pool lets them be."""
    borrows: dict[str, float]
    """Symbol → share of what may still be borrowed, at least one raw unit."""
    stable: bool
    """Borrow at the stable rate where there is one."""
    emode: int
    thresholds: dict[str, int] = field(default_factory=dict)
    """Symbol → liquidation threshold, bps, set before anyone supplies."""
    shared_feeds: dict[str, str] = field(default_factory=dict)
    """Symbol → the symbol whose feed it takes over."""
    prices: dict[str, int] = field(default_factory=dict)
    """Symbol → raw answer, set before anyone supplies."""
    odd_units: int = 0
    """Raw units on top of every supply, so that nothing is round."""
    days: float = 0
    giant: bool = False
    """A million times richer: more debt than 2e18 units of the base currency, where rounding shows."""
    fall: float = 1.0
    """At last every collateral's answer is multiplied by this."""


DOLLARS = st.floats(0.05, 9_000_000).map(lambda usd: round(usd, 4))


@st.composite
def lives(draw: st.DrawFn) -> Life:
    """Lives with one to four supplies and up to three borrowings, near the edge as often as not."""
    emode = draw(st.sampled_from((0, 0, 0, 1, 2, 3)))
    symbols = st.sampled_from(EMODES[emode] if emode else SYMBOLS)
    supplies = draw(st.dictionaries(symbols, DOLLARS, min_size=1, max_size=4))
    if emode:
        supplies |= draw(st.dictionaries(st.sampled_from(SYMBOLS), DOLLARS, max_size=2))
    share = st.one_of(st.floats(0.01, 1.0), st.floats(0.97, 1.0), st.just(0.0))
    configured = st.sampled_from(SYMBOLS)
    return Life(
        supplies=supplies,
        unused=draw(st.sets(st.sampled_from(sorted(supplies)), max_size=1)) if len(supplies) > 1 else set(),
        borrows=draw(st.dictionaries(symbols, share, min_size=1, max_size=3)),
        stable=draw(st.booleans()),
        emode=emode,
        thresholds=draw(st.dictionaries(configured, st.integers(1_000, 9_000), max_size=3)),
        shared_feeds=draw(st.dictionaries(configured, configured, max_size=2)),
        prices=draw(st.dictionaries(configured, st.integers(10**4, 10**13), max_size=3)),
        odd_units=draw(st.integers(0, 10**9)),
        giant=draw(st.sampled_from((False, False, False, True))),
        days=draw(st.one_of(st.just(0.0), st.floats(0, 500))),
        fall=draw(st.one_of(st.just(1.0), st.floats(0.5, 1.3))),
    )


def live(market: Market, life: Life, user: Address = USER) -> Address:
    """Lets it happen; what the pool refuses (caps, isolation, liquidity) does not happen."""
    for symbol, answer_raw in life.prices.items():
        market.set_price(symbol, answer_raw)
    for symbol, other in life.shared_feeds.items():
        market.set_price_source(market.reserves[symbol].token, market.reserves[other].feed)
    for symbol, bps in life.thresholds.items():
        market.configure(symbol, ltv=bps * 9 // 10, liquidation_threshold=bps, liquidation_bonus=105_00)
    size = GIANT if life.giant else 1
    for symbol, usd in life.supplies.items():
        market.supply(user, symbol, raw_of(market, symbol, usd * size) + life.odd_units + 1)
    if life.emode:
        _if_allowed(lambda: market.enter_emode(user, life.emode))
    for symbol in life.unused:
        _if_allowed(lambda s=symbol: market.use_as_collateral(user, s, False))
    for symbol, share in life.borrows.items():
        if life.giant:
            market.supply(market.cast["whale"], symbol, raw_of(market, symbol, 10_000_000 * GIANT))
        _borrow(market, user, symbol, share, stable=life.stable)
    market.warp(round(life.days * DAY_S))
    if life.fall != 1.0:
        for feed in {_feed(market, symbol) for symbol in life.supplies}:
            contract = market.evm.at(feed, market.feed("WETH").abi, "Feed")
            contract.send("setAnswer", max(1, int(contract.call("latestAnswer") * life.fall)))
    return user


def _feed(market: Market, symbol: str) -> str:
    return str(market.oracle.call("getSourceOfAsset", market.reserves[symbol].token))


def _borrow(market: Market, user: Address, symbol: str, share: float, *, stable: bool) -> None:
    available = market.account_data(user)[2]
    reserve = market.reserves[symbol]
    price = int(market.oracle.call("getAssetPrice", reserve.token))
    amount_raw = max(1, int(available * share) * reserve.unit // price)
    modes = (1, 2) if stable and reserve.stable_debt_token else (2,)
    for mode in modes:
        if _if_allowed(lambda m=mode: market.borrow(user, symbol, amount_raw, m)):
            return


def _if_allowed(action: object) -> bool:
    try:
        action()  # type: ignore[operator]
    except Reverted:
        return False
    return True
