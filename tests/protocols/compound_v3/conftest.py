"""Comets with the cast living on them, one chain a test file, put back after every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.protocols.compound_v3.subject import KINDS, Local, local


@pytest.fixture(scope="module", params=list(KINDS))
def shared(request: pytest.FixtureRequest) -> Iterator[Local]:
    with local(KINDS[request.param], empty=False) as found:
        yield found


@pytest.fixture
def lived_in(shared: Local) -> Iterator[Local]:
    """The standard market with the cast living on it."""
    with shared.node.undone():
        shared.market = shared.standard
        yield shared
