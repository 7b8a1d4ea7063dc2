"""The inbox takes what is handed in as a full mail server does, and only in the right order."""

from __future__ import annotations

import smtplib
import socket

import pytest

from localnet.inbox import HOST, Inbox
from tests.mailbox import Mailbox

MAILS = {
    "dots": b"Subject: dots\r\n\r\n.\r\n..\r\n.a line\r\nend.\r\n",
    "no body": b"Subject: none\r\n\r\n",
    "bytes": "Subject: x\r\n\r\ndanger → liquidatable\r\n".encode(),
    "commands": b"Subject: x\r\n\r\nRSET\r\nQUIT\r\n\r\nDATA\r\n",
    "long": b"Subject: x\r\n\r\n" + b"0123456789" * 90 + b"\r\n" + b"line\r\n" * 5000,
}


def hand_in(port: int, raw: bytes) -> None:
    with smtplib.SMTP(HOST, port, timeout=10) as client:
        assert client.sendmail("from@localhost", ["to@localhost", "cc@localhost"], raw) == {}


@pytest.mark.parametrize("raw", MAILS.values(), ids=MAILS)
def test_a_mail_is_what_a_full_server_takes(raw: bytes) -> None:
    with Inbox() as inbox, Mailbox() as full:
        hand_in(inbox.port, raw)
        hand_in(full.port, raw)
        (mail,) = inbox.mails
        (delivered,) = full.mails
    assert mail == raw
    assert delivered.mail.as_bytes().rstrip() == raw.rstrip()


def test_several_mails_over_one_connection_stand_in_order() -> None:
    with Inbox() as inbox, smtplib.SMTP(HOST, inbox.port, timeout=10) as client:
        for raw in (b"one\r\n", b"two\r\n"):
            client.sendmail("from@localhost", ["to@localhost"], raw)
            assert client.noop()[0] == 250
        assert inbox.mails == [b"one\r\n", b"two\r\n"]


def test_what_is_out_of_order_is_refused() -> None:
    with Inbox() as inbox, smtplib.SMTP(HOST, inbox.port, timeout=10) as client:
        assert client.rcpt("to@localhost")[0] == 503
        assert client.mail("from@localhost")[0] == 250
        assert client.docmd("DATA")[0] == 503
        assert client.rcpt("to@localhost")[0] == 250
        assert client.rset()[0] == 250
        assert client.docmd("DATA")[0] == 503
        assert client.docmd("VRFY", "you")[0] == 503
        assert inbox.mails == []


def test_half_a_mail_is_none(capfd: pytest.CaptureFixture[str]) -> None:
    with Inbox() as inbox:
        with socket.create_connection((HOST, inbox.port), timeout=10) as wire:
            wire.sendall(b"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nSubject: half\r\n")
            wire.shutdown(socket.SHUT_WR)
            while wire.recv(1000):
                pass
        hand_in(inbox.port, b"whole\r\n")
        assert inbox.mails == [b"whole\r\n"]
    assert capfd.readouterr() == ("", "")
