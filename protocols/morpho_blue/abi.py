"""The functions of Morpho Blue's contracts that are read, and the events that tell of its markets.

Source: interfaces IMorpho, IOracle, IIrm and libraries/EventsLib of morpho-org/morpho-blue 1.0.0, and
IAdaptiveCurveIrm of morpho-org/morpho-blue-irm.
"""

from __future__ import annotations

from chain.abi import Function

PARAMS = "(address,address,address,address,uint256)"
"""Loan token, collateral token, oracle, interest-rate model, LLTV (wad)."""
MARKET_WORDS = "uint128,uint128,uint128,uint128,uint128,uint128"
"""Total supply assets and shares, total borrow assets and shares, last update, fee (wad)."""

# Morpho
OWNER = Function("owner()", "address")
FEE_RECIPIENT = Function("feeRecipient()", "address")
DOMAIN_SEPARATOR = Function("DOMAIN_SEPARATOR()", "bytes32")
ID_TO_MARKET_PARAMS = Function("idToMarketParams(bytes32)", "address,address,address,address,uint256")
MARKET = Function("market(bytes32)", MARKET_WORDS)
POSITION = Function("position(bytes32,address)", "uint256,uint128,uint128")
"""Supply shares, borrow shares, collateral."""

# A market's oracle and its interest-rate model
PRICE = Function("price()", "uint256")
RATE_AT_TARGET = Function("rateAtTarget(bytes32)", "int256")
BORROW_RATE_VIEW = Function(f"borrowRateView({PARAMS},({MARKET_WORDS}))", "uint256")
