"""What the outbox asks of a channel: take a message, or say why not."""

from __future__ import annotations

from typing import Protocol

from checker.watch.values import Message


class NotNow(Exception):
    """The channel did not take the message, and may later."""

    def __init__(self, retry_after_s: float | None, reason: str) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s
        """How long the channel asked to be left alone, in seconds; None when it said nothing of it."""
        self.reason = reason
        """One line, without a secret."""


class Gone(Exception):
    """This channel will never take this message: it does not exist any more, or refuses for good."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        """One line, without a secret."""


class Refused(Gone):
    """The channel is there, and will not take this one message; others it may."""


class Sender(Protocol):
    """A channel that can be spoken to."""

    def send(self, message: Message, message_id: str) -> None:
        """Returns only when the channel has acknowledged the message. Raises `NotNow` or `Gone`.

        `message_id` is the same each time one message is tried: letters, digits and "-" only, so that a
        channel can use it to know a repeat (a Message-ID, a nonce). It is bounded in time: in a minute at
        most it has returned or raised.
        """
