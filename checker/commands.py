"""The commands and their options. What a command does stands in a module of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from checker.cli import leave_stdout
from margin.errors import ConfigError

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

alerts = typer.Typer(help="The channels that alerts go to.", rich_markup_mode=None)
app.add_typer(alerts, name="alerts")

Wallets = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[WALLET]...",
        help="Addresses, or labels of the config. An address that is all of an "
        "entry there has that entry's label and bands.",
    ),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", help="Default: crossmargin.toml, here or in the user's config directory."
    ),
]
Rpc = Annotated[
    list[str] | None,
    typer.Option("--rpc", metavar="CHAIN=URL", help="An endpoint; again for failover or another chain."),
]
Block = Annotated[
    list[str] | None,
    typer.Option("--block", metavar="BLOCK", help="N, HASH, latest, safe, finalized, or CHAIN=N."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Csv = Annotated[
    Path | None, typer.Option("--csv", metavar="FILE", help="Write the legs of all accounts as CSV.")
]
Parquet = Annotated[Path | None, typer.Option("--parquet", metavar="FILE", help="The same as Parquet.")]
BookCsv = Annotated[
    Path | None,
    typer.Option("--csv", metavar="FILE", help="Write the whole book as CSV, one row an account."),
]
Venue = Annotated[
    str,
    typer.Option(
        "--venue", metavar="VENUE", help="CHAIN/PROTOCOL/NAME, or a part of it that only one venue has."
    ),
]
Curve = Annotated[
    Path | None,
    typer.Option(
        "--curve",
        metavar="FILE",
        help="What falling prices put at risk: .png, .svg or .csv by the name's end.",
    ),
]
Top = Annotated[int, typer.Option("--top", metavar="N", min=0, help="How many accounts the screen lists.")]
Audit = Annotated[
    bool,
    typer.Option(
        "--audit/--no-audit", help="Ask the protocol's own view of every account, or only near the edge."
    ),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", help="No progress, no warnings, and instead of tables only the summary.")
]
Verbose = Annotated[bool, typer.Option("--verbose", help="Say each step, and how many requests it took.")]


@app.callback(invoke_without_command=True)
def crossmargin(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> int:
    """A read-only cross-margin risk checker for DeFi accounts. Options stand after the command."""
    if version:
        from importlib.metadata import version as version_of

        _print(f"crossmargin {version_of('crossmargin')}\n")
    elif context.invoked_subcommand is None:
        _print(context.get_help() + "\n")
    return 0


@app.command()
def check(
    wallets: Wallets = None,
    config: ConfigFile = None,
    rpc: Rpc = None,
    block: Block = None,
    as_json: AsJson = False,
    csv: Csv = None,
    parquet: Parquet = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Read wallets and show the cross-margin view: health, where each account dies, exposure."""
    from checker.check_command import CheckOptions, run

    options = CheckOptions(
        wallets=wallets or [],
        config=config,
        rpc=endpoints(rpc or []),
        block=block or [],
        as_json=as_json,
        csv=csv,
        parquet=parquet,
        quiet=quiet,
        verbose=verbose,
    )
    text, code = run(options)
    _print(text)
    return code


@app.command()
def scan(
    venue: Venue,
    config: ConfigFile = None,
    rpc: Rpc = None,
    block: Block = None,
    as_json: AsJson = False,
    csv: BookCsv = None,
    parquet: Parquet = None,
    curve: Curve = None,
    top: Top = 20,
    audit: Audit = True,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> int:
    """Find and judge every account of a venue: completeness, the riskiest first, what falling prices do."""
    from checker.scan_command import ScanOptions, run

    options = ScanOptions(
        venue=venue,
        config=config,
        rpc=endpoints(rpc or []),
        block=block or [],
        as_json=as_json,
        csv=csv,
        parquet=parquet,
        curve=curve,
        top=top,
        audit=audit,
        quiet=quiet,
        verbose=verbose,
    )
    text, code = run(options)
    _print(text)
    return code


@app.command()
def doctor(
    config: ConfigFile = None,
    rpc: Rpc = None,
    as_json: AsJson = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="No progress, and only what is not well; nothing where all is.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Say each step, how many requests it took, every oracle answer.")
    ] = False,
) -> int:
    """Look at the configuration, every endpoint and what it can do, every venue and its oracles."""
    from checker.doctor_command import DoctorOptions, run

    options = DoctorOptions(
        config=config, rpc=endpoints(rpc or []), as_json=as_json, quiet=quiet, verbose=verbose
    )
    text, code = run(options)
    _print(text)
    return code


@alerts.command("test")
def alerts_test(config: ConfigFile = None) -> int:
    """Send one test message through each channel."""
    from checker.config import load_config
    from checker.watch.channels.build import alerts_test as tested

    text, code = tested(load_config(config))
    _print(text)
    return code


@alerts.command("list")
def alerts_list(config: ConfigFile = None, as_json: AsJson = False) -> int:
    """What was sent, what is pending, and who is silent."""
    import time

    from checker.watch_command import listing

    _print(listing(config, time.time(), as_json=as_json))
    return 0


@app.command()
def watch(
    config: ConfigFile = None,
    rpc: Rpc = None,
    once: Annotated[bool, typer.Option("--once", help="One round and its messages, for cron.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say nothing on stderr.")] = False,
) -> int:
    """Watch the wallets of the configuration, and tell the channels when a band changes, until stopped."""
    from checker.watch_command import WatchOptions, run

    text, code = run(WatchOptions(config=config, rpc=endpoints(rpc or []), once=once, quiet=quiet))
    _print(text)
    return code


@app.command()
def silence(
    wallet: Annotated[str, typer.Argument(metavar="WALLET", help="A label of the config, or an address.")],
    length: Annotated[str, typer.Option("--for", metavar="TIME", help="Such as 30m, 6h or 1d.")],
    config: ConfigFile = None,
) -> int:
    """Send no messages about a wallet for a time."""
    import time

    from checker.watch_command import silence as silenced

    _print(silenced(config, wallet, length, time.time()))
    return 0


@app.command()
def protocols(as_json: AsJson = False) -> int:
    """The adapters, and what each was verified against."""
    from checker.protocols_command import listing

    _print(listing(as_json=as_json))
    return 0


@app.command()
def demo(
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the local chain up, with a config file for it.")
    ] = False,
) -> int:
    """The main job on a local chain with genuine protocol contracts."""
    from checker.demo import run

    return run(keep=keep)


def endpoints(values: list[str]) -> dict[str, list[str]]:
    """The values of `--rpc`, by chain, in the order given."""
    found: dict[str, list[str]] = {}
    for value in values:
        chain, equals, url = value.partition("=")
        if not (chain and equals and url) or "/" in chain:
            raise ConfigError("--rpc", "expected CHAIN=URL")
        found.setdefault(chain, []).append(url)
    return found


def _print(text: str) -> None:
    """Writes to stdout as UTF-8; a reader that went away is no error."""
    try:
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        leave_stdout()
    except OSError as error:
        leave_stdout()
        raise ConfigError("stdout", error.strerror or "cannot be written") from None
