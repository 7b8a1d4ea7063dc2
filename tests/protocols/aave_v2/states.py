"""Random pools and accounts, by value: for what must hold of our own arithmetic whatever was read."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import strategies as st

from margin.account import AccountKey
from margin.basics import ZERO_ADDRESS, Address, BlockRef
from margin.prices import Feed, FeedKey, Prices
from margin.units import RAY
from protocols.aave_common.quotes import Oracle, Quote
from protocols.aave_v2.state import Configuration, PoolAccount, Position, Reserve, StableDebt
from protocols.aave_v2.venue import Market

NOW = 1_700_000_000
YEAR_S = 365 * 86_400
FACTORS = ("ETH", "BTC", "USDC")
HOW_NEAR = st.one_of(st.just(1_000), st.integers(990, 1_000), st.integers(500, 1_000))
"""Debt as a permille of what the account can bear."""


@dataclass(frozen=True)
class State:
    market: Market
    account: PoolAccount


def address(number: int) -> Address:
    return Address(f"0x{number:040x}")


@st.composite
def states(draw: st.DrawFn, *, max_reserves: int = 4, small: bool = False) -> State:
    """A pool with prices in ether, and one account with a collateral and a debt, mostly near the edge.

    Feeds are shared at times, and one reserve may be the ether itself. `small` keeps prices to a few
    raw units and amounts to a few, so that brute force can try each of them.
    """
    count = draw(st.integers(1, max_reserves))
    feed_of = [draw(st.integers(0, count - 1)) for _ in range(count)]
    answers = [draw(st.integers(2, 60) if small else st.integers(10**5, 10**20)) for _ in range(count)]
    whole_tokens = 3 if small else draw(st.sampled_from((6, 13)))
    reserves: dict[int, Reserve] = {}
    positions: list[Position] = []
    flags = 0
    for i in range(count):
        decimals = draw(st.sampled_from((0, 1) if small else (6, 8, 18)))
        amount = st.integers(1 if small else 10 ** (decimals - 3), 10 ** (decimals + whole_tokens))
        enabled, borrowed = i == 0 or draw(st.booleans()), i == count - 1 or draw(st.booleans())
        threshold = draw(st.integers(1_000, 9_900)) if i == 0 else draw(st.sampled_from((0, 5_001, 8_250)))
        constant = i > 0 and draw(st.integers(0, 3)) == 0
        reserves[i] = Reserve(
            id=i,
            token=address(100 + i),
            symbol=f"T{i}",
            a_token=address(200 + i),
            stable_debt_token=address(300 + i),
            variable_debt_token=address(400 + i),
            configuration=Configuration(threshold, threshold, 10_500, decimals, active=True, frozen=False),
            liquidity_index_ray=draw(st.integers(RAY, 2 * RAY)),
            liquidity_rate_ray=draw(st.integers(0, RAY // 2)),
            variable_index_ray=draw(st.integers(RAY, 2 * RAY)),
            variable_rate_ray=draw(st.integers(0, RAY)),
            updated_at=NOW - draw(st.integers(0, YEAR_S)),
            quote=Quote(None, 30 if small else 10**18) if constant else Quote(_key(feed_of[i])),
        )
        stable = None
        if borrowed and draw(st.booleans()):
            stable = StableDebt(draw(amount), draw(st.integers(0, RAY)), NOW - 1_000)
        flags |= borrowed << 2 * i | enabled << 2 * i + 1
        supply, debt = draw(amount) if enabled else 0, draw(amount) if borrowed else 0
        positions.append(Position(i, supply, debt, stable))
    feeds = {
        _key(f): Feed(_key(f), address(500 + f), f"T{f}", answers[f], 18, FACTORS[f % 3], "ETH")
        for f in sorted(set(feed_of))
    }
    market = Market(
        id="test/aave-v2",
        block=BlockRef("test", 1, 1, "0x" + "0" * 64, NOW),
        pool=address(1),
        configurator=address(3),
        collateral_manager=address(4),
        oracle=Oracle(address(2), address(99), 10**18, ZERO_ADDRESS),
        revision=2,
        paused=False,
        reserves=reserves,
        feeds=feeds,
        prices=Prices({key: feed.answer_raw for key, feed in feeds.items()}),
        numeraire_known=True,
    )
    owner = address(9)
    account = PoolAccount(AccountKey(market.id, owner, owner), flags, tuple(positions), None)
    return State(market, _eased(market, account, draw(HOW_NEAR)))


def _key(feed: int) -> FeedKey:
    return FeedKey(address(500 + feed))


def _eased(market: Market, account: PoolAccount, permille: int) -> PoolAccount:
    """The account with its debts made `permille` of what it can bear, as far as rounding lets it."""
    verdict = market.verdict(account)
    if not verdict.requirement_raw or not verdict.support_raw:
        return account
    up, down = verdict.support_raw * permille, verdict.requirement_raw * 1_000
    eased = [
        replace(
            p,
            debt_scaled=p.debt_scaled * up // down,
            stable=p.stable and replace(p.stable, principal=max(1, p.stable.principal * up // down)),
        )
        for p in account.positions
    ]
    return replace(account, positions=tuple(eased))
