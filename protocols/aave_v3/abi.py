"""The functions of Aave v3's contracts that are read, as they stand in every version named in `rules`.

Source: interfaces IPoolAddressesProvider, IPool, IAaveOracle, IPriceOracleSentinel,
IScaledBalanceToken and IStableDebtToken of aave/aave-v3-core 1.19.3 and aave-dao/aave-v3-origin.
"""

from __future__ import annotations

from chain.abi import Function

# PoolAddressesProvider
GET_POOL = Function("getPool()", "address")
GET_PRICE_ORACLE = Function("getPriceOracle()", "address")
GET_POOL_CONFIGURATOR = Function("getPoolConfigurator()", "address")
GET_PRICE_ORACLE_SENTINEL = Function("getPriceOracleSentinel()", "address")

# Pool
POOL_REVISION = Function("POOL_REVISION()", "uint256")
ADDRESSES_PROVIDER = Function("ADDRESSES_PROVIDER()", "address")
GET_RESERVES_LIST = Function("getReservesList()", "address[]")
GET_RESERVE_DATA = Function(
    "getReserveData(address)",
    "uint256,"  # configuration
    "uint128,"  # liquidity index, ray
    "uint128,"  # current liquidity rate, ray
    "uint128,"  # variable borrow index, ray
    "uint128,"  # current variable borrow rate, ray
    "uint128,"  # current stable borrow rate, ray
    "uint40,"  # last update timestamp
    "uint16,"  # id
    "address,"  # aToken
    "address,"  # stable debt token
    "address,"  # variable debt token
    "address,"  # interest rate strategy
    "uint128,"  # accrued to treasury
    "uint128,"  # unbacked
    "uint128",  # isolation mode total debt
)
GET_LIQUIDATION_GRACE_PERIOD = Function("getLiquidationGracePeriod(address)", "uint40")
GET_USER_CONFIGURATION = Function("getUserConfiguration(address)", "uint256")
GET_USER_EMODE = Function("getUserEMode(address)", "uint256")
GET_USER_ACCOUNT_DATA = Function(
    "getUserAccountData(address)", "uint256,uint256,uint256,uint256,uint256,uint256"
)
GET_EMODE_CATEGORY_DATA = Function("getEModeCategoryData(uint8)", "(uint16,uint16,uint16,address,string)")
GET_EMODE_COLLATERAL_CONFIG = Function("getEModeCategoryCollateralConfig(uint8)", "uint16,uint16,uint16")
GET_EMODE_COLLATERAL_BITMAP = Function("getEModeCategoryCollateralBitmap(uint8)", "uint128")
GET_EMODE_LABEL = Function("getEModeCategoryLabel(uint8)", "string")

# AaveOracle
BASE_CURRENCY = Function("BASE_CURRENCY()", "address")
BASE_CURRENCY_UNIT = Function("BASE_CURRENCY_UNIT()", "uint256")

# PriceOracleSentinel and its sequencer oracle
GET_SEQUENCER_ORACLE = Function("getSequencerOracle()", "address")
IS_LIQUIDATION_ALLOWED = Function("isLiquidationAllowed()", "bool")
GET_GRACE_PERIOD = Function("getGracePeriod()", "uint256")
LATEST_ROUND_DATA = Function("latestRoundData()", "uint80,int256,uint256,uint256,uint80")

# Tokens
SCALED_BALANCE_OF = Function("scaledBalanceOf(address)", "uint256")
SCALED_TOTAL_SUPPLY = Function("scaledTotalSupply()", "uint256")
BALANCE_OF = Function("balanceOf(address)", "uint256")
GET_SUPPLY_DATA = Function("getSupplyData()", "uint256,uint256,uint256,uint40")
"""Stable debt token: principal, what is owed, average rate, when last updated."""
PRINCIPAL_BALANCE_OF = Function("principalBalanceOf(address)", "uint256")
GET_USER_STABLE_RATE = Function("getUserStableRate(address)", "uint256")
GET_USER_LAST_UPDATED = Function("getUserLastUpdated(address)", "uint40")
