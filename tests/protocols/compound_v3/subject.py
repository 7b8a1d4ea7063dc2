"""Compound v3 for the conformance suite: on the stand-in, and on a build of the genuine contracts."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from eth_utils.crypto import keccak
from hypothesis import strategies as st

from chain.rpc import Rpc
from localnet.compound_v3 import Comet, running
from localnet.compound_v3.contracts import OUR_OWN, Contracts
from localnet.compound_v3.market import MAX_UINT256
from localnet.compound_v3.standard import wallet
from localnet.evm import Reverted, StateOverride
from margin.basics import Address
from margin.mending import Change, Deed
from margin.prices import FeedKey, Prices
from protocols.base import VenueConfig
from protocols.compound_v3 import ADAPTER
from protocols.compound_v3.adapter import CometVenue
from protocols.compound_v3.interest import INDEX_SCALE
from protocols.compound_v3.liquidation import NOT_LIQUIDATABLE, Absorbed, absorb
from protocols.compound_v3.state import CometAccount
from tests.conformance.subject import Attempt, OnMarket, Subject, answers
from tests.protocols.compound_v3.lives import Life, found, live, lives

BUILD = os.environ.get("CROSSMARGIN_COMET_BUILD")
"""A directory with a build of compound-finance/comet in Foundry's layout: the judge of the stand-in."""
FACTORS = {"WETH": "ETH", "wstETH": "ETH", "WBTC": "BTC"}
TOTALS_SLOT, BASIC_SLOT = 0, 5
"""Of the market's totals and `userBasic`: CometStorage.sol of compound-finance/comet."""
MOST_RAW = 2**103
PRINCIPAL_BITS = 104


class Local(OnMarket[Comet, CometVenue, CometAccount]):
    """A Comet and our reading of it; a `Subject` of the conformance suite."""

    opens = ADAPTER.open
    kinds = CometVenue, CometAccount

    def __init__(self, market: Comet, rpc: Rpc) -> None:
        super().__init__(market, rpc)
        self.standard = market
        """`market` is the one that the newest life is in."""

    @property
    def config(self) -> VenueConfig:
        """Factors as a user would give them: ether and its derivatives are one."""
        return VenueConfig(
            id="local/compound-v3",
            addresses={"comet": self.market.comet.address},
            where="test",
            factors={token: FACTORS.get(symbol, symbol) for symbol, token in self.market.tokens.items()},
        )

    def lives(self) -> st.SearchStrategy[Life]:
        return lives()

    def live(self, life: Life) -> Address:
        """In a new market; in the one that there is, when a life has made one on this chain already."""
        is_new = self.market is self.standard
        if is_new or self.node.request("eth_getCode", self.market.comet.address, "latest") == "0x":
            self.market = found(self.standard, life)
        return live(self.market, life)

    def crowd(self, count: int) -> Sequence[Address]:
        """Collateral given by the whale: an account each, by one transaction each."""
        self.market = self.standard
        owners = [wallet(f"crowd {i}") for i in range(count)]
        whale = self.market.cast["whale"]
        self.market.fund(whale, "WETH", 10**24)
        for owner in owners:
            self.market.comet.send("supplyTo", owner, self.market.tokens["WETH"], 10**18, sender=whale)
        return owners

    def own_view(self, owner: Address, prices: dict[str, int] | None, at: int | None) -> tuple[int, ...]:
        """Balances, what `absorb` says, and the most that could be owed, each by asking the contract.

        It has no view of the last. So the account is given ever other debts, at an index of one and
        accrued at that very moment, until `isLiquidatable` changes its word; with the base priced so that
        a unit of it is one of the numeraire's, where its feed prices nothing else.
        """
        venue, account = self.one(owner)
        comet, state = self.market.comet, price_override(prices) or {}
        now = self.node.timestamp() if at is None else at
        owed, lent = (
            int(comet.call(view, owner, at=now, state=state)) for view in ("borrowBalanceOf", "balanceOf")
        )
        refused = self.market.try_absorb(owner, at=now, state=state)
        assert refused in (None, NOT_LIQUIDATABLE), refused
        priced = self._priced(venue, account, prices)
        most = self._most(venue, account, priced, now) if account.owes else 0
        return owed, lent, int(refused is None), most

    def _priced(
        self, venue: CometVenue, account: CometAccount, prices: dict[str, int] | None
    ) -> dict[str, int]:
        """The prices of the search: the base's own is set to its scale where it is nobody else's."""
        all_prices = {str(key): raw for key, raw in venue.prices.items()} | (prices or {})
        shared = any(asset.feed == venue.base.feed for asset, _ in venue.held_assets(account))
        return all_prices if shared else all_prices | {str(venue.base.feed): venue.base.scale}

    def _most(self, venue: CometVenue, account: CometAccount, priced: dict[str, int], now: int) -> int:
        low, high = -1, MOST_RAW
        # Where to look first is a guess of ours; the contract decides on both sides of it.
        guess = most_owed(venue, account, Prices({FeedKey(feed): raw for feed, raw in priced.items()}))
        places = [guess + 1, guess]
        while high - low > 1:
            middle = places.pop() if places and low < places[-1] < high else (low + high) // 2
            override = {**(price_override(priced) or {}), **debt_override(self.market, account, middle, now)}
            owner = account.key.owner
            said = self.market.comet.call("isLiquidatable", owner, at=now, state=override)
            low, high = (low, middle) if said else (middle, high)
        return low

    def our_view(
        self, venue: Any, account: CometAccount, prices: Prices | None, at: int | None
    ) -> tuple[int, ...]:
        balance_raw = venue.balance_raw(account, at)
        verdict = venue.verdict(account, prices, at)
        priced = self._priced(venue, account, answers(venue, prices))
        at_prices = Prices({FeedKey(feed): raw for feed, raw in priced.items()})
        most = most_owed(venue, account, at_prices) if account.owes else 0
        return max(0, -balance_raw), max(0, balance_raw), int(verdict.liquidatable), most

    def attempts(
        self, venue: Any, account: CometAccount, prices: Prices | None = None, at: int | None = None
    ) -> list[Attempt]:
        """There is one way: all of it."""
        foretold = absorb(venue, account, prices, at)
        said = self.market.try_absorb(account.key.owner, at=at, state=price_override(answers(venue, prices)))
        if not isinstance(foretold, Absorbed):
            assert said == foretold.why
        return [Attempt(said, said == NOT_LIQUIDATABLE, isinstance(foretold, Absorbed))]

    def set_answers(self, answers: Mapping[str, int]) -> None:
        for feed, raw in answers.items():
            self.market.feed(feed).send("setAnswer", raw)

    def liquidate(self, venue: Any, account: CometAccount) -> bool:
        """Absorbs it, and what was foretold is what the events tell."""
        foretold = absorb(venue, account)
        if not isinstance(foretold, Absorbed):
            return False
        receipt = self.market.absorb(account.key.owner)
        paid = receipt["AbsorbDebt"]
        assert (paid["basePaidOut"], paid["usdValue"]) == (foretold.paid_raw, foretold.paid_value_raw)
        taken = [(one["collateralAbsorbed"], one["usdValue"]) for one in receipt["AbsorbCollateral"]]
        assert taken == [(one.amount_raw, one.value_raw) for one in foretold.seized]
        assert self.market.comet.call("userBasic", account.key.owner)[0] == foretold.principal
        return True

    def do(self, owner: Address, change: Change) -> str | None:
        symbol = next(s for s, token in self.market.tokens.items() if token == change.token)
        whole = change.deed is Deed.REPAY and change.amount_raw >= self.market.debt(owner)
        try:
            self.market.supply(owner, symbol, MAX_UINT256 if whole else change.amount_raw)
        except Reverted as refusal:
            return refusal.reason or "no reason"
        return None


def most_owed(venue: CometVenue, account: CometAccount, prices: Prices) -> int:
    """The largest debt at which our arithmetic still says healthy, of those that the search tries."""
    support_raw = sum(line.term(prices[line.feed]).weighted for line in venue.held_lines(account))
    assert isinstance(venue.base.feed, str)
    largest = ((support_raw + 1) * venue.base.scale - 1) // prices[venue.base.feed]
    return min(largest, MOST_RAW - 1)


def price_override(prices: Mapping[str, int] | None) -> StateOverride | None:
    """The `eth_call` state override that makes feeds answer other prices."""
    if not prices:
        return None
    return {feed: {"stateDiff": {word(0): word(raw)}} for feed, raw in prices.items()}


def debt_override(market: Comet, account: CometAccount, debt_raw: int, at: int) -> StateOverride:
    """The account owes just so much, in a market accrued at that very moment at indices of one."""
    owner = bytes.fromhex(account.key.owner[2:]).rjust(32, b"\0")
    place = "0x" + keccak(owner + BASIC_SLOT.to_bytes(32, "big")).hex()
    basic = market.comet.call("userBasic", account.key.owner)
    principal = -debt_raw % (1 << PRINCIPAL_BITS)
    packed = principal | basic[1] << 104 | basic[2] << 168 | basic[3] << 232 | basic[4] << 248
    totals = INDEX_SCALE | INDEX_SCALE << 64
    words = {word(TOTALS_SLOT): word(totals), word(TOTALS_SLOT + 1): word(at << 208), place: word(packed)}
    return {market.comet.address: {"stateDiff": words}}


def word(value: int) -> str:
    return f"0x{value:064x}"


@contextmanager
def local(contracts: Contracts = OUR_OWN, *, empty: bool = True) -> Iterator[Local]:
    """The standard market, with an `Rpc` to it."""
    with running(contracts, empty=empty) as market, Rpc.open("local", [market.anvil.url], 31337) as rpc:
        yield Local(market, rpc)


KINDS = {"stand-in": OUR_OWN}
if BUILD:
    KINDS |= {
        "genuine": Contracts(Path(BUILD)),
        "genuine older": Contracts(Path(BUILD), older=True),
    }
SUBJECTS: dict[str, Callable[[], AbstractContextManager[Subject]]] = {
    f"compound-v3 {name}": partial(local, contracts) for name, contracts in KINDS.items()
}
