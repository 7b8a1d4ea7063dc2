"""How hard the property tests try: a tenth by default, all of it in a soak run, the same each time in CI."""

from __future__ import annotations

import os

import pytest
from hypothesis import Phase, settings

FULL = 1000
"""Examples of one property in a soak run."""


def pytest_configure(config: pytest.Config) -> None:
    """Choose the profile before any test is collected, so that a test may scale `settings().max_examples`."""
    in_ci = bool(os.environ.get("CI"))
    # Explaining costs more than it tells; in CI a failure is reported as found, not made smaller for minutes.
    unneeded = {Phase.explain, Phase.shrink} if in_ci else {Phase.explain}
    settings.register_profile(
        "default",
        max_examples=FULL // 10,
        deadline=None,
        derandomize=in_ci,
        database=None if in_ci else settings().database,
        phases=[phase for phase in Phase if phase not in unneeded],
        print_blob=True,
    )
    settings.register_profile("soak", settings.get_profile("default"), max_examples=FULL)
    soak = os.environ.get("CROSSMARGIN_SOAK") == "1" or config.getoption("markexpr") == "soak"
    settings.load_profile("soak" if soak else "default")
    if soak:
        config.pluginmanager.import_plugin("bench.soak")
