"""Aave v3 markets on a local chain: v3.0.2 and v3.2 from the registries, the others from a build."""

from __future__ import annotations

from localnet.aave_v3.deploy import deploy
from localnet.aave_v3.market import LIQUIDATOR, Market, Reserve
from localnet.aave_v3.versions import VERSIONS, Version

__all__ = ["LIQUIDATOR", "VERSIONS", "Market", "Reserve", "Version", "deploy"]
