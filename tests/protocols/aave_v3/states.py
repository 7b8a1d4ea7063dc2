"""Random pools and accounts, by value: for what must hold of our own arithmetic whatever was read."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import strategies as st

from margin.account import AccountKey
from margin.basics import ZERO_ADDRESS, Address, BlockRef
from margin.prices import Feed, FeedKey, Prices
from margin.units import RAY
from protocols.aave_common.quotes import Oracle, Quote
from protocols.aave_v3.rules import ALL_RULES
from protocols.aave_v3.state import (
    AaveAccount,
    Configuration,
    EMode,
    Position,
    Reported,
    Reserve,
    StableDebt,
)
from protocols.aave_v3.venue import Market

NOW = 1_700_000_000
YEAR_S = 365 * 86_400
FACTORS = ("ETH", "BTC", "USDC")
THRESHOLDS = st.one_of(st.just(0), st.integers(1_000, 9_900))
HOW_NEAR = st.one_of(st.just(1_000), st.integers(990, 1_000), st.integers(500, 1_000))
"""Debt as a permille of what the account can bear."""


@dataclass(frozen=True)
class State:
    market: Market
    account: AaveAccount


def address(number: int) -> Address:
    return Address(f"0x{number:040x}")


@st.composite
def states(draw: st.DrawFn, *, max_reserves: int = 4, small: bool = False) -> State:
    """A pool of up to `max_reserves` reserves, feeds shared at times, and one account over them.

    It has a collateral and a debt, and stands on the edge as often as not. Balances are worth
    something, a thousandth of a token at least. `small` keeps prices to a few thousand raw units and
    amounts to a few, so that brute force can try each of them.
    """
    rules = draw(st.sampled_from(ALL_RULES))
    count = draw(st.integers(1, max_reserves))
    feed_of = [draw(st.integers(0, max(0, count - 1))) for _ in range(count)]
    price = st.integers(1, 3_000) if small else st.integers(10**5, 10**13)
    answers = [draw(price) for _ in range(count)]
    whole_tokens = 3 if small else draw(st.sampled_from((6, 6, 13)))
    reserves: dict[int, Reserve] = {}
    positions: list[Position] = []
    flags = 0
    for i in range(count):
        decimals = draw(st.sampled_from((0, 2) if small else (6, 8, 18)))
        amount = st.integers(1 if small else 10 ** (decimals - 3), 10 ** (decimals + whole_tokens))
        # The first reserve is a collateral, the last a debt; what lies between is as it comes.
        enabled, borrowed = i == 0 or draw(st.booleans()), i == count - 1 or draw(st.booleans())
        threshold = draw(st.integers(1_000, 9_900)) if i == 0 else draw(THRESHOLDS)
        reserves[i] = Reserve(
            id=i,
            token=address(100 + i),
            symbol=f"T{i}",
            a_token=address(200 + i),
            stable_debt_token=address(300 + i),
            variable_debt_token=address(400 + i),
            configuration=Configuration(
                ltv_bps=threshold,
                threshold_bps=threshold,
                bonus_bps=10_500,
                decimals=decimals,
                active=True,
                frozen=False,
                paused=False,
                protocol_fee_bps=1_000,
                emode_category=draw(st.integers(0, 1)),
                debt_ceiling=0,
                virtual_accounting=True,
            ),
            liquidity_index_ray=draw(st.integers(RAY, 2 * RAY)),
            liquidity_rate_ray=draw(st.integers(0, RAY // 2)),
            variable_index_ray=draw(st.integers(RAY, 2 * RAY)),
            variable_rate_ray=draw(st.integers(0, RAY)),
            updated_at=NOW - draw(st.integers(0, YEAR_S)),
            grace_until=0,
            quote=_quote(feed_of[i], answers[i], constant=i > 0 and draw(st.integers(0, 5)) == 0),
        )
        stable = None
        if rules.stable_debt and borrowed and draw(st.booleans()):
            stable = StableDebt(draw(amount), draw(st.integers(0, RAY)), NOW - 1_000)
        flags |= borrowed << 2 * i | enabled << 2 * i + 1
        supply, debt = draw(amount) if enabled else 0, draw(amount) if borrowed else 0
        positions.append(Position(i, supply, debt, stable))
    feeds = {
        FeedKey(address(500 + f)): Feed(
            FeedKey(address(500 + f)), address(500 + f), f"T{f}", answers[f], 8, FACTORS[f % 3], None
        )
        for f in sorted(set(feed_of))
    }
    bitmap, mode_threshold = draw(st.integers(0, 2**count - 1)), draw(st.integers(1_000, 9_900))
    own_price = None if rules.liquid_emodes or draw(st.booleans()) else _quote(feed_of[0], 0, constant=False)
    market = Market(
        id="test/aave-v3",
        block=BlockRef("test", 1, 1, "0x" + "0" * 64, NOW),
        pool=address(1),
        configurator=address(3),
        oracle=Oracle(address(2), ZERO_ADDRESS, 10**8, ZERO_ADDRESS),
        revision=rules.revisions[0],
        rules=rules,
        reserves=reserves,
        emodes={1: EMode(1, "mode", mode_threshold, 10_100, bitmap, ZERO_ADDRESS, own_price)},
        feeds=feeds,
        prices=Prices({key: feed.answer_raw for key, feed in feeds.items()}),
        sentinel=None,
    )
    owner = address(9)
    account = AaveAccount(
        AccountKey(market.id, owner, owner),
        flags,
        draw(st.integers(0, 1)),
        tuple(positions),
        Reported(0, 0, 0, 0),
    )
    return State(market, _eased(market, account, draw(HOW_NEAR)))


def _quote(feed: int, constant_raw: int, *, constant: bool) -> Quote:
    return Quote(None, constant_raw) if constant else Quote(FeedKey(address(500 + feed)))


def _eased(market: Market, account: AaveAccount, permille: int) -> AaveAccount:
    """The account with its debts made `permille` of what it can bear, as far as rounding lets it."""
    verdict = market.verdict(account)
    if not verdict.requirement_raw or not verdict.support_raw:
        return account
    up, down = verdict.support_raw * permille, verdict.requirement_raw * 1_000
    return replace(
        account,
        positions=tuple(
            replace(
                p,
                debt_scaled=p.debt_scaled * up // down,
                stable=p.stable and replace(p.stable, principal=max(1, p.stable.principal * up // down)),
            )
            for p in account.positions
        ),
    )
