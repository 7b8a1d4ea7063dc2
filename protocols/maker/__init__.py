"""Maker's vaults (multi-collateral DAI), judged by Vat, Spotter, Jug, Dog and Clipper.

`state` is what is read, `venue` holds the verdict, `liquidation` what `Dog.bark` would do,
`read_venue` and `read_accounts` the reading, `holders` through what an owner can hold a vault.
"""

from protocols.maker.adapter import ADAPTER

__all__ = ["ADAPTER"]
