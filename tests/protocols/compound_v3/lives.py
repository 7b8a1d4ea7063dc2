"""Random lives on a Comet: markets, prices and wallets as no one would think of them."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from localnet.compound_v3 import Asset, Comet
from localnet.compound_v3.cast import max_borrow
from localnet.compound_v3.market import Rates, Terms
from localnet.compound_v3.standard import wallet
from localnet.evm import Reverted
from margin.basics import Address

USER, OTHER, WHALE = wallet("random"), wallet("random other"), wallet("random whale")
DAY_S = 86_400
WAD = 10**18
STEP_WAD = 10**14
"""Factors keep four decimals."""
BASES = ("USDC", "WETH")
COLLATERALS = ("WETH", "WBTC", "wstETH", "LINK", "COMP", "USDT", "DAI")
MOST_RAW = 2**80


@dataclass(frozen=True)
class Held:
    """One collateral as it is listed, priced and supplied."""

    symbol: str
    borrow_bps: int
    liquidate_more_bps: int
    liquidation_bps: int
    price: float
    amount: float
    """Whole tokens; 0 for listed and not held."""
    odd_units: int
    """Raw units on top, so that nothing is round."""


@dataclass(frozen=True)
class Life:
    """What happens in one new market, and to one wallet in it, before anyone looks."""

    base: str
    base_price: float
    held: tuple[Held, ...]
    shares_feed: bool
    """Whether the first collateral has the base's own feed."""
    rates: Rates
    lent: float
    """Whole base tokens that others lend …"""
    used: float
    """… and the share of them that somebody borrows."""
    reserves: float
    """Whole base tokens that the market has of its own."""
    visits: tuple[float, ...]
    """Days between accruals before the wallet comes."""
    borrowed: float
    """Share of what can be borrowed."""
    repaid: float
    """Share of it that is repaid at once."""
    days: float
    """Between its last deed and now."""
    own_lent: float
    """Whole base tokens that a wallet which borrows nothing lends."""
    silent: bool
    """Another with a debt hands it some of it, without an event."""
    fall: float
    """At last every collateral's answer is multiplied by this."""


AMOUNTS = st.one_of(st.just(0.0), st.floats(0.0, 10.0), st.floats(1.0, 1e6))
SHARES = st.one_of(st.floats(0.5, 1.0), st.floats(0.99, 1.0), st.just(1.0), st.floats(0.0, 1.0))
PRICES = st.one_of(st.floats(0.01, 100_000), st.floats(1e-7, 1e7))


@st.composite
def helds(draw: st.DrawFn, symbol: str) -> Held:
    borrow_bps = draw(st.one_of(st.integers(0, 9_999), st.integers(6_000, 9_500)))
    return Held(
        symbol=symbol,
        borrow_bps=borrow_bps,
        liquidate_more_bps=draw(
            st.one_of(
                st.just(1),
                st.integers(1, min(1_000, 10_000 - borrow_bps)),
                st.integers(1, 10_000 - borrow_bps),
            )
        ),
        liquidation_bps=draw(st.one_of(st.integers(8_000, 10_000), st.integers(0, 10_000))),
        price=draw(PRICES),
        amount=draw(AMOUNTS),
        odd_units=draw(st.integers(0, 10**9)),
    )


@st.composite
def curves(draw: st.DrawFn) -> tuple[int, int, int, int]:
    """Kink, slopes and base a year."""
    kink = draw(st.one_of(st.integers(7 * WAD // 10, WAD), st.integers(0, WAD)))
    low, high, base = (
        draw(st.one_of(st.integers(most * WAD // 1000, most * WAD // 100), st.integers(0, most * WAD // 100)))
        for most in (20, 300, 10)
    )
    return kink, low, high, base


@st.composite
def lives(draw: st.DrawFn) -> Life:
    """Lives near the edge as often as not, with one collateral or many."""
    base = draw(st.sampled_from(BASES))
    symbols = draw(
        st.lists(st.sampled_from([s for s in COLLATERALS if s != base]), min_size=1, max_size=5, unique=True)
    )
    return Life(
        base=base,
        base_price=draw(st.one_of(st.floats(0.9, 1.1), PRICES)),
        held=tuple(draw(helds(symbol)) for symbol in symbols),
        shares_feed=draw(st.sampled_from((False, False, False, True))),
        rates=Rates(draw(curves()), draw(curves())),
        lent=draw(AMOUNTS),
        used=draw(st.one_of(st.floats(0, 1), st.floats(0.75, 1.0))),
        reserves=draw(st.one_of(AMOUNTS, st.floats(1e5, 1e9))),
        visits=tuple(draw(st.lists(st.floats(0, 200), max_size=3))),
        borrowed=draw(SHARES),
        repaid=draw(st.one_of(st.just(0.0), st.floats(0.0, 0.2))),
        days=draw(st.one_of(st.just(0.0), st.floats(0, 1), st.floats(0, 400))),
        own_lent=draw(st.one_of(st.just(0.0), st.floats(0.01, 1e6))),
        silent=draw(st.sampled_from((False, False, True))),
        fall=draw(st.one_of(st.just(1.0), st.floats(0.999, 1.1), st.floats(0.5, 1.5))),
    )


def found(chain: Comet, life: Life) -> Comet:
    """The market of the life, made."""
    chain.set_price(life.base, answer(life.base_price))
    feed = chain.feeds[life.base]
    assets = []
    for place, held in enumerate(life.held):
        if held.symbol != life.base:
            chain.set_price(held.symbol, answer(held.price))
        assets.append(
            Asset(
                held.symbol,
                held.borrow_bps * STEP_WAD,
                (held.borrow_bps + held.liquidate_more_bps) * STEP_WAD,
                held.liquidation_bps * STEP_WAD,
                feed=feed if life.shares_feed and place == 0 else None,
            )
        )
    return chain.open_market(life.base, assets, Terms(life.rates))


def live(market: Comet, life: Life, user: Address = USER) -> Address:
    """Lets it happen in a market; what it refuses (more than there is) does not happen."""
    unit = 10 ** market.decimals[market.base]
    _use(market, life, unit)
    for days in life.visits:
        market.warp(round(days * DAY_S))
        market.accrue()
    for held in life.held:
        if held.amount and held.symbol in market.assets:
            amount_raw = int(held.amount * 10 ** market.decimals[held.symbol]) + held.odd_units
            market.supply(user, held.symbol, max(1, amount_raw))
    owed_raw = int(max_borrow(market, user) * life.borrowed)
    if _tried(market, user, market.base, owed_raw) and life.repaid:
        market.supply(user, market.base, max(1, int(owed_raw * life.repaid)))
    if not market.debt(user) and life.own_lent:
        market.supply(user, market.base, int(life.own_lent * unit) + 1)
    if life.silent:
        _hand_over(market, user)
    if not market.balance(user) and not market.debt(user) and not any(held.amount for held in life.held):
        market.supply(user, market.assets[0], 12_345)
    market.warp(round(life.days * DAY_S))
    if life.fall != 1.0:
        for symbol in market.assets:
            market.set_price(symbol, answer(market.price(symbol) * life.fall / 1e8))
    return user


def _use(market: Comet, life: Life, unit: int) -> None:
    """The market's own lenders, and somebody whose collateral outlives what the prices do."""
    # Some twenty times as much can be borrowed as is lent; with far more the index soon fits no 64 bits.
    lent_raw = max(1, min(MOST_RAW, int(max(life.lent, life.reserves / 20) * unit)))
    market.supply(WHALE, market.base, lent_raw)
    market.add_reserves(min(MOST_RAW, int(life.reserves * unit)))
    backing = max(market.assets, key=market.price)
    market.supply(OTHER, backing, MOST_RAW)
    _tried(market, OTHER, market.base, int(lent_raw * life.used))


def _hand_over(market: Comet, user: Address) -> None:
    """One with collateral and no loan pays off a part of another's debt by borrowing: no event tells.

    Not one who holds nothing: here, where the least debt is one raw unit, dust could be owed by such.
    """
    for giver, taker in ((user, OTHER), (OTHER, user)):
        if not market.comet.call("userBasic", giver)[3]:
            continue
        part_raw = min(market.debt(taker) // 2, max_borrow(market, giver) // 2)
        if part_raw > 0:
            try:
                market.transfer(giver, taker, market.base, part_raw)
            except Reverted:
                continue
            return


def _tried(market: Comet, user: Address, symbol: str, amount_raw: int) -> bool:
    """Whether a withdrawal went through."""
    if amount_raw <= 0:
        return False
    try:
        market.withdraw(user, symbol, amount_raw)
    except Reverted:
        return False
    return True


def answer(price: float) -> int:
    """A feed's raw answer, positive."""
    return max(1, int(price * 10**8))
