"""The entry: a new, empty market on a running chain."""

from __future__ import annotations

from pathlib import Path

from localnet.aave_v3.core import deploy_core
from localnet.aave_v3.market import Market
from localnet.aave_v3.versions import version_of
from localnet.anvil import Anvil
from localnet.evm import Evm


def deploy(anvil: Anvil, version: str, artifacts: Path | None = None) -> Market:
    """An Aave v3 market without reserves.

    `version`: a key of `VERSIONS`. `artifacts`: for a version that no registry has, the directory
    of a Foundry build of its sources (`X.sol/X.json`). Raises LocalnetError, Reverted.
    """
    known = version_of(version)
    evm = Evm(anvil)
    source = known.artifacts(artifacts)
    return Market(deploy_core(evm, known, source), source)
