"""A watch of three wallets on a genuine market, behind a proxy that can fail, on a clock of its own."""

from __future__ import annotations

from dataclasses import dataclass, field

from chain.rpc import Settings
from checker.demo.world import World
from checker.watch.values import Entry, Kind, Message
from checker.watch.watcher import Watcher
from localnet.aave_v3 import Market
from tests.faults import FaultProxy

WALLETS = ("edge", "comfortable", "liquidatable")
IMPATIENT = Settings(timeout_s=2.0, total_s=2.0, rounds=1, dead_s=0.0, rest_s=0.0)


@dataclass
class Taken:
    """A channel that takes everything, and shows it."""

    messages: list[Message] = field(default_factory=list)

    def send(self, message: Message, message_id: str) -> None:
        assert message_id
        self.messages.append(message)

    def taken(self) -> list[Message]:
        found, self.messages = self.messages, []
        return found


@dataclass
class Scene:
    """A watch of three wallets on the v3.2 market, on a clock of its own."""

    world: World
    market: Market
    proxy: FaultProxy
    watcher: Watcher
    channel: Taken
    clock: list[float]

    def round(self, seconds: float = 5.0) -> list[Message]:
        """Time passes, the chain is looked at, and what is due is delivered."""
        self.clock[0] += seconds
        (watch,) = self.watcher.rounds.chains.values()
        self.watcher.look(watch)
        self.watcher.mind()
        self.watcher.deliver()
        return self.channel.taken()

    def move(self, symbol: str, share: float) -> None:
        feed = self.market.feed(symbol)
        self.market.set_price(symbol, int(int(feed.call("latestAnswer")) * share))


def changes(messages: list[Message]) -> list[tuple[Kind, str, str, str]]:
    return [
        (message.kind, entry.name, entry.old.word, entry.new.word)
        for message in messages
        for entry in message.entries
    ]


def entry(messages: list[Message], name: str) -> Entry:
    (found,) = [one for message in messages for one in message.entries if one.name == name]
    return found
