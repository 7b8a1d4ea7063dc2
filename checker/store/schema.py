"""The tables of the store, and how an older store becomes one of today."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
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

subjects = Table(
    "subjects",
    metadata,
    Column("key", String, primary_key=True),
    Column("band", String),
    Column("seen", String),
    Column("unknown_since", Double),
    Column("at", Double, nullable=False),
    Column("blocks", Text, nullable=False),
)
"""What the watch remembers of a wallet, or of itself. Bands are kept as words, times as seconds since 1970,
blocks and messages as JSON, here and below."""

told = Table(
    "told",
    metadata,
    Column("channel", String, primary_key=True),
    Column("subject", String, primary_key=True),
    Column("band", String, nullable=False),
    Column("at", Double, nullable=False),
    Column("facts", Text, nullable=False),
    Column("known", String, nullable=False),
)
"""What was last put into the outbox for a channel about a subject, the figures it was told with, and where
it was unknown the band of what could be read of it."""

outbox = Table(
    "outbox",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("message_id", String(32), nullable=False, unique=True),
    Column("channel", String, nullable=False),
    Column("message", Text, nullable=False),
    Column("created", Double, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt", Double, nullable=False),
    Column("claimed_by", String),
    Column("claimed_until", Double),
    Column("state", String, nullable=False),
    Column("ended", Double),
    Column("error", String),
    Index("outbox_by_state", "state", "next_attempt"),
    sqlite_autoincrement=True,
)
"""Messages: `pending`, `sent` once the channel has acknowledged, or `failed` when given up."""

waiting = Table(
    "waiting",
    metadata,
    Column("channel", String, primary_key=True),
    Column("subject", String, primary_key=True),
    Column(
        "message",
        BigInteger,
        ForeignKey("outbox.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
        index=True,
    ),
)
"""Whom each pending message is about: the next one about the same waits for it."""

resting = Table(
    "resting",
    metadata,
    Column("channel", String, primary_key=True),
    Column("until", Double, nullable=False),
    Column("since", Double, nullable=False),
)
"""Channels that asked to be left alone."""

happenings = Table(
    "happenings",
    metadata,
    Column("key", String, primary_key=True),
    Column("subject", String, nullable=False),
    Column("happening", Text),
    Column("at", Double, nullable=False),
    Index("happenings_by_subject", "subject"),
)
"""What happened once, so that it is told once; without its text when it has been put into the outbox."""

silences = Table(
    "silences",
    metadata,
    Column("subject", String, primary_key=True),
    Column("until", Double, nullable=False),
)
"""Of whom nothing is said until then."""

checks = Table(
    "checks",
    metadata,
    Column("subject", String, primary_key=True),
    Column("at", Double, primary_key=True),
    Column("band", String, nullable=False),
    Column("blocks", Text, nullable=False),
    Column("figures", Text, nullable=False),
    Index("checks_by_time", "at"),
)
"""How each subject stood, for pictures and back-tests."""


grounds = Table(
    "grounds",
    metadata,
    Column("account", String, primary_key=True),
    Column("parameters", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""By venue and account the parameters it was last seen to stand on, as JSON."""


def _tables_of_the_book(connection: Connection) -> None:
    for table in (venues, sources, marks, holdings):
        table.create(connection)


def _tables_of_the_watch(connection: Connection) -> None:
    told_then = Table(
        "told",
        MetaData(),
        Column("channel", String, primary_key=True),
        Column("subject", String, primary_key=True),
        Column("band", String, nullable=False),
        Column("at", Double, nullable=False),
    )
    resting_then = Table(
        "resting",
        MetaData(),
        Column("channel", String, primary_key=True),
        Column("until", Double, nullable=False),
    )
    then = (told_then, resting_then)
    for table in (subjects, *then, outbox, waiting, happenings, silences, checks, grounds):
        table.create(connection)


def _what_was_told_and_since_when_channels_rest(connection: Connection) -> None:
    connection.execute(text("ALTER TABLE told ADD COLUMN facts TEXT NOT NULL DEFAULT '[]'"))
    connection.execute(text("ALTER TABLE told ADD COLUMN known VARCHAR NOT NULL DEFAULT 'ok'"))
    connection.execute(text("ALTER TABLE resting ADD COLUMN since DOUBLE PRECISION NOT NULL DEFAULT 0"))


MIGRATIONS: Sequence[Callable[[Connection], None]] = (
    _tables_of_the_book,
    _tables_of_the_watch,
    _what_was_told_and_since_when_channels_rest,
)
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
