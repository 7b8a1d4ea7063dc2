"""The proxy itself: an HTTP server in a thread."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.faults.exchange import Exchange, Fault, Json, Seen


class FaultProxy:
    """The proxy; a context manager. `requests` lists the posts seen, `url` is where to ask."""

    def __init__(self, upstream_url: str) -> None:
        self.upstream = upstream_url
        self.requests: list[Seen] = []
        self.faults: list[Fault] = []
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def posts(self) -> int:
        """HTTP posts seen; a JSON-RPC batch is one."""
        return len(self.requests)

    def count(self, method: str) -> int:
        """Times that this method was asked, alone or in batches."""
        return sum(seen.methods.count(method) for seen in list(self.requests))

    def add(self, *faults: Fault) -> None:
        """From now on these faults act."""
        with self._lock:
            self.faults += faults

    def clear(self) -> None:
        """No fault acts any more."""
        with self._lock:
            self.faults = []

    def exchange(self, raw: bytes) -> Exchange:
        """One post through all faults that match it, and through the node where one is asked."""
        posted = json.loads(raw)
        asks = posted if isinstance(posted, list) else [posted]
        exchange = Exchange(asks, isinstance(posted, list), self.upstream)
        with self._lock:
            methods = tuple(str(ask.get("method")) for ask in asks)
            self.requests.append(Seen(methods, exchange.batch, len(raw), time.monotonic()))
            acting = [fault for fault in self.faults if fault.takes(exchange)]
        for fault in acting:
            fault.before(exchange)
        if exchange.body is None and not exchange.dead:
            exchange.answer = _forward(exchange.upstream, asks if exchange.batch else asks[0])
            for fault in acting:
                fault.after(exchange)
            if exchange.body is None:
                exchange.body = json.dumps(exchange.answer).encode()
        return exchange

    def send(self, exchange: Exchange, handler: BaseHTTPRequestHandler) -> None:
        """Writes what is left of the answer to the client."""
        if exchange.dead:
            handler.close_connection = True
            return
        body = exchange.body or b""
        handler.send_response(exchange.status)
        for name, value in {"Content-Type": "application/json", **exchange.headers}.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if exchange.cut_at is not None:
            body = body[: exchange.cut_at]
            handler.close_connection = True
        if exchange.drip_s is None:
            handler.wfile.write(body)
            return
        for byte in body:
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()
            if self._stopping.wait(exchange.drip_s):
                return


def _forward(url: str, content: Json) -> Json:
    """The node's answer; each post on a connection of its own."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    try:
        connection.request("POST", "/", json.dumps(content), {"Content-Type": "application/json"})
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a client that keeps its connection must not hold up the end of a test
    proxy: FaultProxy

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away in the middle is what the tests are about; nothing is printed."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        proxy = self.server.proxy
        with contextlib.suppress(ConnectionError):
            proxy.send(proxy.exchange(raw), self)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        pass
