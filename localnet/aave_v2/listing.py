"""The administrator's side of an Aave v2 market: reserves, prices, switches."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from localnet.aave_v2.core import SOURCE, TREASURY, Core
from localnet.evm import Contract
from localnet.solc import own
from margin.basics import ZERO_ADDRESS, Address

MAX_UINT256 = 2**256 - 1
BPS_TO_RAY = 10**23
PRICE_DECIMALS = 18
"""Prices are in wei of ether for a whole token."""
LIQUIDATOR = Address("0x11901Da700000000000000000000000000000002")
"""The standing liquidator: holds and has approved a huge amount of every listed token."""
LIQUIDATOR_BALANCE = 2**120


@dataclass(frozen=True, slots=True)
class Curve:
    """A reserve's interest-rate curve, all in bps a year."""

    optimal_usage: int = 80_00
    base: int = 0
    slope1: int = 4_00
    slope2: int = 75_00
    stable_slope1: int = 2_00
    stable_slope2: int = 60_00


@dataclass(frozen=True, slots=True)
class Reserve:
    """One reserve's addresses."""

    symbol: str
    token: Address
    decimals: int
    feed: Address | None
    """The price feed it was listed with (`contracts/Feed.sol`), in wei; None for WETH itself."""
    a_token: Address
    variable_debt_token: Address
    stable_debt_token: Address

    @property
    def unit(self) -> int:
        """Raw units in one token."""
        return int(10**self.decimals)

    def to_json(self) -> dict[str, Any]:
        """The fields by name."""
        return asdict(self)


class MarketAdmin:
    """What an administrator does to a market; `localnet.aave_v2.market.Market` adds its users."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.pool = core.pool
        self.oracle = core.oracle
        self.configurator = core.configurator
        self.evm = core.pool.evm
        self.anvil = core.pool.evm.anvil
        self.reserves: dict[str, Reserve] = {}

    def list_reserve(
        self,
        symbol: str,
        decimals: int = 18,
        price_wei: int = 10**15,
        *,
        ltv: int = 75_00,
        liquidation_threshold: int = 80_00,
        liquidation_bonus: int = 105_00,
        reserve_factor: int = 10_00,
        stable_rate: int = 0,
        token: Address | None = None,
        curve: Curve | None = None,
    ) -> Reserve:
        """Lists an asset with a token and a feed of its own; WETH has no feed, being the numeraire.

        All terms in bps; a threshold of 0 is no collateral; `stable_rate` is the market's own rate,
        where stable borrowing begins, 0 for none. Raises Reverted for what the pool refuses.
        """
        asset = token or self.core.weth
        if token is None and symbol != "WETH":
            asset = self.evm.deploy(own("Token"), f"{symbol} token", symbol, decimals).address
        feed = None
        if asset != self.core.weth:
            feed = self.new_feed(f"{symbol} / ETH", price_wei)
            self.set_price_source(asset, feed)
        self._init_reserve(asset, symbol, decimals, curve or Curve())
        self.configurator.send("setReserveFactor", asset, reserve_factor)
        self.configurator.send("enableBorrowingOnReserve", asset, stable_rate > 0)
        self.core.rate_oracle.send("setMarketBorrowRate", asset, stable_rate * BPS_TO_RAY)
        if liquidation_threshold:
            terms = (ltv, liquidation_threshold, liquidation_bonus)
            self.configurator.send("configureReserveAsCollateral", asset, *terms)
        said = dict(self._reserve_data(asset))
        reserve = Reserve(
            symbol,
            asset,
            decimals,
            feed,
            said["aTokenAddress"],
            said["variableDebtTokenAddress"],
            said["stableDebtTokenAddress"],
        )
        self.reserves[symbol] = reserve
        held = self.token(symbol)
        held.send("mint", LIQUIDATOR, LIQUIDATOR_BALANCE)
        held.send("approve", self.pool.address, MAX_UINT256, sender=LIQUIDATOR)
        return reserve

    def configure(self, symbol: str, *, ltv: int, liquidation_threshold: int, liquidation_bonus: int) -> None:
        """Changes a reserve's collateral terms, bps."""
        terms = (ltv, liquidation_threshold, liquidation_bonus)
        self.configurator.send("configureReserveAsCollateral", self.reserves[symbol].token, *terms)

    def set_reserve_factor(self, symbol: str, factor: int) -> None:
        """Sets the treasury's share of the interest, bps."""
        self.configurator.send("setReserveFactor", self.reserves[symbol].token, factor)

    def freeze(self, symbol: str, on: bool = True) -> None:
        """Freezes a reserve: no new supply or debt; or ends that."""
        name = "freezeReserve" if on else "unfreezeReserve"
        self.configurator.send(name, self.reserves[symbol].token)

    def pause(self, on: bool = True) -> None:
        """Pauses the whole pool, or ends that."""
        self.configurator.send("setPoolPause", on)

    # Prices

    def new_feed(self, description: str, price_wei: int) -> Address:
        """Deploys a feed that no reserve uses yet."""
        return self.evm.deploy(own("Feed"), description, PRICE_DECIMALS, price_wei).address

    def set_price_source(self, asset: str, feed: str) -> None:
        """Makes the oracle read an asset's price from a feed."""
        self.oracle.send("setAssetSources", [asset], [feed])

    def set_price(self, symbol: str, price_wei: int) -> None:
        """Publishes a new round on the feed the reserve was listed with; one block."""
        self.feed(symbol).send("setAnswer", price_wei)

    def price(self, symbol: str) -> int:
        """What the oracle answers for a whole token, in wei."""
        return int(self.oracle.call("getAssetPrice", self.reserves[symbol].token))

    # Contracts of a reserve

    def token(self, symbol: str) -> Contract:
        """The underlying token."""
        return self.erc20(self.reserves[symbol].token)

    def feed(self, symbol: str) -> Contract:
        """The price feed that the reserve was listed with."""
        return self.feed_at(str(self.reserves[symbol].feed))

    def feed_at(self, address: str) -> Contract:
        """Any feed of this room."""
        return self.evm.at(address, own("Feed").abi, "Feed")

    def erc20(self, address: str) -> Contract:
        """Any token, by the functions they all have."""
        return self.evm.at(address, own("Token").abi, "Token")

    def _reserve_data(self, asset: str) -> list[tuple[str, Any]]:
        names = [item["name"] for item in self.pool.function("getReserveData", 1).outputs[0]["components"]]
        return list(zip(names, self.pool.call("getReserveData", asset), strict=True))

    def _init_reserve(self, asset: str, symbol: str, decimals: int, curve: Curve) -> None:
        points = (curve.optimal_usage, curve.base, curve.slope1, curve.slope2)
        rays = [bps * BPS_TO_RAY for bps in (*points, curve.stable_slope1, curve.stable_slope2)]
        artifact = SOURCE.get("DefaultReserveInterestRateStrategy")
        strategy = self.evm.deploy(artifact, self.core.provider.address, *rays)

        def implementation(name: str, word: str, *more: object) -> Address:
            names = f"Aave local {word} {symbol}", f"{word}{symbol}"
            arguments = (self.pool.address, asset, *more, *names, ZERO_ADDRESS)
            return self.evm.deploy(SOURCE.get(name), *arguments).address

        self.configurator.send(
            "initReserve",
            implementation("AToken", "a", TREASURY),
            implementation("StableDebtToken", "stableDebt"),
            implementation("VariableDebtToken", "variableDebt"),
            decimals,
            strategy.address,
        )
