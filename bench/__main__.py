"""`python -m bench`: measure, print, and write `RESULTS.md`. `--help` says what else."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from bench import report, rows
from bench.machine import this_run
from bench.row import FULL, TINY, Size
from bench.stage import Stage
from localnet.cache import write_atomically
from margin.errors import CrossmarginError

RESULTS = Path(__file__).with_name("RESULTS.md")


def main(arguments: list[str] | None = None) -> int:
    """Runs from the command line; 1 when ways disagree or the local chain could not be set up."""
    names = rows.names()
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Benchmarks, each a ratio of one run."
    )
    parser.add_argument(
        "rows", nargs="*", metavar="ROW", help=f"measure these alone, and write nothing: {', '.join(names)}"
    )
    parser.add_argument("--tiny", action="store_true", help="a few accounts only, and write nothing")
    parser.add_argument("--output", type=Path, help="write there, whatever was measured")
    asked = parser.parse_args(arguments)
    unknown = sorted(set(asked.rows) - set(names))
    if unknown:
        parser.error(f"no row is called {', '.join(unknown)}; there are {', '.join(names)}")
    whole = not asked.rows and not asked.tiny
    try:
        return _run(
            asked.rows or names, TINY if asked.tiny else FULL, asked.output or (RESULTS if whole else None)
        )
    except CrossmarginError as error:
        # No results file either: figures of a run in which ways disagreed are worth nothing.
        print(f"bench: {type(error).__name__}: {error}", file=sys.stderr)
        return 1


def _run(wanted: list[str], size: Size, output: Path | None) -> int:
    run = this_run()
    with Stage(size) as stage:
        found = list(rows.measured(stage, wanted))
    Console().print(report.terminal(found))
    print(f"{run.machine}\n{run.versions}\ncrossmargin {run.commit}")
    if output is not None:
        write_atomically(output, report.markdown(found, run, size).encode())
        print(f"written to {output.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
