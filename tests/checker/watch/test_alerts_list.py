"""`alerts list --json`: what was sent, what waits, what was given up and who is silent, by its schema."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from checker.bands import Band
from checker.config import load_config
from checker.demo.world import World
from checker.store.engine import store_url
from checker.watch import outbox_rows
from checker.watch.channels.build import channels_of
from checker.watch.outbox_rows import State
from checker.watch.store import WatchStore
from checker.watch.values import Entry, Fact, Kind, Message
from tests.checker.conftest import Run, schema_of
from tests.checker.watch.test_watch_command import Inbox, configuration, discord, inbox
from tests.discord import Discord

__all__ = ["discord", "inbox"]  # fixtures


def test_nothing_was_sent_yet(
    world: World, tmp_path: Path, run: Run, discord: Discord, inbox: tuple[Inbox, str]
) -> None:
    path = configuration(tmp_path, world.markets["3.2"], world.anvil.url, discord, inbox[1])
    listed = run("alerts", "list", "--json", "--config", path)
    assert (listed.code, listed.err) == (0, "")
    assert listed.json == {"schema": "crossmargin.alerts/1", "messages": [], "silences": []}


def test_what_was_sent_what_waits_and_who_is_silent(
    world: World,
    tmp_path: Path,
    run: Run,
    discord: Discord,
    inbox: tuple[Inbox, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("checker.watch.watcher.DRAIN_S", 1.0)
    market = world.markets["3.2"]
    wallet = market.cast["edge"]
    path = configuration(tmp_path, market, world.anvil.url, discord, inbox[1])
    discord.fail(500, 9)
    begun = int(time.time())
    assert run("watch", "--once", "--config", path).code == 1
    assert run("silence", "treasury", "--for", "6h", "--config", path).code == 0
    listed = run("alerts", "list", "--json", "--config", path).json
    first, second = [channel.key.key for channel in channels_of(load_config(path))]
    waits, sent = listed["messages"]
    assert [waits["channel"], sent["channel"]] == [first, second]
    assert (waits["state"], waits["ended_at"]) == ("pending", None)
    assert waits["attempts"] >= 1
    assert "HTTP 500" in waits["error"]
    assert waits["next_attempt_at"] >= waits["created_at"] >= begun
    assert (sent["state"], sent["attempts"]) == ("sent", 1)
    assert sent["next_attempt_at"] is sent["error"] is None
    assert sent["ended_at"] >= sent["created_at"] >= begun
    for one in (waits, sent):
        assert (one["kind"], one["band"]) == ("band", "danger")
        (entry,) = one["entries"]
        assert (entry["subject"], entry["wallet"], entry["addresses"]) == (wallet, wallet, [wallet])
        assert (entry["name"], entry["old"], entry["new"]) == ("treasury", "ok", "danger")
        assert entry["sentences"]
        assert entry["facts"]
        (block,) = one["blocks"]
        assert (block["chain"], block["number"]) == ("local", world.anvil.block_number())
    (silence,) = listed["silences"]
    assert (silence["wallet"], silence["name"]) == (wallet, "treasury")
    assert 6 * 3600 - 60 <= silence["until"] - begun <= 6 * 3600 + 60


def test_what_was_given_up_and_what_is_about_the_watch_itself(
    world: World, tmp_path: Path, run: Run, discord: Discord, inbox: tuple[Inbox, str]
) -> None:
    path = configuration(tmp_path, world.markets["3.2"], world.anvil.url, discord, inbox[1])
    config = load_config(path)
    key = channels_of(config)[0].key.key
    two = [f"0x{digit * 40}" for digit in "12"]
    entry = Entry(",".join(two), 'a "name" ☃', Band.OK, Band.WARNING, ("It fell.",), (Fact("Health", "1.2"),))
    blind = Entry("watch/local", "the watch of local", Band.OK, Band.UNKNOWN, ("cannot read local",))
    with WatchStore.open(store_url(config)) as store:
        (given_up,) = store.queue(Message(Kind.BAND, (entry,), (), 1_790_000_000), [key], 1_790_000_000.5)
        store.queue(Message(Kind.WATCH, (blind,)), [key], 1_790_000_001)
        with store.transaction() as connection:
            outbox_rows.end(connection, given_up, State.FAILED, 1_790_086_400.9, "HTTP 404")
    failed, waits = run("alerts", "list", "--json", "--config", path).json["messages"]
    assert (failed["state"], failed["error"]) == ("failed", "HTTP 404")
    assert (failed["created_at"], failed["ended_at"]) == (1_790_000_000, 1_790_086_400)
    (told,) = failed["entries"]
    assert (told["wallet"], told["addresses"], told["name"]) == (two[0], two, 'a "name" ☃')
    assert told["facts"] == [{"name": "Health", "value": "1.2"}]
    (told,) = waits["entries"]
    assert (waits["kind"], told["subject"], told["wallet"]) == ("watch", "watch/local", None)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("schema",), "crossmargin.alerts/2"),
        (("messages", 0, "state"), "told"),
        (("messages", 0, "created_at"), 1.5),
        (("messages", 0, "channel"), "https://discord.example/api/webhooks/1/x"),
        (("messages", 0, "entries", 0, "new"), "recovered"),
        (("silences", 0, "wallet"), "treasury"),
        (("silences", 0, "more"), 1),
    ],
)
def test_the_schema_refuses(place: tuple[str | int, ...], value: object) -> None:
    wallet = {"subject": "0x" + "1" * 40, "wallet": "0x" + "1" * 40, "addresses": [], "name": "a"}
    entry = {**wallet, "old": "ok", "new": "danger", "sentences": [], "facts": []}
    message = {
        "id": 1, "message_id": "ab12", "channel": "discord-0123abcd", "kind": "band", "band": "danger",
        "state": "sent", "created_at": 1, "ended_at": 2, "next_attempt_at": None, "attempts": 1,
        "error": None, "entries": [entry], "blocks": [],
    }  # fmt: skip
    document: Any = {
        "schema": "crossmargin.alerts/1",
        "messages": [message],
        "silences": [{**wallet, "until": 3}],
    }
    schema_of("alerts").validate(document)
    inner = document
    for part in place[:-1]:
        inner = inner[part]
    inner[place[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        schema_of("alerts").validate(document)
