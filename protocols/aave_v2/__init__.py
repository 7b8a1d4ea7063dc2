"""Aave v2 and its forks: one pool, prices mostly in ether, stable and variable debt, no modes.

`state` says what is read, `venue` holds the verdict, `liquidation` what a keeper's call would do,
`read_market` and `read_accounts` the reading.
"""

from protocols.aave_v2.adapter import ADAPTER

__all__ = ["ADAPTER"]
