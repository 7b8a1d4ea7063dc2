"""Compound v2 for the conformance suite: Venus's genuine contracts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

from hypothesis import strategies as st

from chain.rpc import Rpc
from localnet.compound_v2 import Market, running
from localnet.compound_v2.market import MAX_UINT256
from localnet.compound_v2.standard import FIRST_BLOCK, wallet
from localnet.evm import Reverted
from margin.basics import Address
from margin.mending import Change, Deed
from margin.prices import Prices
from protocols.base import VenueConfig
from protocols.compound_v2 import ADAPTER
from protocols.compound_v2.adapter import CompoundVenue
from protocols.compound_v2.liquidation import Liquidation, largest, liquidations
from protocols.compound_v2.state import CompoundAccount
from tests.conformance.subject import Attempt, OnMarket, Subject, answers
from tests.protocols.compound_v2.lives import USER, Life, live, lives

INSUFFICIENT_SHORTFALL = 3
"""`ComptrollerErrorReporter.Error`."""
FACTORS = {"WETH": "ETH", "LINK": "ETH", "WBTC": "BTC"}
POCKET_RAW = 2**140
"""What the random wallet holds of everything, so that each of its deeds takes one block."""


class Genuine(OnMarket[Market, CompoundVenue, CompoundAccount]):
    """Genuine markets and our reading of them; a `Subject` of the conformance suite."""

    opens = ADAPTER.open
    kinds = CompoundVenue, CompoundAccount

    first_block = FIRST_BLOCK + 1

    @property
    def config(self) -> VenueConfig:
        """Factors as a user would give them."""
        return VenueConfig(
            id="local/compound-v2",
            addresses={"comptroller": self.market.comptroller.address},
            where="test",
            factors={m.token: FACTORS.get(s, s) for s, m in self.market.markets.items()},
        )

    def lives(self) -> st.SearchStrategy[Life]:
        return lives()

    def live(self, life: Life) -> Address:
        return live(self.market, life)

    def crowd(self, count: int) -> Sequence[Address]:
        """The market's own tokens given away by the whale: a supply each, by one transaction each."""
        owners = [wallet(f"crowd {i}") for i in range(count)]
        contract = self.market.market("USDC")
        for owner in owners:
            self.market.act(contract, "transfer", owner, 10**10, sender=self.market.cast["whale"])
        return owners

    def own_view(self, owner: Address, prices: dict[str, int] | None, at: int | None) -> tuple[int, ...]:
        """The Comptroller's view after every market accrued in that block."""
        error, liquidity, shortfall = self.market.liquidity(
            owner, accrue=self.market.markets, number=at, prices=by_token(prices)
        )
        assert not error
        return liquidity, shortfall

    def our_view(
        self, venue: Any, account: CompoundAccount, prices: Prices | None, at: int | None
    ) -> tuple[int, ...]:
        margin_raw = venue.verdict(account, prices, at).margin_raw
        return max(margin_raw, 0), max(-margin_raw, 0)

    def attempts(
        self, venue: Any, account: CompoundAccount, prices: Prices | None = None, at: int | None = None
    ) -> list[Attempt]:
        """The largest `liquidateBorrow` for every pair, every market accrued before."""
        return [
            self._attempt(venue, account, (collateral.market, debt.market), prices, at)
            for collateral in account.positions
            for debt in account.positions
            if collateral.tokens and debt.debt
        ]

    def _attempt(
        self,
        venue: CompoundVenue,
        account: CompoundAccount,
        pair: tuple[int, int],
        prices: Prices | None,
        at: int | None,
    ) -> Attempt:
        call = largest(venue, account, *pair, prices=prices, at=at)
        said = self.market.try_liquidate(
            venue.symbol(pair[1]),
            venue.symbol(pair[0]),
            account.key.owner,
            call.repay_raw if isinstance(call, Liquidation) else 1,
            accrue=self.market.markets,
            number=at,
            prices=by_token(answers(venue, prices)),
        )
        if isinstance(said, str):
            return Attempt(said, False, isinstance(call, Liquidation))
        allowed, code = said
        refused = None if not (allowed or code) else f"comptroller {allowed}, market {code}"
        return Attempt(refused, allowed == INSUFFICIENT_SHORTFALL, isinstance(call, Liquidation))

    def set_answers(self, answers: Mapping[str, int]) -> None:
        for token, raw in (by_token(answers) or {}).items():
            self.market.oracle.send("setDirectPrice", token, raw)

    def liquidate(self, venue: Any, account: CompoundAccount) -> bool:
        """The first call that goes through, every market accrued before, all in one transaction."""
        for call in liquidations(venue, account):
            if isinstance(call, Liquidation):
                listed = self.market.markets
                contract = self.market.market(venue.symbol(call.debt))
                receipt = self.market.keeper.send(
                    "liquidate",
                    [m.address for m in listed.values()],
                    contract.address,
                    listed[venue.symbol(call.collateral)].address,
                    account.key.owner,
                    call.repay_raw,
                )
                (event,) = contract.events(receipt, "LiquidateBorrow")
                assert event["repayAmount"] == call.repay_raw
                assert event["seizeTokens"] == call.seize_tokens
                return True
        return False

    def do(self, owner: Address, change: Change) -> str | None:
        symbol = next(s for s, m in self.market.markets.items() if m.token == change.token)
        contract = self.market.market(symbol)
        try:
            if change.deed is Deed.DEPOSIT:
                self.market.act(contract, "mint", change.amount_raw, sender=owner)
                return None
            following = self.node.block_number() + 1
            owed_raw = int(contract.call("borrowBalanceCurrent", owner, number=following))
            amount_raw = MAX_UINT256 if change.amount_raw >= owed_raw else change.amount_raw
            self.market.act(contract, "repayBorrow", amount_raw, sender=owner)
        except Reverted as refusal:
            return refusal.reason or "no reason"
        return None


def by_token(prices: Mapping[str, int] | None) -> dict[str, int] | None:
    """Prices by underlying, which is the second half of a feed's key here."""
    return None if prices is None else {key.partition("/")[2]: raw for key, raw in prices.items()}


@contextmanager
def genuine(*, cast: bool = False) -> Iterator[Genuine]:
    """The standard markets, with an `Rpc` to them."""
    with running(cast=cast) as market, Rpc.open("local", [market.anvil.url], 31337) as rpc:
        for symbol in market.markets:
            token = market.token(symbol)
            token.send("mint", USER, POCKET_RAW)
            token.send("approve", market.markets[symbol].address, MAX_UINT256, sender=USER)
        yield Genuine(market, rpc)


SUBJECTS: dict[str, Callable[[], AbstractContextManager[Subject]]] = {"compound-v2": partial(genuine)}
