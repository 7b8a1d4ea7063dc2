"""Whose fault it is: a mistake of the user's is one line; a node that stumbles is read again, or unknown."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chain.rpc import Settings
from checker import check, load_config
from checker.demo.world import NEWER, OLDER, World
from checker.report_json import to_json
from protocols.deployments import ChainBook, Deployment
from tests.checker.conftest import Run
from tests.faults import (
    Delay,
    Exchange,
    Fault,
    FaultProxy,
    Hollow,
    NodeError,
    NoOverrides,
    OtherChain,
    SwapIds,
)

HASTY = Settings(timeout_s=1.0, total_s=2.0, rounds=2, backoff_s=0.01, dead_s=1.0)
DEAD = "http://127.0.0.1:1"
ACCOUNT_DATA = "0xbf92857c"


@pytest.fixture
def path(config: Path, world: World, proxy: FaultProxy) -> Path:
    """The world's configuration, through the proxy."""
    config.write_text(world.config_text().replace(world.anvil.url, proxy.url))
    return config


@pytest.fixture
def healthy(path: Path) -> Any:
    return to_json(check(load_config(path)))


def provider(world: World, version: str) -> Any:
    return world.markets[version].core.addresses()["addresses_provider"]


def reasons(document: Any) -> set[str]:
    return {item["reason"] for wallet in document["wallets"] for item in wallet["unread"]}


# --- the chain's id ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("result", [None, "0x"])
def test_an_answer_that_is_no_chain_id_heals(
    path: Path, proxy: FaultProxy, healthy: Any, result: str | None
) -> None:
    asked = proxy.count("eth_chainId")
    assert asked >= 3
    for skip in range(asked):
        proxy.clear()
        proxy.add(Hollow(result, method="eth_chainId", skip=skip))
        assert to_json(check(load_config(path), patience=HASTY)) == healthy, skip


def test_a_chain_that_was_right_once_is_no_mistake(run: Run, path: Path, proxy: FaultProxy) -> None:
    proxy.add(OtherChain(5, skip=1))
    outcome = run("check", "--json", "--config", path)
    assert (outcome.code, outcome.json["blocks"]) == (3, [])
    assert reasons(outcome.json) == {"wrong_chain"}


def test_a_wrong_chain_id_is_told_before_a_name_is_taken(
    run: Run, path: Path, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    addresses = {"pool_addresses_provider": provider(world, NEWER)}
    core = Deployment("aave-v3", "core", addresses, "test", None, None, "testnet.toml: venues[0]")
    for chain_id in (1, 31337):
        book = ChainBook("testnet", chain_id, (), (), (core,))
        monkeypatch.setattr("checker.venues.books", lambda book=book: {book.chain_id: book})
        one, _, others = path.read_text().partition("[[wallets]]")
        head, _, _ = one.partition("[[venues]]")
        venue = '[[venues]]\nchain = "local"\nprotocol = "aave-v3"\nname = "core"\n'
        venue += f'pool_addresses_provider = "{provider(world, OLDER)}"\n'
        head = head.replace("chain_id = 31337", f"chain_id = {chain_id}")
        file = path.with_name(f"{chain_id}.toml")
        file.write_text(head + venue + "[[wallets]]" + others)
        complaint = run("check", "--json", "--config", file).complaint
        if chain_id == 1:
            assert complaint.startswith(f"{file}: chains.local.chain_id: ")
            assert "chain id 31337, expected 1" in complaint
        else:
            assert complaint.startswith(f"{file}: venues[0].name: there is another venue local/aave-v3/core")


# --- venues ------------------------------------------------------------------------------------------------


def test_the_same_venue_twice_is_counted_once_or_not_at_all(run: Run, path: Path, world: World) -> None:
    text = path.read_text().replace(provider(world, OLDER), provider(world, NEWER).lower())
    path.write_text(text)
    complaint = run("check", "--json", "--config", path).complaint
    assert complaint.startswith(
        f"{path}: venues[1].pool_addresses_provider: the same venue as {path}: venues[0]"
    )


def test_two_venues_of_one_name(run: Run, path: Path) -> None:
    path.write_text(path.read_text().replace(f'"v{OLDER}"', '"a"').replace(f'"v{NEWER}"', '"a"'))
    complaint = run("check", "--json", "--config", path).complaint
    assert complaint.startswith(f"{path}: venues[1].name: there is another venue local/aave-v3/a")


@pytest.mark.parametrize("fault", [Hollow("0x", method="eth_call"), SwapIds(method="eth_call")], ids=str)
def test_one_spoilt_post_does_not_make_a_venue_a_mistake(
    path: Path, proxy: FaultProxy, healthy: Any, fault: Fault
) -> None:
    def through(*faults: Fault) -> Any:
        proxy.clear()
        proxy.add(NoOverrides(), *faults)
        return to_json(check(load_config(path), ["edge", "whale"], patience=HASTY))

    before = proxy.posts
    true = through()
    posts = proxy.posts - before
    assert posts > 8
    for skip in range(posts):
        fault.skip, fault.acted = skip, 0
        document = through(fault)
        if isinstance(fault, Hollow):
            assert document == true, skip
        for wallet in document["wallets"]:
            assert all(account["agrees"] is not False for account in wallet["accounts"]), skip


@pytest.mark.parametrize("without", [True, False], ids=["batches", "program"])
def test_a_venue_that_is_not_there_is_still_a_mistake(
    run: Run, path: Path, proxy: FaultProxy, world: World, without: bool
) -> None:
    if without:
        proxy.add(NoOverrides())
    nowhere = "0x" + "12" * 20
    wrong = world.markets[NEWER].reserves["WETH"].token
    text = path.read_text()
    for address, says in ((nowhere, "no contract at"), (wrong, "is not an Aave v3 addresses provider")):
        path.write_text(text.replace(provider(world, OLDER), address))
        complaint = run("check", "--json", "--config", path).complaint
        assert ": venues[1].pool_addresses_provider: " in complaint or ": venues[0]." in complaint
        assert says in complaint


@dataclass
class SwapViews(Fault):
    """In one post, the protocol's own views of two users stand for each other."""

    def matches(self, exchange: Exchange) -> bool:
        return len(self._views(exchange)) > 1

    def after(self, exchange: Exchange) -> None:
        first, *_, last = self._views(exchange)
        found = {ask["id"]: answer for ask, answer in exchange.answers()}
        found[first]["result"], found[last]["result"] = found[last]["result"], found[first]["result"]

    def _views(self, exchange: Exchange) -> list[int]:
        calls = [ask for ask in exchange.asks if ask["method"] == "eth_call"]
        return [ask["id"] for ask in calls if ask["params"][0]["data"].startswith(ACCOUNT_DATA)]


def test_a_disagreement_without_proof_is_read_once_more(path: Path, proxy: FaultProxy, healthy: Any) -> None:
    fault = SwapViews()
    proxy.add(NoOverrides(), fault)
    assert to_json(check(load_config(path))) == healthy
    assert fault.acted == 1


# --- a block that the user names ---------------------------------------------------------------------------


def test_a_lagging_endpoint_beside_a_dead_one_does_not_blame_the_block(
    run: Run, path: Path, proxy: FaultProxy
) -> None:
    text = path.read_text()
    for urls, is_mistake in (([proxy.url, DEAD], False), ([DEAD, proxy.url], False), ([proxy.url] * 2, True)):
        path.write_text(text.replace(f'"{proxy.url}"', ", ".join(f'"{url}"' for url in urls)))
        outcome = run("check", "--json", "--config", path, "--block", 99999)
        if is_mistake:
            assert "--block: " in outcome.complaint
            assert "no block 99999" in outcome.complaint
        else:
            assert outcome.code == 3
            assert reasons(outcome.json) == {"refused"}


def test_state_that_goes_away_in_the_middle_does_not_blame_the_block(
    run: Run, path: Path, proxy: FaultProxy, world: World
) -> None:
    number = world.anvil.block_number()
    gone = NodeError(-32000, "header not found", method="eth_call", skip=4, times=None)
    proxy.add(gone)
    outcome = run("check", "--json", "--config", path, "--block", number)
    assert outcome.code == 3
    assert reasons(outcome.json) == {"block_not_found"}
    proxy.clear()
    proxy.add(NodeError(-32000, "header not found", method="eth_call", times=None))
    assert "no state of block" in run("check", "--json", "--config", path, "--block", number).complaint


# --- many chains -------------------------------------------------------------------------------------------


def silent_chains(url: str, count: int) -> str:
    tables = (
        f'[chains.c{at}]\nrpc = "{url}"\nchain_id = {7000 + at}\n[[venues]]\nchain = "c{at}"\n'
        f'protocol = "aave-v3"\npool_addresses_provider = "0x{1:040x}"\n'
        for at in range(count)
    )
    return "\n".join(tables)


def test_silent_chains_are_waited_for_side_by_side(path: Path, proxy: FaultProxy) -> None:
    proxy.add(Delay(30, times=None))
    wallets = path.read_text().partition("[[wallets]]")[2]
    path.write_text(silent_chains(proxy.url, 30) + "[[wallets]]" + wallets)
    start = time.monotonic()
    report = check(load_config(path), ["edge"], patience=HASTY)
    assert time.monotonic() - start < 2 * HASTY.total_s
    assert [item.unread.reason for item in report.wallets[0].unread] == ["timeout"] * 30


def test_more_chains_than_threads_share_one_time(
    path: Path, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("checker.snapshot._MOST_PATIENCE_S", 3.0)
    monkeypatch.setattr("checker.side_by_side._MOST_THREADS", 4)
    proxy.add(Delay(30, times=None))
    wallets = path.read_text().partition("[[wallets]]")[2]
    path.write_text(silent_chains(proxy.url, 30) + "[[wallets]]" + wallets)
    start = time.monotonic()
    report = check(load_config(path), ["edge"], patience=HASTY)
    assert time.monotonic() - start < 5.0
    assert [item.unread.reason for item in report.wallets[0].unread] == ["timeout"] * 30


def test_a_mistake_does_not_wait_for_a_silent_chain(path: Path, proxy: FaultProxy, world: World) -> None:
    proxy.add(Delay(60, times=None))
    silent = silent_chains(proxy.url, 1)
    wrong = world.config_text().replace("chain_id = 31337", "chain_id = 31338")
    path.write_text(silent + "\n" + wrong)
    start = time.monotonic()
    command = [sys.executable, "-m", "checker", "check", "--json", "--verbose", "--config", str(path)]
    ended = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, cwd=Path(__file__).parents[2]
    )
    assert time.monotonic() - start < 9.0, "not even at the program's end"
    assert (ended.returncode, ended.stdout) == (3, "")
    assert "chain id 31337, expected 31338" in ended.stderr.splitlines()[-1]
