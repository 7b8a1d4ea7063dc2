"""TCP ports for local nodes: each is one process's alone, however many start at once."""

from __future__ import annotations

import fcntl
import secrets
import socket
from typing import IO

from localnet.cache import cache_dir
from margin.errors import LocalnetError

FIRST, COUNT = 20_000, 12_000
"""Below what systems give to outgoing connections."""
TRIES = 1_000


def claim_port() -> tuple[int, IO[bytes]]:
    """A free port, and the open file that keeps it from others of ours until it is closed.

    A port that is merely free may be somebody else's by the time a node has loaded its state, and whoever
    asks there then talks to the wrong chain. Raises LocalnetError where there is none.
    """
    folder = cache_dir() / "ports"
    folder.mkdir(parents=True, exist_ok=True)
    for _ in range(TRIES):
        # Not from `random`: tests seed that alike.
        port = FIRST + secrets.randbelow(COUNT)
        claim = (folder / str(port)).open("wb")
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
        else:
            return port, claim
    raise LocalnetError("no port is free for a local node")
