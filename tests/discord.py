"""A local HTTP server that answers as Discord's webhook documentation says, limits included.

It keeps what was posted, in order, and can be told to be down, slow, broken, stormy or gone.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

ID, TOKEN = "123456789012345678", "t0ken-of-the-w3bhook"
Answer = tuple[int, dict[str, str], Any]
"""Status, headers, and what the body holds: JSON, or text."""
_EMBED = {"title": 256, "description": 4096}


def utf16(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


@dataclass(frozen=True)
class Post:
    """One request to the webhook."""

    at: float
    """On `time.monotonic`."""
    status: int
    payload: Any
    query: dict[str, list[str]]


@dataclass
class Discord:
    """The server; a context manager. `url` is the webhook's."""

    limit: int = 5
    window_s: float = 2.0
    posts: list[Post] = field(default_factory=list)
    """Every request that was answered by the webhook, taken or not."""
    messages: list[dict[str, Any]] = field(default_factory=list)
    """The payloads that were taken, in order."""
    pinged: list[str] = field(default_factory=list)
    """Whoever was really called, as Discord decides it."""
    down: bool = False
    """Connections are closed without an answer."""
    gone: bool = False
    slow_s: float = 0.0
    """Each answer comes so much later."""
    drip_s: float = 0.0
    """Each byte of an answer comes so much later."""
    cut_at: int | None = None
    """The body ends after so many bytes."""
    script: list[Answer] = field(default_factory=list)
    """Answers for the next posts, whatever they hold."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._used: list[float] = []
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.discord = self
        self.base = f"http://127.0.0.1:{self._server.server_port}"
        self.url = f"{self.base}/api/webhooks/{ID}/{TOKEN}"
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
    def texts(self) -> list[str]:
        """All words of each message that was taken."""
        return [" ".join(_words(message)) for message in self.messages]

    def fail(
        self, status: int, times: int = 1, headers: dict[str, str] | None = None, body: Any = ""
    ) -> None:
        """The next posts are answered so."""
        self.script += [(status, headers or {}, body)] * times

    def storm(self, retry_after: float, times: int = 1, *, everywhere: bool = False) -> None:
        """The next posts are answered 429."""
        headers = {"Retry-After": str(int(retry_after) + 1)}
        headers |= {"X-RateLimit-Global": "true"} if everywhere else {}
        body = {
            "message": "You are being rate limited.",
            "retry_after": retry_after,
            "global": everywhere,
        }
        self.fail(429, times, headers, body)

    def answer(self, path: str, raw: bytes) -> Answer:
        """One post to the webhook."""
        parts = urlsplit(path)
        query = parse_qs(parts.query)
        with self._lock:
            try:
                payload = json.loads(raw)
            except ValueError:
                payload = None
            status, headers, body = self._answer(parts.path, query, payload)
            self.posts.append(Post(time.monotonic(), status, payload, query))
            if status in (200, 204) and isinstance(payload, dict):
                self.messages.append(payload)
                self.pinged += _pinged(payload)
        return status, headers, body

    def _answer(self, path: str, query: dict[str, list[str]], payload: Any) -> Answer:
        if self.script:
            return self.script.pop(0)
        found = re.fullmatch(r"/api(?:/v\d+)?/webhooks/([^/]+)/([^/]+)", path)
        if self.gone or not found or found[1] != ID:
            return 404, {}, {"message": "Unknown Webhook", "code": 10015}
        if found[2] != TOKEN:
            return 401, {}, {"message": "Invalid Webhook Token", "code": 50027}
        free, headers = self._bucket()
        if not free:
            left = float(headers["X-RateLimit-Reset-After"])
            headers |= {"Retry-After": str(int(left) + 1), "X-RateLimit-Scope": "user"}
            return (
                429,
                headers,
                {"message": "You are being rate limited.", "retry_after": left, "global": False},
            )
        errors = _errors(payload)
        if errors:
            code = 50006 if "_empty" in errors else 50035
            return 400, headers, {"message": "Invalid Form Body", "code": code, "errors": errors}
        if query.get("wait") != ["true"]:
            return 204, headers, ""
        return 200, headers, {"id": str(10**17 + len(self.messages)), "webhook_id": ID, **payload}

    def _bucket(self) -> tuple[bool, dict[str, str]]:
        now = time.monotonic()
        self._used = [at for at in self._used if now - at < self.window_s]
        free = len(self._used) < self.limit
        if free:
            self._used.append(now)
        left = self._used[0] + self.window_s - now
        return free, {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.limit - len(self._used)),
            "X-RateLimit-Reset": f"{time.time() + left:.3f}",
            "X-RateLimit-Reset-After": f"{left:.3f}",
            "X-RateLimit-Bucket": "f00dfeed",
        }

    def send(self, answer: Answer, handler: BaseHTTPRequestHandler) -> None:
        """Writes an answer as slowly as was asked."""
        status, headers, body = answer
        raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        raw = b"" if status == 204 else raw
        lines = {"Content-Length": str(len(raw)), "Content-Type": "application/json", **headers}
        head = f"HTTP/1.1 {status} Answer\r\n" + "".join(f"{n}: {v}\r\n" for n, v in lines.items()) + "\r\n"
        whole = head.encode() + (raw if self.cut_at is None else raw[: self.cut_at])
        handler.close_connection = self.cut_at is not None
        if self._stopping.wait(self.slow_s):
            return
        for byte in whole if self.drip_s else ():
            handler.wfile.write(bytes([byte]))
            if self._stopping.wait(self.drip_s):
                return
        if not self.drip_s:
            handler.wfile.write(whole)


def _words(payload: dict[str, Any]) -> list[str]:
    words = [payload.get("content") or ""]
    for embed in payload.get("embeds") or []:
        words += [embed.get("title", ""), embed.get("description", "")]
        words += [part for each in embed.get("fields", []) for part in (each["name"], each["value"])]
        words += [embed.get("footer", {}).get("text", ""), embed.get("author", {}).get("name", "")]
    return [word for word in words if word]


def _pinged(payload: dict[str, Any]) -> list[str]:
    """Only the content calls anybody; without `allowed_mentions` it calls everybody it names."""
    content = payload.get("content") or ""
    allowed = payload.get("allowed_mentions", {"parse": ["everyone", "users", "roles"]})
    parse = allowed.get("parse", [])
    called = ["@" + word for word in re.findall(r"@(everyone|here)", content) if "everyone" in parse]
    for mark, key in (("<@!?(\\d+)>", "users"), ("<@&(\\d+)>", "roles")):
        named = re.findall(mark, content)
        called += [each for each in named if key in parse or each in allowed.get(key, [])]
    return called


def _errors(payload: Any) -> dict[str, Any]:
    """What Discord refuses, by place."""
    if not isinstance(payload, dict):
        return {"_errors": [{"code": "MODEL_TYPE_CONVERT"}]}
    errors: dict[str, Any] = {}
    embeds, content = payload.get("embeds") or [], payload.get("content") or ""
    if not embeds and not content.strip():
        return {"_empty": {}}
    if utf16(content) > 2000:
        errors["content"] = _error("BASE_TYPE_MAX_LENGTH")
    if len(embeds) > 10:
        errors["embeds"] = _error("BASE_TYPE_MAX_LENGTH")
    if sum(utf16(word) for word in _words({**payload, "content": ""})) > 6000:
        errors["embeds"] = _error("MAX_EMBED_SIZE_EXCEEDED")
    for at, embed in enumerate(embeds):
        wrong = _embed_errors(embed)
        if wrong:
            errors.setdefault("embeds", {})[str(at)] = wrong
    allowed = payload.get("allowed_mentions", {})
    for key in ("users", "roles"):
        if len(allowed.get(key, [])) > 100 or (allowed.get(key) and key in allowed.get("parse", [])):
            errors["allowed_mentions"] = _error("MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE")
    return errors


def _error(code: str) -> dict[str, Any]:
    return {"_errors": [{"code": code, "message": "no"}]}


def _embed_errors(embed: dict[str, Any]) -> dict[str, Any]:
    wrong: dict[str, Any] = {}
    for key, longest in _EMBED.items():
        if utf16(embed.get(key, "")) > longest:
            wrong[key] = _error("BASE_TYPE_MAX_LENGTH")
    if utf16(embed.get("footer", {}).get("text", "")) > 2048:
        wrong["footer"] = _error("BASE_TYPE_MAX_LENGTH")
    fields = embed.get("fields", [])
    if len(fields) > 25:
        wrong["fields"] = _error("BASE_TYPE_MAX_LENGTH")
    for each in fields:
        for key, longest in (("name", 256), ("value", 1024)):
            if not 0 < utf16(each[key].strip()) <= longest:
                wrong["fields"] = _error("BASE_TYPE_BAD_LENGTH")
    if not 0 <= embed.get("color", 0) <= 0xFFFFFF:
        wrong["color"] = _error("NUMBER_TYPE_MAX")
    if not any(_words({"embeds": [embed]})):
        wrong["description"] = _error("BASE_TYPE_REQUIRED")
    return wrong


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    discord: Discord


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *arguments: object) -> None: ...

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        discord = self.server.discord
        if discord.down:
            self.close_connection = True
            return
        with contextlib.suppress(OSError):  # a client that did not wait
            discord.send(discord.answer(self.path, raw), self)
