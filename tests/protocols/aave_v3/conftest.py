"""One genuine market per version and test file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.markets import TESTED
from tests.protocols.aave_v3.subject import Genuine, genuine


@pytest.fixture(scope="module", params=TESTED)
def empty(request: pytest.FixtureRequest) -> Iterator[Genuine]:
    """A standard market with liquidity and no one else on it."""
    with genuine(f"aave-v{request.param}-empty") as found:
        yield found


@pytest.fixture(scope="module", params=TESTED)
def lived_in(request: pytest.FixtureRequest) -> Iterator[Genuine]:
    """A standard market with the cast living on it."""
    with genuine(f"aave-v{request.param}") as found:
        yield found
