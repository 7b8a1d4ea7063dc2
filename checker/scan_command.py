"""`crossmargin scan`: every account of a venue, read and judged before anything is written."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console

from checker import words
from checker.book.scan_json import to_text
from checker.book.scan_tables import print_scan, summary
from checker.book.scanning import scan
from checker.book.view import Effort, Scan
from checker.checking import refuse_bad_blocks
from checker.config import Config, load_config
from checker.console import drawn
from checker.files import Output, outputs
from checker.progress import Progress
from checker.snapshot import BlockChoice
from checker.venues import places, refuse_doubles
from margin.errors import ConfigError
from protocols.deployments import books

CURVE_SUFFIXES = (".png", ".svg", ".csv")


@dataclass(frozen=True, slots=True)
class ScanOptions:
    """The arguments of the command."""

    venue: str
    config: Path | None
    rpc: Mapping[str, Sequence[str]]
    block: Sequence[str]
    as_json: bool
    csv: Path | None
    parquet: Path | None
    curve: Path | None
    top: int
    audit: bool
    quiet: bool
    verbose: bool


def run(options: ScanOptions) -> tuple[str, int]:
    """What goes to stdout, and the exit code. Raises `ConfigError`, `ReadError`, `VenueError`."""
    if options.curve is not None and options.curve.suffix.lower() not in CURVE_SUFFIXES:
        raise ConfigError("--curve", f"{str(options.curve)[:200]!a} does not end in .png, .svg or .csv")
    config = load_config(options.config, rpc=options.rpc)
    refuse_bad_blocks(options.block)
    venue = chosen_venue(config, options.venue)
    chain = venue.partition("/")[0]
    block = BlockChoice.parse(options.block, [chain]).of(chain)
    named = {"--csv": options.csv, "--parquet": options.parquet, "--curve": options.curve}
    with outputs(named) as files:
        found = _scanned(config, venue, block, options)
        _fill(files, found, options.curve)
    if options.as_json:
        return to_text(found), found.exit_code
    return drawn(partial(_print, scan=found, options=options)), found.exit_code


def chosen_venue(config: Config, asked: str) -> str:
    """The id of the venue that is meant by its id or by any part of it that only one venue has.

    A full id on a chain whose chain id is not proven yet is taken as it stands. Raises `ConfigError`,
    which lists the venues there are.
    """
    if not config.chains:
        raise ConfigError(config.source or "configuration", "no chain: add [chains.NAME] or --rpc CHAIN=URL")
    known: dict[str, None] = {}
    for chain in config.chains:
        refuse_doubles(chain)
        ids = [chain.chain_id] if chain.chain_id is not None else _usual_ids(chain.name)
        known |= {place.id: None for each in ids for place in places(chain, each, config, on_request=True)}
    if asked in known:
        return asked
    meant = [venue for venue in known if asked.strip("/") and f"/{asked.strip('/')}/" in f"/{venue}/"]
    if len(meant) == 1:
        return meant[0]
    if meant:
        raise ConfigError("--venue", f"{asked[:80]!a} could be any of {', '.join(meant)}")
    unproven = [chain.name for chain in config.chains if chain.chain_id is None and chain.address_book]
    if asked.count("/") >= 1 and asked.partition("/")[0] in unproven:
        return asked
    there = f"there are {', '.join(known)}" if known else "none is known: add [[venues]], or a chain_id"
    raise ConfigError("--venue", f"no venue {asked[:80]!a}; {there}")


def _usual_ids(chain: str) -> list[int | None]:
    """The chain ids that a chain of that name usually has; `None` where the name says nothing."""
    return [book.chain_id for book in books().values() if chain in (book.chain, *book.aliases)] or [None]


def _scanned(config: Config, venue: str, block: str, options: ScanOptions) -> Scan:
    """The scan itself, with what is said about it on stderr."""
    with Progress(quiet=options.quiet, verbose=options.verbose) as progress:
        found = scan(config, venue, block=block, say=progress.say, audit=options.audit)
    if not options.quiet:
        for warning in found.warnings:
            sys.stderr.write(f"warning: {words.plain(warning)}\n")
    if options.verbose:
        sys.stderr.write(effort(found.effort))
    return found


def effort(took: Effort) -> str:
    """What the scan took, in three lines."""
    return (
        f"{took.requests} requests, {took.seconds:.2f} s\n"
        f"storage by {words.plain(took.storage)}, calls by {words.plain(took.calls)}\n"
        f"{took.bytes_per_account:,} bytes an account, {took.peak_bytes / 1e6:,.0f} MB at the peak, "
        f"{took.decided_exactly:,} accounts decided in integers\n"
    )


def _fill(files: Mapping[str, Output], found: Scan, curve: Path | None) -> None:
    """Writes the files that were asked for; pandas and matplotlib are only imported for them."""
    if "--csv" in files or "--parquet" in files:
        from checker.book.scan_frames import write_book_csv, write_book_parquet

        for option, write in (("--csv", write_book_csv), ("--parquet", write_book_parquet)):
            if option in files:
                files[option].fill(partial(write, found))
    if "--curve" in files and curve is not None:
        files["--curve"].fill(partial(_write_curve, found, curve.suffix.lower()[1:]))


def _write_curve(found: Scan, kind: str, path: Path) -> None:
    if kind == "csv":
        from checker.book.scan_frames import write_curve_csv

        write_curve_csv(found, path)
    else:
        from checker.book.curve_picture import write_picture

        write_picture(found, path, kind)


def _print(console: Console, scan: Scan, options: ScanOptions) -> None:
    if options.quiet:
        console.print(summary(scan))
    else:
        print_scan(console, scan, time.time(), options.top)
