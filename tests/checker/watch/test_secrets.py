"""No secret of the configuration comes out anywhere, whatever happens in a whole run of the program."""

from __future__ import annotations

import json
import logging
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import quote

import pytest

from chain.answers import say
from chain.endpoint import Endpoint
from checker.config import load_config
from checker.demo.world import World
from tests import postgres
from tests.checker.watch.secret_haul import Haul, forms, made_up
from tests.checker.watch.secret_run import IN_A_BUG, whole_run

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH")

TOOK_PLACE = {
    "watch stderr": ["ping failed", "job troubled job=", "stopping"],
    "logged watch stderr": ["DEBUG:urllib3", "INFO:apscheduler", "ping failed", "job troubled job="],
    "list stdout": ["failed  discord-", "does not exist any more", "sent    email-"],
    "list json stdout": ["cannot read local: refused"],
    "notices": ["cannot read local", "malformed", "does not take it"],
    "mails": ["cannot read local", "HTTP 401", "Message-ID", "does not take it"],
    "discord": ["cannot read local", "liquidatable"],
    "first store, channels fail rows": ["refuses the login", "apprise could not deliver it"],
    "first store, blind rows": ["treasury", "cannot read local", "discord-", "code -32000"],
    "second store, channels fail rows": ["refuses the login", "apprise could not deliver it"],
    "second store, blind rows": ["treasury", "cannot read local", "discord-", "code -32000"],
    "metrics blind 0": ['crossmargin_chain_blind{chain="local"} 1.0'],
    "metrics no store 1": ["crossmargin_jobs_troubled_total"],
    "no store stderr": ["store"],
    "no store, doctor stdout": ["fail  store"],
    "check stdout": ["treasury"],
    "check stderr": ["requests"],
    "check json stdout": ["crossmargin.check/1"],
    "check blind stdout": ["HTTP 401", "HTTP 307", "not a JSON-RPC answer", "code -32000"],
    "check blind json stdout": ["HTTP 401", "HTTP 307", "not a JSON-RPC answer", "code -32000"],
    "check given stdout": ["code -32000"],
    "scan stdout": ["crossmargin.scan/1"],
    "doctor stdout": ["HTTP 401", "HTTP 307", "not a JSON-RPC answer", "code -32000", "store"],
    "doctor json stdout": ["HTTP 401", "HTTP 307", "not a JSON-RPC answer", "code -32000"],
    "once stdout": ["treasury"],
    "once blind stdout": ["treasury: unknown"],
    "test stdout": ["discord-", "email-", "apprise-"],
    "silence stdout": ["no messages about treasury"],
    "logged doctor stderr": ["DEBUG:urllib3"],
    "bug: begin stderr": ["Traceback", "RuntimeError: …"],
    "bug: running stderr": ["Traceback", "RuntimeError: …", *IN_A_BUG],
    "wrong: no url stderr": ["watch.ping: expected an https"],
    "wrong: unknown store stderr": ["store.url: expected a sqlite or postgresql"],
    "wrong: other driver stderr": ["store.url: PostgreSQL needs"],
    "wrong: store away stderr": ["can not be reached"],
    "wrong: no store url stderr": ["store.url: not a URL"],
    "wrong: wrong key stderr": ["watch.pings: unknown key"],
    "wrong: plain http stderr": ["watch.ping: expected an https"],
    "wrong: no toml stderr": ["not valid TOML"],
    "wrong: open text stderr": ["not valid TOML"],
    "wrong: not set stderr": ["PING_KEY_OF_NOBODY is not set"],
    "wrong: not known stderr": ["alerts.channels[2].url: not one URL"],
    "wrong: no number stderr": ["alerts.channels[2].url: not one URL"],
    "wrong: no mail stderr": ["alerts.channels[1].to"],
    "wrong: no smtp stderr": ["alerts.channels[1].smtp: expected an smtp"],
}
"""What is in it because what was to fail did fail, and what was to work did."""


@pytest.fixture(scope="module")
def haul(shared_world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Haul]:
    with ExitStack() as stack:
        server = None
        with suppress(postgres.NotInstalled):
            server = stack.enter_context(postgres.running())
        stack.enter_context(shared_world.anvil.undone())
        yield whole_run(shared_world, tmp_path_factory.mktemp("secrets"), server)


@pytest.mark.parametrize("name", made_up())
def test_a_secret_is_nowhere(haul: Haul, name: str) -> None:
    assert not haul.leaks(name)


@pytest.mark.parametrize("where", TOOK_PLACE)
def test_it_did_take_place(haul: Haul, where: str) -> None:
    said = haul.told[where].decode(errors="replace")
    assert not [words for words in TOOK_PLACE[where] if words not in said], said[-2000:]


def test_every_place_was_looked_at(haul: Haul) -> None:
    silent = {where for where, said in haul.told.items() if not said}
    assert all(where.endswith((" stdout", " stderr")) for where in silent)
    assert not [where for where in silent if where.replace("stdout", "stderr") in silent - {where}]
    for phase in ("well", "channels fail", "blind", "no store"):
        assert {f"{of} {phase} {at}" for of in ("healthz", "metrics") for at in (0, 1)} <= set(haul.told)
    assert {"second store, blind file .db", "second store, blind file .db-wal", "csv", "parquet"} <= set(
        haul.told
    )


def test_each_bad_server_was_asked_and_said_no(haul: Haul) -> None:
    assert all(
        haul.received[what] for what in ("unauthorised", "junk", "elsewhere", "error", "ping", "notify")
    )
    assert {200, 401, 404, 429} <= set(haul.refusals)
    # A channel that lost its last message is no good health, whatever else is well.
    for phase, answers in {"well": (200, 503), "channels fail": (200, 503), "blind": (503,)}.items():
        assert all(status in answers for status, _ in haul.healths[phase]), haul.healths
    assert all(status >= 500 for status, _ in haul.healths["no store"]), haul.healths
    assert all(said.startswith("cannot read local") for _, said in haul.healths["blind"])


def test_each_command_ended_as_it_should(haul: Haul) -> None:
    well = {"wrong", "list", "list json", "test", "silence", "logged test", "bug: running"}
    assert {name for name, code in haul.codes.items() if code == 0} - {"watch"} == well
    for name, code in haul.codes.items():
        if name.startswith("wrong: "):
            assert (code, haul.told[f"{name} stdout"]) == (3, b""), name
            assert len(haul.told[f"{name} stderr"].splitlines()) == 1, name
    assert haul.codes["bug: begin"] == 1


# --- the search, and the fence, by themselves -------------------------------------------------------------


@pytest.mark.parametrize("name", made_up())
def test_the_search_finds_a_secret_in_every_form(name: str) -> None:
    secrets = made_up()
    for form in forms(secrets[name]):
        assert Haul(secrets, {"log": f"GET /a/{form}?b".encode()}).leaks(name)
    assert not Haul(secrets, {"log": b"GET /a/b?c"}).leaks(name)


def test_what_a_node_repeats_is_left_out_in_every_form() -> None:
    told = made_up()
    login = f"{told['user']}:{quote(told['password'], safe='')}"
    endpoint = Endpoint(f"https://{login}@node.example/v3/{told['path']}?key={told['query']}", "local[0]")
    written = {form for name in ("user", "password", "path", "query") for form in forms(told[name])}
    written.add(b64encode(f"{told['user']}:{told['password']}".encode()).decode())
    for form in written:
        said = say(f"no <{form}> here", endpoint.secrets)
        found = Haul(told, {"": said.encode()})
        assert not [name for name in ("user", "password", "path", "query") if found.leaks(name)], said
        assert said.startswith("no <"), said


@pytest.mark.parametrize("how", ["words", "arguments", "too few arguments", "error", "mapping"])
def test_whatever_a_library_logs(how: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """From the moment the configuration is read, in a program of whatever kind."""
    told = made_up()
    path = tmp_path / "c.toml"
    key, password = told["path"], told["password"]
    url = f"https://me:{quote(password, safe='')}@node.example/{key}"
    path.write_text(f"[chains.local]\nrpc = {json.dumps(url)}\n")
    load_config(path)
    caplog.set_level(logging.DEBUG)
    log = logging.getLogger("some.library")
    if how == "words":
        log.debug(f"GET {url} {password} {password!r}")  # noqa: G004
    elif how == "arguments":
        log.info("GET %s %r", url, {"key": key, "password": password})
    elif how == "too few arguments":
        log.info("GET %s %s", *[url])
    elif how == "mapping":
        log.info("GET %(url)s %(words)r", {"url": url, "words": password})
    else:
        try:
            raise ValueError(url, password)
        except ValueError:
            log.exception("it failed with %s", key)
    (record,) = [one for one in caplog.records if one.name == "some.library"]
    said = f"{logging.Formatter().format(record)} {record.args!r} {record.exc_info!r} {caplog.text}"
    assert "…" in said
    assert not Haul(told, {"": said.encode()}).leaks("path")
    assert not Haul(told, {"": said.encode()}).leaks("password")
