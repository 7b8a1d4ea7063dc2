"""A Comptroller with its markets that can be administered, used, asked and liquidated.

Deploys `Unitroller` with `ComptrollerG5` behind it, `SimplePriceOracle`, and for every market a
`JumpRateModel` and a `VBep20Immutable` (VenusProtocol/venus-protocol 0.7.0). What these refuse is
often a number that is returned and a `Failure` event, not a revert: here it is always an exception.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from eth_utils.crypto import keccak

from localnet import packages, solc
from localnet.anvil import Anvil
from localnet.artifacts import PackagedArtifacts
from localnet.evm import DEPLOYER, Contract, Evm, Reverted, StateOverride
from margin.basics import Address

WAD = 10**18
MAX_UINT256 = 2**256 - 1
ACCRUAL_BLOCK_SLOT = 9
"""`VTokenStorage.accrualBlockNumber`."""
ORACLE_PRICES_SLOT = 0
"""`SimplePriceOracle.prices`, a mapping by underlying."""
KEEPER_TOKENS = 2**160
"""Of each underlying: more than any debt."""


class Refused(Reverted):
    """A contract returned a number other than 0, or emitted `Failure`."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One market: its token, the underlying, and what one whole unit of that is in raw units."""

    address: Address
    token: Address
    decimals: int

    @property
    def unit(self) -> int:
        """One whole underlying token."""
        return 10**self.decimals  # type: ignore[no-any-return]


class Market:
    """One Comptroller. Every action mines one block, at its parent's timestamp."""

    def __init__(self, anvil: Anvil, document: Mapping[str, Any]) -> None:
        """`document`: what `to_json` gave, on a chain whose state holds it; see `deploy` for a new one."""
        self.anvil = anvil
        self.evm = Evm(anvil)
        self.source = PackagedArtifacts(packages.VENUS_0_7_0)
        self._token_abi = self.source.get("VBep20Immutable").abi
        self.comptroller = self.evm.at(
            document["comptroller"], self.source.get("ComptrollerG5").abi, "Comptroller"
        )
        self.oracle = self.evm.at(document["oracle"], self.source.get("SimplePriceOracle").abi, "Oracle")
        self.keeper = self.evm.at(document["keeper"], solc.own("CompoundKeeper").abi, "Keeper")
        self.markets: dict[str, Listed] = {s: Listed(**fields) for s, fields in document["markets"].items()}
        self.cast: dict[str, Address] = dict(document["cast"])
        """Wallets that live here, by name."""

    @classmethod
    def deploy(cls, anvil: Anvil) -> Market:
        """A Comptroller without markets on an empty chain. Raises LocalnetError, Reverted."""
        evm, source = Evm(anvil), PackagedArtifacts(packages.VENUS_0_7_0)
        unitroller = evm.deploy(source.get("Unitroller"))
        implementation = evm.deploy(source.get("ComptrollerG5"))
        unitroller.send("_setPendingImplementation", implementation.address)
        implementation.send("_become", unitroller.address)
        addresses = {
            "comptroller": unitroller.address,
            "oracle": evm.deploy(source.get("SimplePriceOracle")).address,
            "keeper": evm.deploy(solc.own("CompoundKeeper"), unitroller.address).address,
        }
        market = cls(anvil, addresses | {"markets": {}, "cast": {}})
        market.admin("_setPriceOracle", market.oracle.address)
        market.admin("_setCloseFactor", WAD // 2)
        market.admin("_setLiquidationIncentive", 11 * WAD // 10)
        return market

    def to_json(self) -> dict[str, Any]:
        """What the constructor takes."""
        return {
            "comptroller": self.comptroller.address,
            "oracle": self.oracle.address,
            "keeper": self.keeper.address,
            "markets": {symbol: asdict(listed) for symbol, listed in self.markets.items()},
            "cast": self.cast,
        }

    # Administration

    def admin(self, function: str, *args: object) -> None:
        """One of the Comptroller's own settings, sent by its admin."""
        self.act(self.comptroller, function, *args, sender=DEPLOYER)

    def list_market(
        self,
        symbol: str,
        decimals: int,
        price_raw: int,
        *,
        collateral_factor: int,
        rates: tuple[int, int, int] = (0, WAD // 20, WAD),
        reserve_factor: int = WAD // 10,
    ) -> None:
        """Lists a new token; factors and yearly rates (base, slope, slope above 80 % use) are wads."""
        token = self.evm.deploy(solc.own("Token"), f"{symbol} token", symbol, decimals)
        base, slope, jump = rates
        model = self.evm.deploy(self.source.get("JumpRateModel"), base, slope, jump, 8 * WAD // 10)
        address = self.evm.deploy(
            self.source.get("VBep20Immutable"),
            token.address,
            self.comptroller.address,
            model.address,
            2 * 10 ** (decimals + 8),
            f"Venus {symbol}",
            f"v{symbol}",
            8,
            DEPLOYER,
        ).address
        self.markets[symbol] = Listed(address, token.address, decimals)
        self.admin("_supportMarket", address)
        self.set_price(symbol, price_raw)
        self.admin("_setCollateralFactor", address, collateral_factor)
        self.act(self.market(symbol), "_setReserveFactor", reserve_factor, sender=DEPLOYER)
        token.send("mint", self.keeper.address, KEEPER_TOKENS)
        self.keeper.send("approve", token.address, address)

    def set_price(self, symbol: str, price_raw: int) -> None:
        """USD with 36 − decimals places."""
        self.oracle.send("setDirectPrice", self.markets[symbol].token, price_raw)

    def price(self, symbol: str) -> int:
        """USD with 36 − decimals places."""
        return int(self.oracle.call("getUnderlyingPrice", self.markets[symbol].address))

    # Users

    def supply(self, user: str, symbol: str, amount_raw: int) -> None:
        """Mints the amount to the user, approves it and supplies it; the market is not entered by it."""
        self._fund(user, symbol, amount_raw)
        self.act(self.market(symbol), "mint", amount_raw, sender=user)

    def enter(self, user: str, *symbols: str) -> None:
        """Makes supplies of these markets count."""
        self.comptroller.send("enterMarkets", [self.markets[s].address for s in symbols], sender=user)

    def leave(self, user: str, symbol: str) -> None:
        """Makes a supply not count."""
        self.act(self.comptroller, "exitMarket", self.markets[symbol].address, sender=user)

    def borrow(self, user: str, symbol: str, amount_raw: int) -> None:
        """Borrows, which enters the market too."""
        self.act(self.market(symbol), "borrow", amount_raw, sender=user)

    def repay(self, user: str, symbol: str, amount_raw: int = MAX_UINT256) -> None:
        """Mints what is repaid to the user, approves and repays; the default is the whole debt."""
        self._fund(user, symbol, min(amount_raw, 2**128))
        self.act(self.market(symbol), "repayBorrow", amount_raw, sender=user)

    def accrue(self, symbol: str) -> None:
        """Brings one market up to the block."""
        self.act(self.market(symbol), "accrueInterest")

    # Liquidation

    def try_liquidate(
        self,
        borrowed: str,
        collateral: str,
        borrower: str,
        repay_raw: int,
        *,
        accrue: Iterable[str] = (),
        number: int | None = None,
        prices: Mapping[str, int] | None = None,
    ) -> tuple[int, int] | str:
        """The Comptroller's word on a liquidation and the market's return code, or why it reverts.

        Nothing changes on the chain. `accrue`: markets that are brought up to the block before.
        `number`: of the block it would be in. `prices`: underlying → price instead of the present one.
        """
        arguments = (
            [self.markets[s].address for s in accrue],
            self.markets[borrowed].address,
            self.markets[collateral].address,
            borrower,
            repay_raw,
        )
        try:
            allowed, code = self.keeper.call(
                "liquidate", *arguments, number=number, state=self.override(prices)
            )
        except Reverted as refusal:
            return refusal.reason or "no reason"
        return int(allowed), int(code)

    def liquidate(self, borrowed: str, collateral: str, borrower: str, repay_raw: int) -> dict[str, Any]:
        """Mines it, sent by the keeper; the `LiquidateBorrow` event. Raises `Refused`."""
        token = self.markets[borrowed]
        collateral_address = self.markets[collateral].address
        keeper = self.keeper.address
        contract = self.market(borrowed)
        receipt = self.act(
            contract, "liquidateBorrow", borrower, repay_raw, collateral_address, sender=keeper
        )
        assert token.address == contract.address
        return contract.events(receipt, "LiquidateBorrow")[0]

    # Views

    def liquidity(
        self,
        owner: str,
        *,
        accrue: Iterable[str] = (),
        number: int | None = None,
        prices: Mapping[str, int] | None = None,
    ) -> tuple[int, int, int]:
        """`getAccountLiquidity` (error, liquidity, shortfall); for the options see `try_liquidate`."""
        listed = [self.markets[s].address for s in accrue]
        found = self.keeper.call("look", listed, owner, number=number, state=self.override(prices))
        error, liquidity, shortfall = found
        return error, liquidity, shortfall

    def override(self, prices: Mapping[str, int] | None) -> StateOverride | None:
        """The `eth_call` state override that makes the oracle answer other prices, by underlying."""
        if not prices:
            return None
        slots = {}
        for token, price_raw in prices.items():
            key = bytes.fromhex(token[2:]).rjust(32, b"\0") + ORACLE_PRICES_SLOT.to_bytes(32, "big")
            slots["0x" + keccak(key).hex()] = f"0x{price_raw:064x}"
        return {self.oracle.address: {"stateDiff": slots}}

    def market(self, symbol: str) -> Contract:
        """The market's own contract."""
        return self.evm.at(self.markets[symbol].address, self._token_abi, f"v{symbol}")

    def token(self, symbol: str) -> Contract:
        """The underlying."""
        return self.evm.at(self.markets[symbol].token, solc.own("Token").abi, symbol)

    # Time

    def idle(self, symbol: str, blocks: int) -> None:
        """As if nobody had touched the market for that many blocks more."""
        accrued_at = int(self.market(symbol).call("accrualBlockNumber"))
        address = self.markets[symbol].address
        self.anvil.set_storage(address, ACCRUAL_BLOCK_SLOT, max(1, accrued_at - blocks))

    def act(
        self, contract: Contract, function: str, *args: object, sender: str | None = None
    ) -> dict[str, Any]:
        """Sends; raises `Refused` where the contract says no without a revert. The receipt."""
        receipt = contract.send(function, *args, sender=sender)
        # Each contract calls the event `Failure`, with the same three numbers.
        failures = contract.events(receipt, "Failure")
        if failures:
            fields = failures[0]
            raise Refused(
                f"{contract.name}.{function}", f"error {fields['error']}, detail {fields['detail']}"
            )
        return receipt

    def _fund(self, user: str, symbol: str, amount_raw: int) -> None:
        token = self.token(symbol)
        token.send("mint", user, amount_raw)
        token.send("approve", self.markets[symbol].address, MAX_UINT256, sender=user)
