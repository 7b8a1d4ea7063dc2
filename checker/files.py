"""Files to be written: found writable before the work begins, and in their places only when all are whole."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex

from margin.errors import ConfigError


class Output:
    """A file to be, filled under another name beside its place; a device or pipe is written as it is."""

    def __init__(self, option: str, path: Path) -> None:
        """Raises `ConfigError`, naming the option, when it could not be written."""
        self._option = option
        self._path = path
        if str(path) in ("-", "/dev/stdout", "/dev/fd/1"):
            raise ConfigError(option, "name a file: stdout is for the tables, or for --json")
        special = path.is_relative_to("/dev") or (path.exists() and not path.is_file())
        self.place = path if special else path.resolve()
        self._part = path if special else self.place.with_name(f".{token_hex(4)}-{path.name}")
        with self._told():
            if self.place.exists() and not os.access(self.place, os.W_OK):
                raise PermissionError(None, "Permission denied")
            if self._part != self.place:
                self._part.touch(exist_ok=False)
            elif self.place.is_dir():
                raise IsADirectoryError(None, "Is a directory")

    def fill(self, write: Callable[[Path], None]) -> None:
        """Writes the content, not yet in its place."""
        with self._told():
            write(self._part)

    def keep(self) -> None:
        """Puts what was written in its place, with the rights of the file that stood there."""
        with self._told():
            if self._part != self.place:
                if self.place.exists():
                    shutil.copymode(self.place, self._part)
                self._part.replace(self.place)

    def drop(self) -> None:
        """Removes what is not in its place."""
        if self._part != self.place:
            self._part.unlink(missing_ok=True)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            problem = error.strerror or "cannot be written"
            raise ConfigError(self._option, f"{self._path}: {problem}") from None


@contextmanager
def outputs(named: dict[str, Path | None]) -> Iterator[dict[str, Output]]:
    """The files named, by option. All are put in their places at the end, or on a failure none is."""
    files: dict[str, Output] = {}
    try:
        for option, path in named.items():
            if path is None:
                continue
            file = files[option] = Output(option, path)
            if [other.place for other in files.values()].count(file.place) > 1:
                raise ConfigError(option, f"{path}: another option names the same file")
        yield files
        for file in files.values():
            file.keep()
    finally:
        for file in files.values():
            file.drop()
