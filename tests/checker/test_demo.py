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
from checker.demo import proof, show
from checker.demo.world import World, raise_world
from tests.checker.conftest import Run

ROOT = Path(__file__).resolve().parents[2]


def test_the_demo_shows_and_proves(run: Run) -> None:
    outcome = run("demo")
    assert (outcome.code, outcome.err) == (0, "")
    assert re.search(r"^(\d+) of \1 verdicts equal the protocols' own view$", outcome.out, re.MULTILINE)
    assert outcome.out.count("✓") == 4
    assert outcome.out.count("refused: 45 HEALTH_FACTOR_NOT_BELOW_THRESHOLD") == 2
    assert outcome.out.count("goes through") == 2
    assert "crossmargin demo --keep" in outcome.out
    assert "\x1b" not in outcome.out


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
    # The proofs were taken back: the figures are still those that were shown.
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
