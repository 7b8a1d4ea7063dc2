"""Random lives on a genuine market: reserves, prices and wallets as no one would think of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from hypothesis import strategies as st

from localnet.aave_v2.market import STABLE, VARIABLE, Market
from localnet.aave_v2.standard import raw_of, wallet
from localnet.evm import Reverted
from margin.basics import Address

SYMBOLS = ("WETH", "stETH", "WBTC", "USDC", "DAI", "LINK", "CRV")
BORROWABLE = (*SYMBOLS, "GUSD")
FED = tuple(symbol for symbol in BORROWABLE if symbol != "WETH")
USER = wallet("random")
DAY_S = 86_400
GIANT = 10**6


@dataclass(frozen=True)
class Life:
    """What happens to one wallet and the market around it, before anyone looks."""

    supplies: dict[str, float]
    """Symbol → ether."""
    unused: set[str]
    """Supplies switched off as collateral, where the pool lets them be."""
    borrows: dict[str, float]
    """Symbol → share of what may still be borrowed, at least one raw unit."""
    stable: set[str]
    """Of these some at the stable rate first, where there is one …"""
    swapped: set[str]
    """… and of these the rate mode changed after half of the time."""
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
    """A million times richer: more debt than 2e18 raw units of the numeraire by far."""
    fall: float = 1.0
    """At last every collateral's answer is multiplied by this."""


ETHER = st.one_of(st.floats(0.00005, 4_000), st.floats(1, 50)).map(lambda ether: round(ether, 6))


@st.composite
def lives(draw: st.DrawFn) -> Life:
    """Lives with one to four supplies and up to three borrowings, near the edge as often as not."""
    supplies = draw(st.dictionaries(st.sampled_from(SYMBOLS), ETHER, min_size=1, max_size=4))
    share = st.one_of(st.floats(0.01, 1.0), st.floats(0.97, 1.0), st.just(0.0))
    borrows = draw(st.dictionaries(st.sampled_from(BORROWABLE), share, min_size=1, max_size=3))
    fed = st.sampled_from(FED)
    return Life(
        supplies=supplies,
        unused=draw(st.sets(st.sampled_from(sorted(supplies)), max_size=1)) if len(supplies) > 1 else set(),
        borrows=borrows,
        stable=draw(st.sets(st.sampled_from(sorted(borrows)), max_size=2)),
        swapped=draw(st.sets(st.sampled_from(sorted(borrows)), max_size=1)),
        thresholds=draw(st.dictionaries(st.sampled_from(SYMBOLS), st.integers(1_000, 9_000), max_size=3)),
        shared_feeds=draw(st.dictionaries(fed, fed, max_size=2)),
        prices=draw(st.dictionaries(fed, st.integers(10**9, 10**22), max_size=3)),
        odd_units=draw(st.integers(0, 10**9)),
        giant=draw(st.sampled_from((False, False, False, True))),
        days=draw(st.one_of(st.just(0.0), st.floats(0, 500))),
        fall=draw(st.one_of(st.just(1.0), st.floats(0.5, 1.3))),
    )


def live(market: Market, life: Life, user: Address = USER) -> Address:
    """Lets it happen; what the pool refuses does not happen."""
    for symbol, answer_raw in life.prices.items():
        market.set_price(symbol, answer_raw)
    for symbol, other in life.shared_feeds.items():
        market.set_price_source(market.reserves[symbol].token, str(market.reserves[other].feed))
    for symbol, bps in life.thresholds.items():
        market.configure(symbol, ltv=bps * 9 // 10, liquidation_threshold=bps, liquidation_bonus=105_00)
    size = GIANT if life.giant else 1
    for symbol, ether in life.supplies.items():
        market.supply(user, symbol, raw_of(market, symbol, ether * size) + life.odd_units + 1)
    for symbol in life.unused:
        if_allowed(partial(market.use_as_collateral, user, symbol, False))
    for symbol, share in life.borrows.items():
        if life.giant:
            market.supply(market.cast["whale"], symbol, raw_of(market, symbol, 5_000 * GIANT))
        _borrow(market, user, symbol, share, stable=symbol in life.stable)
    market.warp(round(life.days / 2 * DAY_S))
    for symbol in life.swapped:
        for mode in (VARIABLE, STABLE):
            if if_allowed(partial(market.swap_rate, user, symbol, mode)):
                break
    market.warp(round(life.days / 2 * DAY_S))
    if life.fall != 1.0:
        for feed in sorted({source(market, symbol) for symbol in life.supplies if symbol != "WETH"}):
            contract = market.feed_at(feed)
            contract.send("setAnswer", max(1, int(contract.call("latestAnswer") * life.fall)))
    return user


def source(market: Market, symbol: str) -> str:
    """The feed that the oracle reads for a reserve."""
    return str(market.oracle.call("getSourceOfAsset", market.reserves[symbol].token))


def if_allowed(action: Callable[[], object]) -> bool:
    """Whether the pool let it happen."""
    try:
        action()
    except Reverted:
        return False
    return True


def _borrow(market: Market, user: Address, symbol: str, share: float, *, stable: bool) -> None:
    available = market.account_data(user)[2]
    reserve = market.reserves[symbol]
    amount_raw = max(1, int(available * share) * reserve.unit // market.price(symbol))
    if stable and amount_raw > 1:
        # Half at the stable rate, and the rest at the variable one.
        if_allowed(partial(market.borrow, user, symbol, amount_raw // 2, STABLE))
        amount_raw -= amount_raw // 2
    if_allowed(partial(market.borrow, user, symbol, amount_raw))
