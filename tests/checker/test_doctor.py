"""`crossmargin doctor` on genuine contracts, through endpoints that lie, lag, refuse and can do little."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chain.multicall import MULTICALL3
from chain.rpc import Settings
from checker import load_config
from checker.demo.world import NEWER, OLDER, World
from checker.doctor.as_json import to_json
from checker.doctor.endpoint import EndpointHealth
from checker.doctor.examination import Diagnosis, doctor
from checker.doctor.findings import Status
from checker.doctor_command import screen
from localnet.multicall3 import place_multicall3
from tests.checker.conftest import Run, schema_of
from tests.faults import (
    BatchAbove,
    BatchError,
    Delay,
    Fault,
    FaultProxy,
    Hollow,
    NoBlockHash,
    NodeError,
    NoOverrides,
    OldHead,
    OtherChain,
    Refuse,
)
from tests.faults import Status as HttpStatus
from tests.faults.log_limits import LogRange

HASTY = Settings(timeout_s=1.0, total_s=2.0, rounds=2, backoff_s=0.01, dead_s=1.0)
SECRET = "/v3/0123456789abcdef-the-key"
DEAD = "http://127.0.0.1:1/secret-key-of-mine"
Examine = Callable[..., Diagnosis]


@pytest.fixture
def young(world: World) -> World:
    """Every oracle answer of today, so that all is well."""
    for market in world.markets.values():
        for symbol in market.reserves:
            feed = market.feed(symbol)
            feed.send("setAnswer", feed.call("latestAnswer"))
    return world


@pytest.fixture
def second(world: World) -> Iterator[FaultProxy]:
    with FaultProxy(world.anvil.url) as proxy:
        yield proxy


@pytest.fixture
def examine(young: World, second: FaultProxy, config: Path) -> Examine:
    """A look at the world through its own node and a second endpoint with faults."""

    def look(
        *faults: Fault, text: str = "", urls: tuple[str, ...] = (), patience: Settings = HASTY
    ) -> Diagnosis:
        second.clear()
        second.add(*faults)
        there = [young.anvil.url, *(urls or (second.url + SECRET,))]
        listed = ", ".join(f'"{url}"' for url in there)
        config.write_text((text or young.config_text()).replace(f'"{young.anvil.url}"', listed))
        found = doctor(load_config(config), patience=patience)
        document = to_json(found)
        schema_of("doctor").validate(document)
        screens = [screen(found), screen(found, quiet=True), screen(found, verbose=True)]
        for shown in (str(document), *screens):
            assert SECRET[4:] not in shown
            assert "secret-key" not in shown
            assert "://" not in shown
        assert max(len(line) for shown in screens for line in shown.splitlines()) <= 100
        return found

    return look


def told(found: Diagnosis) -> list[str]:
    """Every problem of the chains, as the quiet screen names them."""
    (chain,) = found.chains
    each = [(e.label, p) for e in chain.endpoints for p in e.problems]
    each += [(v.place.id, p) for v in chain.venues for p in v.problems]
    return [f"{p.status.word} {name} {p}" for name, p in each]


def endpoints(found: Diagnosis) -> tuple[EndpointHealth, EndpointHealth]:
    (chain,) = found.chains
    first, other = chain.endpoints
    assert (first.label, first.status) == ("local[0]", Status.OK)
    assert other.label == "local[1]"
    return first, other


# --- all is well -------------------------------------------------------------------------------------------


def test_all_is_well(run: Run, young: World, config: Path) -> None:
    outcome = run("doctor", "--json", "--config", config)
    document = outcome.json
    assert (outcome.code, outcome.err, document["status"], document["store"]) == (0, "", "ok", None)
    assert document["config"] == {"file": str(config), "status": "ok", "problems": []}
    (chain,) = document["chains"]
    assert chain["block"]["number"] == young.anvil.block_number()
    (endpoint,) = chain["endpoints"]
    assert (endpoint["endpoint"], endpoint["chain_id"], endpoint["problems"]) == ("local[0]", 31337, [])
    assert endpoint["head"]["number"] == young.anvil.block_number()
    assert endpoint["head"]["timestamp"] == young.anvil.timestamp()
    assert abs(endpoint["head"]["age_seconds"] - (time.time() - young.anvil.timestamp())) < 600
    assert endpoint["reading"] == {
        "calls": "program",
        "storage": "sload program",
        "block_by_hash": True,
        "batches": True,
    }
    assert set(endpoint["old_states"].values()) == {"n/a"}
    blocks = young.anvil.block_number() + 1
    assert endpoint["events"] == {"blocks_asked": blocks, "blocks": blocks}
    assert [venue["venue"] for venue in chain["venues"]] == [young.venue(NEWER), young.venue(OLDER)]
    for venue, version in zip(chain["venues"], (NEWER, OLDER), strict=True):
        market = young.markets[version]
        assert venue["addresses"] == {"pool_addresses_provider": market.addresses_provider.address}
        now = {feed["asset"]: feed for feed in venue["feeds"]}
        assert set(now) == set(market.reserves)
        for symbol, feed in now.items():
            source = market.feed(symbol)
            assert feed["feed"] == source.address
            assert feed["answer_raw"] == str(source.call("latestAnswer"))
            assert feed["answer"] == source.call("latestAnswer") / 10**8
            assert feed["updated_at"] == source.call("latestTimestamp")
            assert feed["age_seconds"] == young.anvil.timestamp() - feed["updated_at"]
            assert feed["stale"] is False


def test_the_screen(run: Run, young: World, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    shown = run("doctor", "--config", config)
    assert (shown.code, shown.err) == (0, "")
    lines = shown.out.splitlines()
    number = young.anvil.block_number()
    assert lines[0] == "configuration"
    assert lines[1].endswith("1 chain, 19 wallets")
    assert lines[3] == f"local  chain id 31337, venues at block {number:,}"
    assert re.fullmatch(rf"  ok    local\[0\]  block {number:,}, .* old, answers in [\d.,]+ ms", lines[4])
    assert "calls by program, storage by sload program, blocks by hash, old states n/a" in lines[5]
    assert lines[-1] == "1 endpoint, 2 venues, 21 oracle answers: all well"
    assert max(map(len, lines)) <= 100
    assert run("doctor", "--quiet", "--config", config).out == ""
    verbose = run("doctor", "--verbose", "--config", config)
    assert re.search(r"\d+ requests, \d+\.\d\d s", verbose.err)
    assert "http" not in verbose.err
    weth = young.markets[NEWER].feed("WETH").call("latestAnswer")
    assert f"WETH {weth // 10**8:,}.{weth % 10**8:08}, " in verbose.out


def test_the_looks_are_bounded_in_requests(examine: Examine, second: FaultProxy) -> None:
    found = examine()
    (chain,) = found.chains
    assert found.exit_code == 0
    assert second.posts == chain.endpoints[1].requests <= 20


# --- endpoints ---------------------------------------------------------------------------------------------


def test_a_wrong_chain_id_on_the_second_endpoint_only(examine: Examine) -> None:
    found = examine(OtherChain(5))
    _, other = endpoints(found)
    assert told(found) == ["fail local[1] wrong_chain: chain id 5, expected 31337"]
    assert (other.chain_id, other.head, found.exit_code) == (5, None, 3)


def test_two_chains_behind_one_name_without_a_configured_id(examine: Examine, young: World) -> None:
    found = examine(OtherChain(5), text=young.config_text().replace("chain_id = 31337\n", ""))
    assert told(found) == ["fail local[1] wrong_chain: chain id 5, but local[0] has 31337"]
    assert found.chains[0].chain_id == 31337


def test_the_only_endpoint_is_of_another_chain(run: Run, young: World, config: Path) -> None:
    config.write_text(young.config_text().replace("chain_id = 31337", "chain_id = 1"))
    outcome = run("doctor", "--json", "--config", config)
    (chain,) = outcome.json["chains"]
    assert (outcome.code, chain["block"], chain["chain_id"]) == (3, None, 1)
    assert [p["reason"] for p in chain["endpoints"][0]["problems"]] == ["wrong_chain"]
    for venue in chain["venues"]:
        assert (venue["status"], venue["problems"][0]["reason"]) == ("fail", "wrong_chain")


def test_no_state_overrides(examine: Examine) -> None:
    _, other = endpoints(examine(NoOverrides()))
    assert other.ways is not None
    assert (other.status, other.ways.calls, other.ways.by_hash) == (Status.OK, "batch", True)
    assert other.ways.storage == "eth_getStorageValues"


def test_multicall3_stands_in_for_overrides(examine: Examine, young: World) -> None:
    place_multicall3(young.anvil, MULTICALL3)
    _, other = endpoints(examine(NoOverrides()))
    assert other.ways is not None
    assert other.ways.calls == "multicall3"


def test_blocks_by_number(examine: Examine) -> None:
    _, other = endpoints(examine(NoBlockHash()))
    assert other.ways is not None
    assert (other.status, other.ways.by_hash, other.ways.calls) == (Status.OK, False, "program")


def test_storage_that_cannot_be_read_in_bulk(examine: Examine) -> None:
    gone = NodeError(-32601, "the method does not exist", method="eth_getStorageValues", times=None)
    found = examine(NoOverrides(), gone)
    _, other = endpoints(found)
    assert other.ways is not None
    assert (other.status, other.ways.storage) == (Status.OK, None)
    assert "storage not in bulk" in screen(found)


def test_no_batches(examine: Examine) -> None:
    found = examine(BatchError(times=None))
    _, other = endpoints(found)
    assert other.ways is not None
    assert (other.status, other.ways.batches, other.ways.calls) == (Status.OK, False, "program")
    assert "no batches" in screen(found)
    _, other = endpoints(examine(BatchAbove(limit=1)))
    assert other.ways is not None
    assert not other.ways.batches
    found = examine(BatchError(times=None), NoOverrides())
    assert told(found) == [
        "warn local[1] one request a call: it has no state overrides, no Multicall3 and no batches"
    ]
    assert found.exit_code == 1


def test_a_dead_endpoint(examine: Examine) -> None:
    found = examine(urls=(DEAD,))
    _, other = endpoints(found)
    assert told(found) == ["fail local[1] refused: no connection, or it was cut"]
    assert (other.chain_id, other.latency_s, found.exit_code) == (None, None, 3)
    assert [venue.status for venue in found.chains[0].venues] == [Status.OK, Status.OK]


@pytest.mark.parametrize("skip", range(9))
def test_an_endpoint_that_dies_meanwhile(examine: Examine, skip: int) -> None:
    found = examine(Refuse(times=None, skip=skip))
    _, other = endpoints(found)
    assert [p.reason for p in other.problems] == ["refused"]
    assert other.status is Status.FAIL
    assert other.events is None


def test_silent_endpoints_are_waited_for_side_by_side(examine: Examine, second: FaultProxy) -> None:
    silent = tuple(f"{second.url}/{n}" for n in range(6))
    begun = time.monotonic()
    found = examine(Delay(8.0, times=None), urls=silent)
    took = time.monotonic() - begun
    assert [p.reason for e in found.chains[0].endpoints[1:] for p in e.problems] == ["timeout"] * 6
    each = HASTY.total_s + HASTY.timeout_s
    assert took < 3 * each, "one after the other would take twice as long"


def test_everything_ends_when_the_time_is_up(examine: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("checker.doctor.examination._MOST_PATIENCE_S", 2.0)
    begun = time.monotonic()
    found = examine(Delay(30.0, times=None), patience=Settings())
    assert time.monotonic() - begun < 20
    _, other = endpoints(found)
    assert [p.reason for p in other.problems] == ["timeout"]


def test_a_node_without_a_chain_behind_it(run: Run, young: World, config: Path) -> None:
    config.write_text(young.config_text().replace(young.anvil.url, DEAD))
    outcome = run("doctor", "--json", "--config", config)
    (chain,) = outcome.json["chains"]
    assert (outcome.code, chain["block"]) == (3, None)
    assert {v["problems"][0]["reason"] for v in chain["venues"]} == {"refused"}
    assert "secret-key" not in outcome.out + outcome.err


def test_a_head_too_old(examine: Examine, young: World) -> None:
    text = young.config_text().replace("chain_id = 31337", 'chain_id = 31337\nmax_head_age = "1h"')
    young.anvil.mine(int(time.time()))
    found = examine(OldHead(young.anvil.block_number() - 1), text=text)
    _, other = endpoints(found)
    assert [(p.status, p.reason) for p in other.problems] == [
        (Status.FAIL, "stale_head"),
        (Status.WARN, None),
    ]
    assert "behind that of local[0]" in told(found)[1]
    assert found.chains[0].block is not None


def test_a_head_behind_the_other_endpoints(examine: Examine, young: World) -> None:
    behind = young.anvil.block_number()
    young.anvil.mine(young.anvil.timestamp() + 3600)
    found = examine(OldHead(behind))
    assert told(found) == ["warn local[1] its head is 1 h behind that of local[0]"]
    young.anvil.mine(young.anvil.timestamp() + 30)
    assert told(examine(OldHead(behind + 1))) == []


def test_a_head_in_the_future(examine: Examine, young: World) -> None:
    text = young.config_text().replace("chain_id = 31337", 'chain_id = 31337\nmax_head_age = "1h"')
    young.anvil.mine(int(time.time()) + 7200)
    found = examine(text=text)
    assert all("in the future" in line for line in told(found)[:2])
    assert found.exit_code == 1


def test_told_to_slow_down(examine: Examine) -> None:
    found = examine(HttpStatus(429, retry_after="0", times=2, skip=2), patience=Settings(rounds=4))
    assert told(found) == ["warn local[1] rate_limited: 2 times, then it answered"]
    assert found.exit_code == 1
    found = examine(HttpStatus(429, times=None))
    _, other = endpoints(found)
    assert [(p.status, p.reason) for p in other.problems] == [(Status.FAIL, "rate_limited")]


def test_a_slow_endpoint(examine: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("checker.doctor.endpoint.SLOW_S", 0.25)
    found = examine(Delay(0.3, times=None))
    _, other = endpoints(found)
    assert other.latency_s is not None
    assert other.latency_s > 0.3
    assert re.fullmatch(r"warn local\[1\] slow: [\d.]+ s for the smallest question", told(found)[0])


def test_old_states(examine: Examine, young: World) -> None:
    young.anvil.request("anvil_mine", hex(1100))
    _, other = endpoints(examine())  # this node keeps the states of a few hundred blocks
    assert other.states == {1_000: "no", 100_000: "n/a", 0: "no"}
    found = examine(Hollow("0x0", method="eth_getBalance", times=None))
    _, other = endpoints(found)
    assert other.states == {1_000: "yes", 100_000: "n/a", 0: "yes"}
    assert "old states of all blocks" in screen(found)
    pruned = NodeError(-32000, "missing trie node", method="eth_getBalance", times=None)
    found = examine(pruned)
    _, other = endpoints(found)
    assert other.states == {1_000: "no", 100_000: "n/a", 0: "no"}
    assert (other.status, "old states none" in screen(found)) == (Status.OK, True)
    busy = NodeError(-32005, "rate limit exceeded", method="eth_getBalance", times=None)
    _, other = endpoints(examine(busy))
    assert other.states == {1_000: "unknown", 100_000: "n/a", 0: "unknown"}


def test_how_many_blocks_of_events(examine: Examine, young: World) -> None:
    young.anvil.request("anvil_mine", hex(1100))
    blocks = young.anvil.block_number() + 1
    for limit, answered in ((10_000, blocks), (1_500, 1_000), (999, 100)):
        _, other = endpoints(examine(LogRange(limit)))
        assert other.events is not None
        assert (other.status, other.events.asked, other.events.blocks) == (Status.OK, blocks, answered)
    found = examine(LogRange(50))
    assert found.exit_code == 1
    assert "warn local[1] no events, which scan needs: " in told(found)[0]


# --- venues ------------------------------------------------------------------------------------------------


def test_a_venue_with_a_wrong_address(examine: Examine, young: World) -> None:
    newer = young.markets[NEWER]
    provider = newer.addresses_provider.address
    for wrong, said in (
        ("0x" + "1" * 40, "pool_addresses_provider: no contract at 0x" + "1" * 40),
        (newer.feed("WETH").address, "is not an Aave v3 addresses provider"),
    ):
        found = examine(text=young.config_text().replace(provider, wrong))
        (line,) = told(found)
        assert line.startswith(f"fail {young.venue(NEWER)} ")
        assert said in line
        assert found.exit_code == 3
        assert [len(venue.feeds) for venue in found.chains[0].venues] == [0, 11]


def test_an_oracle_without_an_answer(examine: Examine, young: World) -> None:
    newer = young.markets[NEWER]
    newer.set_price("USDC", 0)
    newer.feed("DAI").send("setBroken", True)
    found = examine()
    venue = young.venue(NEWER)
    assert told(found) == [
        f"fail {venue} oracle: the oracle has no price for USDC",
        f"fail {venue} oracle: the oracle has no price for DAI",
    ]
    assert found.exit_code == 3
    assert len(found.chains[0].venues[0].feeds) == 8


def test_a_stale_answer(examine: Examine, young: World) -> None:
    feed = young.markets[NEWER].feed("WETH")
    now = young.anvil.timestamp()
    answer = feed.call("latestAnswer")
    feed.send("setAnswerAt", answer, now - 25 * 3600)
    assert told(examine()) == []
    feed.send("setAnswerAt", answer, now - 3 * 86_400)
    found = examine()
    assert told(found) == [f"warn {young.venue(NEWER)} 1 of 10 oracle answers stale: WETH 3 d old"]
    assert found.exit_code == 1
    feed.send("setAnswerAt", answer, now + 86_400)
    assert "WETH 1 d younger than the block" in told(examine())[0]


def test_many_stale_answers_are_counted(run: Run, world: World, config: Path) -> None:
    """The world as it stands: the older market's feeds were last written weeks ago."""
    quiet = run("doctor", "--quiet", "--config", config)
    assert (quiet.code, quiet.err) == (1, "")
    assert quiet.out.startswith(f"warn  {world.venue(OLDER)}  11 of 11 oracle answers stale: WETH 14 d old")
    assert "and 8 more" in quiet.out


def test_an_answer_of_unknown_age_is_said(examine: Examine, young: World) -> None:
    """The fallback oracle says no time: here it is the market's own oracle of the other version."""
    newer, older = young.markets[NEWER], young.markets[OLDER]
    older.oracle.send("setAssetSources", [newer.reserves["USDC"].token], [older.feed("USDC").address])
    newer.oracle.send("setFallbackOracle", older.oracle.address)
    newer.set_price("USDC", 0)
    found = examine()
    assert (found.exit_code, told(found)) == (0, [])
    ages = {feed.feed.asset: feed.age_s for feed in found.chains[0].venues[0].feeds}
    assert ages["USDC"] is None
    assert "; 1 of unknown age" in screen(found)
    assert "USDC 1.00" in screen(found, verbose=True)


# --- configuration and store -------------------------------------------------------------------------------


def problems(found: Any) -> list[str]:
    return [f"{problem['status']} {problem['subject']}: {problem['detail']}" for problem in found["problems"]]


def test_what_the_configuration_cannot_mean(run: Run, young: World, config: Path) -> None:
    text = young.config_text().replace("chains.local", "chains.base").replace('"local"', '"base"')
    text = text.replace("[factors]", '[factors]\nFROB = "ETH"')
    config.write_text(text.replace(f'"{young.anvil.url}"', f'"{young.anvil.url}", "{young.anvil.url}"'))
    outcome = run("doctor", "--json", "--config", config)
    assert problems(outcome.json["config"]) == [
        "warn base[1]: the same endpoint as base[0]: no failover to it",
        "warn None: chain base has chain id 31337, not that name's own",
        "warn None: factors.FROB: no known token of these chains has that symbol; give its address",
    ]
    assert (outcome.code, outcome.err) == (1, "")
    venue = young.config_text().partition("[[venues]]")[2].partition("[[")[0]
    twice = f"[[venues]]{venue.replace('v3.2', 'again')}"
    config.write_text(twice + young.config_text())
    outcome = run("doctor", "--json", "--config", config)
    (said,) = problems(outcome.json["config"])
    assert "the same venue as" in said
    assert (said[:4], outcome.code) == ("fail", 3)


def test_a_chain_without_venues(run: Run, young: World) -> None:
    outcome = run("doctor", "--rpc", f"mine={young.anvil.url}", "--json")
    assert problems(outcome.json["config"]) == [
        "warn None: chain mine: no venue is known there, so nothing of it was read"
    ]
    assert (outcome.code, outcome.json["config"]["file"]) == (1, None)


def test_a_configuration_that_cannot_be_read_is_one_line(run: Run, config: Path) -> None:
    config.write_text("[chains.local]\nrpc = []\n")
    assert str(config) in run("doctor", "--json", "--config", config).complaint
    assert "no chain" in run("doctor").complaint


def test_the_store(run: Run, young: World, config: Path, tmp_path: Path) -> None:
    config.write_text(young.config_text() + f'[store]\nurl = "sqlite:///{tmp_path}/store.db"\n')
    outcome = run("doctor", "--json", "--config", config)
    assert (outcome.code, outcome.json["store"]) == (0, {"status": "ok", "problems": []})
    assert "  ok    store  opened" in run("doctor", "--config", config).out
    (tmp_path / "store.db").write_bytes(b"this is no database, and long enough to be seen as none" * 40)
    outcome = run("doctor", "--json", "--config", config)
    assert (outcome.code, outcome.json["store"]["status"]) == (3, "fail")
    config.write_text(young.config_text() + '[store]\nurl = "postgresql://me:hunter22@127.0.0.1:1/x"\n')
    outcome = run("doctor", "--config", config)
    assert outcome.code == 3
    assert re.search(r"  fail  store  \S", outcome.out)
    assert "hunter22" not in outcome.out + outcome.err
