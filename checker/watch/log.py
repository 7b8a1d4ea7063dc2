"""The log of the watch: a line an event on stderr, for people and for whoever collects lines.

    2026-11-23T21:52:38Z info queued chain=ethereum messages=2

Time in UTC, level, event, then `name=value` fields; a value with anything but plain characters in it
stands in quotes, escaped as in JSON.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
from typing import Protocol

from checker import words

_PLAIN = re.compile(r"[A-Za-z0-9_.,:/\[\]+-]+")


class Say(Protocol):
    """Writes one event down."""

    def __call__(self, event: str, /, *, level: int = logging.INFO, **fields: object) -> None:
        """`event`: a few fixed words; what varies is in the fields."""


def line(event: str, **fields: object) -> str:
    """The event and its fields, as they stand behind time and level."""
    return " ".join([event, *(f"{name}={_shown(value)}" for name, value in fields.items())])


def to_stderr(name: str = "crossmargin.watch") -> Say:
    """The log of a process, and the scheduler's own where nobody has set up logging otherwise."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter())
    logger = logging.getLogger(name)
    logger.handlers[:] = [handler]
    logger.propagate = False
    logger.setLevel(logging.INFO)
    scheduler = logging.getLogger("apscheduler")
    if not scheduler.hasHandlers():  # else whoever set up logging wants it as it is
        scheduler.addHandler(handler)

    def say(event: str, /, *, level: int = logging.INFO, **fields: object) -> None:
        logger.log(level, "%s", line(event, **fields))

    return say


def nobody(event: str, /, *, level: int = logging.INFO, **fields: object) -> None:
    """For those who keep no log."""


def _shown(value: object) -> str:
    text = words.plain(str(value), 1000)
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


class _Formatter(logging.Formatter):
    """One line a record, a traceback too."""

    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))
        said = " ".join(record.getMessage().split())
        trace = self.formatException(record.exc_info) if record.exc_info else record.exc_text
        if trace:
            said += f" trace={json.dumps(trace)}"
        return f"{at} {record.levelname.lower()} {said}"
