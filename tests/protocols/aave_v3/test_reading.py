"""Reading on genuine markets: the cast, modes, odd oracles, and addresses that are no market."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from chain.block import pin
from chain.reader import Reader
from localnet.aave_v3.standard import raw_of, wallet
from localnet.solc import own
from margin.basics import ZERO_ADDRESS, Reason, Unread
from margin.errors import ReadError, VenueError
from margin.frontier import feed_edge
from protocols.aave_v3 import ADAPTER
from protocols.aave_v3.rules import RULES_BY_REVISION, WITHOUT_GRACE_PERIODS
from protocols.aave_v3.state import AaveAccount
from protocols.base import Failed
from tests.conformance.subject import read
from tests.protocols.aave_v3.subject import Genuine

USER = wallet("reader")


def test_the_cast_is_judged_as_the_contract_judges_it(lived_in: Genuine) -> None:
    cast = lived_in.market.cast
    book = read(lived_in, *cast.values())
    judged: Counter[bool | None] = Counter()
    for name, user in cast.items():
        accounts = book.accounts[user]
        assert len(accounts) == (0 if name == "no_position" else 1)
        for account in accounts:
            assert isinstance(account, AaveAccount)
            judged[book.venue.audit(account).agrees] += 1
    assert judged == {True: len(cast) - 1}


def test_exactly_at_the_edge_is_healthy_with_nothing_to_spare(lived_in: Genuine) -> None:
    venue, account = lived_in.one(lived_in.market.cast["exact"])
    verdict = venue.verdict(account)
    assert verdict.health_factor_wad == 10**18
    assert not verdict.liquidatable
    assert verdict.margin_raw == 0


def test_legs_are_what_the_tokens_say(lived_in: Genuine) -> None:
    market = lived_in.market
    for user in market.cast.values():
        book = read(lived_in, user)
        for account in book.accounts[user]:
            for leg in book.venue.collateral_legs(account):
                assert leg.amount_raw == market.balance(market.reserves[leg.symbol].a_token, user)
            for debt in book.venue.debt_legs(account):
                reserve = market.reserves[debt.symbol]
                owed = market.balance(reserve.variable_debt_token, user)
                if reserve.stable_debt_token:
                    owed += market.balance(reserve.stable_debt_token, user)
                assert debt.amount_raw == owed


def test_a_supply_not_enabled_as_collateral_supports_nothing(lived_in: Genuine) -> None:
    venue, account = lived_in.one(lived_in.market.cast["unused_supply"])
    assert 0 in [leg.threshold_bps for leg in venue.collateral_legs(account)]


def test_an_emode_with_its_own_price_source_hangs_on_that_feed(lived_in: Genuine) -> None:
    market = lived_in.market
    venue, account = lived_in.one(market.cast["emode_staked"])
    feeds = {venue.feeds[key].address for key in venue.feeds_of(account)}
    if market.core.version.liquid_emodes:
        assert feeds <= {reserve.feed for reserve in market.reserves.values()}
    else:
        assert len(feeds) == 1
        assert not feeds & {reserve.feed for reserve in market.reserves.values()}
        assert {venue.feeds[key].base_factor for key in venue.feeds_of(account)} == {"ETH"}
    for key in venue.feeds_of(account):
        edge = feed_edge(venue, account, key)
        if edge.liquidation_price_raw is not None:
            moved = {str(venue.feeds[key].address): edge.liquidation_price_raw}
            assert market.health_factor(account.key.owner, prices=moved) < 10**18


def test_reserves_that_share_a_feed_are_one_entry(empty: Genuine) -> None:
    market = empty.market
    with empty.node.undone():
        market.set_price_source(market.reserves["DAI"].token, market.reserves["USDC"].feed)
        market.supply(USER, "DAI", raw_of(market, "DAI", 1_000))
        market.borrow(USER, "USDC", raw_of(market, "USDC", 500))
        venue, account = empty.one(USER)
        (key,) = venue.feeds_of(account)
        assert venue.feeds[key].asset == "USDC+DAI"


@pytest.mark.parametrize("answer_raw", [0, -1])
def test_a_feed_without_a_positive_answer_makes_its_accounts_unknown(empty: Genuine, answer_raw: int) -> None:
    market = empty.market
    with empty.node.undone():
        market.supply(USER, "WETH", raw_of(market, "WETH", 1_000))
        market.borrow(USER, "USDC", raw_of(market, "USDC", 500))
        market.feed("WETH").send("setAnswer", answer_raw)
        book = read(empty, USER, market.cast["whale"])
        (failed,) = book.accounts[USER]
        assert isinstance(failed, Failed)
        assert failed.unread.reason is Reason.ORACLE


def test_a_fallback_oracle_stands_in_and_is_named(empty: Genuine) -> None:
    """Its price is that of another AaveOracle, as a market may have it."""
    market = empty.market
    with empty.node.undone():
        market.supply(USER, "WETH", raw_of(market, "WETH", 1_000))
        market.borrow(USER, "USDC", raw_of(market, "USDC", 500))
        feed = market.new_feed("fallback", 1_900 * 10**8)
        token = market.reserves["WETH"].token
        fallback = market.evm.deploy(
            market._source.get("AaveOracle"),
            market.addresses_provider.address,
            [token],
            [feed],
            ZERO_ADDRESS,
            ZERO_ADDRESS,
            10**8,
        )
        market.oracle.send("setFallbackOracle", fallback.address)
        market.feed("WETH").send("setAnswer", 0)
        venue, account = empty.one(USER)
        assert venue.audit(account).agrees
        weth = venue.feeds[venue.feeds_of(account)[0]]
        assert (weth.address, weth.answer_raw) == (fallback.address, 1_900 * 10**8)


def test_an_address_that_is_no_addresses_provider_is_refused(empty: Genuine) -> None:
    reader = Reader(empty.rpc, pin(empty.rpc))
    token = empty.market.reserves["WETH"].token
    for address, problem in ((wallet("nobody"), "no contract"), (token, "not an Aave v3 addresses provider")):
        config = replace(empty.config, addresses={"pool_addresses_provider": address})
        with pytest.raises(VenueError, match=problem):
            ADAPTER.open(reader, config)


def test_a_pool_of_a_revision_not_known_is_refused(empty: Genuine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(RULES_BY_REVISION, empty.market.core.version.said_revision)
    with pytest.raises(VenueError, match=r"pool revision .* is not a version of Aave v3 known here"):
        empty.open(Reader(empty.rpc, pin(empty.rpc)))


def test_a_fork_that_counts_for_itself_is_known_by_what_its_pool_can_do(
    empty: Genuine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SparkLend's v3.0.2 says 4 on Ethereum, as Aave's v3.1 does."""
    reader, said = Reader(empty.rpc, pin(empty.rpc)), empty.market.core.version.said_revision
    own, fork, aave = empty.open(reader).rules, WITHOUT_GRACE_PERIODS[4], RULES_BY_REVISION[4]
    assert (fork.name, aave.name) == ("v3.0", "v3.1")
    monkeypatch.setitem(RULES_BY_REVISION, said, replace(own, name="another") if own.grace_period else aave)
    monkeypatch.setitem(WITHOUT_GRACE_PERIODS, said, fork)
    assert empty.open(reader).rules.name == ("another" if own.grace_period else "v3.0")
    monkeypatch.setattr(Reader, "read_one", lambda *_: Unread(Reason.TIMEOUT, "no answer"))
    with pytest.raises(ReadError, match="no answer"):
        empty.open(reader)


def test_hostile_token_names_are_tamed(empty: Genuine) -> None:
    if not empty.market.core.version.stable_rate:
        return
    with empty.node.undone():
        token = empty.market.evm.deploy(own("Token"), "x", "@everyone\x1b[31m\n" + "Z" * 10_000, 18).address
        empty.market.list_reserve("evil", token=token)
        venue = empty.open(Reader(empty.rpc, pin(empty.rpc)))
        symbol = next(r.symbol for r in venue.reserves.values() if r.token == token)
        assert len(symbol) <= 32
        assert symbol.isprintable()
        assert "@everyone" not in symbol


def test_a_collateral_in_an_emode_alone_counts_there(empty: Genuine) -> None:
    """From v3.6 an asset can be collateral in an e-mode and have threshold 0 outside it."""
    market = empty.market
    with empty.node.undone():
        if market.core.version.revision < 10:
            assert not empty.one(market.cast["whale"])[0].rules.zero_threshold_counts
            return
        new = market.list_reserve("NEW", 18, 3 * 10**8, ltv=0, liquidation_threshold=0)
        market.set_emode(
            9,
            ltv=9_000,
            liquidation_threshold=9_300,
            liquidation_bonus=10_200,
            label="NEW alone",
            collateral=["NEW"],
            borrowable=["USDC"],
        )
        market.enter_emode(USER, 9)
        market.supply(USER, "NEW", 1_000 * new.unit)
        market.use_as_collateral(USER, "NEW", True)
        market.borrow(USER, "USDC", 2_000 * 10**6)
        venue, account = empty.one(USER)
        assert venue.audit(account).agrees
        assert [leg.threshold_bps for leg in venue.collateral_legs(account)] == [9_300]
        verdict = venue.verdict(account)
        assert verdict.assets_raw == 3_000 * 10**8
