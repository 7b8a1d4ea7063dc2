"""The habits of this repository, held: what every tracked file, lock file, package and target keeps to."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("margin", "chain", "protocols", "checker", "localnet")
LOCKS = sorted([*ROOT.glob("*.lock"), *(ROOT / "tools").glob("*.lock")])
LONGEST_FILE = 350

# The patterns are put together from pieces, so that this file does not hold what it looks for.
NEVER = {
    "a registry's host": "|".join(
        [
            "registry" + r"\.npmjs",
            "registry" + r"\.yarnpkg",
            "py" + r"pi\.org",
            "python" + "hosted",
            "deb" + r"\.debian",
        ]
    ),
    "a path of one machine": r"(?:^|[^\w./])/(?:wor[k]|far[m]|roo[t]|home/[a-z]\w*|Users/[A-Za-z]\w*)/",
    "a secret": "|".join(
        [
            "BEGIN [A-Z ]*PRIVATE" + " KEY",
            r"\bgh[pousr]_" + "[0-9A-Za-z]{30}",
            r"\bAKIA" + "[0-9A-Z]{16}",
            r"\bxox[abp]-" + "[0-9A-Za-z-]{10}",
            r"discord(?:app)?\.com/api/webhooks/" + r"\d{17}",
            r"(?:infura\.io/v3|alchemy\.com/v2)/" + r"[\w-]{20}",
        ]
    ),
    "words about how the work was organised": "|".join(
        [
            r"\b(?:developer|helper)" + r" session\b",
            r"\bsub" + r"-?agent\b",
            r"\bclosing" + r" note\b",
            r"\bissue" + r" #?\d",
        ]
    ),
}


def tracked() -> Iterator[tuple[Path, str]]:
    """Every text file that git knows here, with its text."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z"]  # whoever owns the checkout
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    for name in listed.decode().split("\0"):
        path = ROOT / name
        if name and path.is_file():
            content = path.read_bytes()
            if b"\0" not in content:
                yield path, content.decode()


def sources() -> list[Path]:
    """Every Python file of the packages."""
    return sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


@pytest.fixture(scope="module")
def project() -> dict[str, object]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def makefile() -> str:
    return (ROOT / "Makefile").read_text()


# --- what no file holds -----------------------------------------------------------------------------------


@pytest.mark.parametrize("what", NEVER)
def test_no_tracked_file_holds(what: str) -> None:
    pattern = re.compile(NEVER[what], re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path, text in tracked()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]
    assert not found, f"{what}:\n" + "\n".join(found)


@pytest.mark.parametrize(
    ("what", "line"),
    [
        ("a registry's host", "index = https://py" + "pi.org/simple"),
        ("a path of one machine", 'root = "/ho' + 'me/alice/src"'),
        ("a secret", "-----BEGIN RSA PRIVATE" + " KEY-----"),
        ("words about how the work was organised", "see issue" + " #12"),
    ],
)
def test_the_patterns_do_find(what: str, line: str) -> None:
    assert re.search(NEVER[what], line, re.IGNORECASE)


# --- lock files -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_lock_pins_every_package_with_hashes_and_names_no_place(lock: Path) -> None:
    text = lock.read_text()
    logical = [line.strip() for line in text.replace("\\\n", " ").splitlines()]
    entries = [line for line in logical if line and not line.startswith("#")]
    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9][a-z0-9.-]*==[^\s;]+( ;.*?)?\s+--hash=sha256:[0-9a-f]{64}", entry), entry[
            :80
        ]
    assert "://" not in text


def test_lock_holds_everything_the_project_asks_for(project: dict[str, object]) -> None:
    locked = set(re.findall(r"^([a-z0-9.-]+)==", "".join(lock.read_text() for lock in LOCKS), re.MULTILINE))
    asked = [*project["project"]["dependencies"], *project["build-system"]["requires"]]  # type: ignore[index]
    for group in project["dependency-groups"].values():  # type: ignore[attr-defined]
        asked += group
    names = {re.split(r"[^A-Za-z0-9._-]", each)[0].lower() for each in asked}
    assert names <= locked


def test_installed_packages_fit_each_other() -> None:
    check = subprocess.run(
        [sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, check.stdout + check.stderr


# --- packages ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("package", PACKAGES)
def test_package_is_typed_and_says_what_it_is(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()
    assert ast.get_docstring(ast.parse((ROOT / package / "__init__.py").read_text()))


def test_no_file_is_too_long_to_read() -> None:
    lengths = {path.relative_to(ROOT): len(path.read_text().splitlines()) for path in sources()}
    assert not {path: length for path, length in lengths.items() if length > LONGEST_FILE}


def test_no_failure_is_swallowed_wholesale() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {ast.unparse(node).splitlines()[0]}"
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text()))
        if swallows_everything(node)
    ]
    assert not found, "name the errors that are expected here:\n" + "\n".join(found)


def swallows_everything(node: ast.AST) -> bool:
    """Whether this `except` or `suppress` would also hide a bug; to clean up and raise on is fine."""
    if isinstance(node, ast.ExceptHandler):
        last = node.body[-1]
        caught = [] if isinstance(last, ast.Raise) and last.exc is None else [node.type]
    elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
        caught = list(node.args)
    else:
        return False
    flat = [each for one in caught for each in (one.elts if isinstance(one, ast.Tuple) else [one])]
    return any(each is None or ast.unparse(each) in {"Exception", "BaseException"} for each in flat)


@pytest.mark.parametrize(
    ("code", "everything"),
    [
        ("try: f()\nexcept: pass", True),
        ("try: f()\nexcept Exception: pass", True),
        ("try: f()\nexcept (OSError, BaseException): pass", True),
        ("with contextlib.suppress(Exception): f()", True),
        ("try: f()\nexcept BaseException:\n  g()\n  raise Other from None", True),
        ("try: f()\nexcept BaseException:\n  g()\n  raise", False),
        ("try: f()\nexcept (OSError, ValueError): pass", False),
        ("with suppress(KeyError): f()", False),
    ],
)
def test_what_counts_as_wholesale(code: str, everything: bool) -> None:
    assert any(map(swallows_everything, ast.walk(ast.parse(code)))) is everything


# --- commands, CI, documents ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target", ["setup", "demo", "test", "soak", "check", "bench", "lock", "clean", "help"]
)
def test_make_target_exists_and_is_explained(makefile: str, target: str) -> None:
    assert re.search(rf"^{target}:.* ## \S", makefile, re.MULTILINE)
    assert re.search(rf"^\.PHONY:.*\b{target}\b", makefile, re.MULTILINE)


def test_ci_runs_the_checks_then_the_tests() -> None:
    script = ROOT / ".ci" / "run"
    lines = script.read_text().splitlines()
    assert script.stat().st_mode & 0o111
    assert "set -euo pipefail" in lines
    assert lines.index("make check") < lines.index("make test")


def test_the_version_is_in_the_changelog(project: dict[str, object]) -> None:
    version = project["project"]["version"]  # type: ignore[index]
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] in {"Unreleased", version}
    released = [heading for heading in headings if heading != "Unreleased"]
    assert not released or released[0] == version


def test_contributing_begins_with_adding_a_protocol() -> None:
    headings = re.findall(r"^#+ (.+)", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert headings[1] == "Add a protocol"


def test_the_command_is_the_one_of_the_interface(project: dict[str, object]) -> None:
    assert project["project"]["scripts"] == {"crossmargin": "checker.cli:main"}  # type: ignore[index]
