"""Markets that were deployed before: loaded from the cache instead of deployed again.

A state is kept under the hash of everything that made it: the package, the compiler, the node, and
this room's source. See `localnet.states` for what a loaded chain can be asked.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localnet import packages, solc
from localnet.anvil import Anvil
from localnet.cache import build_directory, cache_dir, sha256_hex
from localnet.maker import cast
from localnet.maker.market import Market
from localnet.maker.replay import TESTCHAIN, replay

_STATE, _MARKET = "state.json", "market.json"
_LOCALNET = Path(__file__).parent.parent


def saved(*, empty: bool = False) -> Path:
    """The cached directory of the standard market, with the cast on it or `empty`; made first if need be."""
    name = "maker-empty" if empty else "maker"
    parts = [TESTCHAIN.digest, packages.SOLC.digest, packages.ANVIL_VERSION, _recipe_hash(), name]
    key = sha256_hex("\n".join(parts).encode())

    def build(work: Path) -> None:
        with Anvil.start() as anvil:
            replay(anvil)
            market = Market(anvil)
            cast.make_room(market)
            if not empty:
                cast.play(market)
            anvil.dump_state(work / _STATE)
        (work / _MARKET).write_text(json.dumps(market.to_json()))

    return build_directory(cache_dir() / "states" / f"{name}-{key[:24]}", build)


@contextmanager
def running(*, empty: bool = False) -> Iterator[Market]:
    """The market on an Anvil of its own (`market.anvil`), which ends with the block."""
    place = saved(empty=empty)
    with Anvil.start(state=place / _STATE) as anvil:
        yield Market.from_json(anvil, json.loads((place / _MARKET).read_text()))


@functools.cache
def _recipe_hash() -> str:
    sources = [*Path(__file__).parent.glob("*.py"), *solc.SOURCES.glob("*.sol"), _LOCALNET / "evm.py"]
    return sha256_hex(b"\0".join(path.read_bytes() for path in sorted(sources)))
