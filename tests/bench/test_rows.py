"""Every row at a tiny size on a genuine market: that it says something true, never how fast."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bench import rows
from bench.__main__ import main
from bench.machine import this_run
from bench.report import markdown, terminal
from bench.row import TINY, Different, Row
from bench.rows import frontier, verdicts
from bench.stage import Stage


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage(TINY) as stage:
        yield stage


@pytest.fixture(scope="module")
def measured(stage: Stage) -> list[Row]:
    return list(rows.measured(stage, rows.names()))


def test_every_row_is_a_ratio(measured: list[Row]) -> None:
    assert len(measured) >= len(rows.names())
    for row in measured:
        assert 0 < row.ratio.least <= row.ratio.median <= row.ratio.most
        assert row.ratio.count >= 1
        assert row.meaning.endswith(".")
        assert "\n" not in row.meaning + row.figures


def test_the_results_hold_a_line_for_each(measured: list[Row]) -> None:
    text = markdown(measured, this_run(), TINY)
    table, meanings = text.split("## What each row means")
    for row in measured:
        assert re.search(
            rf"^\| {re.escape(row.what)} \| {re.escape(row.against)} \| [\d,.]+× \|", table, re.MULTILINE
        )
        assert f"- **{row.what}, against {row.against}**: {row.meaning}" in meanings
    columns = {line.count(" |") for line in table.splitlines() if line.startswith("| ") and "×" in line}
    assert len(columns) == 1
    assert terminal(measured).row_count == len(measured)


def test_the_results_say_on_what_they_were_measured(measured: list[Row]) -> None:
    text = markdown(measured, this_run(), TINY)
    for said in (r"date \| \d{4}-\d\d-\d\d", r"\d+ cores", r"GiB", r"Python 3", r"web3 \d", r"Anvil \d"):
        assert re.search(said, text)


def test_the_crowd_lives(stage: Stage) -> None:
    venue, accounts = stage.book
    assert len(accounts) == TINY.wallets
    assert all(venue.collateral_legs(a) for a in accounts)
    assert any(venue.verdict(a).liabilities_raw for a in accounts)


def test_a_verdict_that_differs_fails_loudly(stage: Stage) -> None:
    venue, accounts = stage.book
    owing = next(a for a in accounts if venue.debt_legs(a))
    debt = next(p for p in owing.positions if p.debt_scaled)
    others = tuple(p for p in owing.positions if p is not debt)
    # A millionth more debt than the account has.
    wrong = replace(debt, debt_scaled=debt.debt_scaled * 1_000_001 // 1_000_000)
    with pytest.raises(Different, match=owing.key.owner):
        verdicts.compare(stage.reader(), venue, [*accounts, replace(owing, positions=(wrong, *others))])


@pytest.mark.parametrize(
    ("ours", "theirs", "not_beyond"),
    [
        (90, 90, True),
        (91, 90, True),
        (89, 90, False),
        (110, 110, True),
        (111, 110, False),
        (None, None, True),
        (None, 90, False),
        (90, None, True),
    ],
)
def test_an_edge_of_ours_is_met_no_later(ours: int | None, theirs: int | None, not_beyond: bool) -> None:
    assert frontier.Edge("x", 100, ours).not_beyond(frontier.Edge("x", 100, theirs)) is not_beyond


def test_a_run_in_which_ways_disagree_writes_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def disagree(stage: Stage, wanted: list[str]) -> Iterator[Row]:
        raise Different("the verdict", 1, 2)
        yield

    monkeypatch.setattr(rows, "measured", disagree)
    assert main(["--output", str(tmp_path / "out.md"), "decoding"]) == 1
    assert "Different: the verdict: 1 is not 2" in capsys.readouterr().err
    assert not (tmp_path / "out.md").exists()


def test_one_row_alone_can_be_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--tiny", "--output", str(tmp_path / "out.md"), "decoding"]) == 0
    assert "decode 20 × 6 words into columns" in (tmp_path / "out.md").read_text()
    assert "decode 20 × 6 words" in capsys.readouterr().out


def test_a_row_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["telepathy"])
    assert "there are accounts, " in capsys.readouterr().err
