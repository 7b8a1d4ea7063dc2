"""A crowd is as varied as it says, is the same every time, and its events outlive its chain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pytest
from eth_utils.crypto import keccak

from localnet import states
from localnet.aave_v3 import Market, crowd_plan
from localnet.aave_v3.crowd import REFUSED, populate
from localnet.aave_v3.standard import ETH_EMODE, STABLE_EMODE, STAKED_EMODE
from localnet.cast import WAD
from localnet.solc import own
from margin.basics import Address
from margin.errors import LocalnetError

ACCOUNTS = 300
TRANSFER = "Transfer(address,address,uint256)"
SUPPLY = "Supply(address,address,address,uint256,uint16)"
WITHDRAW = "Withdraw(address,address,address,uint256)"
REPAY = "Repay(address,address,address,uint256,bool)"
LIQUIDATION = "LiquidationCall(address,address,address,uint256,uint256,address,bool)"
OF_USER = {SUPPLY: 2, WITHDRAW: 2, REPAY: 2, LIQUIDATION: 3}
"""Event of the Pool → place of the topic that names the account."""


@dataclass(frozen=True)
class Held:
    """What the protocol's data provider says of an account in one reserve."""

    supply: int
    stable_debt: int
    variable_debt: int
    collateral: bool

    @property
    def debt(self) -> int:
        return self.stable_debt + self.variable_debt


class Crowded:
    """A market with its crowd, and what the chain says of everyone."""

    def __init__(self, market: Market) -> None:
        self.market = market

    @cached_property
    def logs(self) -> list[dict[str, Any]]:
        """All logs of the chain."""
        found: list[dict[str, Any]] = self.market.anvil.request("eth_getLogs", {"fromBlock": "0x0"})
        return found

    def told(self, event: str) -> Counter[Address]:
        """Account → events of the Pool that name it."""
        topic = "0x" + keccak(text=event).hex()
        pool = self.market.pool.address.lower()
        words = [
            log["topics"][OF_USER[event]]
            for log in self.logs
            if log["address"] == pool and log["topics"][0] == topic
        ]
        return Counter(user for user in self.market.crowd for word in words if word == topic_of(user))

    @cached_property
    def held(self) -> dict[Address, dict[str, Held]]:
        """Account → symbol → what is not nothing."""
        found: dict[Address, dict[str, Held]] = {}
        for user in self.market.crowd:
            found[user] = {}
            for symbol, reserve in self.market.reserves.items():
                data = self.market.data_provider.call("getUserReserveData", reserve.token, user)
                position = Held(data[0], data[1], data[2], data[-1])
                if position.supply or position.debt:
                    found[user][symbol] = position
        return found

    @cached_property
    def data(self) -> list[tuple[int, int, int, int, int, int]]:
        """`getUserAccountData` of everyone."""
        return [self.market.account_data(user) for user in self.market.crowd]


def topic_of(user: Address) -> str:
    return "0x" + "00" * 12 + user[2:].lower()


def lasting(log: dict[str, Any]) -> dict[str, Any]:
    """A log without its block's hash: the node draws a random number into each block."""
    return {field: value for field, value in log.items() if field != "blockHash"}


@pytest.fixture(scope="module", params=["3.0.2", "3.2"])
def crowded(request: pytest.FixtureRequest) -> Iterator[Crowded]:
    with states.running(f"aave-v{request.param}-crowd{ACCOUNTS}") as market:
        yield Crowded(market)


@pytest.fixture(scope="module")
def again(crowded: Crowded) -> Iterator[Crowded]:
    """The same crowd made on a node that was never loaded from its state."""
    with states.running(f"aave-v{crowded.market.version}-empty") as market:
        assert populate(market, ACCOUNTS) == market.crowd
        yield Crowded(market)


@pytest.fixture
def empty() -> Iterator[Market]:
    with states.running("aave-v3.0.2-empty") as market:
        yield market


def test_the_same_every_time_and_no_log_is_lost(crowded: Crowded, again: Crowded) -> None:
    assert crowded.market.crowd == again.market.crowd
    assert len(set(crowded.market.crowd)) == ACCOUNTS
    assert crowded.data == again.data
    assert len(crowded.logs) > 15 * ACCOUNTS
    assert [lasting(log) for log in crowded.logs] == [lasting(log) for log in again.logs]


def test_blocks_and_receipts_outlive_the_chain(crowded: Crowded, again: Crowded) -> None:
    last = crowded.market.anvil.block_number()
    assert last == again.market.anvil.block_number()
    for number in (1, last // 2, last - 30, last):
        loaded, made = (
            item.market.anvil.request("eth_getBlockByNumber", hex(number), True) for item in (crowded, again)
        )
        for field in ("timestamp", "gasUsed", "transactionsRoot", "receiptsRoot", "logsBloom"):
            assert loaded[field] == made[field]
        assert [item["hash"] for item in loaded["transactions"]] == [
            item["hash"] for item in made["transactions"]
        ]
        for sent in loaded["transactions"]:
            receipts = [
                item.market.anvil.request("eth_getTransactionReceipt", sent["hash"])
                for item in (crowded, again)
            ]
            assert receipts[0]["blockHash"] == loaded["hash"]
            for field in ("status", "gasUsed", "from", "to", "contractAddress", "transactionIndex"):
                assert receipts[0][field] == receipts[1][field]


def test_another_seed_is_another_crowd(crowded: Crowded) -> None:
    with states.running(f"aave-v{crowded.market.version}-empty") as market:
        populate(market, ACCOUNTS, seed=1)
        other = Crowded(market)
        assert other.data != crowded.data
        assert 0.003 <= liquidatable(other) / ACCOUNTS <= 0.015


def test_nothing_was_refused(crowded: Crowded) -> None:
    assert not [log for log in crowded.logs if log["topics"][0] == REFUSED]


def liquidatable(crowded: Crowded) -> int:
    return sum(health < WAD for *_, health in crowded.data)


def test_few_are_liquidatable_or_insolvent(crowded: Crowded) -> None:
    assert 0.003 <= liquidatable(crowded) / ACCOUNTS <= 0.015
    assert 1 <= sum(0 < collateral < debt for collateral, debt, *_ in crowded.data) <= 3
    liquidated = crowded.told(LIQUIDATION)
    assert 1 <= len(liquidated) <= 3


def test_health_is_spread(crowded: Crowded) -> None:
    healths = [health / WAD for _, debt, *_, health in crowded.data if debt]
    parts = Counter(
        next(edge for edge in (1, 1.03, 1.2, 1.6, 2.5, 5, 1e99) if health < edge) for health in healths
    )
    assert set(parts) == {1, 1.03, 1.2, 1.6, 2.5, 5, 1e99}
    assert min(count for edge, count in parts.items() if edge > 1) >= 4
    assert min(healths) < 0.6


def test_sizes_are_spread(crowded: Crowded) -> None:
    sizes = sorted(collateral / 10**8 for collateral, *_ in crowded.data if collateral > 10**8)
    assert sizes[-1] > 30 * sizes[len(sizes) // 2] > 30 * 30 * sizes[0]


def test_supplies_and_debts_are_varied(crowded: Crowded) -> None:
    everyone = [held.values() for held in crowded.held.values()]
    supplies = Counter(sum(item.supply > 0 for item in held) for held in everyone)
    debts = Counter(sum(item.debt > 0 for item in held) for held in everyone)
    assert all(supplies[count] >= 5 for count in (0, 1, 2, 3, 4))
    assert all(debts[count] >= 5 for count in (0, 1, 2, 3))
    assert 0.22 <= debts[0] / ACCOUNTS <= 0.33
    held = {symbol for positions in crowded.held.values() for symbol in positions}
    assert held == set(crowded.market.reserves)
    unused = [held for held in everyone if any(item.supply and not item.collateral for item in held)]
    assert len(unused) >= 10
    both = [held for held in everyone if any(item.supply and item.debt for item in held)]
    assert len(both) >= 5
    small = [item for held in everyone for item in held if 0 < item.supply < 1_000 or 0 < item.debt < 1_000]
    assert len(small) >= 5


def test_every_kind_is_there(crowded: Crowded) -> None:
    market = crowded.market
    stable = sum(item.stable_debt > 0 for held in crowded.held.values() for item in held.values())
    assert stable >= 5 if market.core.version.stable_rate else stable == 0
    categories = Counter(
        market.pool.call("getUserEMode", user) for user, held in crowded.held.items() if held
    )
    assert all(categories[category] >= 5 for category in (ETH_EMODE, STABLE_EMODE, STAKED_EMODE))
    isolated = [held for held in crowded.held.values() if "SNX" in held and held["SNX"].collateral]
    assert sum(any(item.debt for item in held.values()) for held in isolated) >= 5


def test_lives_went_on(crowded: Crowded) -> None:
    supplied, withdrew, repaid = (crowded.told(event) for event in (SUPPLY, WITHDRAW, REPAY))
    left = [user for user, held in crowded.held.items() if not held]
    assert 5 <= len(left) <= 15
    assert all(supplied[user] and withdrew[user] for user in left)
    assert sum(user in withdrew for user in crowded.held if user not in left) >= 15
    assert sum(user in repaid for user in crowded.held if user not in left) >= 10
    silent = [user for user, held in crowded.held.items() if held and user not in supplied]
    assert len(silent) >= 5
    assert all(not item.debt for user in silent for item in crowded.held[user].values())
    times = {
        crowded.market.anvil.request("eth_getBlockByNumber", number, False)["timestamp"]
        for number in {log["blockNumber"] for log in crowded.logs}
    }
    assert len(times) >= 5


def test_everyone_with_a_balance_has_transfers(crowded: Crowded) -> None:
    topic = "0x" + keccak(text=TRANSFER).hex()
    named = {
        (log["address"], word)
        for log in crowded.logs
        if log["topics"][0] == topic
        for word in log["topics"][1:]
    }
    seen = 0
    for user, positions in crowded.held.items():
        for symbol, held in positions.items():
            reserve = crowded.market.reserves[symbol]
            for token, amount in (
                (reserve.a_token, held.supply),
                (reserve.variable_debt_token, held.variable_debt),
                (reserve.stable_debt_token, held.stable_debt),
            ):
                if amount:
                    assert (str(token).lower(), topic_of(user)) in named
                    seen += 1
    assert seen > ACCOUNTS


def test_the_loaded_crowd_lives_on(crowded: Crowded) -> None:
    market = crowded.market
    now = market.anvil.timestamp()
    with market.anvil.undone():
        user = market.crowd[0]
        market.supply(user, "USDC", 10**6, at=now + 1)
        assert market.anvil.timestamp() == now + 1
        newest = market.anvil.request("eth_getLogs", {"fromBlock": "latest"})
        assert topic_of(user) in {word for log in newest for word in log["topics"]}


def test_a_refused_action_is_told_and_the_others_go_on(empty: Market) -> None:
    reserves = list(empty.reserves.values())
    crowd = empty.evm.deploy(
        own("Crowd"),
        empty.pool.address,
        [item.token for item in reserves],
        [item.a_token for item in reserves],
    )
    empty.token("WETH").send("mint", crowd.address, 10**18)
    crowd.send("join", 0, 2)
    user = crowd.call("addressOf", 1)
    refused = crowd_plan.WITHDRAW << 200 | 1 << 160 | 5
    given = crowd_plan.GIVE << 200 | 1 << 160 | 10**18
    told = crowd.events(crowd.send("play", [refused, given, given]), "Refused")
    assert [(event["account"], event["action"]) for event in told] == [(1, refused), (1, given)]
    assert empty.balance(reserves[0].a_token, user) == 10**18
    with pytest.raises(LocalnetError, match="not told by the crowd"):
        empty.evm.at(user, own("Puppet").abi).send("act", reserves[0].token, b"")


def test_a_plan_that_the_market_refuses_is_an_error(empty: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd_plan, "SUPPLY", crowd_plan.WITHDRAW)
    with pytest.raises(LocalnetError, match="refused too many actions"):
        populate(empty, 100)


@pytest.mark.parametrize("name", ["aave-v3.0.2-crowd", "aave-v3.0.2-crowd0", "aave-v3.0.2-empty-crowd5"])
def test_crowds_that_do_not_exist(name: str) -> None:
    with pytest.raises(LocalnetError, match="no state is called"):
        states.saved(name)


def test_a_crowd_of_few(empty: Market) -> None:
    assert len(populate(empty, 3)) == 3
