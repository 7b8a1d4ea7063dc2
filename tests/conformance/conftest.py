from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.subject import Subject, subjects

ALL = subjects()


@pytest.fixture(scope="module", params=sorted(ALL))
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    """Every version of every protocol there are contracts for."""
    with ALL[request.param]() as found:
        yield found
