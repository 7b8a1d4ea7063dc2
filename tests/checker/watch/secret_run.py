"""A whole run of the program with a secret of every kind, where everything that can fails and echoes them.

`whole_run` gives back every byte that came out of it, by where it came out.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import MetaData, create_engine

from checker.demo.world import World
from tests import postgres
from tests.checker.watch.secret_haul import Echo, Haul, forms, made_up
from tests.checker.watch.test_watch_command import figures, free_port, health, until
from tests.discord import Discord
from tests.faults import FaultProxy, Refuse
from tests.mailbox import PASSWORD, USER, Mailbox

ROOT = Path(__file__).resolve().parents[3]
LOGS_ALL = "import logging; logging.basicConfig(level=logging.DEBUG)\n"
"""A program that uses us and logs whatever any library says."""
AT_ONCE = """
from checker import watch_command
from checker.watch.memory import Settings
watch_command.Settings = lambda **given: Settings(grace_s=1.0, **given)
"""
"""What cannot be seen is told after a second."""
IN_A_BUG = ("_bootstrap_inner", "run_job", "wsgiref", "RuntimeError: ")
"""Of a thread of a channel, of a job of the scheduler, of the server of `/healthz`."""
MAIN = "from checker.cli import main; main()\n"
BETWEEN = "----"
EACH = f"""
import sys
from checker.cli import run_command
for path in sys.argv[1:]:
    code = run_command(["watch", "--once", "--config", path])
    print(f"={{code}}{BETWEEN}", end="", flush=True)
    print("{BETWEEN}", end="", file=sys.stderr, flush=True)
"""
"""One process for many configurations, which are all wrong."""
BUGS = {
    "begin": "from checker.watch.watcher import Watcher; Watcher.begin = bug\n",
    "running": """
from checker import watch_command
from checker.watch.channels.discord import Discord
from checker.watch.watcher import Watcher
Discord._exchange = Watcher.mind = bug
window = watch_command.Window
watch_command.Window = lambda host, port, signs, trouble: window(host, port, signs, bug)
""",
}
"""Where the program has a bug: at its start; in a channel, in a job and in the answer of `/healthz`."""
BUG = """
import json, os
def bug(*_, **__):
    raise RuntimeError(os.environ["EVERY_FORM"])
"""


@dataclass
class Run:
    """Everything that the run needs."""

    world: World
    folder: Path
    node: FaultProxy
    echo: Echo
    discord: Discord
    mails: Mailbox
    haul: Haul
    server: postgres.Server | None

    def __post_init__(self) -> None:
        told = self.haul.secrets
        self.market = self.world.markets["3.2"]
        # What no file holds, no program knows to be secret.
        known = [name for name in told if name != "given" and (self.server or not name.startswith("store"))]
        self.every_form = " ".join(sorted(form for name in known for form in forms(told[name])))
        self.environment = {
            **os.environ,
            "HOME": str(self.folder),
            "XDG_CONFIG_HOME": str(self.folder),
            "COLUMNS": "200",
            "NODE_URL": f"{self.node.url}/v3/{told['path']}?apikey={told['query']}",
            "ERROR_KEY": told["error"],
            "DISCORD_WEBHOOK_URL": self.discord.url,
            "SMTP_URL": self.mails.url(f"{USER}:{quote(PASSWORD, safe='')}@"),
            "PING_KEY": told["ping"],
            "STORE_PASSWORD": quote(told["store_password"], safe=""),
            "EVERY_FORM": f"{self.every_form} {self.discord.url} {[told[name] for name in known]!r}",
        }

    def configuration(self, name: str, store: str, *, works: bool = True, more: str = "") -> Path:
        """A file with all the secrets, some in it, some in the environment."""
        told, echo = self.haul.secrets, self.echo.place
        login = f"{told['user']}:{quote(told['password'], safe='')}"
        urls = [
            f"http://127.0.0.1:{free_port()}/v3/{told['refused']}",
            f"http://{login}@{echo}/unauthorised/{told['unauthorised']}?key={told['unauthorised']}",
            f"http://{echo}/junk/{told['junk']}?key={told['junk']}",
            f"http://{echo}/elsewhere/{told['elsewhere']}?key={told['elsewhere']}",
            f"http://{login}@{echo}/error/${{ERROR_KEY}}",
            *["$NODE_URL"] * works,
        ]
        apprise = f"json://{told['apprise_user']}:{told['apprise_password']}@{echo}/notify/"
        path = self.folder / f"{name}.toml"
        path.write_text(
            f"""
[chains.local]
rpc = {json.dumps(urls)}
chain_id = 31337
[[venues]]
chain = "local"
protocol = "aave-v3"
pool_addresses_provider = "{self.market.addresses_provider.address}"
[[wallets]]
label = "treasury"
addresses = ["{self.market.cast["edge"]}"]
[store]
url = "{store}"
[watch]
interval = "1s"
ping = "http://{echo}/ping/{told["ping_path"]}?key=${{PING_KEY}}"
{more}
[[alerts.channels]]
type = "discord"
url = "$DISCORD_WEBHOOK_URL"
[[alerts.channels]]
type = "email"
smtp = "$SMTP_URL"
from = "risk@example.org"
to = ["ops@example.org"]
[[alerts.channels]]
type = "apprise"
url = "{apprise}{told["apprise_path"]}"
"""
        )
        return path

    def store(self, name: str) -> str:
        """Where the first watch keeps what it knows: PostgreSQL with a login where it is installed."""
        if self.server is None:
            return f"sqlite:///{self.folder / f'{name}.db'}"
        options = f"host={self.server.socket}&options=-csearch_path%3D{name}"
        return f"postgresql+psycopg://{self.haul.secrets['store_user']}:$STORE_PASSWORD@/postgres?{options}"

    def command(self, name: str, *arguments: object, program: str = "") -> None:
        """Runs one command to its end, and keeps what it printed."""
        way = ["-c", program] if program else ["-m", "checker"]
        done = subprocess.run(
            [sys.executable, *way, *map(str, arguments)],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            timeout=240,
            check=False,
        )
        self.haul.codes[name] = done.returncode
        self.haul.told[f"{name} stdout"], self.haul.told[f"{name} stderr"] = done.stdout, done.stderr

    @contextmanager
    def watching(self, name: str, path: Path, program: str = "") -> Iterator[None]:
        """A long watch, told to stop at the end."""
        way = ["-c", program] if program else ["-m", "checker"]
        out, err = self.folder / f"{name}.out", self.folder / f"{name}.err"
        command = [sys.executable, *way, "watch", "--config", str(path)]
        with out.open("wb") as stdout, err.open("wb") as stderr:
            process = subprocess.Popen(command, cwd=ROOT, env=self.environment, stdout=stdout, stderr=stderr)
            try:
                yield
            finally:
                process.send_signal(signal.SIGTERM)
                try:
                    self.haul.codes[name] = process.wait(150)
                finally:
                    process.kill()
                    process.wait()
                    self.haul.told[f"{name} stdout"] = out.read_bytes()
                    self.haul.told[f"{name} stderr"] = err.read_bytes()

    def look(self, phase: str, ports: list[int]) -> None:
        """What the signs of life say now."""
        self.haul.healths[phase] = [health(port) for port in ports]
        for port, (_, said) in zip(ports, self.haul.healths[phase], strict=True):
            self.haul.told[f"healthz {phase} {ports.index(port)}"] = said.encode()
            self.haul.told[f"metrics {phase} {ports.index(port)}"] = figures(port)

    def keep_database(self, where: str, url: str) -> None:
        """Every row of a database as text, and the bytes of its files."""
        engine = create_engine(url.replace("$STORE_PASSWORD", self.environment["STORE_PASSWORD"]))
        tables = MetaData()
        tables.reflect(engine)
        with engine.connect() as connection:
            # As tuples: a row of SQLAlchemy leaves out the middle of long texts.
            rows = {
                name: [tuple(row) for row in connection.execute(table.select())]
                for name, table in tables.tables.items()
            }
        engine.dispose()
        self.haul.told[f"{where} rows"] = str(rows).encode()
        if url.startswith("sqlite:///"):
            file = Path(url.removeprefix("sqlite:///"))
            for each in sorted(file.parent.glob(f"{file.name}*")):
                self.haul.told[f"{where} file {each.name.removeprefix(file.stem)}"] = each.read_bytes()


def whole_run(world: World, folder: Path, server: postgres.Server | None) -> Haul:
    """The run; `server` where PostgreSQL is installed."""
    haul = Haul(made_up())
    with ExitStack() as stack:
        node = stack.enter_context(FaultProxy(world.anvil.url))
        echo = stack.enter_context(Echo())
        discord = stack.enter_context(Discord(limit=1000))
        mails = stack.enter_context(Mailbox(login=True))
        run = Run(world, folder, node, echo, discord, mails, haul, server)
        if server is not None:
            stores = ["first", "good", *(f"bug_{place}" for place in BUGS)]
            server.new_login(haul.secrets["store_user"], haul.secrets["store_password"], *stores)
        with ThreadPoolExecutor(1) as beside:
            alone = beside.submit(_wrong_configurations, run)
            _watches(run)
            alone.result()
        _commands(run)
        haul.received |= echo.counts
        haul.refusals = [post.status for post in discord.posts]
        haul.told["discord"] = json.dumps([post.payload for post in discord.posts]).encode()
        haul.told["notices"] = b"\n".join(echo.notices)
        haul.told["mails"] = b"\n".join(_whole(one.mail) for one in mails.mails)
    return haul


def _whole(mail: Any) -> bytes:
    """A mail as it came, and its parts as they are read."""
    parts = [part.get_content().encode() for part in mail.walk() if not part.is_multipart()]
    return b"\n".join([mail.as_bytes(), *parts])


def _watches(run: Run) -> None:
    """Two long watches, one with every library's logs, while one thing after the other fails."""
    haul, ports = run.haul, [free_port(), free_port()]
    stores = [run.store("first"), f"sqlite:///{run.folder / 'second.db'}"]
    paths = [
        run.configuration(name, store, more=f'listen = "127.0.0.1:{port}"')
        for name, store, port in zip(("first", "second"), stores, ports, strict=True)
    ]
    url = run.discord.url
    echoes = {"message": url, "url": url, "errors": {url: {"_errors": [{"message": url}]}}}
    run.discord.fail(429, 2, {"Retry-After": "1"}, {**echoes, "retry_after": 0.2})
    run.discord.fail(404, 1, {"Location": url}, {**echoes, "code": 10015})
    run.discord.fail(401, 1, {"WWW-Authenticate": url}, {**echoes, "code": 50027})
    with (
        run.watching("watch", paths[0], AT_ONCE + MAIN),
        run.watching("logged watch", paths[1], LOGS_ALL + AT_ONCE + MAIN),
    ):
        told = [run.folder / "watch.err", run.folder / "logged watch.err"]

        def said(words: str) -> bool:
            return all(words in one.read_text(errors="replace") for one in told)

        assert until(lambda: all(health(port)[0] == 200 for port in ports)), [one.read_text() for one in told]
        assert until(lambda: not run.discord.script), "Discord never said no"
        assert until(lambda: len(run.mails.mails) >= 4), "no other channel was told"
        run.look("well", ports)
        # The mail server, the other service and the dead man's switch fail.
        run.echo.pings = run.echo.takes = False
        run.mails.refuses_login = f"535 5.7.8 no login for {USER} with {PASSWORD}"
        feed = run.market.feed("WETH")
        run.market.set_price("WETH", int(int(feed.call("latestAnswer")) * 0.95))
        assert until(lambda: said("ping failed"))

        failures = [b"does not exist any more", b"refuses the login", b"apprise could not"]
        assert until(lambda: _kept(run, "channels fail", stores, *failures)), haul.told
        run.look("channels fail", ports)
        run.command("list", "alerts", "list", "--config", paths[0])
        run.echo.pings = run.echo.takes = True
        run.mails.refuses_login = ""
        # The node is gone.
        run.node.add(Refuse(times=None))
        assert until(lambda: all(health(port)[0] == 503 for port in ports))
        blind = b'crossmargin_chain_blind{chain="local"} 1.0'
        assert until(lambda: all(blind in figures(port) for port in ports))
        assert until(lambda: _kept(run, "blind", stores, b"cannot read local: refused")), haul.told
        assert until(lambda: b"cannot read local: refused" in b"".join(run.echo.notices))
        run.look("blind", ports)
        run.node.clear()
        assert until(lambda: all(health(port)[0] == 200 for port in ports))
        run.command("list json", "alerts", "list", "--json", "--config", paths[1])
        # The database is gone.
        _ruin(run.folder / "second.db")
        if run.server is not None:
            run.server.refuse(haul.secrets["store_user"])
        else:
            _ruin(run.folder / "first.db")
        assert until(lambda: said("job troubled")), [one.read_text()[-500:] for one in told]
        run.look("no store", ports)
        run.command("no store", "watch", "--once", "--config", paths[0])
        run.command("no store, doctor", "doctor", "--config", paths[0])
        if run.server is not None:
            run.server.allow(haul.secrets["store_user"])


def _kept(run: Run, phase: str, stores: list[str], *words: bytes) -> bool:
    """Whether these words stand in both databases, which are kept."""
    names = [f"{name} store, {phase}" for name in ("first", "second")]
    for name, store in zip(names, stores, strict=True):
        run.keep_database(name, store)
    return all(word in run.haul.told[f"{name} rows"] for word in words for name in names)


def _ruin(database: Path) -> None:
    """What stands in the file is no database any more."""
    for file in (database, database.with_name(f"{database.name}-wal")):
        with file.open("r+b") as opened:
            opened.write(b"no database " * (file.stat().st_size // 12))


def _wrong_configurations(run: Run) -> None:
    """Each a line beside a secret that is not as it should be."""
    told = run.haul.secrets
    text = run.configuration("right", f"sqlite:///{run.folder / 'right.db'}").read_text()
    ping, store = f"http://{run.echo.place}/ping", f"sqlite:///{run.folder / 'right.db'}"
    login = f"{told['store_user']}:{quote(told['store_password'], safe='')}"
    wrongs = {
        "no url": (ping, "http://[::1/ping"),
        "unknown store": (store, f"mysql://{login}@127.0.0.1/x"),
        "other driver": (store, f"postgresql+nodriver://{login}@127.0.0.1/x"),
        "store away": (store, f"postgresql://{login}@127.0.0.1:{free_port()}/{told['store_user']}"),
        "no store url": (store, f"postgresql://{login}@127.0.0.1:port/x"),
        "wrong key": ("ping =", "pings ="),
        "plain http": (ping, "http://example.org/ping"),
        "no toml": ("ping =", "ping"),
        "open text": ('key=${PING_KEY}"', f"key={told['ping']}"),
        "not set": ("${PING_KEY}", "${PING_KEY_OF_NOBODY}"),
        "not known": ("json://", "jsonn://"),
        "no number": ("json://", "json://x:y:z@"),
        "no mail": ("to = [", "to = [ 1,"),
        "no smtp": ("$SMTP_URL", "https$SMTP_URL"),
    }
    paths = {}
    for name, change in wrongs.items():
        paths[name] = str(run.folder / f"{name}.toml")
        assert change[0] in text, name
        Path(paths[name]).write_text(text.replace(*change))
    run.command("wrong", *paths.values(), program=EACH)
    said = [run.haul.told[f"wrong {of}"].decode().split(BETWEEN)[:-1] for of in ("stdout", "stderr")]
    for name, out, err in zip(paths, *said, strict=True):
        printed, _, code = out.rpartition("=")
        run.haul.told[f"wrong: {name} stdout"] = printed.encode()
        run.haul.told[f"wrong: {name} stderr"] = err.encode()
        run.haul.codes[f"wrong: {name}"] = int(code)


def _commands(run: Run) -> None:
    """Every command, well and blind, with all logs, and with a bug in the program."""
    told, folder = run.haul.secrets, run.folder
    good = run.configuration("good", run.store("good"))
    blind = run.configuration("blind", f"sqlite:///{folder / 'blind.db'}", works=False)
    given = f"local=http://{run.echo.place}/error/{told['given']}?key={told['given']}"
    jobs: list[tuple[Any, ...]] = [
        ("check", "check", "--verbose", "--config", good, "--csv", folder / "x.csv"),
        ("check json", "check", "--json", "--config", good, "--parquet", folder / "x.parquet"),
        ("check blind", "check", "--verbose", "--config", blind),
        ("check blind json", "check", "--json", "--config", blind),
        ("check given", "check", "--json", "--config", good, "--rpc", given),
        ("scan", "scan", "--venue", "local/aave-v3", "--json", "--verbose", "--config", good),
        ("doctor", "doctor", "--verbose", "--config", good),
        ("doctor json", "doctor", "--json", "--config", blind),
        ("once", "watch", "--once", "--config", good),
        ("test", "alerts", "test", "--config", good),
        ("silence", "silence", "treasury", "--for", "6h", "--config", good),
    ]  # fmt: skip
    with ThreadPoolExecutor(3) as pool:
        for job in [pool.submit(run.command, *job) for job in jobs]:
            job.result()
        once_blind = ("watch", "--once", "--config", blind)
        pool.submit(run.command, "once blind", *once_blind, program=AT_ONCE + MAIN).result()
        for job in [pool.submit(_bug, run, place) for place in BUGS]:
            job.result()
        logged = LOGS_ALL + MAIN
        for job in [
            pool.submit(run.command, f"logged {name}", *arguments, program=logged)
            for name, *arguments in jobs
            if name in ("doctor", "test")
        ]:
            job.result()
    run.haul.told["csv"] = (folder / "x.csv").read_bytes()
    run.haul.told["parquet"] = (folder / "x.parquet").read_bytes()
    run.keep_database("blind store", f"sqlite:///{folder / 'blind.db'}")


def _bug(run: Run, place: str) -> None:
    """The program has a bug there, whose words hold every secret."""
    name, port = f"bug: {place}", free_port()
    listen = f'listen = "127.0.0.1:{port}"'
    path = run.configuration(name, run.store(f"bug_{place}"), more=listen)
    program = BUG + BUGS[place] + MAIN
    if place == "begin":
        run.command(name, "watch", "--once", "--config", path, program=program)
        return
    err = run.folder / f"{name}.err"
    with run.watching(name, path, program):
        assert until(lambda: health(port)[0] >= 500)
        run.haul.told[f"{name} answer"] = health(port)[1].encode()
        assert until(lambda: all(words in err.read_text(errors="replace") for words in IN_A_BUG))
    run.keep_database(name, run.store(f"bug_{place}"))
