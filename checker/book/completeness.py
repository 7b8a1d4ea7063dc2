"""Completeness as a number: what the accounts found add up to, against what the chain says exists."""

from __future__ import annotations

from collections.abc import Sequence

from checker.book.table import Table
from checker.book.view import Completeness, ReserveTotal
from protocols.book import Total


def completeness(table: Table, totals: Sequence[Total]) -> Completeness:
    """Both sides of every total, by token (and market), in the order the totals come in."""
    together: dict[tuple[str, bytes], dict[str, Total]] = {}
    for total in totals:
        together.setdefault((total.token, total.of), {})[total.kind] = total
    reserves = []
    for kinds in together.values():
        supply, debt, stable = kinds.get("supply"), kinds["debt"], kinds.get("stable")
        reserves.append(
            ReserveTotal(
                token=debt.token,
                symbol=debt.symbol,
                book_supply_raw=None if supply is None else table.sum_of(supply.part, supply.of),
                chain_supply_raw=None if supply is None else supply.chain_raw,
                book_debt_raw=table.sum_of(debt.part, debt.of),
                chain_debt_raw=debt.chain_raw,
                book_stable_raw=None if stable is None else table.sum_of(stable.part, stable.of),
                chain_stable_raw=None if stable is None else stable.chain_raw,
                stable_is_exact=stable is None or stable.exact,
                debt_is_exact=debt.exact,
            )
        )
    return Completeness(tuple(reserves))
