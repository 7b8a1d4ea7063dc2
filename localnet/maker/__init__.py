"""Maker's vaults of 2021 on a local chain: the genuine contracts, deployed by their own transactions."""

from __future__ import annotations

from localnet.maker.market import DOG_ILKS, KEEPER, Market

__all__ = ["DOG_ILKS", "KEEPER", "Market"]
