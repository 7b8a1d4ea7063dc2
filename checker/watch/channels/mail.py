"""Mail: a message as text and HTML, given to one SMTP server.

Mails about one wallet are one thread. A mail that is tried again has the same Message-ID, so that a
reader's program can drop the repeat. Nothing in it is loaded from anywhere, and nothing reports back.
"""

from __future__ import annotations

import hashlib
import logging
import re
import smtplib
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import parseaddr
from urllib.parse import parse_qs, unquote, urlsplit

from pydantic import SecretStr

from checker.config_types import is_loopback
from checker.watch.channels.attempts import Attempts
from checker.watch.rendering import as_html, as_text, said
from checker.watch.sending import NotNow, Refused
from checker.watch.values import Message
from margin.errors import ConfigError

WITHIN_S = 45.0
_STEP_S = 15.0
"""For one answer of the server."""
_LAST_YEAR = 253_402_300_799
_ENHANCED = re.compile(rb"[245]\.\d{1,3}\.\d{1,3}(?=\s|$)")
_LOGIN_CODES = (530, 534, 535, 538)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Server:
    """Where mail is handed in."""

    host: str = field(repr=False)
    port: int
    user: str = field(repr=False)
    password: str = field(repr=False)
    tls: bool
    """From the first byte."""
    starttls: bool

    @classmethod
    def of(cls, url: SecretStr, where: str) -> Server:
        """Of `smtp://user:pass@host:587?starttls=true`, `smtps://…`; `ConfigError` otherwise."""
        try:
            parts = urlsplit(url.get_secret_value())
            port = parts.port
        except ValueError:
            raise ConfigError(where, "not an SMTP URL") from None
        tls = parts.scheme == "smtps"
        starttls = not tls and parse_qs(parts.query).get("starttls") == ["true"]
        host = parts.hostname or ""
        if parts.scheme not in ("smtp", "smtps") or not (tls or starttls or is_loopback(host)):
            raise ConfigError(where, "expected smtps, or starttls=true; plain smtp is for loopback only")
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        if not (user + password).isascii():
            raise ConfigError(where, "user and password must be ASCII")
        return cls(host, port or (465 if tls else 587 if starttls else 25), user, password, tls, starttls)


def mailbox(text: str, where: str) -> Address:
    """`ops@example.org` or `Name <ops@example.org>`; `ConfigError` otherwise, without the text."""
    name, spec = parseaddr(text)
    try:
        address = Address(name, addr_spec=spec)
    except (ValueError, IndexError, MessageError):
        raise ConfigError(where, "not a mail address") from None
    if not (spec.isascii() and address.username and "." in address.domain + "." and address.domain):
        raise ConfigError(
            where, "not a mail address that every server takes: it must be ASCII, with a domain"
        )
    return address


def mail_of(message: Message, message_id: str, sender: Address, to: Sequence[Address]) -> EmailMessage:
    """The mail; its Date is when the message was decided."""
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = said(message).title
    mail["From"] = sender
    mail["To"] = tuple(to)
    at = message.at if 0 < message.at <= _LAST_YEAR else int(time.time())
    mail["Date"] = datetime.fromtimestamp(at, UTC)
    mail["Message-ID"] = _id("message", message_id, sender)
    subjects = {entry.subject for entry in message.entries}
    if len(subjects) == 1:
        thread = _id("thread", subjects.pop(), sender)
        mail["In-Reply-To"] = thread
        mail["References"] = thread
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(as_text(message), cte="quoted-printable")
    mail.add_alternative(as_html(message), subtype="html", cte="quoted-printable")
    return mail


def _id(what: str, key: str, sender: Address) -> str:
    """An id of letters and digits, the same for the same key."""
    digest = hashlib.sha256(f"{what}/{key}".encode("utf-8", "replace")).hexdigest()
    return f"<{what}.{digest[:32]}@{sender.domain}>"


class Mail:
    """The sender to one list of recipients through one server. Its repr shows nothing of them."""

    def __init__(
        self,
        server: Server,
        sender: Address,
        to: Sequence[Address],
        *,
        tls: Callable[[], ssl.SSLContext] = ssl.create_default_context,
        within_s: float = WITHIN_S,
    ) -> None:
        self._server = server
        self._sender = sender
        self._to = tuple(to)
        self._tls = tls
        self._attempts = Attempts(within_s)
        self.refused: tuple[str, ...] = ()
        """Which recipients the last mail that was taken did not reach: `recipient 2 of 3: 550 5.1.1`."""

    def __repr__(self) -> str:
        return f"Mail({len(self._to)} recipients)"

    def send(self, message: Message, message_id: str) -> None:
        """Returns when the server has taken the mail for at least one recipient.

        Recipients it refuses are then in `refused`, and logged. Raises `NotNow`, or `Refused`.
        """
        raw = mail_of(message, message_id, self._sender, self._to).as_bytes()
        self._attempts.run(message_id, lambda: self._hand_in(raw))

    def _hand_in(self, raw: bytes) -> None:
        failure: NotNow | Refused
        try:
            self._talk(raw)
        except smtplib.SMTPException as error:
            failure = _meaning(error)
        except ssl.SSLCertVerificationError:
            failure = NotNow(None, "the mail server's certificate could not be verified")
        except ssl.SSLError:
            failure = NotNow(None, "TLS with the mail server failed")
        except TimeoutError:
            failure = NotNow(None, "the mail server did not answer in time")
        except (OSError, ValueError) as error:
            failure = NotNow(
                None, f"no connection to the mail server, or it was cut ({type(error).__name__})"
            )
        else:
            return
        raise failure  # outside the handlers: a chained error holds what the server said

    def _talk(self, raw: bytes) -> None:
        server = self._server
        smtp: smtplib.SMTP
        if server.tls:
            smtp = smtplib.SMTP_SSL(server.host, server.port, timeout=_STEP_S, context=self._tls())
        else:
            smtp = smtplib.SMTP(server.host, server.port, timeout=_STEP_S)
        try:
            if server.starttls:
                smtp.starttls(context=self._tls())
            if server.user:
                smtp.login(server.user, server.password)
            refused = smtp.sendmail(self._sender.addr_spec, [each.addr_spec for each in self._to], raw)
            # From here on it is delivered, whatever becomes of the connection.
            self._report(refused)
            with suppress(OSError, smtplib.SMTPException):
                smtp.quit()
        finally:
            smtp.close()

    def _report(self, refused: dict[str, tuple[int, bytes]]) -> None:
        """By number: an address may be what somebody logs in with."""
        self.refused = tuple(
            f"recipient {at} of {len(self._to)}: {_code(*refused[each.addr_spec])}"
            for at, each in enumerate(self._to, 1)
            if each.addr_spec in refused
        )
        for line in self.refused:
            _log.warning("mail was taken, but not for %s", line)


def _code(code: int, said_by_server: bytes | str) -> str:
    """The numbers of an answer; its words may hold addresses and names."""
    raw = said_by_server if isinstance(said_by_server, bytes) else said_by_server.encode("ascii", "replace")
    enhanced = _ENHANCED.match(raw)
    return f"{code} {enhanced[0].decode()}" if enhanced else str(code)


def _meaning(error: smtplib.SMTPException) -> NotNow | Refused:
    """What an answer of the server means for the message."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        answers = list(error.recipients.values())
        told = ", ".join(sorted({_code(*answer) for answer in answers}))
        codes = [code for code, _ in answers]
        if codes and all(500 <= code < 600 and code not in _LOGIN_CODES for code in codes):
            return Refused(f"the mail server refuses every recipient ({told})")
        return NotNow(None, f"the mail server takes no recipient now ({told})")
    if isinstance(error, smtplib.SMTPResponseException):
        told = _code(error.smtp_code, error.smtp_error)
        if isinstance(error, smtplib.SMTPAuthenticationError) or error.smtp_code in _LOGIN_CODES:
            return NotNow(None, f"the mail server refuses the login: check user and password ({told})")
        final = isinstance(error, smtplib.SMTPSenderRefused | smtplib.SMTPDataError)
        if final and 500 <= error.smtp_code < 600:
            part = "the sender" if isinstance(error, smtplib.SMTPSenderRefused) else "this mail"
            return Refused(f"the mail server refuses {part} ({told})")
        return NotNow(None, f"the mail server does not take mail now ({told})")
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return NotNow(
            None, "the mail server offers no STARTTLS or no login, which the configuration asks for"
        )
    return NotNow(None, "the mail server broke off")
