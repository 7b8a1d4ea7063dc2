"""Morpho Blue on a local chain: the genuine contracts, compiled from the sources their packages ship.

`sources` compiles, `venue` deploys and does what users do, `standard` is the venue that tests run on,
`standing` keeps it in the cache, and `cast` lives on it.
"""

from localnet.morpho_blue.standing import running
from localnet.morpho_blue.venue import LIQUIDATOR, Listed, MorphoBlue

__all__ = ["LIQUIDATOR", "Listed", "MorphoBlue", "running"]
