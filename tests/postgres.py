"""A genuine PostgreSQL in a temporary directory, where one is installed; it ends with whoever started it.

with postgres.running() as server:          # raises NotInstalled where there is none
    url = server.new_database()             # an empty one each time
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

DEBIAN = Path("/usr/lib/postgresql")
"""Debian keeps the programs out of the path, a directory for each version."""
USER = "watch"
_STARTS_WITHIN_S = 60


class NotInstalled(Exception):
    """PostgreSQL is not on this machine."""


@dataclass
class Server:
    """A running server, reached by a socket in its own directory only."""

    socket: Path
    _start: Callable[[], Callable[[], None]]
    """Starts it; what it returns stops it again."""
    _stop: Callable[[], None] | None = None
    _numbers: Iterator[int] = field(default_factory=count)

    def go_on(self) -> None:
        """Starts it, or starts it again with all that it had committed."""
        if self._stop is None:
            self._stop = self._start()

    def halt(self) -> None:
        """Stops it as a crash would: connections break, and there are none until it goes on."""
        if self._stop is not None:
            self._stop()
        self._stop = None

    def new_database(self) -> str:
        """The URL of a place with nothing in it: a schema, which is made faster than a database."""
        name = f"test{next(self._numbers)}"
        with psycopg.connect(f"host={self.socket} user={USER} dbname=postgres") as connection:
            connection.execute(f"CREATE SCHEMA {name}".encode())
        options = f"host={self.socket}&options=-csearch_path%3D{name}"
        return f"postgresql+psycopg://{USER}@/postgres?{options}"

    def new_login(self, user: str, password: str, *schemas: str) -> None:
        """Somebody who is asked for a password, and has these schemas."""
        rules = self.socket / "data" / "pg_hba.conf"
        rules.write_text(f'local all "{user}" scram-sha-256\n{rules.read_text()}')
        name, secret = sql.Identifier(user), sql.Literal(password)
        self._do(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(name, secret))
        for schema in schemas:
            self._do(sql.SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(sql.Identifier(schema), name))
        self._do(sql.SQL("SELECT pg_reload_conf()"))

    def refuse(self, user: str) -> None:
        """From now on he cannot log in, and whoever is him is thrown out."""
        self._do(sql.SQL("ALTER ROLE {} NOLOGIN").format(sql.Identifier(user)))
        ends = sql.SQL("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = {}")
        self._do(ends.format(sql.Literal(user)))

    def allow(self, user: str) -> None:
        """He may log in again."""
        self._do(sql.SQL("ALTER ROLE {} LOGIN").format(sql.Identifier(user)))

    def _do(self, statement: sql.SQL | sql.Composed) -> None:
        with psycopg.connect(f"host={self.socket} user={USER} dbname=postgres") as connection:
            connection.execute(statement)


def programs() -> Path:
    """Where `initdb` and `postgres` are. Raises `NotInstalled`."""
    on_path = shutil.which("initdb")
    found = [Path(on_path).resolve()] if on_path else []
    found += sorted(DEBIAN.glob("*/bin/initdb"), key=lambda path: _number(path.parts[-3]), reverse=True)
    for program in found:
        if (program.parent / "postgres").is_file():
            return program.parent
    raise NotInstalled("PostgreSQL is not installed here (Debian: apt-get install postgresql)")


@contextmanager
def running() -> Iterator[Server]:
    """A server for as long as it is needed. Raises `NotInstalled`."""
    bin_ = programs()
    directory = Path(tempfile.mkdtemp(prefix="pg-"))  # short: the name of a socket is bounded
    try:
        as_user = _unprivileged(directory)
        data = directory / "data"
        options = ["-U", USER, "--auth=trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        command = [str(bin_ / "initdb"), "-D", str(data), *options]
        made = subprocess.run(command, check=False, cwd=directory, capture_output=True, text=True, **as_user)
        assert made.returncode == 0, made.stdout + made.stderr
        server = Server(directory, lambda: _started(bin_, directory, as_user))
        server.go_on()
        try:
            yield server
        finally:
            server.halt()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _started(bin_: Path, directory: Path, as_user: dict[str, Any]) -> Callable[[], None]:
    options = ["-c", "listen_addresses=", "-c", "fsync=off", "-c", f"unix_socket_directories={directory}"]
    with (directory / "log").open("ab") as log:
        command = [str(bin_ / "postgres"), "-D", str(directory / "data"), *options]
        server: subprocess.Popen[bytes] = subprocess.Popen(
            command, cwd=directory, stdout=log, stderr=log, **as_user
        )
    # Reads until this process has ended, however it did.
    script = f"read -r _ || kill -QUIT {server.pid}"
    guard = subprocess.Popen(["/bin/sh", "-c", script], stdin=subprocess.PIPE, start_new_session=True)

    def stop() -> None:
        assert guard.stdin is not None
        guard.stdin.close()
        guard.wait()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()

    try:
        _wait_until_up(directory, server)
    except BaseException:
        stop()
        raise
    return stop


def _unprivileged(directory: Path) -> dict[str, Any]:
    """How to start it: it does not run as root, so that the directory is given to someone else."""
    if os.geteuid() != 0:
        return {}
    known = {user.pw_name for user in pwd.getpwall()}
    user = pwd.getpwnam("postgres" if "postgres" in known else "nobody")
    os.chown(directory, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _wait_until_up(directory: Path, server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _STARTS_WITHIN_S
    while True:
        try:
            psycopg.connect(f"host={directory} user={USER} dbname=postgres").close()
        except psycopg.OperationalError:
            ended = server.poll() is not None or time.monotonic() > deadline
            assert not ended, (directory / "log").read_text(errors="replace")[-2000:]
            time.sleep(0.05)
        else:
            return


def _number(version: str) -> int:
    return int(version) if version.isdigit() else 0
