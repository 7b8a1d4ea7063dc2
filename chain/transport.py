"""One HTTP connection to one endpoint: web3's provider on a session that bounds time and size.

Posting goes through `HTTPProvider.make_request` and `make_batch_request`, below web3's middleware,
which would ask for the chain id twice more for every call. What is bounded here:

- the whole answer, from connect to last byte, has one deadline. A socket timeout alone starts
  again with every byte, so a slow drip could hold a reader for ever;
- the body's size after decompression;
- redirects are not followed, since the endpoint could point us anywhere.
"""

from __future__ import annotations

import datetime
import email.utils
import http.client
import io
import itertools
import json
import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, cast

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from web3 import HTTPProvider
from web3.types import RPCEndpoint, RPCResponse

from chain.answers import LONG_TEXT, HttpRefused, Oversized, Throttled, TooBig
from chain.endpoint import Endpoint, keep_out_of_logs
from margin.basics import Reason, Unread
from margin.errors import EndpointError

Params = Sequence[Any]
Ask = tuple[str, Params]

_deadline: ContextVar[float] = ContextVar("deadline")
"""When the answer being read must be complete, on `time.monotonic`; set around each post."""
_CHUNK = 1 << 16
_PROMISED_WAIT = (429, 503)
_HERE = "<call data>"


class Digits(str):
    """Hex of our own making, as the `data` of a call: JSON's encoder need not look at a million digits."""

    __slots__ = ()


class _TimedFile(io.RawIOBase):
    """Reads from a socket until the deadline, however slowly the bytes come."""

    def __init__(self, raw: io.RawIOBase, sock: Any, deadline: float) -> None:
        self._raw, self._sock, self._deadline = raw, sock, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the answer took too long")
        self._sock.settimeout(left)
        return cast("int | None", self._raw.readinto(buffer))

    def close(self) -> None:
        self._raw.close()
        super().close()


class _TimedResponse(http.client.HTTPResponse):
    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        raw = self.fp.detach()
        self.fp = io.BufferedReader(_TimedFile(raw, sock, _deadline.get()))


class _Connection(HTTPConnection):
    response_class = _TimedResponse


class _TlsConnection(HTTPSConnection):
    response_class = _TimedResponse


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


_POOLS = {"http": _Pool, "https": _TlsPool}


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager


def _retry_after_s(header: str | None) -> float | None:
    """Seconds from now that a Retry-After header asks for: a number, or an HTTP date."""
    if header is None:
        return None
    if header.strip().isascii() and header.strip().isdigit():
        return float(header.strip()[:9])
    try:
        when = email.utils.parsedate_to_datetime(header)
    except (ValueError, TypeError):
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=datetime.UTC)
    return max(0.0, when.timestamp() - time.time())


class _Session(requests.Session):
    """A session whose answers are complete and bounded when `send` comes back."""

    def __init__(self, endpoint: Endpoint, max_body_bytes: int) -> None:
        super().__init__()
        self.label = endpoint.label
        self.max_body_bytes = max_body_bytes
        # A node on this machine is never behind a proxy; a proxy from the environment would break it.
        self.trust_env = not endpoint.is_loopback
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Adapter(pool_connections=1, pool_maxsize=1, max_retries=0))

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        kwargs.update(
            stream=True, allow_redirects=False, timeout=max(0.001, _deadline.get() - time.monotonic())
        )
        with super().send(request, **kwargs) as response:
            body = self._body(response)
        response._content = body
        self._judge_status(response, body)
        return response

    def _body(self, response: requests.Response) -> bytes:
        parts, size = [], 0
        for part in response.iter_content(_CHUNK):
            size += len(part)
            if size > self.max_body_bytes:
                raise Oversized(
                    self.label, Unread(Reason.MALFORMED, f"an answer above {self.max_body_bytes} bytes")
                )
            parts.append(part)
        return b"".join(parts)

    def _judge_status(self, response: requests.Response, body: bytes) -> None:
        status = response.status_code
        if status == 200:
            return
        told = f"HTTP {status}"
        wait = _retry_after_s(response.headers.get("Retry-After"))
        if status == 429:
            raise Throttled(self.label, Unread(Reason.RATE_LIMITED, told), wait)
        if status == 503 and wait is not None:
            raise Throttled(self.label, Unread(Reason.RPC_ERROR, told), wait)
        if status == 413:
            raise TooBig(self.label, Unread(Reason.RPC_ERROR, told))
        if status >= 400 and body.lstrip()[:1] in (b"{", b"[") and b"jsonrpc" in body[:4096]:
            response.status_code = 200  # a JSON-RPC error that also has an HTTP status: the error tells more
            return
        if status in (401, 403):
            told += ": the endpoint wants a valid key"
        raise HttpRefused(self.label, Unread(Reason.RPC_ERROR, told), status)


class _Provider(HTTPProvider):
    """web3's provider, with answers checked for shape before web3 touches them."""

    def __init__(self, endpoint: Endpoint, session: requests.Session) -> None:
        super().__init__(endpoint.url, session=session, exception_retry_configuration=None)
        self.label = endpoint.label

    def __str__(self) -> str:
        return self.label

    __repr__ = __str__

    def encode_rpc_request(self, method: RPCEndpoint, params: Any) -> bytes:
        """As web3's, but for `Digits`, which are put in as they are."""
        call = params[0] if params else None
        data = call.get("data") if isinstance(call, dict) else None
        if not isinstance(data, Digits):
            return super().encode_rpc_request(method, params)
        short = super().encode_rpc_request(method, [{**params[0], "data": _HERE}, *params[1:]])
        return short.replace(_HERE.encode(), data.encode(), 1)

    def decode_rpc_response(self, raw_response: bytes) -> RPCResponse:  # type: ignore[override]
        loads: Callable[[bytes], object] = json.loads
        if len(raw_response) >= LONG_TEXT:
            from chain.digits import loads
        try:
            answer = loads(raw_response)
        except (ValueError, RecursionError):
            answer = None
        if isinstance(answer, dict):
            return cast("RPCResponse", answer)
        if not isinstance(answer, list) or not all(isinstance(item, dict) for item in answer):
            shown = "an empty body" if not raw_response else "not a JSON-RPC answer"
            raise EndpointError(self.label, Unread(Reason.MALFORMED, shown))
        if len(answer) == 1 and answer[0].get("id") is None:
            return cast("RPCResponse", answer[0])  # an error for the batch as a whole, in a list
        if not all(type(item.get("id")) is int for item in answer):
            raise EndpointError(self.label, Unread(Reason.MALFORMED, "a batch answer without proper ids"))
        return cast("RPCResponse", answer)


def _failure(label: str, error: Exception) -> EndpointError:
    """What a broken exchange means. The library's own words hold the URL, so they are not repeated."""
    inner = error.args[0] if error.args else None
    if isinstance(error, requests.Timeout | TimeoutError) or isinstance(
        inner, urllib3.exceptions.TimeoutError
    ):
        return EndpointError(label, Unread(Reason.TIMEOUT, "no complete answer in time"))
    if isinstance(error, requests.exceptions.ChunkedEncodingError | requests.exceptions.ContentDecodingError):
        return EndpointError(label, Unread(Reason.MALFORMED, "the answer was cut short or garbled"))
    if isinstance(error, requests.exceptions.SSLError):
        return EndpointError(label, Unread(Reason.REFUSED, "TLS failed"))
    if isinstance(error, requests.exceptions.ProxyError):
        return EndpointError(label, Unread(Reason.REFUSED, "the HTTP proxy failed"))
    return EndpointError(label, Unread(Reason.REFUSED, "no connection, or it was cut"))


class Connection:
    """One kept-alive HTTP connection; used by one thread at a time."""

    def __init__(self, endpoint: Endpoint, max_body_bytes: int) -> None:
        keep_out_of_logs(endpoint)
        self._label = endpoint.label
        self._session = _Session(endpoint, max_body_bytes)
        self._provider = _Provider(endpoint, self._session)
        self._next_id = 1

    def __repr__(self) -> str:
        return f"Connection({self._label})"

    def post(self, asks: Sequence[Ask], *, batch: bool, timeout_s: float) -> tuple[object, int]:
        """Posts once; gives the decoded JSON (an object or a list) and the id of the first ask.

        The others' ids follow it. Raises `EndpointError` (`Throttled`, `TooBig`, `HttpRefused`).
        """
        first = self._next_id
        self._next_id += len(asks)
        self._provider.request_counter = itertools.count(first)
        token = _deadline.set(time.monotonic() + timeout_s)
        failure: EndpointError | None = None
        answer: object = None
        try:
            if batch:
                answer = self._provider.make_batch_request([(RPCEndpoint(m), p) for m, p in asks])
            else:
                answer = self._provider.make_request(RPCEndpoint(asks[0][0]), asks[0][1])
        except EndpointError as error:
            failure = error
        except (
            requests.RequestException,
            urllib3.exceptions.HTTPError,
            http.client.HTTPException,
            OSError,
        ) as error:
            failure = _failure(self._label, error)
        finally:
            _deadline.reset(token)
        if failure is not None:
            # Raised outside the handler: a chained exception would carry the URL in its text.
            failure.__context__ = None
            raise failure
        return answer, first

    def close(self) -> None:
        """Closes the socket."""
        self._session.close()
