"""Aave v2 for the conformance suite: the genuine contracts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import astuple
from functools import partial
from typing import Any

from hypothesis import strategies as st

from chain.rpc import Rpc
from localnet import aave_v2
from localnet.aave_v2 import Market
from localnet.aave_v2.market import STABLE
from localnet.aave_v2.standard import wallet
from localnet.evm import Reverted
from margin.basics import Address
from margin.mending import Change, Deed
from margin.prices import Prices
from protocols.aave_v2 import ADAPTER
from protocols.aave_v2.adapter import PoolVenue
from protocols.aave_v2.liquidation import Liquidation, liquidate, liquidations
from protocols.aave_v2.state import PoolAccount
from protocols.base import VenueConfig
from tests.conformance.subject import Attempt, OnMarket, Subject, answers
from tests.protocols.aave_v2.lives import Life, live, lives

TOO_HEALTHY = "42"
FACTORS = {"WETH": "ETH", "stETH": "ETH", "WBTC": "BTC"}


class Genuine(OnMarket[Market, PoolVenue, PoolAccount]):
    """A genuine market and our reading of it; a `Subject` of the conformance suite."""

    opens = ADAPTER.open
    kinds = PoolVenue, PoolAccount

    @property
    def config(self) -> VenueConfig:
        """Factors as a user would give them: ether and what is staked of it are one."""
        return VenueConfig(
            id="local/aave-v2",
            addresses={"addresses_provider": self.market.core.provider.address},
            where="test",
            factors={r.token: FACTORS.get(s, s) for s, r in self.market.reserves.items()},
        )

    def lives(self) -> st.SearchStrategy[Life]:
        return lives()

    def live(self, life: Life) -> Address:
        return live(self.market, life)

    def crowd(self, count: int) -> Sequence[Address]:
        """aTokens given away by the whale: a supply each, by one transaction each."""
        owners = [wallet(f"crowd {i}") for i in range(count)]
        reserve = self.market.reserves["USDC"]
        for owner in owners:
            self.market.erc20(reserve.a_token).send(
                "transfer", owner, 1_000 * reserve.unit, sender=self.market.cast["whale"]
            )
        return owners

    def own_view(self, owner: Address, prices: dict[str, int] | None, at: int | None) -> tuple[int, ...]:
        collateral, debt, available, threshold, ltv, health = self.market.account_data(
            owner, at=at, prices=prices
        )
        return collateral, debt, available, threshold, ltv, health

    def our_view(
        self, venue: Any, account: PoolAccount, prices: Prices | None, at: int | None
    ) -> tuple[int, ...]:
        return astuple(venue.view(account, prices, at))

    def attempts(
        self, venue: Any, account: PoolAccount, prices: Prices | None = None, at: int | None = None
    ) -> list[Attempt]:
        """The largest `liquidationCall` for every pair of collateral and debt, aTokens received."""
        return [
            self._attempt(venue, account, (collateral.reserve, debt.reserve), prices, at)
            for collateral in account.positions
            for debt in account.positions
            if account.borrows(debt.reserve) and account.uses_as_collateral(collateral.reserve)
        ]

    def _attempt(
        self,
        venue: PoolVenue,
        account: PoolAccount,
        pair: tuple[int, int],
        prices: Prices | None,
        at: int | None,
    ) -> Attempt:
        call = liquidate(venue, account, *pair, prices=prices, at=at)
        said = self.market.try_liquidate(
            venue.reserves[pair[0]].symbol,
            venue.reserves[pair[1]].symbol,
            account.key.owner,
            receive_a_token=True,
            at=at,
            prices=answers(venue, prices),
        )
        return Attempt(said, said == TOO_HEALTHY, isinstance(call, Liquidation))

    def set_answers(self, answers: Mapping[str, int]) -> None:
        for feed, raw in answers.items():
            self.market.feed_at(feed).send("setAnswer", raw)

    def liquidate(self, venue: Any, account: PoolAccount) -> bool:
        """The first call that goes through, aTokens received."""
        for call in liquidations(venue, account):
            if isinstance(call, Liquidation):
                collateral, debt = (venue.reserves[i].symbol for i in (call.collateral, call.debt))
                self.market.liquidate(collateral, debt, account.key.owner, receive_a_token=True)
                return True
        return False

    def do(self, owner: Address, change: Change) -> str | None:
        """Variable debt is repaid before stable debt, as `changes` has it."""
        symbol, reserve = next((s, r) for s, r in self.market.reserves.items() if r.token == change.token)
        try:
            if change.deed is Deed.DEPOSIT:
                self.market.supply(owner, symbol, change.amount_raw)
                return None
            variable = min(change.amount_raw, self.market.balance(reserve.variable_debt_token, owner))
            rest = change.amount_raw - variable
            stable = self.market.balance(reserve.stable_debt_token, owner)
            if variable or not stable:
                self.market.repay(owner, symbol, variable or change.amount_raw)
            if rest and stable:
                self.market.repay(owner, symbol, rest, STABLE)
        except Reverted as refusal:
            return refusal.reason or "no reason"
        return None


@contextmanager
def genuine(*, empty: bool) -> Iterator[Genuine]:
    """A standard market, with an `Rpc` to it."""
    with aave_v2.running(empty=empty) as market, Rpc.open("local", [market.anvil.url], 31337) as rpc:
        yield Genuine(market, rpc)


SUBJECTS: dict[str, Callable[[], AbstractContextManager[Subject]]] = {"aave-v2": partial(genuine, empty=True)}
