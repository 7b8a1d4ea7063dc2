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


def artifacts_of(version: str) -> Path | None:
    """Where a version's contracts are; skips the test when they are nowhere."""
    if VERSIONS[version].package is not None:
        return None
    if BUILDS is None or not (Path(BUILDS) / f"v{version}").is_dir():
        pytest.skip(f"no build of Aave v{version}: CROSSMARGIN_AAVE_BUILDS does not name one")
    return Path(BUILDS) / f"v{version}"


@pytest.fixture(scope="module", params=list(VERSIONS))
def shared_market(request: pytest.FixtureRequest) -> Iterator[Market]:
    version: str = request.param
    with states.running(f"aave-v{version}", artifacts_of(version)) as market:
        yield market


@pytest.fixture
def market(shared_market: Market) -> Iterator[Market]:
    """A standard market of each version with the cast living on it."""
    with shared_market.anvil.undone():
        yield shared_market
