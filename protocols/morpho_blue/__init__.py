"""Morpho Blue: isolated markets of one collateral, one loan token, one oracle and one threshold each.

`interest` and `state` hold the arithmetic of a market, `venue` the verdict, `liquidation` what a keeper's
call would do, `find_markets`, `read_markets` and `read_accounts` the reading.
"""

from protocols.morpho_blue.adapter import ADAPTER

__all__ = ["ADAPTER"]
