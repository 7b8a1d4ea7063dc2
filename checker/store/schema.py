"""The tables of the store, and how an older store becomes one of today."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    insert,
    inspect,
    select,
    text,
    update,
)

metadata = MetaData()

version = Table("schema_version", metadata, Column("version", Integer, nullable=False))
"""One row: how many of the migrations below the store has gone through."""

venues = Table(
    "venues",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String, nullable=False, unique=True),
    Column("start", BigInteger, nullable=False),
)
"""Venues that were scanned, and the block that their scan began with."""


def _venue() -> Column[int]:
    """Which venue a row is of; it goes with its venue."""
    return Column("venue", Integer, ForeignKey("venues.id", ondelete="CASCADE"), primary_key=True)


sources = Table(
    "sources",
    metadata,
    _venue(),
    Column("address", LargeBinary, primary_key=True),
    Column("topics", LargeBinary, primary_key=True),
    sqlite_with_rowid=False,
)
"""Contracts (and a digest of which of their events) that every mark of the venue covers."""

marks = Table(
    "marks",
    metadata,
    _venue(),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", String(66), nullable=False),
    sqlite_with_rowid=False,
)
"""Blocks up to which every event was found."""

holdings = Table(
    "holdings",
    metadata,
    _venue(),
    Column("id", LargeBinary, primary_key=True),
    Column("part", Integer, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)
"""What the events named."""


def _tables_of_the_book(connection: Connection) -> None:
    for table in (venues, sources, marks, holdings):
        table.create(connection)


MIGRATIONS: Sequence[Callable[[Connection], None]] = (_tables_of_the_book,)
"""Each brings a store one version further. One that was released is never changed: where a table above
changes, its old form moves into the migration that made it."""

_LOCK = 0x63726F73736D
"""Any number that other programs on the same PostgreSQL are unlikely to lock."""


class NewerSchemaError(Exception):
    """The store was written by a later version of this program."""


def migrate(connection: Connection, migrations: Sequence[Callable[[Connection], None]] = MIGRATIONS) -> None:
    """Brings the store to the newest version, in the caller's transaction.

    Raises `NewerSchemaError` for a store that is beyond it, which is left as it is.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
    if not inspect(connection).has_table(version.name):
        version.create(connection)
        connection.execute(insert(version).values(version=0))
    found = connection.execute(select(version.c.version)).scalar_one()
    if found > len(migrations):
        raise NewerSchemaError(f"version {found}, this program knows {len(migrations)}")
    for step in migrations[found:]:
        step(connection)
    if found < len(migrations):
        connection.execute(update(version).values(version=len(migrations)))
