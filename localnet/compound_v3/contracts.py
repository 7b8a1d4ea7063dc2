"""Which contracts a Comet is made of: no registry has the genuine ones compiled.

By default it is `contracts/CometStandIn.sol`, written here with the same functions, events, errors and
rounding. A directory with a build of compound-finance/comet (Foundry's layout, `X.sol/X.json`) gives the
genuine CometWithExtendedAssetList, with its extension and its asset list, or the older Comet.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from localnet.artifacts import Abi, Artifact, FoundryArtifacts
from localnet.cache import sha256_hex
from localnet.evm import Evm
from localnet.solc import own
from margin.basics import ZERO_ADDRESS, Address

STAND_IN = "CometStandIn"
GENUINE = ("CometWithExtendedAssetList", "CometExtAssetList")
OLDER = ("Comet", "CometExt")
"""Each with its extension."""
FACTORY = "AssetListFactory"


@dataclass(frozen=True, slots=True)
class Contracts:
    """The stand-in, or the genuine contracts of a build."""

    build: Path | None = None
    older: bool = False
    """The Comet that lists its collaterals itself; of a build only."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever any of the contracts may have changed."""
        if self.build is not None:
            return f"{FoundryArtifacts(self.build).fingerprint} {self.older}"
        return sha256_hex(self.comet.bytecode.encode())

    @property
    def comet(self) -> Artifact:
        """The market itself."""
        return own(STAND_IN) if self.build is None else FoundryArtifacts(self.build).get(self._names[0])

    @property
    def abi(self) -> Abi:
        """What can be called at a market, the extension's functions included."""
        if self.build is None:
            return self.comet.abi
        extension = FoundryArtifacts(self.build).get(self._names[1]).abi
        known = {(entry["type"], entry.get("name")) for entry in self.comet.abi}
        return self.comet.abi + [e for e in extension if (e["type"], e.get("name")) not in known]

    def deploy_extension(self, evm: Evm) -> Address:
        """The extension that several markets can share; the zero address for the stand-in, which has none."""
        if self.build is None:
            return ZERO_ADDRESS
        source = FoundryArtifacts(self.build)
        named = (b"Compound".ljust(32, b"\0"), b"cBASEv3".ljust(32, b"\0"))
        if self.older:
            return evm.deploy(source.get(self._names[1]), named).address
        factory = evm.deploy(source.get(FACTORY))
        return evm.deploy(source.get(self._names[1]), named, factory.address).address

    @property
    def _names(self) -> tuple[str, str]:
        return OLDER if self.older else GENUINE


OUR_OWN = Contracts()
"""The stand-in."""
