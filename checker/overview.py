"""Many wallets at a glance: one line each, the worst first."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from checker import words
from checker.bands import Band
from checker.wallet_view import Report, WalletView
from margin.units import WAD

STYLE = {
    Band.OK: "green",
    Band.WARNING: "yellow",
    Band.DANGER: "bold dark_orange",
    Band.UNKNOWN: "bold magenta",
    Band.LIQUIDATABLE: "bold red",
}


def overview(report: Report) -> Table:
    """Band, lowest health factor, smallest deadly move, time left and equity of every wallet."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False, title_justify="left")
    table.add_column("wallet", overflow="fold", max_width=24)  # the only one that gives way
    table.add_column("band", no_wrap=True)
    for name in ("health", "factor", "time left", "equity"):
        table.add_column(name, justify="right", no_wrap=True)
    for wallet in sorted(report.wallets, key=lambda wallet: -wallet.band):
        name = words.plain(wallet.label, 100) if wallet.label else words.short(wallet.wallet)
        table.add_row(Text(name), Text(wallet.band.word, STYLE[wallet.band]), *_figures(wallet))
    return table


def _figures(wallet: WalletView) -> tuple[str, str, str, str]:
    """The worst of its accounts, each figure for itself; a dash where there is none."""
    verdicts = [account.verdict for account in wallet.accounts if account.verdict is not None]
    healths = [v.health_factor_wad for v in verdicts if v.health_factor_wad is not None]
    edges = [account.liquidation for account in wallet.accounts if account.liquidation is not None]
    shocks = [edge.smallest_shock_wad for edge in edges if edge.smallest_shock_wad is not None]
    lefts = [account.seconds_left for account in wallet.accounts if account.seconds_left is not None]
    return (
        (words.health(min(healths)) if min(healths) < 1000 * WAD else "> 1,000") if healths else "—",
        words.shock(min(shocks, key=abs)) if shocks else "—",
        words.span(min(lefts)) if lefts else "—",
        "—" if wallet.equity_usd is None else words.usd(float(round(wallet.equity_usd))).removesuffix(".00"),
    )
