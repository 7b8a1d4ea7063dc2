"""Compound v2 and what has its shape: one Comptroller, many markets, interest by the block.

`state` says what is read, `interest` how a market grows, `pool` holds the verdict, `liquidation`
what a keeper's call would do, `read_pool`, `read_accounts` and `debts` the reading.
"""

from protocols.compound_v2.adapter import ADAPTER

__all__ = ["ADAPTER"]
