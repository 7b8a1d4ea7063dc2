"""Compound v3 (Comet): markets of one borrowable base token and many collaterals, a venue each.

`interest` and `state` hold the arithmetic of a market, `venue` and `linear` the verdict, `liquidation` what
`absorb` and `buyCollateral` would do, `read_market` and `read_accounts` the reading.
"""

from protocols.compound_v3.adapter import ADAPTER

__all__ = ["ADAPTER"]
