"""Aave v3 for the conformance suite: every version there are genuine contracts of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

from hypothesis import strategies as st

from chain.rpc import Rpc
from localnet import states
from localnet.aave_v3 import Market
from localnet.aave_v3.standard import wallet
from localnet.evm import Reverted
from margin.basics import Address
from margin.mending import Change, Deed
from margin.prices import Prices
from margin.units import UINT256_MAX
from protocols.aave_v3 import ADAPTER
from protocols.aave_v3.adapter import AaveVenue
from protocols.aave_v3.liquidation import Liquidation, largest, liquidations
from protocols.aave_v3.state import AaveAccount
from protocols.base import VenueConfig
from tests.conformance.subject import Attempt, OnMarket, Subject, answers
from tests.markets import TESTED, build_of
from tests.protocols.aave_v3.lives import Life, live, lives

TOO_HEALTHY = frozenset({"45", "HealthFactorNotBelowThreshold"})
FACTORS = {"WETH": "ETH", "wstETH": "ETH", "cbETH": "ETH", "rETH": "ETH", "WBTC": "BTC"}


class Genuine(OnMarket[Market, AaveVenue, AaveAccount]):
    """A genuine market and our reading of it; a `Subject` of the conformance suite."""

    opens = ADAPTER.open
    kinds = AaveVenue, AaveAccount

    @property
    def config(self) -> VenueConfig:
        """Factors as a user would give them: ether and its derivatives are one."""
        return VenueConfig(
            id="local/aave-v3/core",
            addresses={"pool_addresses_provider": self.market.addresses_provider.address},
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
        a_token = self.market.evm.at(reserve.a_token, self.market.token("USDC").abi, "aToken")
        for owner in owners:
            a_token.send("transfer", owner, 1_000 * reserve.unit, sender=self.market.cast["whale"])
        return owners

    def own_view(self, owner: Address, prices: dict[str, int] | None, at: int | None) -> tuple[int, ...]:
        collateral, debt, _, threshold, _, health = self.market.account_data(owner, at=at, prices=prices)
        return collateral, debt, threshold, health

    def our_view(
        self, venue: Any, account: AaveAccount, prices: Prices | None, at: int | None
    ) -> tuple[int, ...]:
        verdict = venue.verdict(account, prices, at)
        health = UINT256_MAX if verdict.health_factor_wad is None else verdict.health_factor_wad
        return verdict.assets_raw, verdict.liabilities_raw, venue.average_threshold_bps(verdict), health

    def attempts(
        self, venue: Any, account: AaveAccount, prices: Prices | None = None, at: int | None = None
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
        venue: AaveVenue,
        account: AaveAccount,
        pair: tuple[int, int],
        prices: Prices | None,
        at: int | None,
    ) -> Attempt:
        call = largest(venue, account, *pair, prices=prices, at=at)
        said = self.market.try_liquidate(
            venue.reserves[pair[0]].symbol,
            venue.reserves[pair[1]].symbol,
            account.key.owner,
            call.cover_raw if isinstance(call, Liquidation) else UINT256_MAX,
            receive_a_token=True,
            at=at,
            prices=answers(venue, prices),
        )
        return Attempt(said, said in TOO_HEALTHY, isinstance(call, Liquidation))

    def set_answers(self, answers: Mapping[str, int]) -> None:
        for feed, raw in answers.items():
            self.market.evm.at(feed, self.market.feed("WETH").abi, "Feed").send("setAnswer", raw)

    def liquidate(self, venue: Any, account: AaveAccount) -> bool:
        """The first call that goes through, aTokens received."""
        for call in liquidations(venue, account):
            if isinstance(call, Liquidation):
                collateral, debt = (venue.reserves[i].symbol for i in (call.collateral, call.debt))
                user = account.key.owner
                self.market.liquidate(collateral, debt, user, call.cover_raw, receive_a_token=True)
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
            stable = reserve.stable_debt_token is not None and self.market.balance(
                reserve.stable_debt_token, owner
            )
            if variable or not stable:
                self.market.repay(owner, symbol, variable or change.amount_raw)
            if rest and stable:
                self.market.repay(owner, symbol, rest, mode=1)
        except Reverted as refusal:
            return refusal.reason or "no reason"
        return None


@contextmanager
def genuine(state: str) -> Iterator[Genuine]:
    """A state of `localnet.states`, with an `Rpc` to it."""
    version = state.removeprefix("aave-v").removesuffix("-empty")
    with (
        states.running(state, build_of(version)) as market,
        Rpc.open("local", [market.anvil.url], 31337) as rpc,
    ):
        yield Genuine(market, rpc)


SUBJECTS: dict[str, Callable[[], AbstractContextManager[Subject]]] = {
    f"aave-v{version}": partial(genuine, f"aave-v{version}-empty") for version in TESTED
}
