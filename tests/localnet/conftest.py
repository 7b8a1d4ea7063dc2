"""Markets to test on: one Anvil a version and test file, put back after every test."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from localnet import states
from localnet.aave_v3 import VERSIONS, Market

BUILDS = os.environ.get("CROSSMARGIN_AAVE_BUILDS")
"""A directory with builds of aave-v3-origin, `v3.3/` and so on, for the versions no registry has."""


def build_of(version: str) -> Path | None:
    """The given build of a version that no registry has; None if there is none."""
    place = Path(BUILDS or "") / f"v{version}"
    return place if VERSIONS[version].package is None and BUILDS and place.is_dir() else None


TESTED = [name for name, version in VERSIONS.items() if version.package or build_of(name)]


@pytest.fixture
def versions_left_out() -> list[str]:
    """The versions that the tests here cannot run on."""
    return [name for name in VERSIONS if name not in TESTED]


@pytest.fixture(scope="module", params=TESTED)
def shared_market(request: pytest.FixtureRequest) -> Iterator[Market]:
    version: str = request.param
    with states.running(f"aave-v{version}", build_of(version)) as market:
        yield market


@pytest.fixture
def market(shared_market: Market) -> Iterator[Market]:
    """A standard market of each version with the cast living on it."""
    with shared_market.anvil.undone():
        yield shared_market
