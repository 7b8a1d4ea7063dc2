"""Events of an Aave v2 pool: which name accounts, which change what all depend on, and liquidations.

Source: interfaces ILendingPool, IAToken, IVariableDebtToken, IStableDebtToken, ICreditDelegationToken,
and LendingPoolCollateralManager.sol, which acts as the pool, of aave/protocol-v2 1.0.1. Every change of
a balance emits a `Transfer` of the token (mint and burn from and to zero), whatever else it emits.
"""

from __future__ import annotations

from collections.abc import Iterable

from eth_utils.crypto import keccak

from chain.abi import to_address
from chain.logs import Log, LogFilter
from margin.account import AccountKey
from margin.basics import Address
from protocols.aave_v2 import parts
from protocols.aave_v2.state import Reserve
from protocols.aave_v2.venue import Market
from protocols.book import Holding, Liquidated, Touched


def _topic(signature: str) -> bytes:
    return bytes(keccak(text=signature))


TRANSFER = _topic("Transfer(address,address,uint256)")
COLLATERAL_ENABLED = _topic("ReserveUsedAsCollateralEnabled(address,address)")
COLLATERAL_DISABLED = _topic("ReserveUsedAsCollateralDisabled(address,address)")
LIQUIDATION_CALL = _topic("LiquidationCall(address,address,address,uint256,uint256,address,bool)")

_OF_TOKENS_AND_NOTHING_NEW = frozenset(
    _topic(signature)
    for signature in (
        "Approval(address,address,uint256)",
        "BorrowAllowanceDelegated(address,address,address,uint256)",
        # aToken
        "Mint(address,uint256,uint256)",
        "Burn(address,address,uint256,uint256)",
        "BalanceTransfer(address,address,uint256,uint256)",
        # variable debt
        "Mint(address,address,uint256,uint256)",
        "Burn(address,uint256,uint256)",
        # stable debt
        "Mint(address,address,uint256,uint256,uint256,uint256,uint256,uint256)",
        "Burn(address,uint256,uint256,uint256,uint256,uint256)",
    )
)
"""Events of the tokens that come with a `Transfer`, or change no balance."""


def history(market: Market) -> LogFilter:
    """Transfers of every token of the pool, and what users set for themselves."""
    tokens = [token for reserve in market.reserves.values() for token in parts.tokens_of(reserve)]
    return LogFilter((market.pool, *tokens), (TRANSFER, COLLATERAL_ENABLED, COLLATERAL_DISABLED))


def watched(market: Market, provider: Address) -> LogFilter:
    """The pool, its tokens, and everything that configures them."""
    others = (provider, market.configurator, market.oracle.address)
    return LogFilter((*history(market).addresses, *others))


def touched(market: Market, logs: Iterable[Log]) -> Touched:
    """Holdings that these events name; any event that is not known here changes the venue."""
    by_token = {
        token: part
        for reserve in market.reserves.values()
        for token, part in parts.tokens_of(reserve).items()
    }
    holdings: set[Holding] = set()
    venue = False
    for log in logs:
        topic = log.topics[0] if log.topics else b""
        of_token, of_two = log.address in by_token, len(log.topics) == 3
        if of_token and topic == TRANSFER and of_two:
            named = parts.with_companions(by_token[log.address])
            holders = {topic[12:] for topic in log.topics[1:]} - {bytes(20)}
            holdings |= {(holder, part) for holder in holders for part in named}
        elif log.address == market.pool and topic in (COLLATERAL_ENABLED, COLLATERAL_DISABLED) and of_two:
            holdings.add((log.topics[2][12:], parts.FLAGS))
        elif not (of_token and topic in _OF_TOKENS_AND_NOTHING_NEW):
            venue = True
    return Touched(frozenset(holdings), venue)


def liquidations_in(market: Market, logs: Iterable[Log]) -> tuple[Liquidated, ...]:
    """Every `LiquidationCall` of the pool; values at the market's prices. The pool takes no fee in v2."""
    return tuple(
        _liquidated(market, log)
        for log in logs
        if log.address == market.pool and len(log.topics) == 4 and log.topics[0] == LIQUIDATION_CALL
    )


def _liquidated(market: Market, log: Log) -> Liquidated:
    collateral, debt, owner = (to_address(topic[12:]) for topic in log.topics[1:])
    repaid_raw, seized_raw = (int.from_bytes(log.data[at : at + 32], "big") for at in (0, 32))
    by_token = {reserve.token: reserve for reserve in market.reserves.values()}
    seized_of, repaid_of = by_token.get(collateral), by_token.get(debt)
    taken = None if seized_of is None else market.value_raw(seized_of, seized_raw)
    repaid = None if repaid_of is None else market.value_raw(repaid_of, repaid_raw)
    return Liquidated(
        key=AccountKey(market.id, owner, owner),
        block=log.block,
        transaction=log.transaction,
        liquidator=to_address(log.data[76:96]),
        debt_token=debt,
        debt_symbol=_symbol(repaid_of, debt),
        debt_decimals=repaid_of.configuration.decimals if repaid_of else 0,
        repaid_raw=repaid_raw,
        collateral_token=collateral,
        collateral_symbol=_symbol(seized_of, collateral),
        collateral_decimals=seized_of.configuration.decimals if seized_of else 0,
        seized_raw=seized_raw,
        fee_raw=0,
        as_receipt=bool(int.from_bytes(log.data[96:128], "big")),
        cost_raw=None if taken is None or repaid is None else taken - repaid,
    )


def _symbol(reserve: Reserve | None, token: Address) -> str:
    """A token that is no reserve is known by its address only."""
    return reserve.symbol if reserve else token
