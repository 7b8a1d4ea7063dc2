"""One genuine market per test file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.protocols.aave_v2.subject import Genuine, genuine


@pytest.fixture(scope="module")
def empty() -> Iterator[Genuine]:
    """A standard market with liquidity and no one else on it."""
    with genuine(empty=True) as found:
        yield found


@pytest.fixture(scope="module")
def lived_in() -> Iterator[Genuine]:
    """A standard market with the cast living on it."""
    with genuine(empty=False) as found:
        yield found
