"""The results: a table for the terminal, and `RESULTS.md`."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from bench.machine import Run
from bench.measure import Ratio
from bench.row import Row, Size

HEADINGS = ("what", "against", "ratio", "least – most", "aim", "figures")
FRONT = """\
# Benchmark results

Written by `make bench`, never by hand. Each ratio is measured side by side in one run: the ways take turns,
each repetition is compared with itself, and the median stands beside the least and the most (and how many
ratios there are). Above 1 the first does better. Before anything is timed, the answers of all ways are
compared; one that differs ends the run. The node is a local Anvil: a distant one adds the same round trip to
every HTTP request, which favours whoever makes few. An aim is what the finished program is to reach; one that
is not met yet says so.
"""


def terminal(rows: Sequence[Row]) -> Table:
    """The table as a terminal shows it."""
    table = Table(title="crossmargin benchmarks", show_lines=True)
    table.add_column("what, against what")
    for heading in ("ratio", "least – most", "aim"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        what, against, *others, figures = _cells(row)
        table.add_row(Text.assemble((what, "bold"), f", against {against}\n", (figures, "dim")), *others)
    return table


def markdown(rows: Sequence[Row], run: Run, size: Size) -> str:
    """The whole file."""
    lines = [FRONT, f"{run.table()}\n| size | {size} |", ""]
    lines += [_line(HEADINGS), _line(["---", "---", "---:", "---", "---:", "---"])]
    lines += [_line(_cells(row)) for row in rows]
    lines += ["", "## What each row means", ""]
    lines += [f"- **{row.what}, against {row.against}**: {row.meaning}" for row in rows]
    return "\n".join(lines) + "\n"


def _cells(row: Row) -> list[str]:
    spread = f"{_factor(row.ratio.least)} – {_factor(row.ratio.most)} ({row.ratio.count})"
    return [row.what, row.against, _factor(row.ratio.median), spread, _aim(row.ratio, row.aim), row.figures]


def _factor(value: float) -> str:
    return f"{value:,.0f}×" if value >= 20 else f"{value:.1f}×" if value >= 2 else f"{value:.2f}×"


def _aim(ratio: Ratio, aim: float | None) -> str:
    if aim is None:
        return ""
    return f"≥ {aim:g}×, {'met' if ratio.median >= aim else 'not met'}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
