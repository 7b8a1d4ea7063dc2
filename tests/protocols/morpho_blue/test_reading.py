"""Reading on the genuine contracts: markets found or named, odd oracles and models, and what is no Morpho."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chain.block import pin
from chain.reader import Reader
from localnet.morpho_blue.sources import contract
from localnet.morpho_blue.standard import IDLE, wallet
from localnet.morpho_blue.venue import FEE_RECIPIENT, OWNER
from localnet.solc import own
from margin.basics import Reason
from margin.errors import VenueError
from margin.units import WAD
from protocols.base import Failed, VenueConfig
from protocols.morpho_blue import ADAPTER
from protocols.morpho_blue.adapter import MorphoVenue
from tests.conformance.subject import read
from tests.conformance.test_book import accounts, found
from tests.protocols.morpho_blue.subject import Genuine

USER = wallet("reader")


def opened(subject: Genuine, config: VenueConfig | None = None) -> MorphoVenue:
    return ADAPTER.open(Reader(subject.rpc, pin(subject.rpc)), config or subject.config)


def named(subject: Genuine, *names: str) -> VenueConfig:
    ids = tuple(subject.market.markets[name].id for name in names)
    return replace(subject.config, options={"markets": ids})


def test_the_cast_owes_what_the_contract_says(lived_in: Genuine) -> None:
    market = lived_in.market
    book = read(lived_in, *market.cast.values())
    liquidatable = set()
    for name, user in market.cast.items():
        for account in book.accounts[user]:
            assert not isinstance(account, Failed)
            listed = lived_in.listed(account)
            assert sum(leg.amount_raw for leg in book.venue.debt_legs(account)) == market.debt(
                listed.name, user
            )
            assert book.venue.audit(account).agrees is None
            assert book.venue.audit(account).reported == {}
            if book.venue.verdict(account).liquidatable:
                liquidatable.add(name)
    assert liquidatable == {"liquidatable", "insolvent"}


def test_an_owner_has_an_account_in_every_market_it_is_in(lived_in: Genuine) -> None:
    market = lived_in.market
    user = market.cast["spread"]
    book = read(lived_in, user)
    assert {account.key.account for account in book.accounts[user]} == {
        market.markets[name].id for name in ("wstETH/WETH", "WBTC/DAI", "WETH/USDC low", "LINK/WETH")
    }
    assert len({account.key.name for account in book.accounts[user]}) == 4
    lenders = [each for each in book.accounts[user] if not book.venue.debt_legs(each)]
    (lender,) = lenders
    (leg,) = book.venue.collateral_legs(lender)
    assert (leg.symbol, leg.threshold_bps, book.venue.feeds_of(lender)) == ("WETH", 0, ())


def test_markets_are_found_by_their_events_or_named(empty: Genuine) -> None:
    every = {listed.id for listed in empty.market.markets.values()}
    assert set(opened(empty).markets) == every
    two = opened(empty, named(empty, "WETH/USDC", "LINK/WETH"))
    assert [market.name for market in two.markets.values()] == ["WETH/USDC", "LINK/WETH"]
    with empty.node.undone():
        empty.market.create("later", "DAI", "LINK", lltv_wad=WAD // 2, price_raw=10**36, decimals=(18, 18))
        assert len(opened(empty).markets) == len(every) + 1
    empty.node.mine()
    assert set(opened(empty).markets) == every  # the block it had come to is none any more


def test_a_market_that_is_not_there_is_refused(empty: Genuine) -> None:
    with pytest.raises(VenueError, match="has no market 0x1111"):
        opened(empty, replace(empty.config, options={"markets": ("0x" + "11" * 32,)}))


@pytest.mark.parametrize("place", ["nothing", "a token"])
def test_what_is_no_morpho_is_refused(empty: Genuine, place: str) -> None:
    address = wallet("nothing") if place == "nothing" else empty.market.tokens["DAI"]
    said = "no contract at" if place == "nothing" else "is not a Morpho Blue"
    with pytest.raises(VenueError, match=said):
        opened(empty, replace(empty.config, addresses={"morpho": address}))


def test_opening_takes_few_requests_when_the_markets_are_known(empty: Genuine) -> None:
    opened(empty)
    before = empty.rpc.requests
    opened(empty)
    assert empty.rpc.requests - before <= 8


def test_too_many_positions_are_unknown_rather_than_hours(
    empty: Genuine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("protocols.morpho_blue.read_accounts.MOST_POSITIONS", 7)
    (failed,) = read(empty, USER).accounts[USER]
    assert isinstance(failed, Failed)
    assert "name the venue's `markets`" in failed.unread.detail


def test_an_idle_market_lends_nothing(empty: Genuine) -> None:
    with empty.node.undone():
        empty.market.supply(USER, IDLE, 5_000_000)
        venue, account = empty.one(USER)
        verdict = venue.verdict(account)
        assert (verdict.support_raw, verdict.requirement_raw, verdict.health_factor_wad) == (0, 0, None)
        assert list(venue.notes(account)) == ["idle market of USDC: nothing can be borrowed there"]
        (leg,) = venue.collateral_legs(account)
        assert leg.amount_raw == 5_000_000


def test_an_oracle_that_reverts_makes_its_accounts_unknown(empty: Genuine) -> None:
    """And `liquidate` reverts with it. Who only lends in the market hangs on no price."""
    market = empty.market
    with empty.node.undone():
        market.supply_collateral(USER, "LINK/WETH", 10**20)
        market.borrow(USER, "LINK/WETH", 10**16)
        lender = wallet("lender beside")
        market.supply(lender, "LINK/WETH", 10**18)
        empty.node.set_code(market.markets["LINK/WETH"].oracle, bytes.fromhex("60006000fd"))
        book = read(empty, USER, lender)
        (failed,) = book.accounts[USER]
        assert isinstance(failed, Failed)
        assert failed.unread.reason is Reason.ORACLE
        assert [name for name, _ in book.venue.gaps()] == [
            f"LINK/WETH {market.markets['LINK/WETH'].id[:10]}…"
        ]
        assert market.try_liquidate("LINK/WETH", USER, repaid_shares=1) is not None
        (other,) = book.accounts[lender]
        assert not isinstance(other, Failed)


def test_a_rate_model_that_is_another_one_is_not_guessed(empty: Genuine) -> None:
    market = empty.market
    with empty.node.undone():
        other = market.evm.deploy(contract("IrmMock")).address
        market.enable_irm(other)
        market.create(
            "other", "DAI", "LINK", lltv_wad=WAD // 2, price_raw=10**36, decimals=(18, 18), irm=other
        )
        market.supply(market.cast["whale"], "other", 10**20)
        market.supply_collateral(USER, "other", 10**20)
        market.borrow(USER, "other", 10**19)
        (failed,) = read(empty, USER).accounts[USER]
        assert isinstance(failed, Failed)
        assert failed.unread.reason is Reason.UNSUPPORTED
        assert "not the adaptive curve" in failed.unread.detail


def test_a_model_with_the_same_face_and_other_rates_is_found_out(empty: Genuine) -> None:
    """Its own view is asked what it would charge: one whose rate at target was tampered with differs."""
    market = empty.market
    venue = opened(empty)
    honest = market.markets["WETH/USDC"]
    assert venue.markets[honest.id].rate_problem is None
    with empty.node.undone():
        code = str(empty.node.request("eth_getCode", market.irm, "latest"))
        steepness = f"{4 * WAD:x}"
        assert steepness in code or f"{3 * WAD:x}" in code
        tampered = code.replace(steepness, f"{5 * WAD:x}".zfill(len(steepness)))
        tampered = tampered.replace(f"{3 * WAD:x}", f"{2 * WAD:x}")
        empty.node.set_code(market.irm, bytes.fromhex(tampered[2:]))
        problem = opened(empty).markets[honest.id].rate_problem
        assert problem is not None
        assert problem.reason is Reason.UNSUPPORTED


def test_the_fee_recipient_holds_what_the_next_update_mints(empty: Genuine) -> None:
    market = empty.market
    with empty.node.undone():
        market.warp(30 * 86_400)
        market.morpho.send("accrueInterest", market.markets["WBTC/DAI"].params)
        market.warp(30 * 86_400)
        book = read(empty, FEE_RECIPIENT)
        (account,) = book.accounts[FEE_RECIPIENT]
        (told,) = book.venue.collateral_legs(account)
        market.morpho.send("accrueInterest", market.markets["WBTC/DAI"].params)
        book = read(empty, FEE_RECIPIENT)
        (account,) = book.accounts[FEE_RECIPIENT]
        assert book.venue.collateral_legs(account) == (told,)


def test_an_earlier_fee_recipient_is_in_the_book(empty: Genuine) -> None:
    """Its shares were minted without any event that names it."""
    market = empty.market
    with empty.node.undone():
        market.warp(30 * 86_400)
        market.morpho.send("accrueInterest", market.markets["WBTC/DAI"].params)
        market.morpho.send("setFeeRecipient", wallet("next recipient"), sender=OWNER)
        reader = Reader(empty.rpc, pin(empty.rpc))
        venue, table = found(empty, reader)
        held = accounts(venue, table, reader)
        assert f"{market.markets['WBTC/DAI'].id} of {FEE_RECIPIENT}" in held


def test_ground_moves_with_the_fee_alone(empty: Genuine) -> None:
    market = empty.market
    with empty.node.undone():
        market.supply_collateral(USER, "WETH/USDC", 10**18)
        venue, account = empty.one(USER)
        before = dict(venue.ground(account))
        market.set_fee("WETH/USDC", WAD // 5)
        venue, account = empty.one(USER)
        after = dict(venue.ground(account))
        assert {key for key in after if after[key] != before[key]} == {"WETH/USDC: fee on interest"}
        assert after["WETH/USDC: fee on interest"] == "20.00 %"
        assert after["WETH/USDC: liquidation incentive"] == "4.38 %"


def test_a_token_without_decimals_is_not_guessed(empty: Genuine) -> None:
    market = empty.market
    with empty.node.undone():
        token = market.evm.deploy(own("NoDecimalsToken"), "odd", "ODD")
        market.tokens["ODD"] = token.address
        market.create("odd", "DAI", "ODD", lltv_wad=WAD // 2, price_raw=10**36, decimals=(18, 18))
        market.supply_collateral(USER, "odd", 10**18)
        (failed,) = read(empty, USER).accounts[USER]
        assert isinstance(failed, Failed)
        del market.tokens["ODD"]
