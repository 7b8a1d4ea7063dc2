"""`bench/CAMPAIGN.md`: what the last campaigns under `make soak` went through, written by them themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.machine import Run
from localnet.cache import write_atomically

CAMPAIGN = Path(__file__).resolve().parents[3] / "bench" / "CAMPAIGN.md"
FRONT = """\
# The last campaigns of the watch

Written by `make soak`, never by hand, and only when every campaign of it ended well: each from its seed, with
a judge who reads the chain past all troubles: all that was true was told in time, nothing that was not, and
nothing twice but what a process was just delivering when it was killed.
"""
ROWS = {
    "rounds": "rounds",
    "messages taken": "messages",
    "taken twice, after a death": "taken twice",
    "processes killed between two steps": "deaths",
    "stops of PostgreSQL": "store down",
    "clock jumps": "clock jumps",
    "reorganisations": "reorgs",
    "liquidations told": "liquidations told",
    "of them taken back by a reorganisation": "taken back",
    "ground told": "ground told",
    "repeats": "repeats",
    "digests": "digests",
    "given up, and told by the other channel": "failures told",
    "last words past the store": "last words",
    "rounds in which it was blind for so long that all had to be told": "told blind",
}


@dataclass(frozen=True, slots=True)
class Ended:
    """One campaign that ended well."""

    name: str
    counts: Counter[str]
    troubles: Counter[str]


def write(run: Run, campaigns: Sequence[Ended]) -> None:
    """The whole file."""
    write_atomically(CAMPAIGN, markdown(run, campaigns).encode())


def markdown(run: Run, campaigns: Sequence[Ended]) -> str:
    """Its text."""
    heads = [*(one.name for one in campaigns), "all"]
    lines = [FRONT, run.table(), "", f"| | {' | '.join(heads)} |", f"|---|{'---:|' * len(heads)}"]
    lines += [_row(said, [one.counts[kind] for one in campaigns]) for said, kind in ROWS.items()]
    troubles = sum((one.troubles for one in campaigns), Counter[str]())
    for trouble in sorted(troubles):
        lines.append(_row(f"rounds with “{trouble}”", [one.troubles[trouble] for one in campaigns]))
    return "\n".join(lines) + "\n"


def _row(said: str, numbers: Sequence[int]) -> str:
    return f"| {said} | {' | '.join(f'{number:,}' for number in (*numbers, sum(numbers)))} |"
