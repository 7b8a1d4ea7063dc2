"""One chain with two genuine markets for all tests of the room, and the command line in-process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from checker.cli import run_command
from checker.demo.world import World, raise_world
from tests.faults import FaultProxy

SCHEMAS = Path(__file__).resolve().parents[2] / "docs" / "schemas"


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """stdout, which is one valid JSON document and nothing else."""
        document = json.loads(self.out)
        schema_of(document["schema"].partition(".")[2].partition("/")[0]).validate(document)
        return document

    @property
    def complaint(self) -> str:
        """The one line of an error: nothing on stdout, exit code 3."""
        assert (self.code, self.out) == (3, "")
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        return lines[0]


@cache
def schema_of(name: str) -> jsonschema.Draft202012Validator:
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


Run = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def width(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same everywhere, whatever these tests are started from."""
    monkeypatch.setenv("COLUMNS", "100")


@pytest.fixture
def run(capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs one command in an empty directory without a configuration of the user's."""
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home" / ".config"))

    def command(*arguments: object) -> Outcome:
        capfdbinary.readouterr()
        code = run_command([str(argument) for argument in arguments])
        out, err = capfdbinary.readouterr()
        return Outcome(code, out.decode(), err.decode())

    return command


@pytest.fixture(scope="session")
def shared_world() -> Iterator[World]:
    world = raise_world()
    with world.anvil:
        yield world


@pytest.fixture
def world(shared_world: World) -> Iterator[World]:
    """Two markets on one chain; whatever a test does to them is taken back."""
    snapshot = shared_world.anvil.snapshot()
    yield shared_world
    shared_world.anvil.revert(snapshot)


@pytest.fixture
def config(world: World, tmp_path: Path) -> Path:
    """The world's configuration file."""
    path = tmp_path / "world.toml"
    path.write_text(world.config_text())
    return path


@pytest.fixture
def proxy(world: World) -> Iterator[FaultProxy]:
    with FaultProxy(world.anvil.url) as proxy:
        yield proxy
