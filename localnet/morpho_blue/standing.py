"""The standard Morpho Blue, deployed before: loaded from the cache instead of deployed again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localnet import packages, states
from localnet.anvil import Anvil
from localnet.cache import build_directory, cache_dir, sha256_hex
from localnet.morpho_blue import cast, standard
from localnet.morpho_blue.sources import FINGERPRINT
from localnet.morpho_blue.venue import MorphoBlue


@contextmanager
def running(*, empty: bool = False) -> Iterator[MorphoBlue]:
    """The venue on an Anvil that ends with the block, with the cast living on it unless `empty`.

    Raises LocalnetError.
    """
    place = saved(empty=empty)
    with Anvil.start(state=place / "state.json") as anvil:
        yield MorphoBlue.from_json(anvil, json.loads((place / "venue.json").read_text()))


def saved(*, empty: bool = False) -> Path:
    """The cached directory of the state; made first if need be."""
    name = "morpho-blue-empty" if empty else "morpho-blue"
    parts = [FINGERPRINT, packages.ANVIL_VERSION, states.recipe_hash(), name]
    key = sha256_hex("\n".join(parts).encode())

    def build(work: Path) -> None:
        with Anvil.start() as anvil:
            venue = MorphoBlue.deploy(anvil)
            standard.list_all(venue)
            standard.add_liquidity(venue)
            if not empty:
                cast.play(venue)
            anvil.dump_state(work / "state.json")
        (work / "venue.json").write_text(json.dumps(venue.to_json()))

    return build_directory(cache_dir() / "states" / f"{name}-{key[:24]}", build)
