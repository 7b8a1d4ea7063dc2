"""Two figures of the check, proved on the protocol's own contracts.

One unit on the safe side the liquidation is refused; at the figure it goes through.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from checker import words
from checker.account_view import AccountView
from localnet.aave_v3 import Market
from localnet.evm import Reverted

REFUSALS = {"45": "HEALTH_FACTOR_NOT_BELOW_THRESHOLD"}
"""Aave v3, protocol/libraries/helpers/Errors.sol."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One liquidation tried."""

    where: str
    """The price or the moment, for a person."""
    wanted: bool
    """Whether it should go through."""
    went_through: bool
    told: str
    """The refusal's reason, or what was repaid and seized."""

    @property
    def as_foretold(self) -> bool:
        """Whether the contract did what the check said."""
        return self.wanted is self.went_through


@contextmanager
def undone(market: Market) -> Iterator[None]:
    """Whatever happens on the chain inside is taken back."""
    snapshot = market.anvil.snapshot()
    try:
        yield
    finally:
        market.anvil.revert(snapshot)


def try_price(market: Market, account: AccountView) -> Iterator[Trial]:
    """Moves one feed to just before the price that liquidates the account, then to it."""
    assert account.liquidation is not None
    feed = next(f for f in account.liquidation.feeds if f.liquidation_price_raw is not None)
    edge_raw = feed.liquidation_price_raw or 0
    safe_raw = edge_raw + 1 if feed.direction == "down" else edge_raw - 1
    with undone(market):
        for answer_raw, wanted in ((safe_raw, False), (edge_raw, True)):
            market.set_price(feed.asset, answer_raw)
            where = f"{feed.asset} at ${words.price(answer_raw, feed.decimals)}"
            yield _liquidate(market, account, where, wanted=wanted, at=None)


def try_second(market: Market, account: AccountView) -> Iterator[Trial]:
    """Lets time pass to the second before the one that liquidates the account, then to it."""
    assert account.liquidation is not None
    at = account.liquidation.at_constant_prices
    assert at is not None
    with undone(market):
        for timestamp, wanted in ((at - 1, False), (at, True)):
            yield _liquidate(market, account, words.moment(timestamp), wanted=wanted, at=timestamp)


def _liquidate(market: Market, account: AccountView, where: str, *, wanted: bool, at: int | None) -> Trial:
    assert account.collateral
    assert account.debt
    collateral, debt = account.collateral[0], account.debt[0]
    try:
        receipt = market.liquidate(collateral.symbol, debt.symbol, account.key.owner, at=at)
    except Reverted as refusal:
        name = REFUSALS.get(refusal.reason, "")
        return Trial(where, wanted, False, f"refused: {refusal.reason or 'no reason'} {name}".strip())
    event = receipt["LiquidationCall"]
    repaid = words.amount(event["debtToCover"], debt.decimals)
    seized = words.amount(event["liquidatedCollateralAmount"], collateral.decimals)
    return Trial(
        where,
        wanted,
        True,
        f"goes through: {repaid} {debt.symbol} repaid, {seized} {collateral.symbol} seized",
    )
