"""An unreliable node, end to end: the answer is right, or unknown for its true reason."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from chain.rpc import Settings
from checker import check, load_config
from checker.demo.world import World
from checker.report_json import to_json
from tests.checker.conftest import Run, schema_of
from tests.faults import (
    Delay,
    DropAnswers,
    Exchange,
    Fault,
    FaultProxy,
    NodeError,
    OldHead,
    OtherChain,
    Refuse,
    Status,
    Truncate,
)

HASTY = Settings(timeout_s=1.0, total_s=3.0, rounds=2, backoff_s=0.01, dead_s=1.0)
SECRET = "/v3/0123456789abcdef-the-key"
Check = Callable[..., Any]


@pytest.fixture
def through(proxy: FaultProxy, world: World, config: Path, tmp_path: Path) -> Check:
    """A check of the whole cast through faults, as JSON, with little patience."""

    def checked(*faults: Fault, text: str = "", patience: Settings = HASTY) -> Any:
        proxy.clear()
        proxy.add(*faults)
        path = tmp_path / "through.toml"
        path.write_text((text or world.config_text()).replace(world.anvil.url, proxy.url + SECRET))
        document = to_json(check(load_config(path), patience=patience))
        schema_of("check").validate(document)
        assert SECRET[4:] not in str(document)
        assert proxy.url not in str(document)
        return document

    return checked


@pytest.fixture
def healthy(config: Path) -> Any:
    return to_json(check(load_config(config)))


def right_or_unknown(document: Any, healthy: Any) -> bool:
    """Whether anything was unknown; every figure that is given must be the healthy one."""
    assert [wallet["wallet"] for wallet in document["wallets"]] == [w["wallet"] for w in healthy["wallets"]]
    blind = False
    for wallet, true in zip(document["wallets"], healthy["wallets"], strict=True):
        if wallet == true:
            continue
        blind = True
        assert wallet["unread"], wallet
        assert wallet["band"] in ("unknown", "liquidatable")
        assert wallet["equity_usd"] is wallet["collateral_usd"] is wallet["debt_usd"] is None
        assert all(e["net_usd"] is None for e in wallet["exposures"])
        known = {(account["venue"], account["account"]): account for account in true["accounts"]}
        for account in wallet["accounts"]:
            right = account == known[account["venue"], account["account"]]
            assert right or (account["band"], account["health_factor"], account["debt"]) == (
                "unknown",
                None,
                None,
            )
        told = {(item["venue"], item["account"]) for item in wallet["unread"]}
        seen = {(a["venue"], a["account"]) for a in wallet["accounts"] if a["liquidatable"] is not None}
        for venue, account in known:
            assert (venue, account) in seen or (venue, account) in told or (venue, None) in told
    return blind


HEALED = [
    Refuse(),
    Status(429, retry_after="1"),
    Status(502),
    Truncate(),
    DropAnswers(),
    Delay(1.2),
    NodeError(-32000, "header not found"),
    NodeError(-32603, "internal error"),
]


@pytest.mark.parametrize("fault", HEALED, ids=lambda fault: type(fault).__name__)
@pytest.mark.parametrize("skip", [0, 3, 9])
def test_one_bad_answer_heals_within_the_run(through: Check, healthy: Any, fault: Fault, skip: int) -> None:
    fault = copy(fault)
    fault.skip = skip
    assert through(fault) == healthy


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (Refuse(times=None), "refused"),
        (Delay(1.2, times=None), "timeout"),
        (Status(429, times=None), "rate_limited"),
        (Status(500, times=None), "rpc_error"),
        (Truncate(times=None), "malformed"),
        (NodeError(-32603, "internal error", times=None), "rpc_error"),
    ],
    ids=["refused", "timeout", "rate_limited", "http_500", "malformed", "rpc_error"],
)
@pytest.mark.parametrize("skip", [0, 5])
def test_a_lasting_fault_is_unknown_for_its_reason(
    through: Check, healthy: Any, fault: Fault, reason: str, skip: int
) -> None:
    fault = copy(fault)
    fault.skip = skip
    document = through(fault)
    assert right_or_unknown(document, healthy)
    for wallet in document["wallets"]:
        assert wallet["band"] == "unknown"
        assert {item["reason"] for item in wallet["unread"]} == {reason}
        assert all(item["detail"] for item in wallet["unread"])


def test_the_line_goes_dead_after_any_number_of_posts(
    through: Check, healthy: Any, proxy: FaultProxy
) -> None:
    before = proxy.posts
    assert through() == healthy
    posts = proxy.posts - before
    assert posts < 40
    impatient = Settings(timeout_s=1.0, total_s=2.0, rounds=1, dead_s=5.0)
    for skip in range(posts + 1):
        document = through(Refuse(times=None, skip=skip), patience=impatient)
        assert right_or_unknown(document, healthy) is (skip < posts), skip


def test_answers_dropped_for_ever_from_batches(through: Check, healthy: Any) -> None:
    right_or_unknown(through(DropAnswers(times=None)), healthy)


def test_a_second_endpoint_heals_everything(through: Check, healthy: Any, world: World) -> None:
    both = world.config_text().replace(
        f'rpc = ["{world.anvil.url}"]', f'rpc = ["{world.anvil.url}", "$SECOND"]'
    )
    both = both.replace("$SECOND", world.anvil.url.replace("127.0.0.1", "localhost"))
    for fault in (Refuse(times=None), OtherChain(1), OtherChain(1, skip=2), Status(429, times=None)):
        assert through(fault, text=both) == healthy


def test_another_chain_at_the_start_is_a_mistake_of_the_configuration(
    run: Run, proxy: FaultProxy, world: World, config: Path
) -> None:
    proxy.add(OtherChain(5))
    config.write_text(world.config_text().replace(world.anvil.url, proxy.url))
    complaint = run("check", "--json", "--config", config).complaint
    assert complaint.startswith(f"{config}: chains.local.chain_id: ")
    assert "chain id 5, expected 31337" in complaint


def test_another_chain_in_the_middle_is_unknown(through: Check, healthy: Any) -> None:
    document = through(OtherChain(5, skip=2))
    assert right_or_unknown(document, healthy)
    assert {i["reason"] for w in document["wallets"] for i in w["unread"]} == {"wrong_chain"}


def test_a_head_too_old_is_unknown(through: Check, healthy: Any, world: World) -> None:
    text = world.config_text().replace("chain_id = 31337", 'chain_id = 31337\nmax_head_age = "10m"')
    document = through(text=text)
    assert right_or_unknown(document, healthy)
    assert {i["reason"] for w in document["wallets"] for i in w["unread"]} == {"stale_head"}
    assert document["blocks"] == []


def test_a_node_that_fell_behind(through: Check, world: World, config: Path) -> None:
    anvil = world.anvil
    behind = anvil.block_number()
    anvil.mine(anvil.timestamp() + 3600)
    document = through(OldHead(behind))
    assert document["blocks"][0]["number"] == behind


def test_a_dead_node_still_gives_the_whole_json(run: Run, config: Path, world: World) -> None:
    config.write_text(world.config_text().replace(world.anvil.url, "http://127.0.0.1:1/secret-key-of-mine"))
    outcome = run("check", "--json", "--config", config)
    document = outcome.json
    assert (outcome.code, document["blocks"]) == (3, [])
    assert "secret-key-of-mine" not in outcome.out + outcome.err
    for wallet in document["wallets"]:
        assert wallet["band"] == "unknown"
        assert [item["venue"] for item in wallet["unread"]] == [world.venue("3.2"), world.venue("3.0.2")]
    screen = run("check", "edge", "--config", config)
    assert screen.code == 3
    assert "COULD NOT BE READ" in screen.out
    assert "refused" in screen.out
    assert "secret-key-of-mine" not in screen.out + screen.err
    unnamed = run("check", world.wallets["edge"], "--rpc", "far=http://127.0.0.1:1/", "--json")
    (wallet,) = unnamed.json["wallets"]
    assert [(i["venue"], i["account"], i["reason"]) for i in wallet["unread"]] == [("far", None, "refused")]


def test_no_secret_is_printed(
    run: Run, world: World, config: Path, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NODE_URL", proxy.url + SECRET)
    config.write_text(world.config_text().replace(world.anvil.url, "$NODE_URL"))
    csv, parquet = tmp_path / "x.csv", tmp_path / "x.parquet"
    files = ["--csv", csv, "--parquet", parquet]
    broken: list[list[Fault]] = [
        [],
        [Refuse(times=None)],
        [OtherChain(3)],
        [Status(401, times=None)],
        [Truncate(times=None, skip=4)],
    ]
    for faults in broken:
        for options in (["--json", "--verbose", *files], ["--verbose"]):
            proxy.clear()
            proxy.add(*faults)
            outcome = run("check", "edge", "--config", config, *options)
            written = [file.read_bytes().decode(errors="replace") for file in (csv, parquet) if file.exists()]
            shown = "".join([outcome.out, outcome.err, *written])
            assert SECRET[4:] not in shown
            assert proxy.url not in shown
            assert f":{proxy.url.rpartition(':')[2]}" not in shown


def test_an_oracle_without_a_price(run: Run, config: Path, world: World) -> None:
    world.markets["3.2"].set_price("USDC", 0)
    asked = ("edge", "unused_supply", "no_debt", "exact", "liquidatable")
    outcome = run("check", *asked, "--json", "--config", config)
    edge, unused, lender, other, dead = outcome.json["wallets"]
    # What is known to be liquidatable on the other market outranks all that is not known.
    assert ([account["band"] for account in dead["accounts"]]) == ["unknown", "liquidatable"]
    assert (dead["band"], outcome.code) == ("liquidatable", 2)
    failed, older = edge["accounts"]
    assert (failed["band"], failed["health_factor"], failed["collateral"]) == ("unknown", None, None)
    assert older["band"] == "danger"
    assert [(i["account"], i["reason"]) for i in edge["unread"]] == [(failed["account"], "oracle")]
    # A supply that backs nothing does not touch the verdict, but the totals are not known.
    account = unused["accounts"][0]
    assert account["health_factor"] is not None
    assert [leg["value_usd"] for leg in account["collateral"] if leg["symbol"] == "USDC"] == [None]
    assert (account["band"], unused["band"], unused["equity_usd"]) == ("unknown", "unknown", None)
    assert lender["band"] == "unknown"
    assert other["unread"] == []


def test_a_thousand_wallets_take_a_bounded_number_of_requests(
    proxy: FaultProxy, world: World, tmp_path: Path
) -> None:
    path = tmp_path / "c.toml"
    path.write_text(world.config_text().replace(world.anvil.url, proxy.url))
    cast = list(world.wallets.values())
    names = [f"0x{n:040x}" for n in range(1, 1001 - len(cast))] + [str(address) for address in cast]
    report = check(load_config(path), names)
    assert len(report.wallets) == len(names)
    assert report.requests == proxy.posts
    assert proxy.posts <= 100


@dataclass
class Reorg(Fault):
    """Before the post is answered, the newest block is replaced by another."""

    world: World
    snapshot: str = ""

    def before(self, _exchange: Exchange) -> None:
        anvil = self.world.anvil
        anvil.revert(self.snapshot)
        self.snapshot = anvil.snapshot()
        anvil.mine(anvil.timestamp() + 60 * (1 + self.acted))


@pytest.fixture
def on_a_new_block(world: World) -> str:
    """A block that can be replaced; the snapshot from before it."""
    snapshot = world.anvil.snapshot()
    world.anvil.mine(world.anvil.timestamp() + 12)
    return snapshot


def test_a_block_replaced_while_it_is_read_is_read_again(
    through: Check, world: World, config: Path, on_a_new_block: str
) -> None:
    replaced = world.anvil.request("eth_getBlockByNumber", "latest", False)["hash"]
    document = through(Reorg(world=world, snapshot=on_a_new_block, skip=6))
    assert document == to_json(check(load_config(config)))
    assert document["blocks"][0]["hash"] != replaced


def test_a_block_that_never_stays_is_unknown(through: Check, world: World, on_a_new_block: str) -> None:
    document = through(Reorg(world=world, snapshot=on_a_new_block, skip=3, times=None))
    assert document["blocks"] == []
    for wallet in document["wallets"]:
        assert (wallet["band"], wallet["accounts"]) == ("unknown", [])
        assert {item["reason"] for item in wallet["unread"]} == {"block_not_found"}


def test_one_chain_of_two_is_dead(through: Check, healthy: Any, world: World) -> None:
    text = world.config_text()
    provider = world.markets["3.2"].core.addresses()["addresses_provider"]
    far = f"""[chains.far]
rpc = "http://127.0.0.1:1"
[[venues]]
chain = "far"
protocol = "aave-v3"
pool_addresses_provider = "{provider}"
"""
    document = through(text=far + text)
    assert [block["chain"] for block in document["blocks"]] == ["local"]
    for wallet, true in zip(document["wallets"], healthy["wallets"], strict=True):
        assert wallet["accounts"] == true["accounts"]
        assert wallet["equity_usd"] is None
        assert [(i["venue"], i["reason"]) for i in wallet["unread"]] == [("far/aave-v3", "refused")]
        assert wallet["band"] == ("liquidatable" if true["band"] == "liquidatable" else "unknown")


def test_two_chains_are_read_at_a_block_each(through: Check, healthy: Any, world: World) -> None:
    text = world.config_text()
    head, _, wallets = text.partition("[[wallets]]")
    twice = f"{head}{head.replace('local', 'again')}[[wallets]]{wallets}"
    document = through(text=twice)
    assert [block["chain"] for block in document["blocks"]] == ["local", "again"]
    for wallet, true in zip(document["wallets"], healthy["wallets"], strict=True):
        assert [a["venue"] for a in wallet["accounts"]] == [
            a["venue"].replace("local", chain) for chain in ("local", "again") for a in true["accounts"]
        ]
        assert wallet["equity_usd"] == pytest.approx(2 * true["equity_usd"])
