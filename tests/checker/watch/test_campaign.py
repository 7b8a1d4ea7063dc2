"""The campaign: troubles of every kind from a seed, and a watch that still says what is true, and all of it.

`CROSSMARGIN_CAMPAIGN=7` plays the campaign of that seed again, `CROSSMARGIN_ROUNDS=500` so many rounds.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

from checker.demo.world import World
from tests.checker.watch.campaign import Campaign
from tests.faults import FaultProxy

ROUNDS = int(os.environ.get("CROSSMARGIN_ROUNDS", "300"))
SOAK_SEEDS = range(2, 5)
GIVEN = os.environ.get("CROSSMARGIN_CAMPAIGN")
SEEDS = (
    [1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in SOAK_SEEDS)]
    if GIVEN is None
    else [int(GIVEN)]
)


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_breaks_all_that_is_true_is_told_and_nothing_else(
    world: World, proxy: FaultProxy, tmp_path: Path, seed: int
) -> None:
    campaign = Campaign(world, proxy, tmp_path, seed)
    campaign.run(ROUNDS * settings().max_examples // 100)
    counts = campaign.judge.counts
    came = [
        what for what in ("reorgs", "clock jumps", "deaths", "messages", "ok to unknown") if not counts[what]
    ]
    assert not came, f"a campaign without {came} shows little"
