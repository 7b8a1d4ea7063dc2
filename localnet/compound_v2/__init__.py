"""Compound v2's genuine contracts, as Venus compiled them, on a local chain.

`market` deploys and acts, `standard` says which markets there are and who lives on them.
"""

from localnet.compound_v2.market import Market, Refused
from localnet.compound_v2.standard import running

__all__ = ["Market", "Refused", "running"]
