"""Discord: what a webhook answers and what becomes of a message, against a server that keeps its rules."""

from __future__ import annotations

import dataclasses
import logging
import socket
import time
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from checker.bands import Band
from checker.config import load_config
from checker.watch.channels.build import alerts_test, channels_of
from checker.watch.channels.discord import Discord as Sender
from checker.watch.channels.discord import Mentions
from checker.watch.sending import Gone, NotNow, Refused
from checker.watch.values import Entry, Fact, Kind, Message
from margin.errors import ConfigError
from tests.checker.conftest import Run
from tests.discord import TOKEN, Discord

FELL = Message(
    Kind.BAND,
    (
        Entry(
            "wallet/1",
            "desk_7 @everyone",
            Band.WARNING,
            Band.DANGER,
            ("Pay.",),
            (Fact("Health factor", "1.07"),),
        ),
    ),
    (("local", 120, "0x" + "ab" * 32, 1_790_000_000),),
    1_790_000_012,
)


@pytest.fixture
def discord() -> Iterator[Discord]:
    with Discord() as discord:
        yield discord


def sender_to(url: str, **options: Any) -> Sender:
    return Sender(SecretStr(url), **options)


def refusal(sender: Sender, message_id: str = "m-1") -> NotNow | Gone:
    try:
        sender.send(FELL, message_id)
    except (NotNow, Gone) as error:
        return error
    pytest.fail("it was taken")


def test_a_message_is_there_when_send_returns(discord: Discord) -> None:
    sender_to(discord.url + "?thread_id=7").send(FELL, "m-1")
    assert discord.messages == [
        {
            "embeds": [
                {
                    "title": "desk\\_7 ＠everyone: warning → danger",
                    "color": 0xE65100,
                    "description": "Pay.",
                    "fields": [{"name": "Health factor", "value": "1.07", "inline": True}],
                    "footer": {"text": "local block 120 (0xabab…abab), 2026-09-21 14:13:20 UTC, 12 s old"},
                    "timestamp": "2026-09-21T14:13:32+00:00",
                }
            ],
            "allowed_mentions": {"parse": []},
        }
    ]
    assert discord.posts[0].query == {"thread_id": ["7"], "wait": ["true"]}
    assert discord.pinged == []


def test_only_those_configured_are_called(discord: Discord) -> None:
    sender_to(discord.url, mentions=Mentions(("11",), ("22",))).send(FELL, "m-1")
    assert discord.pinged == ["11", "22"]


def test_the_rate_limit_is_kept_without_a_post_too_many(discord: Discord) -> None:
    sender, waits = sender_to(discord.url), list[float]()
    for number in range(12):
        while True:
            try:
                sender.send(FELL, f"m-{number}")
                break
            except NotNow as error:
                waits.append(error.retry_after_s or 99.0)
                time.sleep(min(waits[-1], 3.0))
    assert [post.status for post in discord.posts] == [200] * 12, "it never ran into a 429"
    assert len(waits) >= 2
    assert max(waits) <= discord.window_s


def test_another_program_that_uses_up_the_bucket(discord: Discord) -> None:
    for number in range(5):
        sender_to(discord.url).send(FELL, f"other-{number}")
    sender = sender_to(discord.url)
    first = refusal(sender)
    assert isinstance(first, NotNow)
    assert 0 < (first.retry_after_s or 0) <= discord.window_s
    assert isinstance(refusal(sender), NotNow)
    assert [post.status for post in discord.posts] == [200] * 5 + [429], "the second try was not posted"


@pytest.mark.parametrize(
    ("retry_after", "header", "everywhere", "expected"),
    [
        (1.5, None, False, 1.5),
        (64.57, "65", True, 64.57),
        (None, "30", False, 30.0),
        ("soon", "30", False, 30.0),
        (True, None, False, None),
        (float("nan"), None, False, None),
        (-3, None, False, None),
        (1e300, None, False, 3600.0),
        (None, "9" * 400, False, None),
        (None, "Wed, 21 Oct 2026 07:28:00 GMT", False, None),
        (None, None, False, None),
    ],
)
def test_how_long_a_429_asks_for(
    discord: Discord, retry_after: Any, header: str | None, everywhere: bool, expected: float | None
) -> None:
    body = {"message": "x", "retry_after": retry_after, "global": everywhere}
    discord.fail(429, 1, {"Retry-After": header} if header else {}, body)
    now = [1000.0]
    sender = sender_to(discord.url, clock=lambda: now[0])
    error = refusal(sender)
    assert isinstance(error, NotNow)
    assert error.retry_after_s == expected
    assert ("global" in error.reason) is everywhere
    if expected is not None:
        now[0] += expected - 0.01
        assert isinstance(refusal(sender), NotNow)
        assert len(discord.posts) == 1
        now[0] += 0.02
    sender.send(FELL, "m-1")


@pytest.mark.parametrize(
    "body", ["<html>error code: 1015</html>", "", "[1]", '"x"', "[" * 5000, {"code": "x"}]
)
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, NotNow),  # not in Discord's own words: something else answers in its place
        (403, NotNow),
        (404, Gone),
        (400, Refused),
        (413, Refused),
        (408, NotNow),
        (429, NotNow),
        (500, NotNow),
        (502, NotNow),
        (503, NotNow),
        (307, NotNow),
    ],
)
def test_what_an_answer_means(discord: Discord, status: int, kind: type[Exception], body: Any) -> None:
    discord.fail(status, 1, {"Location": discord.url}, body)
    sender = sender_to(discord.url)
    error = refusal(sender)
    assert type(error) is kind
    assert len(error.reason) < 200
    assert len(discord.posts) == 1, "no redirect is followed, nothing tried twice"
    sender.send(FELL, "m-1")
    assert len(discord.messages) == 1


def test_a_webhook_that_is_gone(discord: Discord) -> None:
    discord.gone = True
    assert refusal(sender_to(discord.url)).reason.endswith("(HTTP 404, code 10015)")
    discord.gone = False
    error = refusal(sender_to(discord.url.replace(TOKEN, "another")))
    assert type(error) is Gone
    assert error.reason.endswith("(HTTP 401, code 50027)")


def test_a_message_discord_cannot_take_says_which_part(
    discord: Discord, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = {"embeds": [{"title": "x" * 300, "fields": [{"name": "", "value": "v"}]}]}
    monkeypatch.setattr("checker.watch.channels.discord.payload", lambda *_: bad)
    error = refusal(sender_to(discord.url))
    assert type(error) is Refused
    assert error.reason == (
        "Discord refuses this message (HTTP 400, code 50035: embeds.0.title, embeds.0.fields)"
    )


def test_a_page_of_another_server_is_no_acknowledgement(discord: Discord) -> None:
    discord.fail(200, 1, {"Content-Type": "text/html"}, "\n<!DOCTYPE html><html>log in</html>")
    assert isinstance(refusal(sender_to(discord.url)), NotNow)


def test_an_answer_cut_short_is_one(discord: Discord) -> None:
    discord.cut_at = 3
    sender_to(discord.url).send(FELL, "m-1")
    assert len(discord.messages) == 1


def test_down_refused_and_slow(discord: Discord) -> None:
    discord.down = True
    sender = sender_to(discord.url, within_s=0.5)
    assert isinstance(refusal(sender), NotNow)
    discord.down = False
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        error = refusal(sender_to(f"http://127.0.0.1:{closed.getsockname()[1]}/a/b"))
    assert isinstance(error, NotNow)
    assert error.retry_after_s is None
    discord.slow_s = 30
    begun = time.monotonic()
    assert isinstance(refusal(sender), NotNow)
    assert time.monotonic() - begun < 10


def test_an_endless_drip_ends_for_the_caller_and_nothing_is_sent_meanwhile(discord: Discord) -> None:
    discord.drip_s = 0.1
    sender = sender_to(discord.url, within_s=0.6)
    assert "within 0.6 s" in refusal(sender).reason
    assert "has not ended" in refusal(sender).reason
    assert len(discord.posts) == 1


def test_what_came_late_is_not_sent_again(discord: Discord) -> None:
    discord.drip_s = 0.004
    sender = sender_to(discord.url, within_s=0.3)
    refusal(sender, "m-1")
    discord.drip_s = 0.0
    deadline = time.monotonic() + 60
    while True:
        assert time.monotonic() < deadline
        try:
            sender.send(FELL, "m-1")
            break
        except NotNow:
            time.sleep(0.05)
    assert len(discord.messages) == 1, "the late answer counted"
    sender.send(FELL, "m-2")
    assert len(discord.messages) == 2


# --- secrets ----------------------------------------------------------------------------------------------


def chained(error: BaseException | None) -> str:
    told = ""
    while error is not None:
        told += f"{error!s} {error!r} {error.args!r}" + "".join(traceback.format_exception(error))
        error = error.__cause__ or error.__context__
    return told


@pytest.mark.parametrize("what", ["fine", "down", "gone", 400, 429, 500, 302, "bad port", "no host", "drip"])
def test_the_url_shows_nowhere(
    what: str | int, discord: Discord, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("httpx", "httpcore", "httpcore.http11", "httpcore.connection"):
        caplog.set_level(logging.DEBUG, name)
    url = discord.url
    if isinstance(what, int):
        discord.fail(
            what, 1, {"Location": discord.url}, {"message": discord.url, "errors": {discord.url: {}}}
        )
    elif what in ("bad port", "no host"):
        url = discord.url.replace("127.0.0.1:", "127.0.0.1:99" if what == "bad port" else ":")
    discord.down, discord.gone = what == "down", what == "gone"
    discord.drip_s = 0.1 if what == "drip" else 0.0
    sender = sender_to(url, within_s=0.5)
    told = [repr(sender), str(sender), repr(Mentions())]
    try:
        sender.send(FELL, "m-1")
        assert what == "fine"
    except (NotNow, Gone) as error:
        assert what != "fine"
        told.append(chained(error) + error.reason)
    out = capfd.readouterr()
    told += [caplog.text, out.out, out.err, *(f"{r.args!r}{r.exc_info!r}" for r in caplog.records)]
    for secret in (TOKEN, "/api/webhooks", discord.base):
        assert not any(secret in text for text in told)


# --- from the configuration -------------------------------------------------------------------------------


def test_alerts_test_sends_exactly_one_message_a_channel(run: Run, discord: Discord, tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    channel = '[[alerts.channels]]\ntype = "discord"\nmentions = ["role:22", "user:11"]\n'
    path.write_text(channel + f'url = "{discord.url}"\nname = "ops"\n')
    outcome = run("alerts", "test", "--config", path)
    assert (outcome.code, outcome.out, outcome.err) == (0, "ops: accepted\n", "")
    assert len(discord.messages) == 1
    assert discord.pinged == ["11", "22"], "that they can be called is tested as well"
    assert "subcommand" in run("alerts").complaint.lower() or run("alerts").code == 3


def test_keys_are_the_same_over_restarts_and_hold_no_secret(discord: Discord, tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    one = f'[[alerts.channels]]\ntype = "discord"\nurl = "{discord.url}"\nmin_band = "danger"\n'
    mail = '[[alerts.channels]]\ntype = "email"\nsmtp = "smtps://u:%s@h"\nfrom = "a@b.example"\n'
    mail += 'to = "c@d.example"\n'
    path.write_text(one + mail % "first")
    before = channels_of(load_config(path))
    path.write_text(mail % "second" + one)
    after = channels_of(load_config(path))
    assert [c.key for c in before] == [c.key for c in reversed(after)]
    assert before[0].key.key.startswith("discord-")
    assert len(before[0].key.key) == len("discord-") + 8
    assert before[0].key.min_band is Band.DANGER
    assert TOKEN not in repr(before)
    path.write_text(one + one)
    with pytest.raises(ConfigError, match=r"alerts\.channels\[1\]: goes where another"):
        channels_of(load_config(path))


def test_alerts_test_tells_which_channel_failed(discord: Discord, tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    text = f'[[alerts.channels]]\ntype = "discord"\nurl = "{discord.url}"\nname = "good"\n'
    text += f'[[alerts.channels]]\ntype = "discord"\nurl = "{discord.url}x"\nname = "bad"\n'
    path.write_text(text)
    text, code = alerts_test(load_config(path))
    assert code == 2
    assert text.splitlines() == [
        "good: accepted",
        "bad: failed: the webhook does not exist any more, or its token is wrong (HTTP 401, code 50027)",
    ]
    path.write_text("")
    with pytest.raises(ConfigError, match="no channel is configured"):
        alerts_test(load_config(path))


@pytest.mark.parametrize("mention", ["everyone", "user:", "role:x", "user:1 ", "@here", "123"])
def test_a_mention_is_an_id(discord: Discord, tmp_path: Path, mention: str) -> None:
    path = tmp_path / "c.toml"
    path.write_text(
        f'[[alerts.channels]]\ntype = "discord"\nurl = "{discord.url}"\nmentions = ["{mention}"]\n'
    )
    with pytest.raises(ConfigError, match=r"alerts\.channels\[0\]\.mentions\[0\]: expected \"user:"):
        load_config(path)


def test_a_message_that_no_field_of_it_can_spoil(discord: Discord) -> None:
    hostile = "@everyone [x](https://e.example) <@1> " * 400
    entry = Entry(hostile, hostile, Band.OK, Band.DANGER, (hostile,) * 9, (Fact(hostile, hostile),) * 30)
    sender_to(discord.url).send(dataclasses.replace(FELL, entries=(entry,)), "m-1")
    assert discord.pinged == []
    assert "@" not in discord.texts[0]
    assert "://" not in discord.texts[0]
