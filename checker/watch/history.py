"""How each subject stood over time, kept for pictures and back-tests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from checker.bands import Band
from checker.store import schema as tables
from checker.store.database import Database
from checker.watch.ground import ground_moved, kept
from checker.watch.memory import Footing, Happening
from checker.watch.message_json import band_of, blocks_of, blocks_text
from checker.watch.values import BlockFact, Kind, Observation


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

    def grounds(self, accounts: Sequence[str] | None = None) -> dict[str, dict[str, str | int]]:
        """By account the parameters it was last seen to stand on; of all accounts, or of these."""
        with self.transaction(writes=False) as connection:
            return _grounds(connection, accounts)

    def moved(self, connection: Connection, footings: Sequence[Footing]) -> list[Happening]:
        """What changed under accounts since it was kept; then the new is kept. A step of a transaction."""
        before = _grounds(connection, [one.account for one in footings], locks=True)
        found, rows = [], []
        for one in sorted(footings, key=lambda one: one.account):
            old = before.get(one.account, {})
            new = kept(old, one.parameters)
            if new == old:
                continue
            rows.append({"account": one.account, "parameters": json.dumps(new)})
            sentences = tuple(f"{one.account}: {said}" for said in ground_moved(old, one.parameters))
            for subject, name in one.told if sentences else ():
                key = f"{one.account}/ground/{one.block[2]}/{subject}"
                said = (*sentences, *one.stands)
                found.append(Happening(key, subject, name, Kind.GROUND, said, (), (one.block,)))
        self.put(connection, tables.grounds, ["account"], rows)
        return found


def _grounds(
    connection: Connection, accounts: Sequence[str] | None, *, locks: bool = False
) -> dict[str, dict[str, str | int]]:
    table = tables.grounds
    chosen = select(table.c.account, table.c.parameters).order_by(table.c.account)
    found = {}
    for piece in [None] if accounts is None else pieces(sorted(accounts)):
        these = chosen if piece is None else chosen.where(table.c.account.in_(piece))
        rows = connection.execute(these.with_for_update() if locks else these)
        found.update({row.account: json.loads(row.parameters) for row in rows})
    return found


def pieces(keys: Sequence[str], size: int = 5000) -> Iterator[Sequence[str]]:
    """Databases bound the number of parameters of a query."""
    for start in range(0, len(keys), size):
        yield keys[start : start + size]
