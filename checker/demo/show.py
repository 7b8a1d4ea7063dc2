"""What the demo shows, step by step."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.text import Text

from checker.account_view import AccountView
from checker.bands import Band
from checker.checking import check
from checker.config import load_config
from checker.demo.alert import Look, framed, looks
from checker.demo.proof import Trial, try_price, try_second
from checker.demo.world import NEWER, OLDER, World, fetch_packages, raise_world
from checker.progress import Progress
from checker.tables import print_report
from checker.wallet_view import Report

T = TypeVar("T")
SHOWN = ("liquidatable_many", "edge", "emode_loop")
"""Wallets shown in full; everyone stands in the overview."""
PROVED = "edge"
FAILED = 3


def run(*, keep: bool) -> int:
    """The whole demo; 0 when everything it set out to show was shown."""
    stage = Stage()
    stage.step("packages", "downloading the node and the contracts, the first time only", fetch_packages, str)
    world = stage.step("chain", "deploying two markets, the first time only", raise_world, _who_lives)
    directory = Path(tempfile.mkdtemp(prefix="crossmargin-demo-"))
    try:
        place = directory / "crossmargin.toml"
        place.write_text(world.config_text())
        good = _show(stage, world, place)
    except BaseException:
        world.anvil.stop()
        shutil.rmtree(directory, ignore_errors=True)
        raise
    if keep:
        world.leave_running()
        stage.kept(world, place)
    else:
        world.anvil.stop()
        shutil.rmtree(directory, ignore_errors=True)
        stage.next_steps()
    return 0 if good else FAILED


def _show(stage: Stage, world: World, place: Path) -> bool:
    config = load_config(place)
    report = stage.step("check", "reading every wallet at one block", lambda: check(config), _how_many)
    stage.say("")
    print_report(stage.console, report, time.time(), [w for w in report.wallets if w.label in SHOWN])
    market, account = world.markets[NEWER], _account(report, world.venue(NEWER))
    stage.say(f"\nIs that price right? {PROVED} on {account.key.venue}, on the contracts themselves:", "bold")
    good = stage.trials(try_price(market, account))
    market, account = world.markets[OLDER], _account(report, world.venue(OLDER))
    stage.say(f"\nAnd that second? {PROVED} on {account.key.venue}, prices held:", "bold")
    good = stage.trials(try_second(market, account)) and good
    stage.say(f"\nAnd who would tell you? A watch of {PROVED}, by mail to an inbox on this machine:", "bold")
    return stage.looks(looks(world, PROVED)) and good and report.band is not Band.UNKNOWN


def _who_lives(world: World) -> str:
    return f"{len(world.wallets)} wallets on two markets, {world.anvil.url}"


def _how_many(report: Report) -> str:
    return f"{len(report.wallets)} wallets, {report.requests} requests to the node"


def _account(report: Report, venue: str) -> AccountView:
    """The account whose figures are proved."""
    wallet = next(wallet for wallet in report.wallets if wallet.label == PROVED)
    return next(account for account in wallet.accounts if account.key.venue == venue)


class Stage:
    """Where it is shown: stdout, with a spinner on stderr while something takes its time."""

    def __init__(self) -> None:
        width = min(shutil.get_terminal_size((100, 24)).columns, 140)
        self.console = Console(width=width, highlight=False)

    def say(self, text: str, style: str = "") -> None:
        """A line of its own; wrapped only where the terminal does it."""
        self.console.print(Text(text, style), soft_wrap=True)

    def step(self, name: str, doing: str, task: Callable[[], T], done: Callable[[T], str]) -> T:
        """Runs a step with progress, then says what came of it and how long it took."""
        begun = time.monotonic()
        with Progress() as progress:
            progress.say(f"{name}: {doing}")
            result = task()
        self.say(f"{name:9} {done(result)} ({time.monotonic() - begun:.1f} s)")
        return result

    def trials(self, trials: Iterable[Trial | Look]) -> bool:
        """Shows each trial as it is made; whether all ended as foretold."""
        good = True
        for trial in trials:
            mark, style = ("✓", "green") if trial.as_foretold else ("✗ NOT AS FORETOLD", "bold red")
            line = Text.assemble((f"  {mark} ", style), f"{trial.where}: {trial.told}")
            self.console.print(line, soft_wrap=True)
            good = good and trial.as_foretold
        return good

    def looks(self, looks: Iterable[Look]) -> bool:
        """Shows each look of the watch, and the last mail; whether all ended as foretold."""
        made = list(looks)
        good = self.trials(made)
        for mail in made[-1].mails:
            self.console.print(framed(mail))
            self.say(f"  {made[-1].in_time}", "dim")
        return good

    def next_steps(self) -> None:
        """What to type next."""
        self.say("\nNext:", "bold")
        self.say(
            "  crossmargin demo --keep                                  the same, and the chain stays up"
        )
        self.say(
            "  crossmargin check 0x… --rpc ethereum=https://…           a wallet of yours, on a real chain"
        )
        self.say("  crossmargin check --help")

    def kept(self, world: World, place: Path) -> None:
        """How to go on with the chain that was left up."""
        self.say("\nThe chain stays up:", "bold")
        self.say(f"  RPC URL      {world.anvil.url}")
        self.say(f"  config file  {place}")
        self.say(f"  to end it    kill {world.anvil.pid}")
        self.say("\nNext:", "bold")
        self.say(f"  crossmargin check --config {place}")
        self.say(f"  crossmargin check {PROVED} --json --config {place}")
