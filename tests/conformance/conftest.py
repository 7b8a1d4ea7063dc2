from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conformance.subject import SEARCHES, Subject, subjects

ALL = subjects()


@pytest.fixture(scope="module", params=sorted(ALL))
def subject(request: pytest.FixtureRequest) -> Iterator[Subject]:
    """Every version of every protocol there are contracts for."""
    SEARCHES.clear()
    with ALL[request.param]() as found:
        yield found
    # A search may give up, and says so; a suite in which many do would prove nothing.
    assert SEARCHES["undecided"] * 20 <= SEARCHES["all"], SEARCHES
