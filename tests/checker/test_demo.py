"""The demo as a user runs it: what it shows, what it leaves behind, and what it would not hide."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from checker import check, load_config
from checker.demo import alert, proof, show
from checker.demo.world import World, raise_world
from localnet.cache import cache_dir
from tests.checker.conftest import Run
from tests.mailbox import Mailbox

ROOT = Path(__file__).resolve().parents[2]
CACHE = str(cache_dir())


def test_the_demo_shows_and_proves(run: Run) -> None:
    outcome = run("demo")
    assert (outcome.code, outcome.err) == (0, "")
    assert re.search(r"^(\d+) of \1 verdicts equal the protocols' own view$", outcome.out, re.MULTILINE)
    assert outcome.out.count("✓") == 6
    assert outcome.out.count("refused: 45 HEALTH_FACTOR_NOT_BELOW_THRESHOLD") == 2
    assert outcome.out.count("goes through") == 2
    assert "crossmargin demo --keep" in outcome.out
    assert "\x1b" not in outcome.out


@pytest.fixture
def warm(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second run on a machine: the home directory of these tests is empty, its downloads are not."""
    monkeypatch.setenv("CROSSMARGIN_CACHE", CACHE)


@pytest.mark.usefixtures("warm")
def test_the_mail_says_what_the_check_says(run: Run) -> None:
    out = run("demo").out
    checked, mailed = out.split("And who would tell you?")
    (first, second) = re.findall(r"✓ (.*): a mail arrives, “(.*)”", mailed)
    assert first == ("first look", "edge: ok → danger")
    assert second[1] == "edge: danger → liquidatable"
    # The price it fell to is beyond the one that the check gave, and was not when the check was made.
    (fallen,) = re.findall(r"WETH falls by 3 % to \$(\S+)", second[0])
    (edge,) = re.findall(r"✓ WETH at \$(\S+): goes through", checked)
    assert number(fallen) <= number(edge) < number(fallen) / 0.97
    mail = re.findall(r"^│ (.*?) *│$", mailed, re.MULTILINE)
    assert mail[:3] == [
        "From     crossmargin <watch@localhost>",
        "To       you@localhost",
        "Subject  edge: danger → liquidatable",
    ]
    said = dict(re.split(r"  +", line, maxsplit=1) for line in mail[3:] if "  " in line)
    (address,) = set(re.findall(r"edge +(0x\w+)", checked))
    shown = r"edge  0x.*?equity (\S+) +supplied (\S+) +owed (\S+).*?health (\S+)"
    (_, supplied, owed, health) = re.findall(shown, checked, re.DOTALL)[0]
    assert (said["address"], said["debt"]) == (address, owed)
    assert number(said["collateral"].split()[0]) == pytest.approx(0.97 * number(supplied), rel=1e-6)
    assert number(said["lowest health"].split()[0]) == pytest.approx(0.97 * number(health), abs=1e-4)
    assert sum("anyone may seize its collateral" in line for line in mail) == 2
    assert re.search(r"queued \d+ ms after that price, in the inbox \d+ ms later$", mailed, re.MULTILINE)


def number(shown: str) -> float:
    return float(shown.strip("$").replace(",", ""))


@pytest.mark.usefixtures("warm")
def test_a_mail_that_does_not_arrive_fails_the_demo(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    full = Mailbox(answers={"DATA": "452 no room"})
    monkeypatch.setattr(alert, "Inbox", lambda: full)
    outcome = run("demo")
    assert outcome.code == show.FAILED
    assert outcome.out.count("✓") == 4
    assert outcome.out.count("NOT AS FORETOLD") == 2
    assert "first look: no mail arrives: the mail server does not take mail now (452)" in outcome.out
    assert "as it arrived" not in outcome.out


def test_a_mail_of_something_else_fails_the_demo(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """A wallet that is worse at first sight than foretold has another mail, and falls no further."""
    (before, height) = (world.anvil.timestamp(), world.anvil.block_number())
    assert not show.Stage().looks(alert.looks(world, "liquidatable"))
    out = capsys.readouterr().out
    assert out.count("NOT AS FORETOLD") == 2
    assert "first look: a mail arrives, “liquidatable: ok → liquidatable”" in out
    assert "no mail arrives: none sent" in out
    assert (world.anvil.timestamp(), world.anvil.block_number()) == (before, height)


@pytest.fixture
def kept() -> Iterator[str]:
    """What `demo --keep` printed; the program itself has ended."""
    command = [sys.executable, "-m", "checker", "demo", "--keep"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=300)
    yield ended.stdout
    os.kill(int(re.findall(r"to end it +kill (\d+)", ended.stdout)[0]), signal.SIGTERM)
    shutil.rmtree(Path(re.findall(r"config file +(\S+)", ended.stdout)[0]).parent)


def test_what_is_kept_can_be_checked(kept: str, run: Run) -> None:
    (url,) = re.findall(r"RPC URL +(\S+)", kept)
    (path,) = re.findall(r"config file +(\S+)", kept)
    ask = b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}'
    request = urllib.request.Request(url, ask, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        assert b"0x7a69" in answer.read()
    outcome = run("check", "edge", "liquidatable", "--json", "--config", path)
    assert [wallet["band"] for wallet in outcome.json["wallets"]] == ["danger", "liquidatable"]
    # The proofs and the fall of the price were taken back: the figures are still those that were shown.
    (price,) = set(re.findall(r"✓ WETH at \$([\d,.]+): goes through", kept))
    assert f"WETH ≤ ${price} " in run("check", "edge", "--config", path).out


def test_a_failed_demo_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(show, "PROVED", "nobody of this name")
    worlds: list[World] = []

    def raised() -> World:
        worlds.append(raise_world())
        return worlds[0]

    monkeypatch.setattr(show, "raise_world", raised)
    with pytest.raises(StopIteration):
        show.run(keep=False)
    assert not list(tmp_path.glob("crossmargin-demo-*"))
    with pytest.raises(ProcessLookupError):
        os.kill(worlds[0].anvil.pid, 0)


def test_a_wrong_figure_would_be_seen(world: World, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = check(load_config(config), ["edge"])
    account = report.wallets[0].accounts[0]
    assert account.liquidation is not None
    feed = account.liquidation.feeds[0]
    assert feed.liquidation_price_raw is not None
    for off in (1, -1):
        wrong = replace(feed, liquidation_price_raw=feed.liquidation_price_raw + off)
        liquidation = replace(account.liquidation, feeds=(wrong,))
        trials = proof.try_price(world.markets["3.2"], replace(account, liquidation=liquidation))
        assert not show.Stage().trials(trials)
        assert "NOT AS FORETOLD" in capsys.readouterr().out
