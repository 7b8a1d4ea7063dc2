"""What can go wrong, in one short tree.

CrossmarginError                  every error this project expects to raise
├── ConfigError                   the user's configuration or arguments are wrong
├── ReadError                     something outside could not be read; carries an `Unread`
│   ├── EndpointError             one endpoint of a chain failed (the next may not)
│   └── ChainUnreadable           no endpoint of a chain could answer
├── VenueError                    a venue is not there, or not what the address book says
├── StoreError                    the store could not be read or written
├── Undecided                     an exact search used up its budget
└── LocalnetError                 the local chain or its packages could not be set up

Every error carries its subject and reads as one clear line. Failure of one account among many
is not an exception: it is an `Unread` value (see `margin.basics`).
"""

from __future__ import annotations

from margin.basics import Unread


class CrossmarginError(Exception):
    """Base class of every error expected during normal operation."""


class ConfigError(CrossmarginError):
    """A file, argument or environment variable holds something that cannot be used."""

    def __init__(self, where: str, problem: str) -> None:
        self.where = where
        self.problem = problem
        super().__init__(f"{where}: {problem}")


class ReadError(CrossmarginError):
    """Something outside could not be read, for a reason that is a value."""

    def __init__(self, subject: str, unread: Unread) -> None:
        self.subject = subject
        self.unread = unread
        super().__init__(f"{subject}: {unread}")


class EndpointError(ReadError):
    """One endpoint of a chain failed; `subject` is its label, never its URL."""


class ChainUnreadable(ReadError):
    """No endpoint of a chain could answer; `subject` is the chain's name."""


class VenueError(CrossmarginError):
    """The venue's contracts are not there, or are not a version this project knows."""

    def __init__(self, venue: str, problem: str) -> None:
        self.venue = venue
        self.problem = problem
        super().__init__(f"{venue}: {problem}")


class StoreError(CrossmarginError):
    """The store could not be read or written: it is locked, full, broken or out of reach."""

    def __init__(self, store: str, problem: str) -> None:
        self.store = store
        self.problem = problem
        super().__init__(f"{store}: {problem}")


class Undecided(CrossmarginError):
    """An exact search stopped at its budget before it could decide."""

    def __init__(self, subject: str, steps: int) -> None:
        self.subject = subject
        self.steps = steps
        super().__init__(f"{subject}: undecided after {steps} steps")


class LocalnetError(CrossmarginError):
    """Anvil, npm or a package needed for the local chain could not be had or did not work."""
