"""Readings that go on from the one before, against readings of everything, after whatever can happen."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from chain.rpc import Rpc, Settings
from checker.bands import Band
from checker.config import Config, load_config
from checker.demo.world import World
from checker.snapshot import ChainReading, read_chain
from checker.watch.following import WHOLE_EVERY_S, Following
from checker.watch.sight import seen
from localnet import states
from localnet.aave_v3 import Market
from margin.basics import Address, Unread
from protocols.aave_v3.adapter import AaveVenue
from protocols.aave_v3.state import AaveAccount
from protocols.base import Failed
from tests.checker.book.test_machine import USERS, Lives
from tests.faults import FaultProxy, NodeError
from tests.faults.log_limits import Doctored

IMPATIENT = Settings(timeout_s=2.0, total_s=2.0, rounds=1, dead_s=0.0, rest_s=0.0)


def watched(folder: Path, market: Market, owners: list[str], url: str = "") -> Config:
    lines = [f'[chains.local]\nrpc = ["{url or market.anvil.url}"]\nchain_id = 31337\n\n[[venues]]']
    lines.append('chain = "local"\nprotocol = "aave-v3"')
    lines.append(f'pool_addresses_provider = "{market.addresses_provider.address}"\n')
    lines += [f'[[wallets]]\naddresses = ["{owner}"]\n' for owner in owners]
    path = folder / "watch.toml"
    path.write_text("\n".join(lines))
    return load_config(path)


def told(reading: ChainReading, config: Config) -> tuple[object, ...]:
    """All that a reading says, but the pool's own views, which are not asked for every time."""
    (one,) = reading.venues
    assert not isinstance(one.book, Unread), one.book
    venue = cast("AaveVenue", one.book.venue)
    accounts = {
        owner: [
            each if isinstance(each, Failed) else (replace(each, reported=None), venue.verdict(each))
            for each in those
        ]
        for owner, those in one.book.accounts.items()
    }
    market = venue.block, venue.reserves, venue.sentinel, venue.numeraire
    return reading.block, market, accounts, seen(config, reading, 0.0).parts


class Watched(Lives):
    """The same lives; `look` compares the reading that goes on with one of everything."""

    folder: Path
    whole = on = 0

    def __init__(self) -> None:
        super().__init__()
        config = watched(self.folder, self.market, [*USERS])
        self.config = config
        self.following = Following(self.rpc, config.chains[0], config, list(USERS), 1e9)

    def look_back(self, back: int) -> None:
        """Of a book, and none here."""

    @rule(again=st.sets(st.sampled_from(USERS)))
    def look_again(self, again: set[Address]) -> None:
        self.look(again)

    @rule()
    def look(self, again: set[Address] | None = None) -> None:
        chain = self.config.chains[0]
        before = self.following._last
        reading = self.following.read(1.0, again or ())
        fresh = read_chain(self.rpc, chain, self.config, list(USERS), "latest", lambda _: None)
        assert told(reading, self.config) == told(fresh, self.config)
        for account in accounts(fresh):
            if account.key.owner in (again or ()):
                assert account in accounts(reading)
        views = [account.reported for account in accounts(reading)]
        went_on = before is not None and (None in views or reading is before)
        type(self).on += went_on
        type(self).whole += not went_on


@pytest.mark.parametrize("version", ["3.0.2", "3.2"])
def test_a_reading_that_goes_on_is_the_reading_of_everything(version: str, tmp_path: Path) -> None:
    with (
        states.running(f"aave-v{version}-empty") as market,
        Rpc.open("local", [market.anvil.url], 31337) as rpc,
    ):
        machine: type[Watched] = type(
            "OnThisMarket", (Watched,), {"market": market, "rpc": rpc, "folder": tmp_path}
        )
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=max(2, settings().max_examples // 12),
                stateful_step_count=25,
                suppress_health_check=list(HealthCheck),
                deadline=None,
                phases=(Phase.explicit, Phase.generate),
            ),
        )
        assert machine.on > 5


def accounts(reading: ChainReading) -> list[AaveAccount]:
    """The accounts that could be read, in the order of their owners."""
    (one,) = reading.venues
    assert not isinstance(one.book, Unread)
    found = [account for those in one.book.accounts.values() for account in those]
    return [account for account in found if isinstance(account, AaveAccount)]


@pytest.fixture
def scene(world: World, proxy: FaultProxy, tmp_path: Path) -> Scene:
    market = world.markets["3.2"]
    config = watched(tmp_path, market, [market.cast["edge"], market.cast["comfortable"]], proxy.url)
    (chain,) = config.chains
    rpc = Rpc.open("local", chain.urls, 31337, IMPATIENT)
    owners = [wallet.addresses[0] for wallet in config.wallets]
    return Scene(market, proxy, Following(rpc, chain, config, owners))


@dataclass
class Scene:
    market: Market
    proxy: FaultProxy
    following: Following

    def debts(self, now: float, again: Collection[Address] = ()) -> list[int]:
        """What each wallet owes by a reading, scaled as the pool keeps it."""
        those = accounts(self.following.read(now, again))
        return [sum(position.debt_scaled for position in each.positions) for each in those]

    def viewed(self) -> list[bool]:
        """Whether each was read with the pool's own view beside it, in the last reading."""
        assert self.following._last is not None
        return [each.reported is not None for each in accounts(self.following._last)]

    def repay(self, name: str) -> None:
        self.market.repay(self.market.cast[name], "USDC", 10**6)


def test_what_an_event_names_is_read_again_and_nothing_else(scene: Scene) -> None:
    edge, comfortable = scene.debts(0)
    assert scene.viewed() == [True, True]
    scene.repay("edge")
    less, same = scene.debts(10)
    assert (less < edge, same) == (True, comfortable)
    assert scene.viewed() == [True, False]


def test_an_event_that_a_node_keeps_to_itself_is_made_up_for_by_the_next_whole_reading(scene: Scene) -> None:
    edge, comfortable = scene.debts(0)
    scene.proxy.add(Doctored(list.clear, times=None))
    scene.repay("comfortable")
    assert scene.debts(10) == [edge, comfortable]
    assert scene.debts(WHOLE_EVERY_S)[1] < comfortable


def test_whoever_is_not_well_is_read_whatever_the_events_say(scene: Scene) -> None:
    edge, _ = scene.debts(0)
    scene.proxy.add(Doctored(list.clear, times=None))
    scene.repay("edge")
    assert scene.debts(10, [scene.market.cast["edge"]])[0] < edge


def test_where_events_cannot_be_had_everything_is_read(scene: Scene) -> None:
    edge, comfortable = scene.debts(0)
    scene.proxy.add(NodeError(-32000, "no logs here", times=None, method="eth_getLogs"))
    scene.repay("edge")
    scene.repay("comfortable")
    less, lesser = scene.debts(10)
    assert less < edge
    assert lesser < comfortable


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("moves", [False, True])
def test_what_a_node_begins_to_keep_back_is_never_taken_for_a_sight(
    scene: Scene, *, again: bool, moves: bool
) -> None:
    """From whichever call on: either all is as it is with the node well, or the chain counts as not seen."""
    following, market = scene.following, scene.market
    now, skip, ended = 0.0, 0, False
    outcomes: set[bool] = set()
    while not ended:
        scene.proxy.clear()
        following.read(now, [])
        if moves:
            market.set_price("WETH", int(market.feed("WETH").call("latestAnswer")) - 1)
        else:
            market.anvil.mine(market.anvil.timestamp() + 12)
        calls = scene.proxy.count("eth_call")
        scene.proxy.add(NodeError(-32000, "missing trie node", method="eth_call", times=None, skip=skip))
        sight = seen(following.config, following.read(now + 1, following.owners if again else []), now + 1)
        known = all(part.band is not Band.UNKNOWN for part in sight.parts.values())
        assert sight.clear is known
        assert (following._last is not None) is known
        outcomes.add(known)
        ended = known and scene.proxy.count("eth_call") - calls < skip
        now, skip = now + 2, skip + 1
    assert outcomes == {False, True}
