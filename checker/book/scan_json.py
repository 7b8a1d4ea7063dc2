"""The JSON of `scan`, word for word as the interface says (`docs/schemas/scan.schema.json`).

One object, one line an account: a book of 20,000 is written in a fraction of a second and still
read by `head` and `grep`. The same block gives the same text.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from checker.book.view import BandTotal, CurvePoint, ReserveTotal, Scan, ScannedAccount, health_of
from checker.report_json import block_json

SCHEMA = "crossmargin.scan/1"
Json = dict[str, Any]
_encode: Callable[[Any], str] = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def to_text(scan: Scan) -> str:
    """The whole object, ending in a newline; lists with one entry a line."""
    return _object(to_json(scan)) + "\n"


def to_json(scan: Scan) -> Json:
    """The book as JSON values."""
    completeness = scan.completeness
    return {
        "schema": SCHEMA,
        "block": block_json(scan.block),
        "venue": scan.venue,
        "completeness": {
            "percent": completeness.percent,
            "reserves": [_reserve(reserve) for reserve in completeness.reserves],
        },
        "totals": {
            "accounts": len(scan.accounts),
            "liquidatable": scan.liquidatable,
            "unread": len(scan.unread),
            "disagreements": len(scan.disagreements),
        },
        "bands": [_band(total) for total in scan.bands],
        "curve": [_point(point) for point in scan.curve],
        "unread": [_unread(account) for account in scan.unread],
        "accounts": [_account(account) for account in scan.accounts],
    }


def _object(values: Json, indent: str = " ") -> str:
    """An object with one key a line; C writes the rest of it, where indenting would be Python's."""
    lines = []
    for key, value in values.items():
        if isinstance(value, list) and value:
            rows = f",\n{indent} ".join(map(_encode, value))
            shown = f"[\n{indent} {rows}\n{indent}]"
        elif key == "completeness":
            shown = _object(value, indent + " ")
        else:
            shown = _encode(value)
        lines.append(f"{indent}{_encode(key)}: {shown}")
    return "{\n" + ",\n".join(lines) + f"\n{indent[:-1]}}}"


def _reserve(reserve: ReserveTotal) -> Json:
    return {
        "token": reserve.token,
        "symbol": reserve.symbol,
        "percent": reserve.percent,
        "book_supply_raw": _raw(reserve.book_supply_raw),
        "chain_supply_raw": _raw(reserve.chain_supply_raw),
        "book_debt_raw": str(reserve.book_debt_raw),
        "chain_debt_raw": str(reserve.chain_debt_raw),
        "book_stable_raw": _raw(reserve.book_stable_raw),
        "chain_stable_raw": _raw(reserve.chain_stable_raw),
        "stable_is_exact": reserve.stable_is_exact,
    }


def _band(total: BandTotal) -> Json:
    return {
        "band": total.band.word,
        "accounts": total.accounts,
        "collateral_usd": total.collateral_usd,
        "debt_usd": total.debt_usd,
    }


def _point(point: CurvePoint) -> Json:
    return {
        "direction": point.direction,
        "drop": point.drop,
        "accounts": point.accounts,
        "collateral_usd": point.collateral_usd,
        "debt_usd": point.debt_usd,
        "bad_debt_usd": point.bad_debt_usd,
        "unknown": point.unknown,
    }


def _unread(account: ScannedAccount) -> Json:
    unread = account.unread
    assert unread is not None
    return {"account": account.account, "reason": unread.reason.value, "detail": unread.detail}


def _account(account: ScannedAccount) -> Json:
    return {
        "account": account.account,
        "owner": account.owner,
        "band": account.band.word,
        "liquidatable": account.liquidatable,
        "blocked": account.blocked,
        "health_factor": health_of(account),
        "support_raw": _raw(account.support_raw),
        "requirement_raw": _raw(account.requirement_raw),
        "agrees": account.agrees,
        "collateral_usd": account.collateral_usd,
        "debt_usd": account.debt_usd,
    }


def _raw(value: int | None) -> str | None:
    return None if value is None else str(value)
