"""`crossmargin watch`, `silence` and `alerts list`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from checker import words
from checker.config import Config, load_config
from checker.config_types import duration_s
from checker.store.engine import store_url
from checker.watch import log
from checker.watch.channels.build import channels_of
from checker.watch.list_json import to_text
from checker.watch.memory import Settings
from checker.watch.outbox_rows import Queued, State
from checker.watch.pace import Pace
from checker.watch.sight import name_of, subject_of
from checker.watch.signs import Signs, Window
from checker.watch.store import WatchStore
from checker.watch.watcher import Watcher
from margin.errors import ConfigError

HUNG = 3
"""The exit code of a watch that had to leave a job behind."""


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """The arguments of the command."""

    config: Path | None
    rpc: Mapping[str, Sequence[str]]
    once: bool
    quiet: bool


def run(options: WatchOptions) -> tuple[str, int]:
    """What goes to stdout, and the exit code. Raises `ConfigError`, `StoreError`."""
    config = load_config(options.config, rpc=options.rpc)
    say = log.nobody if options.quiet else log.to_stderr()
    with WatchStore.open(store_url(config)) as store:
        watcher = _watcher(config, store, say)
        if options.once:
            code = watcher.once()
            return _standing(config, watcher), code
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, watcher.stop)
        watcher.run()
        if watcher.hangs:
            sys.stderr.flush()
            os._exit(HUNG)  # its threads would keep the process for ever
    return "", 0


def _watcher(config: Config, store: WatchStore, say: log.Say) -> Watcher:
    document = config.document
    found = channels_of(config)
    channels = {channel.key: channel.sender for channel in found}
    repeat_after_s = document.alerts.repeat_after
    patience = Settings() if repeat_after_s is None else Settings(repeat_after_s=float(repeat_after_s))
    interval = document.watch.interval
    pace = Pace() if interval is None else Pace(poll_s=min(4.0, float(interval)), interval_s=float(interval))
    ping = document.watch.ping
    watcher = Watcher(
        config,
        store,
        channels,
        say,
        pace=pace,
        patience=patience,
        ping_url=None if ping is None else ping.get_secret_value(),
        signs=Signs(),
        names={channel.key.key: channel.name for channel in found},
    )
    if document.watch.listen is not None:
        host, port = document.watch.listen
        try:
            watcher.window = Window(host, port, watcher.signs, watcher.trouble)
        except OSError as error:
            raise ConfigError("watch.listen", f"{host}:{port}: {error.strerror}") from None
    return watcher


def _standing(config: Config, watcher: Watcher) -> str:
    lines = [
        f"{words.plain(name_of(wallet), 60)}: {band.word}"
        for wallet, band in zip(config.wallets, watcher.rounds.bands(), strict=True)
    ]
    return "\n".join(lines) + "\n"


def silence(config_file: Path | None, wallet: str, length: str, now: float) -> str:
    """No messages about a wallet for so long. Raises `ConfigError`, `StoreError`."""
    seconds = duration_s(length)
    if seconds is None:
        raise ConfigError("--for", 'expected a time like "30m", "6h" or "1d"')
    config = load_config(config_file)
    chosen = config.select([wallet])
    for one in chosen:
        if one not in config.wallets:
            raise ConfigError(f"wallet {wallet[:80]!a}", _whose(config, one.addresses[0]))
    until = now + seconds
    with WatchStore.open(store_url(config)) as store:
        for one in chosen:
            store.silence(subject_of(one), until)
    return "".join(f"no messages about {words.plain(name_of(one), 60)} until {words.moment(int(until))}\n"
                   for one in chosen)  # fmt: skip


def _whose(config: Config, address: str) -> str:
    """Why no silence is kept about an address that is no wallet of its own."""
    names = [words.plain(name_of(wallet), 60) for wallet in config.wallets if address in wallet.addresses]
    if not names:
        return "is not watched"
    return f"is watched as part of {', '.join(names)}: messages are about the whole of it"


def listing(config_file: Path | None, now: float, *, as_json: bool = False) -> str:
    """What was sent, what is pending, and who is silent. Raises `ConfigError`, `StoreError`."""
    config = load_config(config_file)
    names = {subject_of(wallet): name_of(wallet) for wallet in config.wallets}
    with WatchStore.open(store_url(config)) as store:
        pending, recent, silences = store.pending(), store.recent(), store.silences(now)
    if as_json:
        return to_text({one.id: one for one in [*recent, *pending]}.values(), silences, names)
    done = [one for one in recent if one.state is not State.PENDING]
    lines = [_line(one) for one in reversed(done)] + [_line(one) for one in pending]
    lines += [
        f"silent until {words.moment(int(until))}: {words.plain(names.get(subject, subject), 60)}"
        for subject, until in silences.items()
    ]
    return "\n".join(lines or ["nothing was sent yet, and nothing is pending"]) + "\n"


def _line(one: Queued) -> str:
    said = "; ".join(
        f"{words.plain(entry.name, 60)} {entry.old.word} → {entry.new.word}" for entry in one.message.entries
    )
    failed = f"  ({words.plain(one.error)})" if one.error else ""
    return f"{words.moment(int(one.created))}  {one.state.value:8}{one.channel:18}{said}{failed}"
