"""The book on a terminal: is it whole, how does it stand, who is nearest to the edge, what if prices fall."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from checker import words
from checker.book.curve_table import NARROW_BAR, WIDE_BAR, curve_table
from checker.book.view import BandTotal, Completeness, Difference, Scan, ScannedAccount, health_of
from checker.overview import STYLE
from checker.tables import block_line
from margin.units import WAD

FULL_FROM = 96
"""Columns from which addresses are shown whole."""
UNREAD_SHOWN = 20
"""Accounts that could not be read, or are disputed, listed by name; the rest is counted."""
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def print_scan(console: Console, scan: Scan, now: float, top: int) -> None:
    """The whole screen. `now`: seconds since 1970, for the age of the block; `top`: accounts listed."""
    console.print(block_line(scan.block, now))
    console.print(Text.assemble((words.plain(scan.venue), "bold"), f"  {_counted(len(scan.accounts))}"))
    console.print()
    parts: list[list[RenderableType]] = [
        [completeness(scan.completeness), *_differences(scan.completeness.differences)],
        _disagreements(scan),
        [_bands(scan)] if scan.accounts else [],
        _riskiest(scan, top, console.width >= FULL_FROM),
        curve_table(scan, WIDE_BAR if console.width >= FULL_FROM else NARROW_BAR),
        _unread(scan, console.width >= FULL_FROM),
    ]
    for part in parts:
        for each in part:
            console.print(each)
        if part:
            console.print()
    console.print(summary(scan))


def summary(scan: Scan) -> Text:
    """Up to three lines: how many in each band, whether the book is whole, whether the protocol agrees."""
    line = Text(_counted(len(scan.accounts)))
    parts = [Text(f"{total.accounts:,} {total.band.word}", style=STYLE[total.band]) for total in scan.bands]
    if parts:
        line.append(": ").append_text(Text(" · ").join(parts))
    line.append("\n").append_text(completeness(scan.completeness))
    asked = sum(account.agrees is not None for account in scan.accounts)
    if asked:
        same = asked - len(scan.disagreements)
        told = f"\n{same:,} of {asked:,} verdicts equal the protocol's own view"
        line.append(told, style="" if same == asked else "bold red")
        if asked < len(scan.accounts) - len(scan.unread):
            line.append("; of the others it was not asked (--audit)", style="dim")
    return line


def completeness(found: Completeness) -> Text:
    """The share of what the chain says exists that is in the book; one line."""
    if found.is_complete:
        text = Text.assemble(("100.000 %", "bold green"), " complete: ")
        return text.append(
            f"the accounts of {_reserves(len(found.reserves))} add up to the chain's own totals"
        )
    share = words.floored_percent(found.percent)
    said = f"INCOMPLETE: {share}"
    wrong = sum(bool(reserve.differences) for reserve in found.reserves)
    return Text.assemble(
        (said, "bold magenta reverse"),
        f" of what the chain says exists; {wrong} of {_reserves(len(found.reserves))} wrong",
    )


def _reserves(count: int) -> str:
    return f"{count} reserve{'s' * (count != 1)}"


def _counted(accounts: int) -> str:
    return f"{accounts:,} account{'s' * (accounts != 1)}"


def _differences(found: Sequence[Difference]) -> list[RenderableType]:
    """Which reserve lacks how much, in the units in which both sides are exact."""
    if not found:
        return []
    grid = Table.grid(padding=(0, 2))
    grid.add_column(overflow="fold")
    grid.add_column(no_wrap=True)
    grid.add_column(justify="right", overflow="fold")
    grid.add_column(justify="right", no_wrap=True)
    for each in found:
        by_raw = each.chain_raw - each.book_raw
        grid.add_row(
            Text(f"  {words.plain(each.symbol, 20)} {words.short(each.token)}", style="magenta"),
            f"{each.kind} {'lacks' if by_raw > 0 else 'is over by'}",
            f"{abs(by_raw):,} scaled units",
            words.floored_percent(each.percent),
        )
    return [grid]


def _disagreements(scan: Scan) -> list[RenderableType]:
    disputed = scan.disagreements
    if not disputed:
        return []
    lines = [
        Text(
            f"DISAGREEMENT: the protocol's own view says something else of {_counted(len(disputed))}",
            style="bold red reverse",
        )
    ]
    lines += [
        Text("  " + words.plain(account.account, 100), style="red") for account in disputed[:UNREAD_SHOWN]
    ]
    return [*lines, *_more(len(disputed))]


def _bands(scan: Scan) -> Table:
    table = Table(box=None, padding=(0, 3, 0, 0), header_style="dim", pad_edge=False)
    table.add_column("band", no_wrap=True, min_width=12)
    for name in ("accounts", "collateral", "debt"):
        table.add_column(name, justify="right", no_wrap=True)
    totals = scan.bands
    for total in totals:
        table.add_row(
            Text(total.band.word, STYLE[total.band]),
            f"{total.accounts:,}",
            words.whole_usd(total.collateral_usd),
            words.whole_usd(total.debt_usd),
        )
    table.add_row(
        Text("all", "bold"), f"{len(scan.accounts):,}", _together(totals, "collateral_usd"),
        _together(totals, "debt_usd"), style="bold",
    )  # fmt: skip
    return table


def _together(totals: Sequence[BandTotal], what: str) -> str:
    """The sum over the bands; where one is not known, what it is at least."""
    values: list[float | None] = [getattr(total, what) for total in totals]
    known = [value for value in values if value is not None]
    if not known:
        return words.whole_usd(None)
    return ("" if len(known) == len(values) else "≥ ") + words.whole_usd(sum(known))


def _riskiest(scan: Scan, top: int, in_full: bool) -> list[RenderableType]:
    with_debt = [account for account in scan.accounts if account.health_factor is not None]
    if not top:
        return []
    if not with_debt:
        return [Text("no account owes anything", style="dim")] if scan.accounts else []
    shown = with_debt[:top]
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    table.add_column(f"the riskiest {len(shown):,} of {len(with_debt):,} with debt", overflow="fold")
    for name in ("health", "collateral", "debt"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("band", no_wrap=True)
    held: dict[str, int] = {}
    for account in shown:
        band = Text(account.band.word, STYLE[account.band])
        if account.blocked is not None:
            number = held.setdefault(account.blocked, len(held) + 1)
            band.append(" " + str(number).translate(_RAISED), style="yellow")
        table.add_row(
            _name(account, in_full), _health(account), words.whole_usd(account.collateral_usd),
            words.whole_usd(account.debt_usd), band,
        )  # fmt: skip
    notes = [
        Text(f"{str(number).translate(_RAISED)} cannot be liquidated now: {words.plain(why)}", style="yellow")
        for why, number in held.items()
    ]
    return [table, *notes]


def _name(account: ScannedAccount, in_full: bool) -> Text:
    name = words.plain(account.account, 100) if in_full else words.short(account.account)
    if account.owner == account.account:
        return Text(name)
    return Text.assemble(words.short(account.account), (f" of {words.short(account.owner)}", "dim"))


def _health(account: ScannedAccount) -> str:
    value = health_of(account)
    return "—" if value is None else words.health(int(Decimal(value) * WAD))


def _unread(scan: Scan, in_full: bool) -> list[RenderableType]:
    lost = scan.unread
    if not lost:
        return []
    lines = [Text(f"COULD NOT BE READ OR DECIDED: {_counted(len(lost))}", style="bold magenta reverse")]
    for account in lost[:UNREAD_SHOWN]:
        why = words.plain(str(account.unread), 300)
        lines.append(Text.assemble("  ", _name(account, in_full), (f": {why}", "magenta")))
    return [*lines, *_more(len(lost))]


def _more(count: int) -> list[Text]:
    if count <= UNREAD_SHOWN:
        return []
    return [Text(f"  … and {count - UNREAD_SHOWN:,} more, all in --json and --csv", style="dim")]
