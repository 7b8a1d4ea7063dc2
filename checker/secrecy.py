"""The last fence: what the configuration keeps secret stands in no log line and in no traceback.

No message of this program holds a secret to begin with. But libraries log whole URLs, and a bug may raise
anything: so each log record of the process, whoever writes it, and each traceback that this program prints
goes through here, without what is known to be secret.
"""

from __future__ import annotations

import io
import logging
import re
import sys
import threading
import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, SecretStr

from chain.endpoint import redact, written

_SHORTEST, _SHORTEST_PASSWORD = 6, 4
"""Shorter parts of a URL are no keys, and without them plain words would be garbled."""
_PLAIN_WORD = re.compile(r"[A-Za-z._-]{1,14}")
"""`webhooks`, `postgres`: no key either, where it is no password."""
_BETWEEN = re.compile(r"[/:@?&=#]+")
_HAS_A_HOST = ("http", "https", "smtp", "smtps", "postgresql")
"""Schemes whose host is a host; elsewhere it may be a token."""


class _Fence:
    """What is known to be secret, and the way of making log records that leaves it out."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self._make = logging.getLogRecordFactory()

    def add(self, secrets: set[str]) -> None:
        with self._lock:
            if not secrets <= self._known:
                self._known |= secrets
                self._pattern = None
            if logging.getLogRecordFactory() != self.record:
                self._make = logging.getLogRecordFactory()
                logging.setLogRecordFactory(self.record)

    def without(self, text: str) -> str:
        with self._lock:
            if self._pattern is None and self._known:
                longest_first = sorted(self._known, key=len, reverse=True)
                self._pattern = re.compile("|".join(map(re.escape, longest_first)))
            pattern = self._pattern
        return text if pattern is None else pattern.sub("…", text)

    def record(self, *given: Any, **named: Any) -> logging.LogRecord:
        record: logging.LogRecord = self._make(*given, **named)
        try:
            text = record.getMessage()
        except (TypeError, ValueError, KeyError):  # the handler would say so, and show it
            text = f"{record.msg} {record.args!r}"
        clean = self.without(text)
        if clean != text:
            record.msg, record.args = clean, ()
        if record.exc_info and record.exc_info[0] is not None:
            text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
            clean = self.without(text)
            if clean != text:
                record.exc_info, record.exc_text = None, clean
        return record


_fence = _Fence()


def keep_secret(settings: BaseModel) -> None:
    """From now on what these settings keep secret stands in no log record of this process."""
    _fence.add({form for url in _secrets_in(settings) for piece in _pieces(url) for form in written(piece)})


def without_secrets(text: str) -> str:
    """The text without whatever is known to be secret, in each way it may be written."""
    return _fence.without(text)


def print_traceback(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> None:
    """What Python prints of an error that nobody has caught, without any secret or URL."""
    CleanStderr().write("".join(traceback.format_exception(kind, error, trace)))


class CleanStderr(io.StringIO):
    """For whoever writes to stderr by himself: what he writes goes there at once, without secrets or URLs."""

    def write(self, text: str) -> int:
        """Takes whole lines, as a traceback's printer writes them."""
        sys.stderr.write(redact(without_secrets(text), ()))
        sys.stderr.flush()
        return len(text)


def _secrets_in(value: object) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        for inner in dict(value).values():
            yield from _secrets_in(inner)
    elif isinstance(value, dict | list | tuple):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _secrets_in(inner)


def _pieces(url: str) -> Iterator[str]:
    """Every part of a URL that may be a key, as it is written there; of a file's name none."""
    try:
        parts = urlsplit(url)
        user, password = parts.username or "", parts.password or ""
    except ValueError:
        return
    scheme = parts.scheme.partition("+")[0]
    if scheme == "sqlite":
        return
    login, _, host = parts.netloc.rpartition("@")
    rest = url.partition(parts.netloc)[2] if parts.netloc else url
    for piece in {user, rest.strip("/"), *_BETWEEN.split(rest), *_BETWEEN.split(unquote(login))}:
        if len(piece) >= _SHORTEST and not _PLAIN_WORD.fullmatch(piece):
            yield piece
    if scheme not in _HAS_A_HOST and len(host) >= _SHORTEST:
        yield host
    if len(password) >= _SHORTEST_PASSWORD:
        yield password
        yield login
        yield f"\0{unquote(user)}\0{unquote(password)}"  # as mail servers are told it
