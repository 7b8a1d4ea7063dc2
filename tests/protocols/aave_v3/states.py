"""Random pools and accounts, by value: for what must hold of our own arithmetic whatever was read."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import strategies as st

from margin.account import AccountKey
from margin.basics import ZERO_ADDRESS, Address, BlockRef
from margin.prices import Feed, FeedKey, Prices
from margin.units import RAY
from protocols.aave_v3.rules import ALL_RULES
from protocols.aave_v3.state import (
    AaveAccount,
    Configuration,
    Oracle,
    Position,
    Quote,
    Reported,
    Reserve,
    StableDebt,
)
from protocols.aave_v3.venue import Market

NOW = 1_700_000_000
YEAR_S = 365 * 86_400
FACTORS = ("ETH", "BTC", "USDC")


@dataclass(frozen=True)
class State:
    market: Market
    account: AaveAccount


def address(number: int) -> Address:
    return Address(f"0x{number:040x}")


@st.composite
def states(draw: st.DrawFn, *, max_reserves: int = 4, small: bool = False) -> State:
    """A pool of up to `max_reserves` reserves, feeds shared at times, and one account over them.

    Balances are worth something, a thousandth of a token at least. `small` keeps prices to a few
    thousand raw units and amounts to a few, so that brute force can try each of them.
    """
    rules = draw(st.sampled_from(ALL_RULES))
    count = draw(st.integers(1, max_reserves))
    feed_of = [draw(st.integers(0, max(0, count - 1))) for _ in range(count)]
    price = st.integers(1, 3_000) if small else st.integers(10**5, 10**13)
    answers = [draw(price) for _ in range(count)]
    reserves: dict[int, Reserve] = {}
    positions: list[Position] = []
    configuration = 0
    for i in range(count):
        decimals = draw(st.sampled_from((0, 2) if small else (6, 8, 18)))
        threshold = draw(st.one_of(st.just(0), st.integers(1_000, 9_900)))
        reserves[i] = Reserve(
            id=i,
            token=address(100 + i),
            symbol=f"T{i}",
            a_token=address(200 + i),
            stable_debt_token=address(300 + i),
            variable_debt_token=address(400 + i),
            configuration=Configuration(
                threshold, threshold, 10_500, decimals, True, False, False, 1_000, 0, 0, True
            ),
            liquidity_index_ray=draw(st.integers(RAY, 2 * RAY)),
            liquidity_rate_ray=draw(st.integers(0, RAY // 2)),
            variable_index_ray=draw(st.integers(RAY, 2 * RAY)),
            variable_rate_ray=draw(st.integers(0, RAY)),
            updated_at=NOW - draw(st.integers(0, YEAR_S)),
            grace_until=0,
            quote=Quote(FeedKey(address(500 + feed_of[i]))),
        )
        most = 10 ** (decimals + (3 if small else 6))
        amount = st.one_of(st.just(0), st.integers(1 if small else 10 ** (decimals - 3), most))
        supply, debt = draw(amount), draw(amount)
        stable = None
        if rules.stable_debt and draw(st.booleans()):
            stable = StableDebt(draw(amount.filter(bool)), draw(st.integers(0, RAY)), NOW - 1_000)
        configuration |= (debt > 0 or stable is not None) << 2 * i
        configuration |= (supply > 0 and draw(st.booleans())) << 2 * i + 1
        positions.append(Position(i, supply, debt, stable))
    feeds = {
        FeedKey(address(500 + f)): Feed(
            FeedKey(address(500 + f)), address(500 + f), f"T{f}", answers[f], 8, FACTORS[f % 3], None
        )
        for f in sorted(set(feed_of))
    }
    market = Market(
        id="test/aave-v3",
        block=BlockRef("test", 1, 1, "0x" + "0" * 64, NOW),
        pool=address(1),
        oracle=Oracle(address(2), ZERO_ADDRESS, 10**8, ZERO_ADDRESS),
        revision=rules.revisions[0],
        rules=rules,
        reserves=reserves,
        emodes={},
        feeds=feeds,
        prices=Prices({key: feed.answer_raw for key, feed in feeds.items()}),
        sentinel=None,
    )
    owner = address(9)
    account = AaveAccount(
        AccountKey(market.id, owner, owner), configuration, 0, tuple(positions), Reported(0, 0, 0, 0)
    )
    return State(market, _eased(market, account, draw(st.integers(500, 1_000))))


def _eased(market: Market, account: AaveAccount, permille: int) -> AaveAccount:
    """The account with its debts cut to `permille` of what it could bear, if it could not bear them."""
    verdict = market.verdict(account)
    if not verdict.liquidatable or not verdict.support_raw:
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
