"""Stores of both kinds: a file, and a database on a genuine PostgreSQL where one is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from checker.bands import Band
from checker.config import load_config
from checker.demo.world import World
from checker.watch.log import nobody
from checker.watch.store import WatchStore
from checker.watch.values import ChannelKey
from checker.watch.watcher import Watcher
from tests import postgres
from tests.checker.watch.scene import IMPATIENT, WALLETS, Scene, Taken
from tests.faults import FaultProxy


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


@pytest.fixture
def scene(world: World, proxy: FaultProxy, tmp_path: Path) -> Iterator[Scene]:
    market = world.markets["3.2"]
    lines = [f'[chains.local]\nrpc = ["{proxy.url}"]\nchain_id = 31337\n\n[[venues]]\nchain = "local"']
    lines.append(f'protocol = "aave-v3"\npool_addresses_provider = "{market.addresses_provider.address}"\n')
    lines += [f'[[wallets]]\nlabel = "{name}"\naddresses = ["{market.cast[name]}"]\n' for name in WALLETS]
    (tmp_path / "watch.toml").write_text("\n".join(lines))
    config = load_config(tmp_path / "watch.toml")
    channel, clock = Taken(), [1_800_000_000.0]
    with WatchStore.open(f"sqlite:///{tmp_path / 'watch.db'}") as store:
        watcher = Watcher(
            config,
            store,
            {ChannelKey("taken", Band.WARNING): channel},
            nobody,
            node_patience=IMPATIENT,
            now=lambda: clock[0],
        )
        yield Scene(world, market, proxy, watcher, channel, clock)
