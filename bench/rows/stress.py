"""Stress of a whole book: against the rate at which BLAS multiplies matrices."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bench import synthetic
from bench.measure import Way
from bench.row import Row, same
from bench.stage import Stage
from margin.screen import Floats, Screen
from margin.stress import stress

ACCOUNTS_PER_WALLET = 100
LARGEST_MATRIX = 1_500
COMPARED = 5
"""Scenarios computed by numpy too."""


def measure(stage: Stage) -> Iterator[Row]:
    """A dense synthetic book under as many scenarios as there are wallets."""
    screen = synthetic.dense(ACCOUNTS_PER_WALLET * stage.size.wallets)
    unit_values = synthetic.scenarios(stage.size.wallets)
    counts = stress(screen, unit_values)
    plain = _plainly(screen, unit_values[:COMPARED])
    same("accounts fallen", counts.liquidatable[:COMPARED].tolist(), plain[0])
    same("bad debt", [f"{loss:.9g}" for loss in counts.bad_debt[:COMPARED]], plain[1])
    matrix = np.random.default_rng(0).random((min(LARGEST_MATRIX, 20 * stage.size.wallets),) * 2)
    operations = 2 * screen.rows * len(unit_values) * synthetic.ASSETS
    times = stage.race(
        Way(lambda: matrix @ matrix, 2 * len(matrix) ** 3),
        Way(lambda: stress(screen, unit_values), operations),
    )
    yield Row(
        what=f"stress {screen.rows:,} accounts × {len(unit_values):,} scenarios × {synthetic.ASSETS} assets",
        against="the peak rate of BLAS",
        ratio=times.ratio(),
        figures=(
            f"{1e3 * operations / times.per_second():.0f} ms, as much as {times.per_second() / 1e9:.1f} "
            f"GFLOP/s of a plain product, against {times.baseline_per_second / 1e9:.1f}; "
            f"{counts.liquidatable.mean() / screen.rows:.1%} of the accounts fall, in a scenario on average"
        ),
        meaning=(
            "Per scenario the accounts that fall, their collateral, debt and bad debt; counted as the two "
            "operations per account, scenario and asset of a plain product, at the rate of numpy's product "
            "of large square matrices. Tiles of scenarios in which an account cannot fall are passed over. "
            "What is missing was measured on one thread: a quarter of the time prepares the columns and "
            "finds those tiles, a third computes margins in the others, and the rest the collateral and "
            "debt of whoever fell, two more products that the limit does not count."
        ),
        aim=0.7,
    )


def _plainly(screen: Screen, unit_values: Floats) -> tuple[list[int], list[str]]:
    """How many fall in each scenario, and their bad debt, by numpy."""
    counts, losses = [], []
    for values in unit_values[:, screen.term]:
        shape = (screen.rows, -1)
        fallen = (screen.weight * values).reshape(shape).sum(axis=1) < 0
        equity = (screen.face * values).reshape(shape).sum(axis=1)
        counts.append(int(np.count_nonzero(fallen)))
        losses.append(f"{-equity[fallen & (equity < 0)].sum():.9g}")
    return counts, losses
