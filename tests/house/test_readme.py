"""The README tells the truth: every command in it runs, and its transcript is what the demo prints."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from checker import check, load_config
from checker.demo.world import World, raise_world
from localnet.anvil import Anvil
from localnet.cache import cache_dir

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
BIN = Path(sys.executable).parent
WARNING, CRITICAL, UNKNOWN = 1, 2, 3


def fenced(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


COMMANDS = [line[2:] for block in fenced("console") for line in block.splitlines() if line.startswith("$ ")]
MAKE = [command for command in COMMANDS if command.startswith("make ")]
ON_A_REAL_CHAIN = [command for command in COMMANDS if "--rpc" in command]
WITH_A_CONFIG = [
    command
    for command in COMMANDS
    if "crossmargin" in command and "--rpc" not in command and "demo" not in command
]
KEEP = ".venv/bin/crossmargin demo --keep"


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    world = raise_world()
    with world.anvil:
        yield world


def run(command: str, place: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command as it stands, `.venv/bin` being wherever these tests run from."""
    words = [re.sub(r"\$(\w+)", lambda name: environment[name[1]], word) for word in shlex.split(command)]
    words = [str(BIN / Path(word).name) if word.startswith(".venv/bin/") else word for word in words]
    return subprocess.run(
        words,
        cwd=place,
        env={**os.environ, "CROSSMARGIN_CACHE": str(cache_dir()), "COLUMNS": "100", **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def on_the_demos_chain(world: World) -> str:
    """The README's own configuration, turned to the demo's chain and venues."""
    (toml,) = fenced("toml")
    venues = re.findall(r"\[\[venues\]\].*?\n\n", world.config_text(), re.DOTALL)
    turned = toml.replace("[chains.ethereum]", "[chains.local]").replace(
        "chain_id = 1\n", "chain_id = 31337\n"
    )
    assert turned != toml
    return turned + "\n" + "".join(venues)


def test_each_command_has_a_test_here() -> None:
    assert {*MAKE, *ON_A_REAL_CHAIN, *WITH_A_CONFIG, KEEP} == set(COMMANDS)
    assert MAKE == ["make demo", "make test"]


def test_the_transcript_is_what_the_demo_prints() -> None:
    """`make demo`, all of it; the README shows one wallet and the end."""
    shown = run("make demo", ROOT)
    assert shown.returncode == 0, shown.stderr
    (transcript,) = fenced("text")
    assert shows(shown.stdout.splitlines(), transcript.splitlines()) is None


def shows(printed: list[str], transcript: list[str]) -> str | None:
    """The transcript's first line that is not where it should be: `…` means any lines between."""
    at, may_skip = 0, True
    for line in transcript:
        if line == "…":
            may_skip = True
            continue
        found = [n for n in range(at, len(printed)) if printed[n] == line]
        if not found or not (may_skip or found[0] == at):
            return line
        at, may_skip = found[0] + 1, False
    return None


def test_a_transcript_out_of_order_is_noticed() -> None:
    printed = ["a", "b", "c", "d"]
    assert shows(printed, ["b", "c"]) is None
    assert shows(printed, ["a", "…", "d"]) is None
    assert shows(printed, ["c", "b"]) == "b"
    assert shows(printed, ["a", "c"]) == "c"
    assert shows(printed, ["b", "…", "a"]) == "a"


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md"])
def test_what_a_document_links_to_is_there(document: str) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", (ROOT / document).read_text())
    files = [target.partition("#")[0] for target in targets if "://" not in target]
    missing = [file for file in files if file and not (ROOT / file).exists()]
    assert not missing


def test_make_test_is_this_run() -> None:
    planned = subprocess.run(
        ["make", "-n", "test"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert "-m pytest" in planned


@pytest.mark.parametrize("command", WITH_A_CONFIG)
def test_a_command_with_the_readmes_configuration(command: str, world: World, tmp_path: Path) -> None:
    """Against the demo's chain, where the README's two addresses really have accounts."""
    (tmp_path / "crossmargin.toml").write_text(on_the_demos_chain(world))
    urls = {"ETHEREUM_RPC_URL": world.anvil.url, "SECOND_RPC_URL": world.anvil.url}
    on_the_demo = command.replace("ethereum/aave-v3/core", "local/aave-v3/v3.2")
    done = run(on_the_demo, tmp_path, XDG_CONFIG_HOME=str(tmp_path / "home"), **urls)
    ends = {"protocols": 0, "scan": CRITICAL}
    assert done.returncode == ends.get(command.split()[1], WARNING), done.stderr
    assert ("treasury: danger" if "watch" in command else "aave-v3") in done.stdout
    for file in re.findall(r"\S+\.(?:csv|parquet|png)", command):
        assert (tmp_path / file).stat().st_size > 0


def test_the_python_of_the_readme(world: World, tmp_path: Path) -> None:
    (tmp_path / "crossmargin.toml").write_text(on_the_demos_chain(world))
    (program,) = fenced("python")
    (tmp_path / "program.py").write_text(program)
    urls = {"ETHEREUM_RPC_URL": world.anvil.url, "SECOND_RPC_URL": world.anvil.url}
    done = run(f"{sys.executable} program.py", tmp_path, PYTHONPATH=str(ROOT), **urls)
    assert done.returncode == 0, done.stderr
    treasury = check(load_config(tmp_path / "crossmargin.toml", environment=urls))
    accounts = [f"{account.key.venue} {account.band.word}" for account in treasury.wallets[0].accounts]
    assert done.stdout.splitlines() == ["worst: danger", *accounts]
    assert {line.split()[1] for line in accounts} <= {"ok", "danger"}


@pytest.mark.parametrize("command", ON_A_REAL_CHAIN)
def test_a_command_for_a_real_chain_finds_its_venues(command: str, tmp_path: Path) -> None:
    """A bare chain with Ethereum's id has nothing at the address book's places, and that is said."""
    with Anvil.start(chain_id=1) as bare:
        bare.mine(int(time.time()))
        done = run(command, tmp_path, ETHEREUM_RPC_URL=bare.url)
    assert done.returncode == UNKNOWN, done.stderr
    assert "ethereum/aave-v3/core" in done.stdout
    assert "no contract at 0x" in done.stdout


def test_the_demo_keeps_its_chain(tmp_path: Path) -> None:
    done = run(KEEP, tmp_path)
    assert done.returncode == 0, done.stderr
    (pid,) = re.findall(r"kill (\d+)", done.stdout)
    try:
        (config,) = re.findall(r"config file +(\S+)", done.stdout)
        checked = run(f".venv/bin/crossmargin check edge --config {config}", tmp_path)
        assert checked.returncode == WARNING, checked.stderr
    finally:
        os.kill(int(pid), signal.SIGTERM)
        for config in re.findall(r"config file +(\S+)", done.stdout):
            shutil.rmtree(Path(config).parent)
