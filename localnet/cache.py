"""Where downloaded and derived files live, and how they get there whole.

Every entry is built in a temporary place beside its final one and then renamed, so that a
reader never sees half a file and two processes may build the same entry at once: the second
rename loses, and both hold the same content because entries are named by what made them.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from margin.errors import LocalnetError


def cache_dir() -> Path:
    """The cache's root: `$CROSSMARGIN_CACHE`, else the user's cache directory; made if missing."""
    explicit = os.environ.get("CROSSMARGIN_CACHE")
    if explicit:
        root = Path(explicit)
    else:
        base = os.environ.get("XDG_CACHE_HOME")
        root = (Path(base) if base else Path.home() / ".cache") / "crossmargin"
    try:
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise LocalnetError(f"cannot make the cache directory: {error.strerror}") from error
    return root


def sha256_hex(content: bytes) -> str:
    """SHA-256 of bytes, 64 hex digits."""
    return hashlib.sha256(content).hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """Writes a whole file at `path`, replacing what is there in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def build_directory(path: Path, build: Callable[[Path], None]) -> Path:
    """The directory at `path`, made by `build` in a temporary place if it is not there yet."""
    if path.is_dir():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        build(work)
        try:
            work.rename(path)
        except OSError:
            # Another process was first. Its entry has the same name, so the same content.
            if not path.is_dir():
                raise
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return path
