"""`crossmargin doctor`: configuration, endpoints and venues, looked at one by one."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from checker.config import load_config
from checker.console import drawn
from checker.doctor.as_json import to_text
from checker.doctor.examination import Diagnosis, doctor
from checker.doctor.screen import print_diagnosis, print_problems
from checker.progress import Progress


@dataclass(frozen=True, slots=True)
class DoctorOptions:
    """The arguments of the command."""

    config: Path | None
    rpc: Mapping[str, Sequence[str]]
    as_json: bool
    quiet: bool
    verbose: bool


def run(options: DoctorOptions) -> tuple[str, int]:
    """What goes to stdout, and the exit code. Raises `ConfigError`."""
    config = load_config(options.config, rpc=options.rpc)
    begun = time.monotonic()
    with Progress(quiet=options.quiet, verbose=options.verbose) as progress:
        diagnosis = doctor(config, say=progress.say)
    if options.verbose:
        sys.stderr.write(f"{diagnosis.requests} requests, {time.monotonic() - begun:.2f} s\n")
    if options.as_json:
        return to_text(diagnosis), diagnosis.exit_code
    return screen(diagnosis, quiet=options.quiet, verbose=options.verbose), diagnosis.exit_code


def screen(diagnosis: Diagnosis, *, quiet: bool = False, verbose: bool = False) -> str:
    """The diagnosis as a terminal shows it; without colour where stdout is none."""
    return drawn(
        lambda console: (
            print_problems(console, diagnosis)
            if quiet
            else print_diagnosis(console, diagnosis, verbose=verbose)
        )
    )
