"""What a figure was measured on: machine, versions, and which state of this project."""

from __future__ import annotations

import os
import platform
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from localnet.packages import ANVIL_VERSION

ROOT = Path(__file__).resolve().parent.parent
WRITTEN = ("bench/RESULTS.md", "bench/SOAK.md", "bench/CAMPAIGN.md")
"""Files that runs write themselves; that they changed says nothing about the code."""


@dataclass(frozen=True, slots=True)
class Run:
    """Where, when and on which code something ran."""

    date: str
    machine: str
    versions: str
    commit: str

    def table(self) -> str:
        """As the head of a Markdown file."""
        rows = {
            "date": self.date,
            "machine": self.machine,
            "versions": self.versions,
            "crossmargin": self.commit,
        }
        return "\n".join(["| | |", "|---|---|", *(f"| {name} | {said} |" for name, said in rows.items())])


def this_run() -> Run:
    """The present moment, machine and checkout."""
    load = f"load average {os.getloadavg()[0]:.1f} at the start"
    parts = (f"{_cores()} cores", _processor(), _memory(), platform.system(), load)
    libraries = ", ".join(f"{name} {version(name)}" for name in ("web3", "eth-abi"))
    return Run(
        date=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        machine=", ".join(parts),
        versions=f"Python {platform.python_version()}, {libraries}, Anvil {ANVIL_VERSION}",
        commit=_commit(),
    )


def _cores() -> int:
    """Those this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 0


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name" and value.strip():
                return value.strip()
    return platform.processor() or platform.machine()


def _memory() -> str:
    try:
        size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return "memory unknown"
    return f"{size / 2**30:.1f} GiB"


def _commit() -> str:
    """The commit, and which rooms differ from it. `unknown` outside a git checkout."""
    head = _git("rev-parse", "--short", "HEAD").strip()
    if not head:
        return "unknown commit"
    changed = [line[3:].split(" -> ")[-1].strip('"') for line in _git("status", "--porcelain").splitlines()]
    rooms = sorted({path.split("/")[0] for path in changed if path not in WRITTEN})
    return f"{head}, with uncommitted changes in {', '.join(rooms)}" if rooms else head


def _git(*args: str) -> str:
    # Whoever owns the checkout may measure it.
    command = ["git", "-c", "safe.directory=*", *args]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout if done.returncode == 0 else ""
