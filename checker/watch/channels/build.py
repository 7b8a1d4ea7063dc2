"""From the configuration to the channels, and a test of each."""

from __future__ import annotations

import hashlib
import time
import uuid
from dataclasses import dataclass

from checker.bands import Band
from checker.config import Config
from checker.config_model import AppriseTable, DiscordTable, EmailTable
from checker.watch.channels.discord import Discord, Mentions
from checker.watch.channels.mail import Mail, Server, mailbox
from checker.watch.channels.other import Apprise
from checker.watch.sending import Gone, NotNow, Sender
from checker.watch.values import ChannelKey, Entry, Kind, Message
from margin.errors import ConfigError

CRITICAL = 2


@dataclass(frozen=True, slots=True)
class Channel:
    """A configured channel."""

    key: ChannelKey
    sender: Sender
    name: str
    """As a person knows it: its name in the configuration, or its key."""


@dataclass(frozen=True, slots=True)
class Tested:
    """What became of the test message of one channel."""

    channel: Channel
    problem: str | None
    """Why it was not taken; None when it was."""
    notes: tuple[str, ...] = ()
    """What went wrong although it was taken."""


def channels_of(config: Config) -> list[Channel]:
    """The channels in the order of the file. Raises `ConfigError`, without a secret, for what cannot be one.

    A key is the type and eight hex digits of a digest of where the channel goes: for mail the server and
    the recipients, so that a new password leaves it the same channel.
    """
    channels: list[Channel] = []
    for at, table in enumerate(config.document.alerts.channels):
        where = ": ".join(part for part in (config.source, f"alerts.channels[{at}]") if part)
        sender, place = _sender(table, where)
        digest = hashlib.sha256(place.encode("utf-8", "replace")).hexdigest()[:8]
        key = f"{table.type}-{digest}"
        if key in [channel.key.key for channel in channels]:
            raise ConfigError(where, "goes where another channel goes already")
        band = Band[table.min_band.upper()]
        channels.append(Channel(ChannelKey(key, band), sender, table.name or key))
    return channels


def _sender(table: DiscordTable | EmailTable | AppriseTable, where: str) -> tuple[Sender, str]:
    """The sender, and where it goes: a secret."""
    if isinstance(table, DiscordTable):
        ids = [each.split(":") for each in table.mentions]
        users, roles = (tuple(dict.fromkeys(i for kind, i in ids if kind == k)) for k in ("user", "role"))
        return Discord(table.url, Mentions(users, roles)), table.url.get_secret_value()
    if isinstance(table, EmailTable):
        server = Server.of(table.smtp, f"{where}.smtp")
        sender = mailbox(table.sender, f"{where}.from")
        to = [mailbox(each, f"{where}.to[{at}]") for at, each in enumerate(table.to)]
        to = list({each.addr_spec: each for each in to}.values())
        people = sorted(each.addr_spec for each in to)
        return Mail(server, sender, to), " ".join([f"{server.host}:{server.port}", *people])
    return Apprise(table.url, f"{where}.url"), table.url.get_secret_value()


def trial(at: int) -> Message:
    """What `alerts test` sends."""
    sentences = ("This is a test of this channel, asked for by hand. Nothing happened.",)
    return Message(Kind.TEST, (Entry("test", "crossmargin", Band.OK, Band.OK, sentences),), (), at)


def send_test(config: Config) -> list[Tested]:
    """Exactly one message through each channel, one after the other."""
    results = []
    for channel in channels_of(config):
        problem = None
        try:
            channel.sender.send(trial(int(time.time())), f"test-{uuid.uuid4().hex}")
        except (NotNow, Gone) as error:
            problem = error.reason
        notes = channel.sender.refused if isinstance(channel.sender, Mail) and problem is None else ()
        results.append(Tested(channel, problem, notes))
    return results


def alerts_test(config: Config) -> tuple[str, int]:
    """What `crossmargin alerts test` prints, and its exit code: 0 if each channel took its message."""
    if not config.document.alerts.channels:
        raise ConfigError(config.source or "configuration", "alerts.channels: no channel is configured")
    results = send_test(config)
    lines = []
    for tested in results:
        name = tested.channel.name
        lines.append(f"{name}: {'accepted' if tested.problem is None else 'failed: ' + tested.problem}")
        lines += [f"{name}: not for {note}" for note in tested.notes]
    return "\n".join(lines) + "\n", CRITICAL if any(tested.problem for tested in results) else 0
