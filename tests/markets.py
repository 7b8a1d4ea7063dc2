"""Which versions of the genuine markets the tests run on."""

from __future__ import annotations

import os
from pathlib import Path

from localnet.aave_v3 import VERSIONS

BUILDS = os.environ.get("CROSSMARGIN_AAVE_BUILDS")
"""A directory with builds of aave-v3-origin, `v3.3/` and so on, for the versions no registry has."""


def build_of(version: str) -> Path | None:
    """The given build of a version that no registry has; None if there is none."""
    place = Path(BUILDS or "") / f"v{version}"
    return place if VERSIONS[version].package is None and BUILDS and place.is_dir() else None


TESTED = [name for name, version in VERSIONS.items() if version.package or build_of(name)]
"""Those from the registries, and those there is a build of."""
LEFT_OUT = [name for name in VERSIONS if name not in TESTED]
