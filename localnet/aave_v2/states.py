"""Aave v2 markets that were deployed before: loaded from the cache instead of deployed again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localnet import packages
from localnet.aave_v2 import cast, standard
from localnet.aave_v2.market import Market
from localnet.anvil import Anvil
from localnet.cache import build_directory, cache_dir, sha256_hex
from localnet.states import recipe_hash


@contextmanager
def running(*, empty: bool = False) -> Iterator[Market]:
    """A standard market on an Anvil that ends with the block, the cast living on it unless `empty`.

    Raises LocalnetError.
    """
    place = saved(empty=empty)
    with Anvil.start(state=place / "state.json") as anvil:
        yield Market.from_json(anvil, json.loads((place / "market.json").read_text()))


def saved(*, empty: bool) -> Path:
    """The cached directory of a state, with `market.json` and `state.json`; made first if need be."""
    name = "aave-v2-empty" if empty else "aave-v2"
    parts = [packages.AAVE_V2.digest, packages.SOLC.digest, packages.ANVIL_VERSION, recipe_hash(), name]

    def build(work: Path) -> None:
        with Anvil.start() as anvil:
            market = Market.deploy(anvil)
            standard.list_all(market)
            standard.add_liquidity(market)
            if not empty:
                cast.play(market)
            anvil.dump_state(work / "state.json")
        (work / "market.json").write_text(json.dumps(market.to_json()))

    key = sha256_hex("\n".join(parts).encode())
    return build_directory(cache_dir() / "states" / f"{name}-{key[:24]}", build)
