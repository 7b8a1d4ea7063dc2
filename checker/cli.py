"""The command line: arguments in, exit code out. What a command does stands in a module of its own."""

from __future__ import annotations

import sys


def main() -> None:
    """Temporary."""
    from checker.check import check
    from checker.config import load_config
    from checker.report_json import to_text

    report = check(load_config(sys.argv[1]))
    sys.stdout.write(to_text(report))
    sys.exit(report.exit_code)
