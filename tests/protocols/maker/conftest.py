"""The genuine system, once per test file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.protocols.maker.subject import Genuine, genuine


@pytest.fixture(scope="module")
def empty() -> Iterator[Genuine]:
    """Wide limits, and nobody on it."""
    with genuine(empty=True) as found:
        yield found


@pytest.fixture(scope="module")
def lived_in() -> Iterator[Genuine]:
    """The cast living on it."""
    with genuine() as found:
        yield found


@pytest.fixture
def world(empty: Genuine) -> Iterator[Genuine]:
    """The empty one, put back after the test."""
    with empty.node.undone():
        yield empty


@pytest.fixture
def town(lived_in: Genuine) -> Iterator[Genuine]:
    """The one with the cast, put back after the test."""
    with lived_in.node.undone():
        yield lived_in
