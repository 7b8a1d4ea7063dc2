"""The standard Comet, deployed before: loaded from the cache instead of deployed again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localnet import packages, states
from localnet.anvil import Anvil
from localnet.cache import build_directory, cache_dir, sha256_hex
from localnet.compound_v3 import cast
from localnet.compound_v3.contracts import Contracts
from localnet.compound_v3.market import Comet
from localnet.compound_v3.standard import standard


@contextmanager
def running(build: Path | None = None, *, empty: bool = False) -> Iterator[Comet]:
    """The market on an Anvil that ends with the block, with the cast living on it unless `empty`.

    `build`: see `localnet.compound_v3.contracts`. Raises LocalnetError.
    """
    place = saved(build, empty=empty)
    with Anvil.start(state=place / "state.json") as anvil:
        yield Comet.from_json(anvil, json.loads((place / "market.json").read_text()), build)


def saved(build: Path | None = None, *, empty: bool = False) -> Path:
    """The cached directory of the state; made first if need be."""
    name = "compound-v3-empty" if empty else "compound-v3"
    parts = [Contracts(build).fingerprint, packages.SOLC.digest, packages.ANVIL_VERSION]
    key = sha256_hex("\n".join([*parts, states.recipe_hash(), name]).encode())

    def make(work: Path) -> None:
        with Anvil.start() as anvil:
            market = standard(Comet.deploy(anvil, build))
            if not empty:
                cast.play(market)
            anvil.dump_state(work / "state.json")
        (work / "market.json").write_text(json.dumps(market.to_json()))

    return build_directory(cache_dir() / "states" / f"{name}-{key[:24]}", make)
