"""The node alone: questions as bytes prepared beforehand, answers as they come."""

from __future__ import annotations

import http.client
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

from chain.slots import PROGRAM_PIECE, Piece, program_params
from margin.basics import Address, BlockRef

LANES = 2
"""Connections at once, as our reader has by default."""
CHUNK = 8192
"""Slots in a body, as many as our reader comes to ask at once."""


class Node:
    """Connections to a node that know nothing of what is said on them."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url).netloc
        self._lanes = [http.client.HTTPConnection(place) for _ in range(LANES)]
        self._threads = ThreadPoolExecutor(LANES)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown()
        for lane in self._lanes:
            lane.close()

    def post(self, bodies: Sequence[bytes]) -> list[bytes]:
        """The answers to bodies, in their order; every connection has its share of them."""

        def share(which: int) -> list[bytes]:
            return [_post(self._lanes[which], body) for body in bodies[which::LANES]]

        by_lane = list(self._threads.map(share, range(LANES)))
        return [by_lane[at % LANES][at // LANES] for at in range(len(bodies))]


def _post(lane: http.client.HTTPConnection, body: bytes) -> bytes:
    lane.request("POST", "/", body, {"Content-Type": "application/json"})
    return lane.getresponse().read()


def request(method: str, params: Sequence[object], number: int = 1) -> dict[str, object]:
    """One JSON-RPC request."""
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


def pieces(
    contracts: Sequence[Address],
    contract: npt.NDArray[np.integer],
    keys: npt.NDArray[np.uint8],
    size: int = PROGRAM_PIECE,
) -> list[list[Piece]]:
    """By chunk, in pieces of up to `size` keys of one contract; keys of a contract stand together."""
    ends = np.flatnonzero(np.diff(contract, append=-1)) + 1
    chunks: list[list[Piece]] = []
    for start in range(0, len(keys), CHUNK):
        chunks.append([])
        at, stop = start, min(start + CHUNK, len(keys))
        while at < stop:
            end = min(stop, at + size, int(ends[np.searchsorted(ends, at, side="right")]))
            chunks[-1].append((contracts[contract[at]], keys[at:end].tobytes()))
            at = end
    return chunks


def program_bodies(block: BlockRef, chunks: Sequence[Sequence[Piece]]) -> list[bytes]:
    """The questions for these pieces by the program that loads slots."""
    at = {"blockHash": block.hash}
    return [json.dumps(request("eth_call", program_params(chunk, at))).encode() for chunk in chunks]
