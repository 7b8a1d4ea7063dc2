"""Morpho Blue for the conformance suite, on the genuine contracts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

from eth_utils.crypto import keccak
from hypothesis import strategies as st

from chain.rpc import Rpc
from localnet.artifacts import Abi
from localnet.evm import Reverted, StateOverride
from localnet.morpho_blue import LIQUIDATOR, Listed, MorphoBlue, running
from localnet.morpho_blue.sources import contract
from localnet.morpho_blue.standard import wallet
from margin.basics import Address
from margin.mending import Change, Deed
from margin.prices import FeedKey, Prices
from protocols.base import VenueConfig
from protocols.morpho_blue import ADAPTER
from protocols.morpho_blue.adapter import MorphoVenue
from protocols.morpho_blue.interest import to_assets_up
from protocols.morpho_blue.liquidation import HEALTHY, Liquidation, largest, liquidate
from protocols.morpho_blue.state import MorphoAccount
from tests.conformance.subject import Attempt, OnMarket, Subject, answers
from tests.protocols.morpho_blue.lives import Life, live, lives

FACTORS = {"WETH": "ETH", "wstETH": "ETH", "WBTC": "BTC"}
POSITION_SLOT, MARKET_SLOT = 2, 3
"""Of `position` and `market`: MorphoStorageLib of morpho-org/morpho-blue 1.0.0."""
MOST_RAW = 2**126
"""More than any account here could owe, and room enough for it in the contract."""


class Genuine(OnMarket[MorphoBlue, MorphoVenue, MorphoAccount]):
    """A genuine Morpho Blue and our reading of it; a `Subject` of the conformance suite."""

    opens = ADAPTER.open
    kinds = MorphoVenue, MorphoAccount

    @property
    def config(self) -> VenueConfig:
        """Factors as a user would give them: ether and its derivatives are one."""
        return VenueConfig(
            id="local/morpho-blue",
            addresses={"morpho": self.market.morpho.address},
            where="test",
            factors={token: FACTORS.get(symbol, symbol) for symbol, token in self.market.tokens.items()},
        )

    def listed(self, account: MorphoAccount) -> Listed:
        """The market it is in, as the local chain knows it."""
        return next(listed for listed in self.market.markets.values() if listed.id == account.market)

    @property
    def irm_abi(self) -> Abi:
        """Of the AdaptiveCurveIrm."""
        return contract("AdaptiveCurveIrm").abi

    def rate_slot(self, id_: str) -> str:
        """Where the model keeps a market's rate at target: its first and only mapping."""
        return "0x" + keccak(bytes.fromhex(id_[2:]) + bytes(32)).hex()

    def lives(self) -> st.SearchStrategy[Life]:
        return lives()

    def live(self, life: Life) -> Address:
        return live(self.market, life)

    def crowd(self, count: int) -> Sequence[Address]:
        """Collateral given by the whale: an account each, by one transaction each."""
        owners = [wallet(f"crowd {i}") for i in range(count)]
        whale, listed = self.market.cast["whale"], self.market.markets["WETH/USDC"]
        self.market.supply_collateral(whale, listed.name, 1)
        self.market._fund(whale, listed.collateral, 10**24)
        for owner in owners:
            self.market.morpho.send("supplyCollateral", listed.params, 10**18, owner, b"", sender=whale)
        return owners

    def own_view(self, owner: Address, prices: dict[str, int] | None, at: int | None) -> tuple[int, ...]:
        """Debt, the most that could be owed, and what is lent (rounded up): each by asking the contract.

        It has no view of them. What a repayment of all shares would take is the debt; what a mint of
        all the supply shares would cost is what they are worth. The most that could be owed is found by
        giving the account ever other debts, until `liquidate` changes its word.
        """
        venue, account = self.one(owner)
        listed, state = self.listed(account), price_override(prices)
        ask = self.market.morpho.call
        shares = account.supply_shares, account.borrow_shares
        lent, debt = (
            int(ask(function, listed.params, 0, each, owner, b"", sender=LIQUIDATOR, at=at)[0]) if each else 0
            for function, each in zip(("supply", "repay"), shares, strict=True)
        )
        now = self.node.timestamp() if at is None else at
        low, high = -1, MOST_RAW
        # Where to look first is a guess of ours; the contract decides on both sides of it.
        at_prices = (
            None if prices is None else Prices({FeedKey(oracle): raw for oracle, raw in prices.items()})
        )
        guess = self.our_view(venue, account, at_prices, at)[1]
        places = [guess + 1, guess]
        while high - low > 1:
            middle = places.pop() if places and low < places[-1] < high else (low + high) // 2
            override = {**(state or {}), **debt_override(self.market, account, middle, now)}
            said = self.market.try_liquidate(listed.name, owner, repaid_shares=1, at=at, state=override)
            low, high = (middle, high) if said == HEALTHY else (low, middle)
        return debt, low, lent

    def our_view(
        self, venue: Any, account: MorphoAccount, prices: Prices | None, at: int | None
    ) -> tuple[int, ...]:
        verdict = venue.verdict(account, prices, at)
        accrued = venue.accrual(account, venue.block.timestamp if at is None else at).state
        lent = to_assets_up(account.supply_shares, accrued.supply_assets, accrued.supply_shares)
        return verdict.requirement_raw, min(verdict.support_raw, MOST_RAW - 1), lent

    def attempts(
        self, venue: Any, account: MorphoAccount, prices: Prices | None = None, at: int | None = None
    ) -> list[Attempt]:
        """What leaves least, all of the debt, half of it, one share, all of the collateral, one unit."""
        best = largest(venue, account, prices=prices, at=at)
        shares, collateral_raw = account.borrow_shares, account.collateral_raw
        calls = [{"repaid_shares": n} for n in {1, shares, shares // 2} if n]
        calls += [{"seized_raw": n} for n in {1, collateral_raw} if n]
        if isinstance(best, Liquidation):
            calls.append({"repaid_shares": best.shares_asked, "seized_raw": best.seized_asked_raw})
        return [self._attempt(venue, account, call, prices, at) for call in calls]

    def _attempt(
        self,
        venue: MorphoVenue,
        account: MorphoAccount,
        call: Mapping[str, int],
        prices: Prices | None,
        at: int | None,
    ) -> Attempt:
        foretold = liquidate(venue, account, **call, prices=prices, at=at)
        said = self.market.try_liquidate(
            self.listed(account).name,
            account.key.owner,
            **call,
            at=at,
            state=price_override(answers(venue, prices)),
        )
        return Attempt(said, said == HEALTHY, isinstance(foretold, Liquidation))

    def set_answers(self, answers: Mapping[str, int]) -> None:
        for feed, raw in answers.items():
            self.market.oracle(feed).send("setPrice", raw)

    def liquidate(self, venue: Any, account: MorphoAccount) -> bool:
        """The call that leaves least behind."""
        call = largest(venue, account)
        if not isinstance(call, Liquidation):
            return False
        asked = {"seized_raw": call.seized_asked_raw, "repaid_shares": call.shares_asked}
        self.market.liquidate(self.listed(account).name, account.key.owner, **asked)
        return True

    def do(self, owner: Address, change: Change) -> str | None:
        """In the market that the owner is in."""
        listed = self.listed(self.one(owner)[1])
        try:
            if change.deed is Deed.REPAY:
                self.market.repay(owner, listed.name, change.amount_raw)
            elif change.token == listed.collateral:
                self.market.supply_collateral(owner, listed.name, change.amount_raw)
            else:
                self.market.supply(owner, listed.name, change.amount_raw)
        except Reverted as refusal:
            return refusal.reason or "no reason"
        return None


def price_override(prices: Mapping[str, int] | None) -> StateOverride | None:
    """The `eth_call` state override that makes oracles answer other prices."""
    if not prices:
        return None
    return {oracle: {"stateDiff": {word(0): word(raw)}} for oracle, raw in prices.items()}


def debt_override(venue: MorphoBlue, account: MorphoAccount, debt_raw: int, at: int) -> StateOverride:
    """The account owes just so much, in a market updated at that very moment, where a share is one unit."""
    id_, owner = bytes.fromhex(account.market[2:]), bytes.fromhex(account.key.owner[2:])
    position = keccak(owner.rjust(32, b"\0") + keccak(id_ + POSITION_SLOT.to_bytes(32, "big")))
    market = int.from_bytes(keccak(id_ + MARKET_SLOT.to_bytes(32, "big")), "big")
    virtual_assets, virtual_shares = 1, 10**6
    words = {
        word(int.from_bytes(position, "big") + 1): word(account.collateral_raw << 128 | debt_raw),
        word(market + 1): word((2**127 - virtual_shares) << 128 | (2**127 - virtual_assets)),
        word(market + 2): word(at),
    }
    return {venue.morpho.address: {"stateDiff": words}}


def word(value: int) -> str:
    return f"0x{value:064x}"


@contextmanager
def genuine(*, empty: bool = True) -> Iterator[Genuine]:
    """The standard venue, with an `Rpc` to it."""
    with running(empty=empty) as market, Rpc.open("local", [market.anvil.url], 31337) as rpc:
        yield Genuine(market, rpc)


SUBJECTS: dict[str, Callable[[], AbstractContextManager[Subject]]] = {"morpho-blue": partial(genuine)}
