"""A market that can be administered, used, asked and liquidated, whatever its version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from localnet.aave_v3.core import Core, attach
from localnet.aave_v3.listing import MarketAdmin
from localnet.aave_v3.reserve import LIQUIDATOR, MAX_UINT256, Reserve
from localnet.aave_v3.versions import version_of
from localnet.anvil import Anvil
from localnet.artifacts import ArtifactSource
from localnet.evm import Evm, Reverted, StateOverride
from margin.basics import Address

__all__ = ["LIQUIDATOR", "Market", "Reserve"]

STABLE = 1
VARIABLE = 2


class Market(MarketAdmin):
    """One Aave v3 market. Every action mines its blocks at the parent's timestamp, or at `at`.

    Amounts are raw token units; a refused action raises `Reverted` with the protocol's reason.
    """

    def __init__(
        self,
        core: Core,
        source: ArtifactSource,
        reserves: Mapping[str, Reserve] | None = None,
        cast: Mapping[str, Address] | None = None,
        crowd: Sequence[Address] = (),
    ) -> None:
        super().__init__(core, source)
        self.reserves.update(reserves or {})
        self.cast: dict[str, Address] = dict(cast or {})
        """Wallets that live on this market, by name (see `localnet.cast`)."""
        self.crowd: list[Address] = list(crowd)
        """Accounts without names (see `localnet.aave_v3.crowd`)."""

    # Users

    def supply(self, user: str, symbol: str, amount_raw: int, *, at: int | None = None) -> None:
        """Mints the amount to the user, approves it and supplies it."""
        token = self._fund(user, symbol, amount_raw)
        self.pool.send("supply", token, amount_raw, user, 0, sender=user, at=at)

    def withdraw(
        self, user: str, symbol: str, amount_raw: int = MAX_UINT256, *, at: int | None = None
    ) -> None:
        """Withdraws; the default is everything."""
        self.pool.send("withdraw", self.reserves[symbol].token, amount_raw, user, sender=user, at=at)

    def use_as_collateral(self, user: str, symbol: str, on: bool) -> None:
        """Enables or disables a supply as collateral."""
        token = self.reserves[symbol].token
        self.pool.send("setUserUseReserveAsCollateral", token, on, sender=user)

    def borrow(
        self, user: str, symbol: str, amount_raw: int, mode: int = VARIABLE, *, at: int | None = None
    ) -> None:
        """Borrows; `mode` 2 is the variable rate, 1 the stable one (v3.0 only)."""
        token = self.reserves[symbol].token
        self.pool.send("borrow", token, amount_raw, mode, 0, user, sender=user, at=at)

    def repay(
        self,
        user: str,
        symbol: str,
        amount_raw: int = MAX_UINT256,
        mode: int = VARIABLE,
        *,
        at: int | None = None,
    ) -> None:
        """Mints what is repaid to the user, approves and repays; the default is the whole debt."""
        reserve = self.reserves[symbol]
        debt_token = reserve.variable_debt_token if mode == VARIABLE else reserve.stable_debt_token
        owed = self.balance(str(debt_token), user, at=at)
        # A wei more than owed: versions differ in how the last fraction rounds.
        self._fund(user, symbol, min(amount_raw, owed + 1))
        self.pool.send("repay", reserve.token, amount_raw, mode, user, sender=user, at=at)

    def enter_emode(self, user: str, category_id: int) -> None:
        """Puts the user into an e-mode; 0 leaves it."""
        self.pool.send("setUserEMode", category_id, sender=user)

    # Liquidation

    def liquidate(
        self,
        collateral_symbol: str,
        debt_symbol: str,
        user: str,
        amount_raw: int = MAX_UINT256,
        *,
        receive_a_token: bool = False,
        liquidator: str = LIQUIDATOR,
        at: int | None = None,
    ) -> dict[str, Any]:
        """Liquidates; the receipt, with the decoded `LiquidationCall` event under that key.

        A liquidator other than the standing one brings its own tokens and approvals.
        """
        arguments = self._liquidation(collateral_symbol, debt_symbol, user, amount_raw, receive_a_token)
        receipt = self.pool.send("liquidationCall", *arguments, sender=liquidator, at=at)
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
        state = price_override(prices)
        try:
            self.pool.call("liquidationCall", *arguments, sender=LIQUIDATOR, at=at, state=state)
        except Reverted as refusal:
            return refusal.reason or "no reason"
        return None

    # Views

    def account_data(
        self, user: str, *, at: int | None = None, prices: Mapping[str, int] | None = None
    ) -> tuple[int, int, int, int, int, int]:
        """`Pool.getUserAccountData`, at another time or other prices if given (see `try_liquidate`).

        (collateral, debt, available borrows: USD with 8 decimals; average threshold, LTV: bps;
        health factor: 1e18, 2**256−1 without debt).
        """
        found = self.pool.call("getUserAccountData", user, at=at, state=price_override(prices))
        collateral, debt, available, threshold, ltv, health = found
        return collateral, debt, available, threshold, ltv, health

    def health_factor(
        self, user: str, *, at: int | None = None, prices: Mapping[str, int] | None = None
    ) -> int:
        """The last of `account_data`, 1e18."""
        return self.account_data(user, at=at, prices=prices)[5]

    def balance(self, token: str, user: str, *, at: int | None = None) -> int:
        """`balanceOf` of any token, raw: for aTokens and debt tokens with interest up to `at`."""
        return int(self._erc20(token).call("balanceOf", user, at=at))

    # Time

    def warp(self, seconds: int) -> None:
        """Mines a block that many seconds after the latest."""
        self.anvil.mine(self.anvil.timestamp() + seconds)

    def warp_to(self, timestamp: int) -> None:
        """Mines a block at a timestamp."""
        self.anvil.mine(timestamp)

    # Keeping

    def to_json(self) -> dict[str, Any]:
        """What `from_json` needs, beside the chain's state."""
        return {
            "version": self.version,
            "core": self.core.addresses(),
            "reserves": {symbol: reserve.to_json() for symbol, reserve in self.reserves.items()},
            "cast": self.cast,
            "crowd": self.crowd,
        }

    @classmethod
    def from_json(cls, anvil: Anvil, document: Mapping[str, Any], artifacts: Path | None = None) -> Market:
        """The market that `to_json` described, on a chain whose loaded state holds it."""
        version = version_of(document["version"])
        source = version.artifacts(artifacts)
        core = attach(Evm(anvil), version, source, document["core"])
        reserves = {symbol: Reserve(**fields) for symbol, fields in document["reserves"].items()}
        return cls(core, source, reserves, document["cast"], document["crowd"])

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
    """The `eth_call` state override that makes feeds answer other raw prices."""
    if not prices:
        return None
    return {
        feed: {"stateDiff": {f"0x{FEED_ANSWER_SLOT:064x}": f"0x{answer % 2**256:064x}"}}
        for feed, answer in prices.items()
    }


FEED_ANSWER_SLOT = 0
"""The storage slot of `contracts/Feed.sol` that holds its newest answer."""
