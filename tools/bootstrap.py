"""Make `.venv/` in this checkout from the lock files, with nothing but a bare Python 3.11 or newer.

The stamp in `.venv/` is written last, so an interrupted set-up is simply made again. Wheels are kept in the
user's cache directory and checked against their hashes on every use; a second checkout downloads nothing.
`--is-fresh` only answers, by its exit status, whether there is anything to do.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / ".stamp"
LOG = VENV / "setup.log"
VENV_PYTHON = VENV / "bin" / "python"
LOCK = ROOT / "requirements.lock"
PIP_LOCK = ROOT / "tools" / "requirements-pip.lock"
NODE_LOCK = ROOT / "requirements-node.lock"
DEBIAN_WHEELS = Path("/usr/share/python-wheels")

Command = list[str]


class SetupError(Exception):
    """Set-up cannot go on; the message is the one line the user needs."""


def main(arguments: list[str]) -> int:
    """Set up, or with `--is-fresh` only look."""
    if arguments == ["--is-fresh"]:
        return 0 if is_fresh() else 1
    try:
        with only_one_at_a_time():
            if not is_fresh():
                set_up()
    except SetupError as error:
        say(f"set-up failed: {error}")
        return 1
    except KeyboardInterrupt:
        say("set-up interrupted; the next one starts again")
        return 130
    return 0


# --- what is wanted, and whether it is there ----------------------------------------------------------------


def wanted() -> dict[str, str]:
    """Everything that decides what `.venv/` holds, in a few words each."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    parts = [project["project"], project["build-system"], project["tool"]["setuptools"]]
    content = PIP_LOCK.read_bytes() + LOCK.read_bytes() + json.dumps(parts, sort_keys=True).encode()
    return {
        "content": hashlib.sha256(content).hexdigest(),
        "place": str(ROOT),
        "python": f"{sys.version_info.major}.{sys.version_info.minor} {Path(sys.base_prefix).resolve()}",
    }


def wanted_node() -> str | None:
    """The lock of npm for a machine that has none, else None."""
    if shutil.which("npm") and shutil.which("node"):
        return None
    return hashlib.sha256(NODE_LOCK.read_bytes()).hexdigest()


def read_stamp() -> dict[str, str | None]:
    """What the last complete set-up wrote, or nothing."""
    try:
        stamp = json.loads(STAMP.read_text())
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) and VENV_PYTHON.exists() else {}


def is_fresh() -> bool:
    """Whether `.venv/` is complete and as wanted."""
    stamp = read_stamp()
    return stamp.items() >= wanted().items() and wanted_node() in (None, stamp.get("node"))


# --- doing it -----------------------------------------------------------------------------------------------


def set_up() -> None:
    """Bring `.venv/` to what is wanted: the missing npm alone where that is all, else everything anew."""
    started = time.monotonic()
    node = wanted_node()
    only_npm_is_missing = read_stamp().items() >= wanted().items()
    with tempfile.TemporaryDirectory(prefix="crossmargin-setup-") as scratch:
        if only_npm_is_missing:
            STAMP.unlink()
        else:
            say(f"Setting up .venv with Python {platform.python_version()}")
            make_venv()
            install(find_pip(Path(scratch)), PIP_LOCK)
        pip = [str(VENV_PYTHON), "-m", "pip"]
        if not only_npm_is_missing:
            install(pip, LOCK)
            run([*pip, "install", "--no-index", "--no-deps", "--no-build-isolation", "--editable", str(ROOT)])
            run([str(VENV_PYTHON), "-m", "compileall", "-q", "-j", "0", str(VENV / "lib")], may_fail=True)
        if node:
            say("No npm on this machine: taking it from a Python package")
            install(pip, NODE_LOCK)
    STAMP.write_text(json.dumps({**wanted(), "node": node}))
    say(f"Ready in {time.monotonic() - started:.0f} s")


def make_venv() -> None:
    """An empty `.venv/` without pip, whatever was there before."""
    if VENV.is_symlink():
        VENV.unlink()
    try:
        import venv  # some distributions leave it out
    except ImportError:
        raise SetupError(f"{sys.executable} has no venv module: install python3-venv") from None
    STAMP.unlink(missing_ok=True)
    try:
        venv.create(VENV, clear=True, symlinks=True, with_pip=False)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SetupError(f"cannot make {VENV.name}: {error}") from None


def install(pip: Command, lock: Path) -> None:
    """Install all of a lock file from the wheels kept, after fetching those not there yet."""
    exactly = ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--requirement", str(lock)]
    wheels = wheel_cache()
    from_cache = [*pip, "install", "--no-compile", "--no-index", "--find-links", str(wheels), *exactly]
    if wheels.is_dir() and run(from_cache, may_fail=True):
        return
    say(f"  fetching {lock.name}, once: it is kept in {wheels}")
    try:
        wheels.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SetupError(f"cannot keep downloads ({error}): set CROSSMARGIN_CACHE") from None
    run([*pip, "download", "--dest", str(wheels), *exactly])
    say(f"  installing {lock.name}")
    run(from_cache)


def wheel_cache() -> Path:
    """The directory where downloads are kept, one for all checkouts."""
    if given := os.environ.get("CROSSMARGIN_CACHE"):
        return Path(given).absolute() / "wheels"
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base).absolute() / "crossmargin" / "wheels"


# --- a pip, from wherever there is one ----------------------------------------------------------------------


def find_pip(scratch: Path) -> Command:
    """A command that is pip working on `.venv/`: some distributions leave ensurepip out, or pip, or both."""
    python = str(VENV_PYTHON)
    if kept := kept_pip_wheel():
        return [python, str(kept / "pip")]
    if run([python, "-m", "ensurepip"], may_fail=True):
        return [python, "-m", "pip"]
    for candidate in (sys.executable, "python3", "python"):
        pip = [candidate, "-m", "pip", "--python", python]
        if run([*pip, "--version"], may_fail=True):
            return pip
    wheel = newest_pip_wheel(DEBIAN_WHEELS) or debian_pip_wheel(scratch)
    if wheel:
        return [python, str(wheel / "pip")]
    raise SetupError(f"{sys.executable} has no pip and no ensurepip: install python3-venv")


def kept_pip_wheel() -> Path | None:
    """The pip that an earlier set-up kept, if it is the one of the lock file."""
    for wheel in wheel_cache().glob("pip-*.whl"):
        if hashlib.sha256(wheel.read_bytes()).hexdigest() in PIP_LOCK.read_text():
            return wheel
    return None


def newest_pip_wheel(directory: Path) -> Path | None:
    """The pip wheel in a directory, if one is there."""
    return max(directory.glob("pip-*.whl"), default=None)


def debian_pip_wheel(scratch: Path) -> Path | None:
    """The pip wheel of Debian's own package, unpacked without installing it, if this is a Debian."""
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        return None
    say("  this Python has no pip: trying the one of Debian's package python3-pip-whl")
    download = ["apt-get", "download", "python3-pip-whl"]
    if not run(download, may_fail=True, cwd=scratch):
        if os.geteuid() == 0:
            run(["apt-get", "update"], may_fail=True)
        if not run(download, may_fail=True, cwd=scratch):
            return None
    for package in scratch.glob("*.deb"):
        run(["dpkg", "-x", str(package), str(scratch)])
    return newest_pip_wheel(scratch / DEBIAN_WHEELS.relative_to("/"))


# --- running things -----------------------------------------------------------------------------------------


def run(command: Command, *, may_fail: bool = False, cwd: Path = ROOT) -> bool:
    """Run a command into the log; True if it succeeded. A failure that matters ends set-up."""
    with LOG.open("ab") as log:
        log.write(f"\n$ {' '.join(command)}\n".encode())
        log.flush()
        begin = log.tell()
        try:
            env, nothing = environment(), subprocess.DEVNULL
            subprocess.run(
                command, cwd=cwd, env=env, stdin=nothing, stdout=log, stderr=log, check=True, close_fds=False
            )
        except OSError as error:
            log.write(f"{error}\n".encode())
        except subprocess.CalledProcessError:
            pass
        else:
            return True
    if may_fail:
        return False
    tail = LOG.read_bytes()[begin:].decode(errors="replace").strip().splitlines()[-12:]
    say("\n".join(f"    {line}" for line in tail))
    short = " ".join([Path(command[0]).name, *command[1:4]])
    raise SetupError(f"{short} … did not work (all of it is in {LOG.relative_to(ROOT)})")


def environment() -> dict[str, str]:
    """This process's environment without what leads pip astray; the user's index and proxy settings stay."""
    astray = {"PYTHONHOME", "PYTHONPATH", "PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV"}
    kept = {name: text for name, text in os.environ.items() if name not in astray}
    return kept | {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "PIP_USER": "0"}


@contextmanager
def only_one_at_a_time() -> Iterator[None]:
    """Wait for another set-up of the same checkout to finish, down to what a killed one left running."""
    with Path(__file__).open("rb") as held:
        os.set_inheritable(held.fileno(), True)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another set-up of this checkout")
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


def say(line: str) -> None:
    """One line for the person in front of it."""
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
