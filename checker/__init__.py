"""From accounts to decisions: configuration, wallet view, bands, the command line.

    from checker import check, load_config
    report = check(load_config("crossmargin.toml"))
    report.band, report.wallets[0].accounts[0].liquidation

gives the values that `crossmargin check --json` prints, and `accounts_frame(report)`,
`legs_frame(report)`, `feeds_frame(report)` the same as pandas DataFrames. A venue's whole book is

    from checker import scan
    book = scan(load_config("crossmargin.toml"), "ethereum/aave-v3/core")

with `book_frame(book)` and `curve_frame(book)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from checker.book.scan_frames import book_frame, curve_frame
    from checker.book.scanning import scan
    from checker.checking import check
    from checker.config import load_config
    from checker.frames import accounts_frame, feeds_frame, legs_frame

__all__ = [
    "accounts_frame",
    "book_frame",
    "check",
    "curve_frame",
    "feeds_frame",
    "legs_frame",
    "load_config",
    "scan",
]

_HOME = {
    "check": "checker.checking",
    "scan": "checker.book.scanning",
    "load_config": "checker.config",
    "book_frame": "checker.book.scan_frames",
    "curve_frame": "checker.book.scan_frames",
    "accounts_frame": "checker.frames",
    "legs_frame": "checker.frames",
    "feeds_frame": "checker.frames",
}


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first asked for: `crossmargin --help` needs no pandas."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
