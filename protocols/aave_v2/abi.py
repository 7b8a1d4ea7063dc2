"""The functions of Aave v2's contracts that are read.

Source: interfaces ILendingPoolAddressesProvider, ILendingPool, IScaledBalanceToken and
IStableDebtToken, and misc/AaveOracle.sol, of aave/protocol-v2 1.0.1; `BASE_CURRENCY` and its unit are
those of the oracle that later deployments of v2 have instead of `WETH`.
"""

from __future__ import annotations

from chain.abi import Function

# LendingPoolAddressesProvider
GET_POOL = Function("getLendingPool()", "address")
GET_PRICE_ORACLE = Function("getPriceOracle()", "address")
GET_CONFIGURATOR = Function("getLendingPoolConfigurator()", "address")
GET_COLLATERAL_MANAGER = Function("getLendingPoolCollateralManager()", "address")

# LendingPool
REVISION = Function("LENDINGPOOL_REVISION()", "uint256")
GET_ADDRESSES_PROVIDER = Function("getAddressesProvider()", "address")
PAUSED = Function("paused()", "bool")
GET_RESERVES_LIST = Function("getReservesList()", "address[]")
GET_RESERVE_DATA = Function(
    "getReserveData(address)",
    "uint256,"  # configuration
    "uint128,"  # liquidity index, ray
    "uint128,"  # variable borrow index, ray
    "uint128,"  # current liquidity rate, ray
    "uint128,"  # current variable borrow rate, ray
    "uint128,"  # current stable borrow rate, ray
    "uint40,"  # last update timestamp
    "address,"  # aToken
    "address,"  # stable debt token
    "address,"  # variable debt token
    "address,"  # interest rate strategy
    "uint8",  # id
)
GET_USER_CONFIGURATION = Function("getUserConfiguration(address)", "uint256")
GET_USER_ACCOUNT_DATA = Function(
    "getUserAccountData(address)", "uint256,uint256,uint256,uint256,uint256,uint256"
)

# AaveOracle
WETH = Function("WETH()", "address")
BASE_CURRENCY = Function("BASE_CURRENCY()", "address")
BASE_CURRENCY_UNIT = Function("BASE_CURRENCY_UNIT()", "uint256")

# Tokens
SCALED_BALANCE_OF = Function("scaledBalanceOf(address)", "uint256")
SCALED_TOTAL_SUPPLY = Function("scaledTotalSupply()", "uint256")
PRINCIPAL_BALANCE_OF = Function("principalBalanceOf(address)", "uint256")
GET_USER_STABLE_RATE = Function("getUserStableRate(address)", "uint256")
GET_USER_LAST_UPDATED = Function("getUserLastUpdated(address)", "uint40")
GET_SUPPLY_DATA = Function("getSupplyData()", "uint256,uint256,uint256,uint40")
"""Stable debt token: principal, what is owed, average rate, when last updated."""
