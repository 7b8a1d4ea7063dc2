"""A terminal's width and colours for what goes to stdout; plain text where stdout is no terminal."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Callable

from rich.console import Console

WIDEST = 140


def drawn(draw: Callable[[Console], None]) -> str:
    """What `draw` prints, as the terminal shows it."""
    text = io.StringIO()
    on_terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size((100, 24)).columns
    draw(
        Console(
            file=text,
            width=min(width, WIDEST),
            force_terminal=on_terminal,
            no_color=None if on_terminal else True,
        )
    )
    return text.getvalue()
