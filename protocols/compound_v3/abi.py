"""The functions of Comet that are read.

Source: CometMainInterface.sol and CometExtInterface.sol of compound-finance/comet, commit d5a30b0.
"""

from __future__ import annotations

from chain.abi import Function

# What a market is made with
BASE_TOKEN = Function("baseToken()", "address")
BASE_FEED = Function("baseTokenPriceFeed()", "address")
BASE_SCALE = Function("baseScale()", "uint256")
NUM_ASSETS = Function("numAssets()", "uint8")
GOVERNOR = Function("governor()", "address")
PAUSE_GUARDIAN = Function("pauseGuardian()", "address")
STORE_FRONT_FACTOR = Function("storeFrontPriceFactor()", "uint256")
TARGET_RESERVES = Function("targetReserves()", "uint256")
SUPPLY_KINK = Function("supplyKink()", "uint256")
SUPPLY_LOW = Function("supplyPerSecondInterestRateSlopeLow()", "uint256")
SUPPLY_HIGH = Function("supplyPerSecondInterestRateSlopeHigh()", "uint256")
SUPPLY_BASE = Function("supplyPerSecondInterestRateBase()", "uint256")
BORROW_KINK = Function("borrowKink()", "uint256")
BORROW_LOW = Function("borrowPerSecondInterestRateSlopeLow()", "uint256")
BORROW_HIGH = Function("borrowPerSecondInterestRateSlopeHigh()", "uint256")
BORROW_BASE = Function("borrowPerSecondInterestRateBase()", "uint256")
GET_ASSET_INFO = Function("getAssetInfo(uint8)", "uint8,address,address,uint64,uint64,uint64,uint64,uint128")
"""Offset, token, price feed, scale; the factors for borrowing, liquidation and seizure (wads); supply cap."""

# How it stands
TOTALS_BASIC = Function("totalsBasic()", "uint64,uint64,uint64,uint64,uint104,uint104,uint40,uint8")
"""Indices of supply and debt, of rewards; principal lent and borrowed; last accrual; pause flags."""
TOTALS_COLLATERAL = Function("totalsCollateral(address)", "uint128,uint128")
GET_UTILIZATION = Function("getUtilization()", "uint256")
GET_SUPPLY_RATE = Function("getSupplyRate(uint256)", "uint64")
GET_BORROW_RATE = Function("getBorrowRate(uint256)", "uint64")
BALANCE_OF = Function("balanceOf(address)", "uint256")
"""Of a token; of Comet itself what an account lends, accrued."""

# An account
USER_BASIC = Function("userBasic(address)", "int104,uint64,uint64,uint16,uint8")
"""Principal (negative: owed), two figures of rewards, and in two parts a bit for each collateral held."""
USER_COLLATERAL = Function("userCollateral(address,address)", "uint128,uint128")
BORROW_BALANCE_OF = Function("borrowBalanceOf(address)", "uint256")
IS_LIQUIDATABLE = Function("isLiquidatable(address)", "bool")

# Proxy
LATEST_ROUND = Function("latestRoundData()", "uint80,int256,uint256,uint256,uint80")
DESCRIPTION = Function("description()", "string")
