"""The genuine Aave v2 on a local chain: prices in ether, stable-rate debt, no modes."""

from __future__ import annotations

from localnet.aave_v2.market import LIQUIDATOR, Market, Reserve
from localnet.aave_v2.states import running

__all__ = ["LIQUIDATOR", "Market", "Reserve", "running"]
