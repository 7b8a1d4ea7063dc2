"""The store as it was written, read past the watch: a judge's own connection, on SQLite or PostgreSQL."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from checker.watch.message_json import message_of
from checker.watch.values import Message


@dataclass(frozen=True)
class Row:
    """A message in the outbox as it was queued."""

    id: int
    message_id: str
    channel: str
    message: Message
    created: float


@dataclass(frozen=True)
class Ended:
    """A message that was given up."""

    id: int
    created: float
    ended: float
    attempts: int
    error: str


@dataclass(frozen=True)
class Ledger:
    """Reads one store."""

    connect: Callable[[], Any]

    @classmethod
    def of(cls, url: str) -> Ledger:
        if url.startswith("sqlite:///"):
            file = Path(url.removeprefix("sqlite:///"))
            return cls(lambda: sqlite3.connect(file) if file.exists() else None)
        return cls(lambda: psycopg.connect(url.replace("postgresql+psycopg", "postgresql")))

    def rows(self, after: int) -> list[Row]:
        """Messages with greater ids, in the order of their writing."""
        asked = f"SELECT id, message_id, channel, message, created FROM outbox WHERE id > {after} ORDER BY id"
        return [
            Row(id_, message_id, channel, message_of(text), created)
            for id_, message_id, channel, text, created in self._asked(asked)
        ]

    def pending(self) -> dict[int, tuple[str, float]]:
        """Channel and time of writing of what waits, by id."""
        asked = "SELECT id, channel, created FROM outbox WHERE state = 'pending'"
        return {id_: (channel, created) for id_, channel, created in self._asked(asked)}

    def failed(self) -> list[Ended]:
        """What was given up."""
        asked = "SELECT id, created, ended, attempts, error FROM outbox WHERE state = 'failed' ORDER BY id"
        return [Ended(*row) for row in self._asked(asked)]

    def told(self) -> dict[tuple[str, str], str]:
        """Words for bands by channel and subject."""
        rows = self._asked("SELECT channel, subject, band FROM told")
        return {(channel, subject): band for channel, subject, band in rows}

    def block_of(self, subject: str) -> tuple[int, str] | None:
        """Number and hash of the first block that is remembered of a subject."""
        rows = self._asked(f"SELECT blocks FROM subjects WHERE key = '{subject}'")
        blocks = json.loads(rows[0][0]) if rows else []
        return (int(blocks[0][1]), str(blocks[0][2])) if blocks else None

    def _asked(self, query: str) -> list[Any]:
        connection = self.connect()
        if connection is None:
            return []
        try:
            return list(connection.execute(query).fetchall())
        except (sqlite3.OperationalError, psycopg.errors.UndefinedTable):  # not made yet
            return []
        finally:
            connection.close()
