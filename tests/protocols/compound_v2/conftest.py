"""Genuine markets, one chain a test file, put back after every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.protocols.compound_v2.subject import Genuine, genuine


@pytest.fixture(scope="module")
def shared() -> Iterator[Genuine]:
    with genuine(cast=True) as found:
        yield found


@pytest.fixture
def lived_in(shared: Genuine) -> Iterator[Genuine]:
    """Standard markets with the cast living on them."""
    with shared.node.undone():
        yield shared
