"""An Aave v2 market that can be administered, used, asked and liquidated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localnet.aave_v2.core import Core, attach, deploy_core
from localnet.aave_v2.listing import LIQUIDATOR, MAX_UINT256, MarketAdmin, Reserve
from localnet.anvil import Anvil
from localnet.evm import Evm, Reverted, StateOverride
from margin.basics import Address

__all__ = ["LIQUIDATOR", "Market", "Reserve"]

STABLE = 1
VARIABLE = 2


class Market(MarketAdmin):
    """One Aave v2 market. Every action mines its blocks at the parent's timestamp, or at `at`.

    Amounts are raw token units; a refused action raises `Reverted` with the protocol's reason.
    """

    def __init__(
        self,
        core: Core,
        reserves: Mapping[str, Reserve] | None = None,
        cast: Mapping[str, Address] | None = None,
    ) -> None:
        super().__init__(core)
        self.reserves.update(reserves or {})
        self.cast: dict[str, Address] = dict(cast or {})
        """Wallets that live on this market, by name (see `localnet.aave_v2.cast`)."""

    @classmethod
    def deploy(cls, anvil: Anvil) -> Market:
        """A new market without reserves on a running chain."""
        return cls(deploy_core(Evm(anvil)))

    # Users

    def supply(self, user: str, symbol: str, amount_raw: int, *, at: int | None = None) -> None:
        """Mints the amount to the user, approves it and deposits it."""
        token = self._fund(user, symbol, amount_raw)
        self.pool.send("deposit", token, amount_raw, user, 0, sender=user, at=at)

    def withdraw(self, user: str, symbol: str, amount_raw: int = MAX_UINT256) -> None:
        """Withdraws; the default is everything."""
        self.pool.send("withdraw", self.reserves[symbol].token, amount_raw, user, sender=user)

    def use_as_collateral(self, user: str, symbol: str, on: bool) -> None:
        """Enables or disables a supply as collateral."""
        token = self.reserves[symbol].token
        self.pool.send("setUserUseReserveAsCollateral", token, on, sender=user)

    def borrow(self, user: str, symbol: str, amount_raw: int, mode: int = VARIABLE) -> None:
        """Borrows; `mode` 2 is the variable rate, 1 the stable one."""
        token = self.reserves[symbol].token
        self.pool.send("borrow", token, amount_raw, mode, 0, user, sender=user)

    def repay(self, user: str, symbol: str, amount_raw: int = MAX_UINT256, mode: int = VARIABLE) -> None:
        """Mints what is repaid to the user, approves and repays; the default is the whole debt."""
        reserve = self.reserves[symbol]
        debt_token = reserve.variable_debt_token if mode == VARIABLE else reserve.stable_debt_token
        self._fund(user, symbol, min(amount_raw, self.balance(debt_token, user)))
        self.pool.send("repay", reserve.token, amount_raw, mode, user, sender=user)

    def swap_rate(self, user: str, symbol: str, mode: int) -> None:
        """Turns the debt of one rate mode, the one given, into the other."""
        self.pool.send("swapBorrowRateMode", self.reserves[symbol].token, mode, sender=user)

    # Liquidation

    def liquidate(
        self,
        collateral_symbol: str,
        debt_symbol: str,
        user: str,
        amount_raw: int = MAX_UINT256,
        *,
        receive_a_token: bool = False,
    ) -> dict[str, Any]:
        """The standing liquidator's call; the receipt, with the decoded `LiquidationCall` under that key."""
        arguments = self._liquidation(collateral_symbol, debt_symbol, user, amount_raw, receive_a_token)
        receipt = self.pool.send("liquidationCall", *arguments, sender=LIQUIDATOR)
        return receipt | {"LiquidationCall": self.pool.events(receipt, "LiquidationCall")[0]}

    def try_liquidate(
        self,
        collateral_symbol: str,
        debt_symbol: str,
        user: str,
        amount_raw: int = MAX_UINT256,
        *,
        receive_a_token: bool = False,
        at: int | None = None,
        prices: Mapping[str, int] | None = None,
    ) -> str | None:
        """Whether the standing liquidator's call would go through: None, or the reason it reverts.

        Nothing changes on the chain. `at`: the timestamp of the block it would be in (default: the
        latest block's). `prices`: feed address → raw answer instead of the present one.
        """
        arguments = self._liquidation(collateral_symbol, debt_symbol, user, amount_raw, receive_a_token)
        try:
            self.pool.call(
                "liquidationCall", *arguments, sender=LIQUIDATOR, at=at, state=price_override(prices)
            )
        except Reverted as refusal:
            return refusal.reason or "no reason"
        return None

    # Views

    def account_data(
        self, user: str, *, at: int | None = None, prices: Mapping[str, int] | None = None
    ) -> tuple[int, int, int, int, int, int]:
        """`LendingPool.getUserAccountData`, at another time or prices if given (see `try_liquidate`).

        (collateral, debt, available borrows: wei; average threshold, LTV: bps; health factor: 1e18,
        2**256−1 without debt).
        """
        found = self.pool.call("getUserAccountData", user, at=at, state=price_override(prices))
        collateral, debt, available, threshold, ltv, health = found
        return collateral, debt, available, threshold, ltv, health

    def health_factor(self, user: str, *, prices: Mapping[str, int] | None = None) -> int:
        """The last of `account_data`, 1e18."""
        return self.account_data(user, prices=prices)[5]

    def balance(self, token: str, user: str, *, at: int | None = None) -> int:
        """`balanceOf` of any token, raw: for aTokens and debt tokens with interest up to `at`."""
        return int(self.erc20(token).call("balanceOf", user, at=at))

    # Time

    def warp(self, seconds: int) -> None:
        """Mines a block that many seconds after the latest."""
        self.anvil.mine(self.anvil.timestamp() + seconds)

    # Keeping

    def to_json(self) -> dict[str, Any]:
        """What `from_json` needs, beside the chain's state."""
        reserves = {symbol: reserve.to_json() for symbol, reserve in self.reserves.items()}
        return {"core": self.core.addresses(), "reserves": reserves, "cast": self.cast}

    @classmethod
    def from_json(cls, anvil: Anvil, document: Mapping[str, Any]) -> Market:
        """The market that `to_json` described, on a chain whose loaded state holds it."""
        reserves = {symbol: Reserve(**fields) for symbol, fields in document["reserves"].items()}
        return cls(attach(Evm(anvil), document["core"]), reserves, document["cast"])

    def _liquidation(
        self, collateral: str, debt: str, user: str, amount_raw: int, receive_a_token: bool
    ) -> tuple[object, ...]:
        tokens = self.reserves[collateral].token, self.reserves[debt].token
        return *tokens, user, amount_raw, receive_a_token

    def _fund(self, user: str, symbol: str, amount_raw: int) -> Address:
        token = self.token(symbol)
        token.send("mint", user, amount_raw)
        token.send("approve", self.pool.address, MAX_UINT256, sender=user)
        return token.address


def price_override(prices: Mapping[str, int] | None) -> StateOverride | None:
    """The `eth_call` state override that makes feeds answer other raw prices (slot 0 of `Feed.sol`)."""
    if not prices:
        return None
    slot = f"0x{0:064x}"
    return {feed: {"stateDiff": {slot: f"0x{answer % 2**256:064x}"}} for feed, answer in prices.items()}
