"""The genuine venue, once a test file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.protocols.morpho_blue.subject import Genuine, genuine


@pytest.fixture(scope="module")
def empty() -> Iterator[Genuine]:
    """Standard markets with liquidity and no one else in them."""
    with genuine() as found:
        yield found


@pytest.fixture(scope="module")
def lived_in() -> Iterator[Genuine]:
    """Standard markets with the cast living in them."""
    with genuine(empty=False) as found:
        yield found
