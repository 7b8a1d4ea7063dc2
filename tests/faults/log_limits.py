"""What nodes do to questions for events: limits of blocks and of results, and answers that are wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.faults.exchange import Exchange, Fault, Json


def _range(ask: dict[str, Json]) -> tuple[int, int]:
    where = ask["params"][0]
    return int(where["fromBlock"], 16), int(where["toBlock"], 16)


def _refuse(answer: dict[str, Json], code: int, message: str) -> None:
    answer.pop("result", None)
    answer["error"] = {"code": code, "message": message}


@dataclass
class _LogFault(Fault):
    """Acts on `eth_getLogs`, for ever unless told otherwise."""

    times: int | None = field(default=None, kw_only=True)
    method: str | None = field(default="eth_getLogs", kw_only=True)


@dataclass
class LogRange(_LogFault):
    """At most `limit` blocks at once."""

    limit: int
    words: str = "exceed maximum block range: {limit}"
    code: int = -32000
    refused: int = field(default=0, init=False)
    widest: int = field(default=0, init=False)
    """The most blocks that were asked for."""

    def after(self, exchange: Exchange) -> None:
        for ask, answer in exchange.answers():
            if ask["method"] != "eth_getLogs":
                continue
            first, last = _range(ask)
            self.widest = max(self.widest, last - first + 1)
            if last - first + 1 > self.limit:
                self.refused += 1
                told = self.words.format(limit=self.limit, first=hex(first), last=hex(first + self.limit - 1))
                _refuse(answer, self.code, told)


@dataclass
class LogResults(_LogFault):
    """At most `limit` events at once; `words` may name the range that would do."""

    limit: int
    words: str = "query returned more than {limit} results"
    code: int = -32005
    refused: int = field(default=0, init=False)

    def after(self, exchange: Exchange) -> None:
        for ask, answer in exchange.answers():
            if ask["method"] != "eth_getLogs" or len(answer.get("result", ())) <= self.limit:
                continue
            self.refused += 1
            first, _ = _range(ask)
            # The last block that is told whole.
            last = max(first, int(answer["result"][self.limit]["blockNumber"], 16) - 1)
            _refuse(answer, self.code, self.words.format(limit=self.limit, first=hex(first), last=hex(last),
                                                         first_decimal=first, last_decimal=last))  # fmt: skip


@dataclass
class Doctored(_LogFault):
    """The list of events is changed in place by `change`."""

    change: Callable[[list[dict[str, Json]]], None]

    def after(self, exchange: Exchange) -> None:
        for ask, answer in exchange.answers():
            if ask["method"] == "eth_getLogs" and answer.get("result"):
                self.change(answer["result"])


@dataclass
class Meanwhile(_LogFault):
    """Something else happens between the question and its answer. Once unless told otherwise."""

    act: Callable[[], object]
    times: int | None = field(default=1, kw_only=True)

    def before(self, exchange: Exchange) -> None:  # noqa: ARG002
        self.act()
