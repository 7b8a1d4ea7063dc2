"""How each subject stood over time, kept for pictures and back-tests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from sqlalchemy import select

from checker.bands import Band
from checker.store import schema as tables
from checker.store.database import Database
from checker.watch.message_json import band_of, blocks_of, blocks_text
from checker.watch.values import BlockFact, Observation


@dataclass(frozen=True, slots=True)
class Check:
    """How a subject stood at a moment."""

    at: float
    band: Band
    blocks: tuple[BlockFact, ...]
    figures: Mapping[str, float]


class History(Database):
    """A store's history of checks."""

    def record(
        self, observations: Iterable[Observation], now: float, figures: Mapping[str, Mapping[str, float]]
    ) -> None:
        """Adds how each subject stood to the history, with a few figures of it by name."""
        rows = [
            {
                "subject": one.subject,
                "at": now,
                "band": one.band.word,
                "blocks": blocks_text(one.blocks),
                "figures": json.dumps(dict(figures.get(one.subject, {}))),
            }
            for one in observations
        ]
        with self.transaction() as connection:
            self.put(connection, tables.checks, ["subject", "at"], rows)

    def history(self, subject: str, since: float = 0.0) -> Iterator[Check]:
        """How a subject stood, the oldest first."""
        table = tables.checks
        chosen = select(table).where(table.c.subject == subject, table.c.at >= since).order_by(table.c.at)
        with self.transaction(writes=False) as connection:
            rows = connection.execute(chosen).all()
        for row in rows:
            yield Check(row.at, band_of(row.band), blocks_of(row.blocks), json.loads(row.figures))

    def grounds(self) -> dict[str, dict[str, str | int]]:
        """By account the parameters it was last seen to stand on."""
        table = tables.grounds
        with self.transaction(writes=False) as connection:
            rows = connection.execute(select(table.c.account, table.c.parameters)).all()
        return {row.account: json.loads(row.parameters) for row in rows}

    def keep_grounds(self, grounds: Mapping[str, Mapping[str, str | int]]) -> None:
        """Writes those over what was known of the same accounts."""
        rows = [
            {"account": account, "parameters": json.dumps(dict(parameters))}
            for account, parameters in grounds.items()
        ]
        if rows:
            with self.transaction() as connection:
                self.put(connection, tables.grounds, ["account"], rows)
