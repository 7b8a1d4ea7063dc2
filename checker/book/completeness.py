"""Completeness as a number: what the accounts found add up to, against what the chain says exists."""

from __future__ import annotations

from collections.abc import Sequence

from checker.book.table import Table
from checker.book.view import Completeness, ReserveTotal
from protocols.book import Total


def completeness(table: Table, totals: Sequence[Total]) -> Completeness:
    """Both sides of every total, by token, in the order the totals come in."""
    by_token: dict[str, dict[str, Total]] = {}
    for total in totals:
        by_token.setdefault(total.token, {})[total.kind] = total
    reserves = []
    for kinds in by_token.values():
        supply, debt, stable = kinds["supply"], kinds["debt"], kinds.get("stable")
        reserves.append(
            ReserveTotal(
                token=supply.token,
                symbol=supply.symbol,
                book_supply_raw=table.sum_of(supply.part),
                chain_supply_raw=supply.chain_raw,
                book_debt_raw=table.sum_of(debt.part),
                chain_debt_raw=debt.chain_raw,
                book_stable_raw=None if stable is None else table.sum_of(stable.part),
                chain_stable_raw=None if stable is None else stable.chain_raw,
                stable_is_exact=stable is None or stable.exact,
                debt_is_exact=debt.exact,
            )
        )
    return Completeness(tuple(reserves))
