"""Compound v3 (Comet) on a local chain: a stand-in of our own, or a build of the genuine contracts.

`contracts` says which of the two, `market` deploys and uses one market, `standard` and `cast` fill it,
`standing` keeps it.
"""

from localnet.compound_v3.market import Asset, Comet
from localnet.compound_v3.standing import running

__all__ = ["Asset", "Comet", "running"]
