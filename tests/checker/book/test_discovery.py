"""Discovery on a genuine market: complete after whatever ends a search, and never twice the same work."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from eth_utils.crypto import keccak

from chain.abi import to_address
from chain.block import pin
from chain.endpoint import endpoints_of
from chain.logs import Log, Mark
from chain.rpc import Rpc, Settings
from checker.book import discovery
from checker.book.store import Store, side_key, sources_of
from localnet import states
from localnet.aave_v3.market import Market
from localnet.anvil import Anvil
from margin.basics import Address, Reason
from margin.errors import ChainUnreadable
from protocols.book import Holding
from tests import faults
from tests.checker.book.holders import KEY, TRANSFER, Holders, holdings_of, search
from tests.faults import FaultProxy, Upstream
from tests.faults.log_limits import LogRange, Meanwhile

ROOT = Path(__file__).resolve().parents[3]


def user(number: int) -> str:
    return f"0x{0xA11CE << 20 | number:040x}"


@pytest.fixture(scope="module")
def shared_market() -> Iterator[Market]:
    with states.running("aave-v3.0.2") as market:
        yield market


@pytest.fixture
def market(shared_market: Market) -> Iterator[Market]:
    with shared_market.anvil.undone():
        yield shared_market


@pytest.fixture
def tokens(market: Market) -> tuple[Address, ...]:
    return tuple(reserve.a_token for reserve in market.reserves.values())


@pytest.fixture
def proxy(market: Market) -> Iterator[FaultProxy]:
    with FaultProxy(market.anvil.url) as proxy:
        yield proxy


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{tmp_path / 'store.db'}") as store:
        yield store


MakeRpc = Callable[..., Rpc]


@pytest.fixture
def make_rpc() -> Iterator[MakeRpc]:
    made: list[Rpc] = []

    def make(*urls: str) -> Rpc:
        patience = Settings(timeout_s=5.0, dead_s=0.0)
        made.append(Rpc("local", endpoints_of("local", urls), 31337, patience, sleep=lambda _: None))
        return made[-1]

    yield make
    for rpc in made:
        rpc.close()


@pytest.fixture
def rpc(proxy: FaultProxy, make_rpc: MakeRpc) -> Rpc:
    return make_rpc(proxy.url)


def truth(anvil: Anvil, tokens: tuple[Address, ...], upto: int | None = None) -> set[Holding]:
    """Who is named in the chain's transfers, in one question and without the code under test."""
    last = "latest" if upto is None else hex(upto)
    where = {"fromBlock": "0x0", "toBlock": last, "address": list(tokens), "topics": ["0x" + TRANSFER.hex()]}
    found: set[Holding] = set()
    for log in anvil.request("eth_getLogs", where):
        topics = tuple(bytes.fromhex(topic[2:]) for topic in log["topics"])
        found |= holdings_of(Log(0, 0, to_address(log["address"]), topics, b""), tokens)
    return found


def hash_of(anvil: Anvil, number: int) -> str | None:
    header = anvil.request("eth_getBlockByNumber", hex(number), False)
    return None if header is None else str(header["hash"])


def orphans(anvil: Anvil, store: Store, key: str = KEY) -> list[Mark]:
    return [mark for mark in store.marks(key) if hash_of(anvil, mark.number) != mark.hash]


# --- what is found ------------------------------------------------------------------------------------


def test_every_holder_is_found_and_nothing_is_searched_twice(
    market: Market, tokens: tuple[Address, ...], rpc: Rpc, proxy: FaultProxy, store: Store
) -> None:
    proxy.add(LogRange(50))
    said: list[tuple[str, int, int]] = []
    found = search(rpc, tokens, store, say=lambda *told: said.append(told))
    assert set(found.holdings) == truth(market.anvil, tokens)
    assert len(found.holdings) == len(set(found.holdings)) > 20
    assert found.accounts == len({id_ for id_, _ in found.holdings})
    head = market.anvil.block_number()
    assert (found.blocks, found.notices) == (head + 1, ())
    assert store.marks(KEY)[0] == Mark(head, hash_of(market.anvil, head) or "")
    assert [done for _, done, _ in said] == sorted(done for _, done, _ in said)
    assert (said[0], said[-1]) == (
        ("events of local/holders", 0, head + 1),
        ("events of local/holders",) + 2 * (head + 1,),
    )
    asked = proxy.count("eth_getLogs")
    again = search(rpc, tokens, store)
    assert (again.holdings, again.events, again.blocks) == (found.holdings, 0, 0)
    assert proxy.count("eth_getLogs") == asked


def test_a_later_block_costs_only_what_is_new(
    market: Market, tokens: tuple[Address, ...], rpc: Rpc, proxy: FaultProxy, store: Store
) -> None:
    search(rpc, tokens, store)
    before, posts = market.anvil.block_number(), proxy.posts
    market.supply(user(1), "WETH", 10**18)
    found = search(rpc, tokens, store)
    assert set(found.holdings) == truth(market.anvil, tokens)
    assert any(id_ == bytes.fromhex(user(1)[2:]) for id_, _ in found.holdings)
    assert found.blocks == market.anvil.block_number() - before
    assert proxy.posts - posts == 3, "the head, the mark, and what is new"


def test_an_earlier_block_is_not_searched_again(
    market: Market, tokens: tuple[Address, ...], rpc: Rpc, proxy: FaultProxy, store: Store
) -> None:
    early = pin(rpc, market.anvil.block_number() - 100)
    found = search(rpc, tokens, store)
    asked = proxy.count("eth_getLogs")
    assert set(search(rpc, tokens, store, early).holdings) >= truth(market.anvil, tokens, early.number)
    assert proxy.count("eth_getLogs") == asked
    assert store.holdings(KEY) == found.holdings


def test_two_venues_do_not_meet(market: Market, tokens: tuple[Address, ...], rpc: Rpc, store: Store) -> None:
    store.add("31337/holders/other", Mark(10**6, "0x" + "11" * 32), [(b"\1" * 20, 7)])
    assert set(search(rpc, tokens, store).holdings) == truth(market.anvil, tokens)
    assert store.holdings("31337/holders/other") == [(b"\1" * 20, 7)]


# --- where it begins ----------------------------------------------------------------------------------


@pytest.mark.parametrize("is_long", [True, False])
def test_without_old_states_the_search_is_of_everything_and_says_so_where_it_is_long(
    market: Market,
    tokens: tuple[Address, ...],
    rpc: Rpc,
    store: Store,
    is_long: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if is_long:
        monkeypatch.setattr(discovery, "_LONG_SEARCH", 10)
    found = search(rpc, tokens, store, start_block=None)
    assert set(found.holdings) == truth(market.anvil, tokens)
    assert found.blocks == market.anvil.block_number() + 1
    said = f"where {tokens[0]} begins can not be read (block_not_found): its events are searched from block 0"
    assert found.notices == ((said,) if is_long else ())


def test_a_start_that_was_too_late_is_mended(
    market: Market, tokens: tuple[Address, ...], rpc: Rpc, store: Store
) -> None:
    late = search(rpc, tokens, store, start_block=400)
    assert set(late.holdings) < truth(market.anvil, tokens)
    assert store.start(KEY) == 400
    assert set(search(rpc, tokens, store, start_block=10).holdings) == truth(market.anvil, tokens)
    assert store.start(KEY) == 10
    assert search(rpc, tokens, store, start_block=20).blocks == 0


# --- interrupted --------------------------------------------------------------------------------------


def test_what_was_found_before_a_failure_is_kept(
    market: Market, tokens: tuple[Address, ...], rpc: Rpc, proxy: FaultProxy, store: Store
) -> None:
    proxy.add(LogRange(20), faults.Refuse(method="eth_getLogs", skip=15, times=None))
    with pytest.raises(ChainUnreadable) as caught:
        search(rpc, tokens, store)
    assert caught.value.unread.reason is Reason.REFUSED
    reached = store.marks(KEY)[0].number
    assert set(store.holdings(KEY)) == truth(market.anvil, tokens, reached)
    proxy.clear()
    found = search(rpc, tokens, store)
    assert found.blocks == market.anvil.block_number() - reached
    assert set(found.holdings) == truth(market.anvil, tokens)


def test_killed_twenty_times_nothing_is_lost_and_nothing_doubled(
    market: Market, tokens: tuple[Address, ...], proxy: FaultProxy, killable: Killable
) -> None:
    chance = random.Random(20)
    proxy.add(LogRange(1))
    for _ in range(20):
        questions = proxy.count("eth_getLogs") + chance.randint(5, 40)
        child = killable.started()
        while proxy.count("eth_getLogs") < questions and is_running(child):
            time.sleep(0.0005)
        time.sleep(chance.uniform(0, 0.01))
        os.kill(child, signal.SIGKILL)
        assert killable.ended() == signal.SIGKILL
        killable.look()
    killable.finish()


def test_killed_twenty_times_in_the_midst_of_writing(
    market: Market, tokens: tuple[Address, ...], rpc: Rpc, proxy: FaultProxy, killable: Killable
) -> None:
    search(rpc, tokens, killable.store)
    for number in range(80):
        market.supply(user(number), "WETH", 10**18)
    # A supply takes three blocks, so that every piece has something to write.
    proxy.add(LogRange(5))
    for turn in range(20):
        # The first ones only open the store and look; then come two pieces, statement by statement.
        killable.started(before_statement=12 + turn)
        assert killable.ended() == signal.SIGKILL
        killable.look()
    killable.finish()


@dataclass
class Killable:
    """Searches in processes of their own, and what they leave in the store."""

    anvil: Anvil
    tokens: tuple[Address, ...]
    worker: subprocess.Popen[str]
    store: Store
    reached: int = -1

    def started(self, before_statement: int = 0) -> int:
        """The process id of a new search."""
        assert self.worker.stdin is not None
        assert self.worker.stdout is not None
        self.worker.stdin.write(f"{before_statement}\n")
        self.worker.stdin.flush()
        return int(self.worker.stdout.readline())

    def ended(self) -> int:
        """How the search ended: 0, or the signal that ended it."""
        assert self.worker.stdout is not None
        return int(self.worker.stdout.readline())

    def look(self) -> None:
        """The store says the truth, at whatever moment the process was ended."""
        marks = self.store.marks(KEY)
        reached = marks[0].number if marks else -1
        assert reached >= self.reached, "no step back"
        assert reached < self.anvil.block_number(), "not there yet"
        self.reached = reached
        known = truth(self.anvil, self.tokens, reached) if marks else set()
        # Neither less than the mark says, nor more: a piece comes together with its mark.
        assert set(self.store.holdings(KEY)) == known

    def finish(self) -> None:
        """One search that nobody ends finds what one search finds at all."""
        assert self.reached > 20
        self.started()
        assert self.ended() == 0
        rpc = Rpc.open("local", [self.anvil.url], 31337)
        with rpc, Store.open("sqlite://") as calm:
            undisturbed = search(rpc, self.tokens, calm)
            assert self.store.holdings(KEY) == undisturbed.holdings
            assert set(undisturbed.holdings) == truth(self.anvil, self.tokens)
            assert self.store.marks(KEY)[0] == calm.marks(KEY)[0]


@pytest.fixture
def killable(
    market: Market, tokens: tuple[Address, ...], proxy: FaultProxy, tmp_path: Path
) -> Iterator[Killable]:
    url = f"sqlite:///{tmp_path / 'killed.db'}"
    command = [sys.executable, "-m", "tests.checker.book.holders", proxy.url, url, ",".join(tokens)]
    pipe = subprocess.PIPE
    with (
        Store.open(url) as store,
        subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as worker,
    ):
        yield Killable(market.anvil, tokens, worker, store)


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


# --- reorgs -------------------------------------------------------------------------------------------


def test_what_a_reorg_replaced_is_searched_again_and_no_more(
    market: Market, tokens: tuple[Address, ...], rpc: Rpc, proxy: FaultProxy, store: Store
) -> None:
    proxy.add(LogRange(10))
    rpc.nodes[0].traits.log_blocks = 10
    snapshot = market.anvil.snapshot()
    fork = market.anvil.block_number()
    for number in range(10):
        market.supply(user(number), "WETH", 10**18)
    old = search(rpc, tokens, store)
    market.anvil.revert(snapshot)
    for number in range(20, 35):
        market.supply(user(number), "USDC", 10**9)
    assert orphans(market.anvil, store)
    new = search(rpc, tokens, store)
    assert set(new.holdings) >= truth(market.anvil, tokens)
    assert set(new.holdings) == truth(market.anvil, tokens) | set(old.holdings), (
        "the void ones are candidates"
    )
    assert orphans(market.anvil, store) == []
    assert new.blocks <= market.anvil.block_number() - fork + 10
    assert store.marks(KEY)[0].number == market.anvil.block_number()


def test_a_shorter_branch_counts_too(
    market: Market, tokens: tuple[Address, ...], rpc: Rpc, proxy: FaultProxy, store: Store
) -> None:
    proxy.add(LogRange(10))
    snapshot = market.anvil.snapshot()
    for number in range(10):
        market.supply(user(number), "WETH", 10**18)
    search(rpc, tokens, store)
    market.anvil.revert(snapshot)
    market.supply(user(99), "USDC", 10**9)
    assert set(search(rpc, tokens, store).holdings) >= truth(market.anvil, tokens)
    for number in range(20, 35):
        market.supply(user(number), "USDC", 10**9)
    assert set(search(rpc, tokens, store).holdings) >= truth(market.anvil, tokens)
    assert orphans(market.anvil, store) == []


def test_another_chain_in_its_place_is_begun_anew(
    market: Market, tokens: tuple[Address, ...], rpc: Rpc, store: Store
) -> None:
    for number in (5, 50, 459):
        store.add(KEY, Mark(number, f"0x{number:064x}"), [(b"\1" * 20, 0)])
    found = search(rpc, tokens, store)
    assert set(found.holdings) == truth(market.anvil, tokens), "what the other chain had is forgotten"
    assert found.blocks == market.anvil.block_number() + 1


def test_a_block_that_is_replaced_during_the_search_is_told(
    market: Market, tokens: tuple[Address, ...], rpc: Rpc, proxy: FaultProxy, store: Store
) -> None:
    snapshot = market.anvil.snapshot()
    for number in range(10):
        market.supply(user(number), "WETH", 10**18)

    def reorganise() -> None:
        market.anvil.revert(snapshot)
        for number in range(20, 35):
            market.supply(user(number), "USDC", 10**9)

    block = pin(rpc)
    rpc.nodes[0].traits.log_blocks = 20
    proxy.add(LogRange(20), Meanwhile(reorganise, skip=6))
    with pytest.raises(ChainUnreadable, match=f"block {block.number} was replaced") as caught:
        search(rpc, tokens, store, block)
    assert caught.value.unread.reason is Reason.BLOCK_NOT_FOUND
    assert set(search(rpc, tokens, store).holdings) >= truth(market.anvil, tokens)
    assert orphans(market.anvil, store) == []


def test_a_block_that_was_replaced_before_is_told_although_all_is_known(
    market: Market, tokens: tuple[Address, ...], rpc: Rpc, store: Store
) -> None:
    snapshot = market.anvil.snapshot()
    market.supply(user(1), "WETH", 10**18)
    block = pin(rpc)
    market.anvil.revert(snapshot)
    for number in range(5):
        market.supply(user(number), "USDC", 10**9)
    search(rpc, tokens, store)
    with pytest.raises(ChainUnreadable, match=f"block {block.number} was replaced"):
        search(rpc, tokens, store, block)


def test_pieces_of_a_stray_node_are_found_out_and_searched_again(
    market: Market, tokens: tuple[Address, ...], rpc: Rpc, proxy: FaultProxy, store: Store
) -> None:
    with states.running("aave-v3.0.2") as stray:
        for number in range(40):
            market.supply(user(number), "WETH", 10**18)
            stray.supply(user(1000 + number), "USDC", 10**9)
        rpc.nodes[0].traits.log_blocks = 10
        astray = Upstream(stray.anvil.url, method="eth_getLogs", skip=48, times=2)
        proxy.add(LogRange(10), astray)
        found = search(rpc, tokens, store)
        assert orphans(market.anvil, store) == []
        assert set(found.holdings) >= truth(market.anvil, tokens)
        assert astray.acted == 2
        assert proxy.count("eth_getLogs") >= (market.anvil.block_number() + 1) // 10 + 2


def test_a_node_that_is_behind_throws_nothing_away(
    market: Market, tokens: tuple[Address, ...], rpc: Rpc, proxy: FaultProxy, store: Store, make_rpc: MakeRpc
) -> None:
    with states.running("aave-v3.0.2") as behind:
        market.anvil.mine()
        for number in range(5):
            market.supply(user(number), "WETH", 10**18)
        found = search(rpc, tokens, store)
        marks = store.marks(KEY)
        late = search(make_rpc(behind.anvil.url), tokens, store)
        assert set(late.holdings) == truth(behind.anvil, tokens) < set(found.holdings)
        assert set(marks) <= set(store.marks(KEY))
        asked = proxy.count("eth_getLogs")
        search(rpc, tokens, store)
        assert proxy.count("eth_getLogs") == asked


# --- more to look for ---------------------------------------------------------------------------------


def test_a_new_token_is_searched_from_its_beginning(
    market: Market, tokens: tuple[Address, ...], rpc: Rpc, proxy: FaultProxy, store: Store
) -> None:
    some = Holders((tokens[0], *tokens[2:-1]), every=tokens)
    head = market.anvil.block_number()
    first = search(rpc, tokens, store, pin(rpc, head - 20), venue=some)
    assert first.blocks == head - 20 + 1
    found = search(rpc, tokens, store)
    assert set(found.holdings) == truth(market.anvil, tokens)
    assert found.blocks == (head - 20 + 1) + 20
    assert store.sources(KEY) == sources_of(Holders(tokens).history())
    assert search(rpc, tokens, store).blocks == 0


def test_a_catch_up_goes_on_where_it_was_ended(
    market: Market, tokens: tuple[Address, ...], rpc: Rpc, proxy: FaultProxy, store: Store
) -> None:
    search(rpc, tokens, store, venue=Holders(tokens[:-2], every=tokens))
    limit = LogRange(20)
    rpc.nodes[0].traits.log_blocks = 20
    proxy.add(limit, faults.Refuse(method="eth_getLogs", skip=10, times=None))
    with pytest.raises(ChainUnreadable):
        search(rpc, tokens, store)
    assert store.sources(KEY) == sources_of(Holders(tokens[:-2], every=tokens).history()), (
        "not before all is there"
    )
    side = side_key(KEY, sources_of(Holders(tokens[-2:]).history()))
    reached = store.marks(side)[0].number
    assert 0 < reached < market.anvil.block_number()
    proxy.clear()
    found = search(rpc, tokens, store)
    assert found.blocks == market.anvil.block_number() - reached
    assert set(found.holdings) == truth(market.anvil, tokens)
    assert store.marks(side) == []


def test_a_token_that_comes_back_has_no_gap(
    market: Market, tokens: tuple[Address, ...], rpc: Rpc, store: Store
) -> None:
    search(rpc, tokens, store)
    last = next(symbol for symbol, reserve in market.reserves.items() if reserve.a_token == tokens[-1])
    market.supply(user(1), last, market.reserves[last].unit)
    search(rpc, tokens, store, venue=Holders(tokens[:-1]))
    market.anvil.mine()
    assert set(search(rpc, tokens, store).holdings) == truth(market.anvil, tokens)


def test_another_event_is_searched_from_the_beginning(
    market: Market, tokens: tuple[Address, ...], rpc: Rpc, store: Store
) -> None:
    mint = keccak(text="Mint(address,address,uint256,uint256,uint256)")
    search(rpc, tokens, store, venue=Holders(tokens, (mint,)))
    assert store.holdings(KEY) == []
    found = search(rpc, tokens, store, venue=Holders(tokens, (mint, TRANSFER)))
    assert set(found.holdings) == truth(market.anvil, tokens)


def test_an_event_in_every_new_token_and_a_mark_not_seen_yet(
    market: Market, tokens: tuple[Address, ...], rpc: Rpc, store: Store
) -> None:
    search(rpc, tokens, store, venue=Holders(tokens[:-1]))
    store.add(KEY, Mark(market.anvil.block_number() + 5, "0x" + "11" * 32), [])
    assert set(search(rpc, tokens, store).holdings) == truth(market.anvil, tokens)
    assert store.sources(KEY) == sources_of(Holders(tokens).history())


# --- others at the same store -------------------------------------------------------------------------


def test_another_process_that_forgets_the_venue_leaves_no_gap(
    market: Market, tokens: tuple[Address, ...], rpc: Rpc, proxy: FaultProxy, store: Store
) -> None:
    rpc.nodes[0].traits.log_blocks = 20
    proxy.add(LogRange(20), Meanwhile(lambda: store.forget(KEY), skip=10))
    found = search(rpc, tokens, store)
    assert set(found.holdings) == truth(market.anvil, tokens)
    assert found.blocks > market.anvil.block_number() + 1


def test_another_process_with_more_tokens_is_not_contradicted(
    market: Market, tokens: tuple[Address, ...], rpc: Rpc, proxy: FaultProxy, store: Store, make_rpc: MakeRpc
) -> None:
    early = pin(rpc, 200)
    search(rpc, tokens, store, early, venue=Holders(tokens[:-2], every=tokens))
    other = make_rpc(market.anvil.url)
    rpc.nodes[0].traits.log_blocks = 20
    proxy.add(LogRange(20), Meanwhile(lambda: search(other, tokens, store, early), skip=4))
    search(rpc, tokens, store, venue=Holders(tokens[:-2], every=tokens))
    assert set(search(other, tokens, store).holdings) == truth(market.anvil, tokens)


def test_two_searches_at_once_end_as_one(
    market: Market, tokens: tuple[Address, ...], rpc: Rpc, proxy: FaultProxy, store: Store, make_rpc: MakeRpc
) -> None:
    other = make_rpc(market.anvil.url)
    rpc.nodes[0].traits.log_blocks = 20
    proxy.add(LogRange(20), Meanwhile(lambda: search(other, tokens, store), skip=7))
    assert set(search(rpc, tokens, store).holdings) == truth(market.anvil, tokens)
    assert orphans(market.anvil, store) == []
