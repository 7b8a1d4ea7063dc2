"""Secrets of every kind, where they came out, and a server whose answers repeat whatever it is asked."""

from __future__ import annotations

import itertools
import json
import threading
from base64 import b64encode, urlsafe_b64encode
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_hex
from typing import Any
from urllib.parse import quote, quote_plus, unquote

from tests.discord import TOKEN
from tests.mailbox import PASSWORD, USER


def made_up() -> dict[str, str]:
    """A secret of every kind, each its own and new each time."""
    kinds = ["path", "query", "user", "refused", "unauthorised", "junk", "elsewhere", "error", "given"]
    kinds += ["apprise_user", "apprise_password", "apprise_path", "ping", "ping_path", "store_user"]
    found = {kind: f"{kind.replace('_', '')}{token_hex(10)}" for kind in kinds}
    found["password"] = f'p"w\\{token_hex(8)}é/%'
    found["store_password"] = f"s'p@{token_hex(8)}"
    return {**found, "discord": TOKEN, "smtp_user": USER, "smtp_password": PASSWORD}


def forms(secret: str) -> set[str]:
    """How a secret may be written."""
    raw = secret.encode()
    found = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), unquote(secret)}
    found |= {b64encode(raw).decode().rstrip("="), urlsafe_b64encode(raw).decode().rstrip("=")}
    found |= {json.dumps(secret)[1:-1], repr(secret)[1:-1], ascii(secret)[1:-1], repr(raw)[2:-1]}
    return found | {form.lower() for form in found if "%" in form}


def pair(user: str, password: str) -> set[str]:
    """How a login is sent."""
    together = [f"{user}:{password}".encode(), f"\0{user}\0{password}".encode()]
    with suppress(UnicodeError):
        together.append(f"{user}:{password}".encode("latin1"))
    return {b64encode(each).decode().rstrip("=") for each in together}


@dataclass
class Haul:
    """What came out of the run."""

    secrets: dict[str, str]
    told: dict[str, bytes] = field(default_factory=dict)
    """By where it came out."""
    codes: dict[str, int] = field(default_factory=dict)
    """Exit codes, by command."""
    received: dict[str, int] = field(default_factory=dict)
    """How many requests each bad server got."""
    refusals: list[int] = field(default_factory=list)
    """What Discord answered."""
    healths: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    """Status and words of `/healthz` in each phase."""

    def leaks(self, name: str) -> list[str]:
        """Where a secret stands in any form, with what stands before it."""
        looked_for = forms(self.secrets[name])
        if name in ("password", "smtp_password", "apprise_password", "store_password"):
            looked_for |= pair(self.secrets[name.replace("password", "user")], self.secrets[name])
        return [
            f"{where}: {text[max(0, at - 60) : at].decode(errors='replace')}[{form}]"
            for where, text in self.told.items()
            for form in looked_for
            if (at := text.find(form.encode())) >= 0
        ]


class Echo:
    """A server of bad endpoints: whatever it is asked, its answer holds the question. Takes notices too."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.notices: list[bytes] = []
        self.pings = True
        self.takes = True
        self._turns = itertools.count()
        echo = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None: ...

            def do_GET(self) -> None:
                echo.answer(self, b"")

            def do_POST(self) -> None:
                echo.answer(self, self.rfile.read(int(self.headers.get("Content-Length", 0))))

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.place = f"127.0.0.1:{self._server.server_port}"

    def answer(self, asked: BaseHTTPRequestHandler, body: bytes) -> None:
        what = asked.path.split("/")[1]
        self.counts[what] = self.counts.get(what, 0) + 1
        if what == "ping" and not self.pings:
            asked.close_connection = True
            return
        login = asked.headers.get("Authorization", "")
        said = [f"http://{self.place}{asked.path}", asked.path, unquote(asked.path), login]
        said += [quote(asked.path, safe=""), quote(unquote(asked.path)), repr(unquote(asked.path))]
        words = f"no: {said[next(self._turns) % len(said)]} {login}"
        status, headers, content = 200, {}, "{}"
        if what == "unauthorised" or (what == "notify" and not self.takes):
            status, content = 401, json.dumps({"error": words, "message": " ".join(said)})
        elif what == "junk":
            content = " ".join(said)
        elif what == "elsewhere":
            status, headers = 307, {"Location": f"http://{self.place}{asked.path}&again=1"}
        elif what == "error":
            asks = json.loads(body)
            error = {"code": -32000, "message": words, "data": " ".join(said)}
            several = [{"jsonrpc": "2.0", "id": ask["id"], "error": error} for ask in _list(asks)]
            content = json.dumps(several if isinstance(asks, list) else several[0])
        elif what == "notify":
            self.notices.append(body)
        raw = content.encode("utf-8", "replace")
        asked.send_response(status)
        for name, value in {"Content-Length": str(len(raw)), **headers}.items():
            asked.send_header(name, value)
        asked.end_headers()
        asked.wfile.write(raw)

    def __enter__(self) -> Echo:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
