"""The float screen of a whole book against the exact verdict of every account in it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bench import synthetic
from bench.measure import Way
from bench.row import Different, Row
from bench.stage import Stage
from margin.screen import reprice
from protocols.aave_v3.adapter import AaveVenue
from protocols.aave_v3.state import AaveAccount

ACCOUNTS_PER_WALLET = 1_000
UNDECIDED_PERCENT = 0.01


def measure(stage: Stage) -> Iterator[Row]:
    """Random accounts on the genuine market's reserves: all screened, all judged in integers."""
    venue = stage.book[0]
    count = ACCOUNTS_PER_WALLET * stage.size.wallets
    stage.say(f"judging {count:,} synthetic accounts in integers")
    cells = synthetic.aave_cells(venue, count)
    screen, unit_values = venue.screen(cells), venue.unit_values()
    decided = reprice(screen, unit_values).decided(screen)

    fallen = 0
    for at in range(count):
        liquidatable = venue.verdict(_account(venue, cells, at)).liquidatable
        fallen += liquidatable
        if decided[at] and liquidatable != (decided[at] < 0):
            raise Different(f"the verdict of synthetic account {at}", int(decided[at]), liquidatable)
    undecided = np.flatnonzero(decided == 0)
    share = 100 * undecided.size / count

    def screened() -> list[int]:
        open_ = np.flatnonzero(reprice(screen, venue.unit_values()).decided(screen) == 0)
        return [at for at in open_.tolist() if venue.verdict(_account(venue, cells, at)).liquidatable]

    sample = [_account(venue, cells, at) for at in range(0, count, max(1, count // 1_000))]
    times = stage.race(
        Way(lambda: [venue.verdict(account) for account in sample], len(sample)),
        Way(screened, count),
    )
    met = "met" if share < UNDECIDED_PERCENT else "not met"
    yield Row(
        what=f"screen {count:,} accounts, the undecided in integers",
        against="all in integers",
        ratio=times.ratio(),
        figures=(
            f"0 wrong, {undecided.size:,} undecided ({share:.4f} %; aim: 0 wrong, < {UNDECIDED_PERCENT} %, "
            f"{met}), {fallen:,} liquidatable; {times.per_second():,.0f} accounts a second against "
            f"{times.baseline_per_second:,.0f}"
        ),
        meaning=(
            "A synthetic book on a genuine Aave market's reserves, in the columns that the adapter makes of "
            "words: who is liquidatable, by floats with a certified error and by the pool's own integers "
            "where that leaves it open, against integers for everyone. Before that every decision of the "
            "screen was compared with the exact verdict; one that is wrong ends the run."
        ),
    )


def _account(venue: AaveVenue, cells: synthetic.AaveCells, at: int) -> AaveAccount:
    account = venue.account_of(cells.ids[at], cells.account(at))
    assert isinstance(account, AaveAccount)
    return account
