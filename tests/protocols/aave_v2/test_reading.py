"""Reading on genuine markets: the cast, odd oracles, other numeraires, and addresses that are no market."""

from __future__ import annotations

from collections import Counter
from dataclasses import astuple, replace

import numpy as np
import pytest

from chain.block import pin
from chain.logs import scan_logs
from chain.reader import Reader
from checker.book.table import Table
from localnet import packages
from localnet.aave_v2.core import SOURCE
from localnet.aave_v2.standard import raw_of, wallet
from localnet.artifacts import PackagedArtifacts
from localnet.evm import Contract
from margin.basics import ZERO_ADDRESS, Address, Reason
from margin.errors import VenueError
from margin.frontier import factor_edge, feed_edge
from margin.units import WAD
from protocols.aave_v2 import ADAPTER
from protocols.aave_v2.adapter import PoolVenue
from protocols.aave_v2.state import PoolAccount, Reported
from protocols.base import Failed, Numeraire
from tests.conformance.subject import read
from tests.protocols.aave_v2.subject import Genuine

USER = wallet("reader")


def open_account(empty: Genuine, collateral: str = "WETH", debt: str = "USDC", share: float = 0.5) -> None:
    market = empty.market
    market.supply(USER, collateral, raw_of(market, collateral, 10) + 7)
    market.borrow(USER, debt, raw_of(market, debt, 10 * share))


def test_the_cast_is_judged_as_the_contract_judges_it(lived_in: Genuine) -> None:
    cast = lived_in.market.cast
    book = read(lived_in, *cast.values())
    judged: Counter[bool | None] = Counter()
    for name, user in cast.items():
        accounts = book.accounts[user]
        assert len(accounts) == (0 if name == "no_position" else 1)
        for account in accounts:
            assert isinstance(account, PoolAccount)
            judged[book.venue.audit(account).agrees] += 1
    assert judged == {True: len(cast) - 1}


def test_a_view_that_differs_is_told(lived_in: Genuine) -> None:
    """Each of the six figures is compared."""
    venue, account = lived_in.one(lived_in.market.cast["many_assets"])
    assert account.reported is not None
    figures = astuple(account.reported)
    for place in range(len(figures)):
        other = Reported(*(figure + (at == place) for at, figure in enumerate(figures)))
        assert venue.audit(replace(account, reported=other)).agrees is False


def test_legs_are_what_the_tokens_say(lived_in: Genuine) -> None:
    market = lived_in.market
    for user in market.cast.values():
        book = read(lived_in, user)
        for account in book.accounts[user]:
            for leg in book.venue.collateral_legs(account):
                assert leg.amount_raw == market.balance(market.reserves[leg.symbol].a_token, user)
            for debt in book.venue.debt_legs(account):
                reserve = market.reserves[debt.symbol]
                tokens = reserve.variable_debt_token, reserve.stable_debt_token
                assert debt.amount_raw == sum(market.balance(token, user) for token in tokens)


def test_exactly_at_the_edge_is_healthy_and_a_higher_debt_price_is_not(lived_in: Genuine) -> None:
    market = lived_in.market
    venue, account = lived_in.one(market.cast["exact"])
    verdict = venue.verdict(account)
    assert verdict.health_factor_wad == WAD
    assert not verdict.liquidatable
    assert market.try_liquidate("WETH", "DAI", account.key.owner) == "42"
    (key,) = venue.feeds_of(account)
    edge = feed_edge(venue, account, key)
    assert edge.direction == "up"
    assert edge.liquidation_price_raw is not None
    assert edge.liquidation_price_raw - venue.prices[key] <= 2
    at_edge = {str(venue.feeds[key].address): edge.liquidation_price_raw}
    assert market.try_liquidate("WETH", "DAI", account.key.owner, prices=at_edge) is None


def test_a_fall_of_ether_lifts_what_is_quoted_in_it(empty: Genuine) -> None:
    """Ether against dollars: the dollar's price in ether rises by 1/(1+s), and ether itself has no feed."""
    with empty.node.undone():
        open_account(empty)
        venue, account = empty.one(USER)
        (key,) = venue.feeds_of(account)
        feed = venue.feeds[key]
        assert (feed.base_factor, feed.quote_factor, feed.decimals) == ("USDC", "ETH", 18)
        shock_wad = factor_edge(venue, account, "ETH")
        assert shock_wad is not None
        health = venue.verdict(account).health_factor_wad
        assert health is not None
        assert shock_wad / WAD == pytest.approx(WAD / health - 1, abs=1e-9)
        moved = {str(feed.address): feed.shocked_raw({"ETH": shock_wad})}
        assert empty.market.try_liquidate("WETH", "USDC", USER, prices=moved) is None


def test_a_supply_of_which_no_debt_may_be_backed_supports_nothing(lived_in: Genuine) -> None:
    """Switched off by its owner, or a reserve with threshold 0, whose flag is set all the same."""
    venue, account = lived_in.one(lived_in.market.cast["unused_supply"])
    assert 0 in [leg.threshold_bps for leg in venue.collateral_legs(account)]
    market = lived_in.market
    with lived_in.node.undone():
        market.supply(USER, "GUSD", raw_of(market, "GUSD", 5))
        venue, account = lived_in.one(USER)
        gusd = next(r for r in venue.reserves.values() if r.symbol == "GUSD")
        assert account.uses_as_collateral(gusd.id)
        assert [leg.threshold_bps for leg in venue.collateral_legs(account)] == [0]
        assert not venue.verdict(account).assets_raw
        assert not venue.feeds_of(account)


def test_reserves_that_share_a_feed_are_one_entry(empty: Genuine) -> None:
    market = empty.market
    with empty.node.undone():
        market.set_price_source(market.reserves["DAI"].token, str(market.reserves["USDC"].feed))
        open_account(empty, "DAI", "USDC")
        venue, account = empty.one(USER)
        (key,) = venue.feeds_of(account)
        assert venue.feeds[key].asset == "USDC+DAI"


@pytest.mark.parametrize("answer_raw", [0, -1])
def test_without_a_positive_answer_or_a_fallback_its_accounts_are_unknown(
    empty: Genuine, answer_raw: int
) -> None:
    market = empty.market
    with empty.node.undone():
        open_account(empty, "LINK", "USDC")
        market.feed("LINK").send("setAnswer", answer_raw)
        assert market.try_liquidate("LINK", "USDC", USER) == "23"
        book = read(empty, USER)
        (failed,) = book.accounts[USER]
        assert isinstance(failed, Failed)
        assert failed.unread.reason is Reason.ORACLE
        assert [name for name, _ in book.venue.gaps()] == ["LINK"]


def test_a_flag_without_a_balance_still_needs_its_price(empty: Genuine) -> None:
    """A liquidation that repays all of a debt leaves its flag, and the pool goes on asking for the price."""
    market = empty.market
    with empty.node.undone():
        market.supply(USER, "LINK", raw_of(market, "LINK", 10))
        market.borrow(USER, "DAI", raw_of(market, "DAI", 6.9))
        market.borrow(USER, "USDC", 1)
        market.set_price("LINK", market.price("LINK") * 9 // 10)
        happened = market.liquidate("LINK", "USDC", USER, receive_a_token=True)["LiquidationCall"]
        assert happened["debtToCover"] == 1
        venue, account = empty.one(USER)
        usdc = next(r for r in venue.reserves.values() if r.symbol == "USDC")
        assert account.borrows(usdc.id)
        assert [leg.symbol for leg in venue.debt_legs(account)] == ["DAI"]
        assert market.try_liquidate("LINK", "USDC", USER) == "44"
        market.feed("USDC").send("setAnswer", 0)
        (failed,) = read(empty, USER).accounts[USER]
        assert isinstance(failed, Failed)
        assert failed.unread.reason is Reason.ORACLE
        venue = empty.open(Reader(empty.rpc, pin(empty.rpc)))
        carried = venue.carry(Reader(empty.rpc, pin(empty.rpc)), [account])[1]
        assert isinstance(carried[0], Failed)


def oracle(empty: Genuine, package: packages.Package, *arguments: object) -> Contract:
    return empty.market.evm.deploy(PackagedArtifacts(package).get("AaveOracle"), *arguments)


def test_a_fallback_oracle_stands_in_and_is_named(empty: Genuine) -> None:
    market = empty.market
    with empty.node.undone():
        open_account(empty, "LINK", "USDC")
        link = market.reserves["LINK"].token
        spare = market.new_feed("fallback", 7 * 10**15)
        fallback = oracle(empty, packages.AAVE_V2, [link], [spare], ZERO_ADDRESS, market.core.weth)
        market.oracle.send("setFallbackOracle", fallback.address)
        market.feed("LINK").send("setAnswer", 0)
        venue, account = empty.one(USER)
        assert venue.audit(account).agrees
        feed = next(f for f in venue.feeds.values() if f.asset == "LINK")
        assert (feed.address, feed.answer_raw) == (fallback.address, 7 * 10**15)


def test_a_fallback_oracle_that_says_zero_makes_its_accounts_unknown(empty: Genuine) -> None:
    """The pool itself would take the collateral for worthless; a price of zero is no price."""
    market = empty.market
    with empty.node.undone():
        open_account(empty, "LINK", "USDC")
        bare = market.evm.deploy(SOURCE.get("PriceOracle"))
        market.oracle.send("setFallbackOracle", bare.address)
        market.feed("LINK").send("setAnswer", 0)
        assert market.account_data(USER)[0] == 0
        (failed,) = read(empty, USER).accounts[USER]
        assert isinstance(failed, Failed)
        assert failed.unread.reason is Reason.ORACLE
        assert "zero" in failed.unread.detail


def in_dollars(empty: Genuine) -> None:
    """The oracle of later deployments, which says what it quotes in: 8 decimals of a dollar."""
    market = empty.market
    tokens = [reserve.token for reserve in market.reserves.values()]
    prices = [market.price(symbol) * 2034 // 10**10 for symbol in market.reserves]
    feeds = [market.new_feed(f"{at} / USD", price) for at, price in enumerate(prices)]
    arguments = (market.core.provider.address, tokens, feeds, ZERO_ADDRESS, ZERO_ADDRESS, 10**8)
    market.core.provider.send("setPriceOracle", oracle(empty, packages.AAVE_V3_0_2, *arguments).address)


def test_an_oracle_in_dollars_says_so(empty: Genuine) -> None:
    with empty.node.undone():
        open_account(empty, "LINK", "USDC")
        ether = empty.market.reserves["WETH"].token
        assert empty.one(USER)[0].numeraire == Numeraire(ether, 10**18, "ETH")
        in_dollars(empty)
        venue, account = empty.one(USER)
        assert venue.audit(account).agrees
        assert venue.numeraire_of(account) == venue.numeraire == Numeraire(None, 10**8)
        assert {(f.decimals, f.quote_factor) for f in venue.feeds.values()} == {(8, None)}
        assert len(venue.feeds) == len(venue.reserves)


def test_an_oracle_that_only_has_prices_is_its_own_feed_in_no_known_numeraire(empty: Genuine) -> None:
    market = empty.market
    with empty.node.undone():
        open_account(empty, "LINK", "USDC")
        bare = market.evm.deploy(SOURCE.get("PriceOracle"))
        for symbol, reserve in market.reserves.items():
            bare.send("setAssetPrice", reserve.token, market.price(symbol) * 2034 // 10**10)
        market.core.provider.send("setPriceOracle", bare.address)
        venue, account = empty.one(USER)
        assert venue.audit(account).agrees
        assert venue.numeraire is None
        assert {feed.address for feed in venue.feeds.values()} == {bare.address}
        link = market.reserves["LINK"].token
        key = next(k for k in venue.feeds_of(account) if k == f"{bare.address}/{link}")
        edge_raw = feed_edge(venue, account, key).liquidation_price_raw
        assert edge_raw is not None
        for price, said in ((edge_raw + 1, "42"), (edge_raw, None)):
            bare.send("setAssetPrice", link, price)
            assert market.try_liquidate("LINK", "USDC", USER) == said


def test_an_address_that_is_no_addresses_provider_is_refused(empty: Genuine) -> None:
    reader = Reader(empty.rpc, pin(empty.rpc))
    token = empty.market.reserves["WETH"].token
    for address, problem in ((wallet("nobody"), "no contract"), (token, "not an Aave v2 addresses provider")):
        config = replace(empty.config, addresses={"addresses_provider": address})
        with pytest.raises(VenueError, match=problem):
            ADAPTER.open(reader, config)


def test_a_pool_of_another_provider_and_an_empty_provider_are_refused(empty: Genuine) -> None:
    market = empty.market
    with empty.node.undone():
        other = market.evm.deploy(SOURCE.get("LendingPoolAddressesProvider"), "other")
        config = replace(empty.config, addresses={"addresses_provider": Address(other.address)})
        with pytest.raises(VenueError, match="no pool or no price oracle"):
            ADAPTER.open(Reader(empty.rpc, pin(empty.rpc)), config)
        ids = [name.ljust(32, b"\0") for name in (b"LENDING_POOL", b"PRICE_ORACLE")]
        for id_, address in zip(ids, (market.pool.address, market.oracle.address), strict=True):
            other.send("setAddress", id_, address)
        with pytest.raises(VenueError, match="belongs to another addresses provider"):
            ADAPTER.open(Reader(empty.rpc, pin(empty.rpc)), config)


def table_of(empty: Genuine, venue: PoolVenue, reader: Reader) -> Table:
    table = Table()
    for piece in scan_logs(empty.rpc, venue.history(), 0, reader.block):
        table.add(venue.touched(piece.logs).holdings, venue.common_parts)
    return table


def test_every_cell_of_a_genuine_pool_is_read_from_storage(lived_in: Genuine) -> None:
    """A layout that were wrong would be found out, and read by views without a word."""
    with lived_in.node.undone():
        reader = Reader(lived_in.rpc, pin(lived_in.rpc))
        venue = lived_in.open(reader)
        table = table_of(lived_in, venue, reader)
        at = np.arange(len(table.part))
        table.put(at, venue.read_cells(reader, table.ids, table.row[at], table.part[at]))
        assert venue.proven
        assert set(venue.proven.values()) == {True}
        assert {slot for _, slot in venue.proven} == {54, 52, 0, 61, 60}
