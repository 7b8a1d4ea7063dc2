"""Signs of life of the watch: figures for Prometheus, and a health check that fails when it is blind."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import IO, Any, Self, cast
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, Counter, Gauge, make_wsgi_app

from checker.bands import Band
from checker.secrecy import CleanStderr


class Signs:
    """The figures. Names and labels hold chains, bands and channels' types, never a URL."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()

        def gauge(name: str, says: str, *labels: str) -> Gauge:
            return Gauge(f"crossmargin_{name}", says, labels, registry=self.registry)

        self.wallets = gauge("wallets", "Wallets by band.", "band")
        self.seen = gauge("chain_seen_timestamp_seconds", "When a chain was last read.", "chain")
        self.block = gauge("chain_block_number", "The block it was read at.", "chain")
        self.blind = gauge("chain_blind", "1 while a chain cannot be read.", "chain")
        self.answers = gauge("endpoint_answers", "1 while an endpoint answers.", "chain", "endpoint")
        self.pending = gauge("outbox_pending", "Messages that no channel has taken yet.")
        self.oldest = gauge("outbox_oldest_seconds", "How long the oldest of them has waited.")
        self.rounds = Counter(
            "crossmargin_rounds", "Rounds by outcome.", ["chain", "outcome"], registry=self.registry
        )
        self.sent = Counter(
            "crossmargin_messages", "Messages by outcome.", ["outcome"], registry=self.registry
        )
        self.jobs = Counter("crossmargin_jobs_troubled", "Jobs that failed or were late.", ["job", "how"],
                            registry=self.registry)  # fmt: skip

    def show_bands(self, bands: Iterable[Band]) -> None:
        """How many wallets stand in each band."""
        found = list(bands)
        for band in Band:
            self.wallets.labels(band.word).set(found.count(band))


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def get_stderr(self) -> IO[str]:
        return CleanStderr()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        pass


class Window:
    """Serves `/metrics` and `/healthz`; the latter answers 503 with one line while `trouble` gives one."""

    def __init__(self, host: str, port: int, signs: Signs, trouble: Callable[[], str | None]) -> None:
        metrics = make_wsgi_app(signs.registry)

        def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            path = environ.get("PATH_INFO", "")
            if path == "/metrics":
                return cast("Iterable[bytes]", metrics(environ, start_response))
            if path != "/healthz":
                start_response("404 Not Found", [("Content-Type", "text/plain")])
                return [b"/metrics or /healthz\n"]
            said = trouble()
            start_response("200 OK" if said is None else "503 Service Unavailable",
                           [("Content-Type", "text/plain; charset=utf-8")])  # fmt: skip
            return [f"{said or 'it sees'}\n".encode()]

        self._server = make_server(host, port, answer, server_class=_Server, handler_class=_Quiet)
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
