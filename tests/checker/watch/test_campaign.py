"""The campaign: troubles of every kind from a seed, and a watch that still says what is true, and all of it.

`CROSSMARGIN_CAMPAIGN=7` plays the campaign of that seed again, `CROSSMARGIN_ROUNDS=500` so many rounds.
`make soak PYTEST_ARGS=tests/checker/watch/test_campaign.py` plays the long ones and writes bench/CAMPAIGN.md.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

from bench.machine import this_run
from checker.demo.world import World
from tests import postgres
from tests.checker.watch.campaign import Campaign
from tests.checker.watch.campaign_report import Ended, write
from tests.faults import FaultProxy

ROUNDS = int(os.environ.get("CROSSMARGIN_ROUNDS", "600")) * max(1, settings().max_examples // 200)
SOAK_SEEDS = range(2, 5)
IS_SOAK = settings().max_examples >= 1000
WATCHERS = (1, 2)
GIVEN = os.environ.get("CROSSMARGIN_CAMPAIGN")
SEEDS = (
    [1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in SOAK_SEEDS)]
    if GIVEN is None
    else [int(GIVEN)]
)


@contextmanager
def proxies(world: World, watchers: int) -> Iterator[list[list[FaultProxy]]]:
    """Two endpoints for each watcher."""
    with ExitStack() as stack:
        yield [[stack.enter_context(FaultProxy(world.anvil.url)) for _ in range(2)] for _ in range(watchers)]


@pytest.fixture(scope="module")
def ended() -> Iterator[list[Ended]]:
    """Campaigns that ended well; a soak run in which all did writes them down."""
    run, found = this_run(), list[Ended]()
    yield found
    if IS_SOAK and GIVEN is None and len(found) == len(SEEDS) + len(WATCHERS):
        write(run, found)


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_breaks_all_that_is_true_is_told_and_nothing_else(
    world: World, tmp_path: Path, seed: int, ended: list[Ended]
) -> None:
    with proxies(world, 1) as there:
        campaign = Campaign(world, there, tmp_path, seed, f"sqlite:///{tmp_path / 'campaign.db'}")
        campaign.run(ROUNDS)
    ended.append(Ended(f"seed {seed}", campaign.judge.counts, campaign.judge.troubles))
    _came(campaign, "reorgs", "clock jumps", "deaths", "ok to unknown", "liquidations told")


@pytest.mark.parametrize("watchers", WATCHERS)
def test_so_it_is_on_postgresql_by_one_watcher_or_two(
    world: World, tmp_path: Path, postgres_server: postgres.Server, watchers: int, ended: list[Ended]
) -> None:
    seed = int(GIVEN or 5)
    with proxies(world, watchers) as there:
        url = postgres_server.new_database()
        campaign = Campaign(world, there, tmp_path, seed, url, postgres_server)
        campaign.run(ROUNDS // 4)
    name = f"PostgreSQL, {watchers} watcher{'s' * (watchers != 1)}"
    ended.append(Ended(name, campaign.judge.counts, campaign.judge.troubles))
    _came(campaign, "reorgs", "deaths", "store down", "liquidations told")


def test_a_seed_plays_the_same_campaign_again(world: World, tmp_path: Path) -> None:
    trails = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        with world.anvil.undone(), proxies(world, 1) as there:
            url = f"sqlite:///{tmp_path / name / 'campaign.db'}"
            campaign = Campaign(world, there, tmp_path / name, int(GIVEN or 6), url)
            campaign.run(ROUNDS // 12)
        trails.append(campaign.judge.trail)
    assert trails[0] == trails[1]


def _came(campaign: Campaign, *kinds: str) -> None:
    missing = [kind for kind in ("messages", *kinds) if not campaign.judge.counts[kind]]
    assert not missing, f"a campaign without {missing} shows little"
