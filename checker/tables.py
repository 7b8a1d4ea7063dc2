"""The check on a terminal: a header, one panel a wallet (the worst first), one line at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from checker import words
from checker.account_view import AccountView, FeedView, Liquidation
from checker.bands import Band
from checker.dollars import Reference
from checker.overview import STYLE, overview
from checker.wallet_view import Report, WalletView
from margin.basics import BlockRef
from margin.units import WAD

OVERVIEW_FROM = 3
"""With more wallets than this, one line each at the end."""
BAR = 24
"""Characters of the bar of distance."""
FULL_SHOCK_WAD = 5 * 10**17
"""The move at which the bar is full: 50 %."""


def print_report(
    console: Console, report: Report, now: float, in_full: Sequence[WalletView] | None = None
) -> None:
    """The whole screen.

    `now`: seconds since 1970, for the age of the blocks. `in_full`: the wallets that get a panel; all
    of them for `None`.
    """
    for block in report.blocks:
        console.print(block_line(block, now))
    shown = report.wallets if in_full is None else in_full
    for wallet in sorted(shown, key=lambda wallet: -wallet.band):
        console.print(_panel(wallet))
    if len(report.wallets) > OVERVIEW_FROM:
        console.print(overview(report))
    console.print(summary(report))


def summary(report: Report) -> Text:
    """One line: how many wallets in each band, and how far our verdicts equal the protocols' own."""
    bands = [wallet.band for wallet in report.wallets]
    line = Text(f"{len(bands)} wallet{'s' * (len(bands) != 1)}: ")
    parts = [
        Text(f"{bands.count(b)} {b.word}", style=STYLE[b]) for b in sorted(Band, reverse=True) if b in bands
    ]
    line.append_text(Text(" · ").join(parts))
    said = [
        a.audit.agrees for w in report.wallets for a in w.accounts if a.audit and a.audit.agrees is not None
    ]
    if said:
        style = "" if all(said) else "bold red"
        told = f"{said.count(True)} of {len(said)} verdicts equal the protocols' own view"
        line.append("\n").append(told, style=style)
    return line


def block_line(block: BlockRef, now: float) -> Text:
    """Chain, number, hash, time and age of a block."""
    age = max(0, int(now) - block.timestamp)
    line = Text.assemble(
        (words.plain(block.chain), "bold"), f" block {block.number} {words.short(block.hash)}"
    )
    return line.append(f"  {words.moment(block.timestamp)} ({words.span(age)} ago)", style="dim")


def _panel(wallet: WalletView) -> Panel:
    title = Text.assemble((wallet.band.word, STYLE[wallet.band]), "  ")
    if wallet.label:
        title.append(words.plain(wallet.label, 100), "bold").append("  ")
    title.append(wallet.wallet)
    if len(wallet.addresses) > 1:
        title.append(f" and {len(wallet.addresses) - 1} more")
    parts: list[RenderableType] = [_totals(wallet)]
    for account in sorted(wallet.accounts, key=lambda account: -account.band):
        parts += ["", *_account(account, wallet)]
    if wallet.unread:
        parts += ["", *_unread(wallet)]
    if not wallet.accounts and not wallet.unread:
        parts = [Text("no position", style="dim")]
    border = "dim" if wallet.band is Band.OK else STYLE[wallet.band]
    return Panel(Group(*parts), title=title, title_align="left", border_style=border, padding=(0, 1))


def _totals(wallet: WalletView) -> Text:
    if wallet.equity_usd is None:
        whys = dict.fromkeys(
            f"{account.key.venue}: {account.no_dollars}" for account in wallet.accounts if account.no_dollars
        )
        why = "something could not be read" if wallet.unread else "\n".join(whys)
        return Text(f"no totals: {why}", style="bold magenta")
    line = Text.assemble("equity ", (words.usd(wallet.equity_usd), "bold"))
    line.append(f"   supplied {words.usd(wallet.collateral_usd)}   owed {words.usd(wallet.debt_usd)}")
    exposures = [
        f"{_short_factor(wallet, e.factor)} {words.usd(e.net_usd)}"
        for e in sorted(wallet.exposures, key=lambda e: -abs(e.net_usd or 0.0))
    ]
    return line.append(f"\nexposure {', '.join(exposures)}") if exposures else line


def _short_factor(wallet: WalletView, factor: str) -> str:
    named = (_factor_name(account, factor) for account in wallet.accounts if factor in account.factors)
    return next(named, words.plain(factor, 44))


def _account(account: AccountView, wallet: WalletView) -> Iterator[RenderableType]:
    head = Text.assemble((account.key.venue, "bold"), "  ", (account.band.word, STYLE[account.band]))
    if account.key.account != wallet.wallet:
        head.append(f"  {words.short(account.key.account)}")
        # Two addresses of the wallet can each have an account of the same name: in one market.
        if len(wallet.addresses) > 1 and account.key.owner != account.key.account:
            head.append(f" of {words.short(account.key.owner)}", "dim")
    if account.verdict is not None:
        wad = account.verdict.health_factor_wad
        head.append(
            "  no debt" if not account.debt else "" if wad is None else f"  health {words.health(wad)}"
        )
        if account.verdict.insolvent:
            head.append("  insolvent: worth less than it owes", style="bold red")
    yield head
    if account.disagreement is not None:
        yield Text("DISAGREEMENT: " + words.plain(account.disagreement, 600), style="bold red reverse")
    if account.blocked is not None:
        yield Text("cannot be liquidated now: " + words.plain(account.blocked), style="yellow")
    for note in account.notes:
        yield Text("note: " + words.plain(note), style="cyan")
    if account.reference is not None:
        yield Text(_in_dollars(account, account.reference), style="cyan")
    if account.liquidation is not None and not account.liquidatable and account.debt:
        yield from _edges(account, account.liquidation)
    if account.collateral is not None:
        yield _legs(account)


def _in_dollars(account: AccountView, reference: Reference) -> str:
    """What its values in dollars stand on."""
    price = words.price(reference.answer_raw, reference.decimals)
    age = "of unknown age"
    if reference.updated_at is not None:
        age = f"{words.span(account.timestamp - reference.updated_at)} old"
    name = _factor_name(account, reference.token if account.numeraire is None else account.numeraire.factor)
    return f"values: {name} at ${price}, {age}, by feed {words.short(reference.feed)}"


def _edges(account: AccountView, liquidation: Liquidation) -> Iterator[RenderableType]:
    """Where the account dies, the nearest first."""
    yield _bar(account, liquidation)
    grid = Table.grid(padding=(0, 2))
    for _ in range(3):
        grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    label = "dies if"
    for move_wad, feed in _moves(liquidation):
        sign = "≤" if feed.direction == "down" else "≥"
        mark = "$" if account.numeraire is not None and account.numeraire.token is None else ""
        edge_raw = feed.liquidation_price_raw or 0
        price = f"{words.plain(feed.asset, 40)} {sign} {mark}{words.price(edge_raw, feed.decimals)}"
        grid.add_row(
            label, Text(price, "bold"), f"({words.shock(move_wad)})", Text(_answer(edge_raw, feed), "dim")
        )
        label = ""
    if grid.row_count:
        yield grid
    never = [words.plain(feed.asset, 40) for feed in liquidation.feeds if feed.liquidation_price_raw is None]
    if never:
        yield Text(f"no price alone does of {', '.join(never)}", style="dim")
    shocks = [
        f"{_factor_name(account, f.factor)} {words.shock(f.shock_wad)}"
        for f in liquidation.factors
        if f.shock_wad is not None
    ]
    yield Text("by factor: " + (", ".join(shocks) or "no move of one factor does"))
    at, left = liquidation.at_constant_prices, account.seconds_left
    if at is None or left is None:
        yield Text("if nothing moves: not within ten years")
    else:
        block = liquidation.block_at_constant_prices
        when = words.moment(at) if block is None else f"block {block:,}, about {words.moment(at)}"
        yield Text(f"if nothing moves: {when} ({words.span(left)})")


def _answer(edge_raw: int, feed: FeedView) -> str:
    """The answer that does it, and whose answer moves it."""
    said = f"answer {edge_raw}"
    if feed.roots:
        rest = f" and {len(feed.roots) - 1} more" if len(feed.roots) > 1 else ""
        said += f", stands on {words.short(feed.roots[0])}{rest}"
    return said


def _moves(liquidation: Liquidation) -> list[tuple[int, FeedView]]:
    """Each feed that can do it alone, with its move (1e18 is +100 %); the smallest first."""
    moves = [
        ((feed.liquidation_price_raw - feed.price_raw) * WAD // feed.price_raw, feed)
        for feed in liquidation.feeds
        if feed.liquidation_price_raw is not None
    ]
    return sorted(moves, key=lambda move: abs(move[0]))


def _bar(account: AccountView, liquidation: Liquidation) -> Text:
    """How far away liquidation is: the smallest move of one factor or one price; full from 50 % on."""
    near = [(abs(move_wad), f"{words.plain(feed.asset, 40)} alone") for move_wad, feed in _moves(liquidation)]
    near += [
        (abs(factor.shock_wad), _factor_name(account, factor.factor))
        for factor in liquidation.factors
        if factor.shock_wad is not None
    ]
    nearest, name = min(reversed(near), default=(None, ""), key=lambda pair: pair[0])
    share = 1.0 if nearest is None else min(1.0, nearest / FULL_SHOCK_WAD)
    filled = round(share * BAR)
    style = "red" if share < 0.16 else "yellow" if share < 0.4 else "green"
    told = (
        "no single move gets there"
        if nearest is None
        else f"{words.shock(nearest, signed=False)} away: {name}"
    )
    return Text.assemble("distance ", ("█" * filled, style), ("░" * (BAR - filled), "dim"), f" {told}")


def _factor_name(account: AccountView, factor: str) -> str:
    """A factor that is a token of its own is shown by the token's symbol, marked as a claim."""
    symbols: dict[str, str] = {leg.token: leg.symbol for leg in account.collateral or ()}
    symbols.update({leg.token: leg.symbol for leg in account.debt or ()})
    if factor in symbols:
        return f"{words.plain(symbols[factor], 40)}?"
    return words.plain(factor, 44)


def _legs(account: AccountView) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    table.add_column("")
    table.add_column("token", no_wrap=True)
    table.add_column("amount", justify="right", overflow="fold")
    table.add_column("value", justify="right", overflow="fold")
    table.add_column("threshold", justify="right")
    for leg in account.collateral or ():
        threshold = f"{leg.threshold_bps / 100:g} %" if leg.threshold_bps else "backs nothing"
        _leg_row(table, "supplied", leg.symbol, words.amount(leg.amount_raw, leg.decimals),
                 words.usd(account.usd(leg.value_raw)), threshold)  # fmt: skip
    for owed in account.debt or ():
        _leg_row(table, "owed", owed.symbol, words.amount(owed.amount_raw, owed.decimals),
                 words.usd(account.usd(owed.value_raw)), "")  # fmt: skip
    return table


def _leg_row(table: Table, *cells: str) -> None:
    table.add_row(*(Text(words.plain(cell, 60)) for cell in cells))


def _unread(wallet: WalletView) -> Sequence[RenderableType]:
    lines = [Text("COULD NOT BE READ", style="bold magenta reverse")]
    for item in wallet.unread:
        where = f"{item.venue} {words.short(item.account)}" if item.account else item.venue
        lines.append(Text(f"{where}: {words.plain(str(item.unread), 500)}", style="magenta"))
    return lines
