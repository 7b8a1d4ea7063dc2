"""Thousands of accounts on the genuine contracts: every verdict, every unit, and what is missing."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from chain.abi import address_bytes
from chain.block import pin
from chain.logs import Mark
from chain.reader import Call, Reader
from chain.rpc import Rpc
from checker.bands import Band, Bands, Bounds
from checker.book.keeper import BookKeeper, How
from checker.book.scanning import scan
from checker.book.store import Store, store_url, venue_key
from checker.book.view import Scan
from checker.checking import check
from checker.config import Config, load_config
from localnet import states
from localnet.aave_v3 import Market
from localnet.aave_v3.core import TREASURY
from localnet.aave_v3.reserve import LIQUIDATOR
from localnet.aave_v3.standard import raw_of
from margin.basics import Address, Unread
from protocols.aave_v3 import abi, parts
from tests.checker.book.follower import place_of
from tests.checker.book.test_machine import told
from tests.faults import FaultProxy
from tests.faults.log_limits import Doctored

ROOT = Path(__file__).resolve().parents[3]
SMALL = "aave-v3.0.2-crowd300"
VENUE = "local/aave-v3/core"
KILLED = 20


@pytest.fixture(scope="module")
def market() -> Iterator[Market]:
    with states.running(SMALL) as found:
        yield found


def config_of(market: Market, url: str, folder: Path) -> Config:
    path = folder / "crowd.toml"
    provider = market.core.addresses_provider.address
    path.write_text(
        f'[chains.local]\nrpc = ["{url}"]\nchain_id = 31337\n\n'
        f'[[venues]]\nchain = "local"\nprotocol = "aave-v3"\nname = "core"\n'
        f'pool_addresses_provider = "{provider}"\n\n'
        f'[store]\nurl = "sqlite:///{folder / "crowd.db"}"\n'
    )
    return load_config(path)


def key_of(market: Market) -> str:
    provider = Address(market.core.addresses_provider.address)
    return venue_key(31337, "aave-v3", place_of(provider).config.addresses)


def everyone(market: Market) -> list[Address]:
    """The crowd, who came before, and those who get fees and seized collateral in aTokens."""
    return [*market.crowd, *market.cast.values(), TREASURY, LIQUIDATOR]


@pytest.mark.parametrize(
    "state",
    [
        SMALL,
        pytest.param("aave-v3.0.2-crowd20000", marks=pytest.mark.soak),
        pytest.param("aave-v3.2-crowd2000", marks=pytest.mark.soak),
    ],
)
def test_no_verdict_differs_and_no_unit_is_missing(state: str, tmp_path: Path) -> None:
    """Against `getUserAccountData` and `scaledBalanceOf`, asked of the contracts here and not by the scan."""
    with states.running(state) as market:
        found = scan(config_of(market, market.anvil.url, tmp_path), VENUE, audit=True)
        said = health_factors(market, found)
    assert found.completeness.percent == 100.0
    assert {each.account for each in found.accounts} == set(said)
    assert len(said) > 0.9 * len(market.crowd)
    for each in found.accounts:
        assert each.agrees is True
        assert each.liquidatable == (said[each.account] < 10**18)
        assert (each.band is Band.LIQUIDATABLE) == each.liquidatable
        if each.health_factor is not None:
            assert each.health_factor == pytest.approx(said[each.account] / 10**18, rel=1e-15)
    assert 0 < sum(each.liquidatable is True for each in found.accounts) < len(said) / 50
    assert found.exit_code == 2
    cells = len(said) * 12
    assert found.effort.requests < 40 + cells // 1_000, "bounded by the book in chunks, not by its accounts"


def health_factors(market: Market, found: Scan) -> dict[str, int]:
    """Of all who hold anything, by asking the contracts about everyone there is."""
    people = everyone(market)
    tokens = [
        token
        for reserve in market.reserves.values()
        for token in (reserve.a_token, reserve.variable_debt_token, reserve.stable_debt_token)
        if token
    ]
    with Rpc.open("local", [market.anvil.url], 31337) as rpc:
        reader = Reader(rpc, found.block)
        pool = Address(market.pool.address)
        accounts = answered(reader, [Call(pool, abi.GET_USER_ACCOUNT_DATA, (who,)) for who in people])
        balances = iter(
            answered(reader, [Call(token, abi.BALANCE_OF, (who,)) for who in people for token in tokens])
        )
    held = {who: sum(next(balances)[0] for _ in tokens) for who in people}
    return {who: data[5] for who, data in zip(people, accounts, strict=True) if held[who]}


def answered(reader: Reader, calls: list[Call]) -> list[tuple[Any, ...]]:
    answers = reader.read(calls)
    assert not [answer for answer in answers if isinstance(answer, Unread)]
    return [answer for answer in answers if not isinstance(answer, Unread)]


@pytest.mark.parametrize("which", [7, 70, 170])
def test_an_account_whose_events_are_withheld_is_missed_by_name_of_its_reserves(
    market: Market, which: int, tmp_path: Path
) -> None:
    victim = holder(market, which)
    with Rpc.open("local", [market.anvil.url], 31337) as rpc:
        reader = Reader(rpc, pin(rpc))
        venue = place_of(Address(market.core.addresses_provider.address))
        book = venue.adapter.open(reader, venue.config).read(reader, [victim])
        ((account,),) = book.accounts.values()
        symbols = {leg.symbol for leg in book.venue.collateral_legs(account) + book.venue.debt_legs(account)}
    name = address_bytes(victim).hex()

    def withhold(events: list[dict[str, Any]]) -> None:
        events[:] = [event for event in events if not any(name in topic for topic in event["topics"])]

    with FaultProxy(market.anvil.url) as proxy:
        proxy.add(Doctored(withhold))
        found = scan(config_of(market, proxy.url, tmp_path), VENUE)
        assert found.completeness.percent < 100.0
        proxy.clear()
        # What was not told then is found as soon as it is told.
        assert scan(config_of(market, proxy.url, tmp_path), VENUE).completeness.is_complete
        proxy.add(Doctored(withhold))
        again = scan(config_of(market, proxy.url, tmp_path), VENUE)
    assert again.completeness.is_complete, "the store knows better"
    assert not found.completeness.is_complete
    lacking = {each.symbol for reserve in found.completeness.reserves for each in reserve.differences}
    assert lacking == symbols
    assert victim not in {each.account for each in found.accounts}
    assert found.exit_code in (2, 3)


BANDS = [
    Bands(Bounds(Decimal("0.2"), Decimal("1.25")), Bounds(Decimal("0.08"), Decimal("1.08"))),
    Bands(Bounds(hours=Decimal(40_000)), Bounds(hours=Decimal(2_000))),
    Bands(Bounds(drop=Decimal("0.9")), Bounds(drop=Decimal("0.01"), health_factor=Decimal("1.001"))),
]


@pytest.mark.parametrize("bands", BANDS)
def test_the_band_is_that_of_check(market: Market, bands: Bands, tmp_path: Path) -> None:
    """Of everyone, dust and unpriced supplies included, with a price of a few units and one that is gone."""
    with market.anvil.undone():
        market.set_price("SNX", 0)
        market.set_price("CRV", 11)
        dust = Address("0x00000000000000000000000000000000000d0575")
        market.supply(dust, "WETH", raw_of(market, "WETH", 50))
        market.borrow(dust, "DAI", 1)
        config = replace(config_of(market, market.anvil.url, tmp_path), bands=bands)
        found = {each.account: each for each in scan(config, VENUE).accounts}
        report = check(config, list(found))
    assert len(report.wallets) == len(found) > 250
    for wallet in report.wallets:
        (seen,) = wallet.accounts
        each = found[wallet.wallet]
        assert each.band is seen.band, each
        if each.unread is None:
            assert (each.liquidatable, each.agrees) == (seen.liquidatable, seen.audit and seen.audit.agrees)
            assert each.collateral_usd == pytest.approx(seen.collateral_usd)
            assert each.debt_usd == pytest.approx(seen.debt_usd)


@pytest.mark.parametrize("gone", ["WBTC", "USDC"])
def test_what_hangs_on_a_price_that_is_gone_is_in_no_figure_of_the_curve(
    market: Market, gone: str, tmp_path: Path
) -> None:
    with market.anvil.undone():
        market.set_price(gone, 0)
        found = scan(config_of(market, market.anvil.url, tmp_path), VENUE)
    # A supply that backs nothing is missing in the sums of its account, and moves no margin.
    unread = sum(each.unread is not None and each.support_raw is None for each in found.accounts)
    known = sum(each.liquidatable is True for each in found.accounts)
    assert unread > 30
    assert found.curve
    for point in found.curve:
        assert point.unknown >= unread
        if point.drop <= 0.01:
            assert point.accounts <= known + 3


def test_what_the_store_knows_of_other_times_harms_nobody(market: Market, tmp_path: Path) -> None:
    """A reserve that is not listed yet, or stable debt of before an upgrade: parts never asked for."""
    config = config_of(market, market.anvil.url, tmp_path)
    before = scan(config, VENUE)
    key = venue_key(
        31337, "aave-v3", place_of(Address(market.core.addresses_provider.address)).config.addresses
    )
    who = address_bytes(market.crowd[0])
    with Store.open(store_url(config)) as store:
        mark = store.marks(key)[0]
        strangers = [(who, parts.part_of(100, kind)) for kind in range(4)]
        store.add(key, mark, strangers)
        assert set(strangers) <= set(store.holdings(key))
    again = scan(config, VENUE)
    assert again.accounts == before.accounts


def test_another_chain_in_the_place_of_the_one_known(market: Market, tmp_path: Path) -> None:
    """A local chain that was begun anew, shorter than before: nothing of the old one holds."""
    config = config_of(market, market.anvil.url, tmp_path)
    key = venue_key(
        31337, "aave-v3", place_of(Address(market.core.addresses_provider.address)).config.addresses
    )
    with Store.open(store_url(config)) as store:
        store.begin(key, 5_000, [])
        store.add(key, Mark(10_000_000, "0x" + "ab" * 32), [(bytes(20), 2)])
    found = scan(config, VENUE)
    assert found.completeness.is_complete
    assert len(found.accounts) > 250


def holder(market: Market, which: int) -> Address:
    """The first of the crowd from that place on who owes something at the variable rate."""
    for who in market.crowd[which:]:
        if any(market.balance(r.variable_debt_token, who) for r in market.reserves.values()):
            return who
    raise AssertionError


def test_a_quiet_block_reads_no_account_and_a_busy_one_only_those_touched(
    market: Market, tmp_path: Path
) -> None:
    place = place_of(Address(market.core.addresses_provider.address))
    with (
        market.anvil.undone(),
        Store.open(f"sqlite:///{tmp_path / 'kept.db'}") as store,
        Rpc.open("local", [market.anvil.url], 31337) as rpc,
    ):
        keeper = BookKeeper(rpc, place, store)
        assert keeper.advance(pin(rpc)).reread >= len(market.crowd)
        market.anvil.mine()
        before = rpc.requests
        block = pin(rpc)
        change = keeper.advance(block)
        assert (change.how, change.reread, change.reopened) == (How.QUIET, 0, False)
        assert rpc.requests - before <= 6
        touched = market.crowd[:3]
        for who in touched:
            market.supply(who, "WETH", raw_of(market, "WETH", 50))
        change = keeper.advance(pin(rpc))
        assert change.how is How.TOUCHED
        assert change.reread == len(touched)
        fresh = BookKeeper(rpc, place, store)
        fresh.advance(pin(rpc))
        assert told(keeper)[1:] == told(fresh)[1:]


def test_killed_twenty_times_in_an_update_nothing_is_lost_or_doubled(market: Market, tmp_path: Path) -> None:
    chance = random.Random(22)
    url, provider = f"sqlite:///{tmp_path / 'killed.db'}", market.core.addresses_provider.address
    command = [sys.executable, "-m", "tests.checker.book.follower", market.anvil.url, url, provider]
    pipe = subprocess.PIPE
    updates = 0
    with (
        market.anvil.undone(),
        subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as worker,
        Rpc.open("local", [market.anvil.url], 31337) as rpc,
    ):
        assert worker.stdin is not None
        assert worker.stdout is not None
        for turn in range(KILLED):
            worker.stdin.write("go\n")
            worker.stdin.flush()
            lines = iter(worker.stdout.readline, "")
            child = int(next(line for line in lines if line.strip().isdigit()))
            assert next(lines).strip() == How.AFRESH
            for _ in range(chance.randint(1, 4)):
                newcomer = Address(f"0x{chance.getrandbits(160):040x}")
                symbol = chance.choice(["WETH", "USDC", "DAI"])
                market.supply(newcomer, symbol, raw_of(market, symbol, 100))
            if turn % 2:
                updates += next(lines).strip() in (How.TOUCHED, How.QUIET)
            os.kill(child, signal.SIGKILL)
            assert next(line for line in lines if line.startswith("ended")).split()[1] == str(signal.SIGKILL)
        worker.stdin.close()
        assert updates == KILLED // 2
        with Store.open(url) as store, Store.open(f"sqlite:///{tmp_path / 'fresh.db'}") as other:
            place = place_of(Address(provider))
            kept, fresh = BookKeeper(rpc, place, store), BookKeeper(rpc, place, other)
            block = pin(rpc)
            kept.advance(block)
            fresh.advance(block)
            assert told(kept) == told(fresh)
            assert kept.found is not None
            assert fresh.found is not None
            assert len(kept.found.holdings) == len(set(kept.found.holdings))
            assert set(fresh.found.holdings) <= set(kept.found.holdings)
