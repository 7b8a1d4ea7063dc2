"""`crossmargin scan`: options, streams, files and exit codes; and the whole of it on genuine contracts."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from checker import check, load_config
from checker.book.view import Scan
from checker.commands import app
from checker.demo.world import World
from checker.scan_command import chosen_venue
from margin.errors import ConfigError
from tests.checker.book.made import LACKING, account, scan, whole_book
from tests.checker.conftest import Run
from tests.faults import FaultProxy

TOML = """
[chains.local]
rpc = ["http://127.0.0.1:9"]
chain_id = 31337

[[venues]]
chain = "local"
protocol = "aave-v3"
name = "core"
pool_addresses_provider = "0x1111111111111111111111111111111111111111"

[[venues]]
chain = "local"
protocol = "aave-v3"
name = "prime"
pool_addresses_provider = "0x2222222222222222222222222222222222222222"
"""
CORE = "local/aave-v3/core"
Scans = Callable[[Scan], list[dict[str, Any]]]


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    path = tmp_path / "x.toml"
    path.write_text(TOML)
    return path


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> Scans:
    """Puts a value in the place of what is read from a node, and tells what was asked for."""

    def put(found: Scan) -> list[dict[str, Any]]:
        asked: list[dict[str, Any]] = []

        def reading(_config: object, venue: str, **options: Any) -> Scan:
            options.pop("say")("reading", 0, 0)
            asked.append({"venue": venue, **options})
            return found

        monkeypatch.setattr("checker.scan_command.scan", reading)
        return asked

    return put


# --- usage ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "--venue"),
        (["extra", "--venue", "core"], "extra"),
        (["--venue", "core", "--top", "-1"], "--top"),
        (["--venue", "core", "--top", "many"], "--top"),
        (["--venue", "core", "--block", "newest"], "--block: 'newest' is not latest"),
        (["--venue", "core", "--block", "1", "--block", "2"], "--block: given twice"),
        (["--venue", "core", "--block", "other=1"], "--block: no chain 'other'"),
        (["--venue", "core", "--curve", "x.pdf"], "--curve: 'x.pdf' does not end in .png, .svg or .csv"),
        (["--venue", "core", "--curve", "png"], "--curve: 'png' does not end in .png, .svg or .csv"),
        (["--venue", "core", "--curve", "no/x.png"], "--curve: no/x.png: No such file or directory"),
        (["--venue", "core", "--csv", "no/x.csv"], "--csv: no/x.csv: No such file or directory"),
        (["--venue", "core", "--csv", "a.csv", "--curve", "./a.csv"], "same file"),
        (["--venue", "none"], f"--venue: no venue 'none'; there are {CORE}, local/aave-v3/prime"),
        (["--venue", ""], "--venue: no venue ''; there are"),
        (["--venue", "/"], "--venue: no venue '/'; there are"),
        (["--venue", "ore"], "--venue: no venue 'ore'; there are"),
        (["--venue", "aave-v3"], f"'aave-v3' could be any of {CORE}, local/aave-v3/prime"),
        (["--venue", "local/aave-v3/cor"], "no venue 'local/aave-v3/cor'"),
        (["--venue", "\x1b[31mevil\n"], r"no venue '\x1b[31mevil\n'"),
    ],
)
def test_bad_usage_is_one_line_and_3_and_nothing_is_read(
    run: Run, toml: Path, scans: Scans, arguments: list[str], says: str, tmp_path: Path
) -> None:
    asked = scans(scan(()))
    before = sorted(tmp_path.rglob("*"))
    complaint = run("scan", "--config", toml, *arguments).complaint
    assert says in complaint
    assert "\x1b" not in complaint
    assert not asked
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", [CORE, "core", "aave-v3/core", "/core", "core/"])
def test_a_venue_by_its_id_or_a_part_of_it(run: Run, toml: Path, scans: Scans, name: str) -> None:
    asked = scans(scan(()))
    assert run("scan", "--venue", name, "--config", toml).code == 0
    assert asked == [{"venue": CORE, "block": "latest", "audit": True}]


def test_venues_of_a_chain_whose_id_is_not_proven(tmp_path: Path) -> None:
    empty = tmp_path / "empty.toml"
    empty.write_text("")
    config = load_config(empty, rpc={"ethereum": ["http://127.0.0.1:9"], "mine": ["http://127.0.0.1:9"]})
    assert chosen_venue(config, "ethereum/aave-v3/core") == "ethereum/aave-v3/core"
    assert chosen_venue(config, "lido") == "ethereum/aave-v3/lido"
    with pytest.raises(ConfigError, match="could be any of ethereum/aave-v3/core, ethereum/aave-v2/core"):
        chosen_venue(config, "core")
    assert chosen_venue(config, "mine/aave-v3/core") == "mine/aave-v3/core"
    with pytest.raises(ConfigError, match="no venue 'other/aave-v3/core'; there are ethereum/aave-v3/core"):
        chosen_venue(config, "other/aave-v3/core")
    nowhere = load_config(empty, rpc={"mine": ["http://127.0.0.1:9"]})
    with pytest.raises(ConfigError, match="no venue 'core'; none is known"):
        chosen_venue(nowhere, "core")
    with pytest.raises(ConfigError, match=r"no chain: add \[chains\.NAME\]"):
        chosen_venue(load_config(empty), "core")


def test_the_options_reach_the_scan(run: Run, toml: Path, scans: Scans) -> None:
    asked = scans(scan(()))
    run("scan", "--venue", "core", "--config", toml, "--block", "local=120", "--no-audit")
    assert asked == [{"venue": CORE, "block": "120", "audit": False}]


def test_the_help_names_every_option(run: Run) -> None:
    told = " ".join(run("scan", "--help").out.split())
    for option in ("--venue", "--config", "--rpc", "--block", "--json", "--csv", "--parquet", "--curve",
                   "--top", "--no-audit", "--quiet", "--verbose"):  # fmt: skip
        assert option in told
    assert "scan" in {command.callback.__name__ for command in app.registered_commands if command.callback}


# --- streams, files, codes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (scan((account(1),)), 0),
        (scan((account(1, health=1.1),)), 1),
        (scan((account(1, health=0.9),), completeness=LACKING), 2),
        (scan((account(1),), completeness=LACKING), 3),
    ],
)
def test_the_exit_code(run: Run, toml: Path, scans: Scans, found: Scan, code: int) -> None:
    scans(found)
    for options in ([], ["--json"], ["--quiet"]):
        outcome = run("scan", "--venue", "core", "--config", toml, *options)
        assert (outcome.code, outcome.err) == (code, "")
        assert "\x1b" not in outcome.out
    assert run("scan", "--venue", "core", "--config", toml, "--json").json["venue"] == found.venue


def test_quiet_verbose_and_warnings(run: Run, toml: Path, scans: Scans) -> None:
    found = dataclasses.replace(whole_book(200), warnings=("something \x1b[2J odd",))
    scans(found)
    quiet = run("scan", "--venue", "core", "--config", toml, "--quiet", "--verbose")
    lines = quiet.out.splitlines()
    assert lines[0].startswith("204 accounts: ")
    assert len(lines) == 3
    assert lines[1].startswith("100.000 % complete")
    verbose = run("scan", "--venue", "core", "--config", toml, "--verbose", "--json")
    assert len(verbose.json["accounts"]) == 204
    assert verbose.err.splitlines()[1:] == [
        "warning: something [2J odd",
        "57 requests, 3.21 s",
        "storage by eth_getStorageValues, calls by multicall",
        "412 bytes an account, 321 MB at the peak, 123 accounts decided in integers",
    ]
    assert run("scan", "--venue", "core", "--config", toml).err == "warning: something [2J odd\n"
    assert run("scan", "--venue", "core", "--config", toml, "--quiet").err == ""
    shown = run("scan", "--venue", "core", "--config", toml, "--quiet", "--top", "3").out
    assert "riskiest" not in shown
    assert "the riskiest 3 of" in run("scan", "--venue", "core", "--config", toml, "--top", "3").out


def test_all_files_at_once(run: Run, toml: Path, scans: Scans, tmp_path: Path) -> None:
    scans(whole_book(50))
    for curve in ("curve.PNG", "curve.svg", "curve.csv"):
        files = ["--csv", "book.csv", "--parquet", "book.parquet", "--curve", curve]
        assert (
            run("scan", "--venue", "core", "--config", toml, *files, "--json").json["totals"]["accounts"]
            == 54
        )
    assert len(pd.read_csv(tmp_path / "book.csv")) == len(pd.read_parquet(tmp_path / "book.parquet")) == 54
    assert (tmp_path / "curve.PNG").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "curve.svg").read_text()
    assert set(pd.read_csv(tmp_path / "curve.csv")["direction"]) >= {"market", "ETH"}


def test_files_are_written_together_or_not_at_all(
    run: Run, toml: Path, scans: Scans, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scans(whole_book(50))
    (tmp_path / "book.csv").write_text("before")
    before = sorted(tmp_path.iterdir())

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("checker.book.curve_picture.write_picture", full)
    files = ["--csv", "book.csv", "--parquet", "book.parquet", "--curve", "curve.png"]
    complaint = run("scan", "--venue", "core", "--config", toml, *files).complaint
    assert complaint == "--curve: curve.png: No space left on device"
    assert (tmp_path / "book.csv").read_text() == "before"
    assert sorted(tmp_path.iterdir()) == before


# --- on genuine contracts ---------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["v3.0.2", "v3.2"])
def test_a_genuine_market(run: Run, config: Path, version: str, tmp_path: Path) -> None:
    """The demo's wallets, found from events alone, are judged as `check` judges them by name."""
    outcome = run("scan", "--venue", version, "--config", config, "--json", "--audit", "--curve", "c.svg")
    found = outcome.json
    assert outcome.code == 2
    assert found["completeness"]["percent"] == 100.0
    known = {
        each.key.account: each
        for wallet in check(load_config(config)).wallets
        for each in wallet.accounts
        if each.key.venue == f"local/aave-v3/{version}"
    }
    told = {each["account"]: each for each in found["accounts"]}
    assert set(known) <= set(told)
    for name, each in known.items():
        assert each.verdict is not None
        assert told[name]["band"] == each.band.word
        assert told[name]["liquidatable"] is each.liquidatable
        assert told[name]["support_raw"] == str(each.verdict.support_raw)
        assert told[name]["requirement_raw"] == str(each.verdict.requirement_raw)
        assert told[name]["blocked"] == each.blocked
    assert all(each["agrees"] is True for each in told.values())
    healths = [each["health_factor"] for each in found["accounts"] if each["health_factor"] is not None]
    assert healths == sorted(healths)
    assert found["curve"]
    assert "<svg" in (tmp_path / "c.svg").read_text()


def test_a_genuine_market_on_the_screen_and_twice_the_same(run: Run, config: Path) -> None:
    shown = run("scan", "--venue", "v3.2", "--config", config, "--verbose")
    assert "100.000 % complete" in shown.out
    assert max(map(len, shown.out.splitlines())) <= 100
    assert re.search(r"\d+ requests, \d+\.\d\d s", shown.err)
    assert "http" not in shown.err
    number = run("scan", "--venue", "v3.2", "--config", config, "--json").json["block"]["number"]
    twice = [run("scan", "--venue", "v3.2", "--config", config, "--json", "--block", number) for _ in "ab"]
    assert twice[0].out == twice[1].out
    assert json.loads(twice[0].out)["block"]["number"] == number


def test_an_unknown_venue_asks_no_node(run: Run, config: Path, world: World, proxy: FaultProxy) -> None:
    config.write_text(world.config_text().replace(world.anvil.url, proxy.url))
    complaint = run("scan", "--venue", "v9", "--config", config).complaint
    assert "there are local/aave-v3/v3.2, local/aave-v3/v3.0.2" in complaint
    assert proxy.posts == 0
