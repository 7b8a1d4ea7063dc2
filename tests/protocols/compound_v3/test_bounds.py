"""The bounds that exact searches lean on, against brute force; and the arithmetic at its small ends."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from margin.account import AccountKey
from margin.basics import Address, BlockRef
from margin.errors import Undecided
from margin.frontier import feed_edge
from margin.prices import Feed, FeedKey, Prices
from margin.units import WAD
from protocols.compound_v3.interest import INDEX_SCALE, Curve, Totals
from protocols.compound_v3.state import Asset, Base, CometAccount, Settings
from protocols.compound_v3.venue import Market

NOBODY = Address("0x" + "0" * 40)
NOW = 1_700_000_000
MANY = settings(max_examples=10 * settings().max_examples)
STEP_WAD = 10**14


@st.composite
def markets(draw: st.DrawFn) -> tuple[Market, CometAccount]:
    """Small amounts and scales, so that every rounding shows; feeds shared as often as not."""
    count = draw(st.integers(1, 3))
    names = draw(st.lists(st.sampled_from("abc"), min_size=count + 1, max_size=count + 1))
    feeds = {FeedKey(name): draw(st.integers(1, 5_000)) for name in sorted(set(names))}
    assets = {}
    for place in range(count):
        scale = 10 ** draw(st.integers(0, 4))
        assets[place] = Asset(
            id=place,
            token=Address(f"token {place}"),
            symbol=f"T{place}",
            decimals=len(str(scale)) - 1,
            scale=scale,
            source=NOBODY,
            feed=FeedKey(names[place]),
            borrow_wad=0,
            liquidate_wad=draw(st.integers(1, 10_000)) * STEP_WAD,
            liquidation_wad=WAD,
            cap_raw=2**100,
            supplied_raw=0,
            held_raw=0,
        )
    scale = 10 ** draw(st.integers(0, 4))
    market = Market(
        id="made",
        block=BlockRef("made", 1, 1, "0x" + "0" * 64, NOW),
        settings=Settings(
            NOBODY,
            NOBODY,
            NOBODY,
            Curve(WAD, 0, 0, 0),
            Curve(WAD, 0, 0, draw(st.integers(0, WAD // 10**6))),
            0,
            0,
            0,
        ),
        base=Base(NOBODY, "B", 0, scale, NOBODY, FeedKey(names[-1]), 0),
        assets=assets,
        booked=Totals(INDEX_SCALE, draw(st.integers(INDEX_SCALE, 3 * INDEX_SCALE)), 10**6, 10**5, NOW),
        feeds={key: Feed(key, NOBODY, key, raw, 8, key, None) for key, raw in feeds.items()},
        prices=Prices(feeds),
        numeraire=None,
        stuck=None,
    )
    held = tuple((place, draw(st.integers(1, 3_000))) for place in assets)
    account = CometAccount(AccountKey("made", NOBODY, NOBODY), -draw(st.integers(1, 5_000)), held)
    return market, account


@MANY
@given(data=st.data(), made=markets())
def test_no_margin_between_two_prices_is_below_the_bound(
    data: st.DataObject, made: tuple[Market, CometAccount]
) -> None:
    market, account = made
    ends = [Prices({key: data.draw(st.integers(1, 5_000)) for key in market.prices}) for _ in range(2)]
    a, b = (market.verdict(account, prices) for prices in ends)
    bound = market.least_margin(a, b)
    steps = data.draw(st.integers(1, 60))
    for step in range(steps + 1):
        between = Prices(
            {key: (ends[0][key] * (steps - step) + ends[1][key] * step) // steps for key in market.prices}
        )
        assert market.verdict(account, between).margin_raw >= bound


@MANY
@given(data=st.data(), made=markets())
def test_no_margin_between_two_seconds_is_below_the_bound(
    data: st.DataObject, made: tuple[Market, CometAccount]
) -> None:
    market, account = made
    first, last = sorted(data.draw(st.tuples(st.integers(0, 400), st.integers(0, 400))))
    margins = [market.verdict(account, at=NOW + second) for second in range(first, last + 1)]
    bound = market.least_margin(margins[0], margins[-1])
    assert min(verdict.margin_raw for verdict in margins) == bound


@MANY
@given(made=markets())
def test_the_linear_form_is_within_its_bound(made: tuple[Market, CometAccount]) -> None:
    market, account = made
    form = market.linear(account)
    for factor in (1, 7, 1_000):
        prices = Prices({key: raw * factor for key, raw in market.prices.items()})
        off = abs(form.margin(prices) - market.verdict(account, prices).margin_raw)
        assert off <= form.bound(prices)
    # And not by much less than what is said: it is no bound that holds for want of meaning.
    assert form.error_constant <= 2 * len(account.held) + 2


@MANY
@given(made=markets())
def test_the_first_answer_of_a_feed_by_brute_force(made: tuple[Market, CometAccount]) -> None:
    """With feeds that price both sides too."""
    market, account = made
    if market.verdict(account).liquidatable:
        return
    for feed in market.feeds_of(account):
        try:
            edge = feed_edge(market, account, feed)
        except Undecided:  # both sides hang on the one feed, and cancel
            continue
        raw = market.prices[feed]
        ways = {"down": range(raw - 1, 0, -1), "up": range(raw + 1, raw + 6_000)}
        for direction in (edge.direction,):
            first = next(
                (
                    at
                    for at in ways[direction]
                    if market.verdict(account, market.prices.moved(feed, at)).liquidatable
                ),
                None,
            )
            if first is not None or direction == "down":
                assert edge.liquidation_price_raw == first


@MANY
@given(
    index=st.integers(INDEX_SCALE, 5 * INDEX_SCALE),
    principal=st.integers(-(10**6), 10**6),
    amount=st.integers(0, 10**6),
)
def test_a_supply_never_lowers_a_balance(index: int, principal: int, amount: int) -> None:
    """However it is rounded; and a debt is never less than what was borrowed."""
    totals = Totals(index, index, 0, 0, NOW)
    before = totals.balance_raw(principal)
    after = totals.principal_of(before + amount)
    assert after >= principal or amount == 0
    assert totals.balance_raw(after) <= before + amount
    if before + amount < 0:
        assert totals.principal_of(totals.balance_raw(after)) == after
