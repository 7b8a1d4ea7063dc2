"""Where the store is, and how its database is opened: no word of its URL ever leaves this file."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path
from typing import Any

import typer
from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError, SQLAlchemyError

from checker.config import Config
from margin.errors import ConfigError

FILE_NAME = "store.sqlite"
_ANSWER_S = 30
"""How long PostgreSQL may take over one statement, or a lock."""
_BUSY_S = 60.0
"""How long a process waits while another writes."""


def store_url(config: Config) -> URL:
    """The store's URL by the configuration, or a file in the user's own directory, which is made.

    Raises `ConfigError`, which never repeats the URL.
    """
    if config.document.store is not None:
        return parsed_url(config.document.store.url.get_secret_value())
    directory = Path(typer.get_app_dir("crossmargin"))
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError("store", f"{directory} cannot be made: {error.strerror}") from None
    return URL.create("sqlite", database=str(directory / FILE_NAME))


def parsed_url(url: str) -> URL:
    """A URL of a database. Raises `ConfigError`, which never repeats it."""
    found: URL | None
    try:
        found = make_url(url)
    except (ArgumentError, ValueError):
        found = None
    if found is None:  # raised out here: an exception that is chained would hold the URL
        raise ConfigError("store.url", "not a URL of a database")
    # SQLAlchemy's own default is an older driver than the one this project names.
    return found.set(drivername="postgresql+psycopg") if found.drivername == "postgresql" else found


def problem_of(error: SQLAlchemyError) -> str:
    """What failed, in words that hold nothing of the URL."""
    if isinstance(error, DBAPIError) and type(error.orig).__module__ == "sqlite3":
        return str(error.orig)[:200]
    inner = error.orig if isinstance(error, DBAPIError) else error
    if (
        isinstance(error, OperationalError)
        and error.connection_invalidated is False
        and error.statement is None
    ):
        return "store.url: the database can not be reached, or refuses the login"
    return f"the database fails ({type(inner).__name__})"


def engine_of(url: URL) -> Engine:
    """What opens connections there; none is opened yet. Raises `ConfigError`."""
    found: Engine | None = None
    is_sqlite = url.get_backend_name() == "sqlite"
    if is_sqlite and url.query:
        raise ConfigError("store.url", "a SQLite URL takes no options")
    # Raised below and not in here: an exception that is chained would hold the URL.
    with contextlib.suppress(SQLAlchemyError, ImportError):
        found = create_engine(url, connect_args={"timeout": _BUSY_S} if is_sqlite else _impatient(url))
    if found is None:
        known = url.get_backend_name() == "postgresql"
        needs = (
            "PostgreSQL needs the Python package psycopg" if known else "not a database this program knows"
        )
        raise ConfigError("store.url", needs)
    if is_sqlite:
        event.listen(found, "connect", _prepare_sqlite)
        event.listen(found, "begin", _begin_sqlite)
    return found


def _impatient(url: URL) -> dict[str, Any]:
    """What makes a server that does not answer an error; what the URL says itself stands."""
    limits = f"-c statement_timeout={_ANSWER_S * 1000} -c lock_timeout={_ANSWER_S * 1000}"
    given = str(url.query.get("options", ""))
    found: dict[str, Any] = {
        "connect_timeout": 10,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": _ANSWER_S * 1000,
    }
    return {name: value for name, value in found.items() if name not in url.query} | {
        "options": f"{limits} {given}".strip()
    }


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # we begin transactions ourselves, below
    connection.execute("PRAGMA foreign_keys=ON")
    _keep_a_log(connection)
    connection.execute("PRAGMA synchronous=NORMAL")


def _keep_a_log(connection: Any) -> None:
    """Turns to a write-ahead log, which two who open a new file at once may refuse each other.

    SQLite answers that one lock at once and not after the connection's own time (it could wait for ever).
    """
    end = time.monotonic() + _BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
        time.sleep(0.005)


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads first and writes later would fail when another has written in between.
    writes = connection.get_execution_options().get("writes", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
