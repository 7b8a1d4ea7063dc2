"""Our verdict against the genuine contracts: to the last unit, the last tick and the last second."""

from __future__ import annotations

from collections import Counter

from hypothesis import HealthCheck, assume, given, note, settings
from hypothesis import strategies as st

from margin.frontier import feed_edge, time_edge
from margin.prices import Prices
from margin.units import UINT256_MAX
from protocols.aave_v3.adapter import AaveVenue
from protocols.aave_v3.liquidation import Liquidation, liquidate
from protocols.aave_v3.state import AaveAccount
from tests.protocols.aave_v3.conftest import Genuine
from tests.protocols.aave_v3.lives import DAY_S, Life, live, lives

RANDOM_STATES = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
EDGE_STATES = settings(RANDOM_STATES, max_examples=max(1, settings().max_examples // 5))
"""A fifth of the random states also have their edges tried out: 200 in a soak run."""
HEALTHY = {"45", "HealthFactorNotBelowThreshold"}


def ours(venue: AaveVenue, account: AaveAccount, prices: Prices | None = None, at: int | None = None) -> int:
    health = venue.verdict(account, prices, at).health_factor_wad
    return UINT256_MAX if health is None else health


def contract_prices(venue: AaveVenue, prices: Prices) -> dict[str, int]:
    return {venue.feeds[key].address: raw for key, raw in prices.items()}


@RANDOM_STATES
@given(life=lives(), data=st.data())
def test_the_verdict_is_the_contracts_own(empty: Genuine, life: Life, data: st.DataObject) -> None:
    with empty.market.anvil.undone():
        user = live(empty.market, life)
        venue, account = empty.one(user)
        assert venue.audit(account).agrees, venue.audit(account)

        moves = {key: data.draw(st.integers(1, 2 * raw), label=key) for key, raw in venue.prices.items()}
        moved = Prices(moves)
        later = venue.timestamp + data.draw(st.integers(0, 2_000 * DAY_S), label="later")
        for prices, at in ((moved, None), (None, later), (moved, later)):
            answers = contract_prices(venue, prices) if prices else None
            data_then = empty.market.account_data(user, at=at, prices=answers)
            verdict = venue.verdict(account, prices, at)
            assert data_then == (
                verdict.assets_raw,
                verdict.liabilities_raw,
                data_then[2],
                venue.average_threshold_bps(verdict),
                data_then[4],
                ours(venue, account, prices, at),
            )
            form, at_prices = venue.linear(account, at), prices or venue.prices
            assert abs(form.margin(at_prices) - verdict.margin_raw) <= form.bound(at_prices)


def outcomes(
    empty: Genuine, venue: AaveVenue, account: AaveAccount, prices: Prices | None, at: int | None
) -> tuple[list[str | None], list[str | None]]:
    """Per pair of collateral and debt what `liquidationCall` says: the contract's word, and ours."""
    symbols = {r.id: r.symbol for r in venue.reserves.values()}
    said, foretold = [], []
    for collateral in account.positions:
        for debt in account.positions:
            if not account.borrows(debt.reserve) or not account.uses_as_collateral(collateral.reserve):
                continue
            pair = collateral.reserve, debt.reserve
            answers = contract_prices(venue, prices) if prices else None
            said.append(
                empty.market.try_liquidate(
                    symbols[pair[0]],
                    symbols[pair[1]],
                    account.key.owner,
                    receive_a_token=True,
                    at=at,
                    prices=answers,
                )
            )
            predicted = liquidate(venue, account, *pair, prices=prices, at=at)
            foretold.append(None if isinstance(predicted, Liquidation) else predicted.why)
    return said, foretold


@EDGE_STATES
@given(life=lives())
def test_one_tick_decides(empty: Genuine, life: Life) -> None:
    with empty.market.anvil.undone():
        user = live(empty.market, life)
        venue, account = empty.one(user)
        verdict = venue.verdict(account)
        assume(verdict.liabilities_raw and not verdict.liquidatable)
        for feed in venue.feeds_of(account):
            edge = feed_edge(venue, account, feed)
            note(f"{edge}")
            if edge.liquidation_price_raw is None:
                stop = 1 if edge.direction == "down" else 2**128
                assert (
                    set(outcomes(empty, venue, account, venue.prices.moved(feed, stop), None)[0]) <= HEALTHY
                )
                continue
            back = 1 if edge.direction == "down" else -1
            there = venue.prices.moved(feed, edge.liquidation_price_raw)
            before = venue.prices.moved(feed, edge.liquidation_price_raw + back)
            said, foretold = outcomes(empty, venue, account, there, None)
            assert not set(said) & HEALTHY
            assert [s is None for s in said] == [f is None for f in foretold], (said, foretold)
            assert set(outcomes(empty, venue, account, before, None)[0]) <= HEALTHY


@EDGE_STATES
@given(life=lives())
def test_one_second_decides(empty: Genuine, life: Life) -> None:
    with empty.market.anvil.undone():
        user = live(empty.market, life)
        venue, account = empty.one(user)
        verdict = venue.verdict(account)
        assume(verdict.liabilities_raw and not verdict.liquidatable)
        at = time_edge(venue, account)
        if at is None:
            years = venue.timestamp + 10 * 365 * DAY_S
            assert set(outcomes(empty, venue, account, None, years)[0]) <= HEALTHY
            return
        said, foretold = outcomes(empty, venue, account, None, at)
        assert not set(said) & HEALTHY
        assert [s is None for s in said] == [f is None for f in foretold], (said, foretold)
        assert set(outcomes(empty, venue, account, None, at - 1)[0]) <= HEALTHY


@EDGE_STATES
@given(life=lives(), fall=st.floats(0.2, 0.99), data=st.data())
def test_a_liquidation_repays_and_seizes_what_was_foretold(
    empty: Genuine, life: Life, fall: float, data: st.DataObject
) -> None:
    market = empty.market
    with market.anvil.undone():
        user = live(market, life)
        venue, account = empty.one(user)
        for key, raw in venue.prices.items():
            if venue.linear(account).slope(key) > 0:
                feed = market.evm.at(venue.feeds[key].address, market.feed("WETH").abi, "Feed")
                feed.send("setAnswer", max(1, int(raw * fall)))
        venue, account = empty.one(user)
        assume(venue.verdict(account).liquidatable)
        pairs = [
            (c.reserve, d.reserve)
            for c in account.positions
            for d in account.positions
            if account.borrows(d.reserve) and account.uses_as_collateral(c.reserve)
        ]
        assume(pairs)
        pair = data.draw(st.sampled_from(pairs), label="pair")
        most = liquidate(venue, account, *pair)
        assume(isinstance(most, Liquidation))
        assert isinstance(most, Liquidation)
        cover = data.draw(st.sampled_from((UINT256_MAX, max(1, most.repay_raw * 2 // 3))), label="cover")
        predicted = liquidate(venue, account, *pair, cover)
        collateral, debt = (venue.reserves[i].symbol for i in pair)
        refusal = market.try_liquidate(collateral, debt, user, cover, receive_a_token=True)
        assert (refusal is None) == isinstance(predicted, Liquidation), (refusal, predicted)
        if isinstance(predicted, Liquidation):
            receipt = market.liquidate(collateral, debt, user, cover, receive_a_token=True)
            event = receipt["LiquidationCall"]
            assert (event["debtToCover"], event["liquidatedCollateralAmount"]) == (
                predicted.repay_raw,
                predicted.seize_raw,
            )


def test_the_cast_is_judged_as_the_contract_judges_it(lived_in: Genuine) -> None:
    cast = lived_in.market.cast
    book = lived_in.read(*cast.values())
    judged: Counter[bool | None] = Counter()
    for name, user in cast.items():
        accounts = book.accounts[user]
        assert len(accounts) == (0 if name == "no_position" else 1)
        for account in accounts:
            assert isinstance(account, AaveAccount)
            judged[book.venue.audit(account).agrees] += 1
    assert judged == {True: len(cast) - 1}
