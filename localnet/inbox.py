"""A mailbox on this machine, which takes any mail that is handed in over SMTP (RFC 5321) and keeps it.

A stage prop for the demo, as the local chain is: no encryption, no login, no relay, standard library only.
"""

from __future__ import annotations

import socketserver
import threading
from contextlib import suppress

HOST = "127.0.0.1"
_LONGEST_LINE = 10_000
_POLL_SECONDS = 0.01
"""How soon it notices that it is to end."""


class Inbox(socketserver.ThreadingTCPServer):
    """The server; a context manager. A mail is in `mails` before its sender hears that it was taken."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__((HOST, 0), _Session)
        self.port: int = self.server_address[1]
        self.mails: list[bytes] = []
        """As they were handed in, in order; lines end with CRLF."""

    def __enter__(self) -> Inbox:
        threading.Thread(target=self.serve_forever, args=(_POLL_SECONDS,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Session(socketserver.StreamRequestHandler):
    server: Inbox

    def handle(self) -> None:
        with suppress(ConnectionError):  # whoever leaves early has handed in nothing
            self._talk()

    def _talk(self) -> None:
        self._say("220 a local mailbox")
        last = b""
        while line := self.rfile.readline(_LONGEST_LINE):
            verb = line.strip().upper().partition(b" ")[0]
            match last, verb:
                case _, b"NOOP":
                    self._say("250 OK")
                    continue
                case (_, b"EHLO" | b"HELO" | b"RSET" | b"MAIL") | (b"MAIL" | b"RCPT", b"RCPT"):
                    self._say("250 OK")
                case b"RCPT", b"DATA":
                    self._say("354 until a line with one dot")
                    self.server.mails.append(self._content())
                    self._say("250 taken")
                case _, b"QUIT":
                    return self._say("221 bye")
                case _:
                    self._say("503 not known, or not now")
                    continue
            last = verb
        return None

    def _content(self) -> bytes:
        """Up to the line with one dot; the dot that a sender puts before another is taken away."""
        lines = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line:
                raise ConnectionAbortedError("the sender left in the middle of a mail")
            lines.append(line.removeprefix(b"."))
        return b"".join(lines)

    def _say(self, answer: str) -> None:
        self.wfile.write(answer.encode() + b"\r\n")
