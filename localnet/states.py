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

from localnet import cast, history, packages
from localnet.aave_v3 import standard
from localnet.aave_v3.crowd import populate
from localnet.aave_v3.deploy import deploy
from localnet.aave_v3.market import Market
from localnet.aave_v3.versions import version_of
from localnet.anvil import Anvil
from localnet.cache import build_directory, cache_dir, sha256_hex
from localnet.history import RecordedAnvil
from margin.errors import LocalnetError

ROOM = Path(__file__).parent
PACKED = "state.json.gz"


def load(name: str, artifacts: Path | None = None) -> tuple[Anvil, Market]:
    """A new Anvil holding a standard market; the caller stops it.

    `name`: `aave-v3.0.2`, `aave-v3.2`, … with the cast living on it, or with `-empty` at the end
    for reserves and liquidity alone, or with `-crowd300` for those and a crowd of that many
    (`localnet.aave_v3.crowd`). `artifacts`: see `localnet.aave_v3.deploy`.
    Raises LocalnetError.
    """
    place = saved(name, artifacts)
    with _state_file(place) as state:
        anvil = Anvil.start(state=state)
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
    """The cached directory of a state; made first if need be.

    It holds `market.json`, and the chain in `state.json`, or for a crowd in `state.json.gz`.
    """
    found = re.fullmatch(r"aave-v([0-9.]+(?:-spark)?)(-empty|-crowd([1-9][0-9]{0,6}))?", name)
    if found is None:
        raise LocalnetError(f"no state is called {name}")
    version, empty, accounts = found[1], found[2] is not None, int(found[3] or 0)
    source = version_of(version).artifacts(artifacts)
    parts = [source.fingerprint, packages.SOLC.digest, packages.ANVIL_VERSION, recipe_hash(), name]
    key = sha256_hex("\n".join(parts).encode())

    def build(work: Path) -> None:
        if accounts:
            _gather(work, version, accounts, artifacts)
            return
        with Anvil.start() as anvil:
            market = deploy(anvil, version, artifacts)
            standard.list_all(market)
            standard.add_liquidity(market)
            if not empty:
                cast.play(market)
            anvil.dump_state(work / "state.json")
        (work / "market.json").write_text(json.dumps(market.to_json()))

    return build_directory(cache_dir() / "states" / f"{name}-{key[:24]}", build)


def _gather(work: Path, version: str, accounts: int, artifacts: Path | None) -> None:
    """Makes a crowd on the market that has reserves and liquidity alone."""
    place = saved(f"aave-v{version}-empty", artifacts)
    document = json.loads((place / "market.json").read_text())
    with RecordedAnvil.open(place / "state.json") as anvil:
        market = Market.from_json(anvil, document, artifacts)
        populate(market, accounts)
        anvil.record_state(work / PACKED)
    (work / "market.json").write_text(json.dumps(market.to_json()))


@contextmanager
def _state_file(place: Path) -> Iterator[Path]:
    """The chain of a cached directory as `Anvil.start` takes it."""
    if not (place / PACKED).exists():
        yield place / "state.json"
        return
    with history.plain(place / PACKED) as state:
        yield state


@functools.cache
def recipe_hash() -> str:
    """Of this room's whole source: which part of it matters for a state is not worth guessing."""
    files = sorted([*ROOM.rglob("*.py"), *ROOM.rglob("*.sol")])
    return sha256_hex(b"\0".join(path.read_bytes() for path in files))
