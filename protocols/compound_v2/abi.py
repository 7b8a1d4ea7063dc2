"""The functions of Compound v2's contracts that are read, as Venus and Compound both have them.

Source: ComptrollerG5.sol, ComptrollerStorage.sol, VToken.sol, VTokenInterfaces.sol and PriceOracle.sol
of VenusProtocol/venus-protocol 0.7.0. Those under "not everywhere" are asked, and may refuse.
"""

from __future__ import annotations

from chain.abi import Function

# Comptroller
IS_COMPTROLLER = Function("isComptroller()", "bool")
ORACLE = Function("oracle()", "address")
CLOSE_FACTOR = Function("closeFactorMantissa()", "uint256")
LIQUIDATION_INCENTIVE = Function("liquidationIncentiveMantissa()", "uint256")
GET_ALL_MARKETS = Function("getAllMarkets()", "address[]")
GET_BLOCK_NUMBER = Function("getBlockNumber()", "uint256")
MARKETS = Function("markets(address)", "bool,uint256,bool")
"""Listed, collateral factor, and whether the market earns the protocol's token."""
GET_ASSETS_IN = Function("getAssetsIn(address)", "address[]")
CHECK_MEMBERSHIP = Function("checkMembership(address,address)", "bool")
GET_ACCOUNT_LIQUIDITY = Function("getAccountLiquidity(address)", "uint256,uint256,uint256")
"""Error, liquidity, shortfall."""

# Comptroller, not everywhere
IMPLEMENTATION = Function("comptrollerImplementation()", "address")
VAI_CONTROLLER = Function("vaiController()", "address")
MINTED_VAIS = Function("mintedVAIs(address)", "uint256")
COMPTROLLER_LENS = Function("comptrollerLens()", "address")
"""Where there is one, it counts interest on minted VAI, which is not computed here."""
PROTOCOL_PAUSED = Function("protocolPaused()", "bool")
SEIZE_PAUSED = Function("seizeGuardianPaused()", "bool")
MINT_PAUSED = Function("mintGuardianPaused(address)", "bool")

# Markets
COMPTROLLER = Function("comptroller()", "address")
SYMBOL = Function("symbol()", "string")
UNDERLYING = Function("underlying()", "address")
"""The native coin's market has none."""
GET_CASH = Function("getCash()", "uint256")
TOTAL_BORROWS = Function("totalBorrows()", "uint256")
TOTAL_RESERVES = Function("totalReserves()", "uint256")
TOTAL_SUPPLY = Function("totalSupply()", "uint256")
BORROW_INDEX = Function("borrowIndex()", "uint256")
ACCRUAL_BLOCK_NUMBER = Function("accrualBlockNumber()", "uint256")
RESERVE_FACTOR = Function("reserveFactorMantissa()", "uint256")
EXCHANGE_RATE_STORED = Function("exchangeRateStored()", "uint256")
BORROW_RATE = Function("borrowRatePerBlock()", "uint256")
RATE_MODEL = Function("interestRateModel()", "address")
GET_ACCOUNT_SNAPSHOT = Function("getAccountSnapshot(address)", "uint256,uint256,uint256,uint256")
"""Error, tokens, debt as stored, exchange rate as stored."""
BALANCE_OF = Function("balanceOf(address)", "uint256")
BORROW_BALANCE_STORED = Function("borrowBalanceStored(address)", "uint256")
SEIZE_SHARE = Function("protocolSeizeShareMantissa()", "uint256")
"""Not everywhere: what the market itself keeps of seized tokens."""

# Oracle
GET_UNDERLYING_PRICE = Function("getUnderlyingPrice(address)", "uint256")
