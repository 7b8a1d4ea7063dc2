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
from localnet.compound_v3.contracts import OUR_OWN, Contracts
from localnet.compound_v3.market import Comet
from localnet.compound_v3.standard import standard


@contextmanager
def running(contracts: Contracts = OUR_OWN, *, empty: bool = False) -> Iterator[Comet]:
    """The market on an Anvil that ends with the block, with the cast living on it unless `empty`.

    `contracts`: the stand-in, unless a build of the genuine ones is given. Raises LocalnetError.
    """
    place = saved(contracts, empty=empty)
    with Anvil.start(state=place / "state.json") as anvil:
        yield Comet.from_json(anvil, json.loads((place / "market.json").read_text()), contracts)


def saved(contracts: Contracts = OUR_OWN, *, empty: bool = False) -> Path:
    """The cached directory of the state; made first if need be."""
    name = "compound-v3-empty" if empty else "compound-v3"
    parts = [contracts.fingerprint, packages.SOLC.digest, packages.ANVIL_VERSION]
    key = sha256_hex("\n".join([*parts, states.recipe_hash(), name]).encode())

    def make(work: Path) -> None:
        with Anvil.start() as anvil:
            market = standard(Comet.deploy(anvil, contracts))
            if not empty:
                cast.play(market)
            anvil.dump_state(work / "state.json")
        (work / "market.json").write_text(json.dumps(market.to_json()))

    return build_directory(cache_dir() / "states" / f"{name}-{key[:24]}", make)
