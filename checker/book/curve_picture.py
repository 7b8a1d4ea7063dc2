"""The curve as a picture: collateral at risk against a fall of prices, one line a direction; bad debt dashed.

Drawn for a page of a report: light, readable when printed small. The same curve gives the same file.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from checker import words
from checker.book.curve_table import MARKET, directions, fall, most_unknown
from checker.book.view import CurvePoint, Scan

FORMATS = ("png", "svg")
FACTORS = 5
"""Lines drawn beside the market's."""
_INCHES = (8.0, 4.6)
_DPI = 200
_INK, _GREY, _PALE = "#1f2933", "#66727f", "#e3e8ed"
_ALARM = "#a3195b"
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b8860b")
"""Told apart by colour-blind readers too."""
_STYLE: dict[Any, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9.0,
    "text.parse_math": False,  # a name with a dollar sign is no formula
    "text.color": _INK,
    "axes.unicode_minus": True,
    "svg.fonttype": "none",
    "svg.hashsalt": "crossmargin",  # else the file's ids are random
}
_KEY = "solid: collateral of liquidatable accounts, at the fallen prices; dashed: bad debt, not covered by it"
Lines = dict[str, list[CurvePoint]]


def write_picture(scan: Scan, path: Path, kind: str) -> None:
    """Draws the curve into a file; `kind`: `png` or `svg`. Raises `OSError` where it cannot be written."""
    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        # A stranger's name may have letters that the font has not: boxes then, and no word about it.
        warnings.filterwarnings("ignore", message="Glyph")
        figure = _figure(scan)
        when = {"Date": None} if kind == "svg" else {"Software": None}
        figure.savefig(path, format=kind, dpi=_DPI, metadata=when)


def _figure(scan: Scan) -> Figure:
    figure = Figure(figsize=_INCHES, facecolor="white")
    axes = figure.add_axes((0.085, 0.125, 0.72, 0.635))
    figure.text(0.03, 0.93, "Liquidatable if prices fall", fontsize=14, fontweight="bold")
    figure.text(0.03, 0.885, _caption(scan), color=_GREY)
    figure.text(0.03, 0.843, _KEY, color=_GREY)
    figure.text(0.03, 0.801, _missing(scan), color=_ALARM)
    harmful, _ = directions(scan.curve)
    lines = {name: harmful[name] for name in list(harmful)[: FACTORS + (MARKET in harmful)]}
    _frame(axes, scan.curve)
    if lines:
        _draw(axes, lines)
    else:
        axes.text(
            0.5, 0.5, "nobody, by any of these falls", transform=axes.transAxes, ha="center", color=_GREY
        )
    return figure


def _caption(scan: Scan) -> str:
    block = scan.block
    said = f"{words.plain(scan.venue, 60)} · block {block.number} · {words.moment(block.timestamp)}"
    return f"{said} · {len(scan.accounts):,} accounts"


def _missing(scan: Scan) -> str:
    """What the picture can not show; empty where it shows everything."""
    said = []
    if not scan.completeness.is_complete:
        said.append(f"INCOMPLETE: {words.floored_percent(scan.completeness.percent)} of the book was found")
    if scan.unread:
        said.append(f"{len(scan.unread):,} unread")
    if unknown := most_unknown(scan.curve):
        said.append(f"without {unknown}")
    return " · ".join(said)


def _frame(axes: Axes, curve: Sequence[CurvePoint]) -> None:
    """Axes with their units; as little ink as will do."""
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(_GREY)
    axes.grid(axis="y", color=_PALE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_GREY, length=0, pad=6)
    deepest = max((point.drop for point in curve), default=0.5) or 0.5
    axes.set_xlim(0.0, deepest)
    axes.xaxis.set_major_locator(MaxNLocator(10, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda drop, _: fall(drop)))
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: dollars(value)))
    axes.set_xlabel("fall of prices", color=_GREY, labelpad=6)


def _draw(axes: Axes, lines: Lines) -> None:
    top = max(max(p.collateral_usd, p.bad_debt_usd) for points in lines.values() for p in points) or 1.0
    axes.set_ylim(0, top * 1.06)
    ends = []
    for at, (name, points) in enumerate(lines.items()):
        colour = _INK if name == MARKET else _COLOURS[(at - (MARKET in lines)) % len(_COLOURS)]
        width = 2.4 if name == MARKET else 1.7
        drops = [point.drop for point in points]
        # Clipped lines would be half as thick along the zero line.
        axes.plot(
            drops, [point.collateral_usd for point in points], color=colour, linewidth=width,
            solid_capstyle="round", clip_on=False, zorder=10 - at,
        )  # fmt: skip
        if any(point.bad_debt_usd for point in points):
            axes.plot(
                drops, [point.bad_debt_usd for point in points], color=colour, linewidth=width * 0.7,
                linestyle=(0, (4, 2)), clip_on=False, zorder=10 - at,
            )  # fmt: skip
        last = points[-1]
        ends.append((last.collateral_usd / (top * 1.06), _label(name, last), colour))
    for height, (end, label, colour) in zip(_apart([end[0] for end in ends]), ends, strict=True):
        axes.text(1.035, height, label, transform=axes.transAxes, color=colour, va="center", fontsize=8.5,
                  linespacing=1.25)  # fmt: skip
        axes.plot([1.005, 1.03], [end, height], transform=axes.transAxes, color=colour, linewidth=0.7,
                  clip_on=False)  # fmt: skip


def _label(name: str, last: CurvePoint) -> str:
    shown = words.short(name) if name.startswith("0x") else words.plain(name, 24)
    bad = f", bad {dollars(last.bad_debt_usd)}" if round(last.bad_debt_usd) else ""
    return f"{shown}\n{dollars(last.collateral_usd)}{bad}"


def _apart(heights: Sequence[float], gap: float = 0.105) -> list[float]:
    """The heights of labels, as near to their lines' ends as they can stand without touching."""
    order = sorted(range(len(heights)), key=lambda at: heights[at])
    places = [max(heights[at], 0.035) for at in order]
    for at in range(1, len(places)):
        places[at] = max(places[at], places[at - 1] + gap)
    ceiling = 1.0
    for at in reversed(range(len(places))):
        places[at] = min(places[at], ceiling)
        ceiling = places[at] - gap
    by_line = dict(zip(order, places, strict=True))
    return [by_line[at] for at in range(len(heights))]


def dollars(value: float) -> str:
    """`$1.25m`, `$430k`: three digits, for an axis."""
    if abs(value) < 0.5:
        return "$0"
    digits = math.floor(math.log10(abs(value))) - 2
    rounded = round(value, -digits)
    for size, letter in ((1e12, "tn"), (1e9, "bn"), (1e6, "m"), (1e3, "k")):
        if abs(rounded) >= size:
            return (
                f"${rounded / size:.3g}{letter}"
                if abs(rounded) < 1000 * size
                else f"${rounded / size:,.0f}{letter}"
            )
    return f"${rounded:.3g}"
