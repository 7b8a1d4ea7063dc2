"""The administrator's side of a market: reserves, e-modes, prices, switches."""

from __future__ import annotations

from dataclasses import dataclass

from eth_abi.abi import encode

from localnet.aave_v3.core import TREASURY, Core
from localnet.aave_v3.reserve import LIQUIDATOR, MAX_UINT256, Reserve
from localnet.artifacts import ArtifactSource
from localnet.evm import Contract
from localnet.solc import own
from margin.basics import ZERO_ADDRESS, Address
from margin.errors import LocalnetError

FEED_DECIMALS = 8
BPS_TO_RAY = 10**23
STABLE_CURVE = (50, 75_00, 1_00, 8_00, 20_00)
"""Stable rates (v3.0), bps: two slopes, offset over the variable rate, excess offset, optimal share."""
LIQUIDATOR_BALANCE = 2**120


@dataclass(frozen=True, slots=True)
class Curve:
    """A reserve's interest-rate curve, all in bps a year."""

    optimal_usage: int = 80_00
    base: int = 0
    slope1: int = 4_00
    slope2: int = 75_00


class MarketAdmin:
    """What an administrator does to a market; `localnet.aave_v3.market.Market` adds its users."""

    def __init__(self, core: Core, source: ArtifactSource) -> None:
        self.core = core
        self.version = core.version.name
        self.addresses_provider = core.addresses_provider
        self.pool = core.pool
        self.oracle = core.oracle
        self.configurator = core.configurator
        self.data_provider = core.data_provider
        self.evm = core.pool.evm
        self.anvil = core.pool.evm.anvil
        self.reserves: dict[str, Reserve] = {}
        self._source = source

    # Reserves

    def list_reserve(
        self,
        symbol: str,
        decimals: int = 18,
        price_raw: int = 2000 * 10**8,
        *,
        ltv: int = 80_00,
        liquidation_threshold: int = 82_50,
        liquidation_bonus: int = 105_00,
        protocol_fee: int = 10_00,
        reserve_factor: int = 10_00,
        borrowable: bool = True,
        debt_ceiling: int = 0,
        borrowable_in_isolation: bool = False,
        stable_rate: bool = False,
        feed: Address | None = None,
        virtual: bool = True,
        curve: Curve | None = None,
        token: Address | None = None,
    ) -> Reserve:
        """Lists an asset: token and feed of its own (unless given), no caps.

        `price_raw`: USD with 8 decimals; not used with `feed`. `ltv`, `liquidation_threshold`,
        `liquidation_bonus` (100_00 and the bonus), `protocol_fee` (of the bonus), `reserve_factor`:
        bps; a threshold of 0 is no collateral. `debt_ceiling`: USD with 2 decimals, 0 for none.
        `virtual`: keeps a virtual balance (v3.1 to v3.3 let it be chosen).
        Raises LocalnetError for what the version does not have, Reverted for what it refuses.
        """
        known = self.core.version
        if stable_rate and not known.stable_rate:
            raise LocalnetError(f"Aave v{known.name} has no stable rate")
        if debt_ceiling and not known.isolation_mode:
            raise LocalnetError(f"Aave v{known.name} has no debt ceilings")
        asset = token or self.evm.deploy(own("Token"), f"{symbol} token", symbol, decimals).address
        if feed is None:
            feed = self.new_feed(f"{symbol} / USD", price_raw)
        self.set_price_source(asset, feed)
        self._init_reserve(asset, symbol, decimals, virtual, curve or Curve())
        self._configure_new(asset, protocol_fee, reserve_factor, borrowable, stable_rate)
        if liquidation_threshold:
            terms = (ltv, liquidation_threshold, liquidation_bonus)
            self.configurator.send("configureReserveAsCollateral", asset, *terms)
        if debt_ceiling:
            self.configurator.send("setDebtCeiling", asset, debt_ceiling)
        if borrowable_in_isolation and known.isolation_mode:
            self.configurator.send("setBorrowableInIsolation", asset, True)
        reserve = self._reserve(symbol, asset, decimals, feed)
        self.reserves[symbol] = reserve
        held = self.token(symbol)
        held.send("mint", LIQUIDATOR, LIQUIDATOR_BALANCE)
        held.send("approve", self.pool.address, MAX_UINT256, sender=LIQUIDATOR)
        return reserve

    def configure(self, symbol: str, *, ltv: int, liquidation_threshold: int, liquidation_bonus: int) -> None:
        """Changes a reserve's collateral terms, bps."""
        terms = (ltv, liquidation_threshold, liquidation_bonus)
        self.configurator.send("configureReserveAsCollateral", self.reserves[symbol].token, *terms)

    def set_protocol_fee(self, symbol: str, fee: int) -> None:
        """Sets the protocol's part of a liquidation bonus, bps of the bonus."""
        self.configurator.send("setLiquidationProtocolFee", self.reserves[symbol].token, fee)

    def pause(self, symbol: str) -> None:
        """Pauses a reserve: nothing can be done with it."""
        self.configurator.send("setReservePause", self.reserves[symbol].token, True)

    def unpause(self, symbol: str) -> None:
        """Ends a pause."""
        self.configurator.send("setReservePause", self.reserves[symbol].token, False)

    def freeze(self, symbol: str) -> None:
        """Freezes a reserve: no new supply or debt."""
        self.configurator.send("setReserveFreeze", self.reserves[symbol].token, True)

    def unfreeze(self, symbol: str) -> None:
        """Ends a freeze."""
        self.configurator.send("setReserveFreeze", self.reserves[symbol].token, False)

    def set_grace_period(self, symbol: str, until: int) -> None:
        """Forbids liquidations with this reserve up to a timestamp, at most 4 hours off (v3.1+)."""
        if self.core.version.revision < 3:
            raise LocalnetError(f"Aave v{self.version} has no liquidation grace period")
        seconds = until - self.anvil.timestamp()
        self.configurator.send("setReservePause", self.reserves[symbol].token, False, seconds)

    # E-modes

    def set_emode(
        self,
        category_id: int,
        *,
        ltv: int,
        liquidation_threshold: int,
        liquidation_bonus: int,
        label: str,
        price_source: Address | None = None,
        collateral: tuple[str, ...] | list[str] = (),
        borrowable: tuple[str, ...] | list[str] = (),
        isolated: bool = False,
    ) -> None:
        """Makes an e-mode category, or changes one, and puts assets into it; terms in bps.

        `price_source` (before v3.2): an asset address that the oracle has a price for; its price
        then stands for every asset of the category. Those versions know one list of assets: both
        given ones.
        `isolated`: v3.7.
        """
        terms: list[object] = [category_id, ltv, liquidation_threshold, liquidation_bonus]
        if self.core.version.liquid_emodes:
            if price_source is not None:
                raise LocalnetError(f"Aave v{self.version} has no e-mode price source")
            terms.append(label)
            if self.core.version.revision >= 11:
                terms.append(isolated)
            self.configurator.send("setEModeCategory", *terms)
            for symbol in collateral:
                asset = self.reserves[symbol].token
                self.configurator.send("setAssetCollateralInEMode", asset, category_id, True)
            for symbol in borrowable:
                asset = self.reserves[symbol].token
                self.configurator.send("setAssetBorrowableInEMode", asset, category_id, True)
            return
        self.configurator.send("setEModeCategory", *terms, price_source or ZERO_ADDRESS, label)
        for symbol in dict.fromkeys([*collateral, *borrowable]):
            self.configurator.send("setAssetEModeCategory", self.reserves[symbol].token, category_id)

    # Prices

    def new_feed(self, description: str, price_raw: int, decimals: int = FEED_DECIMALS) -> Address:
        """Deploys a feed that no reserve uses yet."""
        return self.evm.deploy(own("Feed"), description, decimals, price_raw).address

    def set_price_source(self, asset: str, feed: str) -> None:
        """Makes the oracle read an asset's price from a feed."""
        self.oracle.send("setAssetSources", [asset], [feed])

    def set_price(self, symbol: str, price_raw: int) -> None:
        """Publishes a new round on the feed the reserve was listed with; one block."""
        self.feed(symbol).send("setAnswer", price_raw)

    def set_sentinel(self, grace_seconds: int) -> Contract:
        """Gives the market a PriceOracleSentinel over a new sequencer feed (up); returns the feed.

        `feed.send("set", 1, since)` is down; `("set", 0, since)` up again, with liquidations
        allowed later than `since + grace_seconds`. `setApart` tells the two timestamps of an answer
        apart: v3.0's sentinel counts from the second (updated), later ones from the first (started).
        """
        if not self.core.version.sentinel:
            raise LocalnetError(f"Aave v{self.version} has no price oracle sentinel")
        feed = self.evm.deploy(own("SequencerFeed"))
        feed.send("set", 0, 0)
        artifact = self._source.get("PriceOracleSentinel")
        sentinel = self.evm.deploy(artifact, self.addresses_provider.address, feed.address, grace_seconds)
        self.addresses_provider.send("setPriceOracleSentinel", sentinel.address)
        return feed

    # Contracts of a reserve

    def token(self, symbol: str) -> Contract:
        """The underlying token."""
        return self._erc20(self.reserves[symbol].token)

    def feed(self, symbol: str) -> Contract:
        """The price feed that the reserve was listed with."""
        return self.evm.at(self.reserves[symbol].feed, own("Feed").abi, "Feed")

    def _erc20(self, address: str) -> Contract:
        return self.evm.at(address, own("Token").abi, "Token")

    def _init_reserve(self, asset: str, symbol: str, decimals: int, virtual: bool, curve: Curve) -> None:
        strategy, data = self._strategy(curve)
        listing = {
            **self.core.token_implementations,
            "underlyingAsset": asset,
            "underlyingAssetDecimals": decimals,
            "interestRateStrategyAddress": strategy,
            "interestRateData": data,
            "useVirtualBalance": virtual,
            "treasury": TREASURY,
            "incentivesController": ZERO_ADDRESS,
            "params": b"",
        }
        for word in ("a", "variableDebt", "stableDebt"):
            listing[f"{word}TokenName"] = f"Aave local {word} {symbol}"
            listing[f"{word}TokenSymbol"] = f"{word}{symbol}"
        # The struct takes what its version knows; the rest stays behind.
        self.configurator.send("initReserves", [listing])

    def _strategy(self, curve: Curve) -> tuple[Address, bytes]:
        """(the strategy contract, the data that tells a shared one this reserve's curve)."""
        points = [curve.optimal_usage, curve.base, curve.slope1, curve.slope2]
        if self.core.strategy is not None:
            return self.core.strategy, encode(["uint16", "uint32", "uint32", "uint32"], points)
        rays = [point * BPS_TO_RAY for point in points]
        stable = [bps * BPS_TO_RAY for bps in STABLE_CURVE]
        artifact = self._source.get("DefaultReserveInterestRateStrategy")
        deployed = self.evm.deploy(artifact, self.addresses_provider.address, *rays, *stable)
        return deployed.address, b""

    def _configure_new(
        self, asset: str, protocol_fee: int, reserve_factor: int, borrowable: bool, stable_rate: bool
    ) -> None:
        self.configurator.send("setReserveFactor", asset, reserve_factor)
        self.configurator.send("setLiquidationProtocolFee", asset, protocol_fee)
        if borrowable:
            self.configurator.send("setReserveBorrowing", asset, True)
        if stable_rate:
            self.configurator.send("setReserveStableRateBorrowing", asset, True)

    def _reserve(self, symbol: str, asset: Address, decimals: int, feed: Address) -> Reserve:
        a_token, stable, variable = self.data_provider.call("getReserveTokensAddresses", asset)
        if stable == ZERO_ADDRESS:
            stable = None
        return Reserve(symbol, asset, decimals, feed, a_token, variable, stable)
