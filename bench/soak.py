"""A pytest plugin that writes `SOAK.md`: what a soak run tried, on which versions, and what came of it.

`tests/conftest.py` loads it in soak runs alone. The file is written by the run itself, and only by a
whole one: with tests chosen or left out (`-k`, paths, `-x`), or interrupted, it stays as it was.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from bench.machine import Run, this_run
from localnet.cache import write_atomically

SOAK = Path(__file__).with_name("SOAK.md")
EXAMPLES = "soak examples"
"""Name under which a test's report carries how many examples were tried, from worker to controller."""
TRIED = re.compile(r"(\d+) passing, (\d+) failing, and (\d+) invalid")
FRONT = """\
# The last soak run

Written by `make soak`, never by hand. A property is a test that must hold for every example Hypothesis can
think of; an example counts when it satisfied the property's own conditions, and is left out when it did not.
"""


@dataclass(slots=True)
class Outcome:
    """What came of one test."""

    result: str = "passed"
    """`passed`, `failed` or `skipped`; of its three phases the worst."""
    examples: tuple[int, int] | None = None
    """Tried and left out; None for a test that is no property."""
    seconds: float = 0.0


@dataclass(eq=False)  # pytest keeps plugins in sets
class SoakReport:
    """Collects outcomes during one pytest run, and writes the file after it."""

    path: Path
    run: Run = field(default_factory=this_run)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    """By pytest's name of the test."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Notes how many examples Hypothesis tried; runs where the test runs."""
        report = yield
        statistics = getattr(item, "hypothesis_statistics", None)
        if statistics is not None and report.when == "call":
            report.user_properties.append((EXAMPLES, _examples(statistics)))
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Takes one phase of one test into account; with xdist this runs in the controller."""
        outcome = self.outcomes.setdefault(report.nodeid, Outcome())
        outcome.seconds += report.duration
        if report.failed or (report.skipped and outcome.result == "passed"):
            outcome.result = report.outcome
        for name, value in report.user_properties:
            if name == EXAMPLES:
                tried, left_out = cast("tuple[int, int]", value)
                outcome.examples = tried, left_out

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Writes the file, unless this was only a part of a run."""
        config = session.config
        if hasattr(config, "workerinput") or config.option.collectonly:
            return
        why = _partial(session, exitstatus)
        if why is None:
            write_atomically(self.path, markdown(self.run, self.outcomes).encode())
        reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            told = "written" if why is None else f"left as it was: {why}"
            reporter.write_line(f"\n{self.path.name} {told}")


def pytest_configure(config: pytest.Config) -> None:
    """Makes this module a plugin: `config.pluginmanager.import_plugin("bench.soak")`."""
    config.pluginmanager.register(SoakReport(SOAK), "soak report")


def markdown(run: Run, outcomes: dict[str, Outcome]) -> str:
    """The whole file."""
    results = Counter(outcome.result for outcome in outcomes.values())
    failed = sorted(name for name, outcome in outcomes.items() if outcome.result == "failed")
    properties = {name: o for name, o in sorted(outcomes.items()) if o.examples is not None}
    tried = sum(o.examples[0] for o in properties.values() if o.examples)
    said = ", ".join(f"{count:,} {result}" for result, count in sorted(results.items()))
    lines = [
        FRONT,
        run.table(),
        f"| result | **{'failed' if failed else 'passed'}**: {said} |",
        f"| properties | {len(properties):,}, with {tried:,} examples tried |",
        "",
        "| property | on | examples | left out | result | seconds |",
        "| --- | --- | ---: | ---: | --- | ---: |",
    ]
    for name, outcome in properties.items():
        test, on = _named(name)
        count, left_out = outcome.examples or (0, 0)
        lines.append(
            f"| {test} | {on} | {count:,} | {left_out:,} | {outcome.result} | {outcome.seconds:,.0f} |"
        )
    if failed:
        lines += ["", "## Failed", "", *(f"- `{name}`" for name in failed)]
    return "\n".join(lines) + "\n"


def _examples(statistics: str) -> tuple[int, int]:
    """Tried and left out, of all phases, from Hypothesis's own words on one test."""
    phases = [[int(number) for number in found] for found in TRIED.findall(statistics)]
    return sum(passing + failing for passing, failing, _ in phases), sum(invalid for _, _, invalid in phases)


def _named(name: str) -> tuple[str, str]:
    """`tests/a/test_b.py::test_c[3.2]` as `a/test_b: test_c` and `3.2`."""
    test, _, parameters = name.partition("[")
    path, _, function = test.partition("::")
    place = path.removeprefix("tests/").removesuffix(".py")
    said = function.removeprefix("test_").replace("_", " ").replace("::", ": ")
    return f"{place}: {said}", parameters.removesuffix("]").replace("|", "\\|")


def _partial(session: pytest.Session, exitstatus: int) -> str | None:
    """Why this run was not a whole one; None if it was."""
    option = session.config.option
    if exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        return "the run did not come to its end"
    if option.keyword or option.maxfail or option.deselect or option.ignore or option.ignore_glob:
        return "tests were left out"
    if option.markexpr:
        return f"only tests marked {option.markexpr} ran"
    if session.config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return "only some paths were run"
    return None
