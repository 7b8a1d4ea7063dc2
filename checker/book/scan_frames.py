"""The book and its curve as pandas tables, CSV and Parquet.

Raw integers are strings, since they exceed 2^53. One row an account, in the order of the screen;
what could not be read keeps its row, with the reason in `unread`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from checker.book.view import Scan, health_of
from checker.frames import frame_to_csv

_TYPES = (
    dict.fromkeys(("block_number", "accounts", "unknown"), "Int64")
    | dict.fromkeys(("liquidatable", "agrees"), "boolean")
    | dict.fromkeys(("health_factor", "collateral_usd", "debt_usd", "drop", "bad_debt_usd"), "Float64")
)
"""All other columns are texts. The types hold whatever is in them: what is not known is missing."""


def book_frame(scan: Scan) -> pd.DataFrame:
    """One row an account."""
    accounts = scan.accounts
    return _frame(
        scan,
        {
            "account": [a.account for a in accounts],
            "owner": [a.owner for a in accounts],
            "band": [a.band.word for a in accounts],
            "liquidatable": [a.liquidatable for a in accounts],
            "blocked": [a.blocked for a in accounts],
            "health_factor": [health_of(a) for a in accounts],
            "support_raw": [None if a.support_raw is None else str(a.support_raw) for a in accounts],
            "requirement_raw": [
                None if a.requirement_raw is None else str(a.requirement_raw) for a in accounts
            ],
            "agrees": [a.agrees for a in accounts],
            "collateral_usd": [a.collateral_usd for a in accounts],
            "debt_usd": [a.debt_usd for a in accounts],
            "unread": [None if a.unread is None else str(a.unread) for a in accounts],
        },
    )


def curve_frame(scan: Scan) -> pd.DataFrame:
    """One row a direction and drop: what would be liquidatable there."""
    points = scan.curve
    return _frame(
        scan,
        {
            "direction": [p.direction for p in points],
            "drop": [p.drop for p in points],
            "accounts": [p.accounts for p in points],
            "collateral_usd": [p.collateral_usd for p in points],
            "debt_usd": [p.debt_usd for p in points],
            "bad_debt_usd": [p.bad_debt_usd for p in points],
            "unknown": [p.unknown for p in points],
        },
    )


def write_book_csv(scan: Scan, path: Path) -> None:
    """The whole book as CSV; texts that a spreadsheet would run begin with an apostrophe."""
    frame_to_csv(book_frame(scan), path)


def write_book_parquet(scan: Scan, path: Path) -> None:
    """The whole book as Parquet."""
    book_frame(scan).to_parquet(path, index=False)


def write_curve_csv(scan: Scan, path: Path) -> None:
    """The curve as CSV."""
    frame_to_csv(curve_frame(scan), path)


def _frame(scan: Scan, columns: dict[str, list[Any]]) -> pd.DataFrame:
    """The columns, each of one type, behind those that say where and when."""
    length = len(next(iter(columns.values())))
    block = scan.block
    place = {
        "chain": block.chain,
        "block_number": block.number,
        "block_hash": block.hash,
        "venue": scan.venue,
    }
    every = {name: [value] * length for name, value in place.items()} | columns
    return pd.DataFrame(
        {name: pd.array(values, dtype=_TYPES.get(name, "string")) for name, values in every.items()}
    )
