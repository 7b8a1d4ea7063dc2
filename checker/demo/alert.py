"""The watch at work: a price falls, and the mail that it sends about a wallet arrives in a local inbox.

Watcher, store, outbox and mail are those of `crossmargin watch`; only the clock is the chain's own.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

from rich.console import Group
from rich.panel import Panel
from rich.text import Text

from checker import words
from checker.bands import Band
from checker.config import Config, load_config
from checker.demo.world import World
from checker.watch.channels.build import channels_of
from checker.watch.log import nobody
from checker.watch.outbox_rows import State
from checker.watch.store import WatchStore
from checker.watch.watcher import Watcher
from localnet.inbox import HOST, Inbox

FALLING, FALL_PERCENT = "WETH", 3
DECIMALS = 8
"""Of an answer in the demo's markets."""


@dataclass(frozen=True, slots=True)
class Look:
    """One look of the watch, and what came of it."""

    where: str
    """What there was to see, for a person."""
    wanted: str
    """The subject of the one mail that should arrive."""
    mails: tuple[EmailMessage, ...]
    """What did arrive."""
    problem: str | None
    """Why something was not delivered."""
    queued_s: float
    """From the look's beginning to its messages in the outbox."""
    delivered_s: float
    """From there until the inbox had taken them."""

    @property
    def as_foretold(self) -> bool:
        """Whether that mail arrived, and nothing else."""
        return [mail["Subject"] for mail in self.mails] == [self.wanted]

    @property
    def told(self) -> str:
        """What arrived."""
        subjects = " and ".join(f"“{words.plain(mail['Subject'])}”" for mail in self.mails)
        return (
            f"a mail arrives, {subjects}" if subjects else f"no mail arrives: {self.problem or 'none sent'}"
        )

    @property
    def in_time(self) -> str:
        """How long it took."""
        queued, delivered = round(self.queued_s * 1000), round(self.delivered_s * 1000)
        return f"seen and queued {queued} ms after that price, in the inbox {delivered} ms later"


def looks(world: World, wallet: str) -> Iterator[Look]:
    """Two looks at a wallet that is in danger: before and after a fall of prices, which is taken back."""
    with (
        world.anvil.undone(),
        Inbox() as inbox,
        tempfile.TemporaryDirectory(prefix="crossmargin-demo-") as directory,
        WatchStore.open(f"sqlite:///{directory}/watch.db") as store,
    ):
        config = _config(world, wallet, inbox, Path(directory) / "watch.toml")
        channels = {channel.key: channel.sender for channel in channels_of(config)}
        watcher = Watcher(config, store, channels, nobody, now=lambda: float(world.anvil.timestamp()))
        yield _look(watcher, inbox, "first look", f"{wallet}: {Band.OK} → {Band.DANGER}")
        where = f"{FALLING} falls by {FALL_PERCENT} % to ${_fall(world)}"
        yield _look(watcher, inbox, where, f"{wallet}: {Band.DANGER} → {Band.LIQUIDATABLE}")


def framed(mail: EmailMessage) -> Panel:
    """The mail for a person: who, to whom, its subject, and its text without the title it repeats."""
    head = [
        Text.assemble((f"{name:9}", "dim"), words.plain(str(mail[name])))
        for name in ("From", "To", "Subject")
    ]
    part = mail.get_body(("plain",))
    text = "" if part is None else str(part.get_content())
    body = "".join(char for char in text if char.isprintable() or char == "\n")
    body = body.removeprefix(str(mail["Subject"])).strip()
    title = Text("the mail as it arrived", "dim")
    return Panel(Group(*head, "", Text(body)), title=title, title_align="left", border_style="dim")


def _config(world: World, wallet: str, inbox: Inbox, place: Path) -> Config:
    """The demo's configuration with a channel to the inbox, and no wallet but this one."""
    channel = (
        '\n[[alerts.channels]]\ntype = "email"\nfrom = "crossmargin <watch@localhost>"\n'
        f'to = ["you@localhost"]\nsmtp = "smtp://{HOST}:{inbox.port}"\n'
    )
    place.write_text(world.config_text() + channel)
    config = load_config(place)
    return replace(config, wallets=config.select([wallet]))


def _look(watcher: Watcher, inbox: Inbox, where: str, wanted: str) -> Look:
    before, begun = len(inbox.mails), time.monotonic()
    (watch,) = watcher.rounds.chains.values()
    if watch.sight is None:
        watcher.begin()
    else:
        watcher.look(watch)
    queued = time.monotonic()
    watcher.deliver()
    delivered = time.monotonic()
    mails = tuple(message_from_bytes(raw, policy=policy.default) for raw in inbox.mails[before:])
    problem = next((one.error for one in watcher.store.recent() if one.state is not State.SENT), None)
    return Look(where, wanted, mails, problem, queued - begun, delivered - queued)


def _fall(world: World) -> str:
    """The price falls on every market; what it is then, for a person."""
    answer_raw = 0
    for market in world.markets.values():
        answer_raw = int(market.feed(FALLING).call("latestAnswer")) * (100 - FALL_PERCENT) // 100
        market.set_price(FALLING, answer_raw)
    return words.price(answer_raw, DECIMALS)
