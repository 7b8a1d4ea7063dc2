"""Set-up: what makes `.venv/` stale, what heals, and one clear line where it cannot go on."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
NEEDED = ("pyproject.toml", "requirements.lock", "requirements-node.lock", "tools")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The files that set-up needs, somewhere else."""
    for name in NEEDED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def bootstrap(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The set-up program of that checkout, on a machine with npm, with a `.venv/` it has just finished."""
    spec = importlib.util.spec_from_file_location("bootstrap", checkout / "tools" / "bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setenv("CROSSMARGIN_CACHE", str(checkout / "cache"))
    monkeypatch.setattr(shutil, "which", lambda tool: f"/bin/{tool}")
    module.VENV_PYTHON.parent.mkdir(parents=True)
    module.VENV_PYTHON.touch()
    module.STAMP.write_text(json.dumps({**module.wanted(), "node": None}))
    return module


def test_finished_is_fresh(bootstrap: ModuleType) -> None:
    assert bootstrap.is_fresh()


@pytest.mark.parametrize("stamp", [None, "", "{", "[]", "null", "{}"])
def test_unfinished_or_damaged_is_not_fresh(bootstrap: ModuleType, stamp: str | None) -> None:
    if stamp is None:
        bootstrap.STAMP.unlink()
    else:
        bootstrap.STAMP.write_text(stamp)
    assert not bootstrap.is_fresh()


@pytest.mark.parametrize("lock", ["requirements.lock", "tools/requirements-pip.lock"])
def test_another_lock_is_not_fresh(bootstrap: ModuleType, checkout: Path, lock: str) -> None:
    with (checkout / lock).open("a") as file:
        file.write("# changed\n")
    assert not bootstrap.is_fresh()


@pytest.mark.parametrize(
    ("old", "new", "fresh"), [('"rich>=13"', '"rich>=14"', False), ("= 110", "= 111", True)]
)
def test_only_the_project_part_of_pyproject_counts(
    bootstrap: ModuleType, checkout: Path, old: str, new: str, fresh: bool
) -> None:
    pyproject = checkout / "pyproject.toml"
    assert old in pyproject.read_text()
    pyproject.write_text(pyproject.read_text().replace(old, new))
    assert bootstrap.is_fresh() is fresh


def test_a_vanished_interpreter_is_not_fresh(bootstrap: ModuleType) -> None:
    bootstrap.VENV_PYTHON.unlink()
    assert not bootstrap.is_fresh()


def test_a_moved_checkout_is_not_fresh(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "ROOT", bootstrap.ROOT / "tools" / "..")
    assert not bootstrap.is_fresh()


def test_npm_gone_is_not_fresh_until_it_is_installed(
    bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _tool: None)
    assert not bootstrap.is_fresh()
    bootstrap.STAMP.write_text(json.dumps({**bootstrap.wanted(), "node": bootstrap.wanted_node()}))
    assert bootstrap.is_fresh()


def test_a_kept_pip_runs_only_if_it_is_the_locked_one(bootstrap: ModuleType) -> None:
    wheels = bootstrap.wheel_cache()
    assert bootstrap.kept_pip_wheel() is None
    wheels.mkdir(parents=True)
    (wheels / "pip-99-py3-none-any.whl").write_bytes(b"something else")
    assert bootstrap.kept_pip_wheel() is None


def test_it_needs_the_standard_library_alone() -> None:
    tree = ast.parse((ROOT / "tools" / "bootstrap.py").read_text())
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} <= sys.stdlib_module_names


@pytest.mark.parametrize("python", ["no-such-python", "false"])
def test_no_python_is_one_clear_line(checkout: Path, python: str) -> None:
    done = subprocess.run(
        ["sh", "tools/setup.sh"],
        cwd=checkout,
        env=os.environ | {"PYTHON": python},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines() == [f"crossmargin needs Python 3.11 or newer; {python} will not do"]
    assert not (checkout / ".venv").exists()


@pytest.mark.soak
def test_a_second_checkout_needs_no_network(checkout: Path) -> None:
    """From the wheels that this checkout's own set-up kept."""
    (checkout / "LICENSE").touch()
    no_network = {"PIP_INDEX_URL": "http://127.0.0.1:9/", "PIP_RETRIES": "0", "PYTHON": sys.executable}
    done = subprocess.run(
        ["sh", "tools/setup.sh"],
        cwd=checkout,
        env=os.environ | no_network,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "fetching" not in done.stderr
    crossmargin = checkout / ".venv" / "bin" / "crossmargin"
    assert crossmargin.exists()
