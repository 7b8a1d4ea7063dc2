"""Names that strangers chose, made fit to be shown anywhere as one short line."""

from __future__ import annotations

import re
import unicodedata

LONGEST_NAME = 32
_ESCAPE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)"  # OSC and its like, up to their end
    r"|\x9b[0-?]*[ -/]*[@-~]"
    r"|\x1b[ -/]*[0-~]",
    re.DOTALL,
)
_INVISIBLE = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols that show nothing, although Unicode does not count them as format characters."""


def clean(name: str) -> str:
    """`name` without controls, escapes, bidi and zero-width characters, marks and `@`; at most 32 characters.

    What is left may be empty. Markdown, HTML and CSV are escaped where they are written, not here.
    """
    text = unicodedata.normalize("NFKC", _ESCAPE.sub("", name[:1024]))
    kept = []
    for char in text:
        category = unicodedata.category(char)
        if category[0] == "Z" or char in "\t\n\r\v\f":
            kept.append(" ")
        elif category[0] not in "CM" and char not in _INVISIBLE and char != "@":
            # No mark on a letter survives NFKC unless it is stacked, and no @ means no mention.
            kept.append(char)
    return " ".join("".join(kept).split())[:LONGEST_NAME].rstrip()


def short(address: str) -> str:
    """An address in eleven characters, for where a name is missing."""
    return f"{address[:6]}…{address[-4:]}"
