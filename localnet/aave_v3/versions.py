"""The deployable versions of Aave v3, and the little that must be told apart by version.

Most differences between versions (constructor arguments, the fields of the listing struct, which
libraries are linked) are read from the compiled contracts themselves, by name, so that one recipe
serves all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from localnet import packages
from localnet.artifacts import ArtifactSource, FoundryArtifacts, PackagedArtifacts
from margin.errors import LocalnetError


@dataclass(frozen=True, slots=True)
class Version:
    """One released version."""

    name: str
    revision: int
    """POOL_REVISION of Aave's own Pool of this version."""
    suffix: str
    """Since v3.1 the deployable contracts are called `…Instance`."""
    package: packages.Package | None
    """Where it comes compiled; None: the caller names a directory with a build of its sources."""
    fork_revision: int | None = None
    """What a fork's Pool says instead, which counts for itself."""

    @property
    def said_revision(self) -> int:
        """What the Pool answers to POOL_REVISION."""
        return self.revision if self.fork_revision is None else self.fork_revision

    @property
    def stable_rate(self) -> bool:
        """Whether stable-rate debt can be taken."""
        return self.revision < 4

    @property
    def stable_token(self) -> bool:
        """Whether a reserve has a stable-rate debt token; v3.1's own refuses all debt."""
        return self.revision < 5

    @property
    def liquid_emodes(self) -> bool:
        """Whether an asset can be in several e-modes, as collateral and borrowable apart."""
        return self.revision >= 5

    @property
    def shared_strategy(self) -> bool:
        """Whether one interest-rate strategy contract holds the curves of all reserves."""
        return self.revision >= 3

    @property
    def isolation_mode(self) -> bool:
        """Whether debt ceilings exist."""
        return self.revision < 11

    @property
    def sentinel(self) -> bool:
        """Whether the Pool asks a PriceOracleSentinel."""
        return self.revision < 11

    def artifacts(self, directory: Path | None = None) -> ArtifactSource:
        """The compiled contracts: `directory` (Foundry's `out/`) if given, else the pinned package."""
        if directory is not None:
            return FoundryArtifacts(directory)
        if self.package is None:
            raise LocalnetError(f"Aave v{self.name} is in no registry: give the directory of a build of it")
        return PackagedArtifacts(self.package)


VERSIONS: Mapping[str, Version] = MappingProxyType(
    {
        version.name: version
        for version in (
            Version("3.0.2", 1, "", packages.AAVE_V3_0_2),
            Version("3.0.2-spark", 1, "", None, fork_revision=4),
            Version("3.1", 4, "Instance", None),
            Version("3.2", 5, "Instance", packages.AAVE_V3_2),
            Version("3.3", 7, "Instance", None),
            Version("3.4", 8, "Instance", None),
            Version("3.5", 9, "Instance", None),
            Version("3.6", 10, "Instance", None),
            Version("3.7", 11, "Instance", None),
        )
    }
)


def version_of(name: str) -> Version:
    """The version called `name`; LocalnetError if there is none."""
    if name not in VERSIONS:
        raise LocalnetError(f"no Aave v3 version {name}; there are {', '.join(VERSIONS)}")
    return VERSIONS[name]
