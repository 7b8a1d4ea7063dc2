"""Discord: a message as an embed, posted to a webhook, within the limits Discord documents.

`wait=true` makes an answer mean that the message is there. Nothing is mentioned but what the
configuration names. How often may be posted is read from every answer: a channel that has no post left
is not tried before its time. The webhook's URL is a secret and stands in no error and no log.
"""

from __future__ import annotations

import json
import math
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from pydantic import SecretStr

from checker.bands import Band
from checker.config_types import is_loopback
from checker.watch.channels.attempts import Attempts
from checker.watch.rendering import COLOURS, and_more, cut, fitting, fitting_digest, marked_for_discord, said
from checker.watch.sending import Gone, NotNow, Refused
from checker.watch.values import Fact, Kind, Message

TITLE, DESCRIPTION, FIELD_NAME, FIELD_VALUE, FOOTER, EMBEDS = 256, 4096, 256, 1024, 2048, 6000
FIELDS = 25
"""Discord's limits, in characters and fields of one message."""
WITHIN_S = 10.0
"""From the first byte to the last."""
LONGEST_WAIT_S = 3600.0
"""Whatever an answer asks for: a garbled one must not silence the channel for a day."""
_LARGEST_ANSWER = 1 << 16
_GONE = frozenset({10015, 50027})
"""Discord's codes for a webhook that is not known, and for a token that is wrong."""
_LAST_YEAR = 253_402_300_799
_BRIEF = 1200
"""For the footer of a single message, and what is left for its figures at least."""


def utf16(text: str) -> int:
    """Length as the strictest reader of the limits would count it."""
    return len(text) + sum(char > "\uffff" for char in text)


@dataclass(frozen=True, slots=True)
class Mentions:
    """Who may be called by a message, by Discord's own ids."""

    users: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What calls them: only in the content, since an embed calls nobody."""
        return " ".join([*(f"<@{user}>" for user in self.users), *(f"<@&{role}>" for role in self.roles)])

    def allowed(self) -> dict[str, Any]:
        """`allowed_mentions`."""
        named = {"users": list(self.users), "roles": list(self.roles)}
        return {"parse": [], **{key: ids for key, ids in named.items() if ids}}


def payload(message: Message, mentions: Mentions = Mentions()) -> dict[str, Any]:
    """The webhook's JSON: one embed, whatever the message holds within Discord's limits.

    Whoever is mentioned is called by anything but a recovery.
    """
    words = said(message, marked_for_discord)
    title = cut(words.title, TITLE, utf16)
    footer = cut(" · ".join(words.blocks).replace("\\", ""), _BRIEF, utf16)
    fields: list[dict[str, Any]] = []
    if words.lines:
        lines = fitting_digest(words.lines, min(DESCRIPTION, EMBEDS - utf16(title) - utf16(footer)), utf16)
    else:
        lines = fitting(words.sentences, EMBEDS - TITLE - 2 * _BRIEF, utf16)
        used = utf16(title) + utf16(footer) + utf16("\n".join(lines))
        fields = _fields(words.facts, EMBEDS - used)
    embed: dict[str, Any] = {"title": title, "color": COLOURS[words.band]}
    if lines:
        embed["description"] = "\n".join(lines)
    if fields:
        embed["fields"] = fields
    if footer:
        embed["footer"] = {"text": footer}
    if 0 < message.at <= _LAST_YEAR:
        embed["timestamp"] = datetime.fromtimestamp(message.at, UTC).isoformat()
    body: dict[str, Any] = {"embeds": [embed], "allowed_mentions": mentions.allowed()}
    calls = message.band is not Band.OK or message.kind not in (Kind.BAND, Kind.WATCH)
    return {"content": mentions.text, **body} if calls and mentions.text else body


def _fields(facts: Sequence[Fact], room: int) -> list[dict[str, Any]]:
    """As many as fit, and how many were left out."""
    fields: list[dict[str, Any]] = []
    for at, fact in enumerate(facts):
        name, value = cut(fact.name, FIELD_NAME, utf16), cut(fact.value, FIELD_VALUE, utf16)
        last = at == len(facts) - 1
        rest = {"name": "…", "value": and_more(len(facts) - at), "inline": False}
        spare = 0 if last else 1 + utf16(str(rest["value"]))
        if utf16(name) + utf16(value) + spare > room or (len(fields) == FIELDS - 1 and not last):
            return [*fields, rest]
        fields.append({"name": name, "value": value, "inline": utf16(value) <= 40})
        room -= utf16(name) + utf16(value)
    return fields


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def told(self) -> dict[str, Any]:
        """The JSON object of the body; empty where it is none."""
        try:
            told = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return told if isinstance(told, dict) else {}


class Discord:
    """The sender of one webhook. Its repr shows nothing of it."""

    def __init__(
        self,
        url: SecretStr,
        mentions: Mentions = Mentions(),
        *,
        clock: Callable[[], float] = time.monotonic,
        within_s: float = WITHIN_S,
    ) -> None:
        self._url = url
        self._mentions = mentions
        self._clock = clock
        self._free_at = -math.inf
        self._attempts = Attempts(within_s)

    def __repr__(self) -> str:
        return "Discord(…)"

    def send(self, message: Message, message_id: str) -> None:
        """Returns when Discord has the message. Raises `NotNow`, `Refused` (this message) or `Gone`."""
        left = self._free_at - self._clock()
        if left > 0:
            raise NotNow(left, "Discord's rate limit: no post is left before its time")
        body = payload(message, self._mentions)
        self._attempts.run(message_id, lambda: self._judge(self._post(body)))

    def _post(self, body: dict[str, Any]) -> _Answer:
        """The answer to one post. Raises `NotNow` where there is none."""
        reason = ""
        try:
            return self._exchange(body)
        except httpx.TimeoutException:
            reason = "Discord did not answer in time"
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError) as error:
            # Only the kind of error: its text and its request may hold the URL.
            reason = f"no connection to Discord, or it was cut ({type(error).__name__})"
        raise NotNow(None, reason)

    def _exchange(self, body: dict[str, Any]) -> _Answer:
        url = httpx.URL(self._url.get_secret_value()).copy_merge_params({"wait": "true"})
        # Reading the machine's certificates takes longer than a post on this machine, which needs none.
        trust = (
            httpx.create_ssl_context() if url.scheme == "https" else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        )
        # A server on this machine is never behind a proxy.
        proxied = not is_loopback(url.host)
        limit = min(5.0, self._attempts.within_s)
        headers = {"User-Agent": "crossmargin", "Accept-Encoding": "identity"}
        with (
            httpx.Client(verify=trust, timeout=limit, follow_redirects=False, trust_env=proxied) as client,
            client.stream("POST", url, json=body, headers=headers) as response,
        ):
            return _Answer(response.status_code, dict(response.headers), _start_of(response))

    def _judge(self, answer: _Answer) -> None:
        """Nothing when the message is there. Raises `NotNow`, `Refused` or `Gone`."""
        status, headers = answer.status, answer.headers
        code = answer.told.get("code")
        told = f"HTTP {status}" + (f", code {code}" if type(code) is int and 0 <= code < 10**9 else "")
        reset_after_s = _seconds(headers.get("x-ratelimit-reset-after"))
        if headers.get("x-ratelimit-remaining") == "0" and reset_after_s is not None:
            self._wait(reset_after_s)
        if status in (200, 204):
            if answer.body.lstrip()[:1] == b"<":
                raise NotNow(None, "a web page answered in Discord's place")
            return
        if status == 429:
            retry_after_s = _seconds(answer.told.get("retry_after"))
            if retry_after_s is None:
                retry_after_s = _seconds(headers.get("retry-after"))
            self._wait(retry_after_s or 0.0)
            everywhere = answer.told.get("global") is True or "x-ratelimit-global" in headers
            raise NotNow(
                retry_after_s, "Discord's global rate limit" if everywhere else "Discord's rate limit"
            )
        # Others may answer in its place: only in its own words is a webhook gone.
        if status in (404, 410) or (status in (401, 403) and code in _GONE):
            raise Gone(f"the webhook does not exist any more, or its token is wrong ({told})")
        if status >= 500 or status in (401, 403, 408, 425) or status < 400:
            raise NotNow(_seconds(headers.get("retry-after")), f"Discord answered {told}")
        wrong = ", ".join(_faults(answer.told.get("errors")))
        raise Refused(f"Discord refuses this message ({told}{': ' if wrong else ''}{wrong})")

    def _wait(self, seconds: float) -> None:
        self._free_at = max(self._free_at, self._clock() + seconds)


def _start_of(response: httpx.Response) -> bytes:
    """The body, as much of it as is looked at; the status has said already what became of the post."""
    parts = bytearray()
    try:
        for part in response.iter_raw():
            parts += part
            if len(parts) > _LARGEST_ANSWER:
                break
    except httpx.HTTPError:
        pass
    return bytes(parts[:_LARGEST_ANSWER])


def _seconds(value: object) -> float | None:
    """A number of seconds an answer asks for, bounded; None when it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        seconds = float(value)
    except (ValueError, OverflowError):
        return None
    return min(seconds, LONGEST_WAIT_S) if math.isfinite(seconds) and seconds >= 0 else None


def _faults(errors: object, depth: int = 0) -> list[str]:
    """The places that Discord complains of: `embeds`, `0`, … joined by dots; nothing of its own words."""
    if not isinstance(errors, dict) or depth > 6:
        return []
    found: list[str] = []
    for key, inner in list(errors.items())[:10]:
        if key == "_errors":
            continue
        name = key if key.isascii() and key.replace("_", "").isalnum() and len(key) <= 30 else "…"
        below = _faults(inner, depth + 1)
        found += [f"{name}.{path}" for path in below] or [name]
    return found[:5]
