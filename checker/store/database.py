"""An open database of the project: opened, brought up to date, used in transactions, closed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from sqlalchemy import URL, Connection, Engine, Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from checker.store import schema
from checker.store.engine import engine_of, parsed_url, problem_of
from margin.errors import ConfigError, StoreError


class Database:
    """An open store. Raises `StoreError` from every method when the database fails."""

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine, self._name = engine, name
        self.insert = postgresql.insert if engine.dialect.name == "postgresql" else sqlite.insert

    @classmethod
    def open(cls, url: str | URL) -> Self:
        """The store at a URL, made or brought up to date where needed.

        Raises `ConfigError` for a URL or file that can not be used, or a store of a later version.
        """
        url = parsed_url(url) if isinstance(url, str) else url
        engine = engine_of(url)
        # A URL may hold a password; the name of a file does not.
        name = f"store {url.database!a}" if engine.dialect.name == "sqlite" else "store"
        store = cls(engine, name)
        problem = None
        try:
            with store.transaction() as connection:
                schema.migrate(connection)
        except schema.NewerSchemaError as error:
            problem = f"written by a later version of this program ({error})"
        except StoreError as error:
            problem = error.problem
        if problem is not None:
            engine.dispose()
            raise ConfigError(name, problem)
        return store

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._name})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes every connection."""
        self._engine.dispose()

    @contextmanager
    def transaction(self, *, writes: bool = True) -> Iterator[Connection]:
        """One transaction, all or nothing; with `writes`, nobody else writes until it ends (SQLite)."""
        problem = None
        try:
            with self._engine.connect() as connection:
                connection.execution_options(writes=writes)
                with connection.begin():
                    yield connection
        except SQLAlchemyError as error:
            problem = problem_of(error)
        if problem is not None:  # without what came before: a driver's own words may hold parts of the URL
            raise StoreError(self._name, problem) from None

    def put(
        self, connection: Connection, table: Table, keys: Sequence[str], rows: Sequence[Mapping[str, Any]]
    ) -> None:
        """Writes rows, each with the same columns, over those with the same keys."""
        if rows:
            row = self.insert(table)
            others = {name: row.excluded[name] for name in rows[0] if name not in keys}
            connection.execute(row.on_conflict_do_update(index_elements=list(keys), set_=others), list(rows))
