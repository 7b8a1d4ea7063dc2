"""Mail, handed to a real SMTP server: what is in it, how it gets there, and what a refusal means."""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from pydantic import SecretStr

from checker.bands import Band
from checker.config import load_config
from checker.watch.channels.build import alerts_test, channels_of
from checker.watch.channels.mail import Mail, Server, mail_of, mailbox
from checker.watch.channels.other import Apprise
from checker.watch.sending import Gone, NotNow, Refused
from checker.watch.values import Entry, Fact, Kind, Message
from margin.errors import ConfigError
from tests import certificate
from tests.checker.watch.test_discord import chained
from tests.checker.watch.test_rendering import MESSAGES
from tests.mailbox import PASSWORD, USER, Mailbox

LOGIN = f"{quote(USER, safe='')}:{quote(PASSWORD, safe='')}@"
SENDER = mailbox("Risk desk <risk@example.org>", "from")
OPS = mailbox("ops@example.org", "to")
BOSS = mailbox("boss@example.org", "to")


def fell(name: str = "treasury", subject: str = "wallet/1") -> Message:
    facts = (Fact("Health factor", "1.07 <b>"),)
    entry = Entry(subject, name, Band.WARNING, Band.DANGER, ("Repay 5 USDC.",), facts)
    return Message(Kind.BAND, (entry,), (("local", 120, "0x" + "ab" * 32, 1_790_000_000),), 1_790_000_012)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    return certificate.make(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def box() -> Iterator[Mailbox]:
    with Mailbox() as box:
        yield box


def sender_to(url: str, *to: str, **options: float) -> Mail:
    people = [mailbox(each, "to") for each in to] or [OPS]
    return Mail(Server.of(SecretStr(url), "smtp"), SENDER, people, **options)  # type: ignore[arg-type]


def refusal(sender: Mail, message: Message | None = None) -> NotNow | Gone:
    try:
        sender.send(message or fell(), "m-1")
    except (NotNow, Gone) as error:
        return error
    pytest.fail("it was taken")


# --- what is in a mail ------------------------------------------------------------------------------------


def test_a_mail_arrives_as_text_and_html(box: Mailbox) -> None:
    sender_to(box.url(), "ops@example.org", "Boss <boss@example.org>").send(fell(), "m-1")
    (delivered,) = box.mails
    mail = delivered.mail
    assert (delivered.sender, delivered.to) == ("risk@example.org", ("ops@example.org", "boss@example.org"))
    assert mail["Subject"] == "treasury: warning → danger"
    assert mail["From"] == "Risk desk <risk@example.org>"
    assert mail["To"] == "ops@example.org, Boss <boss@example.org>"
    assert mail["Date"] == "Mon, 21 Sep 2026 14:13:32 +0000"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content_type() == "multipart/alternative"
    text, page = mail.iter_parts()
    assert isinstance(text, EmailMessage)
    assert isinstance(page, EmailMessage)
    assert (text.get_content_type(), page.get_content_type()) == ("text/plain", "text/html")
    assert "Repay 5 USDC." in text.get_content()
    assert "Health factor  1.07 <b>" in text.get_content()
    assert "<td>1.07 &lt;b&gt;</td>" in page.get_content()
    assert "local block 120" in page.get_content()


def test_ids_are_stable_and_mails_of_one_wallet_are_a_thread() -> None:
    def headers(message: Message, message_id: str) -> dict[str, str]:
        mail = mail_of(message, message_id, SENDER, [OPS])
        return {name: mail[name] for name in ("Message-ID", "In-Reply-To", "References")}

    first = headers(fell(), "m-1")
    assert first == headers(fell(), "m-1")
    second = headers(fell("renamed"), "m-2")
    assert second["Message-ID"] != first["Message-ID"]
    assert second["In-Reply-To"] == first["In-Reply-To"] == first["References"]
    assert headers(fell(subject="wallet/2"), "m-3")["References"] != first["References"]
    assert all(value.startswith("<") and value.endswith("@example.org>") for value in first.values())
    several = Message(Kind.BAND, fell().entries + fell(subject="wallet/2").entries)
    assert mail_of(several, "m-4", SENDER, [OPS])["References"] is None


@settings(max_examples=max(10, settings().max_examples // 4))
@given(MESSAGES)
def test_no_message_can_add_a_header_or_break_a_mail(message: Message) -> None:
    raw = mail_of(message, "m-1", SENDER, [OPS]).as_bytes()
    head, _, body = raw.partition(b"\r\n\r\n")
    names = [line.split(b":")[0] for line in head.split(b"\r\n") if line[:1] not in (b" ", b"\t")]
    expected = {b"Subject", b"From", b"To", b"Date", b"Message-ID", b"In-Reply-To", b"References"}
    expected |= {b"Auto-Submitted", b"MIME-Version", b"Content-Type"}
    assert set(names) <= expected
    assert len(names) == len(set(names))
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    assert raw.isascii()
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert body


def test_a_label_cannot_add_a_recipient(box: Mailbox) -> None:
    sender_to(box.url()).send(fell("x\r\nBcc: thief@example.net\r\n\r\nhello"), "m-1")
    (delivered,) = box.mails
    assert delivered.to == ("ops@example.org",)
    assert delivered.mail["Bcc"] is None
    assert delivered.mail["Subject"] == "x Bcc: thief@example.net hello: warning → danger"


# --- how it gets there ------------------------------------------------------------------------------------


@pytest.mark.parametrize("starttls", [True, False])
def test_tls_and_login(
    starttls: bool, authority: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Mailbox(authority[1], starttls=starttls, login=starttls) as box:
        stranger = refusal(sender_to(box.url(LOGIN if starttls else "")))
        assert isinstance(stranger, NotNow)
        assert stranger.reason == "the mail server's certificate could not be verified"
        monkeypatch.setenv("SSL_CERT_FILE", str(authority[0]))
        other = box.url(LOGIN if starttls else "").replace("127.0.0.1", "localhost")
        assert refusal(sender_to(other)).reason == "the mail server's certificate could not be verified"
        assert box.mails == []
        sender_to(box.url(LOGIN if starttls else "")).send(fell(), "m-1")
        assert [mail.encrypted for mail in box.mails] == [True]


def test_a_wrong_password_can_be_mended(
    authority: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority[0]))
    with Mailbox(authority[1], starttls=True, login=True) as box:
        error = refusal(sender_to(box.url("u:p@")))
        assert isinstance(error, NotNow)
        assert error.reason.startswith("the mail server refuses the login: check user and password (535")
        missing = refusal(sender_to(box.url()))
        assert isinstance(missing, NotNow)
        assert "refuses the login" in missing.reason


def test_a_server_without_starttls_gets_nothing(box: Mailbox) -> None:
    error = refusal(sender_to(box.url(LOGIN) + "?starttls=true"))
    assert isinstance(error, NotNow)
    assert "offers no STARTTLS" in error.reason
    assert box.mails == []


def test_loopback_may_be_plain_and_nothing_else() -> None:
    assert Server.of(SecretStr("smtp://127.0.0.1:2525"), "x").port == 2525
    assert Server.of(SecretStr("smtps://mail.example"), "x").port == 465
    assert Server.of(SecretStr("smtp://mail.example?starttls=true"), "x").port == 587
    for url in ("smtp://mail.example", "smtp://mail.example?starttls=no", "http://127.0.0.1", "smtp://h:x"):
        with pytest.raises(ConfigError):
            Server.of(SecretStr(url), "x")


# --- what a refusal means ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "answer", "kind", "told"),
    [
        ("MAIL", "451 4.7.1 later", NotNow, "451 4.7.1"),
        ("MAIL", "550 5.7.1 no", Refused, "550 5.7.1"),
        ("MAIL", "530 5.7.0 log in", NotNow, "530 5.7.0"),
        ("ops@example.org", "450 busy", NotNow, "450"),
        ("ops@example.org", "550 5.1.1 no such", Refused, "550 5.1.1"),
        ("DATA", "452 4.3.1 full", NotNow, "452 4.3.1"),
        ("DATA", "554 5.6.0 spam ops@example.org", Refused, "554 5.6.0"),
        ("DATA", "421 4.3.2 closing", NotNow, "421"),
    ],
)
def test_what_an_answer_means(
    box: Mailbox, place: str, answer: str, kind: type[Exception], told: str
) -> None:
    box.answers[place] = answer
    sender = sender_to(box.url())
    error = refusal(sender)
    assert type(error) is kind
    assert f"({told}" in error.reason
    assert "example.org" not in error.reason
    assert box.mails == []
    box.answers.clear()
    sender.send(fell(), "m-1")
    assert len(box.mails) == 1


@pytest.mark.parametrize("answer", ["550 5.1.1 no such", "450 busy"])
def test_one_refused_recipient_of_two_is_reported(
    box: Mailbox, answer: str, caplog: pytest.LogCaptureFixture
) -> None:
    box.answers["boss@example.org"] = answer
    sender = sender_to(box.url(), "ops@example.org", "boss@example.org")
    sender.send(fell(), "m-1")
    assert [mail.to for mail in box.mails] == [("ops@example.org",)]
    assert sender.refused == (f"recipient 2 of 2: {answer[:9] if '5.' in answer else '450'}",)
    assert caplog.messages == [f"mail was taken, but not for {sender.refused[0]}"]
    box.answers.clear()
    sender.send(fell(), "m-2")
    assert not sender.refused


def test_both_recipients_refused_one_for_now(box: Mailbox) -> None:
    box.answers |= {"ops@example.org": "550 no", "boss@example.org": "450 busy"}
    assert isinstance(refusal(sender_to(box.url(), "ops@example.org", "boss@example.org")), NotNow)


@contextlib.contextmanager
def speaking(script: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that says what a real one would not."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = server.accept()
                    with client, contextlib.suppress(OSError):
                        script(client)

        threading.Thread(target=serve, daemon=True).start()
        yield f"smtp://{LOGIN}127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


def _drip(client: socket.socket) -> None:
    for _ in range(400):
        client.sendall(b"220-x\r\n")
        time.sleep(0.01)


SCRIPTS: dict[str, Callable[[socket.socket], None]] = {
    "closes": lambda _: None,
    "greets with 554": lambda client: client.sendall(b"554 5.7.1 go away " + USER.encode() + b"\r\n"),
    "greets with 421": lambda client: client.sendall(b"421 busy\r\n"),
    "babbles": lambda client: client.sendall(b"\xff" * 20_000 + b"\r\n"),
    "drips": _drip,
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_server_that_makes_no_sense(name: str) -> None:
    with speaking(SCRIPTS[name]) as url:
        begun = time.monotonic()
        error = refusal(sender_to(url, within_s=1.0))
        assert time.monotonic() - begun < 10
    assert isinstance(error, NotNow)
    assert USER not in chained(error)


def test_nobody_there() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        error = refusal(sender_to(f"smtp://127.0.0.1:{closed.getsockname()[1]}"))
    assert isinstance(error, NotNow)


def test_taken_is_taken_whatever_the_server_does_then() -> None:
    def script(client: socket.socket) -> None:
        client.sendall(b"220 hello\r\n")
        lines = client.makefile("rb")
        for line in lines:
            word = line[:4].upper()
            if word == b"DATA":
                client.sendall(b"354 go on\r\n")
                while lines.readline() != b".\r\n":
                    pass
                client.sendall(b"250 taken\r\n")
                return
            client.sendall(b"250 fine\r\n")

    with speaking(script) as url:
        sender_to(url.replace(LOGIN, "")).send(fell(), "m-1")


# --- secrets, and the configuration -----------------------------------------------------------------------


def test_no_secret_shows(
    authority: tuple[Path, ssl.SSLContext],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    told = []
    echo = USER + " " + PASSWORD
    with Mailbox(authority[1], starttls=True, login=True) as box:
        for trusted in (False, True):
            if trusted:
                monkeypatch.setenv("SSL_CERT_FILE", str(authority[0]))
            for place, user in (("", LOGIN), ("", LOGIN[:-1] + "x@"), ("MAIL", LOGIN), ("DATA", LOGIN)):
                box.answers = {place: f"550 5.1.1 {echo}"} if place else {}
                sender = sender_to(box.url(user))
                told += [repr(sender), repr(Server.of(SecretStr(box.url(user)), "x"))]
                try:
                    sender.send(fell(), "m-1")
                except (NotNow, Gone) as error:
                    told.append(chained(error) + error.reason)
    for bad in (f"smtp://{LOGIN}mail.example", f"smtp://{LOGIN}h:port", f"smtp://é{LOGIN}127.0.0.1"):
        with pytest.raises(ConfigError) as raised:
            Server.of(SecretStr(bad), "alerts.channels[0].smtp")
        told.append(chained(raised.value))
    out = capfd.readouterr()
    ours = [record for record in caplog.records if not record.name.startswith("mail.")]  # the server's own
    told += [out.out, out.err, *(f"{r.getMessage()}{r.args!r}{r.exc_info!r}" for r in ours)]
    assert len(told) > 10
    for secret in (USER, PASSWORD, quote(PASSWORD, safe="")):
        assert not any(secret in text for text in told)


def test_alerts_test_by_mail(box: Mailbox, tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    text = f'[[alerts.channels]]\ntype = "email"\nname = "post"\nsmtp = "{box.url()}"\n'
    path.write_text(text + 'from = "risk@example.org"\nto = ["ops@example.org", "boss@example.org"]\n')
    box.answers["boss@example.org"] = "550 no"
    assert alerts_test(load_config(path)) == ("post: accepted\npost: not for recipient 2 of 2: 550\n", 0)
    assert [mail.mail["Subject"] for mail in box.mails] == ["crossmargin: test message"]


@pytest.mark.parametrize(
    "bad", ["ops", "a@b.example\\nBcc: x@y.example", "é@example.org", "a@", "@b.example", "a b"]
)
@pytest.mark.parametrize("key", ["from", "to"])
def test_what_is_no_mail_address_is_told_at_the_start(tmp_path: Path, key: str, bad: str) -> None:
    path = tmp_path / "c.toml"
    keys = {"from": "a@b.example", "to": "c@d.example", key: bad}
    lines = "".join(f'{name} = "{value}"\n' for name, value in keys.items())
    path.write_text('[[alerts.channels]]\ntype = "email"\nsmtp = "smtps://h"\n' + lines)
    with pytest.raises(ConfigError, match=rf"alerts\.channels\[0\]\.{key}"):
        channels_of(load_config(path))


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # apprise imports it
def test_another_service_by_apprise(box: Mailbox, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    pytest.importorskip("apprise")
    from tests.discord import TOKEN, Discord

    with Discord() as server:  # any server that takes JSON will do
        url = server.url.replace("http://", "json://s3cret-user:p4ssword@")
        sender = Apprise(SecretStr(url), "alerts.channels[0].url")
        server.fail(200)
        sender.send(fell("@everyone"), "m-1")
        (post,) = server.posts
        assert post.payload["title"] == "＠everyone: warning → danger"
        assert "Repay 5 USDC." in post.payload["message"]
        server.fail(500)
        with pytest.raises(NotNow) as raised:
            sender.send(fell(), "m-1")
        for bad in ("nothing://x", "", "json://a,json://b"):
            with pytest.raises(ConfigError) as wrong:
                Apprise(SecretStr(bad), "alerts.channels[0].url")
            assert str(wrong.value) == "alerts.channels[0].url: not one URL of a service that apprise knows"
    told = [repr(sender), chained(raised.value), caplog.text]
    assert not any(secret in text for secret in (TOKEN, "p4ssword", "s3cret-user") for text in told)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "apprise", None)
    with pytest.raises(ConfigError, match=r"pip install 'crossmargin\[apprise\]'"):
        Apprise(SecretStr("json://h"), "alerts.channels[0].url")
