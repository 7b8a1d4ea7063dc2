"""The incremental book against one read afresh, after anything that can happen to a market."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from chain.block import pin
from chain.rpc import Rpc
from checker.book.completeness import completeness
from checker.book.keeper import BookKeeper, How
from checker.book.store import Store
from checker.venues import Place
from localnet import states
from localnet.aave_v3 import Market
from localnet.aave_v3.market import STABLE, VARIABLE
from localnet.aave_v3.standard import raw_of, wallet
from localnet.evm import Reverted
from margin.basics import Address, Reason
from margin.errors import ReadError
from margin.screen import reprice
from protocols.aave_v3.adapter import AaveVenue
from protocols.base import Failed
from protocols.registry import adapters
from tests.protocols.aave_v3.subject import Genuine

USERS = [wallet(f"machine {i}") for i in range(4)]
SYMBOLS = ("WETH", "wstETH", "USDC", "DAI", "LINK", "CRV")
BORROWED = ("WETH", "USDC", "DAI")
USER = st.sampled_from(USERS)
SYMBOL = st.sampled_from(SYMBOLS)
USD = st.floats(1, 100_000)


class Lives(RuleBasedStateMachine):
    """Actions on one market; `look` brings the book to the newest block and compares."""

    market: Market
    rpc: Rpc

    def __init__(self) -> None:
        super().__init__()
        self.open = ExitStack()
        folder = Path(self.open.enter_context(TemporaryDirectory()))
        self.start = self.market.anvil.snapshot()
        self.snapshots: list[tuple[str, dict[str, Any]]] = []
        self.listed = dict(self.market.reserves)
        self.first = self.market.anvil.block_number()
        self.place = Place(adapters()["aave-v3"], Genuine(self.market, self.rpc).config, is_users=True)
        self.store = self.open.enter_context(Store.open(f"sqlite:///{folder / 'kept.db'}"))
        self.keeper = BookKeeper(self.rpc, self.place, self.store)
        self.folder = folder
        self.looks = 0

    def teardown(self) -> None:
        self.look()
        self.market.anvil.revert(self.start)
        self._forget_all_but(self.listed)
        self.open.close()

    def _forget_all_but(self, reserves: dict[str, Any]) -> None:
        for symbol in set(self.market.reserves) - set(reserves):
            del self.market.reserves[symbol]

    # What users do

    @rule(user=USER, symbol=SYMBOL, usd=USD)
    def supply(self, user: Address, symbol: str, usd: float) -> None:
        self.market.supply(user, symbol, raw_of(self.market, symbol, usd))

    @rule(user=USER, symbol=st.sampled_from(BORROWED), share=st.floats(0.01, 1.0), stable=st.booleans())
    def borrow(self, user: Address, symbol: str, share: float, stable: bool) -> None:
        available = self.market.account_data(user)[2] / 10**8
        mode = STABLE if stable and self.market.core.version.stable_rate else VARIABLE
        with suppress(Reverted):
            self.market.borrow(user, symbol, max(1, raw_of(self.market, symbol, available * share)), mode)

    @rule(user=USER, symbol=st.sampled_from(BORROWED), share=st.floats(0.01, 1.2), stable=st.booleans())
    def repay(self, user: Address, symbol: str, share: float, stable: bool) -> None:
        reserve = self.market.reserves[symbol]
        token = reserve.stable_debt_token if stable else reserve.variable_debt_token
        owed = self.market.balance(token, user) if token else 0
        if owed:
            self.market.repay(user, symbol, max(1, int(owed * share)), STABLE if stable else VARIABLE)

    @rule(user=USER, symbol=SYMBOL, share=st.floats(0.01, 1.0))
    def withdraw(self, user: Address, symbol: str, share: float) -> None:
        held = self.market.balance(self.market.reserves[symbol].a_token, user)
        with suppress(Reverted):
            self.market.withdraw(user, symbol, max(1, int(held * share)))

    @rule(user=USER, other=USER, symbol=SYMBOL, share=st.floats(0.01, 1.0))
    def transfer(self, user: Address, other: Address, symbol: str, share: float) -> None:
        reserve = self.market.reserves[symbol]
        token = self.market.evm.at(reserve.a_token, self.market.token(symbol).abi, "aToken")
        with suppress(Reverted):
            token.send(
                "transfer", other, int(self.market.balance(reserve.a_token, user) * share), sender=user
            )

    @rule(user=USER, symbol=SYMBOL, on=st.booleans())
    def use_as_collateral(self, user: Address, symbol: str, on: bool) -> None:
        with suppress(Reverted):
            self.market.use_as_collateral(user, symbol, on)

    @rule(user=USER, mode=st.integers(0, 2))
    def enter_emode(self, user: Address, mode: int) -> None:
        with suppress(Reverted):
            self.market.enter_emode(user, mode)

    @rule(user=USER, collateral=SYMBOL, debt=st.sampled_from(BORROWED), receive=st.booleans())
    def liquidate(self, user: Address, collateral: str, debt: str, receive: bool) -> None:
        with suppress(Reverted):
            self.market.liquidate(collateral, debt, user, receive_a_token=receive)

    # What happens to them

    @rule(symbol=SYMBOL, factor=st.floats(0.4, 1.5))
    def move_price(self, symbol: str, factor: float) -> None:
        feed = self.market.feed(symbol)
        feed.send("setAnswer", max(1, int(int(feed.call("latestAnswer")) * factor)))

    @rule(days=st.floats(0, 60))
    def wait(self, days: float) -> None:
        self.market.warp(int(days * 86_400))

    @rule(blocks=st.integers(1, 3))
    def quiet_blocks(self, blocks: int) -> None:
        for _ in range(blocks):
            self.market.anvil.mine()

    @rule(symbol=SYMBOL, bps=st.integers(1_000, 9_000))
    def configure(self, symbol: str, bps: int) -> None:
        terms = {"ltv": bps * 9 // 10, "liquidation_threshold": bps, "liquidation_bonus": 105_00}
        self.market.configure(symbol, **terms)

    @rule(user=USER, usd=USD)
    def list_another(self, user: Address, usd: float) -> None:
        """A new reserve, and someone in it in the same moment: contracts that no one watched before."""
        symbol = f"NEW{len(self.market.reserves)}"
        self.market.list_reserve(symbol, 18, 10**8)
        self.market.supply(user, symbol, raw_of(self.market, symbol, usd))

    @rule(user=USER, usd=USD)
    def list_and_take_back(self, user: Address, usd: float) -> None:
        """A listing that was looked at, and that a reorganisation makes void."""
        snapshot, reserves = self.market.anvil.snapshot(), dict(self.market.reserves)
        self.list_another(user, usd)
        self.look()
        self.market.anvil.revert(snapshot)
        self._forget_all_but(reserves)
        self.market.warp(1)

    @rule(user=USER, again=st.booleans())
    def drop(self, user: Address, again: bool) -> None:
        """A reserve that everyone has left goes, and another one may come in its place."""
        symbol = f"NEW{len(self.market.reserves)}"
        self.market.list_reserve(symbol, 18, 10**8)
        self.market.supply(user, symbol, raw_of(self.market, symbol, 10))
        self.look()
        self.market.withdraw(user, symbol)
        token = self.market.reserves[symbol].token
        self.market.configurator.send("dropReserve", token)
        del self.market.reserves[symbol]
        self.look()
        if again:
            self.list_another(user, 20)

    @rule(back=st.integers(1, 20))
    def look_back(self, back: int) -> None:
        """At a block before those that the store knows."""
        head = pin(self.rpc).number
        earlier = pin(self.rpc, max(head - back, self.first))
        older = BookKeeper(self.rpc, self.place, self.store)
        try:
            older.advance(earlier)
        except ReadError as failure:
            # The node forgets the states of blocks before one that it was put back to.
            if failure.unread.reason is Reason.BLOCK_NOT_FOUND:
                return
            raise
        whole = completeness(older.table, older.venue.totals(older.reader))
        assert whole.percent == 100.0
        assert not older.table.unread

    @rule()
    def mark(self) -> None:
        self.snapshots.append((self.market.anvil.snapshot(), dict(self.market.reserves)))

    @rule(data=st.data())
    def reorganise(self, data: st.DataObject) -> None:
        """Back to an earlier moment; what follows is another branch, since a second or a block differs."""
        if not self.snapshots:
            return
        at = data.draw(st.integers(0, len(self.snapshots) - 1))
        snapshot, reserves = self.snapshots[at]
        self.market.anvil.revert(snapshot)
        self._forget_all_but(reserves)
        del self.snapshots[at:]
        self.market.warp(data.draw(st.integers(1, 5)))

    @rule()
    def look(self) -> None:
        block = pin(self.rpc)
        before = self.keeper._steps[-1].mark.number if self.keeper._steps else None
        change = self.keeper.advance(block)
        self.looks += 1
        with Store.open(f"sqlite:///{self.folder / f'fresh{self.looks}.db'}") as store:
            fresh = BookKeeper(self.rpc, self.place, store)
            fresh.advance(block)
            ours, theirs = told(self.keeper), told(fresh)
            assert ours == theirs, change
            # Modes that nobody is in any more, and their feeds, may stay known.
            for name in ("emodes", "feeds", "prices"):
                kept, read = getattr(self.keeper.venue, name), getattr(fresh.venue, name)
                assert {key: kept.get(key) for key in read} == dict(read), change
        assert change.how is not How.QUIET or change.reread == 0
        # Only a listing, or one that goes, makes the next book anew.
        assert before is not None or change.how is How.AFRESH
        assert change.how is not How.AFRESH or change.reopened
        whole = completeness(self.keeper.table, self.keeper.venue.totals(self.keeper.reader))
        assert whole.percent == 100.0


def told(keeper: BookKeeper) -> tuple[Any, ...]:
    """Everything that a book says, whatever the order its accounts were found in."""
    venue, table = cast("AaveVenue", keeper.venue), keeper.table
    priced = reprice(keeper.screen, venue.unit_values())
    accounts = {}
    for row, words in table.accounts():
        account = venue.account_of(table.ids[row], words)
        if account is not None:
            assert not isinstance(account, Failed)
            sums = float(priced.support[row]), float(priced.requirement[row])
            accounts[table.ids[row]] = account, venue.verdict(account), sums
    shared = venue.block, venue.reserves, venue.sentinel, venue.broken_modes, venue.numeraire
    return shared, accounts, dict(table.unread)


@pytest.mark.parametrize("version", ["3.0.2", "3.2"])
def test_the_book_that_follows_is_the_book_read_afresh(version: str) -> None:
    with (
        states.running(f"aave-v{version}-empty") as market,
        Rpc.open("local", [market.anvil.url], 31337) as rpc,
    ):
        machine = type("OnThisMarket", (Lives,), {"market": market, "rpc": rpc})
        examples = max(2, settings().max_examples // 50)
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=examples,
                stateful_step_count=25,
                suppress_health_check=list(HealthCheck),
                deadline=None,
                phases=(Phase.explicit, Phase.generate),
            ),
        )
