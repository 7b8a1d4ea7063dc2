"""`crossmargin check`: everything is read and judged before anything is written."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from checker.checking import check
from checker.config import Config, load_config
from checker.console import drawn
from checker.files import outputs
from checker.frames import write_csv, write_parquet
from checker.progress import Progress
from checker.report_json import to_text
from checker.tables import print_report, summary
from checker.wallet_view import Report


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """The arguments of the command."""

    wallets: Sequence[str]
    config: Path | None
    rpc: Mapping[str, Sequence[str]]
    block: Sequence[str]
    as_json: bool
    csv: Path | None
    parquet: Path | None
    quiet: bool
    verbose: bool


def run(options: CheckOptions) -> tuple[str, int]:
    """What goes to stdout, and the exit code. Raises `ConfigError`."""
    config = load_config(options.config, rpc=options.rpc)
    with outputs({"--csv": options.csv, "--parquet": options.parquet}) as files:
        report = _checked(config, options)
        for option, write in (("--csv", write_csv), ("--parquet", write_parquet)):
            if option in files:
                files[option].fill(partial(write, report))
    return (to_text(report) if options.as_json else screen(report, quiet=options.quiet)), report.exit_code


def _checked(config: Config, options: CheckOptions) -> Report:
    """The check itself, with what is said about it on stderr."""
    begun = time.monotonic()
    with Progress(quiet=options.quiet, verbose=options.verbose) as progress:
        report = check(config, options.wallets, block=options.block, say=progress.say)
    if not options.quiet:
        for warning in report.warnings:
            sys.stderr.write(f"warning: {warning}\n")
    if options.verbose:
        sys.stderr.write(f"{report.requests} requests, {time.monotonic() - begun:.2f} s\n")
    return report


def screen(report: Report, *, quiet: bool = False) -> str:
    """The report as a terminal shows it; without colour where stdout is none."""
    return drawn(
        lambda console: (
            console.print(summary(report)) if quiet else print_report(console, report, time.time())
        )
    )
