"""The log of the watch: one line an event, whatever stands in it."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checker.watch import log
from checker.words import plain

FIELD = r' [a-z_]+=(?:[^\s"=]+|"(?:[^"\\]|\\.)*")'
LINE = re.compile(rf"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ (info|warning|error) [a-z ,]+({FIELD})*")


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    yield
    for name in ("crossmargin.watch", "apscheduler"):
        logging.getLogger(name).handlers.clear()
    logging.getLogger("crossmargin.watch").propagate = True


@given(st.dictionaries(st.from_regex("[a-z]{1,5}", fullmatch=True), st.text(max_size=30), max_size=3))
def test_a_line_can_be_taken_apart_again(fields: dict[str, str]) -> None:
    said = log.line("it happened", **fields)
    assert "\n" not in said
    found = dict(re.findall(r' ([a-z]+)=((?:[^\s"=]+|"(?:[^"\\]|\\.)*"))', said))
    assert set(found) == set(fields)
    for name, shown in found.items():
        value = json.loads(shown) if shown.startswith('"') else shown
        assert value == plain(fields[name], 1000)


def test_each_event_is_one_line_with_its_time_and_level(capsys: pytest.CaptureFixture[str]) -> None:
    say = log.to_stderr()
    say("blind", level=logging.WARNING, chain="local", why='refused: "no"\nand more', block=None)
    say("sent", message=12)
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition("Z ")[2] for line in lines] == [
        'warning blind chain=local why="refused: \\"no\\" and more" block=None',
        "info sent message=12",
    ]
    assert all(LINE.fullmatch(line) for line in lines)


def test_a_bug_in_a_job_is_one_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before, root.handlers[:] = root.handlers[:], []  # as in a process that has set up no logging
    try:
        log.to_stderr()
    finally:
        root.handlers[:] = before
    try:
        raise RuntimeError("a\nbug")
    except RuntimeError:
        logging.getLogger("apscheduler.executors.default").exception("Job raised an exception")
    (line,) = capsys.readouterr().err.splitlines()
    at, _, trace = line.partition(" trace=")
    assert at.endswith("Z error Job raised an exception")
    assert json.loads(trace).endswith("RuntimeError: a\nbug")
