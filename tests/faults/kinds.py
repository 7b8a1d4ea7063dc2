"""What can go wrong between a client and a node, one small class each."""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass, field

from tests.faults.exchange import Exchange, Fault, Json


@dataclass(kw_only=True)
class Refuse(Fault):
    """The connection is closed without a byte of answer."""

    def before(self, exchange: Exchange) -> None:
        exchange.dead = True


@dataclass
class Delay(Fault):
    """The answer comes late."""

    seconds: float

    def before(self, exchange: Exchange) -> None:  # noqa: ARG002
        time.sleep(self.seconds)


@dataclass
class Drip(Fault):
    """The body comes one byte at a time: no single wait is long, the whole is endless."""

    seconds_per_byte: float

    def after(self, exchange: Exchange) -> None:
        exchange.drip_s = self.seconds_per_byte


@dataclass
class Truncate(Fault):
    """The connection ends after `keep` bytes of the body, whose full length was announced."""

    keep: int = 40

    def after(self, exchange: Exchange) -> None:
        exchange.cut_at = self.keep


@dataclass
class Status(Fault):
    """An HTTP status with a page of HTML; `retry_after` in seconds or as an HTTP date."""

    code: int
    retry_after: str | None = None

    def before(self, exchange: Exchange) -> None:
        exchange.status = self.code
        exchange.body = f"<html><body><h1>{self.code}</h1></body></html>".encode()
        exchange.headers["Content-Type"] = "text/html"
        if self.retry_after is not None:
            exchange.headers["Retry-After"] = self.retry_after


@dataclass
class Redirect(Fault):
    """Points the client elsewhere."""

    url: str

    def before(self, exchange: Exchange) -> None:
        exchange.status, exchange.body = 307, b""
        exchange.headers["Location"] = self.url


@dataclass
class OtherChain(Fault):
    """Every `eth_chainId` is answered with this id. For ever unless told otherwise."""

    chain_id: int
    times: int | None = field(default=None, kw_only=True)
    method: str | None = field(default="eth_chainId", kw_only=True)

    def after(self, exchange: Exchange) -> None:
        for ask, answer in exchange.answers():
            if ask["method"] == "eth_chainId":
                answer["result"] = hex(self.chain_id)


@dataclass
class Upstream(Fault):
    """The post goes to another node: what a load balancer with a stray backend does."""

    url: str

    def before(self, exchange: Exchange) -> None:
        exchange.upstream = self.url


@dataclass
class OldHead(Fault):
    """`latest` is an old block: a node that fell behind. For ever unless told otherwise."""

    number: int
    times: int | None = field(default=None, kw_only=True)
    method: str | None = field(default="eth_getBlockByNumber", kw_only=True)

    def before(self, exchange: Exchange) -> None:
        for ask in exchange.asks:
            if ask["method"] == "eth_getBlockByNumber" and ask["params"][0] == "latest":
                ask["params"][0] = hex(self.number)


@dataclass
class NodeError(Fault):
    """The node answers matching requests with an error object (all in a post when `method` is None)."""

    code: int
    message: str
    data: Json = None

    def after(self, exchange: Exchange) -> None:
        for ask, answer in exchange.answers():
            if self.method in (None, ask["method"]):
                answer.pop("result", None)
                answer["error"] = {"code": self.code, "message": self.message}
                if self.data is not None:
                    answer["error"]["data"] = self.data


@dataclass
class NoOverrides(Fault):
    """A node without state overrides in `eth_call`."""

    times: int | None = field(default=None, kw_only=True)

    def after(self, exchange: Exchange) -> None:
        for ask, answer in exchange.answers():
            if ask["method"] == "eth_call" and len(ask["params"]) > 2:
                answer.pop("result", None)
                answer["error"] = {"code": -32602, "message": "too many arguments, want at most 2"}


@dataclass
class NoBlockHash(Fault):
    """A node that takes blocks by number only."""

    times: int | None = field(default=None, kw_only=True)

    def after(self, exchange: Exchange) -> None:
        for ask, answer in exchange.answers():
            if any(isinstance(part, dict) and "blockHash" in part for part in ask["params"][1:]):
                answer.pop("result", None)
                answer["error"] = {"code": -32602, "message": "invalid argument 1: cannot unmarshal object"}


@dataclass
class _BatchFault(Fault):
    """Acts on the list that answers a batch; matches batches only."""

    def matches(self, exchange: Exchange) -> bool:
        return exchange.batch and super().matches(exchange)


@dataclass
class DropAnswers(_BatchFault):
    """The answers at these places of the batch are missing."""

    places: tuple[int, ...] = (0,)

    def after(self, exchange: Exchange) -> None:
        exchange.answer = [item for at, item in enumerate(exchange.answer) if at not in self.places]


@dataclass
class Permute(_BatchFault):
    """The answers come in another order."""

    seed: int = 0

    def after(self, exchange: Exchange) -> None:
        random.Random(self.seed).shuffle(exchange.answer)


@dataclass
class DuplicateIds(_BatchFault):
    """The first answer also stands under the last one's id."""

    def after(self, exchange: Exchange) -> None:
        exchange.answer[-1] = {**exchange.answer[0]}


@dataclass
class ForeignId(_BatchFault):
    """The last answer carries an id that nobody asked for."""

    def after(self, exchange: Exchange) -> None:
        exchange.answer[-1]["id"] = 10**9


@dataclass
class SwapIds(_BatchFault):
    """The answers at these two places of the batch carry each other's id."""

    places: tuple[int, int] = (0, 1)

    def after(self, exchange: Exchange) -> None:
        one, other = (exchange.answer[place] for place in self.places)
        one["id"], other["id"] = other["id"], one["id"]


@dataclass
class Hollow(Fault):
    """The asks meant (all of `method`, or the one at `place` of a batch) are answered with this result."""

    result: Json = None
    place: int | None = None

    def after(self, exchange: Exchange) -> None:
        for at, (ask, answer) in enumerate(exchange.answers()):
            if self.method in (None, ask["method"]) and self.place in (None, at):
                answer.pop("error", None)
                answer["result"] = self.result


@dataclass
class BatchError(_BatchFault):
    """One error object instead of the list."""

    code: int = -32600
    message: str = "batch requests are not supported"

    def before(self, exchange: Exchange) -> None:
        error = {"code": self.code, "message": self.message}
        exchange.body = json.dumps({"jsonrpc": "2.0", "id": None, "error": error}).encode()


@dataclass
class BatchAbove(BatchError):
    """A node whose batches hold at most `limit` requests. For ever unless told otherwise."""

    message: str = "batch limit exceeded"
    limit: int = 1
    times: int | None = field(default=None, kw_only=True)

    def matches(self, exchange: Exchange) -> bool:
        return super().matches(exchange) and len(exchange.asks) > self.limit


@dataclass
class Junk(Fault):
    """A body that is no JSON-RPC answer, with HTTP 200."""

    content: bytes = b"<html>welcome</html>"

    def before(self, exchange: Exchange) -> None:
        exchange.body = self.content


@dataclass
class Oversized(Fault):
    """A valid answer with this many bytes of blanks after it."""

    size: int

    def after(self, exchange: Exchange) -> None:
        exchange.body = json.dumps(exchange.answer).encode() + b" " * self.size
