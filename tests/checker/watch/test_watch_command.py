"""`crossmargin watch` from the outside: genuine markets, Discord, a mail server, and signals."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from checker.demo.world import World
from localnet.aave_v3 import Market
from tests.checker.conftest import Run
from tests.checker.watch.test_log import LINE
from tests.discord import Discord

ROOT = Path(__file__).resolve().parents[3]
WAIT_S = 40.0


class Inbox:
    """A mail server's handler that keeps what comes."""

    def __init__(self) -> None:
        self.mails: list[Any] = []

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:  # noqa: N802
        self.mails.append(message_from_bytes(envelope.content, policy=default))
        return "250 taken"


@pytest.fixture
def inbox() -> Iterator[tuple[Inbox, str]]:
    handler = Inbox()
    port = free_port()
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    yield handler, f"smtp://127.0.0.1:{port}"
    controller.stop()


@pytest.fixture
def discord() -> Iterator[Discord]:
    with Discord() as server:
        yield server


def configuration(
    folder: Path, market: Market, rpc: str, discord: Discord, smtp: str, more: str = ""
) -> Path:
    provider = market.addresses_provider.address
    path = folder / "watch.toml"
    path.write_text(
        f"""
[chains.local]
rpc = ["{rpc}"]
chain_id = 31337
[[venues]]
chain = "local"
protocol = "aave-v3"
pool_addresses_provider = "{provider}"
[[wallets]]
label = "treasury"
addresses = ["{market.cast["edge"]}"]
[store]
url = "sqlite:///{folder / "watch.db"}"
[watch]
interval = "5s"
{more}
[[alerts.channels]]
type = "discord"
url = "{discord.url}"
[[alerts.channels]]
type = "email"
smtp = "{smtp}"
from = "risk@example.org"
to = ["ops@example.org"]
"""
    )
    return path


def until(ready: Callable[[], bool]) -> bool:
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        if ready():
            return True
        time.sleep(0.05)
    return ready()


def test_once_tells_each_channel_once(
    world: World, tmp_path: Path, run: Run, discord: Discord, inbox: tuple[Inbox, str]
) -> None:
    market = world.markets["3.2"]
    path = configuration(tmp_path, market, world.anvil.url, discord, inbox[1])
    for _ in range(3):
        done = run("watch", "--once", "--config", path)
        assert (done.code, done.out) == (1, "treasury: danger\n"), done.err
    assert len(discord.messages) == len(inbox[0].mails) == 1
    for text in (discord.texts[0], inbox[0].mails[0].get_body(("plain",)).get_content()):
        assert "treasury" in text
        assert "danger" in text
        assert "WETH" in text
    assert "treasury" in inbox[0].mails[0]["Subject"]
    listed = run("alerts", "list", "--config", path)
    assert listed.code == 0
    assert listed.out.count("treasury ok → danger") == 2
    assert listed.out.count("sent") == 2


def test_silence_holds_messages_back(
    world: World, tmp_path: Path, run: Run, discord: Discord, inbox: tuple[Inbox, str]
) -> None:
    path = configuration(tmp_path, world.markets["3.2"], world.anvil.url, discord, inbox[1])
    silenced = run("silence", "treasury", "--for", "6h", "--config", path)
    assert silenced.code == 0
    assert "no messages about treasury until" in silenced.out
    assert run("watch", "--once", "--config", path).code == 1
    assert not discord.messages
    assert "silent until" in run("alerts", "list", "--config", path).out
    assert "--for" in run("silence", "treasury", "--for", "never", "--config", path).complaint
    assert "no label" in run("silence", "nobody", "--for", "1h", "--config", path).complaint


def test_watching_until_told_to_stop(
    world: World, tmp_path: Path, discord: Discord, inbox: tuple[Inbox, str]
) -> None:
    """The price falls and comes back while it runs; SIGTERM ends it when what is in hand is done."""
    market, port = world.markets["3.2"], free_port()
    path = configuration(tmp_path, market, world.anvil.url, discord, inbox[1], f'listen = "127.0.0.1:{port}"')
    command = [sys.executable, "-m", "checker", "watch", "--config", str(path)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            assert until(lambda: len(discord.messages) == 1)
            assert until(lambda: health(port)[0] == 200)
            for share, count in ((0.95, 2), (1 / 0.95, 3)):
                feed = market.feed("WETH")
                market.set_price("WETH", int(int(feed.call("latestAnswer")) * share))
                assert until(lambda n=count: len(discord.messages) == n), discord.texts  # type: ignore[misc]
            assert until(lambda: len(inbox[0].mails) == 3)
            assert until(lambda: b'crossmargin_wallets{band="danger"} 1.0' in figures(port))
        finally:
            process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out) == (0, b""), err
    lines = err.decode().splitlines()
    assert [line for line in lines if not LINE.fullmatch(line)] == []
    events = [line.split(" ")[2] for line in lines]
    assert events[0] == "sees"
    assert events[-1] == "stopped"
    assert events.count("sent") == 6
    ways = [("ok", "danger"), ("danger", "liquidatable"), ("liquidatable", "danger")]
    for text, (old, new) in zip(discord.texts, ways, strict=True):
        assert f"{old} → {new}" in text
    for secret in (discord.url, discord.url.rsplit("/", 1)[1]):
        assert secret.encode() not in err + out
        assert secret.encode() not in (tmp_path / "watch.db").read_bytes()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def health(port: int) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


def figures(port: int) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        return bytes(answer.read())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('interval = "5s"', 'listen = "nowhere"'), "watch.listen"),
        (("[[wallets]]", "[[venues]]"), "venues"),
        (("chain_id = 31337", "chain_id = 1"), "chain_id"),
    ],
)
def test_a_wrong_configuration_is_one_line_before_anything_is_told(
    world: World,
    tmp_path: Path,
    run: Run,
    discord: Discord,
    inbox: tuple[Inbox, str],
    change: tuple[str, str],
    says: str,
) -> None:
    path = configuration(tmp_path, world.markets["3.2"], world.anvil.url, discord, inbox[1])
    path.write_text(path.read_text().replace(*change))
    assert says in run("watch", "--once", "--config", path).complaint
    assert not discord.messages
