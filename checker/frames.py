"""The report as pandas tables: accounts, legs and feeds; CSV and Parquet files of the legs.

Raw integers are strings, since they exceed 2^53. A file has one row a leg, with its account's and
wallet's figures beside it; an account without legs (one that could not be read) and whatever else
could not be read have a row of their own, so that nothing is missing from the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from checker.account_view import AccountView
from checker.wallet_view import Report, WalletView
from margin.units import BPS, WAD

Row = dict[str, Any]
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""
_WALLET = ["chain", "block_number", "block_hash", "wallet", "label", "wallet_band"]
ACCOUNT_COLUMNS = [
    *_WALLET, "venue", "protocol", "owner", "account", "band", "liquidatable", "insolvent", "blocked",
    "health_factor", "support_raw", "requirement_raw", "agrees", "disagreement", "equity_usd",
    "collateral_usd", "debt_usd", "smallest_shock", "seconds_left", "unread",
]  # fmt: skip
LEG_COLUMNS = [
    *ACCOUNT_COLUMNS, "leg", "token", "symbol", "factor", "decimals", "amount_raw", "value_usd",
    "liquidation_threshold",
]  # fmt: skip
FEED_COLUMNS = [
    *_WALLET, "venue", "account", "feed", "asset", "decimals", "price_raw", "direction",
    "liquidation_price_raw",
]  # fmt: skip
_DTYPES = (
    dict.fromkeys(("block_number", "decimals", "seconds_left"), "Int64")
    | dict.fromkeys(("liquidatable", "insolvent", "agrees"), "boolean")
    | dict.fromkeys(
        ("health_factor", "equity_usd", "collateral_usd", "debt_usd", "smallest_shock", "value_usd",
         "liquidation_threshold"),
        "Float64",
    )
)  # fmt: skip
"""All other columns are texts. The types hold whatever is in them: what is not known is missing."""


def _frame(rows: Iterable[Row], columns: list[str]) -> pd.DataFrame:
    frame = pd.DataFrame(list(rows), columns=columns, dtype=object)
    return frame.astype({column: _DTYPES.get(column, "string") for column in columns})


def accounts_frame(report: Report) -> pd.DataFrame:
    """One row an account, and one for each venue of a wallet that could not be read."""
    return _frame(_account_rows(report), ACCOUNT_COLUMNS)


def legs_frame(report: Report) -> pd.DataFrame:
    """One row a leg; accounts without one, and what could not be read, keep a row with an empty `leg`."""
    return _frame(_leg_rows(report), LEG_COLUMNS)


def feeds_frame(report: Report) -> pd.DataFrame:
    """One row a feed of an account, with the answer that liquidates it."""
    rows = [
        {
            **_wallet_cells(report, wallet, account.key.venue),
            "venue": account.key.venue,
            "account": account.key.account,
            "feed": feed.feed,
            "asset": feed.asset,
            "decimals": feed.decimals,
            "price_raw": str(feed.price_raw),
            "direction": feed.direction,
            "liquidation_price_raw": _text(feed.liquidation_price_raw),
        }
        for wallet in report.wallets
        for account in wallet.accounts
        for feed in (account.liquidation.feeds if account.liquidation else ())
    ]
    return _frame(rows, FEED_COLUMNS)


def write_csv(report: Report, path: Path) -> None:
    """The legs as CSV."""
    frame_to_csv(legs_frame(report), path)


def frame_to_csv(frame: pd.DataFrame, path: Path) -> None:
    """A table as CSV, UTF-8; texts that a spreadsheet would run as a formula begin with an apostrophe."""
    frame = frame.copy()
    texts = frame.select_dtypes(include=["string"]).columns
    frame[texts] = frame[texts].map(_no_formula)
    frame.to_csv(path, index=False, lineterminator="\n")


def write_parquet(report: Report, path: Path) -> None:
    """The legs as Parquet."""
    legs_frame(report).to_parquet(path, index=False)


def _no_formula(cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    line = " ".join(cell.splitlines()) if not cell.isprintable() else cell
    return f"'{line}" if cell.startswith(_FORMULA) else line


def _text(value: int | None) -> str | None:
    return None if value is None else str(value)


def _wallet_cells(report: Report, wallet: WalletView, venue: str) -> Row:
    chain = venue.partition("/")[0]
    block = next((block for block in report.blocks if block.chain == chain), None)
    return {
        "chain": chain,
        "block_number": None if block is None else block.number,
        "block_hash": None if block is None else block.hash,
        "wallet": wallet.wallet,
        "label": wallet.label,
        "wallet_band": wallet.band.word,
    }


def _account_rows(report: Report) -> Iterator[Row]:
    for wallet in report.wallets:
        for account in wallet.accounts:
            yield _account_cells(report, wallet, account)
        yield from _lost(report, wallet)


def _lost(report: Report, wallet: WalletView) -> Iterator[Row]:
    """A row for each venue, or chain, that could not be read as a whole."""
    for item in wallet.unread:
        if item.account is None:
            yield {
                **_wallet_cells(report, wallet, item.venue),
                "venue": item.venue,
                "band": "unknown",
                "unread": str(item.unread),
            }


def _account_cells(report: Report, wallet: WalletView, account: AccountView) -> Row:
    verdict, liquidation = account.verdict, account.liquidation
    shock_wad = liquidation.smallest_shock_wad if liquidation else None
    health_wad = verdict.health_factor_wad if verdict else None
    return {
        **_wallet_cells(report, wallet, account.key.venue),
        "venue": account.key.venue,
        "protocol": account.protocol,
        "owner": account.key.owner,
        "account": account.key.account,
        "band": account.band.word,
        "liquidatable": account.liquidatable,
        "insolvent": verdict.insolvent if verdict else None,
        "blocked": account.blocked,
        "health_factor": None if health_wad is None else health_wad / WAD,
        "support_raw": _text(verdict.support_raw if verdict else None),
        "requirement_raw": _text(verdict.requirement_raw if verdict else None),
        "agrees": account.audit.agrees if account.audit else None,
        "disagreement": account.disagreement,
        "equity_usd": account.equity_usd,
        "collateral_usd": account.collateral_usd,
        "debt_usd": account.debt_usd,
        "smallest_shock": None if shock_wad is None else shock_wad / WAD,
        "seconds_left": account.seconds_left,
        "unread": "; ".join(str(unread) for unread in account.unread) or None,
    }


def _leg_rows(report: Report) -> Iterator[Row]:
    for wallet in report.wallets:
        for account in wallet.accounts:
            cells = _account_cells(report, wallet, account)
            if not account.collateral and not account.debt:
                yield cells
            thresholds = {leg.token: leg.threshold_bps / BPS for leg in account.collateral or ()}
            sides = (("collateral", account.collateral or ()), ("debt", account.debt or ()))
            for side, legs in sides:
                for leg in legs:
                    yield {
                        **cells,
                        "leg": side,
                        "token": leg.token,
                        "symbol": leg.symbol,
                        "factor": account.factors[leg.token],
                        "decimals": leg.decimals,
                        "amount_raw": str(leg.amount_raw),
                        "value_usd": account.usd(leg.value_raw),
                        "liquidation_threshold": thresholds.get(leg.token) if side == "collateral" else None,
                    }
        yield from _lost(report, wallet)
