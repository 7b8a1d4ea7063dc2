"""An endpoint of a chain: a URL that carries secrets, and the label it is shown by."""

from __future__ import annotations

import ipaddress
import json
import logging
import re
import threading
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import quote, quote_plus, unquote, urlsplit

from margin.errors import ConfigError

_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^\s\"'<>]+", re.IGNORECASE)
_SHORTEST_SECRET = 6
"""Path parts shorter than this (`v3`, `rpc`) are no keys; redacting them would garble plain words."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One URL of a chain. Its text and repr are the label alone."""

    url: str = field(repr=False)
    label: str
    """e.g. `ethereum[0]`: the chain's name and the place in the configured order."""

    def __post_init__(self) -> None:
        try:
            parts = urlsplit(self.url)
            usable = parts.scheme in ("http", "https") and bool(parts.hostname)
            _ = parts.port
        except ValueError:
            usable = False
        if not usable or re.search(r"\s", self.url):
            # The URL itself may hold a key, so it is not repeated.
            raise ConfigError(self.label, "not an http:// or https:// URL with a host")

    def __str__(self) -> str:
        return self.label

    @property
    def host(self) -> str:
        """The bare host name, without user, port, path or query."""
        return urlsplit(self.url).hostname or ""

    @property
    def is_loopback(self) -> bool:
        """True when the node runs on this machine."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def secrets(self) -> tuple[str, ...]:
        """Every part of the URL that might be a key, in each way it may be written; the longest first."""
        return _secrets_of(self.url)


@lru_cache(maxsize=256)
def _secrets_of(url: str) -> tuple[str, ...]:
    parts = urlsplit(url)
    pieces = {parts.username or "", parts.password or "", *parts.path.split("/"), parts.path.strip("/")}
    pieces |= {parts.query, *re.split(r"[&=]", parts.query), parts.fragment}
    if parts.username or parts.password:
        # What the Authorization header holds: a node may send back what it was asked with.
        pieces.add(f"{parts.username or ''}:{parts.password or ''}")
    keys = {form for piece in pieces if len(piece) >= _SHORTEST_SECRET for form in written(piece)}
    return tuple(sorted((key for key in keys if len(key) >= _SHORTEST_SECRET), key=len, reverse=True))


def written(piece: str) -> set[str]:
    """A part of a URL as it may be written by others: unescaped, escaped anew, quoted, or in a header."""
    plain = unquote(piece)
    escaped = {quote(plain), quote(plain, safe=""), quote_plus(plain)} - {plain}
    found = {piece, plain, *escaped, *(one.lower() for one in escaped)}
    found |= {json.dumps(plain)[1:-1], repr(plain)[1:-1], ascii(plain)[1:-1]}
    for raw in {plain.encode(coding, "replace") for coding in ("utf-8", "latin1")}:
        found |= {
            repr(raw)[2:-1],
            *(code(raw).decode().rstrip("=") for code in (b64encode, urlsafe_b64encode)),
        }
    return found


def endpoints_of(chain: str, urls: Sequence[str]) -> tuple[Endpoint, ...]:
    """The endpoints of a chain in failover order, labelled `chain[0]`, `chain[1]` and so on."""
    return tuple(Endpoint(url, f"{chain}[{at}]") for at, url in enumerate(urls))


def redact(text: str, secrets: Sequence[str]) -> str:
    """`text` without URLs and without any of `secrets`."""
    text = _URL.sub("<url>", text)
    for secret in secrets:
        text = text.replace(secret, "…")
    return text


class _RedactLogs(logging.Filter):
    """Keeps keys out of what the HTTP libraries log: urllib3 writes the path of every request at DEBUG."""

    def __init__(self) -> None:
        super().__init__()
        self.secrets: tuple[str, ...] = ()
        self.lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage(), self.secrets), ()
        record.exc_info = None
        return True

    def add(self, secrets: Sequence[str]) -> None:
        with self.lock:
            self.secrets = tuple(sorted({*self.secrets, *secrets}, key=len, reverse=True))


_LOGGERS = (
    "urllib3.connectionpool",
    "urllib3.connection",
    "web3.providers.HTTPProvider",
    "web3._utils.http_session_manager.HTTPSessionManager",
)
_filter = _RedactLogs()


def keep_out_of_logs(endpoint: Endpoint) -> None:
    """From now on the HTTP libraries' log lines do not show this endpoint's URL or keys."""
    _filter.add(endpoint.secrets)
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_filter)
