"""Aave v3 and its forks, v3.0 to v3.7, each version in its own arithmetic.

`rules` says what differs between versions, `state` what is read, `venue` holds the verdict,
`liquidation` what a keeper's call would do, `read_market` and `read_accounts` the reading.
"""

from protocols.aave_v3.adapter import ADAPTER

__all__ = ["ADAPTER"]
