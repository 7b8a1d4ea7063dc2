"""The store: what is kept, in one piece, by several at once, and what its errors do not tell."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Barrier

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, create_engine, text

from chain.abi import to_address
from chain.logs import LogFilter, Mark
from checker.book.store import Source, Store, side_key, sources_of, store_url, superfluous, venue_key
from checker.config import load_config
from checker.store import engine as store_engine
from checker.store import schema as store_schema
from checker.store.engine import engine_of, parsed_url
from margin.errors import ConfigError, StoreError

KEY = "1/aave-v3/pool=0xaa"
OTHER = "1/aave-v3/pool=0xbb"
ROOT = Path(__file__).resolve().parents[3]
ONE, TWO = Source(b"\1" * 20, b"t"), Source(b"\2" * 20, b"t")


def mark(number: int, branch: int = 0) -> Mark:
    return Mark(number, f"0x{branch:032x}{number:032x}")


def user(number: int) -> bytes:
    return number.to_bytes(20, "big")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store.open(f"sqlite:///{path}") as store:
        yield store


# --- what is kept -------------------------------------------------------------------------------------


def test_what_was_added_is_there_once_and_in_order(store: Store, path: Path) -> None:
    assert store.add(KEY, mark(10), [(user(2), 1), (user(1), 5), (user(1), 0), (user(2), 1)])
    assert store.add(KEY, mark(20), {(user(2), 1), (user(3), 2**31 - 1)})
    assert store.add(OTHER, mark(15), [(b"\0" * 52, 0)])
    expected = [(user(1), 0), (user(1), 5), (user(2), 1), (user(3), 2**31 - 1)]
    for here in (store, Store.open(f"sqlite:///{path}")):
        with here:
            assert here.holdings(KEY) == expected
            assert here.marks(KEY) == [mark(20), mark(10)]
            assert here.holdings(OTHER) == [(b"\0" * 52, 0)]
            assert here.marks(OTHER) == [mark(15)]


def test_of_a_venue_not_known_there_is_nothing(store: Store) -> None:
    assert (store.marks(KEY), store.holdings(KEY), store.start(KEY), store.sources(KEY)) == (
        [],
        [],
        None,
        frozenset(),
    )
    store.forget(KEY)
    store.roll_back(KEY, 5)
    assert store.marks(KEY) == []


def test_a_block_has_one_mark_the_later_one(store: Store) -> None:
    store.add(KEY, mark(10), [])
    store.add(KEY, mark(10, branch=1), [])
    assert store.marks(KEY) == [mark(10, branch=1)]


def test_mark_and_holdings_come_together_or_not_at_all(store: Store) -> None:
    with pytest.raises(StoreError):
        store.add(KEY, Mark(10, None), [(user(1), 0)])  # type: ignore[arg-type]
    assert (store.marks(KEY), store.holdings(KEY)) == ([], [])
    with pytest.raises(StoreError):
        store.add(KEY, mark(10), [(user(1), 0), (None, 1)])  # type: ignore[list-item]
    assert (store.marks(KEY), store.holdings(KEY)) == ([], [])
    assert store.add(KEY, mark(10), [(user(1), 0)])


def test_rolling_back_drops_marks_and_keeps_candidates(store: Store) -> None:
    for number in (10, 20, 30):
        store.add(KEY, mark(number), [(user(number), 0)])
        store.add(OTHER, mark(number), [])
    store.roll_back(KEY, 20)
    assert store.marks(KEY) == [mark(20), mark(10)]
    assert len(store.holdings(KEY)) == 3
    assert len(store.marks(OTHER)) == 3


def test_forgetting_leaves_the_others(store: Store) -> None:
    side = side_key(KEY, [ONE])
    for key in (KEY, OTHER, side):
        store.begin(key, 3, [ONE, TWO])
        store.add(key, mark(10), [(user(1), 0)])
    store.forget(KEY)
    for key in (KEY, side):
        assert (store.marks(key), store.holdings(key), store.start(key), store.sources(key)) == (
            [],
            [],
            None,
            frozenset(),
        )
    assert (len(store.holdings(OTHER)), store.start(OTHER), store.sources(OTHER)) == (
        1,
        3,
        frozenset({ONE, TWO}),
    )


# --- the ladder of marks ------------------------------------------------------------------------------


def test_of_many_marks_the_newest_stay_and_ever_fewer_before(store: Store) -> None:
    for number in range(0, 3000, 3):
        store.add(KEY, mark(number), [])
    numbers = [found.number for found in store.marks(KEY)]
    assert numbers[:64] == list(range(2997, 2997 - 64 * 3, -3))
    assert len(numbers) < 64 + 13
    assert min(numbers) < 1500


@given(st.sets(st.integers(0, 2**40), min_size=1, max_size=300))
def test_wherever_a_reorg_ends_a_mark_is_not_far_before_it(numbers: set[int]) -> None:
    dropped = set(superfluous(numbers))
    kept = sorted(numbers - dropped, reverse=True)
    assert kept[:64] == sorted(numbers, reverse=True)[:64]
    assert len(kept) <= 64 + 41
    for number in dropped:
        before = [one for one in kept if one <= number]
        assert before, "never nothing below"
        assert max(numbers) - before[0] <= 2 * (max(numbers) - number), "at most twice as far back"


# --- others at the same store -------------------------------------------------------------------------


def test_a_piece_is_refused_when_its_beginning_is_gone(store: Store) -> None:
    store.add(KEY, mark(10), [])
    assert store.add(KEY, mark(20), [(user(1), 0)], after=mark(10))
    store.roll_back(KEY, 10)
    assert not store.add(KEY, mark(30), [(user(2), 0)], after=mark(20))
    assert not store.add(KEY, mark(30), [(user(2), 0)], after=mark(10, branch=1))
    assert (store.marks(KEY), store.holdings(KEY)) == ([mark(10)], [(user(1), 0)])
    store.forget(KEY)
    assert not store.add(KEY, mark(40), [], after=mark(10))


def test_a_piece_is_refused_when_the_marks_cover_more_than_it_was_searched_for(store: Store) -> None:
    store.begin(KEY, 0, [ONE, TWO])
    assert not store.add(KEY, mark(10), [], sources=[ONE])
    assert store.add(KEY, mark(10), [], sources=[ONE, TWO])
    store.keep_sources(KEY, [ONE])
    assert store.sources(KEY) == {ONE}
    assert store.add(KEY, mark(20), [], sources=[ONE])
    store.keep_sources(KEY, [ONE, TWO])
    assert store.sources(KEY) == {ONE}, "keeping adds nothing"


def test_a_venue_with_marks_is_not_begun_again(store: Store) -> None:
    store.begin(KEY, 7, [ONE])
    store.begin(KEY, 5, [ONE])
    assert store.start(KEY) == 5
    store.add(KEY, mark(10), [])
    store.begin(KEY, 0, [ONE, TWO])
    assert (store.start(KEY), store.sources(KEY)) == (5, frozenset({ONE}))


def test_new_sources_join_when_they_are_as_far(store: Store) -> None:
    side = side_key(KEY, [TWO])
    store.begin(KEY, 0, [ONE])
    store.begin(side, 0, [TWO])
    store.add(KEY, mark(10), [(user(1), 0)])
    assert not store.absorb(KEY, side, [TWO], mark(10)), "the side has not come there"
    store.add(side, mark(10), [(user(1), 0), (user(2), 0)])
    store.add(KEY, mark(11), [])
    assert not store.absorb(KEY, side, [TWO], mark(10)), "the venue has gone on without them"
    assert store.sources(KEY) == {ONE}
    store.roll_back(KEY, 10)
    assert store.absorb(KEY, side, [TWO], mark(10))
    assert store.sources(KEY) == {ONE, TWO}
    assert store.holdings(KEY) == [(user(1), 0), (user(2), 0)]
    assert (store.marks(side), store.holdings(side)) == ([], [])


WORKER = """
import sys
from chain.logs import Mark
from checker.book.store import Store
path, own = sys.argv[1], int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
with Store.open(f"sqlite:///{path}") as store:
    for piece in range(60):
        rows = [((0).to_bytes(20), piece), (own.to_bytes(20), piece)]
        assert store.add("k", Mark(piece, f"0x{piece:064x}"), rows)
"""


def test_many_open_a_new_file_at_once(tmp_path: Path) -> None:
    """The turn to a write-ahead log is refused at once, whatever a connection is ready to wait."""
    many = 6
    start = Barrier(many)

    def opens(number: int) -> str:
        engine = engine_of(parsed_url(f"sqlite:///{tmp_path / f'{number}.db'}"))
        start.wait()
        try:
            with engine.connect() as connection:
                return str(connection.exec_driver_sql("PRAGMA journal_mode").scalar_one())
        finally:
            engine.dispose()

    with ThreadPoolExecutor(many) as pool:
        for number in range(150):
            assert list(pool.map(opens, [number] * many)) == ["wal"] * many


def test_several_processes_write_one_file_at_once(path: Path) -> None:
    with ExitStack() as stack:
        workers = [
            stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", WORKER, path, str(own)],
                    cwd=ROOT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                )
            )
            for own in (1, 2, 3)
        ]
        for worker in workers:
            assert worker.stdout is not None
            assert worker.stdout.readline() == "ready\n"
        for worker in workers:  # all at once, and on a file that is not there yet
            assert worker.stdin is not None
            worker.stdin.write("\n")
            worker.stdin.flush()
        for worker in workers:
            _, complaint = worker.communicate()
            assert worker.returncode == 0, complaint
    with Store.open(f"sqlite:///{path}") as store:
        assert store.holdings("k") == [(user(own), piece) for own in range(4) for piece in range(60)]
        assert len(store.marks("k")) == 60
    assert integrity(path) == "ok"


def test_who_will_write_has_the_store_to_itself_from_the_beginning(store: Store, path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None, timeout=0)
    try:
        with store.transaction(), pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        with store.transaction(writes=False):
            other.execute("BEGIN IMMEDIATE")
    finally:
        other.close()


def integrity(path: Path) -> str:
    connection = sqlite3.connect(path)
    try:
        return str(connection.execute("PRAGMA integrity_check").fetchone()[0])
    finally:
        connection.close()


def test_a_store_that_stays_locked_says_so(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_engine, "_BUSY_S", 0.05)
    with Store.open(f"sqlite:///{path}") as store:
        store.add(KEY, mark(1), [])
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        try:
            with pytest.raises(StoreError, match="database is locked"):
                store.add(KEY, mark(2), [])
            assert store.marks(KEY) == [mark(1)], "reading goes on"
            assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        finally:
            other.close()
        assert store.add(KEY, mark(2), [])


# --- versions -----------------------------------------------------------------------------------------


def test_a_store_of_a_later_version_is_left_alone(path: Path) -> None:
    with Store.open(f"sqlite:///{path}") as store:
        store.add(KEY, mark(1), [])
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("UPDATE schema_version SET version = 999")
    connection.close()
    with pytest.raises(ConfigError, match=r"store\.db.*later version of this program \(version 999"):
        Store.open(f"sqlite:///{path}")
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT version FROM schema_version").fetchall() == [(999,)]
    assert connection.execute("SELECT count(*) FROM marks").fetchall() == [(1,)]
    connection.close()


def test_an_older_store_goes_through_each_migration_once(path: Path) -> None:
    done: list[str] = []

    def second(connection: Connection) -> None:
        connection.execute(text("ALTER TABLE venues ADD COLUMN note VARCHAR"))
        done.append("second")

    def failing(connection: Connection) -> None:
        connection.execute(text("CREATE TABLE half (id INTEGER)"))
        raise RuntimeError

    with Store.open(f"sqlite:///{path}") as store:
        store.add(KEY, mark(1), [(user(1), 0)])
        steps = [*store_schema.MIGRATIONS, second]
        for _ in range(2):
            with store.transaction() as connection:
                store_schema.migrate(connection, steps)
        assert done == ["second"]
        with pytest.raises(RuntimeError), store.transaction() as connection:
            store_schema.migrate(connection, [*steps, failing])
        assert store.holdings(KEY) == [(user(1), 0)]
    raw = sqlite3.connect(path)
    assert raw.execute("SELECT version FROM schema_version").fetchall() == [(len(steps),)]
    assert raw.execute("SELECT note FROM venues").fetchall() == [(None,)]
    assert not raw.execute("SELECT 1 FROM sqlite_master WHERE name = 'half'").fetchall()
    raw.close()


# --- where it is, and what is not told ----------------------------------------------------------------


def test_a_venue_is_its_contracts_and_its_chain() -> None:
    pool, other = to_address("0x" + "ab" * 20), to_address("0x" + "cd" * 20)
    key = venue_key(1, "aave-v3", {"pool": pool, "data": other})
    assert key == venue_key(1, "aave-v3", {"data": other, "pool": pool})
    others = [
        venue_key(10, "aave-v3", {"pool": pool, "data": other}),
        venue_key(1, "aave-v2", {"pool": pool, "data": other}),
        venue_key(1, "aave-v3", {"pool": other, "data": pool}),
        venue_key(1, "aave-v3", {"pool": pool}),
    ]
    assert len({key, *others}) == 5


def test_sources_tell_contracts_and_topics_apart() -> None:
    pool, token = to_address("0x" + "ab" * 20), to_address("0x" + "cd" * 20)
    both = sources_of(LogFilter((pool, token), (b"\1" * 32, b"\2" * 32)))
    assert both == sources_of(LogFilter((token, pool, pool), (b"\2" * 32, b"\1" * 32)))
    assert len(both) == 2
    assert sources_of(LogFilter((pool,), (b"\1" * 32, b"\2" * 32))) < both
    assert not sources_of(LogFilter((pool,), (b"\1" * 32,))) & both


def test_without_configuration_the_store_is_a_file_of_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "a ?#% directory"))
    monkeypatch.chdir(tmp_path)
    with Store.open(store_url(load_config(rpc={"local": ["http://127.0.0.1:1"]}))) as store:
        store.add(KEY, mark(1), [])
    assert (Path(typer.get_app_dir("crossmargin")) / store_engine.FILE_NAME).is_file()


def test_a_relative_path_is_one_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("crossmargin.toml").write_text('[store]\nurl = "sqlite:///here.db"\n')
    Store.open(store_url(load_config())).close()
    assert (tmp_path / "here.db").is_file()


def test_a_directory_that_can_not_be_made_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(typer, "get_app_dir", lambda _: str(tmp_path / "file" / "below"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match="below cannot be made"):
        store_url(load_config())


def test_what_is_no_store_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database " * 100)
    for place, said in (
        ("missing/store.db", "unable to open database file"),
        ("text", "file is not a database"),
    ):
        with pytest.raises(ConfigError, match=said) as caught:
            Store.open(f"sqlite:///{tmp_path / place}")
        assert "\n" not in str(caught.value)
    assert (tmp_path / "text").read_text() == "no database " * 100


SECRET = "hunter2topsecret"


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://user:{SECRET}@127.0.0.1:1/book",
        f"postgresql+psycopg://user:{SECRET}@127.0.0.1:1/book?password={SECRET}",
        f"postgresql+asyncpg://user:{SECRET}@127.0.0.1:1/book",
        f"postgresql+nosuchdriver://user:{SECRET}@127.0.0.1:1/book",
        f"postgresql://user:{SECRET}@127.0.0.1:{SECRET}/book",
        f"{SECRET}://x",
        SECRET,
        f"sqlite:////nowhere/store.db?key={SECRET}",
    ],
)
def test_a_secret_in_the_url_is_told_nowhere(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Store.open(url)
    told = "".join(traceback.format_exception(caught.value, chain=True))
    # The line of this test that is in the traceback names the variable, not its value.
    assert SECRET not in told
    assert SECRET not in repr(caught.value)


def test_a_broken_file_is_told_when_it_is_read(path: Path) -> None:
    with Store.open(f"sqlite:///{path}") as store:
        store.add(KEY, mark(1), [(user(at), 0) for at in range(5000)])
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    engine.dispose()
    content = bytearray(path.read_bytes())
    content[8192:] = b"\xff" * (len(content) - 8192)
    path.write_bytes(content)
    with pytest.raises((StoreError, ConfigError), match=r"malformed|not a database"):
        holdings_in(path)


def holdings_in(path: Path) -> int:
    with Store.open(f"sqlite:///{path}") as store:
        return len(store.holdings(KEY))
