"""What a look at something brings: how well it is, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from margin.basics import Reason, Unread


class Status(IntEnum):
    """How well something is; the worst of several wins."""

    OK = 0
    WARN = 1
    """It works, but would surprise, or soon may not."""
    FAIL = 2
    """It could not be read, or is wrong."""

    @property
    def word(self) -> str:
        """ok, warn or fail."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, or would surprise."""

    status: Status
    detail: str
    """One line for a person; no secret, no URL."""
    subject: str | None = None
    """What of the thing looked at: a token, an address, a key of the configuration."""
    reason: Reason | None = None
    """Why it could not be read, where that is what is wrong."""

    @classmethod
    def of(cls, unread: Unread, subject: str | None = None, label: str = "") -> Problem:
        """What could not be read; `label`, where it is already said whose problem it is, is left out."""
        said = unread.detail.removeprefix(f"{label} ").removeprefix(f"{unread.reason.value}: ")
        return cls(Status.FAIL, said or unread.reason.value, subject, unread.reason)

    def __str__(self) -> str:
        reason = self.reason.value if self.reason is not None else None
        subject = None if self.subject is None or self.subject in self.detail else self.subject
        parts = [subject, None if reason == self.detail else reason, self.detail]
        return ": ".join(part for part in parts if part)


def worst(statuses: Iterable[Status]) -> Status:
    """The worst of them; of none, ok."""
    return max(statuses, default=Status.OK)


def status_of(problems: Iterable[Problem]) -> Status:
    """The worst of these problems."""
    return worst(problem.status for problem in problems)
