"""A real SMTP server on this machine, with its mail to look at. It can be told to refuse."""

# ruff: noqa: ARG002, N802 - aiosmtpd calls its handler by these names, with all of these
from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP
from types import TracebackType
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

USER, PASSWORD = "s3cret-user", "p@ss/w0rd:%"


@dataclass(frozen=True)
class Delivered:
    """One mail as it was handed in."""

    sender: str
    to: tuple[str, ...]
    mail: EmailMessage
    encrypted: bool


@dataclass
class Mailbox:
    """The server; a context manager. `mails` are those that were taken, in order."""

    tls: ssl.SSLContext | None = None
    starttls: bool = False
    """Encryption is asked for in the open; otherwise, with `tls`, it is there from the first byte."""
    login: bool = False
    mails: list[Delivered] = field(default_factory=list)
    refuses_login: str = ""
    """Said to every login in place of looking at it."""
    answers: dict[str, str] = field(default_factory=dict)
    """What is said to MAIL, DATA, or RCPT of one address, in place of 250."""

    def __post_init__(self) -> None:
        self._controller = _Controller(
            self,
            hostname="127.0.0.1",
            port=0,
            ssl_context=self.tls if self.tls and not self.starttls else None,
            tls_context=self.tls if self.starttls else None,
            require_starttls=self.starttls,
            authenticator=self._authenticate if self.login else None,
            auth_required=self.login,
            auth_require_tls=self.starttls,
        )

    @property
    def port(self) -> int:
        return int(self._controller.port)

    def url(self, user: str = "") -> str:
        scheme = "smtps" if self.tls and not self.starttls else "smtp"
        return f"{scheme}://{user}127.0.0.1:{self.port}" + ("?starttls=true" if self.starttls else "")

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._controller.stop(no_assert=True)

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        envelope.mail_from = address
        return self.answers.get("MAIL", "250 OK")

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        answer = self.answers.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        answer = self.answers.get("DATA", "250 OK")
        if answer.startswith("250"):
            mail = BytesParser(policy=SMTP).parsebytes(envelope.content)
            assert isinstance(mail, EmailMessage)
            encrypted = session.ssl is not None or (self.tls is not None and not self.starttls)
            self.mails.append(Delivered(envelope.mail_from, tuple(envelope.rcpt_tos), mail, encrypted))
        return answer

    def _authenticate(
        self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any
    ) -> AuthResult:
        if self.refuses_login:
            return AuthResult(success=False, handled=False, message=self.refuses_login)
        right = isinstance(data, LoginPassword) and (data.login, data.password) == (
            USER.encode(),
            PASSWORD.encode(),
        )
        return AuthResult(success=right, handled=False)  # the server says 535 by itself


class _Controller(Controller):
    """On whatever port is free."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        super()._trigger_server()  # type: ignore[no-untyped-call]
