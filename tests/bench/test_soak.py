"""The soak report, on small runs of pytest of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CONFTEST = """
import sys
sys.path.insert(0, {root!r})
from bench.soak import SoakReport
from pathlib import Path

def pytest_configure(config):
    config.pluginmanager.register(SoakReport(Path({path!r})))
"""
TESTS = """
import pytest
from hypothesis import assume, given, settings, strategies as st

@pytest.fixture(scope="module", params=["3.0.2", "3.2"])
def version(request):
    return request.param

@settings(max_examples=40, database=None)
@given(n=st.integers(0, 10**9))
def test_a_number_is_itself(version, n):
    assume(n % 2 == 0)
    assert n == n

@settings(max_examples=40, database=None)
@given(n=st.integers(0, 10**9))
def test_every_number_is_small(n):
    assert n < {bound}

def test_plain():
    pass

@pytest.mark.skip(reason="not here")
def test_left_out():
    pass
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "tests").mkdir()
    (tmp_path / "pytest.ini").write_text("[pytest]\ntestpaths = tests\n")
    path = str(tmp_path / "SOAK.md")
    (tmp_path / "tests" / "conftest.py").write_text(CONFTEST.format(root=str(ROOT), path=path))
    write(tmp_path, bound=10**9 + 1)
    return tmp_path


def write(project: Path, bound: int) -> None:
    (project / "tests" / "test_numbers.py").write_text(TESTS.format(bound=bound))


def run(project: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize("arguments", [(), ("-n", "2")], ids=["alone", "two workers"])
def test_a_whole_run_is_written_down(project: Path, arguments: tuple[str, ...]) -> None:
    assert "SOAK.md written" in run(project, *arguments)
    text = (project / "SOAK.md").read_text()
    assert "| result | **passed**: 4 passed, 1 skipped |" in text
    assert "| properties | 3, with 120 examples tried |" in text
    assert "| commit" not in text
    assert "| crossmargin | " in text
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| test_numbers: ")]
    assert [(row[0][16:], row[1], row[2], row[4]) for row in rows] == [
        ("a number is itself", "3.0.2", "40", "passed"),
        ("a number is itself", "3.2", "40", "passed"),
        ("every number is small", "", "40", "passed"),
    ]
    assert int(rows[0][3]) > 0
    assert rows[2][3] == "0"


def test_a_failure_is_named(project: Path) -> None:
    write(project, bound=0)
    run(project)
    text = (project / "SOAK.md").read_text()
    assert "| result | **failed**: 1 failed, 3 passed, 1 skipped |" in text
    assert "- `tests/test_numbers.py::test_every_number_is_small`" in text


@pytest.mark.parametrize(
    "arguments",
    [
        ("-k", "plain"),
        *(
            pytest.param(more, marks=pytest.mark.soak)
            for more in (
                ("-x",),
                ("tests/test_numbers.py",),
                ("-m", "slow"),
                ("--deselect", "tests/x"),
                ("--co",),
            )
        ),
    ],
    ids=str,
)
def test_a_part_of_a_run_leaves_the_file_alone(project: Path, arguments: tuple[str, ...]) -> None:
    (project / "SOAK.md").write_text("as it was")
    run(project, *arguments)
    assert (project / "SOAK.md").read_text() == "as it was"


def test_an_interrupted_run_leaves_the_file_alone(project: Path) -> None:
    (project / "tests" / "test_stop.py").write_text("def test_it():\n    raise KeyboardInterrupt\n")
    run(project)
    assert not (project / "SOAK.md").exists()
