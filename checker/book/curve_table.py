"""The curve on a terminal: what is liquidatable if prices fall, for the market and the largest factors."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from checker import words
from checker.book.view import CurvePoint, Scan

MARKET = "market"
FACTORS = 2
"""Factors shown beside the market."""
DROPS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
"""Rows of a direction, where the curve has them."""
WIDE_BAR, NARROW_BAR = 18, 9
_EIGHTHS = " ▏▎▍▌▋▊▉"


def directions(curve: Sequence[CurvePoint]) -> tuple[dict[str, list[CurvePoint]], list[str]]:
    """The points of each direction that liquidates anyone, by drop; and the directions that do not.

    The market first, then the factors with the most collateral at risk anywhere.
    """
    found: dict[str, list[CurvePoint]] = {}
    for point in curve:
        found.setdefault(point.direction, []).append(point)

    def size(direction: str) -> tuple[bool, float]:
        return direction != MARKET, -max(point.collateral_usd for point in found[direction])

    ordered = sorted(found, key=size)
    harmful = {
        direction: sorted(found[direction], key=lambda point: point.drop)
        for direction in ordered
        if any(point.accounts for point in found[direction])
    }
    return harmful, [direction for direction in ordered if direction not in harmful]


def curve_table(scan: Scan, bar_width: int) -> list[RenderableType]:
    """One row a direction and drop; full bar: the most collateral at risk anywhere among those shown."""
    if not scan.curve:
        return []
    harmful, harmless = directions(scan.curve)
    shown = list(harmful)[: FACTORS + (MARKET in harmful)]
    parts: list[RenderableType] = []
    if shown:
        parts.append(_table(shown, harmful, bar_width))
    if unknown := most_unknown(scan.curve):
        parts.append(Text(f"not in these figures: {unknown}", style="magenta"))
    more = [name for name in harmful if name not in shown]
    if more:
        parts.append(Text(f"also in --curve: {_names(more)}", style="dim"))
    if harmless:
        parts.append(Text(f"nobody would be liquidatable by a fall of: {_names(harmless)}", style="dim"))
    return parts


def most_unknown(curve: Sequence[CurvePoint]) -> str:
    """How many accounts are left out where most are; empty where none is."""
    most = max((point.unknown for point in curve), default=0)
    return f"up to {most:,} account{'s' * (most != 1)} that could not be judged" if most else ""


def _table(shown: Sequence[str], points: dict[str, list[CurvePoint]], bar_width: int) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    table.add_column("if prices fall", no_wrap=True)
    for name in ("by", "accounts", "at risk", "their debt", "bad debt"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, min_width=bar_width)
    most = max(point.collateral_usd for direction in shown for point in points[direction])
    for direction in shown:
        label = _name(direction)
        for point in _rows(points[direction]):
            table.add_row(
                Text(label, "bold"),
                fall(point.drop),
                f"{point.accounts:,}",
                words.whole_usd(point.collateral_usd),
                words.whole_usd(point.debt_usd),
                Text(words.whole_usd(point.bad_debt_usd), "red" if round(point.bad_debt_usd) else ""),
                Text(bar(point.collateral_usd / most if most else 0.0, bar_width), "cyan"),
            )
            label = ""
    return table


def _rows(points: Sequence[CurvePoint]) -> list[CurvePoint]:
    """The points at the usual drops; where the curve has others, as many of those, evenly."""
    usual = [point for point in points if any(abs(point.drop - drop) < 1e-9 for drop in DROPS)]
    if len(usual) >= len(DROPS) or len(points) <= len(DROPS):
        return usual if len(usual) >= len(DROPS) else list(points)
    step = (len(points) - 1) / (len(DROPS) - 1)
    return [points[round(at * step)] for at in range(len(DROPS))]


def bar(share: float, width: int) -> str:
    """A bar for a share from 0 to 1, to an eighth of a character; never empty for a positive one."""
    eighths = min(8 * width, max(round(share * 8 * width), int(share > 0)))
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def fall(drop: float) -> str:
    """`−5 %`; `today` for none."""
    return f"−{drop * 100:.3g} %" if drop else "today"


def _names(names: Sequence[str]) -> str:
    return ", ".join(map(_name, names))


def _name(direction: str) -> str:
    return words.short(direction) if direction.startswith("0x") else words.plain(direction, 20)
