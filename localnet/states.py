"""Markets that were deployed before: loaded from the cache instead of deployed again.

A state is kept under the hash of everything that made it: the packages, the compiler, the whole
source of this room, and the caller's build if one is given. So it can never be out of date, and
loading one takes well under a second. A loaded chain answers calls at its newest block and at
blocks mined since, not at older ones.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localnet import cast, packages
from localnet.aave_v3 import standard
from localnet.aave_v3.deploy import deploy
from localnet.aave_v3.market import Market
from localnet.aave_v3.versions import version_of
from localnet.anvil import Anvil
from localnet.cache import build_directory, cache_dir, sha256_hex
from margin.errors import LocalnetError

ROOM = Path(__file__).parent


def load(name: str, artifacts: Path | None = None) -> tuple[Anvil, Market]:
    """A new Anvil holding a standard market; the caller stops it.

    `name`: `aave-v3.0.2`, `aave-v3.2`, … with the cast living on it, or with `-empty` at the end
    for reserves and liquidity alone. `artifacts`: see `localnet.aave_v3.deploy`.
    Raises LocalnetError.
    """
    place = saved(name, artifacts)
    anvil = Anvil.start(state=place / "state.json")
    try:
        document = json.loads((place / "market.json").read_text())
        return anvil, Market.from_json(anvil, document, artifacts)
    except BaseException:
        anvil.stop()
        raise


@contextmanager
def running(name: str, artifacts: Path | None = None) -> Iterator[Market]:
    """The market that `load` gives, on an Anvil that ends with the block: `market.anvil`."""
    anvil, market = load(name, artifacts)
    with anvil:
        yield market


def saved(name: str, artifacts: Path | None = None) -> Path:
    """The cached directory of a state (`state.json`, `market.json`); made first if need be."""
    found = re.fullmatch(r"aave-v([0-9.]+)(-empty)?", name)
    if found is None:
        raise LocalnetError(f"no state is called {name}")
    version, empty = found[1], found[2] is not None
    source = version_of(version).artifacts(artifacts)
    parts = [source.fingerprint, packages.SOLC.digest, packages.ANVIL_VERSION, _recipe_hash(), name]
    key = sha256_hex("\n".join(parts).encode())

    def build(work: Path) -> None:
        with Anvil.start() as anvil:
            market = deploy(anvil, version, artifacts)
            standard.list_all(market)
            standard.add_liquidity(market)
            if not empty:
                cast.play(market)
            anvil.dump_state(work / "state.json")
        (work / "market.json").write_text(json.dumps(market.to_json()))

    return build_directory(cache_dir() / "states" / f"{name}-{key[:24]}", build)


@functools.cache
def _recipe_hash() -> str:
    """Of this room's whole source: which part of it matters for a state is not worth guessing."""
    files = sorted([*ROOM.rglob("*.py"), *ROOM.rglob("*.sol")])
    return sha256_hex(b"\0".join(path.read_bytes() for path in files))
