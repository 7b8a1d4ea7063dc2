"""Stores of both kinds: a file, and a database on a genuine PostgreSQL where one is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from checker.watch.store import WatchStore
from tests import postgres


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    try:
        bin_ = postgres.programs()
    except postgres.NotInstalled as error:
        pytest.skip(str(error))
    assert bin_.is_dir()
    with postgres.running() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """URLs of empty stores, one each time."""
    if request.param == "postgresql":
        server: postgres.Server = request.getfixturevalue("postgres_server")
        return server.new_database
    numbers = iter(range(1_000_000))
    return lambda: f"sqlite:///{tmp_path / f'store{next(numbers)}.db'}"


@pytest.fixture
def url(new_url: Callable[[], str]) -> str:
    """The URL of an empty store, of each kind in turn."""
    return new_url()


@pytest.fixture
def store(url: str) -> Iterator[WatchStore]:
    with WatchStore.open(url) as store:
        yield store
