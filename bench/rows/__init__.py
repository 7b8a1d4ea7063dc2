"""The rows: every module here has a `measure(stage)` that yields some. No list to edit."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import bench.rows
from bench.row import Row
from bench.stage import Stage


def names() -> list[str]:
    """Every module of rows, in alphabetical order."""
    return sorted(module.name for module in pkgutil.iter_modules(bench.rows.__path__))


def measured(stage: Stage, wanted: list[str]) -> Iterator[Row]:
    """The rows of these modules, each as soon as it is measured.

    Raises `bench.row.Different` when two ways disagree; whatever else goes wrong is raised as it is.
    """
    for name in wanted:
        stage.say(f"measuring {name}")
        yield from importlib.import_module(f"{bench.rows.__name__}.{name}").measure(stage)
