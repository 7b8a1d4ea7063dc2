"""What is Comet's own in reading: prices not read, debts that move in silence, 24 collaterals, numeraires."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given

from chain.block import pin
from chain.reader import Reader
from checker.book.keeper import BookKeeper, How
from checker.book.store import Store
from checker.venues import Place
from localnet.compound_v3 import Asset
from localnet.compound_v3.cast import max_borrow
from localnet.compound_v3.market import Rates, Terms
from localnet.compound_v3.standard import ASSETS, bps, wallet
from localnet.evm import Reverted
from margin.basics import Address, Reason
from margin.errors import VenueError
from margin.mending import Change, Deed, Refused
from margin.units import WAD
from protocols.base import Failed, Numeraire, VenueConfig
from protocols.compound_v3 import ADAPTER
from protocols.compound_v3.adapter import CometVenue
from protocols.compound_v3.parts import LENT, OWED
from protocols.compound_v3.state import CometAccount
from protocols.registry import adapters
from tests.conformance.subject import read
from tests.conformance.test_exact import EDGE_STATES
from tests.protocols.compound_v3.lives import OTHER, Life, lives
from tests.protocols.compound_v3.subject import KINDS, Local, local

DAY_S = 86_400


def failed(subject: Local, name: str) -> Failed:
    (account,) = read(subject, subject.market.cast[name]).accounts[subject.market.cast[name]]
    assert isinstance(account, Failed), account
    return account


@pytest.mark.parametrize("answer", [0, -1, None])
def test_a_price_that_is_refused(lived_in: Local, answer: int | None) -> None:
    """Not positive, or none at all: nobody who hangs on it can be absorbed, and so nobody is judged."""
    market = lived_in.market
    if answer is None:
        market.feed("COMP").send("setBroken", True)
    else:
        market.set_price("COMP", answer)
    for name in ("many", "insolvent"):
        assert failed(lived_in, name).unread.reason is Reason.ORACLE
        assert market.try_absorb(market.cast[name]) == ("feed is broken" if answer is None else "BadPrice")
    venue, account = lived_in.one(market.cast["liquidatable"])
    assert venue.verdict(account).liquidatable
    assert market.try_absorb(market.cast["liquidatable"]) is None
    assert [name for name, _ in venue.gaps()] == ["COMP"]


def test_the_view_does_not_read_what_it_does_not_need(lived_in: Local) -> None:
    """Its loop ends with the collateral that carries the debt: a broken feed behind it is not noticed.

    A broken one before it is; and either way the account is unknown, for its prices to come are.
    """
    market = lived_in.market
    user = market.cast["comfortable"]  # WBTC, and behind it WETH
    for symbol, notices in (("WETH", False), ("WBTC", True)):
        with market.anvil.undone():
            market.supply(user, "WBTC", 10**9)
            market.feed(symbol).send("setBroken", True)
            if notices:
                with pytest.raises(Reverted, match="feed is broken"):
                    market.comet.call("isLiquidatable", user)
            else:
                assert market.comet.call("isLiquidatable", user) is False
            assert failed(lived_in, "comfortable").unread.reason is Reason.ORACLE


def test_who_owes_nothing_needs_no_price(lived_in: Local) -> None:
    market = lived_in.market
    for symbol in ("LINK", "USDC"):
        market.feed(symbol).send("setBroken", True)
    venue, account = lived_in.one(market.cast["both"])
    assert not venue.verdict(account).liquidatable
    assert venue.audit(account).agrees
    assert venue.feeds_of(account) == ()
    assert [(leg.symbol, leg.value_raw) for leg in venue.collateral_legs(account)] == [
        ("LINK", None),
        ("USDC", None),
    ]
    assert failed(lived_in, "edge").unread.reason is Reason.ORACLE


def test_twenty_four_collaterals(lived_in: Local) -> None:
    """From the seventeenth on an account's bits stand in another byte."""
    chain, user = lived_in.standard, wallet("all bits")
    if chain.contracts.older:
        pytest.skip("the older Comet lists twelve")
    symbols = [f"T{place}" for place in range(24)]
    for place, symbol in enumerate(symbols):
        chain.new_token(symbol, 18 if place % 2 else 6, (place + 1) * 10**8)
    market = chain.open_market("USDC", [Asset(s, bps(50_00), bps(60_00), bps(90_00)) for s in symbols])
    lived_in.market = market
    market.supply(market.cast["whale"], "USDC", 10**12)
    places = (0, 7, 15, 16, 20, 23)
    for place in places:
        market.supply(user, symbols[place], 10 ** market.decimals[symbols[place]] * (place + 1))
    market.withdraw(user, "USDC", max_borrow(market, user))
    venue, account = lived_in.one(user)
    assert [asset for asset, _ in account.held] == list(places)
    assert venue.audit(account).agrees
    assert lived_in.own_view(user, None, None) == lived_in.our_view(venue, account, None, None)
    lived_in.set_answers({chain.feeds["T23"]: 10**8})
    venue, account = lived_in.one(user)
    assert venue.verdict(account).liquidatable
    assert lived_in.liquidate(venue, account)
    for later_venue, later in [lived_in.one(user)]:
        assert later_venue.audit(later).agrees
        assert not later.held


def debtors(subject: Local) -> tuple[Address, Address]:
    """Two wallets that owe, and can owe more."""
    found = wallet("giver"), wallet("taker")
    for user in found:
        subject.market.supply(user, "WETH", 10**19)
        subject.market.withdraw(user, "USDC", 5 * 10**9)
    return found


def those(subject: Local, *owners: Address) -> tuple[CometVenue, list[CometAccount]]:
    """The owners' accounts, each of whom has one that can be read."""
    found = [subject.one(owner) for owner in owners]
    return found[0][0], [account for _, account in found]


def test_a_debt_moves_without_an_event(lived_in: Local) -> None:
    """`transfer` of base between two that owe: nothing tells of it, and what is carried is right."""
    market = lived_in.market
    giver, taker = debtors(lived_in)
    owners = giver, taker, market.cast["lender"]
    earlier, before = those(lived_in, *owners)
    market.warp(12)
    receipt = market.comet.send("transferAsset", taker, market.tokens["USDC"], 10**9, sender=giver)
    assert receipt["logs"] == []
    reader = Reader(lived_in.rpc, pin(lived_in.rpc))
    venue = earlier.at_block(reader)
    assert venue.silent_since(earlier) == {LENT, OWED}
    _, carried = venue.carry(reader, before)
    assert carried == [replace(account, reported=None) for account in those(lived_in, *owners)[1]]
    assert principals(carried)[0] < before[0].principal
    assert principals(carried)[1] > before[1].principal


def principals(accounts: Sequence[CometAccount | Failed]) -> list[int]:
    return [account.principal for account in accounts if not isinstance(account, Failed)]


def test_nothing_is_read_again_where_nobody_had_the_market_accrue(lived_in: Local) -> None:
    giver, taker = debtors(lived_in)
    lived_in.market.warp(1)
    earlier, before = those(lived_in, giver, taker)
    lived_in.market.warp(12)
    reader = Reader(lived_in.rpc, pin(lived_in.rpc))
    venue = earlier.at_block(reader)
    assert venue.silent_since(earlier) == frozenset()
    assert venue.silent_since(None) == {LENT, OWED}
    requests = lived_in.rpc.requests
    assert principals(venue.carry(reader, before)[1]) == principals(before)
    assert lived_in.rpc.requests == requests


def test_a_second_can_hold_several_blocks(lived_in: Local) -> None:
    """An accrual in the second of the block that was read may have come after it."""
    market = lived_in.market
    giver, taker = debtors(lived_in)
    market.warp(12)
    market.accrue()
    earlier, before = those(lived_in, giver, taker)
    market.transfer(giver, taker, "USDC", 10**9)
    reader = Reader(lived_in.rpc, pin(lived_in.rpc))
    assert reader.block.timestamp == earlier.block.timestamp
    venue = earlier.at_block(reader)
    assert venue.silent_since(earlier) == {LENT, OWED}
    assert principals(venue.carry(reader, before)[1])[0] < before[0].principal


def test_a_book_that_is_followed_sees_it(lived_in: Local, tmp_path: Path) -> None:
    market = lived_in.market
    giver, taker = debtors(lived_in)
    place = Place(adapters()["compound-v3"], replace(lived_in.config, start_block=0), is_users=True)
    with Store.open(f"sqlite:///{tmp_path / 'store.db'}") as store:
        keeper = BookKeeper(lived_in.rpc, place, store)
        keeper.advance(pin(lived_in.rpc))
        market.warp(12)
        market.transfer(giver, taker, "USDC", 10**9)
        assert keeper.advance(pin(lived_in.rpc)).how is How.QUIET
        built = {keeper.table.ids[row]: words for row, words in keeper.table.accounts()}
        for account in those(lived_in, giver, taker)[1]:
            id_ = bytes.fromhex(account.key.owner[2:])
            assert keeper.venue.account_of(id_, built[id_]) == replace(account, reported=None)


def test_a_supply_cap_and_a_pause_hold_a_deposit_back(lived_in: Local) -> None:
    market = lived_in.market
    user = market.cast["many"]
    venue, account = lived_in.one(user)
    asset = next(asset for asset in venue.assets.values() if asset.symbol == "USDT")
    assert asset.cap_raw == ASSETS[5].cap_raw
    room_raw = asset.cap_raw - asset.supplied_raw
    assert not isinstance(venue.changed(account, [Change(Deed.DEPOSIT, asset.token, room_raw)]), Refused)
    beyond = venue.changed(account, [Change(Deed.DEPOSIT, asset.token, room_raw + 1)])
    assert beyond == Refused("USDT has reached its supply cap", most_raw=room_raw)
    halves = [Change(Deed.DEPOSIT, asset.token, room_raw // 2 + 1)] * 2
    assert isinstance(venue.changed(account, halves), Refused)
    assert lived_in.do(user, Change(Deed.DEPOSIT, asset.token, room_raw + 1)) == "SupplyCapExceeded"
    assert lived_in.do(user, Change(Deed.DEPOSIT, asset.token, room_raw)) is None
    market.pause(supply=True)
    venue, account = lived_in.one(user)
    repay = Change(Deed.REPAY, venue.base.token, 1)
    assert venue.changed(account, [repay]) == Refused("supplying is paused")
    assert lived_in.do(user, repay) == "Paused"


def test_managers_are_plain_addresses_and_change_nothing(lived_in: Local) -> None:
    """`allow` lets another act for the owner; the account is the owner's all the same."""
    market = lived_in.market
    owner, manager = market.cast["both"], wallet("manager")
    before = lived_in.one(owner)[1]
    market.comet.send("allow", manager, True, sender=owner)
    assert replace(lived_in.one(owner)[1]) == before
    market.comet.send("withdrawFrom", owner, manager, market.tokens["LINK"], 10**18, sender=manager)
    assert lived_in.one(owner)[1].held[0][1] == before.held[0][1] - 10**18
    assert read(lived_in, manager).accounts[manager] == []


def test_a_market_counts_in_what_its_feeds_say(lived_in: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    chain = lived_in.standard
    assert lived_in.one(chain.cast["edge"])[0].numeraire == Numeraire(None, 10**8)
    monkeypatch.setitem(chain.feeds, "WETH", chain.new_feed("Constant price feed", 10**8))
    monkeypatch.setitem(chain.feeds, "wstETH", chain.new_feed("wstETH / ETH price feed", 1_171 * 10**5))
    market = chain.open_market("WETH", [Asset("wstETH", bps(90_00), bps(93_00), bps(97_50))])
    lived_in.market, user = market, wallet("in ether")
    market.supply(market.cast["whale"], "WETH", 10**21)
    market.supply(user, "wstETH", 10**19)
    market.withdraw(user, "WETH", max_borrow(market, user))
    venue, account = lived_in.one(user)
    assert venue.numeraire == Numeraire(market.tokens["WETH"], 10**8, "ETH")
    assert {feed.quote_factor for feed in venue.feeds.values()} == {"ETH"}
    assert not any(feed.loads_on("ETH") for feed in venue.feeds.values())
    assert venue.audit(account).agrees


def test_what_is_no_comet(lived_in: Local) -> None:
    reader = Reader(lived_in.rpc, pin(lived_in.rpc))
    for address, told in (
        (wallet("nobody"), "no contract at"),
        (lived_in.market.tokens["USDC"], "is not a Comet"),
    ):
        config = VenueConfig("local/compound-v3", {"comet": address}, "test")
        with pytest.raises(VenueError, match=told):
            ADAPTER.open(reader, config)


def test_interest_that_fits_no_index_is_not_computed(lived_in: Local) -> None:
    """Far more borrowed than is lent: the rate, or soon the index, is more than the market can hold."""
    chain = lived_in.standard
    rates = Rates((0, 0, 18 * WAD, 0), (0, 0, 18 * WAD, 0))
    market = chain.open_market("USDC", [Asset("WETH", bps(80_00), bps(85_00), bps(95_00))], Terms(rates))
    lived_in.market, user = market, wallet("far too much")
    market.supply(market.cast["whale"], "USDC", 1)
    market.add_reserves(10**15)
    market.supply(user, "WETH", 10**24)
    market.withdraw(user, "USDC", 10**11)
    (account,) = read(lived_in, user).accounts[user]
    assert isinstance(account, Failed)
    assert account.unread.reason is Reason.UNSUPPORTED


@EDGE_STATES
@given(life=lives())
def test_the_stand_in_is_what_the_genuine_build_is(pair: tuple[Local, Local], life: Life) -> None:
    """The same life on both: every view alike, to the unit."""
    seen = []
    for subject in pair:
        with subject.node.undone():
            subject.market = subject.standard
            owner = subject.live(life)
            seen.append([views(subject, owner, later) for later in (0, 1, 400 * DAY_S)])
    assert seen[0] == seen[1]


def views(subject: Local, owner: str, later: int) -> str:
    """Everything that the adapter reads, and more, so many seconds on."""
    market, at = subject.market, subject.node.timestamp() + later
    ask = market.comet.call
    tokens = [market.tokens[symbol] for symbol in market.assets]
    found: list[object] = [
        ask(view, at=at)
        for view in (
            "totalsBasic",
            "getUtilization",
            "getReserves",
            "totalSupply",
            "totalBorrow",
            "baseScale",
        )
    ]
    totals = ask("totalsBasic")
    found += [*totals[:2], *totals[4:]]  # the other two are of rewards, which the stand-in leaves out
    for view in ("getSupplyRate", "getBorrowRate"):
        found += [ask(view, utilization) for utilization in (0, WAD // 2, WAD, 7 * WAD // 3)]
    for user in (owner, OTHER):
        basic = ask("userBasic", user)
        found += [basic[0], basic[3], basic[4], ask("isLiquidatable", user, at=at)]
        found += [
            ask(view, user, at=at) for view in ("balanceOf", "borrowBalanceOf", "isBorrowCollateralized")
        ]
        found.append(market.try_absorb(user, at=at))
        found += [ask("userCollateral", user, token) for token in tokens]
    for place, token in enumerate(tokens):
        info = ask("getAssetInfo", place)
        found += [info[3:], ask("totalsCollateral", token), ask("getCollateralReserves", token)]
        found += [ask("quoteCollateral", token, amount) for amount in (1, 10**6, 10**18 + 1)]
    return json.dumps(found)


@pytest.fixture(scope="module", params=["genuine", "genuine older"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[Local, Local]]:
    if request.param not in KINDS:
        pytest.skip("no build of the genuine contracts in CROSSMARGIN_COMET_BUILD")
    with local() as ours, local(KINDS[request.param]) as theirs:
        yield ours, theirs
