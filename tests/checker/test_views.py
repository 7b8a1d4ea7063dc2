"""What the contracts alone cannot show: views that differ, searches that give up, strangers' names."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from checker import check, load_config, words
from checker.account_view import view
from checker.bands import DEFAULT_BANDS, Band
from checker.config import Wallet
from checker.demo.world import World
from checker.frames import legs_frame, write_csv
from checker.report_json import to_json
from checker.snapshot import BlockChoice, ChainReading, read_chains
from checker.tables import print_report
from checker.wallet_view import Report, wallet_view
from margin.errors import Undecided
from protocols.base import Audit
from tests.checker.conftest import Run, schema_of


@pytest.fixture
def reading(config: Path, world: World) -> ChainReading:
    loaded = load_config(config)
    (found,) = read_chains(loaded, list(world.wallets.values()), BlockChoice(), lambda _: None)
    return found


class Lying:
    """A genuine venue whose protocol's own view says something else."""

    def __init__(self, venue: Any, health_factor_wad: int) -> None:
        self._venue, self._said_wad = venue, health_factor_wad

    def __getattr__(self, name: str) -> Any:
        return getattr(self._venue, name)

    def audit(self, _account: Any) -> Audit:
        return Audit({"healthFactor": str(self._said_wad)}, agrees=False)

    def reported_liquidatable(self, _account: Any) -> bool:
        return self._said_wad < 10**18


@pytest.mark.parametrize(
    ("name", "said_wad", "band"),
    [
        ("comfortable", 10**18 - 1, Band.LIQUIDATABLE),
        ("comfortable", 105 * 10**16, Band.DANGER),
        ("comfortable", 120 * 10**16, Band.WARNING),
        ("comfortable", 5 * 10**18, Band.WARNING),
        ("edge", 5 * 10**18, Band.DANGER),
        ("liquidatable", 5 * 10**18, Band.LIQUIDATABLE),
    ],
)
def test_the_worse_of_two_views_sets_the_band_and_is_named(
    reading: ChainReading, world: World, name: str, said_wad: int, band: Band
) -> None:
    place = reading.venues[0].place
    book: Any = reading.venues[0].book
    (account,) = book.accounts[world.wallets[name]]
    lying: Any = Lying(book.venue, said_wad)
    seen = view(lying, place.config, "aave-v3", account, DEFAULT_BANDS)
    assert seen.band is band
    assert seen.liquidatable is (band is Band.LIQUIDATABLE)
    assert seen.disagreement is not None
    assert str(said_wad) in seen.disagreement


def test_a_disagreement_is_loud(reading: ChainReading, world: World) -> None:
    first, *others = reading.venues
    book: Any = first.book
    lying = dataclasses.replace(book, venue=Lying(book.venue, 7 * 10**18))
    lied = dataclasses.replace(reading, venues=(dataclasses.replace(first, book=lying), *others))
    wallet = wallet_view(Wallet(None, (world.wallets["comfortable"],), DEFAULT_BANDS), [lied])
    report = Report((), (wallet,))
    assert report.exit_code == 1
    shown = screen(report, 100)
    assert "DISAGREEMENT" in shown
    assert "1 of 2 verdicts equal the protocols' own view" in shown
    document = to_json(report)
    schema_of("check").validate(document)
    assert document["wallets"][0]["accounts"][0]["agrees"] is False


@pytest.mark.parametrize("search", ["feed_edge", "factor_edge", "time_edge"])
def test_what_cannot_be_decided_is_unknown(
    run: Run, config: Path, monkeypatch: pytest.MonkeyPatch, search: str
) -> None:
    def give_up(*_: object) -> None:
        raise Undecided(search, 400_000)

    monkeypatch.setattr(f"checker.account_view.{search}", give_up)
    outcome = run("check", "comfortable", "liquidatable", "no_debt", "--json", "--config", config)
    comfortable, liquidatable, lender = outcome.json["wallets"]
    assert (comfortable["band"], liquidatable["band"], lender["band"]) == ("unknown", "liquidatable", "ok")
    assert {item["reason"] for item in comfortable["unread"]} == {"undecided"}
    assert comfortable["accounts"][0]["health_factor"] > 2
    assert comfortable["equity_usd"] is None


def screen(report: Report, width: int) -> str:
    text = io.StringIO()
    print_report(Console(file=text, width=width, no_color=True), report, 1_800_000_000.0)
    return text.getvalue()


@pytest.mark.parametrize("width", [80, 100, 120])
def test_the_screen_fits(config: Path, width: int) -> None:
    report = check(load_config(config))
    shown = screen(report, width)
    assert max(map(len, shown.splitlines())) <= width
    for wallet in report.wallets:
        assert f"{wallet.band.word}  {wallet.label}" in shown
        assert re.search(rf"^{wallet.label} +{wallet.band.word} ", shown, re.MULTILINE)
    accounts = sum(len(wallet.accounts) for wallet in report.wallets)
    assert f"{accounts} of {accounts} verdicts equal the protocols' own view" in shown


def test_a_price_on_the_screen_shows_every_digit_of_the_answer(config: Path) -> None:
    report = check(load_config(config), ["edge"])
    (wallet,) = report.wallets
    account = wallet.accounts[0]
    assert account.liquidation is not None
    feed = dataclasses.replace(account.liquidation.feeds[0], liquidation_price_raw=198_000_000_000)
    liquidation = dataclasses.replace(account.liquidation, feeds=(feed,))
    wallet = dataclasses.replace(wallet, accounts=(dataclasses.replace(account, liquidation=liquidation),))
    shown = screen(Report(report.blocks, (wallet,)), 100)
    assert "WETH ≤ $1,980.00000000 " in shown


def test_the_screen_says_where_accounts_die(run: Run, config: Path) -> None:
    shown = run("check", "edge", "comfortable", "no_position", "--config", config).out
    (edge,) = check(load_config(config), ["edge"]).wallets
    assert shown.index("danger  edge") < shown.index("ok  comfortable")
    for account in edge.accounts:
        liquidation = account.liquidation
        assert liquidation is not None
        assert liquidation.at_constant_prices is not None
        for feed in liquidation.feeds:
            edge_raw = feed.liquidation_price_raw
            assert edge_raw is not None
            sign = "≤" if feed.direction == "down" else "≥"
            assert f"{feed.asset} {sign} ${edge_raw // 10**8:,}.{edge_raw % 10**8:08}" in shown
            assert f"answer {edge_raw}" in shown
            assert f"({'−' if feed.direction == 'down' else '+'}" in shown
        assert f"if nothing moves: {words.moment(liquidation.at_constant_prices)}" in shown
    assert "by factor: ETH −" in shown
    assert "no position" in shown


HOSTILE = [
    "=HYPERLINK(1)",
    "+1",
    "-1",
    "@SUM(A1)",
    "\tTAB",
    "\rCR",
    "[red]x[/red]",
    "[/]",
    "\x1b[2J\x1b]0;owned\x07",
    "\u202egnp.exe",
    "a\nb\nc",
    'quote"quote',
    "😀" * 30,
]


@pytest.mark.parametrize("symbol", HOSTILE, ids=range(len(HOSTILE)))
def test_a_strangers_name_is_shown_but_not_obeyed(config: Path, tmp_path: Path, symbol: str) -> None:
    report = check(load_config(config), ["edge"])
    (wallet,) = report.wallets
    accounts = [
        dataclasses.replace(
            account,
            collateral=tuple(dataclasses.replace(leg, symbol=symbol) for leg in account.collateral or ()),
            liquidation=dataclasses.replace(
                account.liquidation,
                feeds=tuple(dataclasses.replace(feed, asset=symbol) for feed in account.liquidation.feeds),
            )
            if account.liquidation
            else None,
            notes=(symbol,),
        )
        for account in wallet.accounts
    ]
    report = Report(
        report.blocks,
        (dataclasses.replace(wallet, label=symbol, accounts=tuple(accounts)),),
    )
    shown = screen(report, 80)
    assert all(char.isprintable() or char == "\n" for char in shown)
    assert "\u202e" not in shown
    if symbol.startswith("["):
        assert symbol in shown
    write_csv(report, tmp_path / "x.csv")
    with (tmp_path / "x.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert {len(row) for row in rows} == {len(rows[0])}
    for cell in [cell for row in rows for cell in row]:
        assert not cell.startswith(("=", "+", "@", "\t", "\r"))
        assert not cell.startswith("-") or cell.lstrip("-").replace(".", "").isdigit()
    assert symbol in set(legs_frame(report)["symbol"])
    schema_of("check").validate(to_json(report))


def test_a_strangers_token_on_the_chain_itself(run: Run, config: Path, world: World, tmp_path: Path) -> None:
    market, user = world.markets["3.2"], world.wallets["no_debt"]
    market.list_reserve(
        "=cmd|'/C calc'!A0", 18, 10**8, ltv=5000, liquidation_threshold=6000, liquidation_bonus=10500
    )
    market.supply(user, "=cmd|'/C calc'!A0", 10**18)
    outcome = run("check", "no_debt", "--json", "--config", config, "--csv", tmp_path / "x.csv")
    assert outcome.code == 0
    assert ",'=cmd|'/C calc'!A0," in (tmp_path / "x.csv").read_text()
    assert "=cmd|'/C calc'!A0" in run("check", "no_debt", "--config", config).out
