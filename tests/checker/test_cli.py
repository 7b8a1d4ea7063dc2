"""The command line: usage, streams, files, signals."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from pyarrow import parquet

from chain.abi import to_address
from checker import venues
from checker.config import load_config
from checker.demo.world import NEWER, World
from protocols.deployments import ChainBook, Deployment, Token
from tests.checker.conftest import Run
from tests.faults import Delay, FaultProxy

COMMAND = [sys.executable, "-m", "checker"]
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["frob"], "frob"),
        (["check", "--frob"], "--frob"),
        (["check", "--config"], "--config"),
        (["--json", "check"], "--json"),
        (["demo", "extra"], "extra"),
        (["check", "nobody"], "wallet 'nobody': no address, and no label in a config file"),
        (["check", "0x12"], "wallet '0x12': no address"),
        (["check", "0x2F39d218133AFaB8F2B819B1066c7E434Ad94E9e"], "wrong checksum"),
        (["check", "0x" + "1" * 40], "configuration: no chain: add [chains.NAME] or --rpc CHAIN=URL"),
        (["check"], "configuration: no wallet"),
    ],
)
def test_bad_usage_is_one_line_and_3(run: Run, arguments: list[str], says: str) -> None:
    assert says in run(*arguments).complaint


def test_a_name_with_control_characters_does_not_reach_the_terminal(run: Run) -> None:
    assert "\x1b" not in run("check", "\x1b[31mevil\nline").complaint
    assert "\x1b" not in run("\x1b[31mevil\nline").complaint


def test_version_and_help(run: Run) -> None:
    assert re.fullmatch(r"crossmargin \d+\.\d+\.\d+\n", run("--version").out)
    for arguments in ([], ["--help"], ["check", "--help"]):
        outcome = run(*arguments)
        assert (outcome.code, outcome.err) == (0, "")
        assert "Usage: crossmargin" in outcome.out


def test_protocols(run: Run) -> None:
    (adapter,) = (p for p in run("protocols", "--json").json["protocols"] if p["protocol"] == "aave-v3")
    assert adapter["addresses"] == ["pool_addresses_provider"]
    assert adapter["verified"][0]["kind"] == "genuine contracts"
    assert "ethereum/aave-v3/core" in adapter["address_book"]
    assert "aave-v3" in run("protocols").out


def test_csv_and_parquet(run: Run, config: Path, tmp_path: Path) -> None:
    files = ["--csv", tmp_path / "legs.csv", "--parquet", tmp_path / "legs.parquet"]
    outcome = run("check", "--json", "--config", config, *files)
    legs = [
        (wallet["label"], account["account"], leg["amount_raw"])
        for wallet in outcome.json["wallets"]
        for account in wallet["accounts"]
        for leg in account["collateral"] + account["debt"]
    ]
    csv = pd.read_csv(tmp_path / "legs.csv", dtype=str)
    columns = pd.read_parquet(tmp_path / "legs.parquet")
    for frame in (csv, columns):
        assert list(frame[["label", "account", "amount_raw"]].itertuples(index=False, name=None)) == legs
    assert set(columns["liquidatable"]) == {True, False}


def test_the_types_of_the_files_do_not_depend_on_what_was_read(
    run: Run, config: Path, world: World, tmp_path: Path
) -> None:
    gone = '[chains.gone]\nrpc = "http://127.0.0.1:1"\n[[venues]]\nchain = "gone"\nprotocol = "aave-v3"\n'
    provider = world.markets[NEWER].core.addresses()["addresses_provider"]
    config.write_text(world.config_text() + gone + f'pool_addresses_provider = "{provider}"\n')
    (tmp_path / "good.toml").write_text(world.config_text())
    schemas = []
    for name, wallet in (("good.toml", "edge"), ("good.toml", "no_position"), (config.name, "edge")):
        run("check", wallet, "--config", name, "--csv", "x.csv", "--parquet", "x.parquet")
        schemas.append(parquet.read_schema(tmp_path / "x.parquet").remove_metadata())
    assert schemas[0].equals(schemas[1])
    assert schemas[0].equals(schemas[2])
    assert str(schemas[0].field("block_number").type) == "int64"
    rows = pd.read_csv(tmp_path / "x.csv", dtype=str)
    assert set(rows["venue"]) >= {"gone/aave-v3", f"local/aave-v3/v{NEWER}"}
    for column in ("block_number", "decimals", "seconds_left"):
        assert rows[column].dropna().str.fullmatch(r"\d+").all()
        assert rows[column].isna().any()
    assert set(rows["liquidatable"].dropna()) == {"False"}


@pytest.mark.parametrize("option", ["--csv", "--parquet"])
@pytest.mark.parametrize("place", ["no/such/place", ".", "-", "/dev/stdout"])
def test_a_file_that_cannot_be_written_is_found_first(
    run: Run, config: Path, proxy: FaultProxy, world: World, option: str, place: str
) -> None:
    config.write_text(world.config_text().replace(world.anvil.url, proxy.url))
    complaint = run("check", "edge", "--json", "--config", config, option, place).complaint
    assert complaint.startswith(f"{option}: ")
    assert proxy.posts == 0


def test_files_are_written_together_or_not_at_all(run: Run, config: Path, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("before")
    before = sorted(tmp_path.iterdir())
    for other in ("no/such/place", "/dev/full"):
        files = ["--csv", "x.csv", "--parquet", other]
        assert "--parquet: " in run("check", "edge", "--config", config, *files).complaint
    same = ["--csv", "x.csv", "--parquet", "./x.csv"]
    assert "same file" in run("check", "edge", "--config", config, *same).complaint
    assert "no address" in run("check", "nobody", "--config", config, "--csv", "x.csv").complaint
    assert (tmp_path / "x.csv").read_text() == "before"
    assert sorted(tmp_path.iterdir()) == before
    assert run("check", "edge", "--config", config, "--csv", "/dev/null").code == 1
    assert run("check", "edge", "--config", config, "--csv", "x.csv").code == 1
    assert (tmp_path / "x.csv").read_text().startswith("chain,")
    assert sorted(tmp_path.iterdir()) == before


def test_quiet_and_verbose(run: Run, config: Path) -> None:
    quiet = run("check", "edge", "liquidatable", "--quiet", "--config", config)
    assert quiet.out.splitlines() == [
        "2 wallets: 1 liquidatable · 1 danger",
        "4 of 4 verdicts equal the protocols' own view",
    ]
    assert "instead of tables only the summary" in " ".join(run("check", "--help").out.split())
    assert (quiet.code, quiet.err) == (2, "")
    verbose = run("check", "edge", "--verbose", "--json", "--config", config)
    assert re.search(r"\d+ requests, \d+\.\d\d s", verbose.err)
    assert "http" not in verbose.err
    assert verbose.json["wallets"][0]["label"] == "edge"


@pytest.fixture
def known_book(world: World, monkeypatch: pytest.MonkeyPatch) -> ChainBook:
    """The local chain as if the address book knew it: its newer market, and its tokens."""
    market = world.markets[NEWER]
    book = ChainBook(
        chain="testnet",
        chain_id=31337,
        aliases=(),
        tokens=tuple(Token(r.token, s, "ETH" if "ETH" in s else s) for s, r in market.reserves.items()),
        venues=(
            Deployment(
                "aave-v3",
                "core",
                {"pool_addresses_provider": market.core.addresses()["addresses_provider"]},  # type: ignore[dict-item]
                "test",
                None,
                None,
                "testnet.toml: venues[0]",
            ),
        ),
    )
    monkeypatch.setattr("checker.venues.books", lambda: {31337: book})
    return book


@pytest.fixture
def known_chain(known_book: ChainBook, world: World) -> str:
    """The endpoint of a chain whose id the address book knows."""
    assert known_book.chain_id == 31337
    return world.anvil.url


def test_a_venue_that_is_looked_at_on_request_is_said_and_named_so(
    run: Run, known_book: ChainBook, world: World, monkeypatch: pytest.MonkeyPatch, config: Path
) -> None:
    """Morpho Blue's markets are told by its events alone: left out unless named, and never in silence."""
    morpho = to_address("0x" + "77" * 20)
    wanted = Deployment("morpho-blue", "", {"morpho": morpho}, "test", 5, "test", "testnet.toml: venues[1]")
    both = replace(known_book, venues=(*known_book.venues, wanted))
    monkeypatch.setattr("checker.venues.books", lambda: {31337: both})
    edge, rpc = world.wallets["edge"], f"--rpc=local={world.anvil.url}"
    outcome = run("check", edge, rpc, "--json")
    (account,) = outcome.json["wallets"][0]["accounts"]
    assert account["venue"] == "local/aave-v3/core"
    (said,) = [line for line in outcome.err.splitlines() if "morpho" in line]
    assert said == (
        "warning: local/morpho-blue was not looked at, since which markets it has is told by its events "
        'alone, of years; to include it add [[venues]] with chain = "local", protocol = "morpho-blue", '
        f'morpho = "{morpho}"'
    )
    config.write_text(
        f'[chains.local]\nrpc = "{world.anvil.url}"\n[[venues]]\nchain = "local"\nprotocol = "morpho-blue"\n'
        f'morpho = "{morpho}"\n'
    )
    chain = load_config(config).chains[0]
    named = venues.places(chain, 31337, load_config(config))
    assert [(one.id, one.is_users, one.config.start_block) for one in named] == [
        ("local/aave-v3/core", False, None),
        ("local/morpho-blue", True, 5),
    ]
    assert venues.left_out(chain, 31337) == []
    # A scan searches events anyway.
    outcome = run("scan", "--venue", "local/morpho-blue", rpc)
    assert f"no contract at {morpho}" in outcome.err
    monkeypatch.setattr("checker.venues.books", lambda: {31337: replace(known_book, venues=(wanted,))})
    assert "local/morpho-blue was not looked at" in run("check", edge, rpc).complaint


def test_without_any_file(run: Run, known_chain: str, world: World) -> None:
    edge = world.wallets["edge"]
    outcome = run("check", edge, "--rpc", f"mine={known_chain}", "--json")
    (wallet,) = outcome.json["wallets"]
    assert [account["venue"] for account in wallet["accounts"]] == ["mine/aave-v3/core"]
    assert {exposure["factor"] for exposure in wallet["exposures"]} == {"ETH", "USDC"}
    assert (wallet["label"], wallet["band"], outcome.code) == (None, "danger", 1)


def test_the_book_and_the_users_venues(run: Run, known_chain: str, world: World, config: Path) -> None:
    # The user's v3.2 has the book's addresses: it stands for the book's, under the user's name.
    venues = [
        a["venue"] for a in run("check", "edge", "--json", "--config", config).json["wallets"][0]["accounts"]
    ]
    assert venues == ["local/aave-v3/v3.2", "local/aave-v3/v3.0.2"]
    clash = (
        world.config_text()
        .replace('name = "v3.0.2"', 'name = "core"')
        .replace('name = "v3.2"', 'name = "core"')
    )
    config.write_text(clash)
    assert "another venue local/aave-v3/core" in run("check", "edge", "--json", "--config", config).complaint
    text = world.config_text()
    head, _, wallets = text.partition("[[venues]]")
    config.write_text(head + "[[wallets]]" + wallets.partition("[[wallets]]")[2])
    accounts = run("check", "edge", "--json", "--config", config).json["wallets"][0]["accounts"]
    assert [account["venue"] for account in accounts] == ["local/aave-v3/core"]
    config.write_text(config.read_text().replace("chain_id = 31337", "address_book = false"))
    assert (
        "the address book knows no venue on local"
        in run("check", "edge", "--json", "--config", config).complaint
    )


def test_symbols_are_factors_of_known_tokens_only(
    run: Run, known_chain: str, world: World, config: Path
) -> None:
    text = world.config_text().partition("[factors]")[0] + '[factors]\nWETH = "STAKED"\nUSDC = "DOLLAR"\n'
    config.write_text(text)
    newer, older = run("check", "edge", "--json", "--config", config).json["wallets"][0]["accounts"]
    assert [f["factor"] for f in newer["liquidation"]["factors"]] == ["STAKED", "DOLLAR"]
    assert all(f["factor"].startswith("0x") for f in older["liquidation"]["factors"])


def test_what_would_surprise_is_said_on_stderr(run: Run, world: World, config: Path) -> None:
    text = world.config_text().partition("[factors]")[0] + '[factors]\nWETH = "ETH"\n'
    config.write_text(text.replace("chains.local", "chains.base").replace('"local"', '"base"'))
    outcome = run("check", "edge", "--json", "--config", config)
    assert outcome.json["wallets"][0]["band"] == "danger"
    assert outcome.err.splitlines() == [
        "warning: chain base has chain id 31337, not that name's own",
        "warning: factors.WETH: no known token of these chains has that symbol; give its address",
    ]
    assert run("check", "edge", "--json", "--quiet", "--config", config).err == ""


@pytest.mark.parametrize(
    ("blocks", "says"),
    [
        (["local=1", "local=2"], "given twice for 'local'"),
        (["local=1", "local=1"], "given twice for 'local'"),
        (["newest"], "'newest' is not latest, safe, finalized, a number or a hash"),
        (["local=newest"], "'newest' is not latest"),
        (["-1"], "'-1' is not latest"),
        ([""], "'' is not latest"),
        (["0x12"], "'0x12' is not latest"),
        ([str(2**64)], f"'{2**64}' is not latest"),
        (["other=1"], "no chain 'other' is configured"),
    ],
)
def test_a_bad_block_is_found_before_anything_is_read(
    run: Run, config: Path, proxy: FaultProxy, world: World, blocks: list[str], says: str
) -> None:
    config.write_text(world.config_text().replace(world.anvil.url, proxy.url))
    options = [f"--block={block}" for block in blocks]
    assert run("check", "edge", "--config", config, *options).complaint.startswith(f"--block: {says}")
    assert proxy.posts == 0


def test_a_broken_pipe_is_no_error(config: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "check", "--json", "--config", str(config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(60) == 2
    process.stderr.close()


@pytest.mark.parametrize("command", [["check", "--json"], ["check"], ["protocols"], ["--help"], ["demo"]])
def test_a_stdout_that_cannot_be_written_is_one_line_and_3(command: list[str], config: Path) -> None:
    options = ["--config", str(config)] if command[0] == "check" else []
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run([*COMMAND, *command, *options], stdout=full, stderr=subprocess.PIPE, text=True,
                               cwd=ROOT, check=False)  # fmt: skip
    assert ended.returncode == 3
    (line,) = ended.stderr.splitlines()
    assert "No space left on device" in line


@pytest.mark.parametrize("command", ["check --json", "check", "protocols", "--help", "demo"])
def test_without_a_stdout(command: str, config: Path) -> None:
    options = f" --config {config}" if command.startswith("check") else ""
    script = f"'{sys.executable}' -m checker {command}{options}"
    for closing, said in ((">&-", ["stdout: closed"]), (">&- 2>&-", [])):
        ended = subprocess.run(["sh", "-c", f"{script} {closing}"], stderr=subprocess.PIPE, text=True,
                               cwd=ROOT, check=False)  # fmt: skip
        assert (ended.returncode, ended.stderr.splitlines()) == (3, said)


@pytest.fixture
def hears_ctrl_c() -> Iterator[None]:
    """As on a terminal: what a shell starts in the background is deaf to Ctrl-C, and so are its children."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("hears_ctrl_c")
@pytest.mark.parametrize("command", [COMMAND, [str(Path(sys.executable).parent / "crossmargin")]])
def test_ctrl_c_while_it_is_still_being_imported(command: list[str], tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text(
        "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(9)"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    ended = subprocess.run([*command, "check"], capture_output=True, cwd=ROOT, env=environment, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, b"", b"interrupted\n")


@pytest.mark.usefixtures("hears_ctrl_c")
def test_ctrl_c_is_one_line_at_once(config: Path, world: World, proxy: FaultProxy) -> None:
    proxy.add(Delay(20.0))
    config.write_text(world.config_text().replace(world.anvil.url, proxy.url))
    process = subprocess.Popen(
        [*COMMAND, "check", "--json", "--config", str(config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    deadline = time.monotonic() + 30
    while not proxy.posts and time.monotonic() < deadline:
        time.sleep(0.05)
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=15)
    assert (process.returncode, out, err) == (130, b"", b"interrupted\n")
    assert time.monotonic() - begun < 5


def test_colour_and_progress_on_a_terminal_only(config: Path, run: Run) -> None:
    piped = run("check", "edge", "--config", config)
    assert "\x1b" not in piped.out + piped.err
    assert on_terminal([*COMMAND, "check", "edge", "--config", str(config)]).count("\x1b[") > 5


def on_terminal(command: list[str]) -> str:
    """What a command writes to a terminal of 80 columns."""
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80"}
    environment.pop("NO_COLOR", None)
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, cwd=ROOT, env=environment)
    os.close(slave)
    shown = b""
    while process.poll() is None or select.select([master], [], [], 0.2)[0]:
        if select.select([master], [], [], 0.2)[0]:
            try:
                part = os.read(master, 1 << 16)
            except OSError:
                break
            if not part:
                break
            shown += part
    os.close(master)
    process.wait(30)
    return shown.decode()
