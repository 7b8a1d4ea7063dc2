"""Random lives on genuine markets: prices, idle markets and wallets as no one would think of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st

from localnet.compound_v2 import Market, Refused
from localnet.compound_v2.market import WAD
from localnet.compound_v2.standard import DAY_BLOCKS, LISTINGS, raw_of, wallet
from localnet.evm import Reverted
from margin.basics import Address

SYMBOLS = tuple(symbol for symbol, *_ in LISTINGS)
USER = wallet("random")
MINTER = wallet("VAI controller")
"""Stands for a VAI controller: the Comptroller only asks who sends."""
GIANT = 10**6


@dataclass(frozen=True)
class Life:
    """What happens to one wallet and the markets around it, before anyone looks."""

    supplies: dict[str, float]
    """Symbol → US dollars."""
    unused: set[str]
    """Supplies to markets that are not entered."""
    borrows: dict[str, float]
    """Symbol → share of the liquidity left, at least one raw unit."""
    factors: dict[str, int] = field(default_factory=dict)
    """Symbol → collateral factor, permille, set before anyone supplies."""
    prices: dict[str, float] = field(default_factory=dict)
    """Symbol → US dollars, set before anyone supplies."""
    odd_units: int = 0
    """Raw units on top of every supply, so that nothing is round."""
    idle_days: dict[str, float] = field(default_factory=dict)
    """Symbol → for how long nobody has touched the market."""
    accrued: set[str] = field(default_factory=set)
    """Markets that somebody touches in the end."""
    vai: float = 0.0
    """Share of the liquidity left that is owed in VAI."""
    giant: bool = False
    """A million times richer."""
    fall: float = 1.0
    """At last the price of every supply is multiplied by this."""


DOLLARS = st.floats(0.05, 9_000_000).map(lambda usd: round(usd, 4))


@st.composite
def lives(draw: st.DrawFn, *, vai: bool = False) -> Life:
    """Lives with one to four supplies and up to three borrowings, near the edge as often as not.

    `vai`: some owe VAI as well, which has entries of its own for repayment and liquidation.
    """
    symbols = st.sampled_from(SYMBOLS)
    supplies = draw(st.dictionaries(symbols, DOLLARS, min_size=1, max_size=4))
    share = st.one_of(st.floats(0.01, 1.0), st.floats(0.97, 1.0), st.just(0.0))
    days = st.one_of(st.just(0.0), st.floats(0, 3), st.floats(0, 400))
    return Life(
        supplies=supplies,
        unused=draw(st.sets(st.sampled_from(sorted(supplies)), max_size=1)) if len(supplies) > 1 else set(),
        borrows=draw(st.dictionaries(symbols, share, min_size=1, max_size=3)),
        factors=draw(st.dictionaries(symbols, st.integers(0, 900), max_size=2)),
        prices=draw(st.dictionaries(symbols, st.floats(10**-4, 10**5), max_size=3)),
        odd_units=draw(st.integers(0, 10**9)),
        idle_days=draw(st.dictionaries(symbols, days, max_size=4)),
        accrued=draw(st.sets(symbols, max_size=3)),
        vai=draw(st.floats(0.1, 0.99)) if vai else 0.0,
        giant=draw(st.sampled_from((False, False, False, True))),
        fall=draw(st.one_of(st.just(1.0), st.floats(0.5, 1.3))),
    )


def live(market: Market, life: Life, user: Address = USER) -> Address:
    """Lets it happen; what the contracts refuse does not happen."""
    for symbol, usd in life.prices.items():
        unit = market.markets[symbol].unit
        market.set_price(symbol, max(1, int(usd * 10**18) * 10**18 // unit) + life.odd_units % 997)
    for symbol, permille in life.factors.items():
        market.admin("_setCollateralFactor", market.markets[symbol].address, permille * WAD // 1000)
    size = GIANT if life.giant else 1
    for symbol, usd in life.supplies.items():
        market.supply(user, symbol, raw_of(market, symbol, usd * size) + life.odd_units + 1)
    market.enter(user, *(symbol for symbol in life.supplies if symbol not in life.unused))
    owes = False
    for symbol, share in life.borrows.items():
        if life.giant:
            market.supply(market.cast["whale"], symbol, raw_of(market, symbol, 10_000_000 * GIANT))
        owes |= _borrow(market, user, symbol, share)
    if life.vai and owes:
        market.admin("_setVAIController", MINTER)
        minted = max(1, int(market.liquidity(user)[1] * life.vai))
        market.comptroller.send("setMintedVAIOf", user, minted, sender=MINTER)
    for symbol, days in life.idle_days.items():
        market.idle(symbol, round(days * DAY_BLOCKS))
    for symbol in sorted(life.accrued):
        market.accrue(symbol)
    if life.fall != 1.0:
        for symbol in life.supplies:
            market.set_price(symbol, max(1, int(market.price(symbol) * life.fall)))
    return user


def _borrow(market: Market, user: Address, symbol: str, share: float) -> bool:
    liquidity = market.liquidity(user)[1]
    try:
        market.borrow(user, symbol, max(1, int(liquidity * share) * WAD // market.price(symbol)))
    except (Refused, Reverted):
        return False
    return True
